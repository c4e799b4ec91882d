/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VXLAN: layer 2 over an IP network, between this switch and others.
 *
 * A tunnel is an address of ours and the port of the switch frames leave by. It carries VNIs, each
 * of which joins a domain, or a VLAN of one, to the same VNI of other hosts: its VTEPs, which the
 * operator lists or EVPN tells (evpn/evpn.h). The kernel's routes and neighbours say how they are
 * reached (evpn/hop.h).
 *
 * Each VTEP of a VNI is a port of the switch (vtep.h), made and removed here. Addresses are learned
 * from its frames like from any port's, but for those of VNIs that joined EVPN, which tells them.
 *
 * Control thread only.
 */
#ifndef VXLAN_VXLAN_H
#define VXLAN_VXLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "evpn/evpn.h"
#include "switch/fdb.h"
#include "switch/port.h"
#include "vxlan/neigh.h"
#include "vxlan/vtep.h"

struct blob;
struct hand_record;
struct vxlan;

#define VXLAN_NAME_MAX 8     /* with the NUL: the names of its ports are longer */
#define VXLAN_FLOOD_MAX 64   /* VTEPs an operator can list for one VNI */
#define VXLAN_PORT_MACS 1024 /* learned addresses of a port that EVPN announces */

/** One VTEP of a VNI. [ctl] */
struct vxlan_vtep {
	struct evpn_ip ip;
	struct vtep *port;
	bool followed; /* by lib/evpn, which tells its next hop */
	bool listed;   /* by EVPN, for flooding */
	STAILQ_ENTRY(vxlan_vtep) entry;
};

/** A VNI. [ctl] */
struct vxlan_vni {
	struct vxlan_tunnel *tunnel;
	uint32_t vni;
	uint16_t domain, vlan; /* 0: no VLAN */
	uint16_t fid;          /* of both */
	bool evpn;             /* it joined: VTEPs and addresses are told */
	STAILQ_HEAD(, vxlan_vtep) vteps;
	STAILQ_ENTRY(vxlan_vni) entry;
};

/** A tunnel. [ctl] */
struct vxlan_tunnel {
	char name[VXLAN_NAME_MAX];
	struct evpn_ip local;
	uint16_t udp_port;
	char below[PORT_NAME_MAX];
	STAILQ_HEAD(, vxlan_vni) vnis;
	STAILQ_ENTRY(vxlan_tunnel) entry;
};

STAILQ_HEAD(vxlan_tunnels, vxlan_tunnel);

struct vxlan_config {
	struct sw *sw;  /* with a loop */
	bool rehearsal; /* the kernel is asked for nothing */
};

/** NULL: no memory. */
struct vxlan *vxlan_new(const struct vxlan_config *cfg);

/** Remove all tunnels. NULL is fine. */
void vxlan_free(struct vxlan *x);

struct vxlan_tunnel_config {
	const char *name;
	struct evpn_ip local;
	uint16_t udp_port;
	const char *below; /* name of a port */
};

/** As asked: stays as it is. All that add or remove return 0, or -1 with a sentence in @p err. */
int vxlan_add(struct vxlan *x, const struct vxlan_tunnel_config *c, char *err, size_t errlen);
int vxlan_remove(struct vxlan *x, const char *name, char *err, size_t errlen);

struct vxlan_vni_config {
	const char *tunnel; /* NULL: the only one */
	uint32_t vni;
	uint16_t domain, vlan;
	bool evpn; /* join it; there is no list */
	uint32_t nvteps;
	struct evpn_ip vtep[VXLAN_FLOOD_MAX];
};

/** Of a VNI that is there only the VTEPs can change. */
int vxlan_set_vni(struct vxlan *x, const struct vxlan_vni_config *c, char *err, size_t errlen);
int vxlan_remove_vni(struct vxlan *x, uint32_t vni, char *err, size_t errlen);

/** A port was attached, or has another MTU or domain: tunnels may be over it. */
void vxlan_port_changed(struct vxlan *x, const struct port *p);

/** For display. */
const struct vxlan_tunnels *vxlan_all(const struct vxlan *x);
struct vxlan_vni *vxlan_find_vni(const struct vxlan *x, uint32_t vni);

/** One sentence, static or in @p buf: what keeps a VNI from working. NULL: nothing does. */
const char *vxlan_why(const struct vxlan *x, const struct vxlan_vni *n, char *buf, size_t len);

/** Counts of a VNI. */
struct vxlan_vni_stats {
	uint32_t vteps;
	uint32_t mtu;    /* vxlan_inner_mtu() */
	uint32_t remote; /* addresses behind its VTEPs */
	/* of a VNI that joined EVPN */
	uint32_t ours, unknown;      /* guests' that the kernel has, and has not, taken */
	uint32_t ip_ours, ip_remote; /* IP addresses */
	uint64_t arp, nd;            /* requests for them answered here */
};

/** Those that cost no walk through tables: all but ours and unknown. */
void vxlan_vni_counts(const struct vxlan *x, const struct vxlan_vni *n,
		      struct vxlan_vni_stats *out);
void vxlan_vni_stats(const struct vxlan *x, const struct vxlan_vni *n, struct vxlan_vni_stats *out);

/** Of the exchange with the kernel, which all VNIs share; zeros without a tunnel. */
void vxlan_kernel_stats(const struct vxlan *x, struct evpn_stats *out);

/** IP addresses of guests that were not taken, of all VNIs. */
void vxlan_refusals(const struct vxlan *x, struct neigh_refusals *out);

/** An address of a VNI. */
struct vxlan_address {
	uint32_t vni;
	struct evpn_ip ip; /* none: it is a MAC address alone */
	struct rte_ether_addr mac;
	enum fdb_origin origin; /* without ip */
	const char *vtep;       /* text; NULL: it is here */
	uint16_t port;          /* it is behind; FDB_PORT_NONE: not known */
	bool announced;         /* of one that is here: the kernel has it, for FRR */
};

/** Calls @p fn for each MAC address, or each IP address, of all VNIs until it returns false. */
void vxlan_walk_macs(const struct vxlan *x, bool (*fn)(const struct vxlan_address *a, void *arg),
		     void *arg);
void vxlan_walk_ips(const struct vxlan *x, bool (*fn)(const struct vxlan_address *a, void *arg),
		    void *arg);

/* --- another process goes on with them (switch/handover.h) --- */

#define VXLAN_HAND_FIRST 0x500 /* record types of tunnels, */
#define VXLAN_HAND_PORT 0x520  /* and from here on, of a VTEP's port: the one named last */

/** Append the records of all tunnels, before those of the switch, whose addresses name ports. */
void vxlan_hand_over(struct vxlan *x, struct blob *b);

/** Append those of VNIs that joined EVPN, behind those of the switch. */
void vxlan_hand_over_joined(const struct vxlan *x, struct blob *b);

/**
 * Take a record below VXLAN_HAND_PORT, in a successor with the same tunnels and VNIs. NULL, or the
 * reason why it cannot be taken, static text.
 */
const char *vxlan_take_over(struct vxlan *x, const struct hand_record *h);

/**
 * All records were taken, and ports below have their devices: frames go on with the next
 * publication.
 */
void vxlan_run(struct vxlan *x);

/**
 * Bytes of the longest IP packet that passes the port below, which guests in the domain are told;
 * 0: not known.
 */
uint16_t vxlan_guest_mtu(const struct vxlan *x, const struct vxlan_vni *n);

/** The same of the ways to all VTEPs of a VNI at present, which may be less. */
uint32_t vxlan_inner_mtu(const struct vxlan_vni *n);

#endif
