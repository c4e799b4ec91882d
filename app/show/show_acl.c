/* SPDX-License-Identifier: BSD-3-Clause */
#include "show_acl.h"

#include <stdio.h>

#include "app.h"
#include "json.h"
#include "switch/acl_text.h"
#include "switch/port_acl.h"

static void
add_count(json_t *d, const struct acl_count *n)
{
	json_object_set_new(d, "frames", json_integer((json_int_t)n->frames));
	json_object_set_new(d, "bytes", json_integer((json_int_t)n->bytes));
}

static void
add_prefix(json_t *d, const char *name, bool has, const struct ip_prefix *p)
{
	char text[IP_PREFIX_TEXT];

	if (has)
		json_object_set_new(d, name, json_string(ip_prefix_text(p, text, sizeof(text))));
}

static void
add_ports(json_t *d, const char *name, const struct acl_ports *p)
{
	if (p->given)
		json_object_set_new(d, name, json_pack("[i,i]", p->from, p->to));
}

static json_t *
report_rule(const struct acl_rule *r, const struct acl_count *n)
{
	const char *proto = acl_text_proto(r->proto);
	json_t *d = json_object();

	json_object_set_new(d, "action", json_string(acl_text_verdict(r->drop, r->track)));
	if (r->not4 || r->not6)
		json_object_set_new(d, "family", json_string(r->not4 ? "ip6" : "ip"));
	if (r->has_proto)
		json_object_set_new(d, "proto",
				    proto != NULL ? json_string(proto) : json_integer(r->proto));
	add_prefix(d, "src", r->has_src, &r->src);
	add_prefix(d, "dst", r->has_dst, &r->dst);
	add_ports(d, "sport", &r->sport);
	add_ports(d, "dport", &r->dport);
	if (r->later)
		json_object_set_new(d, "fragments", json_true());
	add_count(d, n);
	return d;
}

json_t *
report_acl_list(const struct port *p, enum acl_dir dir)
{
	const struct acl_config *set = port_get_acl(p, dir);
	struct acl_count n = port_acl_count(p, dir, 0);
	json_t *d = json_object(), *rules = json_object(), *other = json_object();

	for (uint32_t i = 0; i < set->n; i++) {
		struct acl_count c = port_acl_count(p, dir, i + 1);
		char seq[16];

		snprintf(seq, sizeof(seq), "%u", set->rule[i].seq);
		json_object_set_new(rules, seq, report_rule(&set->rule[i], &c));
	}
	json_object_set_new(d, "rules", rules);
	json_object_set_new(other, "action", json_string(acl_text_verdict(set->drop, set->track)));
	add_count(other, &n);
	json_object_set_new(d, "default", other);
	return d;
}

json_t *
report_acl(const struct app *app, const struct port *p)
{
	json_t *d = report_port(app, p, 0);

	json_object_set_new(d, "in", report_acl_list(p, ACL_IN));
	json_object_set_new(d, "out", report_acl_list(p, ACL_OUT));
	return d;
}
