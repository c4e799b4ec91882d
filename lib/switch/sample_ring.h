/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control and workers, by the groups of fields.
 *
 * Samples on their way from workers to control. Internal to lib/switch.
 */
#ifndef SWITCH_SAMPLE_RING_H
#define SWITCH_SAMPLE_RING_H

#include <stdatomic.h>
#include <stdint.h>

struct rte_mempool;
struct rte_ring;

struct sampling {
	/* [fixed] */
	uint32_t rate, header;
	struct rte_mempool *mp;
	struct rte_ring *ring; /* several workers to control */
	/* [atomic] */
	atomic_uint_fast64_t lost;
};

/** In the private area of a sample's mbuf. */
struct sample_note {
	uint32_t len;
	uint16_t port;
};

#endif
