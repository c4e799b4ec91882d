/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: workers. */
#include "switch/acl_worker.h"

#include <stddef.h>
#include <string.h>

#include <rte_acl.h>
#include <rte_byteorder.h>
#include <rte_ip.h>

#include "switch/acl_text.h"
#include "switch/ct_worker.h"
#include "switch/transmit.h"
#include "switch/upper.h"

static_assert(PKT_BATCH_MAX <= 64, "a set of frames of a batch is a 64-bit mask");

/** Frames of a batch that are not to pass, by number. */
struct refused {
	uint64_t acl, hidden;
	uint64_t full, invalid; /* by connection tracking */
};

/** A list at work on a batch, and what it needs. */
struct judge {
	struct worker *w;
	const struct acl *a;
	struct ct *ct; /* NULL: connections are not tracked */
	enum acl_dir dir;
	struct pkt_hdrs *h;
	struct pkt *const *pkts;
};

/** Packets of a batch of one family. */
struct packets {
	uint16_t n;
	uint8_t at[PKT_BATCH_MAX]; /* which frame each is */
	struct acl_key key[PKT_BATCH_MAX];
};

/* --- what rules are about --- */

static void
copy_addresses(struct acl_key *k, const void *src, const void *dst, size_t len)
{
	memcpy(&k->word[ACL_WORD_SRC], src, len);
	memcpy(&k->word[ACL_WORD_DST], dst, len);
}

/* False: port numbers that the protocol has are not in the packet, or are not to stay. */
static bool
find_ports(struct acl_key *k, const struct pkt_hdrs *h, const struct upper *u, const struct pkt *p)
{
	uint32_t flags = u->later ? ACL_LATER : 0, seen = u->at;

	if (!u->later && acl_has_ports(u->proto)) {
		seen += sizeof(uint32_t);
		if (seen > u->end)
			return false;
		memcpy(&k->word[ACL_WORD_PORTS], h->b + u->at, sizeof(uint32_t));
		flags |= ACL_HAS_PORTS;
	}
	k->word[ACL_WORD_FLAGS] = rte_cpu_to_be_32(flags);
	return upper_written(p) >= seen;
}

static bool
make_key(struct acl_key *k, enum acl_family f, struct pkt_hdrs *h, struct upper *u,
	 const struct pkt *p)
{
	const struct rte_ipv4_hdr *ip4 = pkt_hdrs_l3(h);
	const struct rte_ipv6_hdr *ip6 = pkt_hdrs_l3(h);

	memset(k, 0, sizeof(*k));
	if (f == ACL_IP4 ? !upper_find4(h, u) : !upper_find6(h, u))
		return false;
	if (f == ACL_IP4)
		copy_addresses(k, &ip4->src_addr, &ip4->dst_addr, sizeof(ip4->src_addr));
	else
		copy_addresses(k, &ip6->src_addr, &ip6->dst_addr, sizeof(ip6->src_addr));
	memcpy(&k->word[ACL_WORD_PROTO], &u->proto, sizeof(u->proto));
	return find_ports(k, h, u, p);
}

/* --- the rule of a packet --- */

static bool
is_in(const struct acl_ports *p, rte_be16_t port)
{
	return rte_be_to_cpu_16(port) >= p->from && rte_be_to_cpu_16(port) <= p->to;
}

static bool
fits(const struct acl_match *m, const struct acl_key *k)
{
	rte_be16_t port[2];
	uint32_t differ = 0;

	for (uint32_t i = 0; i < ACL_WORDS; i++)
		differ |= (k->word[i] ^ m->value[i]) & m->mask[i];
	memcpy(port, &k->word[ACL_WORD_PORTS], sizeof(port));
	return differ == 0 && is_in(&m->sport, port[0]) && is_in(&m->dport, port[1]);
}

uint16_t
acl_first(const struct acl *a, enum acl_family f, const struct acl_key *k)
{
	const struct acl_table *t = &a->table[f];

	for (uint16_t i = 0; i < t->n; i++)
		if (fits(&t->match[i], k))
			return t->match[i].rule;
	return 0;
}

static void
look_up(const struct acl *a, enum acl_family f, const struct packets *s, uint32_t *rule)
{
	const struct rte_acl_ctx *trie =
		atomic_load_explicit(&a->table[f].trie, memory_order_acquire);
	const uint8_t *data[PKT_BATCH_MAX];

	if (trie == NULL) {
		for (uint16_t i = 0; i < s->n; i++)
			rule[i] = acl_first(a, f, &s->key[i]);
		return;
	}
	for (uint16_t i = 0; i < s->n; i++)
		data[i] = (const uint8_t *)&s->key[i];
	rte_acl_classify(trie, data, rule, s->n, 1);
}

static void
count(const struct worker *w, const struct acl *a, uint32_t rule, const struct pkt *p)
{
	struct acl_count *c = &a->counts[w->id].of[rule];

	counter_add(&c->frames, 1);
	counter_add(&c->bytes, p->len);
}

/* Sort frame @p i, whose headers were copied, into those of its family. False: it hides headers. */
static bool
sort(const struct judge *j, struct packets *s, uint16_t i)
{
	struct pkt_hdrs *h = &j->h[i];
	const struct pkt *p = j->pkts[i];
	enum acl_family f = h->ether_type == RTE_ETHER_TYPE_IPV6 ? ACL_IP6 : ACL_IP4;
	struct packets *to = &s[f];
	struct acl_key *k = &to->key[to->n];
	struct upper u;

	if (h->ether_type != RTE_ETHER_TYPE_IPV4 && f != ACL_IP6)
		return !upper_hides(h, p);
	if (!make_key(k, f, h, &u, p))
		return false;
	if (j->ct != NULL) {
		ct_packet_read(&j->w->acl.ct[i], j->dir, f, h, k, &u, p);
		ct_expect(j->ct, &j->w->acl.ct[i]);
	}
	to->at[to->n++] = (uint8_t)i;
	return true;
}

