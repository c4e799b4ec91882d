/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtio feature bits: the ones the software datapath offers, the combinations it can serve. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <rte_common.h>

#include "vdev/engine.h"
#include "vdev/ring.h"
#include "virtq/net.h"

/* Why the software datapath does not offer a bit. */
#define OWNED "the front-end's own, a back-end is never told of it"
#define UNSEEN "set up by control commands, which a back-end never sees"
#define HARDWARE "of hardware only"

/* X(bit, name, NULL or why it is not offered): every bit of a virtio-net device in vhost's 64. */
#define FEATURES(X)                                                                              \
	X(0, VIRTIO_NET_F_CSUM, NULL)                                                            \
	X(1, VIRTIO_NET_F_GUEST_CSUM, NULL)                                                      \
	X(2, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, OWNED)                                            \
	X(3, VIRTIO_NET_F_MTU, NULL)                                                             \
	X(5, VIRTIO_NET_F_MAC, OWNED)                                                            \
	X(6, VIRTIO_NET_F_GSO, NULL)                                                             \
	X(7, VIRTIO_NET_F_GUEST_TSO4, NULL)                                                      \
	X(8, VIRTIO_NET_F_GUEST_TSO6, NULL)                                                      \
	X(9, VIRTIO_NET_F_GUEST_ECN, NULL)                                                       \
	X(10, VIRTIO_NET_F_GUEST_UFO, NULL)                                                      \
	X(11, VIRTIO_NET_F_HOST_TSO4, NULL)                                                      \
	X(12, VIRTIO_NET_F_HOST_TSO6, NULL)                                                      \
	X(13, VIRTIO_NET_F_HOST_ECN, NULL)                                                       \
	X(14, VIRTIO_NET_F_HOST_UFO, NULL)                                                       \
	X(15, VIRTIO_NET_F_MRG_RXBUF, NULL)                                                      \
	X(16, VIRTIO_NET_F_STATUS, OWNED)                                                        \
	X(17, VIRTIO_NET_F_CTRL_VQ, OWNED)                                                       \
	X(18, VIRTIO_NET_F_CTRL_RX, OWNED)                                                       \
	X(19, VIRTIO_NET_F_CTRL_VLAN, OWNED)                                                     \
	X(20, VIRTIO_NET_F_CTRL_RX_EXTRA, OWNED)                                                 \
	X(21, VIRTIO_NET_F_GUEST_ANNOUNCE, NULL)                                                 \
	X(22, VIRTIO_NET_F_MQ, NULL)                                                             \
	X(23, VIRTIO_NET_F_CTRL_MAC_ADDR, OWNED)                                                 \
	X(24, VIRTIO_F_NOTIFY_ON_EMPTY, NULL)                                                    \
	X(26, VHOST_F_LOG_ALL, NULL)                                                             \
	X(27, VIRTIO_F_ANY_LAYOUT, NULL)                                                         \
	X(28, VIRTIO_F_INDIRECT_DESC, NULL)                                                      \
	X(29, VIRTIO_F_EVENT_IDX, NULL)                                                          \
	X(30, VHOST_USER_F_PROTOCOL_FEATURES, NULL)                                              \
	X(32, VIRTIO_F_VERSION_1, NULL)                                                          \
	X(33, VIRTIO_F_ACCESS_PLATFORM, NULL)                                                    \
	X(34, VIRTIO_F_RING_PACKED, NULL)                                                        \
	X(35, VIRTIO_F_IN_ORDER, NULL)                                                           \
	X(36, VIRTIO_F_ORDER_PLATFORM, HARDWARE)                                                 \
	X(37, VIRTIO_F_SR_IOV, HARDWARE)                                                         \
	X(38, VIRTIO_F_NOTIFICATION_DATA, "a kick carries no data")                              \
	X(39, VIRTIO_F_NOTIF_CONFIG_DATA, "a kick carries no data")                              \
	X(40, VIRTIO_F_RING_RESET, NULL)                                                         \
	X(41, VIRTIO_F_ADMIN_VQ, HARDWARE)                                                       \
	X(52, VIRTIO_NET_F_VQ_NOTF_COAL, UNSEEN)                                                 \
	X(53, VIRTIO_NET_F_NOTF_COAL, UNSEEN)                                                    \
	X(54, VIRTIO_NET_F_GUEST_USO4, NULL)                                                     \
	X(55, VIRTIO_NET_F_GUEST_USO6, NULL)                                                     \
	X(56, VIRTIO_NET_F_HOST_USO, NULL)                                                       \
	X(57, VIRTIO_NET_F_HASH_REPORT, UNSEEN)                                                  \
	X(59, VIRTIO_NET_F_GUEST_HDRLEN, "frames are copied independent of their header length") \
	X(60, VIRTIO_NET_F_RSS, UNSEEN)                                                          \
	X(61, VIRTIO_NET_F_RSC_EXT, "segments are not coalesced")                                \
	X(62, VIRTIO_NET_F_STANDBY, OWNED)                                                       \
	X(63, VIRTIO_NET_F_SPEED_DUPLEX, OWNED)

