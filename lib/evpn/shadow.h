/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel devices that stand for a VNI: a bridge, a VXLAN device and a tap, both its ports.
 *
 * Control thread only. No frame passes through them. A routing daemon (FRR's zebra) sees a VNI
 * when the VXLAN device is up and is a port of a bridge; it takes our guests' addresses from the
 * bridge's table and writes the others' to the tables of the bridge and the VXLAN device. Both
 * ports are isolated and flood nothing, so no frame leaves them.
 *
 * The tap's carrier is this process: when it ends the bridge forgets what is behind the tap, and
 * the routing daemon withdraws it. The other devices are adopted by the next process if they are
 * as it would make them, so that a restart does not withdraw and announce all addresses.
 *
 * Devices are made over netlink, one request after the other; shadow_ops.ready() is called when all
 * are up.
 */
#ifndef EVPN_SHADOW_H
#define EVPN_SHADOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "evpn/ip.h"
#include "evpn/table.h"

struct nl;
struct shadow;

#define SHADOW_VNI_MAX 0xffffff
#define SHADOW_AGEING_S 300 /* of addresses in the bridge; our guests' are refreshed sooner */
#define SHADOW_PORT 4789    /* UDP port of VXLAN, RFC 7348 */
#define SHADOW_NAME_MAX 16  /* of a device, with its NUL */

struct shadow_config {
	struct nl *nl; /* requests; must outlive the devices */
	uint32_t vni;  /* 1..SHADOW_VNI_MAX */
	struct evpn_ip local;
	uint16_t port; /* UDP, host order */
	/* Devices are up, with these indices. */
	void (*ready)(void *ctx, const struct evpn_shadow_ids *dev);
	/* They could not be made: @p what was tried, and the error. */
	void (*failed)(void *ctx, const char *what, int err);
	void *ctx;
};

/**
 * Begin to make the devices. The tap of a process that this one takes over from is its own, and
 * never loses its carrier (base/heir.h). NULL with errno set: EPERM (no CAP_NET_ADMIN), ENOENT (no
 * /dev/net/tun), EBUSY (another process has the tap), EINVAL, ENOMEM.
 */
struct shadow *shadow_new(const struct shadow_config *cfg);

/** End with the VNI: all its devices are deleted. Frees @p s. */
void shadow_remove(struct shadow *s);

/**
 * One sentence in @p buf: what has become of the devices since they were ready. NULL: nothing, they
 * are up and have a carrier. Asks the kernel.
 */
const char *shadow_why(const struct shadow *s, char *buf, size_t len);

/** Close the tap and leave the other devices to a successor. Frees @p s. */
void shadow_free(struct shadow *s);

#endif
