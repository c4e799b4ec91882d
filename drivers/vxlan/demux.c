/* SPDX-License-Identifier: BSD-3-Clause */
#include "vxlan/demux.h"

#include <stdlib.h>
#include <string.h>

#include <bsd/stdlib.h>

#include "switch/ingress.h"
#include "vxlan/plain.h"
#include "vxlan/vtep.h"

/** All zero: unused. */
struct entry {
	struct evpn_ip src; /* no address: the VNI itself */
	uint8_t local;
	uint32_t vni; /* plus one */
	const struct vtep *v;
};

/** The VTEP plain frames with a key are from. */
struct known {
	struct plain_key key;
	const struct vtep *v; /* NULL: none */
} __rte_cache_aligned;

struct demux {
	struct dp_intercept intercept; /* first member */
	struct known *known;           /* by worker, which writes it: of its last frame */
	uint32_t nlocal;
	struct {
		struct evpn_ip ip;
		uint16_t port;
	} local[DEMUX_LOCALS];
	uint32_t mask;
	struct entry table[]; /* open addressing, at most half full */
};

/*
 * EVPN brings addresses that others choose. Multiplication by random numbers of 96 bits and more
 * spreads any set of them as evenly as chance does (fdb_hash()).
 */
static struct {
	unsigned __int128 a[3], b;
} secret; /* [fixed] made with the first table */

static uint32_t
hash_of(const struct entry *key)
{
	uint64_t w[2]; /* bytes behind a short address are 0 */

	memcpy(w, key->src.addr, sizeof(w));
	return (uint32_t)((secret.a[0] * w[0] + secret.a[1] * w[1] +
			   secret.a[2] * ((uint64_t)key->local << 32 | key->vni) + secret.b) >>
			  64);
}

static bool
is_same(const struct entry *a, const struct entry *b)
{
	return a->vni == b->vni && a->local == b->local &&
	       memcmp(&a->src, &b->src, sizeof(a->src)) == 0;
}

/* Its place, or the place where it would be. */
static uint32_t
find(const struct demux *d, const struct entry *key)
{
	uint32_t i = hash_of(key) & d->mask;

	while (d->table[i].vni != 0 && !is_same(&d->table[i], key))
		i = (i + 1) & d->mask;
	return i;
}

/* --- workers --- */

static int
find_local(const struct demux *d, const struct outer_in *o)
{
	for (uint32_t i = 0; i < d->nlocal; i++)
		if (d->local[i].port == o->port &&
		    memcmp(&d->local[i].ip, &o->dst, sizeof(o->dst)) == 0)
			return (int)i;
	return -1;
}

static const struct vtep *
find_vtep(const struct demux *d, int local, const struct outer_in *o)
{
	struct entry key = {.src = o->src, .local = (uint8_t)local, .vni = o->vni + 1};

	return d->table[find(d, &key)].v;
}

static __rte_noinline void
learn_key(const struct demux *d, const struct pkt *p, const struct plain *h, struct known *known)
{
	struct outer_in o;
	int local;

	known->v = NULL;
	if (!plain_check(p, h))
		return;
	plain_key_of(h, &known->key);
	plain_outer(h, &o);
	local = find_local(d, &o);
	if (local >= 0)
		known->v = find_vtep(d, local, &o);
}

/* As classify(), of plain frames with that key: bytes of the inner frame; 0: it is not one. */
static __rte_always_inline uint32_t
take_known(struct pkt *p, const struct plain_key *key)
{
	const struct plain *h = plain_header(p);
	uint32_t len;

	if (unlikely(!plain_fits(p)) || unlikely(!plain_has_key(h, key)))
		return 0;
	len = plain_inner_len(p, h, key);
	if (unlikely(len == 0))
		return 0;
	plain_strip(p, len);
	return len;
}

/*
 * The frames at the beginning of @p n that are plain and have that key; @p alike: see hand_on().
 * Not inline: the loop has all registers for itself.
 */
