/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's neighbour messages (rtnetlink: bridge and VXLAN forwarding tables, neighbour
 * tables) as facts, and the requests that change those tables. Control thread; no state.
 */
#ifndef EVPN_MSG_H
#define EVPN_MSG_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>

#include "evpn/ip.h"

struct nlmsghdr;

/** The holder of an IP address. */
struct evpn_neigh {
	struct rte_ether_addr mac;
	bool router; /* it says of itself that it is one (RFC 4861) */
};

static inline bool
evpn_neigh_equal(const struct evpn_neigh *a, const struct evpn_neigh *b)
{
	return a->router == b->router && rte_is_same_ether_addr(&a->mac, &b->mac);
}

/** The table a neighbour message is about. */
enum evpn_nb_table {
	EVPN_NB_OTHER,  /* no table that is used here */
	EVPN_NB_BRIDGE, /* a bridge's forwarding table: an address is behind a port */
	EVPN_NB_VXLAN,  /* a VXLAN device's forwarding table: an address is at a VTEP */
	EVPN_NB_FLOOD,  /* the same, its list of VTEPs to flood to (address 0) */
	EVPN_NB_REMOTE, /* neighbour table: MAC of an IP address, by a routing daemon */
	EVPN_NB_LOCAL,  /* neighbour table: the same, by this process */
};

/** A neighbour message. */
struct evpn_nb {
	enum evpn_nb_table table;
	bool gone;       /* the entry was deleted, or has failed */
	int ifindex;     /* port, VXLAN device or bridge */
	bool multihomed; /* the address is behind a group of VTEPs, dst is not set */
	struct rte_ether_addr mac;
	struct evpn_ip dst; /* VTEP, or the IP address of a neighbour */
	bool router;        /* the neighbour says of itself that it is one (RFC 4861) */
};

/**
 * What RTM_NEWNEIGH or RTM_DELNEIGH message @p h says; table is EVPN_NB_OTHER for any other message
 * and any entry that is not used here: device addresses, entries of other families, malformed ones.
 */
void evpn_msg_read(const struct nlmsghdr *h, struct evpn_nb *nb);

#define EVPN_MSG_MAX 256 /* bytes of a request made here */

/*
 * Requests. Each writes to @p buf of EVPN_MSG_MAX bytes, aligned as struct nlmsghdr, and returns
 * it.
 */

/** A frame of @p mac came in at bridge port @p port: the bridge learns or refreshes it. */
struct nlmsghdr *evpn_msg_use(void *buf, int port, const struct rte_ether_addr *mac);

/** The bridge forgets @p mac behind @p port. */
struct nlmsghdr *evpn_msg_unuse(void *buf, int port, const struct rte_ether_addr *mac);

/** VXLAN device @p vxlan forgets that @p mac is at @p vtep. */
struct nlmsghdr *evpn_msg_stale(void *buf, int vxlan, const struct rte_ether_addr *mac,
				const struct evpn_ip *vtep);

/** Neighbour @p ip of @p bridge is @p n for good; NULL: it is forgotten. */
struct nlmsghdr *evpn_msg_pin(void *buf, int bridge, const struct evpn_ip *ip,
			      const struct evpn_neigh *n);

/** Dump all neighbour entries of @p family: AF_BRIDGE, AF_INET, AF_INET6. */
struct nlmsghdr *evpn_msg_dump(void *buf, int family);

#endif