static const struct {
	const char *name;
	const char *absent;
} feature_row[64] = {
#define X(bit, sym, why) [bit] = {#sym, why},
	FEATURES(X)
#undef X
};

uint64_t
vdev_features_all(void)
{
	uint64_t set = 0;
	unsigned int bit;

	for (bit = 0; bit < RTE_DIM(feature_row); bit++)
		if (feature_row[bit].name != NULL && feature_row[bit].absent == NULL)
			set |= 1ull << bit;
	return set;
}

const char *
vdev_feature_name(unsigned int bit)
{
	return bit < RTE_DIM(feature_row) ? feature_row[bit].name : NULL;
}

const char *
vdev_features_check(uint64_t features)
{
	/* A legacy driver sees 32 bits. One that acks a bit above was negotiating
	 * VERSION_1 and gave it up: its header would be read with the wrong length. */
	if ((features >> 32) != 0 && !(features & VDEV_F(VERSION_1)))
		return "feature bits above 31 without VERSION_1";
	return NULL;
}

/**
 * The features an engine of the list must serve to be used at all. LOG_ALL is offered in any case:
 * software takes over for the time of a migration where the engine has no dirty log.
 */
static uint64_t
hardware_features(const struct vdev *d)
{
	struct engine *const *e;
	uint64_t set = UINT64_MAX;

	if (d->hw == VDEV_HW_NEVER)
		return set;
	for (e = d->cfg.engines; *e != NULL; e++)
		if ((*e)->ops->polled == NULL && (*e)->caps.queue_pairs != 0)
			set &= (*e)->caps.features | VDEV_F(LOG_ALL) | VDEV_F(PROTOCOL_FEATURES);
	return set;
}

uint64_t
vdev_features_own(const struct vdev *d)
{
	return d->cfg.features | (d->mtu_most != 0 ? VDEV_F(NET_MTU) : 0);
}

uint64_t
vdev_features_offered(const struct vdev *d)
{
	return vdev_policy_features(d->cfg.policy, vdev_features_own(d)) & hardware_features(d);
}

uint32_t
vdev_formats_offered(const struct vdev *d)
{
	uint32_t formats = vdev_policy_formats(d->cfg.policy), served = 0;
	struct engine *const *e;

	for (e = d->cfg.engines; *e != NULL; e++)
		if ((*e)->ops->polled == NULL && (*e)->caps.queue_pairs != 0)
			served |= (*e)->caps.formats;
	return d->hw == VDEV_HW_REQUIRE && served != 0 ? formats & served : formats;
}

/* --- outcome of the negotiation of a bit --- */

#define BIT(name) (UINT64_C(1) << (name))
#define MODERN VDEV_F(VERSION_1)
#define GUEST_CSUM BIT(VIRTIO_NET_F_GUEST_CSUM)
#define HOST_CSUM BIT(VIRTIO_NET_F_CSUM)
#define GUEST_TSO (BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6))
#define HOST_TSO (BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6))

