/* SPDX-License-Identifier: BSD-3-Clause */
/* Connection tracking: connections that rules of access control lists have let through. */
#include <inttypes.h>

#include "app.h"
#include "cli.h"
#include "show/running_config.h"
#include "show/show.h"
#include "show/show_conntrack.h"
#include "switch/acl_text.h"
#include "switch/port_ct.h"

/* --- settings --- */

static void
out_of_range(struct cmd *c, uint32_t most)
{
	cmd_fail(c, "Refused: not a number from 1 to %u\n", most);
}

static void
cmd_total(struct cmd *c)
{
	if (ct_set_total(&c->app->sw, (uint32_t)cmd_num(c, 3)) != 0)
		out_of_range(c, CT_TOTAL_MAX);
}

static void
cmd_limit(struct cmd *c)
{
	struct port *p = cmd_settable_port(c, 2);
	uint32_t n = (uint32_t)cmd_num(c, 5);

	if (p == NULL)
		return;
	if (n == 0 || n > CT_LIMIT_MAX)
		out_of_range(c, CT_LIMIT_MAX);
	else
		cmd_result(c, port_set_ct_limit(p, n == CT_LIMIT_DEFAULT ? 0 : n));
}

static void
cmd_timeout(struct cmd *c)
{
	enum ct_timeout t = (enum ct_timeout)cmd_choice(c, 3, CT_TIMEOUTS);

	if (ct_set_timeout(t, (uint32_t)cmd_num(c, 4)) != 0)
		out_of_range(c, CT_TIMEOUT_MAX);
}

static void
clear_port(struct cmd *c, struct port *p)
{
	port_ct_clear(p);
}

static void
cmd_clear(struct cmd *c)
{
	if (!cmd_each_port(c, 3, clear_port))
		show_valid_ports(c->app, c->out);
}

/* --- show --- */

static void
show_port(struct cmd *c, const struct port *p)
{
	struct ct_counts n;

	port_ct_counts(p, &n);
	cmd_print(c,
		  "%-4u %8u %8u %12" PRIu64 " %14" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64
		  " %10" PRIu64 "\n",
		  p->id, port_ct_entries(p), port_ct_limit(p), n.opened, n.hits, n.related,
		  n.evicted, n.full, n.invalid);
}

static void
cmd_show(struct cmd *c)
{
	struct ct_settings s;

	cmd_print(c, "%-4s %8s %8s %12s %14s %10s %10s %10s %10s\n", "Port", "Entries", "Limit",
		  "Opened", "Hits", "Related", "Evicted", "Full", "Invalid");
	for (uint16_t id = 0; id < c->app->sw.nports; id++)
		if (c->app->sw.port[id] != NULL && c->app->sw.port[id]->ct != NULL)
			show_port(c, c->app->sw.port[id]);
	ct_get_settings(&s);
	cmd_print(c, "Limit of all ports: %u; seconds:", s.total);
	for (int t = 0; t < CT_TIMEOUTS; t++)
		cmd_print(c, " %s %u", ct_timeout_names[t], s.timeout[t]);
	cmd_print(c, "\n");
}

static void
cmd_show_json(struct cmd *c)
{
	cmd_json(c, report_conntrack(c->app));
}

static void
show_connection(struct cmd *c, const struct port *p, const struct ct_info *i)
{
	char guest[CONNTRACK_TEXT], far[CONNTRACK_TEXT], vlan[16] = "-", number[16];
	const char *proto;
	struct ct_ends e;

	ct_ends(&i->key, &e);
	proto = acl_text_proto(e.proto);
	snprintf(number, sizeof(number), "%u", e.proto);
	if (e.vlan[1] != 0)
		snprintf(vlan, sizeof(vlan), "%u.%u", e.vlan[0], e.vlan[1]);
	else if (e.vlan[0] != 0)
		snprintf(vlan, sizeof(vlan), "%u", e.vlan[0]);
	cmd_print(c, "%-4u %-7s %-4s %-11s %6u  %-9s %s %s %s\n", p->id,
		  proto != NULL ? proto : number, i->out ? "out" : "in",
		  ct_state_name((enum ct_state)i->state), i->left_s, vlan,
		  conntrack_end(&e, i->out, guest, sizeof(guest)), "->",
		  conntrack_end(&e, !i->out, far, sizeof(far)));
}

