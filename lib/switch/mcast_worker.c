/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * Only what is known of a group decides who gets its frames. Reports go to routers alone: a host
 * that hears another one's does not send its own (RFC 2236 3), and its port would be forgotten.
 */
#include "switch/mcast_worker.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/eventfd.h>

#include <rte_ip.h>
#include <rte_ring_elem.h>

#include "pkt/copy.h"
#include "switch/snoop_ring.h"
#include "switch/upper.h"

/* Refusals in the place of lists. */
static const struct dp_members refused[3];
static const enum drop_reason reasons[] = {DROP_RX_MCAST_BAD, DROP_RX_MCAST_QUERY,
					   DROP_RX_MCAST_NONE};
#define REFUSED_BAD (&refused[0])
#define REFUSED_QUERY (&refused[1])
#define REFUSED_NONE (&refused[2])

enum drop_reason
mcast_refusal(const struct dp_members *m)
{
	for (size_t i = 0; i < RTE_DIM(refused); i++)
		if (m == &refused[i])
			return reasons[i];
	return DROP_NUM;
}

/* --- what control is told --- */

/*
 * A port has at most a part of what is free, so however many ports flood the ring there is always
 * room for one that has nothing in it.
 */
static bool
push(struct snoop_ring *r, struct snoop_req *req)
{
	uint32_t share = RTE_MIN(rte_ring_free_count(r->ring) / SNOOP_SHARE, SNOOP_WAITING);
	atomic_uint *waiting = &r->waiting[req->port];

	if (atomic_fetch_add_explicit(waiting, 1, memory_order_relaxed) < share &&
	    rte_ring_mp_enqueue_elem(r->ring, req, sizeof(*req)) == 0) {
		if (!atomic_exchange(&r->told, true))
			eventfd_write(r->event_fd, 1);
		return true;
	}
	atomic_fetch_sub_explicit(waiting, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&r->full, 1, memory_order_relaxed);
	return false;
}

static enum snoop_what
what_of(const struct mcast_change *c)
{
	if (c->join)
		return c->old ? SNOOP_JOIN_OLD : SNOOP_JOIN;
	return c->some ? SNOOP_LEAVE_SOME : SNOOP_LEAVE;
}

static void
tell(struct snoop_ring *r, const struct dp_port *in, uint16_t fid, struct mcast_msg *m)
{
	struct snoop_req req = {.fid = fid, .port = in->id, .from = m->from};
	struct rte_ether_addr mac;
	struct mcast_change c;

	if (m->kind != MCAST_REPORT) {
		req.what = m->kind == MCAST_QUERY ? SNOOP_QUERY
			   : m->kind == MCAST_BYE ? SNOOP_BYE
						  : SNOOP_HELLO;
		req.group = m->group;
		req.last = m->last;
		req.max_resp_ms = m->max_resp_ms;
		push(r, &req);
		return;
	}
	/* of a report that is one too many the rest is not looked at: each takes time */
	for (bool room = true; room && mcast_next(m, &c);) {
		mac = mcast_mac(&c.group);
		if (mcast_mac_is_open(&mac))
			continue;
		req.what = what_of(&c);
		req.group = c.group;
		room = push(r, &req);
	}
}

/* --- frames --- */

/* Whether a packet with these headers may be one of IGMP, MLD or PIM. */
static bool
may_speak(const struct pkt_hdrs *h)
{
	const uint8_t *ip = h->b + RTE_ETHER_HDR_LEN;

	if (h->ether_type == RTE_ETHER_TYPE_IPV4)
		return h->n > RTE_ETHER_HDR_LEN + 9 &&
		       (ip[9] == IPPROTO_IGMP || ip[9] == IPPROTO_PIM);
	return h->n > RTE_ETHER_HDR_LEN + 6 && ip[6] != IPPROTO_UDP && ip[6] != IPPROTO_TCP;
}

/* Whether finishing its partial checksum makes another packet of a frame than it is now. */
static bool
may_change(const struct pkt_hdrs *h, const struct pkt *p)
{
	uint32_t to = upper_written(p);

	return to < (uint32_t)h->l2_len + RTE_MAX(h->l3_len, (uint16_t)sizeof(struct rte_ipv4_hdr));
}

/* Let the frame begin with what was looked at. False: no memory. */
static bool
fix(struct worker *w, struct pkt_hdrs *h, struct pkt *p)
{
	return p->mbuf != NULL || pkt_hdrs_attach(h, p, &w->batch);
}

