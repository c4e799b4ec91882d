/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands that dpdk-testpmd does not have: the switch itself. */
#include <inttypes.h>
#include <string.h>

#include <rte_lcore.h>

#include "app.h"
#include "show/json.h"
#include "show/show.h"
#include "cli.h"
#include "device.h"
#include "show/running_config.h"
#include "switch/lldp.h"
#include "switch/publish.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"
#include "switch/vlan_table.h"
#include "wait.h"

/* --- forwarding database --- */

#define ENTRIES_AT_ONCE 512

static void
print_entry(const struct app *app, const struct fdb_entry_info *e, FILE *out)
{
	uint16_t domain, vlan;
	char text[16] = "-";

	vlan_of_fid(&app->sw, e->fid, &domain, &vlan);
	if (vlan != 0)
		snprintf(text, sizeof(text), "%u", vlan);
	fprintf(out, RTE_ETHER_ADDR_PRT_FMT "  %6u  %4s  %5u  ", RTE_ETHER_ADDR_BYTES(&e->mac),
		domain, text, e->port);
	if (e->origin != FDB_LEARNED)
		fprintf(out, "%s\n", e->origin == FDB_STATIC ? "static" : "extern");
	else
		fprintf(out, "%5us  %5u\n", e->age_s, e->moves);
}

/* At most @p n of them, from *@p at on. False: there are no more. */
static bool
print_entries(const struct app *app, uint32_t *at, uint32_t n, FILE *out)
{
	struct fdb_entry_info e;

	for (; n > 0; n--) {
		if (!fdb_next(app->sw.fdb, at, &e))
			return false;
		print_entry(app, &e, out);
	}
	return true;
}

static void
print_fdb_stats(const struct app *app, FILE *out)
{
	struct fdb_stats s;

	fdb_get_stats(app->sw.fdb, &s);
	fprintf(out,
		"Entries: %" PRIu64 ", learned: %" PRIu64 ", aged: %" PRIu64 ", moved: %" PRIu64
		", evicted: %" PRIu64 ", refused: %" PRIu64 " (limit) %" PRIu64
		" (port limit), ring full: %" PRIu64 "\n",
		s.entries, s.learned, s.aged, s.moved, s.evicted, s.refused_limit,
		s.refused_port_limit, s.ring_full);
}

static enum wait_end
look_fdb(struct wait *w)
{
	bool more = print_entries(w->app, &w->on.address, ENTRIES_AT_ONCE, w->out);

	return more ? WAIT_ON : WAIT_DONE;
}

static void
say_fdb(const struct wait *w, enum wait_end end)
{
	print_fdb_stats(w->app, w->out);
}

static const struct wait_kind wait_fdb = {
	.look = look_fdb,
	.say = say_fdb,
	.talks = true,
	.busy = true,
};

/* A guest may have filled it, and others have to wait: a client gets a part at a time. */
static void
cmd_show_fdb(struct cmd *c)
{
	struct wait *w = cmd_parts(c);
	uint32_t at = 0;

	fdb_maintain(c->app->sw.fdb, ev_now_ns());
	cmd_print(c, "MAC address        Domain  VLAN   Port     Age  Moves\n");
	if (!print_entries(c->app, &at, w != NULL ? ENTRIES_AT_ONCE : UINT32_MAX, c->out)) {
		print_fdb_stats(c->app, c->out);
		return;
	}
	w->on.address = at;
	wait_start(w, c->app, &wait_fdb, WAIT_FOREVER);
}

static void
cmd_flush_fdb(struct cmd *c)
{
	cmd_print(c, "%u addresses forgotten\n", fdb_forget_all(c->app->sw.fdb));
}

/* --- drops --- */

static void
drops_of(struct cmd *c, struct port *p)
{
	struct port_stats s;
	uint64_t n;

	port_get_stats(p, &s);
	for (int r = 0; r < DROP_NUM; r++) {
		n = s.rx.drop[r] + s.tx.drop[r];
		if (n != 0)
			cmd_print(c, "%-4u %-16s %14" PRIu64 "  %s\n", p->id, drop_name(r), n,
				  drop_text(r));
	}
}

