/* SPDX-License-Identifier: BSD-3-Clause */
/* Access control lists: which IP packets a port may send, or is sent. */
#include <inttypes.h>
#include <string.h>

#include "app.h"
#include "cli.h"
#include "show/running_config.h"
#include "show/show.h"
#include "show/show_acl.h"
#include "switch/acl_text.h"
#include "switch/port_acl.h"

static const char *const directions[ACL_DIRS] = {"in", "out"};

/* --- settings --- */

/** A list that is changed. */
struct change {
	struct port *p;
	enum acl_dir dir;
	struct acl_config set;
};

/* False: there is no such port, which was said. */
static bool
begin(struct cmd *c, struct change *x)
{
	x->p = cmd_settable_port(c, 2);
	x->dir = (enum acl_dir)cmd_choice(c, 4, ACL_DIRS);
	if (x->p != NULL)
		x->set = *port_get_acl(x->p, x->dir);
	return x->p != NULL;
}

static void
finish(struct cmd *c, const struct change *x)
{
	cmd_result(c, port_set_acl(x->p, x->dir, &x->set));
}

/* The place of rule @p seq, or the one it would have. */
static uint32_t
place_of(const struct acl_config *set, uint32_t seq)
{
	uint32_t i = 0;

	while (i < set->n && set->rule[i].seq < seq)
		i++;
	return i;
}

static bool
has_at(const struct acl_config *set, uint32_t i, uint32_t seq)
{
	return i < set->n && set->rule[i].seq == seq;
}

/* Give a rule that has no number the next one behind the last. False: there is none. */
static bool
number(const struct acl_config *set, struct acl_rule *r)
{
	if (r->seq == 0)
		r->seq = (set->n > 0 ? set->rule[set->n - 1].seq : 0) + ACL_STEP;
	return r->seq <= ACL_SEQ_MAX;
}

static void
insert(struct acl_config *set, uint32_t i, const struct acl_rule *r)
{
	if (!has_at(set, i, r->seq)) {
		memmove(&set->rule[i + 1], &set->rule[i], (set->n - i) * sizeof(*r));
		set->n++;
	}
	set->rule[i] = *r;
}

static void
add(struct cmd *c, struct change *x, struct acl_rule *r)
{
	uint32_t i;

	if (!number(&x->set, r)) {
		cmd_fail(c, "Refused: the last rule has a number from %u on: say \"seq\"\n",
			 ACL_SEQ_MAX - ACL_STEP + 1);
		return;
	}
	i = place_of(&x->set, r->seq);
	if (x->set.n == ACL_RULES_MAX && !has_at(&x->set, i, r->seq)) {
		cmd_fail(c, "Refused: the list has %d rules, which is the most\n", ACL_RULES_MAX);
		return;
	}
	insert(&x->set, i, r);
	finish(c, x);
}

static void
cmd_add(struct cmd *c)
{
	struct acl_text_error e;
	struct acl_rule r;
	struct change x;

	if (!begin(c, &x))
		return;
	if (acl_text_parse(c->words->rest, &r, &e))
		add(c, &x, &r);
	else
		cmd_bad_argument(c, e.word, e.expected);
}

static void
cmd_del(struct cmd *c)
{
	uint32_t seq = (uint32_t)cmd_num(c, 6), i;
	struct change x;

	if (!begin(c, &x))
		return;
	i = place_of(&x.set, seq);
	if (!has_at(&x.set, i, seq)) {
		cmd_fail(c, "Refused: the list has no rule %u\n", seq);
		return;
	}
	x.set.n--;
	memmove(&x.set.rule[i], &x.set.rule[i + 1], (x.set.n - i) * sizeof(x.set.rule[0]));
	memset(&x.set.rule[x.set.n], 0, sizeof(x.set.rule[0]));
	finish(c, &x);
}

static void
cmd_default(struct cmd *c)
{
	struct change x;

	if (!begin(c, &x))
		return;
	x.set.drop = cmd_choice(c, 6, 3) == 2;
	x.set.track = cmd_choice(c, 6, 3) == 1;
	finish(c, &x);
}

static void
cmd_off(struct cmd *c)
{
	struct change x;

	if (!begin(c, &x))
		return;
	memset(&x.set, 0, sizeof(x.set));
	finish(c, &x);
}

