/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The unit that the datapath works on: a borrowed view of one frame.
 *
 * A struct pkt points into guest memory or into an mbuf. It is made by a
 * queue's rx(), lives until rx_done() of the same batch, in one iteration of
 * one worker, and is never stored elsewhere. Data that a guest could change
 * meanwhile and that a decision depends on - the virtio-net header, the Ethernet
 * header, addresses and lengths of the fragments - is a copy.
 */
#ifndef PKT_PKT_H
#define PKT_PKT_H

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_ether.h>

struct rte_mbuf;

#define PKT_BATCH_MAX 64 /* frames of a batch */
#define PKT_BATCH_COST \
	2048              /* segments of a batch; the frame that exceeds it is the last, see rx.h */
#define PKT_SEGS_MAX 2048 /* fragments of all frames of a batch beyond each frame's first */
#define PKT_LEN_MAX (65536 + 64) /* longest frame: 64 KiB of TSO payload and headers */

/** Further fragment of a frame. */
struct pkt_seg {
	uint8_t *data;
	uint32_t len;
};

/**
 * virtio-net header in host byte order, without num_buffers (spec 5.1.6, struct virtio_net_hdr).
 */
struct pkt_vnet {
	uint8_t flags;    /* VIRTIO_NET_HDR_F_* */
	uint8_t gso_type; /* VIRTIO_NET_HDR_GSO_* */
	uint16_t hdr_len;
	uint16_t gso_size;
	uint16_t csum_start;
	uint16_t csum_offset;
};

/* Needs of a frame: the receiver must accept them to take it as it is; 0: a plain frame. */
#define PKT_NEED_CSUM 0x0001u /* checksum is partial: GUEST_CSUM */
#define PKT_NEED_TSO4 0x0002u
#define PKT_NEED_TSO6 0x0004u
#define PKT_NEED_ECN 0x0008u
#define PKT_NEED_UFO 0x0010u
#define PKT_NEED_USO4 0x0020u
#define PKT_NEED_USO6 0x0040u
#define PKT_NEED_EXT 0x0080u /* with one of the next: headers are not plain, see pkt_hdrs.plain */
#define PKT_NEED_SUM 0x0100u /* with one of the next: no receiver takes it, see offload_check() */
#define PKT_NEED_GSO (PKT_NEED_TSO4 | PKT_NEED_TSO6 | PKT_NEED_UFO | PKT_NEED_USO4 | PKT_NEED_USO6)

/** One cache line. */
struct pkt {
	uint8_t *data;         /* first fragment, Ethernet header first */
	struct pkt_seg *segs;  /* the nsegs - 1 fragments after it */
	struct rte_mbuf *mbuf; /* the mbuf viewed; NULL: guest memory */
	uint32_t len;          /* whole frame, bytes */
	uint32_t data_len;     /* bytes at data */
	union {
		struct {
			union {
				struct rte_ether_hdr eth; /* a copy: the addresses of the lookup
							     are delivered */
				uint8_t eth_bytes[RTE_ETHER_HDR_LEN];
			};
			uint16_t need; /* PKT_NEED_* */
		};
		uint64_t head[2]; /* both */
	};
	struct pkt_vnet vnet;
	uint16_t nsegs; /* fragments, >= 1 */
	uint32_t hash;  /* symmetric flow hash; 0: not computed yet, as rx() leaves it */
};
static_assert(sizeof(struct pkt) == RTE_CACHE_LINE_MIN_SIZE, "struct pkt is one cache line");

/**
 * Copies the Ethernet header, given in two words that overlap: bytes 0 to 7 and 6 to 13. The frame
 * needs nothing then. Whole words, as their readers load them: a load that has to wait for several
 * stores waits for the last of them to reach the cache.
 */
static inline void
pkt_set_eth(struct pkt *p, uint64_t first, uint64_t rest)
{
	static_assert(RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN, "the last bytes of a word are its top");
	p->head[0] = first;
	p->head[1] = rest >> 8 * (sizeof(p->head) - RTE_ETHER_HDR_LEN);
}

/** The same, of a frame in memory of ours. */
static inline void
pkt_read_eth(struct pkt *p, const uint8_t *b)
{
	uint64_t first, rest;

	memcpy(&first, b, sizeof(first));
	memcpy(&rest, b + RTE_ETHER_HDR_LEN - sizeof(rest), sizeof(rest));
	pkt_set_eth(p, first, rest);
}

/** A used element: gives a consumed chain back. In ring order, malformed chains included. */
struct pkt_used {
	uint16_t id;    /* head index (split) or buffer id (packed) */
	uint16_t ndesc; /* ring slots it took (packed), 1 (split) */
	uint32_t len;   /* bytes written to it: 0 after rx() */
};

/** A worker's scratch space for one rx(): filled by rx(), emptied by rx_done(). */
struct pkt_batch {
	uint16_t n;     /* valid frames */
	uint16_t ndone; /* chains to give back; >= n */
	uint16_t nsegs; /* entries of segs in use */
	uint16_t max;   /* rx() looks at no more chains than this, <= PKT_BATCH_MAX */
	uint16_t left;  /* chains after ndone that are not to be given back; rx() leaves it */
	struct pkt pkt[PKT_BATCH_MAX] __rte_cache_aligned;
	struct pkt_used done[PKT_BATCH_MAX];
	struct pkt_seg segs[PKT_SEGS_MAX];
};

#endif