static __rte_noinline uint16_t
take_run(struct pkt *p, uint32_t n, const struct plain_key *known, uint32_t *alike)
{
	const struct plain_key key = *known;
	uint32_t i, len, some = 0, all = UINT32_MAX, groups = 0;

	for (i = 0; i < n; i++, p++) {
		len = take_known(p, &key);
		if (unlikely(len == 0))
			break;
		some |= len;
		all &= len;
		groups |= *p->data;
	}
	*alike = some == all && (groups & RTE_ETHER_GROUP_ADDR) == 0 ? all : 0;
	return (uint16_t)i;
}

/* As classify(), of plain frames; NULL: it is not one, or not from a VTEP. */
static const struct vtep *
classify_plain(const struct demux *d, struct pkt *p, struct known *known)
{
	const struct plain *h = plain_header(p);

	if (!plain_fits(p))
		return NULL;
	if (known->v == NULL || !plain_has_key(h, &known->key))
		learn_key(d, p, h, known);
	return known->v != NULL && take_known(p, &known->key) != 0 ? known->v : NULL;
}

/*
 * The VTEP a frame is from, the view then begins at the inner frame; NULL: it is no tunnel frame of
 * ours. False: it was dropped.
 */
static __rte_noinline bool
classify(const struct demux *d, struct pktq *rxq, struct pkt *p, const struct vtep **from)
{
	enum drop_reason why = DROP_RX_OUTER;
	struct outer_in o;
	struct entry key;
	int local;

	*from = NULL;
	if (!outer_find(p, &o) || (local = find_local(d, &o)) < 0)
		return true;
	if (likely(outer_check(p, &o))) {
		*from = find_vtep(d, local, &o);
		if (likely(*from != NULL)) {
			if (likely(outer_strip(p, &o)))
				return true;
			why = DROP_RX_ECN;
		} else {
			key = (struct entry){.local = (uint8_t)local, .vni = o.vni + 1};
			why = d->table[find(d, &key)].vni != 0 ? DROP_RX_VTEP : DROP_RX_VNI;
		}
	}
	pktq_drop(rxq, why, 1);
	return false;
}

/* @p len: of each frame if all are alike; 0: they are not. */
static void
hand_on(struct worker *w, const struct dataplane *dp, const struct vtep *from, struct pktq *rxq,
	uint32_t len)
{
	const struct dp_port *in = dp->by_id[from->port.id];

	if (unlikely(in == NULL)) {
		pktq_drop(rxq, DROP_RX_NO_EGRESS, w->batch.n);
		return;
	}
	counter_add(&rxq->stats.offered, w->batch.n);
	ingress_receive(w, dp, in, from->rx[w->id], &w->batch, len);
}

/** Frames of one batch, and the VTEP each is from. */
struct sorted {
	const struct dp_port *in;
	struct pktq *rxq;
	uint16_t n;
	const struct vtep *from[PKT_BATCH_MAX];
};

/* The frames of @p s as a batch for each VTEP, and one of those that are no tunnel frames. */
static __rte_noinline void
deliver_mixed(struct worker *w, const struct dataplane *dp, const struct sorted *s)
{
	struct pkt pkt[PKT_BATCH_MAX];
	struct pkt_batch *b = &w->batch;
	uint64_t left = UINT64_MAX >> (PKT_BATCH_MAX - s->n);

	memcpy(pkt, b->pkt, s->n * sizeof(pkt[0]));
	while (left != 0) {
		const struct vtep *from = s->from[__builtin_ctzll(left)];

		b->n = 0;
		for (uint16_t i = 0; i < s->n; i++) {
			if ((left >> i & 1) == 0 || s->from[i] != from)
				continue;
			b->pkt[b->n++] = pkt[i];
			left &= ~(UINT64_C(1) << i);
		}
		if (from != NULL)
			hand_on(w, dp, from, s->rxq, 0);
		else
			ingress_rest(w, dp, s->in, s->rxq, b);
	}
}

