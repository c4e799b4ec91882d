/* SPDX-License-Identifier: BSD-3-Clause */
/* Limits of the frames a port sends (rates, storms, source addresses) and is sent. */
#include <string.h>

#include "app.h"
#include "show/show.h"
#include "cli.h"
#include "show/json.h"
#include "show/running_config.h"
#include "switch/port_limits.h"

/* --- settings --- */

/** A limit the operator sets, or removes, replaces the one that migrated with the guest. */
struct change {
	struct port *p;
	struct limits set, migrated;
};

/* False: there is no such port. */
static bool
begin(struct cmd *c, struct change *x)
{
	x->p = cmd_settable_port(c, 2);
	if (x->p == NULL)
		return false;
	port_get_limits(x->p, &x->set);
	x->migrated = x->p->migrated;
	return true;
}

static void
finish(struct cmd *c, const struct change *x)
{
	int ret = port_set_limits(x->p, &x->set);

	if (ret == 0)
		ret = port_set_migrated_limits(x->p, &x->migrated);
	cmd_result(c, ret);
}

/* The member of struct limits that is set. */
typedef uint64_t *(*rate_fn)(struct limits *l);

static uint64_t *
pps(struct limits *l)
{
	return &l->pps;
}

static uint64_t *
bps(struct limits *l)
{
	return &l->bps;
}

static uint64_t *
storm(struct limits *l)
{
	return &l->storm;
}

static void
set_rate(struct cmd *c, rate_fn of, uint64_t rate)
{
	struct change x;

	if (!begin(c, &x))
		return;
	*of(&x.set) = rate;
	*of(&x.migrated) = 0;
	finish(c, &x);
}

static void
cmd_rate(struct cmd *c)
{
	set_rate(c, cmd_on(c, 4) ? pps : bps, cmd_num(c, 5));
}

static void
cmd_rate_off(struct cmd *c)
{
	set_rate(c, cmd_on(c, 4) ? pps : bps, 0);
}

static void
cmd_storm(struct cmd *c)
{
	set_rate(c, storm, cmd_num(c, 5));
}

static void
cmd_storm_off(struct cmd *c)
{
	set_rate(c, storm, 0);
}

static void
forget_lock(struct limits *l)
{
	l->locked = false;
	l->nmac = 0;
}

static void
cmd_source_lock(struct cmd *c)
{
	struct change x;

	if (!begin(c, &x))
		return;
	x.set.locked = cmd_on(c, 4);
	if (!x.set.locked)
		x.set.nmac = 0;
	forget_lock(&x.migrated);
	finish(c, &x);
}

static bool
is_locked_to(const struct limits *l, const struct rte_ether_addr *mac)
{
	for (uint8_t i = 0; i < l->nmac; i++)
		if (rte_is_same_ether_addr(&l->mac[i], mac))
			return true;
	return false;
}

static void
cmd_source_lock_to(struct cmd *c)
{
	const struct rte_ether_addr *mac = &c->words->w[4].mac;
	struct limits now;
	struct change x;

	if (!begin(c, &x))
		return;
	port_limits_in_force(x.p, &now); /* with a guest's, to which this one is added */
	x.set.locked = true;
	x.set.nmac = now.nmac;
	memcpy(x.set.mac, now.mac, sizeof(now.mac));
	forget_lock(&x.migrated);
	if (x.set.nmac == LIMIT_MACS_MAX && !is_locked_to(&now, mac)) {
		cmd_fail(c, "Refused: the port is locked to %d addresses\n", LIMIT_MACS_MAX);
		return;
	}
	if (!is_locked_to(&now, mac))
		x.set.mac[x.set.nmac++] = *mac;
	finish(c, &x);
}

/* --- what a port is sent --- */

static void
set_egress_rate(struct cmd *c, uint64_t rate)
{
	struct port *p = cmd_settable_port(c, 2);
	uint64_t pps, bps;

	if (p == NULL)
		return;
	pps = cmd_on(c, 4) ? rate : p->egress_limits.pps;
	bps = cmd_on(c, 4) ? p->egress_limits.bps : rate;
	cmd_result(c, port_set_egress_limits(p, pps, bps));
}

static void
cmd_egress_rate(struct cmd *c)
{
	set_egress_rate(c, cmd_num(c, 5));
}

static void
cmd_egress_rate_off(struct cmd *c)
{
	set_egress_rate(c, 0);
}

/* --- show --- */

static void
show_rate(struct cmd *c, uint64_t rate)
{
	if (rate == 0)
		cmd_print(c, " %14s", "-");
	else
		cmd_print(c, " %14" PRIu64, rate);
}

static void
show_limits(struct cmd *c, struct port *p)
{
	struct limits l;

	port_limits_in_force(p, &l);
	cmd_print(c, "%-4u", p->id);
	show_rate(c, l.pps);
	show_rate(c, l.bps);
	show_rate(c, l.storm);
	show_rate(c, p->egress_limits.pps);
	show_rate(c, p->egress_limits.bps);
	cmd_print(c, "  %s", !l.locked ? "-" : l.nmac == 0 ? "on, no address has sent yet" : "");
	for (uint8_t i = 0; i < l.nmac; i++)
		cmd_print(c, "%s" RTE_ETHER_ADDR_PRT_FMT, i == 0 ? "" : " ",
			  RTE_ETHER_ADDR_BYTES(&l.mac[i]));
	cmd_print(c, "\n");
}

