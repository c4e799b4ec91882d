/* SPDX-License-Identifier: BSD-3-Clause */
/* The records of tunnels inside: those of all VNIs, and those of VNIs that joined EVPN. Control. */
#ifndef VXLAN_HANDOVER_H
#define VXLAN_HANDOVER_H

#include <string.h>

#include "switch/handover.h"
#include "vxlan/internal.h"

/* Types are for ever: a number that is no longer used stays unused. */
enum {
	VXLAN_HAND_VTEPS = VXLAN_HAND_FIRST,
	VXLAN_HAND_HOPS,
	VXLAN_HAND_KERNEL,
	VXLAN_HAND_JOINED,  /* a VNI that joined */
	VXLAN_HAND_ENTRIES, /* a part of the entries of its tables */
	VXLAN_HAND_NEIGHS,  /* IP addresses of ours */
	VXLAN_HAND_RATES,   /* how fast ports may have others */
	VXLAN_HAND_REFUSED,
	VXLAN_HAND_LAST = VXLAN_HAND_REFUSED,
};

/** An IP address in a record. */
struct hand_ip {
	uint8_t len; /* 4, 16 or, where there need be none, 0 */
	uint8_t addr[16];
};

static inline struct hand_ip
hand_put_ip(const struct evpn_ip *ip)
{
	struct hand_ip d = {.len = ip->len};

	memcpy(d.addr, ip->addr, sizeof(d.addr));
	return d;
}

/** False: it is none. */
static inline bool
hand_get_ip(const struct hand_ip *d, struct evpn_ip *ip)
{
	return evpn_ip_set(ip, d->addr, d->len);
}

/** Item @p i of a record that is a list of @p size bytes each. False: there is none. */
static inline bool
hand_get_item(const struct hand_record *h, uint32_t i, void *item, uint32_t size)
{
	if (((uint64_t)i + 1) * size > h->r.len)
		return false;
	memcpy(item, (const uint8_t *)h->data + (size_t)i * size, size);
	return true;
}

/** Append a record of @p list, which is freed. */
void vxlan_put_list(struct blob *b, uint16_t type, struct blob *list);

/** The record's reader. NULL, or why it cannot be taken. */
const char *vxlan_take_joined(struct vxlan *x, const struct hand_record *h);

#endif
