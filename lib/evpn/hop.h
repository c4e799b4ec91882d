/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The next hop of each VTEP, as the kernel routes: interface, addresses, MTU.
 *
 * Control thread only. A route is asked for, the neighbour it leads to is given to the kernel to be
 * kept resolved (NTF_EXT_MANAGED), and its address is asked for. Any change of routes, links or
 * that neighbour has a VTEP resolved anew; changes of one burst are resolved once. The caller drops
 * frames to a VTEP whose next hop is not known; no frame is queued here.
 */
#ifndef EVPN_HOP_H
#define EVPN_HOP_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>

#include "evpn/ip.h"

struct evpn_hops;
struct nl;
struct nlmsghdr;

/** How frames get to a VTEP. */
struct evpn_hop {
	const char *why; /* it is not known: the reason, static text; NULL: it is known */
	int ifindex;     /* where they leave; 0: there is no route */
	struct rte_ether_addr src, dst;
	struct evpn_ip via; /* the neighbour: a gateway, or the VTEP itself */
	uint32_t mtu;       /* of IP packets on the way, as far as this host knows */
};

struct evpn_hops_config {
	struct nl *nl; /* requests; must outlive this */
	/* The next hop of @p vtep is another than it was. */
	void (*told)(void *ctx, const struct evpn_ip *vtep, const struct evpn_hop *hop);
	void *ctx;
};

/** NULL: no memory. */
struct evpn_hops *evpn_hops_new(const struct evpn_hops_config *cfg);
void evpn_hops_free(struct evpn_hops *h);

/** Begin with a VTEP, or count one more user of it. 0, -ENOMEM. */
int evpn_hops_get(struct evpn_hops *h, const struct evpn_ip *vtep);
/** One user less; with the last the VTEP is forgotten. */
void evpn_hops_put(struct evpn_hops *h, const struct evpn_ip *vtep);

/** Tell the next hop that a predecessor had of @p vtep; the kernel is still to be asked. */
void evpn_hops_restore(struct evpn_hops *h, const struct evpn_ip *vtep, const struct evpn_hop *hop);

/** A notification: of routes, links, neighbours; others are ignored. */
void evpn_hops_read(struct evpn_hops *h, const struct nlmsghdr *m);

/** Resolve all anew: notifications were lost. */
void evpn_hops_refresh(struct evpn_hops *h);

/** Ask for what changed. */
void evpn_hops_settle(struct evpn_hops *h);

/** The next hop as told last; NULL: no such VTEP. */
const struct evpn_hop *evpn_hops_find(const struct evpn_hops *h, const struct evpn_ip *vtep);

#endif
