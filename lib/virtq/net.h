/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The virtio-net header (virtio spec 5.1.6) and the features that decide its contents, for both
 * sides of a ring. Any thread.
 */
#ifndef VIRTQ_NET_H
#define VIRTQ_NET_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include <linux/virtio_net.h>

#include "pkt/pkt.h"
#include "virtq/fmt.h"

/* Newer than the oldest kernel headers we build with. */
#ifndef VIRTIO_NET_F_GUEST_USO4
#define VIRTIO_NET_F_GUEST_USO4 54
#define VIRTIO_NET_F_GUEST_USO6 55
#define VIRTIO_NET_F_HOST_USO 56
#endif
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

/** virtio-net header as it is in guest memory; without num_buffers in the 10-byte form. */
struct net_hdr {
	uint8_t flags;
	uint8_t gso_type;
	vq16_t hdr_len;
	vq16_t gso_size;
	vq16_t csum_start;
	vq16_t csum_offset;
	vq16_t num_buffers;
} __attribute__((packed)); /* at any address */

#define NET_HDR_LEN_LEGACY 10
#define NET_HDR_LEN 12

static_assert(sizeof(struct net_hdr) == NET_HDR_LEN, "virtio-net header");

/** Header length the negotiated features imply. */
static inline uint16_t
net_hdr_len(uint64_t features)
{
	bool num_buffers =
		VQ_HAS(features, VIRTIO_F_VERSION_1) || VQ_HAS(features, VIRTIO_NET_F_MRG_RXBUF);

	return num_buffers ? NET_HDR_LEN : NET_HDR_LEN_LEGACY;
}

/** A header in guest order, in memory of our own, to host order. */
static __rte_always_inline struct pkt_vnet
net_hdr_get(struct vq_fmt f, const struct net_hdr *h)
{
	return (struct pkt_vnet){
		.flags = h->flags,
		.gso_type = h->gso_type,
		.hdr_len = vq16_get(f, h->hdr_len),
		.gso_size = vq16_get(f, h->gso_size),
		.csum_start = vq16_get(f, h->csum_start),
		.csum_offset = vq16_get(f, h->csum_offset),
	};
}

/** The reverse; @p num_buffers is the number of buffers of the frame (spec 5.1.6.4). */
static __rte_always_inline struct net_hdr
net_hdr_make(struct vq_fmt f, const struct pkt_vnet *v, uint16_t num_buffers)
{
	return (struct net_hdr){
		.flags = v->flags,
		.gso_type = v->gso_type,
		.hdr_len = vq16_make(f, v->hdr_len),
		.gso_size = vq16_make(f, v->gso_size),
		.csum_start = vq16_make(f, v->csum_start),
		.csum_offset = vq16_make(f, v->csum_offset),
		.num_buffers = vq16_make(f, num_buffers),
	};
}

/** A side that receives frames. */
enum net_side {
	NET_DRIVER, /* accepted GUEST_* */
	NET_DEVICE, /* offered CSUM, GSO and HOST_* */
};

/** PKT_NEED_* that side takes as they are, by the negotiated features (spec 5.1.3). */
uint32_t net_offloads(uint64_t features, enum net_side side);

/**
 * In memory order: the bits of the first two bytes of a header, flags and gso_type, that a driver
 * may set. Others are ignored.
 */
uint16_t net_driver_mask(uint64_t features);

#endif
