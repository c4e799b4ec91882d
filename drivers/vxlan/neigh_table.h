/* SPDX-License-Identifier: BSD-3-Clause */
/* The addresses of neigh.h inside, for control's and the workers' half. */
#ifndef VXLAN_NEIGH_TABLE_H
#define VXLAN_NEIGH_TABLE_H

#include <stdatomic.h>
#include <string.h>

#include "switch/bucket.h"
#include "base/ev.h"
#include "switch/stations.h"
#include "vxlan/neigh.h"
#include "vxlan/neigh_msg.h"

struct rte_hash;
struct rte_ring;

/** Key of the table; no gaps. */
struct neigh_key {
	uint16_t fid;
	uint16_t len; /* of the address */
	uint8_t addr[16];
};

static inline struct neigh_key
neigh_key_make(uint16_t fid, const struct evpn_ip *ip)
{
	struct neigh_key k = {.fid = fid, .len = ip->len};

	memcpy(k.addr, ip->addr, sizeof(k.addr));
	return k;
}

/*
 * The table's data pointer is a word: the MAC in the lower 48 bits, then the port of an address of
 * ours, then flags.
 */
#define NEIGH_OURS (UINT64_C(1) << 59)
#define NEIGH_ROUTER (UINT64_C(1) << 60)
#define NEIGH_PORT_SHIFT 48
#define NEIGH_PORT_MASK 0x7ffu
static_assert(DP_PORTS_MAX == NEIGH_PORT_MASK + 1, "ports fit");

static inline uint64_t
neigh_word(const struct evpn_neigh *n)
{
	uint64_t w = n->router ? NEIGH_ROUTER : 0;

	memcpy(&w, n->mac.addr_bytes, RTE_ETHER_ADDR_LEN);
	return w;
}

static inline uint64_t
neigh_word_ours(const struct evpn_neigh *n, uint16_t port)
{
	return neigh_word(n) | NEIGH_OURS | (uint64_t)port << NEIGH_PORT_SHIFT;
}

static inline struct evpn_neigh
neigh_of_word(uint64_t w)
{
	struct evpn_neigh n = {.router = (w & NEIGH_ROUTER) != 0};

	memcpy(n.mac.addr_bytes, &w, RTE_ETHER_ADDR_LEN);
	return n;
}

static inline uint16_t
neigh_port_of_word(uint64_t w)
{
	return (uint16_t)(w >> NEIGH_PORT_SHIFT & NEIGH_PORT_MASK);
}

/** A worker's request: @p ip was seen at @p n behind @p port. */
struct neigh_req {
	struct evpn_ip ip;
	uint8_t router; /* enum neigh_router */
	struct rte_ether_addr mac;
	uint16_t fid, port;
	uint32_t pad;
};
static_assert(sizeof(struct neigh_req) % sizeof(uint32_t) == 0, "rings want it");

/** Counters of one worker. */
struct neigh_answers {
	uint64_t arp, nd;
} __rte_cache_aligned;

/** A network. */
struct neigh_net {
	/* [ctl] */
	uint32_t ours, remote;
	/* [worker] by worker */
	struct neigh_answers answers[];
};

/** The control half's. */
struct neigh_stations;

struct neigh {
	struct dp_intercept intercept; /* [fixed] first member */
	struct rte_hash *hash;         /* [fixed] struct neigh_key -> word; control writes */
	struct rte_ring *ring;         /* [fixed] workers -> control */
	int event_fd;                  /* [fixed] */
	atomic_bool told;              /* [atomic] control knows that there are requests */
	_Atomic uint64_t full;         /* [atomic] requests that did not fit */
	/* [ctl] */
	struct neigh_config cfg;
	struct sw_stations of_guests; /* that migrate */
	void *stations;               /* tree of struct station, by FID and MAC */
	uint32_t ours, remote;
	struct neigh_refusals refused;
	struct ev_source event;
	struct ev_timer again;
	struct {
		uint32_t n; /* addresses */
		bool metered;
		struct bucket changes;
	} port[DP_PORTS_MAX];
	/* [atomic] by port: its requests in the ring */
	atomic_uint waiting[DP_PORTS_MAX];
	/* [atomic] by FID, NULL: no network that joined */
	_Atomic(struct neigh_net *) net[UINT16_MAX + 1];
};

/** The word of an address, 0: there is none. Any thread. */
uint64_t neigh_find(const struct neigh *t, uint16_t fid, const struct evpn_ip *ip);

/** dp_intercept.fn */
void neigh_forward(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
		   struct pktq *rxq, struct pkt_batch *batch);

#endif
