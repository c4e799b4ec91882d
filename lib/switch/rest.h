/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * Flooded frames that are not yet on their way to all receivers and cannot stay in their ring: they
 * would be checked, limited and copied to a mirror once more. The rest of such a frame is an mbuf.
 * It is forwarded each time its queue is polled, before anything else is taken from that queue, as
 * one that stays in its ring would be, but behind those checks.
 *
 * One for each queue: another frame of the same kind is dropped. Each worker has its own. The
 * functions are in rest_run.h.
 */
#ifndef SWITCH_REST_H
#define SWITCH_REST_H

#include <stdbool.h>
#include <stdint.h>

#include "pkt/pktq.h"
#include "switch/vlan.h"

struct rte_mbuf;

#define RESTS_MAX 256 /* of a worker */

struct rest {
	struct pktq *polled; /* the queue that goes on with it */
	struct pktq *rxq;    /* the one it counts for: a tunnel's is not polled */
	uint64_t serial;     /* that of polled, which may be gone */
	struct rte_mbuf *copy;
	struct dp_fid fid;
	bool native;   /* that of its port's native VLAN, which the frame need not name */
	uint16_t in;   /* its port */
	uint16_t next; /* pktq.flood_next */
	uint16_t need;
	struct pkt_vnet vnet;
	uint32_t hash;
};

struct rests {
	uint32_t n;
	bool at_work; /* what is forwarded is a rest */
	struct rest rest[RESTS_MAX];
};

#endif