static void
cmd_show_drops(struct cmd *c)
{
	cmd_print(c, "%-4s %-16s %14s  %s\n", "Port", "Reason", "Frames", "Meaning");
	if (!cmd_each_port(c, 2, drops_of))
		show_valid_ports(c->app, c->out);
}

/* --- settings --- */

static void
cmd_fdb_add(struct cmd *c)
{
	const struct port *p = cmd_settable_port(c, 4);

	if (p != NULL)
		cmd_result(c, fdb_add_static(c->app->sw.fdb, &c->words->w[2].mac,
					     (uint16_t)cmd_num(c, 3), p->id));
}

static void
cmd_fdb_del(struct cmd *c)
{
	cmd_result(c, fdb_del(c->app->sw.fdb, &c->words->w[2].mac, (uint16_t)cmd_num(c, 3)));
}

static void
cmd_set_fdb(struct cmd *c)
{
	struct options *o = &c->app->opt;
	const struct {
		const char *what;
		uint32_t *where;
		uint32_t min, max; /* as of the option */
	} table[] = {
		{"limit", &o->fdb_limit, 1, OPT_FDB_MAX},
		{"port-limit", &o->fdb_port_limit, 0, OPT_FDB_MAX},
		{"age", &o->fdb_age, 0, OPT_AGE_MAX},
	};
	unsigned int i = cmd_choice(c, 2, RTE_DIM(table));
	uint32_t before;
	int ret;

	if (cmd_num(c, 3) < table[i].min || cmd_num(c, 3) > table[i].max) {
		cmd_fail(c, "fdb %s %" PRIu64 ": must be between %u and %u\n", table[i].what,
			 cmd_num(c, 3), table[i].min, table[i].max);
		return;
	}
	before = *table[i].where;
	*table[i].where = (uint32_t)cmd_num(c, 3);
	ret = fdb_set_limits(c->app->sw.fdb, o->fdb_limit, o->fdb_port_limit, o->fdb_age);
	if (ret < 0)
		*table[i].where = before;
	cmd_result(c, ret);
}

static void
cmd_port_fdb_limit(struct cmd *c)
{
	const struct port *p = cmd_settable_port(c, 2);
	uint32_t limit = (uint32_t)cmd_num(c, 4);

	if (p == NULL)
		return;
	cmd_result(c, fdb_set_port_limit(c->app->sw.fdb, p->id, limit));
	if (limit != 0 && fdb_port_limit(c->app->sw.fdb, p->id) < limit)
		cmd_print(c,
			  "The migrated limit of the guest, %u, is in force while the guest is "
			  "there\n",
			  fdb_port_limit(c->app->sw.fdb, p->id));
}

static void
cmd_port_domain(struct cmd *c)
{
	struct port *p = cmd_settable_port(c, 2);

	if (p == NULL || p->domain == cmd_num(c, 4))
		return;
	cmd_result(c, port_set_domain(p, (uint16_t)cmd_num(c, 4)));
	app_port_changed(c->app, p);
}

static void
cmd_port_isolated(struct cmd *c)
{
	struct port *p = cmd_settable_port(c, 2);

	if (p == NULL)
		return;
	p->isolated = cmd_on(c, 4);
	sw_publish(&c->app->sw);
}

static void
set_group_fwd(struct cmd *c, struct port *p, uint64_t mask)
{
	if (sw_set_group_fwd(&c->app->sw, p, mask) == 0)
		return;
	cmd_fail(c,
		 "Refused: mask 0x%" PRIx64 ": bits 0 and 2 to 15 stand for 01:80:c2:00:00:00 and "
		 ":02 to :0f; bit 1, MAC control (PAUSE), is never relayed\n",
		 mask);
}

static void
cmd_group_fwd(struct cmd *c)
{
	set_group_fwd(c, NULL, cmd_num(c, 2));
}

