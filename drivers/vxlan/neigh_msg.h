/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ARP (RFC 826, RFC 5227) and neighbour discovery (RFC 4861) in frames: what a sender says of its
 * addresses, which address it asks for, and the answer another station would give.
 *
 * No state; any thread, on frames that are its own.
 */
#ifndef VXLAN_NEIGH_MSG_H
#define VXLAN_NEIGH_MSG_H

#include <stdbool.h>

#include "evpn/ip.h"
#include "evpn/msg.h"
#include "pkt/hdrs.h"

/** Whether the sender says that it is a router. */
enum neigh_router { NEIGH_ROUTER_UNSAID, NEIGH_ROUTER_NO, NEIGH_ROUTER_YES };

/** A message. */
struct neigh_msg {
	struct evpn_ip ip;         /* the sender's address, at its source MAC; none: it has none */
	enum neigh_router router;  /* of it */
	struct evpn_ip target;     /* the sender asks all for it; none: it does not ask */
	struct rte_ether_addr mac; /* the sender's */
};

/** Whether @p p may be a message: looks at a few bytes only. */
bool neigh_msg_maybe(const struct pkt *p);

/**
 * Read @p p; @p h gets a copy of its headers. False: no message, a malformed one, or one that says
 * nothing: a probe for an address that no station has yet. Announcements ask for nothing.
 */
bool neigh_msg_read(struct pkt_hdrs *h, const struct pkt *p, struct neigh_msg *m);

/**
 * Make the answer to @p m of target @p n, in @p h as neigh_msg_read() left it; @p out is a view of
 * it.
 */
void neigh_msg_answer(struct pkt_hdrs *h, const struct neigh_msg *m, const struct evpn_neigh *n,
		      struct pkt *out);

#endif