/* --- show --- */

static void
show_list(struct cmd *c, const struct port *p, enum acl_dir dir)
{
	const struct acl_config *set = port_get_acl(p, dir);
	struct acl_count n;

	if (p->acl[dir] == NULL)
		return;
	for (uint32_t i = 0; i <= set->n; i++) {
		n = port_acl_count(p, dir, i < set->n ? i + 1 : 0);
		cmd_print(c, "%-4u %-3s %14" PRIu64 " %16" PRIu64 "  ", p->id, directions[dir],
			  n.frames, n.bytes);
		if (i < set->n)
			acl_text_print(&set->rule[i], c->out);
		else
			cmd_print(c, "default %s", acl_text_verdict(set->drop, set->track));
		cmd_print(c, "\n");
	}
}

static void
show_acl(struct cmd *c, struct port *p)
{
	show_list(c, p, ACL_IN);
	show_list(c, p, ACL_OUT);
}

static void
cmd_show_acl(struct cmd *c)
{
	cmd_print(c, "%-4s %-3s %14s %16s  %s\n", "Port", "Dir", "Frames", "Bytes", "Rule");
	if (!cmd_each_port(c, 2, show_acl))
		show_valid_ports(c->app, c->out);
}

static json_t *
report(struct cmd *c, const struct port *p)
{
	return report_acl(c->app, p);
}

static void
cmd_acl_json(struct cmd *c)
{
	cmd_json_ports(c, 2, report);
}

/* --- show config --- */

static void
list_running(const struct port *p, enum acl_dir dir, FILE *out)
{
	const struct acl_config *set = port_get_acl(p, dir);

	for (uint32_t i = 0; i < set->n; i++) {
		fprintf(out, "set port %u acl %s add ", p->id, directions[dir]);
		acl_text_print(&set->rule[i], out);
		fputc('\n', out);
	}
	if (set->drop || set->track)
		fprintf(out, "set port %u acl %s default %s\n", p->id, directions[dir],
			acl_text_verdict(set->drop, set->track));
}

static void
acl_running(const struct app *app, const struct port *p, FILE *out)
{
	list_running(p, ACL_IN, out);
	list_running(p, ACL_OUT, out);
}

void
acls_running(const struct app *app, FILE *out)
{
	running_each_port(app, out, acl_running);
}

static const struct cli_row rows[] = {
	{"set port (port_id) acl (in|out) add (rule)", cmd_add,
	 "Add a rule to the list for IP packets that a port sends (in) or is sent (out): [seq N] "
	 "allow|allow-related|drop [ip|ip6] [proto P] [src PREFIX] [dst PREFIX] [sport A[-B]] "
	 "[dport A[-B]] "
	 "[fragments]. The first rule in the order of seq that a packet fits has the say; a rule "
	 "of the same number is replaced; 64 at most. Packets that are refused are counted "
	 "(rx_acl, "
	 "tx_acl), as are those whose headers cannot be seen (rx_acl_hidden, tx_acl_hidden). A "
	 "rule with ports does not fit fragments behind the first, which have none; \"fragments\" "
	 "fits those only. allow-related lets the packet open a connection: what follows passes in "
	 "both directions without being compared with rules, as do ICMP errors about it; see "
	 "\"show conntrack\"."},
	{"set port (port_id) acl (in|out) del (seq)", cmd_del, "Remove a rule."},
	{"set port (port_id) acl (in|out) default (allow|allow-related|drop)", cmd_default,
	 "Drop IP packets that no rule fits, or let them pass, as they do at first; allow-related: "
	 "let them open connections."},
	{"set port (port_id) acl (in|out) off", cmd_off, "Remove the list."},
	{"show acl (port_id|all)", cmd_show_acl,
	 "Show rules, and the frames and bytes that each was the first to fit."},
	{"show acl (port_id|all) json", cmd_acl_json, "The same for programs."},
};

const struct cli_section cli_acls = {
	.name = "acl",
	.title = "Access Control Lists:",
	.summary = "Which IP packets a port may send, or is sent.",
	.rows = rows,
	.n = RTE_DIM(rows),
};