/* Leave in @p s packets that are of no known connection. */
static void
pass_known(const struct judge *j, struct packets *s)
{
	uint16_t n = 0;

	for (uint16_t i = 0; i < s->n; i++) {
		if (ct_known(j->ct, j->w->id, &j->w->acl.ct[s->at[i]], j->dir))
			continue;
		s->key[n] = s->key[i];
		s->at[n++] = s->at[i];
	}
	s->n = n;
}

static void
open_connection(const struct judge *j, struct refused *r, uint16_t i)
{
	enum ct_verdict v = ct_open(j->ct, j->w->id, &j->w->acl.ct[i], j->dir);

	r->full |= (uint64_t)(v == CT_NO_ROOM) << i;
	r->invalid |= (uint64_t)(v == CT_MALFORMED) << i;
}

static void
apply_rules(const struct judge *j, enum acl_family f, const struct packets *s, struct refused *r)
{
	uint32_t rule[PKT_BATCH_MAX];

	look_up(j->a, f, s, rule);
	for (uint16_t i = 0; i < s->n; i++) {
		count(j->w, j->a, rule[i], j->pkts[s->at[i]]);
		r->acl |= (uint64_t)j->a->drop[rule[i]] << s->at[i];
		if (j->ct != NULL && j->a->track[rule[i]])
			open_connection(j, r, s->at[i]);
	}
}

/* Copy the headers of @p n frames, and find out which are refused. */
static struct refused
judge(const struct judge *j, uint16_t n)
{
	struct refused r = {0};
	struct packets s[ACL_FAMILIES];

	s[ACL_IP4].n = s[ACL_IP6].n = 0;
	for (uint16_t i = 0; i < n; i++) {
		upper_read(&j->h[i], j->pkts[i]);
		r.hidden |= (uint64_t)!sort(j, s, i) << i;
	}
	for (int f = 0; f < ACL_FAMILIES; f++) {
		if (j->ct != NULL)
			pass_known(j, &s[f]);
		apply_rules(j, (enum acl_family)f, &s[f], &r);
	}
	return r;
}

static uint64_t
all_of(const struct refused *r)
{
	return r->acl | r->hidden | r->full | r->invalid;
}

static uint64_t
number_of(uint64_t frames)
{
	return (uint64_t)__builtin_popcountll(frames);
}

/* --- incoming frames --- */

void
acl_receive(struct worker *w, const struct dp_port *in, struct pktq *rxq, struct pkt_batch *batch)
{
	struct pkt *pkts[PKT_BATCH_MAX];
	const struct judge j = {w, in->acl_in, in->ct, ACL_IN, w->acl.in, pkts};
	struct refused r;
	uint64_t gone;
	uint16_t n = 0;

	for (uint16_t i = 0; i < batch->n; i++)
		pkts[i] = &batch->pkt[i];
	r = judge(&j, batch->n);
	gone = all_of(&r);
	for (uint16_t i = 0; i < batch->n; i++) {
		struct pkt *p = &batch->pkt[i];

		if ((gone >> i & 1) != 0)
			continue;
		/* an mbuf is ours, a guest's memory is not */
		if (p->mbuf == NULL && !pkt_hdrs_attach(&w->acl.in[i], p, batch)) {
			pktq_drop(rxq, DROP_RX_NO_MEMORY, 1);
			continue;
		}
		if (n != i)
			batch->pkt[n] = *p;
		n++;
	}
	batch->n = n;
	pktq_drop(rxq, DROP_RX_ACL, number_of(r.acl));
	pktq_drop(rxq, DROP_RX_ACL_HIDDEN, number_of(r.hidden));
	if (likely((r.full | r.invalid) == 0))
		return;
	pktq_drop(rxq, DROP_RX_CT_FULL, number_of(r.full));
	pktq_drop(rxq, DROP_RX_CT_INVALID, number_of(r.invalid));
}

/* --- outgoing frames --- */

uint16_t
acl_send(struct worker *w, const struct dp_port *out, struct pktq *rxq, struct pkt *const **pkts,
	 uint16_t n)
{
	const struct judge j = {w, out->acl_out, out->ct, ACL_OUT, w->acl.out, *pkts};
	const struct refused r = judge(&j, n);
	struct pkt_batch *b = &w->acl.views;
	uint64_t nomem = 0, gone = all_of(&r);
	uint16_t left = 0;

	b->nsegs = 0;
	for (uint16_t i = 0; i < n; i++) {
		struct pkt *p = (*pkts)[i];

		if ((gone >> i & 1) != 0)
			continue;
		/* others that the frame goes to have rules of their own, and headers */
		if (p->mbuf == NULL) {
			if (!pkt_hdrs_view(&w->acl.out[i], p, &b->pkt[i], b)) {
				nomem++;
				continue;
			}
			p = &b->pkt[i];
		}
		w->acl.list[left++] = p;
	}
	forward_refuse(out->tx[0], rxq, DROP_TX_ACL, number_of(r.acl));
	forward_refuse(out->tx[0], rxq, DROP_TX_ACL_HIDDEN, number_of(r.hidden));
	forward_refuse(out->tx[0], rxq, DROP_TX_NO_MEMORY, nomem);
	if (unlikely((r.full | r.invalid) != 0)) {
		forward_refuse(out->tx[0], rxq, DROP_TX_CT_FULL, number_of(r.full));
		forward_refuse(out->tx[0], rxq, DROP_TX_CT_INVALID, number_of(r.invalid));
	}
	*pkts = w->acl.list;
	return left;
}
