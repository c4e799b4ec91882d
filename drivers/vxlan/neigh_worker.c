/* SPDX-License-Identifier: BSD-3-Clause */
/* The workers' half of neigh.h. */
#include <stdlib.h>
#include <sys/eventfd.h>

#include <rte_hash.h>
#include <rte_ring_elem.h>

#include "base/counter.h"
#include "switch/fdb_worker.h"
#include "switch/ingress.h"
#include "switch/members.h"
#include "switch/send.h"
#include "vxlan/neigh_table.h"

#define TCI_ID_MASK 0x0fff
#define HEARD_MAX 16 /* requests of one batch; more of it are seen again some other time */

/** Messages of a batch that say something new. */
struct heard {
	uint32_t n;
	struct neigh_req req[HEARD_MAX];
};

uint64_t
neigh_find(const struct neigh *t, uint16_t fid, const struct evpn_ip *ip)
{
	struct neigh_key k = neigh_key_make(fid, ip);
	void *word;

	return rte_hash_lookup_data(t->hash, &k, &word) >= 0 ? (uintptr_t)word : 0;
}

/* The FID a frame will be forwarded in; false: in none, or it has a tag where no VLAN is. */
static bool
find_fid(const struct dp_port *in, const struct pkt_hdrs *h, const struct pkt *p, struct dp_fid *f)
{
	bool tagged = h->l2_len != RTE_ETHER_HDR_LEN;
	rte_be16_t tci;

	if (in->vlan == NULL) {
		*f = dp_plain_fid(in);
		return !tagged;
	}
	f->vlan = in->vlan->native;
	if (tagged && in->vlan->qinq)
		return false; /* whose tag it is, forwarding says */
	if (tagged) {
		if (h->l2_len != RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN ||
		    p->eth.ether_type != RTE_BE16(RTE_ETHER_TYPE_VLAN))
			return false;
		memcpy(&tci, h->b + RTE_ETHER_HDR_LEN, sizeof(tci));
		tci = rte_be_to_cpu_16(tci) & TCI_ID_MASK;
		if (tci != 0 && in->vlan->access)
			return false;
		f->vlan = tci != 0 ? tci : f->vlan;
	}
	f->fid = in->vlan->fid[f->vlan];
	return f->fid != 0;
}

/* --- learning --- */

static bool
is_new(uint64_t word, const struct neigh_msg *m, const struct dp_port *in)
{
	struct evpn_neigh n = neigh_of_word(word);

	if ((word & NEIGH_OURS) == 0 || neigh_port_of_word(word) != in->id ||
	    !rte_is_same_ether_addr(&n.mac, &m->mac))
		return true;
	return m->router != NEIGH_ROUTER_UNSAID && n.router != (m->router == NEIGH_ROUTER_YES);
}

static void
hear(struct heard *h, const struct neigh_msg *m, const struct dp_port *in, uint16_t fid)
{
	if (h->n < HEARD_MAX)
		h->req[h->n++] = (struct neigh_req){.ip = m->ip,
						    .router = (uint8_t)m->router,
						    .mac = m->mac,
						    .fid = fid,
						    .port = in->id};
}

/*
 * After the frames were forwarded: by then their sources are on the way to the FDB, too. One port
 * must not fill the ring for all.
 */
static __rte_noinline void
push(struct neigh *t, const struct heard *h)
{
	atomic_uint *waiting = &t->waiting[h->req[0].port];
	uint32_t n = 0;

	if (atomic_fetch_add_explicit(waiting, h->n, memory_order_relaxed) < NEIGH_PORT_WAITING)
		n = rte_ring_mp_enqueue_burst_elem(t->ring, h->req, sizeof(h->req[0]), h->n, NULL);
	if (n < h->n) {
		atomic_fetch_sub_explicit(waiting, h->n - n, memory_order_relaxed);
		atomic_fetch_add_explicit(&t->full, h->n - n, memory_order_relaxed);
	}
	if (!atomic_exchange(&t->told, true))
		eventfd_write(t->event_fd, 1);
}

/* --- answering --- */

/* Whether the answer may be given for the station that has the address. */
static bool
may_answer(const struct dataplane *dp, const struct dp_port *in, struct dp_fid f,
	   const struct neigh_msg *m, uint64_t word)
{
	const struct evpn_neigh n = neigh_of_word(word);
	const struct dp_port *out;

	if (word == 0 || rte_is_same_ether_addr(&n.mac, &m->mac))
		return false;
	if ((word & NEIGH_OURS) == 0)
		return true;
	out = dp->by_id[neigh_port_of_word(word)];
	return out != NULL && out != in && dp_may_pass(in, out, f);
}

/* The frame is not forwarded: its source is learned here. */
static void
see_source(const struct worker *w, const struct dataplane *dp, const struct dp_port *in,
	   const struct neigh_msg *m, uint16_t fid)
{
	fdb_key key = fdb_key_make(&m->mac, fid);

	if (in->learns)
		fdb_seen(dp->fdb, w->id, &key, 1, in->id);
}

static void
answer(struct worker *w, const struct dp_port *in, struct pktq *rxq, const struct neigh_msg *m,
       uint64_t word)
{
	const struct evpn_neigh n = neigh_of_word(word);
	struct pkt view, *list[] = {&view};

	neigh_msg_answer(&w->hdrs[0], m, &n, &view);
	forward_send(w, in, rxq, list, 1);
}

/* False: the frame was answered. */
static __rte_noinline bool
look(struct worker *w, const struct dataplane *dp, const struct dp_port *in, struct pktq *rxq,
     const struct pkt *p, struct heard *h)
{
	const struct neigh *t = (const struct neigh *)in->intercept; /* its first member */
	struct neigh_answers *counters;
	struct neigh_net *net;
	struct neigh_msg m;
	struct dp_fid f;
	uint64_t word;

	if (!neigh_msg_read(&w->hdrs[0], p, &m) || !find_fid(in, &w->hdrs[0], p, &f))
		return true;
	net = atomic_load_explicit(&t->net[f.fid], memory_order_acquire);
	if (net == NULL)
		return true;
	if (evpn_ip_is_set(&m.ip) && is_new(neigh_find(t, f.fid, &m.ip), &m, in))
		hear(h, &m, in, f.fid);
	if (!evpn_ip_is_set(&m.target))
		return true;
	word = neigh_find(t, f.fid, &m.target);
	if (!may_answer(dp, in, f, &m, word))
		return true;
	see_source(w, dp, in, &m, f.fid);
	answer(w, in, rxq, &m, word);
	counters = &net->answers[w->id];
	counter_add(m.target.len == sizeof(uint32_t) ? &counters->arp : &counters->nd, 1);
	return false;
}

void
neigh_forward(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
	      struct pktq *rxq, struct pkt_batch *batch)
{
	/* workers write to the ring and the atomic members only */
	struct neigh *t = (struct neigh *)(uintptr_t)in->intercept;
	struct heard heard;
	uint16_t n = 0;

	heard.n = 0;
	for (uint16_t i = 0; i < batch->n; i++) {
		struct pkt *p = &batch->pkt[i];

		if (unlikely(neigh_msg_maybe(p)) && !look(w, dp, in, rxq, p, &heard)) {
			if (i == 0)
				rxq->flood_next = 0; /* it does not flood any more */
			continue;
		}
		if (unlikely(n != i))
			batch->pkt[n] = *p;
		n++;
	}
	batch->n = n;
	if (likely(n != 0))
		ingress_rest(w, dp, in, rxq, batch);
	if (unlikely(heard.n != 0))
		push(t, &heard);
}
