/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: control. */
#include "switch/handover.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/counter.h"
#include "pkt/legend.h"
#include "switch/capture_handover.h"
#include "switch/fdb.h"
#include "switch/inject.h"
#include "switch/port_acl.h"
#include "switch/port_ct.h"
#include "switch/port_limits.h"
#include "switch/snoop.h"
#include "switch/sw.h"
#include "switch/vlan_table.h"

/* Types are for ever: a number that is no longer used stays unused. */
enum {
	TYPE_ADDRESSES = SW_HAND_FIRST,
	TYPE_FDB_STATS,
	TYPE_MEMBERS,
	TYPE_EXTERNS,
	TYPE_SNOOP_STATS,
	TYPE_HOSTS,
	TYPE_QUERIERS,
	TYPE_SW_END
};
enum {
	TYPE_LIMITS = SW_HAND_PORT,
	TYPE_INJECTED,
	TYPE_BASELINE,
	TYPE_BASELINE_QUEUE,
	TYPE_EGRESS,
	TYPE_ACL_COUNT,
	TYPE_CONNECTIONS,
	TYPE_CT_COUNTS,
	TYPE_PORT_END,
};

#define ADDRESSES 4096 /* of a record */
#define MEMBERS 512    /* likewise */
#define CONNECTIONS 512
#define MEMBER_LEFT_MAX (SNOOP_INTERVAL_MAX * 3u)

/** Domain and VLAN, since FIDs are numbers in the order of their first use. */
struct address_data {
	struct rte_ether_addr mac;
	uint16_t domain, port, vlan;
	uint32_t age_s, moves;
};
static_assert(sizeof(struct address_data) == 20, "layout of the record");

/** A port that has joined a multicast group, or (no group) has a multicast router. */
struct member_data {
	uint16_t domain, vlan, port;
	uint16_t len; /* of the group: 0, 4, 16 */
	uint8_t group[16];
	uint32_t left_s;
};
static_assert(sizeof(struct member_data) == 28, "layout of the record");

/** More of such a port: a host of IGMP version 1 there, and the addresses of routers, by family. */
struct hosts_data {
	uint16_t domain, vlan, port;
	uint8_t len, zero;
	uint8_t group[16];
	uint32_t old_s;
	uint8_t several[2], router_len[2];
	uint8_t router[2][16];
};
static_assert(sizeof(struct hosts_data) == 64, "layout of the record");

struct querier_data {
	uint16_t domain, vlan;
	uint32_t len;
	uint8_t ip[16];
	uint32_t left_s, zero;
};
static_assert(sizeof(struct querier_data) == 32, "layout of the record");

struct limits_data {
	uint32_t guest_fdb; /* learned addresses, of the guest's own */
	uint8_t locked, nmac, zero[2];
	uint64_t pps, bps, storm; /* that migrated with the guest */
	struct rte_ether_addr mac[LIMIT_MACS_MAX];
	/* in force, of both: when the next unit may come, and who has sent */
	uint64_t tat[3];
	uint64_t word[LIMIT_MACS_MAX];
	uint8_t in_force, pad[7];
};

/** Of the limits of what a port is sent, when the next unit may go: frames, bits. */
struct egress_data {
	uint64_t tat[2];
};

struct acl_count_data {
	uint32_t dir, seq; /* seq 0: of what no rule fits */
	uint64_t frames, bytes;
};

struct connection_data {
	uint64_t key[CT_KEY_WORDS];
	uint32_t left_s;
	uint8_t state, flags, zero[2];
};
static_assert(sizeof(struct connection_data) == 56, "layout of the record");

struct injected_data {
	uint64_t refused;
	uint64_t value[LEGEND_OWN];
};

/** The two directions behind the head: rx, tx. */
struct baseline_data {
	uint32_t which, zero;
	uint64_t ns;
	uint64_t value[2][LEGEND_OWN];
};

struct baseline_queue_data {
	uint32_t which;
	uint16_t tx, index;
	uint64_t value[LEGEND_OWN];
};

/* --- the predecessor --- */

struct collection {
	const struct sw *s;
	struct blob *b;
	enum fdb_origin origin; /* of those it takes */
	uint16_t type;
	uint32_t n;
	struct address_data data[ADDRESSES];
};

static void
put_addresses(struct collection *c)
{
	if (c->n != 0)
		hand_put(c->b, c->type, c->data, c->n * sizeof(c->data[0]));
	c->n = 0;
}

