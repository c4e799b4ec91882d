/* SPDX-License-Identifier: BSD-3-Clause */
#include "show_conntrack.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "app.h"
#include "json.h"
#include "switch/acl_text.h"
#include "switch/port_ct.h"

const char *
conntrack_end(const struct ct_ends *e, bool far, char *buf, size_t len)
{
	char addr[INET6_ADDRSTRLEN];

	inet_ntop(e->ip6 ? AF_INET6 : AF_INET, far ? e->far : e->guest, addr, sizeof(addr));
	if (!acl_has_ports(e->proto))
		snprintf(buf, len, "%s", addr);
	else
		snprintf(buf, len, e->ip6 ? "[%s]:%u" : "%s:%u", addr,
			 far ? e->far_port : e->guest_port);
	return buf;
}

/* --- numbers --- */

static json_t *
report_counts(const struct app *app, const struct port *p)
{
	json_t *d = report_port(app, p, 0);
	struct ct_counts n;

	port_ct_counts(p, &n);
	json_object_set_new(d, "entries", json_integer(port_ct_entries(p)));
	json_object_set_new(d, "limit", json_integer(port_ct_limit(p)));
	json_object_set_new(d, "opened", json_integer((json_int_t)n.opened));
	json_object_set_new(d, "hits", json_integer((json_int_t)n.hits));
	json_object_set_new(d, "related", json_integer((json_int_t)n.related));
	json_object_set_new(d, "evicted", json_integer((json_int_t)n.evicted));
	json_object_set_new(d, "full", json_integer((json_int_t)n.full));
	json_object_set_new(d, "invalid", json_integer((json_int_t)n.invalid));
	return d;
}

json_t *
report_conntrack(const struct app *app)
{
	json_t *d = json_object(), *timeouts = json_object(), *ports = json_array();
	struct ct_settings s;

	ct_get_settings(&s);
	json_object_set_new(d, "limit", json_integer(s.total));
	for (int t = 0; t < CT_TIMEOUTS; t++)
		json_object_set_new(timeouts, ct_timeout_names[t], json_integer(s.timeout[t]));
	json_object_set_new(d, "timeouts", timeouts);
	for (uint16_t id = 0; id < app->sw.nports; id++)
		if (app->sw.port[id] != NULL && app->sw.port[id]->ct != NULL)
			json_array_append_new(ports, report_counts(app, app->sw.port[id]));
	json_object_set_new(d, "ports", ports);
	return d;
}

/* --- connections --- */

static json_t *
report_end(const struct ct_ends *e, bool far)
{
	char addr[INET6_ADDRSTRLEN];
	json_t *d = json_object();

	inet_ntop(e->ip6 ? AF_INET6 : AF_INET, far ? e->far : e->guest, addr, sizeof(addr));
	json_object_set_new(d, "address", json_string(addr));
	if (acl_has_ports(e->proto))
		json_object_set_new(d, "port", json_integer(far ? e->far_port : e->guest_port));
	return d;
}

static json_t *
report_connection(const struct ct_info *i)
{
	json_t *d = json_object();
	const char *proto;
	struct ct_ends e;

	ct_ends(&i->key, &e);
	proto = acl_text_proto(e.proto);
	json_object_set_new(d, "proto", proto != NULL ? json_string(proto) : json_integer(e.proto));
	json_object_set_new(d, "guest", report_end(&e, false));
	json_object_set_new(d, "far", report_end(&e, true));
	if (e.vlan[0] != 0)
		json_object_set_new(d, "vlan", json_integer(e.vlan[0]));
	if (e.vlan[1] != 0)
		json_object_set_new(d, "inner_vlan", json_integer(e.vlan[1]));
	json_object_set_new(d, "opened", json_string(i->out ? "out" : "in"));
	json_object_set_new(d, "state", json_string(ct_state_name((enum ct_state)i->state)));
	json_object_set_new(d, "seconds_left", json_integer(i->left_s));
	return d;
}

json_t *
report_connections(const struct app *app, const struct port *p)
{
	json_t *d = report_counts(app, p), *list = json_array();
	uint32_t n = 0;
	struct ct_info i;

	for (uint32_t slot = 0; slot < port_ct_slots(p) && n < CONNTRACK_SHOWN; slot++) {
		if (!port_ct_at(p, slot, &i))
			continue;
		json_array_append_new(list, report_connection(&i));
		n++;
	}
	json_object_set_new(d, "connections", list);
	return d;
}