static void
cmd_port_group_fwd(struct cmd *c)
{
	struct port *p = cmd_settable_port(c, 2);

	if (p != NULL)
		set_group_fwd(c, p, cmd_num(c, 4));
}

static void
cmd_port_learning(struct cmd *c)
{
	struct port *p = cmd_settable_port(c, 2);

	if (p != NULL)
		sw_set_learning(p, cmd_on(c, 4));
}

/* Refuse what a port of this kind cannot do. */
static void
refuse_kind(struct cmd *c, const struct port *p, const char *what)
{
	cmd_fail(c, "Port %u is of kind %s, which has no %s\n", p->id, p->ops->kind, what);
}

static void
cmd_show_negotiation(struct cmd *c)
{
	const struct port *p = cmd_port(c, 2);

	if (p == NULL)
		return;
	if (p->ops->negotiation != NULL)
		p->ops->negotiation(p, c->out);
	else
		refuse_kind(c, p, "negotiation");
}

static void
cmd_port_format(struct cmd *c)
{
	struct port *p = cmd_port(c, 2);

	if (p == NULL)
		return;
	if (p->ops->set_format != NULL)
		cmd_result(c, p->ops->set_format(p, cmd_str(c, 4)));
	else
		refuse_kind(c, p, "data formats");
}

/* --- LLDP --- */

static void
cmd_port_lldp(struct cmd *c)
{
	struct port *p = cmd_settable_port(c, 2);

	if (p != NULL)
		lldp_set(p, cmd_on(c, 4));
}

static void
print_lldp(const struct app *app, const struct port *p, FILE *out)
{
	if (p->lldp)
		fprintf(out, "Port %u: %" PRIu64 " frames of LLDP sent\n", p->id, p->lldp_sent);
}

static void
cmd_show_lldp(struct cmd *c)
{
	running_each_port(c->app, c->out, print_lldp);
}

static void
cmd_lldp_json(struct cmd *c)
{
	json_t *list = json_array(), *d;

	for (uint16_t id = 0; id < c->app->sw.nports; id++) {
		const struct port *p = c->app->sw.port[id];

		if (p == NULL || !p->lldp)
			continue;
		d = report_port(c->app, p, 0);
		json_object_set_new(d, "sent", json_integer((json_int_t)p->lldp_sent));
		json_array_append_new(list, d);
	}
	cmd_json(c, list);
}

/* --- show config --- */

static void
port_running(const struct app *app, const struct port *p, FILE *out)
{
	uint32_t limit = fdb_get_port_limit(app->sw.fdb, p->id);

	if (p->domain != 0)
		fprintf(out, "set port %u domain %u\n", p->id, p->domain);
	if (p->isolated)
		fprintf(out, "set port %u isolated on\n", p->id);
	if (p->no_learning)
		fprintf(out, "set port %u learning off\n", p->id);
	if (p->group_fwd != 0)
		fprintf(out, "set port %u group-fwd-mask 0x%x\n", p->id, p->group_fwd);
	if (limit != 0)
		fprintf(out, "set port %u fdb-limit %u\n", p->id, limit);
	if (p->lldp)
		fprintf(out, "set port %u lldp on\n", p->id);
}

struct running {
	const struct app *app;
	FILE *out;
};

static bool
static_running(const struct fdb_entry_info *e, void *arg)
{
	const struct running *r = arg;
	uint16_t domain, vlan;

	if (e->origin != FDB_STATIC)
		return true;
	vlan_of_fid(&r->app->sw, e->fid, &domain, &vlan);
	fprintf(r->out, "fdb add " RTE_ETHER_ADDR_PRT_FMT " %u %u", RTE_ETHER_ADDR_BYTES(&e->mac),
		domain, e->port);
	if (vlan != 0)
		fprintf(r->out, " vlan %u", vlan);
	fputc('\n', r->out);
	return true;
}

static bool
count_static(const struct fdb_entry_info *e, void *arg)
{
	*(uint32_t *)arg += e->origin == FDB_STATIC;
	return true;
}