/* Those of the operator are part of the configuration. */
static bool
collect(const struct fdb_entry_info *e, void *arg)
{
	struct collection *c = arg;
	struct address_data *x;

	if (e->origin != c->origin)
		return true;
	x = &c->data[c->n++];
	*x = (struct address_data){.mac = e->mac,
				   .port = e->port,
				   .age_s = e->age_s,
				   .moves = e->moves};
	vlan_of_fid(c->s, e->fid, &x->domain, &x->vlan);
	if (c->n == ADDRESSES)
		put_addresses(c);
	return true;
}

/* A record each 512: the successor may not ask for them before they are missed. */
static void
put_members(const struct sw *s, struct blob *b)
{
	struct member_data x[MEMBERS];
	struct snoop_info i;
	uint32_t n = 0;

	for (uint32_t at = 0; snoop_entry(s, at, &i); at++) {
		x[n] = (struct member_data){.domain = i.domain,
					    .vlan = i.vlan,
					    .port = i.port,
					    .len = i.group.len,
					    .left_s = i.left_s};
		memcpy(x[n].group, i.group.addr, sizeof(x[n].group));
		if (++n < MEMBERS)
			continue;
		hand_put(b, TYPE_MEMBERS, x, sizeof(x));
		n = 0;
	}
	if (n != 0)
		hand_put(b, TYPE_MEMBERS, x, n * sizeof(x[0]));
}

/* A version that does not know a record goes on without. */
static void
put_optional(struct blob *b, uint16_t type, const void *data, uint32_t len)
{
	const struct blob_record r = {type, 0, len, 0};

	if (len != 0)
		blob_put_record(b, &r, data);
}

static struct hosts_data
hosts_of(const struct snoop_info *i)
{
	struct hosts_data x = {.domain = i->domain,
			       .vlan = i->vlan,
			       .port = i->port,
			       .len = (uint8_t)i->group.len,
			       .old_s = i->old_s};

	memcpy(x.group, i->group.addr, sizeof(x.group));
	for (int f = 0; f < 2; f++) {
		x.several[f] = i->several[f];
		x.router_len[f] = (uint8_t)i->router[f].len;
		memcpy(x.router[f], i->router[f].addr, sizeof(x.router[f]));
	}
	return x;
}

/* Behind the members, which they are about. */
static void
put_hosts(const struct sw *s, struct blob *b)
{
	struct hosts_data x[MEMBERS];
	struct snoop_info i;
	uint32_t n = 0;

	for (uint32_t at = 0; snoop_entry(s, at, &i); at++) {
		if (i.group.len != 0 && i.old_s == 0)
			continue;
		x[n++] = hosts_of(&i);
		if (n == MEMBERS) {
			put_optional(b, TYPE_HOSTS, x, sizeof(x));
			n = 0;
		}
	}
	put_optional(b, TYPE_HOSTS, x, n * sizeof(x[0]));
}

static void
put_queriers(const struct sw *s, struct blob *b)
{
	struct querier_data x[MEMBERS];
	struct snoop_other o;
	uint32_t n = 0, at = 0;

	while (snoop_other_next(s, &at, &o)) {
		x[n] = (struct querier_data){.domain = o.domain,
					     .vlan = o.vlan,
					     .len = o.ip.len,
					     .left_s = o.left_s};
		memcpy(x[n++].ip, o.ip.addr, sizeof(x[0].ip));
		if (n == MEMBERS) {
			put_optional(b, TYPE_QUERIERS, x, sizeof(x));
			n = 0;
		}
	}
	put_optional(b, TYPE_QUERIERS, x, n * sizeof(x[0]));
}

static void
put_snoop_stats(const struct sw *s, struct blob *b)
{
	struct snoop_stats x;

	snoop_get_stats(s, &x);
	if (s->snoop != NULL)
		put_optional(b, TYPE_SNOOP_STATS, &x, sizeof(x));
}

static void
put_all_addresses(struct collection *c, enum fdb_origin origin, uint16_t type)
{
	c->origin = origin;
	c->type = type;
	fdb_walk(c->s->fdb, collect, c);
	put_addresses(c);
}

