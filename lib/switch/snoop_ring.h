/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers and control, by the fields.
 *
 * What workers hear of multicast hosts and routers, on its way to control. Internal to lib/switch.
 */
#ifndef SWITCH_SNOOP_RING_H
#define SWITCH_SNOOP_RING_H

#include <stdatomic.h>
#include <stdbool.h>

#include "switch/fdb.h"
#include "switch/mcast_msg.h"

struct rte_ring;

#define SNOOP_WAITING 256u /* requests of one port in the ring, at most; */
#define SNOOP_SHARE 8u     /* and of those that it has room for, one in so many */

enum snoop_what {
	SNOOP_JOIN,
	SNOOP_JOIN_OLD, /* struct mcast_change */
	SNOOP_LEAVE,
	SNOOP_LEAVE_SOME,
	SNOOP_QUERY, /* this and those behind it are of routers */
	SNOOP_HELLO,
	SNOOP_BYE,
};

/** Heard at a port. */
struct snoop_req {
	uint16_t fid, port;
	uint16_t what; /* enum snoop_what */
	struct mcast_ip group, from;
	uint16_t last; /* of a query: struct mcast_msg */
	uint32_t max_resp_ms;
};
static_assert(sizeof(struct snoop_req) % sizeof(uint32_t) == 0, "rings want it");

struct snoop_ring {
	struct rte_ring *ring; /* [fixed] MP: workers, SC: control */
	int event_fd;          /* [fixed] */
	atomic_bool told;      /* [atomic] control knows that there are requests */
	_Atomic uint64_t full; /* [atomic] requests that did not fit */
	/* [atomic] by port: its requests in the ring, of which one must not fill it for all */
	atomic_uint waiting[DP_PORTS_MAX];
};

#endif
