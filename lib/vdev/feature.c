/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtio feature bits: what the software datapath offers, what combinations it can serve. */
#include <stddef.h>

#include <rte_common.h>

#include "vdev/vdev.h"

/* X(bit, name, offered): every bit of a virtio-net device that fits vhost's 64. */
#define FEATURES(X)                                   \
	X(0, VIRTIO_NET_F_CSUM, true)                 \
	X(1, VIRTIO_NET_F_GUEST_CSUM, true)           \
	X(2, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, false) \
	X(3, VIRTIO_NET_F_MTU, true)                  \
	X(5, VIRTIO_NET_F_MAC, false)                 \
	X(6, VIRTIO_NET_F_GSO, true)                  \
	X(7, VIRTIO_NET_F_GUEST_TSO4, true)           \
	X(8, VIRTIO_NET_F_GUEST_TSO6, true)           \
	X(9, VIRTIO_NET_F_GUEST_ECN, true)            \
	X(10, VIRTIO_NET_F_GUEST_UFO, true)           \
	X(11, VIRTIO_NET_F_HOST_TSO4, true)           \
	X(12, VIRTIO_NET_F_HOST_TSO6, true)           \
	X(13, VIRTIO_NET_F_HOST_ECN, true)            \
	X(14, VIRTIO_NET_F_HOST_UFO, true)            \
	X(15, VIRTIO_NET_F_MRG_RXBUF, true)           \
	X(16, VIRTIO_NET_F_STATUS, false)             \
	X(17, VIRTIO_NET_F_CTRL_VQ, false)            \
	X(18, VIRTIO_NET_F_CTRL_RX, false)            \
	X(19, VIRTIO_NET_F_CTRL_VLAN, false)          \
	X(20, VIRTIO_NET_F_CTRL_RX_EXTRA, false)      \
	X(21, VIRTIO_NET_F_GUEST_ANNOUNCE, true)      \
	X(22, VIRTIO_NET_F_MQ, true)                  \
	X(23, VIRTIO_NET_F_CTRL_MAC_ADDR, false)      \
	X(24, VIRTIO_F_NOTIFY_ON_EMPTY, true)         \
	X(26, VHOST_F_LOG_ALL, true)                  \
	X(27, VIRTIO_F_ANY_LAYOUT, true)              \
	X(28, VIRTIO_F_INDIRECT_DESC, true)           \
	X(29, VIRTIO_F_EVENT_IDX, true)               \
	X(30, VHOST_USER_F_PROTOCOL_FEATURES, true)   \
	X(32, VIRTIO_F_VERSION_1, true)               \
	X(33, VIRTIO_F_ACCESS_PLATFORM, true)         \
	X(34, VIRTIO_F_RING_PACKED, true)             \
	X(35, VIRTIO_F_IN_ORDER, true)                \
	X(36, VIRTIO_F_ORDER_PLATFORM, false)         \
	X(37, VIRTIO_F_SR_IOV, false)                 \
	X(38, VIRTIO_F_NOTIFICATION_DATA, false)      \
	X(39, VIRTIO_F_NOTIF_CONFIG_DATA, false)      \
	X(40, VIRTIO_F_RING_RESET, true)              \
	X(41, VIRTIO_F_ADMIN_VQ, false)               \
	X(52, VIRTIO_NET_F_VQ_NOTF_COAL, false)       \
	X(53, VIRTIO_NET_F_NOTF_COAL, false)          \
	X(54, VIRTIO_NET_F_GUEST_USO4, true)          \
	X(55, VIRTIO_NET_F_GUEST_USO6, true)          \
	X(56, VIRTIO_NET_F_HOST_USO, true)            \
	X(57, VIRTIO_NET_F_HASH_REPORT, false)        \
	X(59, VIRTIO_NET_F_GUEST_HDRLEN, false)       \
	X(60, VIRTIO_NET_F_RSS, false)                \
	X(61, VIRTIO_NET_F_RSC_EXT, false)            \
	X(62, VIRTIO_NET_F_STANDBY, false)            \
	X(63, VIRTIO_NET_F_SPEED_DUPLEX, false)

static const struct {
	const char *name;
	bool offered;
} feature_row[64] = {
#define X(bit, sym, ours) [bit] = {#sym, ours},
	FEATURES(X)
#undef X
};

uint64_t
vdev_features_all(void)
{
	uint64_t set = 0;
	unsigned int bit;

	for (bit = 0; bit < RTE_DIM(feature_row); bit++)
		if (feature_row[bit].offered)
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
	/* A legacy driver sees 32 bits. Whoever acks one above was negotiating
	 * VERSION_1 and gave it up: its header would be read with the wrong length. */
	if ((features >> 32) != 0 && !(features & VDEV_F(VERSION_1)))
		return "feature bits above 31 without VERSION_1";
	return NULL;
}

uint64_t
vdev_features_offered(const struct vdev *d)
{
	return vdev_policy_features(d->cfg.policy, d->cfg.features);
}
