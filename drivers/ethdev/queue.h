/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The queues of an ethdev port. Internal to drivers/ethdev.
 *
 * Ownership of mbufs: rx() takes it from the device, rx_done() drops the
 * reference rx() got. A tx() that sends an mbuf without copying it takes a
 * reference of its own, which the device drops when it has sent the frame. So
 * one frame can be flooded to guests and to any number of devices, and which
 * of them finishes last does not matter.
 */
#ifndef ETHDEV_QUEUE_H
#define ETHDEV_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "pkt/pktq.h"

struct ethdev_rxq {
	struct pktq q; /* first member; event_fd is the device's */

	/* [fixed] */
	uint16_t dev, queue;
	bool drain; /* event_fd is an eventfd: read it after sleeping */
	bool late;  /* event_fd may have a frame that the driver does not find yet */

	/* [worker] */
	uint16_t n; /* mbufs taken from the device by rx() or arm(), until rx_done() */
	struct rte_mbuf *mbuf[PKT_BATCH_MAX];
};

struct ethdev_txq {
	struct pktq q; /* first member */

	/* [fixed] */
	uint16_t dev, queue;
	uint16_t room;      /* bytes that fit one mbuf of the pool */
	uint32_t frame_max; /* longest frame on the wire, 0: no limit */
	uint64_t offloads;  /* RTE_ETH_TX_OFFLOAD_* in use */
	struct rte_mempool *mp;
	uint64_t idle_max; /* with ethdev_tx_lacp_ops: TSC cycles without a burst, see bond.h */

	/* [worker] */
	uint64_t burst_tsc; /* of the last burst that flush() sent */
	/* the burst in the making */
	uint16_t n;
	struct rte_mbuf *mbuf[PKT_BATCH_MAX];
	const struct pkt *pkt[PKT_BATCH_MAX];
};

/* Polled only, and with interrupts (event_fd). */
extern const struct pktq_ops ethdev_rx_poll_ops;
extern const struct pktq_ops ethdev_rx_ops;
extern const struct pktq_ops ethdev_tx_ops;
/* Of a bond that speaks LACP: flush() sends an empty burst when one is due. With q.keep_alive. */
extern const struct pktq_ops ethdev_tx_lacp_ops;

/** Free what a stopped queue still holds. Unpublished queue. */
void ethdev_rxq_flush(struct ethdev_rxq *r);

/**
 * PKT_NEED_* a device with these RTE_ETH_TX_OFFLOAD_* takes as they are. @p longest: bytes of a
 * frame in as many mbufs as the device takes. Control.
 */
uint32_t ethdev_tx_accepts(uint64_t offloads, uint32_t longest);

#endif