/* An acked bit is without effect unless one of @c needs is acked, too, or if one of @c ends is. */
static const struct {
	uint8_t bit;
	uint64_t needs, ends;
	const char *why;
} effect[] = {
	{VIRTIO_NET_F_GUEST_TSO4, GUEST_CSUM, 0, "needs GUEST_CSUM"},
	{VIRTIO_NET_F_GUEST_TSO6, GUEST_CSUM, 0, "needs GUEST_CSUM"},
	{VIRTIO_NET_F_GUEST_UFO, GUEST_CSUM, 0, "needs GUEST_CSUM"},
	{VIRTIO_NET_F_GUEST_USO4, GUEST_CSUM, 0, "needs GUEST_CSUM"},
	{VIRTIO_NET_F_GUEST_USO6, GUEST_CSUM, 0, "needs GUEST_CSUM"},
	{VIRTIO_NET_F_GUEST_ECN, GUEST_TSO, 0, "needs GUEST_TSO4 or GUEST_TSO6"},
	{VIRTIO_NET_F_HOST_TSO4, HOST_CSUM, 0, "needs CSUM"},
	{VIRTIO_NET_F_HOST_TSO6, HOST_CSUM, 0, "needs CSUM"},
	{VIRTIO_NET_F_HOST_UFO, HOST_CSUM, 0, "needs CSUM"},
	{VIRTIO_NET_F_HOST_USO, HOST_CSUM, 0, "needs CSUM"},
	{VIRTIO_NET_F_HOST_ECN, HOST_TSO, 0, "needs HOST_TSO4 or HOST_TSO6"},
	{VIRTIO_NET_F_GSO, 0, MODERN, "has no meaning for a modern driver"},
	{VIRTIO_F_NOTIFY_ON_EMPTY, 0, MODERN, "has no meaning for a modern driver"},
	{VIRTIO_F_ANY_LAYOUT, 0, MODERN, "has no meaning for a modern driver"},
};

/* Drivers and front-ends that take a bit, where not all do. */
static const char *const taken_by[64] = {
	[VIRTIO_NET_F_GSO] = "taken by legacy drivers only",
	[VIRTIO_NET_F_MQ] = "taken with more than one queue pair",
	[VIRTIO_F_NOTIFY_ON_EMPTY] = "taken by legacy drivers only",
	[VDEV_BIT_LOG_ALL] = "taken while a migration has writes logged",
	[VDEV_BIT_VERSION_1] = "taken by all but legacy drivers",
	[VDEV_BIT_ACCESS_PLATFORM] = "taken with an IOMMU (QEMU: iommu_platform=on)",
	[VDEV_BIT_RING_PACKED] = "taken with QEMU's packed=on",
	[VIRTIO_F_IN_ORDER] = "QEMU before 10.0 drops it",
	[VIRTIO_NET_F_GUEST_USO4] = "older front-ends drop it",
	[VIRTIO_NET_F_GUEST_USO6] = "older front-ends drop it",
	[VIRTIO_NET_F_HOST_USO] = "older front-ends drop it",
};

/** Why acked @p bit has no effect, or NULL: it has. */
static const char *
idle(const struct vdev *d, unsigned int bit)
{
	size_t i;

	if (bit == VDEV_BIT_LOG_ALL && d->log == NULL)
		return vdev_lack_text(d, VDEV_LACK_LOG);
	for (i = 0; i < RTE_DIM(effect); i++)
		if (effect[i].bit == bit &&
		    ((effect[i].needs != 0 && !(d->features & effect[i].needs)) ||
		     (d->features & effect[i].ends)))
			return effect[i].why;
	return NULL;
}

uint64_t
vdev_features_effective(const struct vdev *d)
{
	uint64_t set = d->features;
	unsigned int bit;

	for (bit = 0; bit < 64; bit++)
		if (idle(d, bit) != NULL)
			set &= ~(1ull << bit);
	return set;
}

/** The reason why bit @p b is not in the offer. */
static const char *
withheld(const struct vdev *d, unsigned int bit)
{
	if (feature_row[bit].absent != NULL)
		return feature_row[bit].absent;
	if (!(hardware_features(d) & (1ull << bit)))
		return "the port's hardware cannot serve it";
	if (vdev_features_own(d) & (1ull << bit))
		return "the port's format policy serves no modern guest";
	return bit == VDEV_BIT_NET_MTU ? "the port announces no MTU" : "switched off for the port";
}

const char *
vdev_feature_outcome(const struct vdev *d, unsigned int bit, char *buf, size_t len)
{
	const uint64_t b = 1ull << bit;
	const char *why = (d->features & b) ? idle(d, bit) : taken_by[bit];

	if (feature_row[bit].name == NULL)
		return NULL;
	if (d->features & b)
		snprintf(buf, len, "%s%s", why != NULL ? "acked, without effect: " : "in effect",
			 why != NULL ? why : "");
	else if (!(vdev_features_offered(d) & b))
		snprintf(buf, len, "not offered: %s", withheld(d, bit));
	else
		snprintf(buf, len, "offered%s%s%s",
			 d->features_set ? ", dropped by the front-end or the guest" : "",
			 why != NULL ? ": " : "", why != NULL ? why : "");
	return buf;
}
