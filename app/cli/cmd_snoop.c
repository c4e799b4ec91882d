/* SPDX-License-Identifier: BSD-3-Clause */
/* Snooping of IGMP and MLD: multicast for those who have joined, and who asks them. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include "app.h"
#include "cli.h"
#include "show/running_config.h"
#include "show/show_snooping.h"
#include "switch/snoop.h"
#include "switch/sw.h"

static const char *const routers[] = {"auto", "always", "never"};

/* --- settings --- */

static void
finish(struct cmd *c, const struct snoop_config *set)
{
	cmd_result(c, snoop_set(&c->app->sw, (uint16_t)cmd_num(c, 2), set));
}

static struct snoop_config
given_domain(const struct cmd *c)
{
	return snoop_get(&c->app->sw, (uint16_t)cmd_num(c, 2));
}

static void
cmd_snooping(struct cmd *c)
{
	struct snoop_config set = given_domain(c);
	bool on = cmd_on(c, 3);

	if (set.on == on)
		return;
	set.on = on;
	finish(c, &set);
}

static void
cmd_option(struct cmd *c)
{
	struct snoop_config set = given_domain(c);
	bool *const table[] = {&set.querier, &set.flood, &set.fast_leave};

	*table[cmd_choice(c, 3, RTE_DIM(table))] = cmd_on(c, 4);
	finish(c, &set);
}

static void
cmd_interval(struct cmd *c)
{
	struct snoop_config set = given_domain(c);

	if (cmd_num(c, 4) < SNOOP_INTERVAL_MIN || cmd_num(c, 4) > SNOOP_INTERVAL_MAX) {
		cmd_fail(c, "snooping interval %" PRIu64 ": must be between %u and %u\n",
			 cmd_num(c, 4), SNOOP_INTERVAL_MIN, SNOOP_INTERVAL_MAX);
		return;
	}
	set.interval_s = (uint32_t)cmd_num(c, 4);
	finish(c, &set);
}

static void
cmd_domain_limit(struct cmd *c)
{
	struct snoop_config set = given_domain(c);

	if (cmd_num(c, 4) > SNOOP_MAX) {
		cmd_fail(c, "snooping limit %" PRIu64 ": must be at most %u\n", cmd_num(c, 4),
			 SNOOP_MAX);
		return;
	}
	set.limit = (uint32_t)cmd_num(c, 4);
	finish(c, &set);
}

static void
cmd_address(struct cmd *c)
{
	struct snoop_config set = given_domain(c);

	if (inet_pton(AF_INET, cmd_str(c, 4), set.address) != 1 ||
	    (set.address[0] & 0xe0) == 0xe0) {
		cmd_bad_argument(c, cmd_str(c, 4),
				 "an IPv4 address that a host can have, or 0.0.0.0");
		return;
	}
	finish(c, &set);
}

static void
cmd_router(struct cmd *c)
{
	struct port *p = cmd_settable_port(c, 2);

	if (p != NULL)
		snoop_set_router(p, (enum snoop_router)cmd_choice(c, 5, RTE_DIM(routers)));
}

static void
cmd_limit(struct cmd *c)
{
	struct port *p = cmd_settable_port(c, 2);

	if (p != NULL)
		cmd_result(c, snoop_set_limit(p, cmd_num(c, 5)));
}

/* --- show --- */

static void
cmd_show(struct cmd *c)
{
	show_snooping(c->app, c->out);
}

static void
cmd_show_groups(struct cmd *c)
{
	show_snooping_groups(c->app, c->out);
}

static void
cmd_show_json(struct cmd *c)
{
	cmd_json(c, report_snooping(c->app));
}

static void
cmd_groups_json(struct cmd *c)
{
	cmd_json(c, report_snooping_groups(c->app));
}

/* --- show config --- */

static void
port_running(const struct app *app, const struct port *p, FILE *out)
{
	if (p->snoop.router != SNOOP_ROUTER_AUTO)
		fprintf(out, "set port %u snooping router %s\n", p->id, routers[p->snoop.router]);
	if (p->snoop.limit != 0)
		fprintf(out, "set port %u snooping limit %u\n", p->id, p->snoop.limit);
}