void
sw_hand_over(struct sw *s, struct blob *b)
{
	struct collection *c = calloc(1, sizeof(*c));
	struct fdb_stats stats;

	if (c == NULL) {
		b->failed = true;
		return;
	}
	c->s = s;
	c->b = b;
	fdb_take_in(s->fdb);
	put_all_addresses(c, FDB_LEARNED, TYPE_ADDRESSES);
	put_all_addresses(c, FDB_EXTERN, TYPE_EXTERNS);
	free(c);
	fdb_get_stats(s->fdb, &stats);
	hand_put(b, TYPE_FDB_STATS, &stats, sizeof(stats));
	snoop_take_in(s);
	put_members(s, b);
	put_hosts(s, b);
	put_queriers(s, b);
	put_snoop_stats(s, b);
}

static void
put_limits(const struct port *p, struct blob *b)
{
	struct limits_data x = {
		.guest_fdb = fdb_get_guest_limit(p->sw->fdb, p->id),
		.locked = p->migrated.locked,
		.nmac = p->migrated.nmac,
		.pps = p->migrated.pps,
		.bps = p->migrated.bps,
		.storm = p->migrated.storm,
	};
	const struct limiter *l = p->limiter;

	memcpy(x.mac, p->migrated.mac, sizeof(x.mac));
	if (l != NULL) {
		x.in_force = 1;
		x.tat[0] = atomic_load(&l->pps.tat);
		x.tat[1] = atomic_load(&l->bps.tat);
		x.tat[2] = atomic_load(&l->storm.tat);
		for (size_t i = 0; i < LIMIT_MACS_MAX; i++)
			x.word[i] = atomic_load(&l->mac[i]);
	}
	hand_put(b, TYPE_LIMITS, &x, sizeof(x));
}

static void
put_egress(const struct port *p, struct blob *b)
{
	const struct limiter *l = p->egress_limiter;
	struct egress_data x;

	if (l == NULL)
		return;
	x = (struct egress_data){{atomic_load(&l->pps.tat), atomic_load(&l->bps.tat)}};
	hand_put(b, TYPE_EGRESS, &x, sizeof(x));
}

static void
put_acl_counts(const struct port *p, enum acl_dir dir, struct blob *b)
{
	const struct acl_config *c = port_get_acl(p, dir);

	for (uint32_t i = 0; i <= c->n; i++) {
		struct acl_count n = port_acl_count(p, dir, i);
		struct acl_count_data x = {.dir = dir,
					   .seq = acl_seq_of(c, i),
					   .frames = n.frames,
					   .bytes = n.bytes};

		if (n.frames != 0)
			hand_put(b, TYPE_ACL_COUNT, &x, sizeof(x));
	}
}

/* A version that does not know them goes on without: their packets open them again, or not. */
static void
put_connections(const struct port *p, struct blob *b)
{
	struct connection_data x[CONNECTIONS];
	struct ct_counts counts;
	struct ct_info i;
	uint32_t n = 0, left = port_ct_handed(p);

	if (p->ct == NULL)
		return;
	for (uint32_t slot = 0; slot < port_ct_slots(p) && left > 0; slot++) {
		if (!port_ct_at(p, slot, &i))
			continue;
		left--;
		x[n] = (struct connection_data){.left_s = i.left_s,
						.state = i.state,
						.flags = i.flags};
		memcpy(x[n].key, i.key.word, sizeof(x[n].key));
		if (++n < CONNECTIONS)
			continue;
		put_optional(b, TYPE_CONNECTIONS, x, sizeof(x));
		n = 0;
	}
	if (n != 0)
		put_optional(b, TYPE_CONNECTIONS, x, n * sizeof(x[0]));
	port_ct_counts(p, &counts);
	put_optional(b, TYPE_CT_COUNTS, &counts, sizeof(counts));
}

void
port_hand_over(const struct port *p, struct blob *b)
{
	struct injected_data x = {.refused = p->inject->refused};

	put_limits(p, b);
	put_egress(p, b);
	for (int dir = 0; dir < ACL_DIRS; dir++)
		put_acl_counts(p, (enum acl_dir)dir, b);
	put_connections(p, b);
	legend_values(&p->inject->q.stats, x.value);
	hand_put(b, TYPE_INJECTED, &x, sizeof(x));
}

void
port_put_counters(const struct port *p, uint16_t type, uint16_t tx, uint16_t index, struct blob *b)
{
	struct {
		struct port_counters_head head;
		uint64_t value[LEGEND_OWN];
	} x = {.head = {.tx = tx, .index = index}};
	struct pktq_stats stats;

	if (!p->ops->stats(p, tx, index, &stats))
		return;
	legend_values(&stats, x.value);
	hand_put(b, type, &x, sizeof(x));
}

