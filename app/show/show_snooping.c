/* SPDX-License-Identifier: BSD-3-Clause */
#include "show_snooping.h"

#include <arpa/inet.h>
#include <inttypes.h>

#include "app.h"
#include "switch/snoop.h"
#include "switch/sw.h"
#include "switch/vlan.h"

static const char *
ip_text(const struct mcast_ip *ip, char *buf)
{
	if (ip->len == 0)
		return "-";
	return inet_ntop(ip->len == 4 ? AF_INET : AF_INET6, ip->addr, buf, INET6_ADDRSTRLEN);
}

static void
print_domain(const struct app *app, uint16_t domain, const struct snoop_config *set, FILE *out)
{
	char text[2][INET6_ADDRSTRLEN], own[INET_ADDRSTRLEN];
	struct mcast_ip other[2];

	for (int i = 0; i < 2; i++)
		other[i] = snoop_querier(&app->sw, domain, 0, i);
	fprintf(out, "%-6u  %-7s  %-7s  %-10s  %-8u  %-5u  %-15s  %s %s\n", domain,
		set->querier ? "on" : "off", set->flood ? "flooded" : "routers",
		set->fast_leave ? "on" : "off", set->interval_s,
		set->limit != 0 ? set->limit : SNOOP_MAX,
		inet_ntop(AF_INET, set->address, own, sizeof(own)), ip_text(&other[0], text[0]),
		ip_text(&other[1], text[1]));
}

void
show_snooping(const struct app *app, FILE *out)
{
	struct snoop_stats st;

	fputs("Domain  Querier  Unknown  Fast leave  Interval  Limit  Address          Other "
	      "queriers (no VLAN)\n",
	      out);
	for (uint16_t domain = 0; domain < VLAN_DOMAINS; domain++) {
		struct snoop_config set = snoop_get(&app->sw, domain);

		if (set.on)
			print_domain(app, domain, &set, out);
	}
	snoop_get_stats(&app->sw, &st);
	fprintf(out,
		"Members: %u, ports with routers: %u\nJoins: %" PRIu64 ", leaves: %" PRIu64
		", queries: %" PRIu64 ", sent: %" PRIu64 ", aged: %" PRIu64 "\nRefused: %" PRIu64
		" of ports, %" PRIu64 " of domains, %" PRIu64 " of all; evicted: %" PRIu64
		"; lost: %" PRIu64 "\n",
		st.groups, st.routers, st.joins, st.leaves, st.queries, st.sent, st.aged,
		st.refused_port, st.refused_domain, st.refused_all, st.evicted, st.lost);
}

void
show_snooping_groups(const struct app *app, FILE *out)
{
	char text[INET6_ADDRSTRLEN];
	struct snoop_info i;

	fputs("Domain  VLAN  Port  Left     Group\n", out);
	for (uint32_t at = 0; snoop_entry(&app->sw, at, &i); at++)
		fprintf(out, "%-6u  %-4u  %-4u  %-5u s  %s\n", i.domain, i.vlan, i.port, i.left_s,
			i.group.len != 0 ? ip_text(&i.group, text) : "router");
}

static json_t *
report_domain(const struct app *app, uint16_t domain, const struct snoop_config *set)
{
	char text[INET6_ADDRSTRLEN];
	json_t *d = json_object();

	json_object_set_new(d, "domain", json_integer(domain));
	json_object_set_new(d, "querier", json_boolean(set->querier));
	json_object_set_new(d, "unknown", json_boolean(set->flood));
	json_object_set_new(d, "fast_leave", json_boolean(set->fast_leave));
	json_object_set_new(d, "interval", json_integer(set->interval_s));
	json_object_set_new(d, "limit", json_integer(set->limit));
	json_object_set_new(d, "address",
			    json_string(inet_ntop(AF_INET, set->address, text, sizeof(text))));
	for (int i = 0; i < 2; i++) {
		struct mcast_ip other = snoop_querier(&app->sw, domain, 0, i);

		if (other.len != 0)
			json_object_set_new(d, i == 0 ? "other_querier4" : "other_querier6",
					    json_string(ip_text(&other, text)));
	}
	return d;
}

static json_t *
report_domains(const struct app *app)
{
	json_t *list = json_array();

	for (uint16_t domain = 0; domain < VLAN_DOMAINS; domain++) {
		struct snoop_config set = snoop_get(&app->sw, domain);

		if (set.on)
			json_array_append_new(list, report_domain(app, domain, &set));
	}
	return list;
}

json_t *
report_snooping(const struct app *app)
{
	json_t *d = json_object();
	struct snoop_stats st;

	snoop_get_stats(&app->sw, &st);
	const struct {
		const char *name;
		uint64_t value;
	} table[] = {
		{"members", st.groups},
		{"routers", st.routers},
		{"joins", st.joins},
		{"leaves", st.leaves},
		{"queries", st.queries},
		{"sent", st.sent},
		{"aged", st.aged},
		{"refused_port", st.refused_port},
		{"refused_domain", st.refused_domain},
		{"refused_all", st.refused_all},
		{"evicted", st.evicted},
		{"lost", st.lost},
	};

	json_object_set_new(d, "domains", report_domains(app));
	for (size_t i = 0; i < RTE_DIM(table); i++)
		json_object_set_new(d, table[i].name, json_integer((json_int_t)table[i].value));
	return d;
}

json_t *
report_snooping_groups(const struct app *app)
{
	json_t *list = json_array(), *d;
	char text[INET6_ADDRSTRLEN];
	struct snoop_info i;

	for (uint32_t at = 0; snoop_entry(&app->sw, at, &i); at++) {
		d = json_object();
		json_object_set_new(d, "domain", json_integer(i.domain));
		if (i.vlan != 0)
			json_object_set_new(d, "vlan", json_integer(i.vlan));
		json_object_set_new(d, "port", json_integer(i.port));
		if (i.group.len != 0)
			json_object_set_new(d, "group", json_string(ip_text(&i.group, text)));
		else
			json_object_set_new(d, "router", json_true());
		json_object_set_new(d, "left_s", json_integer(i.left_s));
		json_array_append_new(list, d);
	}
	return list;
}
