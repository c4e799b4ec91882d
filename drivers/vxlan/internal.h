/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of tunnels share. Control thread only.
 *
 * vxlan.c has the tunnels and VNIs an operator asks for, far.c their VTEPs and the way to each,
 * commit.c hands changes to the workers, join.c has what EVPN says of VNIs that joined it, report.c
 * lists addresses.
 */
#ifndef VXLAN_INTERNAL_H
#define VXLAN_INTERNAL_H

#include "base/ev.h"
#include "base/log.h"
#include "switch/fdb.h"
#include "vxlan/vxlan.h"

struct demux;
struct evpn_hop;
struct garbage;
struct neigh;

#define TAG "vxlan"

/** A port below tunnels, there or not. */
struct below {
	char name[PORT_NAME_MAX];
	struct demux *demux;
	struct demux *old; /* workers have it until the next publication */
	STAILQ_ENTRY(below) entry;
};

/** An address that is at a VTEP (NULL: at none), until the VTEP's port is published. */
struct vxlan_pending {
	const struct vxlan_vni *n;
	const struct vxlan_vtep *v;
	struct rte_ether_addr mac;
};

/** All tunnels. [ctl] */
struct vxlan {
	struct vxlan_config cfg;
	struct evpn *evpn;   /* made with the first tunnel */
	struct neigh *neigh; /* made with the first VNI that joins EVPN */
	struct vxlan_tunnels tunnels;
	STAILQ_HEAD(, below) belows;
	STAILQ_HEAD(, vxlan_vtep) leaving; /* VTEPs whose ports are to be removed */
	struct garbage *garbage;
	bool changed; /* the set of VTEPs */
	/* of join.c */
	struct fdb_listener guests; /* tells which addresses they have */
	bool listening;
	bool held_back[DP_PORTS_MAX]; /* not all addresses of a port were told EVPN */
	struct ev_timer recount;      /* while there is such a port */
	bool lingering;               /* there are VTEPs that flood no more */
	struct ev_timer retry;
	bool retelling;                 /* its round has portions left */
	bool refused;                   /* something, since the round began */
	uint32_t npending, pending_max; /* in the order they were told */
	struct vxlan_pending *pending;
	struct log_limit log_limit;
};

/* commit.c */

/** Publish everything that has changed at once. */
void vxlan_commit(struct vxlan *x);

/** Free @p mem, which workers may use, after the next grace period. NULL is fine. */
void vxlan_throw_away(struct vxlan *x, const void *mem);

/** After the last commit: no port below takes out frames any more. */
void vxlan_free_belows(struct vxlan *x);

/* far.c */

/** "this switch": the reason for which an address is no VTEP of a tunnel; static, NULL: none. */
const char *vxlan_no_vtep(const struct vxlan_tunnel *t, const struct evpn_ip *ip);

struct vxlan_vtep *vxlan_find_vtep(const struct vxlan_vni *n, const struct evpn_ip *ip);

/**
 * Make a port for it, of number @p id or the next free one (NULL: one of tunnels'); takes effect
 * with the next commit. NULL with errno set, see vtep_new().
 */
struct vxlan_vtep *vxlan_add_vtep(struct vxlan *x, struct vxlan_vni *n, const struct evpn_ip *ip,
				  const uint16_t *id);

/** It is in no VNI's list any more; its port leaves with the next commit. */
void vxlan_retire_vtep(struct vxlan *x, struct vxlan_vtep *v);

/** Set the templates of all VTEPs for their next hops, and the MTU of the ports below, of now. */
void vxlan_set_ways(struct vxlan *x);

/** As evpn_ops.hop; @p ctx: struct vxlan. */
void vxlan_on_hop(void *ctx, const struct evpn_ip *vtep, const struct evpn_hop *hop);

/* join.c */

extern const struct evpn_ops vxlan_evpn_ops;

/** Have the kernel know of a VNI and our guests' addresses. 0, or -errno of evpn_add_vni(). */
int vxlan_join(struct vxlan *x, struct vxlan_vni *n);

/** The VNI that joined and has this network, or NULL. */
const struct vxlan_vni *vxlan_find_network(const struct vxlan *x, uint16_t fid);

/** Something was refused for lack of room: have it told once more. */
void vxlan_retry_later(struct vxlan *x);

/** There is room: what was refused for lack of it is told again soon. */
void vxlan_retry_soon(struct vxlan *x);

/** The end of it. The VTEPs stay, for the caller to retire. */
void vxlan_leave(struct vxlan *x, struct vxlan_vni *n);

/** As vxlan_why(), of a VNI that joined, as far as EVPN is concerned. */
const char *vxlan_join_why(const struct vxlan *x, const struct vxlan_vni *n, char *buf, size_t len);

#endif