void
baseline_hand_over(const struct baseline *base, uint32_t which, struct blob *b)
{
	struct baseline_data x = {.which = which, .ns = base->ns};

	if (base->ns == 0)
		return;
	legend_values(&base->sum.rx, x.value[0]);
	legend_values(&base->sum.tx, x.value[1]);
	hand_put(b, TYPE_BASELINE, &x, sizeof(x));
	for (uint16_t tx = 0; tx < 2; tx++) {
		for (uint16_t i = 0; i < base->n[tx]; i++) {
			struct baseline_queue_data q = {.which = which, .tx = tx, .index = i};

			legend_values(&base->q[tx][i], q.value);
			hand_put(b, TYPE_BASELINE_QUEUE, &q, sizeof(q));
		}
	}
}

/* --- the successor --- */

static const char *
take_addresses(struct sw *s, const struct hand_record *h, enum fdb_origin origin)
{
	struct address_data x;
	uint16_t fid;

	if (h->r.len % sizeof(x) != 0)
		return "a list of addresses has an impossible length";
	for (uint32_t at = 0; at < h->r.len; at += sizeof(x)) {
		memcpy(&x, (const uint8_t *)h->data + at, sizeof(x));
		if (x.port < s->nports && s->port[x.port] != NULL &&
		    vlan_fid(s, x.domain, x.vlan, &fid) == 0)
			fdb_restore(s->fdb, &(struct fdb_entry_info){.mac = x.mac,
								     .fid = fid,
								     .port = x.port,
								     .age_s = x.age_s,
								     .origin = origin,
								     .moves = x.moves});
	}
	return NULL;
}

/* Those that do not fit are heard of again. */
static const char *
take_members(struct sw *s, const struct hand_record *h)
{
	struct member_data x;
	struct snoop_info i;

	if (h->r.len % sizeof(x) != 0)
		return "a list of multicast members has an impossible length";
	for (uint32_t at = 0; at < h->r.len; at += sizeof(x)) {
		memcpy(&x, (const uint8_t *)h->data + at, sizeof(x));
		i = (struct snoop_info){.domain = x.domain,
					.vlan = x.vlan,
					.port = x.port,
					.group.len = x.len,
					.left_s = RTE_MIN(x.left_s, MEMBER_LEFT_MAX)};
		memcpy(i.group.addr, x.group, RTE_MIN(x.len, sizeof(x.group)));
		if (!mcast_is_group(&i.group) && x.len != 0)
			return "a multicast member has no group";
		(void)snoop_restore(s, &i);
	}
	return NULL;
}

/* An address, or none. */
static bool
take_ip(struct mcast_ip *ip, uint32_t len, const uint8_t addr[16])
{
	*ip = (struct mcast_ip){.len = (uint16_t)len};
	memcpy(ip->addr, addr, RTE_MIN(len, 16u));
	return len == 0 || len == 4 || len == 16;
}

static const char *
take_hosts(struct sw *s, const struct hand_record *h)
{
	struct hosts_data x;
	struct snoop_info i;

	if (h->r.len % sizeof(x) != 0)
		return "a list of multicast hosts has an impossible length";
	for (uint32_t at = 0; at < h->r.len; at += sizeof(x)) {
		memcpy(&x, (const uint8_t *)h->data + at, sizeof(x));
		i = (struct snoop_info){.domain = x.domain,
					.vlan = x.vlan,
					.port = x.port,
					.old_s = RTE_MIN(x.old_s, MEMBER_LEFT_MAX),
					.several = {x.several[0] != 0, x.several[1] != 0}};
		if (!take_ip(&i.group, x.len, x.group) ||
		    !take_ip(&i.router[0], x.router_len[0], x.router[0]) ||
		    !take_ip(&i.router[1], x.router_len[1], x.router[1]))
			return "a multicast host has an impossible address";
		snoop_restore_hosts(s, &i);
	}
	return NULL;
}