static void
domain_running(const struct app *app, uint16_t domain, FILE *out)
{
	const struct snoop_config set = snoop_get(&app->sw, domain);
	char text[INET_ADDRSTRLEN];

	if (!set.querier)
		fprintf(out, "set snooping %u querier off\n", domain);
	if (!set.flood)
		fprintf(out, "set snooping %u unknown off\n", domain);
	if (set.fast_leave)
		fprintf(out, "set snooping %u fast-leave on\n", domain);
	if (set.interval_s != SNOOP_INTERVAL)
		fprintf(out, "set snooping %u interval %u\n", domain, set.interval_s);
	if (set.limit != 0)
		fprintf(out, "set snooping %u limit %u\n", domain, set.limit);
	if (memcmp(set.address, (const uint8_t[4]){0}, sizeof(set.address)) != 0)
		fprintf(out, "set snooping %u address %s\n", domain,
			inet_ntop(AF_INET, set.address, text, sizeof(text)));
	if (set.on)
		fprintf(out, "set snooping %u on\n", domain);
}

void
snooping_running(const struct app *app, FILE *out)
{
	running_each_port(app, out, port_running);
	for (uint16_t domain = 0; domain < VLAN_DOMAINS; domain++)
		domain_running(app, domain, out);
}

static const struct cli_row rows[] = {
	{"set snooping (domain) (on|off)", cmd_snooping,
	 "Send frames of IPv4 and IPv6 multicast groups only to ports of a domain, in each VLAN, "
	 "whose hosts have joined the group (IGMP, MLD) or which have multicast routers. "
	 "224.0.0.0/24 and ff02::1 go to all. Messages that are malformed are dropped "
	 "(rx_mcast_bad), and frames that no other port has joined (rx_mcast_none)."},
	{"set snooping (domain) (querier|unknown|fast-leave) (on|off)", cmd_option,
	 "querier (on): ask hosts for their groups while no router does. unknown (on): groups that "
	 "no port has joined go to all ports, off: to those with routers. fast-leave (off): forget "
	 "a port as soon as a host behind it leaves; on: for ports with one host each."},
	{"set snooping (domain) interval (seconds)", cmd_interval,
	 "Ask every so many seconds, 20 to 127 (125); ports are forgotten after two and 20 s."},
	{"set snooping (domain) limit (num)", cmd_domain_limit,
	 "Groups that all ports of a domain may join together, counted by port; 0, as at first: as "
	 "many as those of all domains, 8192. A port that finds no room takes a place of the "
	 "one "
	 "that has most, unless it then had more."},
	{"set snooping (domain) address (address)", cmd_address,
	 "Ask from this IPv4 address, and do so unless a router with a lower one does; 0.0.0.0, as "
	 "at first: while there is none. With IPv6 the lowest link-local address asks."},
	{"set port (port_id) snooping router (auto|always|never)", cmd_router,
	 "Whether multicast routers are behind a port, which is then sent all groups and reports. "
	 "auto: when it says so (a query, PIM hello) or it is a tunnel, but not if its guard "
	 "refuses router advertisements; never: what says so is dropped (rx_mcast_query)."},
	{"set port (port_id) snooping limit (num)", cmd_limit,
	 "Groups a port may join, 0: 256, as at first; 8192 at most. Joins beyond it are counted "
	 "by "
	 "port, and why says so."},
	{"show snooping", cmd_show, "Show domains, who else asks there, and counters."},
	{"show snooping json", cmd_show_json, "The same for programs."},
	{"show snooping groups", cmd_show_groups,
	 "Show which port has joined which group, which have routers, and for how long that holds "
	 "unless it is heard of again."},
	{"show snooping groups json", cmd_groups_json, "The same for programs."},
};

const struct cli_section cli_snooping = {
	.name = "snooping",
	.title = "Multicast:",
	.summary = "Multicast groups only to ports that have joined them.",
	.rows = rows,
	.n = RTE_DIM(rows),
};
