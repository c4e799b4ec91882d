/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The forwarding and neighbour tables of all shadow devices, joined: which address is at which
 * VTEP, where to flood, who has which IP address; and beside it the addresses of our own guests
 * that the kernel is to know.
 *
 * Control thread only. Facts come in with evpn_table_read() in any order; evpn_table_settle()
 * compares them with what was told before and tells the difference once. So the two messages about
 * one address (the bridge's table, the VXLAN device's table) are never acted on separately, a burst
 * is told as one change, and entries the kernel lost are given to it again.
 *
 * An address is remote when the bridge has it behind the VXLAN device and that device's own table
 * says at which VTEP; other entries of the device's table are left over from former places.
 *
 * After a loss everything is dumped: evpn_table_mark(), the dumps, evpn_table_sweep(). Entries stay
 * in force until the sweep shows that the kernel has them no more.
 */
#ifndef EVPN_TABLE_H
#define EVPN_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_ether.h>

#include "evpn/ip.h"
#include "evpn/msg.h"

struct evpn_table;

/** The three devices that stand for a VNI in the kernel, by their indices. */
struct evpn_shadow_ids {
	int bridge, vxlan, tap;
};

/**
 * The receivers of changes. All are called by evpn_table_settle() only. Of the functions that
 * change the table they may call evpn_table_have_mac(), evpn_table_lost_mac() and
 * evpn_table_have_ip(), which take effect in the same settling.
 */
struct evpn_table_ops {
	/* to the switch: the address is at @p vtep; without one (length 0): at none any more */
	void (*remote)(void *ctx, uint32_t vni, const struct rte_ether_addr *mac,
		       const struct evpn_ip *vtep);
	void (*flood)(void *ctx, uint32_t vni, const struct evpn_ip *vtep, bool on);
	/* @p ip is that of @p n, elsewhere; NULL: the address is gone */
	void (*neigh)(void *ctx, uint32_t vni, const struct evpn_ip *ip,
		      const struct evpn_neigh *n);
	/* to the kernel: see the functions of msg.h */
	void (*use)(void *ctx, const struct evpn_shadow_ids *dev, const struct rte_ether_addr *mac);
	void (*unuse)(void *ctx, const struct evpn_shadow_ids *dev,
		      const struct rte_ether_addr *mac);
	void (*stale)(void *ctx, const struct evpn_shadow_ids *dev,
		      const struct rte_ether_addr *mac, const struct evpn_ip *vtep);
	void (*pin)(void *ctx, const struct evpn_shadow_ids *dev, const struct evpn_ip *ip,
		    const struct evpn_neigh *n);
};

/** NULL: no memory. @p ops must outlive the table. */
struct evpn_table *evpn_table_new(const struct evpn_table_ops *ops, void *ctx);
void evpn_table_free(struct evpn_table *t); /* tells nothing; NULL is fine */

/** Begin with a VNI, or give it other devices. 0, -ENOMEM, -EEXIST (a device is another VNI's). */
int evpn_table_add_vni(struct evpn_table *t, uint32_t vni, const struct evpn_shadow_ids *dev);

/** End with a VNI: the next settling tells the switch that all of it is gone. -ENOENT. */
int evpn_table_del_vni(struct evpn_table *t, uint32_t vni);

/** A neighbour message, from a dump or a notification; others are ignored. */
void evpn_table_read(struct evpn_table *t, const struct nlmsghdr *h);

/** A dump begins. Entries that are not seen until evpn_table_sweep() are gone. */
void evpn_table_mark(struct evpn_table *t);
void evpn_table_sweep(struct evpn_table *t);

/**
 * A guest of ours has @p mac. The kernel is told at the next settling, also when it believes the
 * address elsewhere: the guest has moved here. 0, -ENOENT (no such VNI), -ENOMEM.
 */
int evpn_table_have_mac(struct evpn_table *t, uint32_t vni, const struct rte_ether_addr *mac);

