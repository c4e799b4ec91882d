/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * EVPN by way of the kernel: the control half of VXLAN tunnels.
 *
 * Control thread only, never blocks. For each VNI the kernel gets shadow devices (shadow.h); a
 * routing daemon (FRR) writes other hosts' addresses to their tables, which are read here (table.h)
 * and told to the switch; our guests' addresses go the other way. The kernel's routes tell how a
 * VTEP is reached (hop.h). One socket subscribes and dumps, so that notifications and dumps are in
 * the order of the kernel's changes; another sends requests. The changes of a burst of
 * notifications are told once, followed by evpn_ops.settled().
 *
 * Lost notifications and interrupted dumps lead to a new dump; what is known stays in force until
 * it has ended.
 */
#ifndef EVPN_EVPN_H
#define EVPN_EVPN_H

#include <stdbool.h>
#include <stdint.h>

#include "evpn/hop.h"
#include "evpn/ip.h"
#include "evpn/shadow.h"
#include "evpn/table.h"

struct ev_loop;
struct evpn;

/** The switch's side. */
struct evpn_ops {
	/* the devices of a VNI are there and take our guests' addresses. May be NULL. */
	void (*ready)(void *ctx, uint32_t vni);
	/* as in struct evpn_table_ops */
	void (*remote)(void *ctx, uint32_t vni, const struct rte_ether_addr *mac,
		       const struct evpn_ip *vtep);
	void (*flood)(void *ctx, uint32_t vni, const struct evpn_ip *vtep, bool on);
	void (*neigh)(void *ctx, uint32_t vni, const struct evpn_ip *ip,
		      const struct evpn_neigh *n);
	/* the next hop of a VTEP that evpn_use_vtep() named */
	void (*hop)(void *ctx, const struct evpn_ip *vtep, const struct evpn_hop *hop);
	/* calls above have been made: publish. May be NULL. */
	void (*settled)(void *ctx);
};

/** NULL with errno set: netlink is not to be had. @p ops must outlive it. */
struct evpn *evpn_new(struct ev_loop *loop, const struct evpn_ops *ops, void *ctx);

/** Leave the devices to a successor, their taps lose carrier. NULL is fine. */
void evpn_free(struct evpn *e);

/** Make devices for a VNI. 0 or -errno: -EEXIST, and those of shadow_new(). */
int evpn_add_vni(struct evpn *e, uint32_t vni, const struct evpn_ip *local, uint16_t port);

/** Delete them. All that was told of the VNI is taken back. -ENOENT. */
int evpn_del_vni(struct evpn *e, uint32_t vni);

/**
 * A guest of ours has, or has no more, an address. 0, -ENOENT (no such VNI, or it is not ready),
 * -ENOMEM.
 */
int evpn_have_mac(struct evpn *e, uint32_t vni, const struct rte_ether_addr *mac);
void evpn_lost_mac(struct evpn *e, uint32_t vni, const struct rte_ether_addr *mac);
int evpn_have_ip(struct evpn *e, uint32_t vni, const struct evpn_ip *ip,
		 const struct evpn_neigh *n); /* NULL: not any more */

/**
 * Tell a portion of what the tables have once more: the receiver refused some of it. True: there
 * are more.
 */
bool evpn_retell(struct evpn *e);

/** Begin and end to follow the way to a VTEP; counted. */
int evpn_use_vtep(struct evpn *e, const struct evpn_ip *vtep);
void evpn_drop_vtep(struct evpn *e, const struct evpn_ip *vtep);

/**
 * The next hop of a VTEP as a predecessor had it: in force until the kernel says something else.
 * Harmless if it is not followed.
 */
void evpn_restore_hop(struct evpn *e, const struct evpn_ip *vtep, const struct evpn_hop *hop);

/**
 * The devices of a VNI, which a successor names to evpn_restore_vni(). False: it is not ready.
 */
bool evpn_vni_devices(const struct evpn *e, uint32_t vni, struct evpn_shadow_ids *out);

/**
 * A predecessor had made the devices of a VNI that was added, and told the switch of its entries,
 * which follow: evpn_restore_entry(). Unless they turn out to be others ready() is not called; what
 * the kernel has by then is told as the difference. 0, -ENOENT, those of evpn_table_add_vni().
 */
int evpn_restore_vni(struct evpn *e, uint32_t vni, const struct evpn_shadow_ids *dev);
int evpn_restore_entry(struct evpn *e, const struct evpn_facts *f);

/** NULL: it is not followed. */
const struct evpn_hop *evpn_hop(const struct evpn *e, const struct evpn_ip *vtep);

/** The tables, for display. */
const struct evpn_table *evpn_tables(const struct evpn *e);

/**
 * One sentence, static or in @p buf: what keeps a VNI from working as far as this host's kernel is
 * concerned. NULL: nothing does.
 */
const char *evpn_why(const struct evpn *e, uint32_t vni, char *buf, size_t len);

struct evpn_stats {
	uint64_t dumps, losses, interrupted, refused; /* refused: requests, by the kernel */
};

void evpn_get_stats(const struct evpn *e, struct evpn_stats *out);

/** Count on from a predecessor's numbers. */
void evpn_restore_stats(struct evpn *e, const struct evpn_stats *s);

#endif
