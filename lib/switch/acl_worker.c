/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: workers. */
#include "switch/acl_worker.h"

#include <stddef.h>
#include <string.h>

#include <rte_acl.h>
#include <rte_byteorder.h>
#include <rte_ip.h>

#include "switch/acl_text.h"
#include "switch/transmit.h"
#include "switch/upper.h"

static_assert(PKT_BATCH_MAX <= 64, "a set of frames of a batch is a 64-bit mask");

/** Frames of a batch that are not to pass, by number. */
struct refused {
	uint64_t acl, hidden;
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
make_key(struct acl_key *k, enum acl_family f, struct pkt_hdrs *h, const struct pkt *p)
{
	const struct rte_ipv4_hdr *ip4 = pkt_hdrs_l3(h);
	const struct rte_ipv6_hdr *ip6 = pkt_hdrs_l3(h);
	struct upper u;

	memset(k, 0, sizeof(*k));
	if (f == ACL_IP4 ? !upper_find4(h, &u) : !upper_find6(h, &u))
		return false;
	if (f == ACL_IP4)
		copy_addresses(k, &ip4->src_addr, &ip4->dst_addr, sizeof(ip4->src_addr));
	else
		copy_addresses(k, &ip6->src_addr, &ip6->dst_addr, sizeof(ip6->src_addr));
	memcpy(&k->word[ACL_WORD_PROTO], &u.proto, sizeof(u.proto));
	return find_ports(k, h, &u, p);
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

/* Copy the headers of @p n frames to @p h, and find out which are refused. */
static struct refused
judge(const struct worker *w, const struct acl *a, struct pkt_hdrs *h, struct pkt *const *pkts,
      uint16_t n)
{
	struct refused r = {0};
	struct packets s[ACL_FAMILIES];
	uint32_t rule[PKT_BATCH_MAX];

	s[ACL_IP4].n = s[ACL_IP6].n = 0;
	for (uint16_t i = 0; i < n; i++) {
		struct packets *to = &s[ACL_IP4];

		upper_read(&h[i], pkts[i]);
		if (h[i].ether_type == RTE_ETHER_TYPE_IPV6)
			to = &s[ACL_IP6];
		else if (h[i].ether_type != RTE_ETHER_TYPE_IPV4)
			to = NULL;
		if (to == NULL
			    ? upper_hides(&h[i], pkts[i])
			    : !make_key(&to->key[to->n], (enum acl_family)(to - s), &h[i], pkts[i]))
			r.hidden |= UINT64_C(1) << i;
		else if (to != NULL)
			to->at[to->n++] = (uint8_t)i;
	}
	for (int f = 0; f < ACL_FAMILIES; f++) {
		look_up(a, (enum acl_family)f, &s[f], rule);
		for (uint16_t i = 0; i < s[f].n; i++) {
			count(w, a, rule[i], pkts[s[f].at[i]]);
			r.acl |= (uint64_t)a->drop[rule[i]] << s[f].at[i];
		}
	}
	return r;
}

/* --- incoming frames --- */

void
acl_receive(struct worker *w, struct acl *a, struct pktq *rxq, struct pkt_batch *batch)
{
	struct pkt *pkts[PKT_BATCH_MAX];
	struct refused r;
	uint16_t n = 0;

	for (uint16_t i = 0; i < batch->n; i++)
		pkts[i] = &batch->pkt[i];
	r = judge(w, a, w->acl.in, pkts, batch->n);
	for (uint16_t i = 0; i < batch->n; i++) {
		struct pkt *p = &batch->pkt[i];

		if (((r.acl | r.hidden) >> i & 1) != 0)
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
	pktq_drop(rxq, DROP_RX_ACL, (uint64_t)__builtin_popcountll(r.acl));
	pktq_drop(rxq, DROP_RX_ACL_HIDDEN, (uint64_t)__builtin_popcountll(r.hidden));
}

/* --- outgoing frames --- */

uint16_t
acl_send(struct worker *w, const struct dp_port *out, struct pktq *rxq, struct pkt *const **pkts,
	 uint16_t n)
{
	struct refused r = judge(w, out->acl_out, w->acl.out, *pkts, n);
	struct pkt_batch *b = &w->acl.views;
	uint64_t nomem = 0;
	uint16_t left = 0;

	b->nsegs = 0;
	for (uint16_t i = 0; i < n; i++) {
		struct pkt *p = (*pkts)[i];

		if (((r.acl | r.hidden) >> i & 1) != 0)
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
	forward_refuse(out->tx[0], rxq, DROP_TX_ACL, (uint64_t)__builtin_popcountll(r.acl));
	forward_refuse(out->tx[0], rxq, DROP_TX_ACL_HIDDEN,
		       (uint64_t)__builtin_popcountll(r.hidden));
	forward_refuse(out->tx[0], rxq, DROP_TX_NO_MEMORY, nomem);
	*pkts = w->acl.list;
	return left;
}
