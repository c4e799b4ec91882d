/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The queues of a vhost-vdpa port: frames out of and into the buffers of a struct link. Counters
 * live as long as the port; the ring behind a queue is another one after each reconnection.
 */
#ifndef VHOST_VDPA_QUEUE_H
#define VHOST_VDPA_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "pkt/pktq.h"
#include "vhost_vdpa/link.h"

#define RXQ_HELD_MAX 256 /* buffers of received frames that are not given back yet */

struct vv_rxq {
	struct pktq q; /* first member */

	/* [fixed] while published */
	struct link_queue *ring;
	uint16_t hdr_len;
	bool mergeable, believes; /* a checksum the device has verified is believed */

	/* [worker] */
	uint32_t cost; /* of the frames of the last rx(), see PKT_BATCH_COST */
	uint16_t n;    /* buffers taken from the ring, oldest first */
	struct vqd_net_frame held[RXQ_HELD_MAX];
	uint16_t buffers[PKT_BATCH_MAX]; /* of each chain of the last rx() */
};

struct vv_txq {
	struct pktq q; /* first member */

	/* [fixed] while published */
	struct link_queue *ring;
	uint16_t hdr_len;
	uint32_t room; /* longest frame of a buffer */
};

extern const struct pktq_ops vv_rx_ops, vv_tx_ops;

/** Use the rings of pair @p i of @p l from now on. Unpublished queues. */
void vv_rxq_use(struct vv_rxq *r, struct link *l, uint32_t i);
void vv_txq_use(struct vv_txq *t, struct link *l, uint32_t i);

#endif