static const char *
take_queriers(struct sw *s, const struct hand_record *h)
{
	struct querier_data x;
	struct snoop_other o;

	if (h->r.len % sizeof(x) != 0)
		return "a list of queriers has an impossible length";
	for (uint32_t at = 0; at < h->r.len; at += sizeof(x)) {
		memcpy(&x, (const uint8_t *)h->data + at, sizeof(x));
		o = (struct snoop_other){.domain = x.domain, .vlan = x.vlan, .left_s = x.left_s};
		if (!take_ip(&o.ip, x.len, x.ip) || x.len == 0)
			return "a querier has an impossible address";
		snoop_restore_other(s, &o);
	}
	return NULL;
}

static const char *
take_fdb_stats(struct sw *s, const struct hand_record *h)
{
	struct fdb_stats x;

	if (!hand_get(h, &x, sizeof(x)))
		return "the counters of learning are too short";
	fdb_restore_stats(s->fdb, &x);
	return NULL;
}

static void
take_buckets(struct limiter *l, const struct limits_data *x)
{
	atomic_store(&l->pps.tat, x->tat[0]);
	atomic_store(&l->bps.tat, x->tat[1]);
	atomic_store(&l->storm.tat, x->tat[2]);
	for (size_t i = 0; l->locked && i < LIMIT_MACS_MAX; i++)
		atomic_store(&l->mac[i], x->word[i]);
}

static const char *
take_limits(struct port *p, const struct hand_record *h)
{
	struct limits_data x;
	struct limits l;

	if (!hand_get(h, &x, sizeof(x)))
		return "the limits of a port are too short";
	l = (struct limits){.pps = x.pps,
			    .bps = x.bps,
			    .storm = x.storm,
			    .locked = x.locked & 1,
			    .nmac = x.nmac};
	memcpy(l.mac, x.mac, sizeof(l.mac));
	fdb_set_guest_limit(p->sw->fdb, p->id, x.guest_fdb);
	if (port_set_migrated_limits(p, &l) != 0)
		return "the limits of a port have an impossible value";
	if (p->limiter != NULL && x.in_force)
		take_buckets(p->limiter, &x);
	return NULL;
}

static const char *
take_egress(struct port *p, const struct hand_record *h)
{
	struct limiter *l = p->egress_limiter;
	struct egress_data x;

	if (!hand_get(h, &x, sizeof(x)))
		return "the egress limits of a port are too short";
	if (l != NULL) {
		atomic_store(&l->pps.tat, x.tat[0]);
		atomic_store(&l->bps.tat, x.tat[1]);
	}
	return NULL;
}

static const char *
take_acl_count(struct port *p, const struct hand_record *h)
{
	struct acl_count_data x;
	struct acl_count n;

	if (!hand_get(h, &x, sizeof(x)) || x.dir >= ACL_DIRS)
		return "the counter of a rule is too short or of no direction";
	n = (struct acl_count){.frames = x.frames, .bytes = x.bytes};
	return port_acl_restore(p, (enum acl_dir)x.dir, x.seq, &n)
		       ? NULL
		       : "there is a counter of a rule that a port does not have";
}

/* There may be no room for all where less is allowed now. */
static const char *
take_connections(struct port *p, const struct hand_record *h)
{
	const uint8_t *at = h->data;
	struct connection_data x;
	struct ct_info i;

	if (h->r.len % sizeof(x) != 0)
		return "a connection is too short";
	for (uint32_t left = h->r.len; left != 0; left -= sizeof(x), at += sizeof(x)) {
		memcpy(&x, at, sizeof(x));
		i = (struct ct_info){.left_s = x.left_s, .state = x.state, .flags = x.flags};
		memcpy(i.key.word, x.key, sizeof(x.key));
		if (!port_ct_restore(p, &i))
			return "a connection has an impossible value, or its port tracks none";
	}
	return NULL;
}

static const char *
take_ct_counts(struct port *p, const struct hand_record *h)
{
	struct ct_counts n;

	if (!hand_get(h, &n, sizeof(n)))
		return "the counters of connections are too short";
	port_ct_set_counts(p, &n);
	return NULL;
}

static const char *
take_injected(struct port *p, const struct hand_record *h)
{
	const uint32_t head = offsetof(struct injected_data, value);
	uint64_t refused;

	if (!hand_get(h, &refused, head) || !legend_add(h->legend, (const uint8_t *)h->data + head,
							h->r.len - head, &p->inject->q.stats))
		return "a port's own frames do not fit their legend";
	p->inject->refused = refused;
	return NULL;
}

bool
port_get_counters_head(const struct hand_record *h, struct port_counters_head *out)
{
	return hand_get(h, out, sizeof(*out)) && out->tx <= 1 && out->index < DP_QUEUES_MAX;
}