void
switch_running(const struct app *app, FILE *out)
{
	const struct options *o = &app->opt;
	uint32_t statics = 0;

	/* static entries stay when the limit is lowered, and have to find room again */
	fdb_walk(app->sw.fdb, count_static, &statics);
	fprintf(out, "set fdb limit %u\nset fdb port-limit %u\nset fdb age %u\n",
		RTE_MAX(o->fdb_limit, statics), o->fdb_port_limit, o->fdb_age);
	if (app->sw.group_fwd != 0)
		fprintf(out, "set group-fwd-mask 0x%x\n", app->sw.group_fwd);
	running_each_port(app, out, port_running);
	fdb_walk(app->sw.fdb, static_running, &(struct running){app, out});
	if (o->fdb_limit < statics)
		fprintf(out, "set fdb limit %u\n", o->fdb_limit);
}

static const struct cli_row rows[] = {
	{"set port (port_id) lldp (on|off)", cmd_port_lldp,
	 "Tell the switch at the other end of a port, by LLDP every 30 s, the name of this host "
	 "and of the port; off: it is told to forget that."},
	{"show lldp", cmd_show_lldp, "Show which ports send LLDP, and how many frames they have."},
	{"show lldp json", cmd_lldp_json, "The same for programs."},
	{"show fdb", cmd_show_fdb, "Show the addresses learned and where they are."},
	{"clear fdb", cmd_flush_fdb, "Forget all learned addresses."},
	{"fdb add (XX:XX:XX:XX:XX:XX) (domain) (port_id)", cmd_fdb_add,
	 "Pin an address to a port; it is not learned elsewhere and does not age."},
	{"fdb del (XX:XX:XX:XX:XX:XX) (domain)", cmd_fdb_del, "Forget an address."},
	{"set fdb (limit|port-limit|age) (num)", cmd_set_fdb,
	 "Set how many addresses are learned in total, per port (0: any number), or after how "
	 "many seconds an unused one is forgotten (0: never). In a full table the port with the "
	 "most addresses loses one that it has not used for long."},
	{"set port (port_id) fdb-limit (num)", cmd_port_fdb_limit,
	 "Set how many addresses are learned behind port_id, 0: as for all. A lower limit that "
	 "migrated with the guest is in force as long as the guest is there."},
	{"set port (port_id) domain (domain)", cmd_port_domain,
	 "Move a port to another bridge: frames stay within equal domains."},
	{"set port (port_id) isolated (on|off)", cmd_port_isolated,
	 "Keep a port from exchanging frames with other isolated ports."},
	{"set port (port_id) learning (on|off)", cmd_port_learning,
	 "Learn addresses from the frames of a port, as it does at first, or not: then those it "
	 "has "
	 "are forgotten, and frames to stations behind it are flooded unless \"fdb add\" says "
	 "where "
	 "they are."},
	{"set group-fwd-mask (mask)", cmd_group_fwd,
	 "Let the switch relay frames to reserved groups 01:80:c2:00:00:0X, by bit X, whatever "
	 "port "
	 "they come from: 0x4000 LLDP, 0x4 LACP. Without it they are dropped (rx_reserved), as "
	 "802.1Q demands; PAUSE (bit 1) always."},
	{"set port (port_id) group-fwd-mask (mask)", cmd_port_group_fwd,
	 "The same for what comes from one port, in addition to what is set for all."},
	{"set port (port_id) format (any|modern-only|legacy-le|legacy-be|auto)", cmd_port_format,
	 "Set which data formats of guests a vhost port serves."},
	{"show port (port_id) negotiation", cmd_show_negotiation,
	 "Show what a vhost port and its front-end agreed on, and what is in the way of traffic."},
	{"show drops (port_id|all)", cmd_show_drops, "Show why frames were dropped."},
};

const struct cli_section cli_switching = {
	.name = "switch",
	.title = "Switch:",
	.summary = "Addresses and drops of the switch.",
	.rows = rows,
	.n = RTE_DIM(rows),
};