static void
cmd_show_limits(struct cmd *c)
{
	cmd_print(c, "%-4s %14s %14s %14s %14s %14s  %s\n", "Port", "Frames/s", "Bits/s", "Storm/s",
		  "Out frames/s", "Out bits/s", "Locked to");
	if (!cmd_each_port(c, 2, show_limits))
		show_valid_ports(c->app, c->out);
}

static json_t *
report_limits(struct cmd *c, const struct port *p)
{
	json_t *d = report_port(c->app, p, 0), *macs = json_array();
	char mac[RTE_ETHER_ADDR_FMT_SIZE];
	struct limits l;

	port_limits_in_force(p, &l);
	json_object_set_new(d, "pps", json_integer((json_int_t)l.pps));
	json_object_set_new(d, "bps", json_integer((json_int_t)l.bps));
	json_object_set_new(d, "storm_pps", json_integer((json_int_t)l.storm));
	json_object_set_new(d, "egress_pps", json_integer((json_int_t)p->egress_limits.pps));
	json_object_set_new(d, "egress_bps", json_integer((json_int_t)p->egress_limits.bps));
	json_object_set_new(d, "locked", json_boolean(l.locked));
	for (uint8_t i = 0; i < l.nmac; i++) {
		rte_ether_format_addr(mac, sizeof(mac), &l.mac[i]);
		json_array_append_new(macs, json_string(mac));
	}
	json_object_set_new(d, "locked_to", macs);
	return d;
}

static void
cmd_limits_json(struct cmd *c)
{
	cmd_json_ports(c, 2, report_limits);
}

/* --- show config --- */

static void
port_limits_running(const struct app *app, const struct port *p, FILE *out)
{
	struct limits l;

	port_get_limits(p, &l);
	if (l.pps != 0)
		fprintf(out, "set port %u rate pps %" PRIu64 "\n", p->id, l.pps);
	if (l.bps != 0)
		fprintf(out, "set port %u rate bps %" PRIu64 "\n", p->id, l.bps);
	if (p->egress_limits.pps != 0)
		fprintf(out, "set port %u egress-rate pps %" PRIu64 "\n", p->id,
			p->egress_limits.pps);
	if (p->egress_limits.bps != 0)
		fprintf(out, "set port %u egress-rate bps %" PRIu64 "\n", p->id,
			p->egress_limits.bps);
	if (l.storm != 0)
		fprintf(out, "set port %u storm pps %" PRIu64 "\n", p->id, l.storm);
	if (l.locked && l.nmac == 0)
		fprintf(out, "set port %u source-lock on\n", p->id);
	for (uint8_t i = 0; i < l.nmac; i++)
		fprintf(out, "set port %u source-lock " RTE_ETHER_ADDR_PRT_FMT "\n", p->id,
			RTE_ETHER_ADDR_BYTES(&l.mac[i]));
}

void
limits_running(const struct app *app, FILE *out)
{
	running_each_port(app, out, port_limits_running);
}

static const struct cli_row rows[] = {
	{"set port (port_id) rate (pps|bps) (rate)", cmd_rate,
	 "Limit what a port may send, in frames or bits per second; both can be set. A hundredth "
	 "of it, and at least 32 frames, may come at once; the rest is dropped (rx_rate)."},
	{"set port (port_id) rate (pps|bps) off", cmd_rate_off, "Remove a limit."},
	{"set port (port_id) egress-rate (pps|bps) (rate)", cmd_egress_rate,
	 "Limit what a port is sent, copies for a mirror included, in frames or bits per second; "
	 "both can be set. The rest is dropped (tx_rate)."},
	{"set port (port_id) egress-rate (pps|bps) off", cmd_egress_rate_off, "Remove a limit."},
	{"set port (port_id) storm pps (rate)", cmd_storm,
	 "Limit the broadcast and multicast frames per second of a port; the rest is dropped "
	 "(rx_storm)."},
	{"set port (port_id) storm off", cmd_storm_off, "Remove that limit."},
	{"set port (port_id) source-lock (on|off)", cmd_source_lock,
	 "Let a port send from one address only, the first it sends from; other frames are "
	 "dropped (rx_locked). off: from any, and forget the address."},
	{"set port (port_id) source-lock (XX:XX:XX:XX:XX:XX)", cmd_source_lock_to,
	 "Let a port send from this address, too, and from none that was not named; 8 at most."},
	{"show limits (port_id|all)", cmd_show_limits,
	 "Show the rates and addresses ports are limited to: those that are set, or those that "
	 "migrated with the guest where they are stricter. Migrated limits end with the guest, or "
	 "when the same limit is set. Out: of what they are sent."},
	{"show limits (port_id|all) json", cmd_limits_json, "The same for programs; 0: none."},
};

const struct cli_section cli_limits = {
	.name = "limits",
	.title = "Limits:",
	.summary =
		"Limits of the frames a port sends (rates, storms, source addresses) and is sent.",
	.rows = rows,
	.n = RTE_DIM(rows),
};
