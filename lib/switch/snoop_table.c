/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * The entries, in order. One of few is found by halving, and put in its place by moving the
 * pointers behind it: 64 KiB at most.
 */
#include "switch/snoop_table.h"

#include <stdlib.h>
#include <string.h>

#include "switch/sw.h"
#include "switch/vlan_table.h"

const struct snoop_config *
snoop_config_of(const struct snoop *t, uint16_t fid, uint16_t *domain, uint16_t *vlan)
{
	const struct snoop_domain *d;

	vlan_of_fid(t->sw, fid, domain, vlan);
	d = snoop_domain_of(t, *domain);
	return d != NULL ? &d->set : NULL;
}

/* --- order --- */

static int
compare(const struct snoop_entry *e, fdb_key key, const struct mcast_ip *group, uint16_t port)
{
	int c = memcmp(&e->group, group, sizeof(*group));

	if (e->key != key)
		return e->key < key ? -1 : 1;
	return c != 0 ? c : (int)e->port - port;
}

/* The index of the first entry that is not below these. */
static uint32_t
search(const struct snoop *t, fdb_key key, const struct mcast_ip *group, uint16_t port)
{
	uint32_t from = 0, to = t->n;

	while (from < to) {
		uint32_t mid = from + (to - from) / 2;

		if (compare(t->entry[mid], key, group, port) < 0)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

uint32_t
snoop_table_first(const struct snoop *t, fdb_key key)
{
	static const struct mcast_ip none;

	return search(t, key, &none, 0);
}

static fdb_key
key_of(uint16_t fid, const struct mcast_ip *group)
{
	struct rte_ether_addr mac;

	if (group->len == 0)
		return snoop_router_key(fid);
	/* ascending keys: addresses of groups are never 0 */
	mac = mcast_mac(group);
	return fdb_key_make(&mac, fid);
}

uint32_t
snoop_table_group(const struct snoop *t, uint16_t fid, const struct mcast_ip *group)
{
	return search(t, key_of(fid, group), group, 0);
}

struct snoop_entry *
snoop_table_find(const struct snoop *t, uint16_t fid, const struct mcast_ip *group, uint16_t port)
{
	fdb_key key = key_of(fid, group);
	uint32_t at = search(t, key, group, port);

	return at < t->n && compare(t->entry[at], key, group, port) == 0 ? t->entry[at] : NULL;
}

/* --- accounts --- */

/* One more, or (UINT32_MAX) one less. */
static void
count(struct snoop *t, const struct snoop_entry *e, uint32_t n)
{
	struct port *p = t->sw->port[e->port];
	uint16_t domain, vlan;

	vlan_of_fid(t->sw, snoop_fid_of(e), &domain, &vlan);
	*(e->group.len != 0 ? &t->stats.groups : &t->stats.routers) += n;
	t->domain[domain]->n += n;
	if (p != NULL)
		p->snoop.n += n;
}

static void
take_out(struct snoop *t, uint32_t at)
{
	struct snoop_entry *e = t->entry[at];

	count(t, e, UINT32_MAX);
	memmove(&t->entry[at], &t->entry[at + 1], (--t->n - at) * sizeof(t->entry[0]));
	free(e);
}

/* The port that has most entries, of a domain or (VLAN_DOMAINS) of all. */
static const struct port *
richest(const struct snoop *t, uint16_t domain)
{
	const struct port *most = NULL;

	for (uint16_t i = 0; i < t->sw->nports; i++) {
		const struct port *p = t->sw->port[i];

		if (p != NULL && (domain == VLAN_DOMAINS || p->domain == domain) &&
		    (most == NULL || p->snoop.n > most->snoop.n))
			most = p;
	}
	return most;
}

/* The last of a port's groups; of its FIDs with routers when it has no group. t->n: no entry. */
static uint32_t
least_wanted(const struct snoop *t, const struct port *p)
{
	uint32_t router = t->n;

	for (uint32_t at = t->n; at-- > 0;) {
		if (t->entry[at]->port != p->id)
			continue;
		if (t->entry[at]->group.len != 0)
			return at;
		if (router == t->n)
			router = at;
	}
	return router;
}

/* Take an entry of the port that has most, unless @p p then had more: none keeps others out. */
static bool
make_room(struct snoop *t, const struct port *p, uint16_t domain)
{
	const struct port *most = richest(t, domain);
	uint32_t at;

	if (most == NULL || most->snoop.n <= p->snoop.n + 1)
		return false;
	at = least_wanted(t, most);
	if (at == t->n)
		return false;
	take_out(t, at);
	t->stats.evicted++;
	return true;
}

/* NULL, or the account of a refusal. */
static uint64_t *
refusal(struct snoop *t, const struct port *p, uint16_t fid)
{
	uint16_t domain, vlan;
	const struct snoop_config *c = snoop_config_of(t, fid, &domain, &vlan);

	if (p->snoop.n >= snoop_limit(p))
		return &t->stats.refused_port;
	if (c != NULL && c->limit != 0 && t->domain[domain]->n >= c->limit &&
	    !make_room(t, p, domain))
		return &t->stats.refused_domain;
	return t->n < SNOOP_MAX || make_room(t, p, VLAN_DOMAINS) ? NULL : &t->stats.refused_all;
}

/* --- changes --- */

struct snoop_entry *
snoop_table_add(struct snoop *t, uint16_t fid, const struct mcast_ip *group, struct port *p)
{
	uint64_t *refused = refusal(t, p, fid);
	struct snoop_entry *e;
	uint32_t at;

	if (refused != NULL) {
		p->snoop.refused++;
		++*refused;
		return NULL;
	}
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return NULL;
	*e = (struct snoop_entry){.key = key_of(fid, group), .group = *group, .port = p->id};
	at = search(t, e->key, group, p->id);
	memmove(&t->entry[at + 1], &t->entry[at], (t->n++ - at) * sizeof(t->entry[0]));
	t->entry[at] = e;
	count(t, e, 1);
	return e;
}

void
snoop_table_remove(struct snoop *t, struct snoop_entry *e)
{
	take_out(t, search(t, e->key, &e->group, e->port));
}

uint32_t
snoop_table_sift(struct snoop *t,
		 bool (*keep)(struct snoop *t, struct snoop_entry *e, uint64_t arg), uint64_t arg)
{
	uint32_t n = 0, all = t->n;

	for (uint32_t at = 0; at < all; at++) {
		struct snoop_entry *e = t->entry[at];

		if (keep(t, e, arg)) {
			t->entry[n++] = e;
			continue;
		}
		count(t, e, UINT32_MAX);
		free(e);
	}
	t->n = n;
	return all - n;
}