/** No guest of ours has it any more; taken back in the kernel only if the kernel has it here. */
void evpn_table_lost_mac(struct evpn_table *t, uint32_t vni, const struct rte_ether_addr *mac);

/**
 * Guest @p n of ours has @p ip, also when the kernel believes it elsewhere; NULL: not any more. 0,
 * -ENOENT, -ENOMEM.
 */
int evpn_table_have_ip(struct evpn_table *t, uint32_t vni, const struct evpn_ip *ip,
		       const struct evpn_neigh *n);

/**
 * Refresh all addresses of our guests: the bridge ages what is not used. Addresses that the kernel
 * has elsewhere meanwhile are left out. Takes effect at the next settling.
 */
void evpn_table_refresh(struct evpn_table *t);

/**
 * Forget what was told to the switch of @p most entries behind those of the last call; the next
 * settling tells them. Addresses that a guest of ours has are left out. True: there are more of
 * them, false: the next call begins anew.
 */
bool evpn_table_retell(struct evpn_table *t, uint32_t most);

/** Tell the differences from the last report. */
void evpn_table_settle(struct evpn_table *t);

/** The place of an address at present. */
enum evpn_place { EVPN_NOWHERE, EVPN_HERE, EVPN_REMOTE };

/** An entry as the switch knows it, for display. */
struct evpn_entry_info {
	uint32_t vni;
	enum { EVPN_ENTRY_MAC, EVPN_ENTRY_FLOOD, EVPN_ENTRY_IP } kind;
	enum evpn_place place;     /* of an address, as the kernel has it */
	bool ours;                 /* a guest of ours has it */
	bool multihomed;           /* behind several VTEPs at once: flooded */
	struct rte_ether_addr mac; /* of EVPN_ENTRY_MAC and EVPN_ENTRY_IP */
	struct evpn_ip ip;         /* VTEP, or the address of EVPN_ENTRY_IP */
};

/** The entry of an address of a VNI; false: there is none. */
bool evpn_table_find_mac(const struct evpn_table *t, uint32_t vni, const struct rte_ether_addr *mac,
			 struct evpn_entry_info *out);

/** Calls @p fn for each entry until it returns false. */
void evpn_table_walk(const struct evpn_table *t,
		     bool (*fn)(const struct evpn_entry_info *e, void *arg), void *arg);

/** All facts of an entry, for a table in another process. */
struct evpn_facts {
	struct evpn_entry_info key; /* vni, kind, mac or ip: the rest is not used */
	/* the kernel's */
	bool bridge, tap; /* MAC: in the bridge's table; behind the tap, else the VXLAN device */
	bool vxlan, multihomed; /* MAC: in the VXLAN device's table; FLOOD */
	bool remote, pinned;    /* IP: by a routing daemon, by us */
	struct evpn_ip vtep;
	struct evpn_neigh remote_neigh, pinned_neigh;
	/* ours */
	bool ours, renew;
	struct evpn_neigh our_neigh;
	/* as told to the switch */
	bool told_on;
	struct evpn_ip told_vtep;
	struct evpn_neigh told_neigh;
};

/** Calls @p fn for each entry. */
void evpn_table_save(const struct evpn_table *t, void (*fn)(const struct evpn_facts *f, void *arg),
		     void *arg);

/**
 * Have an entry with these facts, which count as heard before the next evpn_table_mark(). The
 * switch knows what was told. 0, -ENOENT (no such VNI), -ENOMEM.
 */
int evpn_table_restore(struct evpn_table *t, const struct evpn_facts *f);

struct evpn_table_stats {
	uint32_t here, remote, flood, ip_here, ip_remote; /* entries */
	uint32_t unknown;      /* addresses of ours that the kernel does not have */
	uint64_t told, stale;  /* changes told to the switch; left-over entries removed */
	uint64_t lost_updates; /* facts lost for lack of memory; the next dump restores them */
};

/** Counts are those of all VNIs, or of @p vni alone if it is not 0. */
void evpn_table_get_stats(const struct evpn_table *t, uint32_t vni, struct evpn_table_stats *out);

#endif
