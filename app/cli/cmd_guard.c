/* SPDX-License-Identifier: BSD-3-Clause */
/* Guards: which IP addresses, DHCP servers and routers may be behind a port. */
#include <string.h>

#include "app.h"
#include "cli.h"
#include "show/json.h"
#include "show/running_config.h"
#include "show/show.h"
#include "switch/port_guard.h"

static const struct {
	const char *name;
	uint32_t check;
} checks[] = {
	{"addresses", GUARD_ADDRESSES},
	{"dhcp", GUARD_DHCP},
	{"ra", GUARD_RA},
};

/* --- settings --- */

static bool
same_pair(const struct guard_pair *a, const struct guard_pair *b)
{
	return ip_prefix_same(&a->ip, &b->ip) && a->any_mac == b->any_mac &&
	       rte_is_same_ether_addr(&a->mac, &b->mac);
}

static bool
same_guard(const struct guard_config *a, const struct guard_config *b)
{
	if (a->checks != b->checks || a->n != b->n)
		return false;
	for (uint32_t i = 0; i < a->n; i++)
		if (!same_pair(&a->pair[i], &b->pair[i]))
			return false;
	return true;
}

static void
finish(struct cmd *c, struct port *p, const struct guard_config *set)
{
	if (!same_guard(set, &p->guard_set))
		cmd_result(c, port_set_guard(p, set));
}

static void
cmd_guard(struct cmd *c)
{
	static const struct guard_config none;
	struct port *p = cmd_settable_port(c, 2);
	struct guard_config set;

	if (p == NULL)
		return;
	set = cmd_on(c, 4) ? p->guard_set : none;
	if (cmd_on(c, 4))
		set.checks = GUARD_ALL;
	finish(c, p, &set);
}

static void
cmd_check(struct cmd *c)
{
	uint32_t check = checks[cmd_choice(c, 4, RTE_DIM(checks))].check;
	struct port *p = cmd_settable_port(c, 2);
	struct guard_config set;

	if (p == NULL)
		return;
	set = p->guard_set;
	set.checks = cmd_on(c, 5) ? set.checks | check : set.checks & ~check;
	finish(c, p, &set);
}

/* The address at word 5. False: it is none, which was said. */
static bool
given_address(struct cmd *c, struct guard_pair *pair)
{
	if (guard_parse(cmd_str(c, 5), &pair->ip))
		return true;
	cmd_bad_argument(c, cmd_str(c, 5),
			 "an address that a host can have, or a prefix without host bits, such as "
			 "192.0.2.1, 2001:db8::1 or 10.0.0.0/8");
	return false;
}

static bool
has_pair(const struct guard_config *g, const struct guard_pair *pair)
{
	for (uint32_t i = 0; i < g->n; i++)
		if (same_pair(&g->pair[i], pair))
			return true;
	return false;
}

static void
add(struct cmd *c, struct guard_pair *pair)
{
	struct port *p = cmd_settable_port(c, 2);
	struct guard_config set;

	if (p == NULL || !given_address(c, pair))
		return;
	set = p->guard_set;
	if (set.checks == 0 && set.n == 0)
		set.checks = GUARD_ALL;
	if (!has_pair(&set, pair)) {
		if (set.n == GUARD_PAIRS_MAX) {
			cmd_fail(c, "Refused: the port has %d addresses, which is the most\n",
				 GUARD_PAIRS_MAX);
			return;
		}
		set.pair[set.n++] = *pair;
	}
	finish(c, p, &set);
}

static void
cmd_add(struct cmd *c)
{
	struct guard_pair pair = {.any_mac = true};

	add(c, &pair);
}

static void
cmd_add_mac(struct cmd *c)
{
	struct guard_pair pair = {.mac = c->words->w[6].mac};

	add(c, &pair);
}

static void
cmd_del(struct cmd *c)
{
	struct port *p = cmd_settable_port(c, 2);
	struct guard_config set = {0};
	struct guard_pair pair = {0};

	if (p == NULL || !given_address(c, &pair))
		return;
	set.checks = p->guard_set.checks;
	for (uint32_t i = 0; i < p->guard_set.n; i++)
		if (!ip_prefix_same(&p->guard_set.pair[i].ip, &pair.ip))
			set.pair[set.n++] = p->guard_set.pair[i];
	if (set.n == p->guard_set.n)
		cmd_fail(c, "Refused: the guard of port %u does not have %s\n", p->id,
			 cmd_str(c, 5));
	else
		finish(c, p, &set);
}

/* --- show --- */

static void
print_pair(const struct guard_pair *pair, FILE *out)
{
	char text[IP_PREFIX_TEXT];

	fputs(ip_prefix_text(&pair->ip, text, sizeof(text)), out);
	if (!pair->any_mac)
		fprintf(out, " " RTE_ETHER_ADDR_PRT_FMT, RTE_ETHER_ADDR_BYTES(&pair->mac));
}