/*
 * Read a message from a copy of the whole frame, which then is the frame. One that is too long is
 * looked at as far as its headers go, which are what it begins with then: a message that goes on
 * behind them is bad.
 */
static bool
read_copy(struct worker *w, uint16_t i, struct pkt *p, struct mcast_msg *m)
{
	struct pkt_hdrs *h = &w->mcast.hdrs[i];
	bool whole = p->len <= sizeof(w->mcast.frame[i]);
	uint8_t *copy = whole ? w->mcast.frame[i] : h->b;
	uint32_t n = whole ? p->len : h->n;
	struct pkt_cursor c;

	if (whole) {
		pkt_cursor_init(&c, p);
		pkt_copy_next(&c, copy, n);
	}
	mcast_read(copy + RTE_ETHER_HDR_LEN, n - RTE_ETHER_HDR_LEN, h->ether_type, m);
	if (m->kind != MCAST_DATA && p->need != 0)
		m->kind = MCAST_BAD; /* it is not what it will be */
	if (!whole || p->mbuf != NULL)
		return fix(w, h, p);
	p->data = copy;
	p->data_len = p->len;
	p->nsegs = 1;
	return true;
}

static const struct dp_members *
of_group(const struct dataplane *dp, const struct dp_mcast_fid *mf, const struct dp_port *in,
	 const struct pkt *p, uint16_t fid)
{
	const struct dp_members *m = mcast_find(dp->mcast, fdb_key_make(&p->eth.dst_addr, fid));

	if (m == NULL)
		m = mf->flood ? dp_members_of(dp, fid) : &mf->routers;
	return mcast_reaches(m, in) ? m : REFUSED_NONE;
}

/* Those it is sent to take it: their network cards go by its Ethernet destination. */
static bool
is_addressed(const struct mcast_msg *m, const struct pkt *p)
{
	struct rte_ether_addr mac = mcast_mac(&m->to);

	return rte_is_same_ether_addr(&mac, &p->eth.dst_addr);
}

static const struct dp_members *
of_message(const struct dataplane *dp, const struct dp_mcast_fid *mf, const struct dp_port *in,
	   const struct pkt *p, struct mcast_msg *m, uint16_t fid)
{
	enum mcast_kind kind = m->kind;

	if (kind == MCAST_BAD || (kind == MCAST_QUERY && !is_addressed(m, p)))
		return REFUSED_BAD;
	if (kind != MCAST_REPORT && in->no_mcast_router)
		return REFUSED_QUERY;
	tell(dp->mcast->ring, in, fid, m);
	if (kind != MCAST_REPORT)
		return dp_members_of(dp, fid);
	return mcast_reaches(&mf->routers, in) ? &mf->routers : REFUSED_NONE;
}

static const struct dp_members *
choose(struct worker *w, const struct dataplane *dp, const struct dp_port *in, uint16_t i,
       uint16_t fid)
{
	const struct dp_mcast_fid *mf = mcast_fid(dp->mcast, fid);
	struct pkt *p = &w->batch.pkt[i];
	struct pkt_hdrs *h = &w->mcast.hdrs[i];
	struct mcast_msg m = {.kind = MCAST_DATA};
	bool open = mcast_mac_is_open(&p->eth.dst_addr);

	if (mf == NULL || rte_is_unicast_ether_addr(&p->eth.dst_addr) ||
	    (p->eth.ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV4) &&
	     p->eth.ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV6)))
		return dp_members_of(dp, fid);
	pkt_hdrs_read(h, p, PKT_HDRS_L4);
	if (may_change(h, p))
		return REFUSED_BAD;
	if (may_speak(h) ? !read_copy(w, i, p, &m) : !fix(w, h, p))
		return REFUSED_BAD;
	if (m.kind != MCAST_DATA)
		return of_message(dp, mf, in, p, &m, fid);
	return open ? dp_members_of(dp, fid) : of_group(dp, mf, in, p, fid);
}

void
mcast_choose(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
	     const uint16_t *fid)
{
	for (uint16_t i = 0; i < w->batch.n; i++)
		if (w->egress[i] == FDB_PORT_NONE) /* it floods */
			w->mcast.list[i] = choose(w, dp, in, i, fid != NULL ? fid[i] : in->domain);
}