const char *
port_add_counters(const struct hand_record *h, struct pktq_stats *to)
{
	const uint32_t head = sizeof(struct port_counters_head);

	return legend_add(h->legend, (const uint8_t *)h->data + head, h->r.len - head, to)
		       ? NULL
		       : "a queue's counters do not fit their legend";
}

static const char *
take_baseline(struct baseline *b, const struct hand_record *h)
{
	const uint32_t head = offsetof(struct baseline_data, value);
	const uint32_t half = h->legend->n * sizeof(uint64_t);
	const uint8_t *values = (const uint8_t *)h->data + head;
	struct baseline_data x;

	if (!hand_get(h, &x, head) || h->r.len != head + 2 * half)
		return "counters of a moment do not fit their legend";
	baseline_free(b);
	b->ns = x.ns;
	legend_add(h->legend, values, half, &b->sum.rx);
	legend_add(h->legend, values + half, half, &b->sum.tx);
	return NULL;
}

static const char *
take_baseline_queue(struct baseline *b, const struct hand_record *h)
{
	const uint32_t head = offsetof(struct baseline_queue_data, value);
	struct baseline_queue_data x;
	struct pktq_stats *q;

	/* in their order: no more can be announced than come */
	if (!hand_get(h, &x, head) || x.tx > 1 || x.index != b->n[x.tx])
		return "a queue's counters of a moment are not in order";
	q = reallocarray(b->q[x.tx], x.index + 1u, sizeof(*q));
	if (q == NULL)
		return "out of memory";
	b->q[x.tx] = q;
	q[x.index] = (struct pktq_stats){0};
	b->n[x.tx]++;
	return legend_add(h->legend, (const uint8_t *)h->data + head, h->r.len - head, &q[x.index])
		       ? NULL
		       : "a queue's counters of a moment do not fit their legend";
}

static const char *
take_snoop_stats(struct sw *s, const struct hand_record *h)
{
	struct snoop_stats x;

	if (!hand_get(h, &x, sizeof(x)))
		return "the counters of snooping are too short";
	snoop_restore_stats(s, &x);
	return NULL;
}

static const char *
unknown(const struct hand_record *h)
{
	return (h->r.flags & BLOB_MUST_KNOW) ? "a record about the switch is not known here" : NULL;
}

const char *
sw_take_over(struct sw *s, const struct hand_record *h)
{
	if (h->r.type == TYPE_ADDRESSES)
		return take_addresses(s, h, FDB_LEARNED);
	if (h->r.type == TYPE_MEMBERS)
		return take_members(s, h);
	if (h->r.type >= CAPTURE_HAND_FIRST && h->r.type < CAPTURE_HAND_END)
		return capture_take_over(s, h);
	if (h->r.type == TYPE_EXTERNS)
		return take_addresses(s, h, FDB_EXTERN);
	if (h->r.type == TYPE_SNOOP_STATS)
		return take_snoop_stats(s, h);
	if (h->r.type == TYPE_HOSTS)
		return take_hosts(s, h);
	if (h->r.type == TYPE_QUERIERS)
		return take_queriers(s, h);
	return h->r.type == TYPE_FDB_STATS ? take_fdb_stats(s, h) : unknown(h);
}

const char *
port_take_over(struct port *p, const struct hand_record *h, struct baseline *const *base,
	       uint32_t n)
{
	uint32_t which = 0;

	if (h->r.type == TYPE_LIMITS)
		return take_limits(p, h);
	if (h->r.type == TYPE_EGRESS)
		return take_egress(p, h);
	if (h->r.type == TYPE_ACL_COUNT)
		return take_acl_count(p, h);
	if (h->r.type == TYPE_CONNECTIONS)
		return take_connections(p, h);
	if (h->r.type == TYPE_CT_COUNTS)
		return take_ct_counts(p, h);
	if (h->r.type == TYPE_INJECTED)
		return take_injected(p, h);
	if (h->r.type != TYPE_BASELINE && h->r.type != TYPE_BASELINE_QUEUE)
		return unknown(h);
	if (!hand_get(h, &which, sizeof(which)) || which >= n)
		return "counters of a moment that is not known here";
	return h->r.type == TYPE_BASELINE ? take_baseline(base[which], h)
					  : take_baseline_queue(base[which], h);
}