static void
show_guard(struct cmd *c, struct port *p)
{
	const struct guard_config *g = &p->guard_set;

	cmd_print(c, "%-4u", p->id);
	for (size_t i = 0; i < RTE_DIM(checks); i++)
		cmd_print(c, " %-9s", (g->checks & checks[i].check) != 0 ? "on" : "-");
	for (uint32_t i = 0; i < g->n; i++) {
		cmd_print(c, i == 0 ? " " : ", ");
		print_pair(&g->pair[i], c->out);
	}
	cmd_print(c, "\n");
}

static void
cmd_show_guard(struct cmd *c)
{
	cmd_print(c, "Port Addresses DHCP      RA        Let through\n");
	if (!cmd_each_port(c, 2, show_guard))
		show_valid_ports(c->app, c->out);
}

static json_t *
report_pair(const struct guard_pair *pair)
{
	char text[IP_PREFIX_TEXT], mac[RTE_ETHER_ADDR_FMT_SIZE];
	json_t *d = json_object();

	json_object_set_new(d, "address",
			    json_string(ip_prefix_text(&pair->ip, text, sizeof(text))));
	if (pair->any_mac)
		return d;
	rte_ether_format_addr(mac, sizeof(mac), &pair->mac);
	json_object_set_new(d, "mac", json_string(mac));
	return d;
}

static json_t *
report_guard(struct cmd *c, const struct port *p)
{
	const struct guard_config *g = &p->guard_set;
	json_t *d = report_port(c->app, p, 0), *list = json_array();

	for (size_t i = 0; i < RTE_DIM(checks); i++)
		json_object_set_new(d, checks[i].name,
				    json_boolean((g->checks & checks[i].check) != 0));
	for (uint32_t i = 0; i < g->n; i++)
		json_array_append_new(list, report_pair(&g->pair[i]));
	json_object_set_new(d, "pairs", list);
	return d;
}

static void
cmd_guard_json(struct cmd *c)
{
	cmd_json_ports(c, 2, report_guard);
}

/* --- show config --- */

/* The first address turns all checks on, so the line that names the checks comes after it. */
static void
guard_running(const struct app *app, const struct port *p, FILE *out)
{
	const struct guard_config *g = &p->guard_set;

	for (uint32_t i = 0; i < g->n; i++) {
		fprintf(out, "set port %u guard add ", p->id);
		print_pair(&g->pair[i], out);
		fputc('\n', out);
	}
	for (size_t i = 0; (g->n > 0 || g->checks != 0) && i < RTE_DIM(checks); i++)
		fprintf(out, "set port %u guard %s %s\n", p->id, checks[i].name,
			(g->checks & checks[i].check) != 0 ? "on" : "off");
}

void
guards_running(const struct app *app, FILE *out)
{
	running_each_port(app, out, guard_running);
}

static const struct cli_row rows[] = {
	{"set port (port_id) guard (on|off)", cmd_guard,
	 "Guard a port against what a guest has no business to send: all three checks below. off: "
	 "none, and forget the addresses."},
	{"set port (port_id) guard (addresses|dhcp|ra) (on|off)", cmd_check,
	 "One of the checks. addresses: IP from, and ARP and neighbour discovery for, addresses "
	 "that were not added are dropped (rx_guard), but not what it takes to get an address. "
	 "dhcp: messages of DHCP servers are (rx_guard_dhcp). ra: router advertisements and "
	 "redirects are (rx_guard_ra). Turn dhcp or ra off for a server or router. Frames whose "
	 "headers cannot be seen are dropped with any of them (rx_guard_hidden)."},
	{"set port (port_id) guard add (address[/length])", cmd_add,
	 "Let an address or a prefix through, from any MAC address; 64 at most. The link-local "
	 "address made of the MAC address need not be named. The first address turns all checks "
	 "on."},
	{"set port (port_id) guard add (address[/length]) (XX:XX:XX:XX:XX:XX)", cmd_add_mac,
	 "Let it through from that MAC address only."},
	{"set port (port_id) guard del (address[/length])", cmd_del,
	 "Remove the address or prefix, whichever MAC address it was added with."},
	{"show guard (port_id|all)", cmd_show_guard, "Show what guards check and let through."},
	{"show guard (port_id|all) json", cmd_guard_json, "The same for programs."},
};

const struct cli_section cli_guards = {
	.name = "guard",
	.title = "Guards:",
	.summary = "Which IP addresses, DHCP servers and routers may be behind a port.",
	.rows = rows,
	.n = RTE_DIM(rows),
};
