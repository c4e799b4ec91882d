/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: workers. */
#include "switch/mirror.h"

#include <stdatomic.h>

#include "switch/capture_worker.h"
#include "switch/limit_worker.h"
#include "switch/mirror_filter.h"
#include "switch/send.h"

/* A frame such as PAUSE: it speaks to one end of a link, a copy would to that of another one. */
static inline bool
is_mac_control(const struct pkt *p)
{
	static const struct rte_ether_addr group = {{0x01, 0x80, 0xc2, 0x00, 0x00, 0x01}};

	return rte_is_same_ether_addr(&p->eth.dst_addr, &group);
}

/* The frames that may be copied to @p list; returns their number. */
static uint16_t
leave_out_control(struct pkt *const *pkts, uint16_t n, struct pkt **list)
{
	uint16_t k = 0;

	for (uint16_t i = 0; i < n; i++) {
		list[k] = pkts[i];
		k += !is_mac_control(pkts[i]);
	}
	return k;
}

/* A mirrored frame is one more that goes out, like a copy made by flooding; any port may get it. */
static void
mirror(struct worker *w, const struct dp_port *to, struct pktq *rxq, struct pkt *const *pkts,
       uint16_t n)
{
	const struct dp_fid fid = w->fid;
	struct pkt *list[PKT_BATCH_MAX];

	/* not back to the port it came from, should that be the target of the mirror */
	if (to->ntx == 0 || to->id == rxq->port)
		return;
	n = leave_out_control(pkts, n, list);
	counter_add(&rxq->stats.replicated, n);
	if (to->egress_limiter != NULL)
		n = limiter_send(to, rxq, list, n);
	if (n == 0)
		return;
	w->fid = (struct dp_fid){.fid = VLAN_FID_MIRROR};
	forward_send_only(w, to, rxq, list, n);
	w->fid = fid;
}

/* Those of @p port's frames that its filter lets through. */
static void
mirror_some(struct worker *w, const struct dp_port *port, struct pktq *rxq, struct pkt *const *pkts,
	    uint16_t n)
{
	struct pkt *list[PKT_BATCH_MAX];
	uint16_t k = 0;

	for (uint16_t i = 0; i < n; i++)
		if (mirror_filter_fits(port->mirror_filter, port, pkts[i]))
			list[k++] = pkts[i];
	atomic_fetch_add_explicit(&port->mirror_seen->fits, k, memory_order_relaxed);
	atomic_fetch_add_explicit(&port->mirror_seen->left_out, n - k, memory_order_relaxed);
	if (k != 0)
		mirror(w, port->mirror, rxq, list, k);
}

void
forward_copy(struct worker *w, const struct dp_port *port, bool out, struct pktq *rxq,
	     struct pkt *const *pkts, uint16_t n)
{
	if (port->capture != NULL)
		capture_frames(port->capture, rxq->index, out ? PCAPNG_OUT : PCAPNG_IN, pkts, n);
	if (port->mirror != NULL && port->mirror_filter != NULL)
		mirror_some(w, port, rxq, pkts, n);
	else if (port->mirror != NULL)
		mirror(w, port->mirror, rxq, pkts, n);
}
