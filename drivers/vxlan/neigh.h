/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IP addresses of the networks that joined EVPN: those of our guests are learned from ARP and
 * neighbour discovery, those of other hosts are told. Requests of guests for either are answered
 * here and not flooded, but for probes, announcements, and addresses behind the port that asks.
 *
 * Workers look frames up in a table that control alone writes (rte_hash, read without a lock), and
 * push what is new to a ring. An address is learned when its MAC is a learned or static one of the
 * port, and goes with that MAC. A port can have NEIGH_PORT_MAX addresses and change them at a
 * limited rate: each change is one for all hosts.
 *
 * Control thread but for the intercept.
 */
#ifndef VXLAN_NEIGH_H
#define VXLAN_NEIGH_H

#include <stdbool.h>
#include <stdint.h>

#include "evpn/ip.h"
#include "evpn/msg.h"
#include "switch/dataplane.h"
#include "switch/fdb.h"

struct neigh;
struct neigh_net;
struct sw;

#define NEIGH_MAX 65536        /* addresses in the table */
#define NEIGH_REMOTE_MAX 49152 /* of them those of other hosts */
#define NEIGH_PORT_MAX 64      /* of one port */
#define NEIGH_PORT_WAITING 32  /* requests to learn of a port that wait for control, or some more */
#define NEIGH_PORT_RATE 2      /* changes a second in the long run, after twice NEIGH_PORT_MAX */

struct neigh_config {
	struct sw *sw; /* with a loop */
	/* A guest of ours, @p n, has @p ip; NULL: not any more. */
	void (*ours)(void *ctx, uint16_t fid, const struct evpn_ip *ip, const struct evpn_neigh *n);
	void *ctx;
};

/** NULL: no memory. */
struct neigh *neigh_new(const struct neigh_config *cfg);

/** No snapshot has its intercept any more. NULL is fine. */
void neigh_free(struct neigh *t);

/** Begin with the network of an FID. 0, -ENOMEM. */
int neigh_add_net(struct neigh *t, uint16_t fid);

/**
 * End with it: all its addresses go, and ours() is told. Returns what workers use until the next
 * grace period, to be freed with free().
 */
struct neigh_net *neigh_del_net(struct neigh *t, uint16_t fid);

/** Tell ours() all addresses of a network once more: the kernel has its devices from now on. */
void neigh_retell(struct neigh *t, uint16_t fid);

/**
 * Another host has @p ip (NULL, or with a MAC that no station can have: not any more). A guest of
 * ours loses it. False: no room.
 */
bool neigh_set_remote(struct neigh *t, uint16_t fid, const struct evpn_ip *ip,
		      const struct evpn_neigh *n);

/** The FDB's entry of a MAC of ours is there, new or moved, or it goes (fdb_listener). */
void neigh_mac(struct neigh *t, const struct fdb_entry_info *e, bool there);

/** For ports in the domains of the networks (sw_intercept_domain()). */
const struct dp_intercept *neigh_intercept(const struct neigh *t);

/** Learn all addresses that workers have seen. */
void neigh_take_in(struct neigh *t);

/** Calls @p fn for each address of ours. */
void neigh_walk_ours(const struct neigh *t,
		     void (*fn)(void *arg, uint16_t fid, const struct evpn_ip *ip,
				const struct evpn_neigh *n),
		     void *arg);

/**
 * Have a predecessor's address of ours, in a network that is there, without counting it as a
 * change. False: its MAC is not one of ours, or no room.
 */
bool neigh_restore(struct neigh *t, uint16_t fid, const struct evpn_ip *ip,
		   const struct evpn_neigh *n);

struct neigh_stats {
	uint32_t ours, remote; /* addresses */
	uint64_t arp, nd;      /* requests answered here */
};

/** Of one network. */
void neigh_get_stats(const struct neigh *t, uint16_t fid, struct neigh_stats *out);

/** Addresses that were not taken, by reason, since the table was made. */
struct neigh_refusals {
	uint64_t port_limit; /* the port has NEIGH_PORT_MAX */
	uint64_t rate;       /* its addresses change too fast */
	uint64_t unknown;    /* the MAC is not one of the port */
	uint64_t full;       /* no room in the table, or for the request */
};

void neigh_get_refusals(const struct neigh *t, struct neigh_refusals *out);

/** Count on from a predecessor's numbers: answers of a network that is there, and refusals. */
void neigh_restore_answers(struct neigh *t, uint16_t fid, uint64_t arp, uint64_t nd);
void neigh_restore_refusals(struct neigh *t, const struct neigh_refusals *r);

/**
 * When the next change of a port's addresses is due, of the bucket of changes, and set it; 0: never
 * metered. @p port < DP_PORTS_MAX.
 */
uint64_t neigh_get_tat(const struct neigh *t, uint16_t port);
void neigh_set_tat(struct neigh *t, uint16_t port, uint64_t tat);

#endif