/* Frames of a batch behind @p done of them that are from the VTEP that is known. */
static __rte_noinline void
forward_rest(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
	     struct pktq *rxq, uint16_t done)
{
	const struct demux *d = (const struct demux *)in->intercept;
	struct known *known = &d->known[w->id];
	struct pkt_batch *b = &w->batch;
	struct sorted s = {.in = in, .rxq = rxq};
	bool mixed = false;

	for (; s.n < done; s.n++)
		s.from[s.n] = known->v;
	for (uint16_t i = done; i < b->n; i++) {
		s.from[s.n] = classify_plain(d, &b->pkt[i], known);
		if (s.from[s.n] == NULL && !classify(d, rxq, &b->pkt[i], &s.from[s.n]))
			continue;
		if (s.n != i)
			b->pkt[s.n] = b->pkt[i];
		mixed |= s.from[s.n] != s.from[0];
		s.n++;
	}
	b->n = s.n;
	if (s.n == 0)
		return;
	if (mixed)
		deliver_mixed(w, dp, &s);
	else if (s.from[0] != NULL)
		hand_on(w, dp, s.from[0], rxq, 0);
	else
		ingress_rest(w, dp, in, rxq, b);
}

static void
demux_forward(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
	      struct pktq *rxq, struct pkt_batch *batch)
{
	const struct demux *d = (const struct demux *)in->intercept; /* its first member */
	const struct known *known = &d->known[w->id];
	uint32_t len = 0;
	uint16_t n = 0;

	if (likely(known->v != NULL))
		n = take_run(batch->pkt, batch->n, &known->key, &len);
	if (likely(n == batch->n && n != 0))
		hand_on(w, dp, known->v, rxq, len);
	else
		forward_rest(w, dp, in, rxq, n);
}

/* --- control --- */

struct demux *
demux_new(uint32_t n)
{
	uint32_t size = rte_align32pow2(2 * n + 2);
	struct demux *d = calloc(1, sizeof(*d) + size * sizeof(d->table[0]));

	if (d == NULL)
		return NULL;
	d->known = aligned_alloc(__alignof__(*d->known), DP_WORKERS_MAX * sizeof(*d->known));
	if (d->known == NULL) {
		free(d);
		return NULL;
	}
	memset(d->known, 0, DP_WORKERS_MAX * sizeof(*d->known));
	if (secret.b == 0)
		arc4random_buf(&secret, sizeof(secret)); /* once: all tables share it */
	d->intercept.fn = demux_forward;
	d->mask = size - 1;
	return d;
}

void
demux_free(struct demux *d)
{
	if (d != NULL)
		free(d->known);
	free(d);
}

int
demux_add_local(struct demux *d, const struct evpn_ip *ip, uint16_t port)
{
	if (d->nlocal == DEMUX_LOCALS)
		return -1;
	d->local[d->nlocal].ip = *ip;
	d->local[d->nlocal].port = port;
	return (int)d->nlocal++;
}

void
demux_add_vni(struct demux *d, int local, uint32_t vni)
{
	struct entry e = {.local = (uint8_t)local, .vni = vni + 1};

	d->table[find(d, &e)] = e;
}

void
demux_add_vtep(struct demux *d, int local, const struct vtep *v)
{
	struct entry e = {.src = v->ip, .local = (uint8_t)local, .vni = v->vni + 1, .v = v};

	d->table[find(d, &e)] = e;
}

uint32_t
demux_longest(const struct demux *d)
{
	uint32_t longest = 0;

	for (uint32_t i = 0; i <= d->mask; i++)
		if (d->table[i].vni != 0)
			longest = RTE_MAX(longest, ((i - hash_of(&d->table[i])) & d->mask) + 1);
	return longest;
}

const struct dp_intercept *
demux_intercept(const struct demux *d)
{
	return &d->intercept;
}
