/* SPDX-License-Identifier: BSD-3-Clause */
#include <err.h>
#include <stdbool.h>
#include <string.h>

#include "extras.h"
#include "switch/acl_text.h"
#include "switch/acl_trie.h"
#include "switch/guard.h"
#include "switch/limit.h"
#include "switch/poll.h"
#include "switch/port.h"
#include "switch/port_acl.h"
#include "switch/port_guard.h"
#include "switch/port_limits.h"
#include "switch/sw_ports.h"
#include "switch/vlan_table.h"

#define ACCESS_VLAN 7
/* above any rate here: the bucket is never empty */
#define MANY LIMIT_RATE_MAX

static void
must(int rc, const char *name)
{
	if (rc != 0)
		errx(1, "no %s: %s", name, strerror(-rc));
}

static void
apply_none(const struct extra_pair *pair)
{
}

static void
apply_vlan(const struct extra_pair *pair)
{
	struct vlan_config c = {.on = true, .access = true, .native = ACCESS_VLAN};

	vlan_allow(&c, ACCESS_VLAN);
	must(port_set_vlan(pair->from, &c), "VLAN");
	must(port_set_vlan(pair->to, &c), "VLAN");
}

static void
apply_rate(const struct extra_pair *pair)
{
	const struct limits l = {.pps = MANY, .bps = MANY};

	must(port_set_limits(pair->from, &l), "rate limit");
}

static void
apply_egress_rate(const struct extra_pair *pair)
{
	must(port_set_egress_limits(pair->to, MANY, MANY), "egress rate");
}

static void
apply_storm(const struct extra_pair *pair)
{
	const struct limits l = {.storm = MANY};

	must(port_set_limits(pair->from, &l), "storm limit");
}

/* To the address it sends first, which is that of its first flow. */
static void
apply_lock(const struct extra_pair *pair)
{
	const struct limits l = {.locked = true};

	must(port_set_limits(pair->from, &l), "source lock");
}

static void
apply_mirror(const struct extra_pair *pair)
{
	must(sw_mirror(pair->from, pair->spare), "mirror");
}

static void
apply_guard(const struct extra_pair *pair)
{
	struct guard_config c = {.checks = GUARD_ALL, .n = 1};

	c.pair[0].any_mac = true;
	if (!ip_prefix_parse("10.0.0.1", &c.pair[0].ip))
		errx(1, "no guard: address");
	must(port_set_guard(pair->from, &c), "guard");
}

static void
set_acl(const struct extra_pair *pair, uint32_t rules)
{
	struct acl_config c = {.n = rules};
	struct acl_text_error e;

	for (uint32_t i = 0; i < rules; i++) {
		if (!acl_text_parse("drop ip proto tcp dst 10.0.0.0/8 dport 22", &c.rule[i], &e))
			errx(1, "no access list: %s", e.expected);
		c.rule[i].seq = (i + 1) * ACL_STEP;
		c.rule[i].dport.from = c.rule[i].dport.to = (uint16_t)(i + 1);
	}
	must(port_set_acl(pair->from, ACL_IN, &c), "access list");
	acl_trie_settle(); /* another thread makes it */
}

static void
apply_acl_short(const struct extra_pair *pair)
{
	set_acl(pair, ACL_TRIE_MIN / 2);
}

static void
apply_acl_long(const struct extra_pair *pair)
{
	set_acl(pair, ACL_RULES_MAX);
}

static void
apply_stages(const struct extra_pair *pair)
{
	worker_time(pair->w, true);
}

static const struct extra extras[] = {
	{"none", apply_none},       {"vlan", apply_vlan},
	{"rate", apply_rate},       {"lock", apply_lock},
	{"mirror", apply_mirror},   {"stages", apply_stages},
	{"storm", apply_storm},     {"egress-rate", apply_egress_rate},
	{"guard", apply_guard},     {"acl-4", apply_acl_short},
	{"acl-64", apply_acl_long},
};

const struct extra *
extra_find(const char *name)
{
	for (uint32_t i = 0; i < RTE_DIM(extras); i++)
		if (strcmp(extras[i].name, name) == 0)
			return &extras[i];
	return NULL;
}

void
extra_list(FILE *out)
{
	for (uint32_t i = 0; i < RTE_DIM(extras); i++)
		fprintf(out, "%s\n", extras[i].name);
}