static void
show_connections(struct cmd *c, struct port *p)
{
	uint32_t n = 0;
	struct ct_info i;

	for (uint32_t slot = 0; slot < port_ct_slots(p); slot++) {
		if (!port_ct_at(p, slot, &i))
			continue;
		if (n++ < CONNTRACK_SHOWN)
			show_connection(c, p, &i);
	}
	if (n > CONNTRACK_SHOWN)
		cmd_print(c, "... and %u more of port %u\n", n - CONNTRACK_SHOWN, p->id);
}

static void
cmd_show_port(struct cmd *c)
{
	cmd_print(c, "%-4s %-7s %-4s %-11s %6s  %-9s %s\n", "Port", "Proto", "By", "State", "Left",
		  "VLAN", "Connection");
	if (!cmd_each_port(c, 3, show_connections))
		show_valid_ports(c->app, c->out);
}

static json_t *
report(struct cmd *c, const struct port *p)
{
	return report_connections(c->app, p);
}

static void
cmd_port_json(struct cmd *c)
{
	cmd_json_ports(c, 3, report);
}

/* --- show config --- */

static void
port_running(const struct app *app, const struct port *p, FILE *out)
{
	if (p->ct_limit != 0)
		fprintf(out, "set port %u conntrack limit %u\n", p->id, p->ct_limit);
}

void
conntrack_running(const struct app *app, FILE *out)
{
	struct ct_settings s;

	ct_get_settings(&s);
	if (s.total != ct_defaults.total)
		fprintf(out, "set conntrack limit %u\n", s.total);
	for (int t = 0; t < CT_TIMEOUTS; t++)
		if (s.timeout[t] != ct_defaults.timeout[t])
			fprintf(out, "set conntrack timeout %s %u\n", ct_timeout_names[t],
				s.timeout[t]);
	running_each_port(app, out, port_running);
}

static const struct cli_row rows[] = {
	{"set port (port_id) conntrack limit (num)", cmd_limit,
	 "Connections that rules with allow-related may open at a port, 16384 at first, 262144 at "
	 "most; no more than its share of what all ports may have. A new one then replaces one "
	 "that has no answer yet or is closed, or its packet is dropped (rx_ct_full, tx_ct_full)."},
	{"set conntrack limit (num)", cmd_total,
	 "Connections of all ports, 1048576 at first: ports that track share them equally."},
	{"set conntrack timeout "
	 "(tcp-new|tcp-established|tcp-closing|tcp-closed|udp-new|udp-established|icmp) (seconds)",
	 cmd_timeout,
	 "How long a connection without packets is remembered: new ones have no answer; udp is "
	 "also for protocols other than TCP and ICMP."},
	{"show conntrack", cmd_show,
	 "Show the ports that track connections: how many each has and may have, and packets: of "
	 "known ones (hits), ICMP errors about one (related), dropped for want of room (full) or "
	 "as malformed (invalid). Evicted: connections that made room for others."},
	{"show conntrack json", cmd_show_json, "The same for programs."},
	{"show conntrack port (port_id|all)", cmd_show_port,
	 "Show connections, 4096 of a port at most: who opened each, the port's peer (in) or "
	 "others "
	 "(out), its state, and how many seconds it has left without packets."},
	{"show conntrack port (port_id|all) json", cmd_port_json, "The same for programs."},
	{"clear conntrack port (port_id|all)", cmd_clear,
	 "Forget connections: packets are compared with rules again."},
};

const struct cli_section cli_conntrack = {
	.name = "conntrack",
	.title = "Connection tracking:",
	.summary = "Connections that rules let through, with their replies (allow-related).",
	.rows = rows,
	.n = RTE_DIM(rows),
};
