/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: workers. */
#include "switch/mirror.h"

#include "switch/capture_worker.h"
#include "switch/send.h"

/* A mirrored frame is one more that goes out, like a copy made by flooding; any port may get it. */
static void
mirror(struct worker *w, const struct dp_port *to, struct pktq *rxq, struct pkt *const *pkts,
       uint16_t n)
{
	const struct dp_fid fid = w->fid;

	/* not back to the port it came from, should that be the target of the mirror */
	if (to->ntx == 0 || to->id == rxq->port)
		return;
	counter_add(&rxq->stats.replicated, n);
	w->fid = (struct dp_fid){.fid = VLAN_FID_MIRROR};
	forward_send_only(w, to, rxq, pkts, n);
	w->fid = fid;
}

void
forward_copy(struct worker *w, const struct dp_port *port, bool out, struct pktq *rxq,
	     struct pkt *const *pkts, uint16_t n)
{
	if (port->capture != NULL)
		capture_frames(port->capture, rxq->index, out ? PCAPNG_OUT : PCAPNG_IN, pkts, n);
	if (port->mirror != NULL)
		mirror(w, port->mirror, rxq, pkts, n);
}
