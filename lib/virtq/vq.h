/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtqueue, device side: the guest's driver is the peer (virtio spec 2.6-2.8).
 *
 * The struct is a pktq. Control fills it from a vq_setup while it is unpublished; from dp_publish()
 * on its owner is one worker, until control has unpublished it and the grace period is over. The
 * parts control may change on a running queue - memory, interrupt, ops (logging on or off) - are
 * single [atomic] words, exchanged and followed by a grace period before the old value is freed.
 *
 * Direction: a guest's transmit queue (odd index) is our rx, its receive queue
 * (even index) our tx. One struct serves both; the other direction's op is NULL.
 */
#ifndef VIRTQ_VQ_H
#define VIRTQ_VQ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "gmem/gmem.h"
#include "pkt/pktq.h"

struct iotlb;
struct dirty;
struct present;
struct irq;
struct rte_mempool;
struct vq;
struct vq_backlog_frame;
struct vq_journal;

/** Ring layout and byte order; with the IOMMU/dirty-log axis, the six instances of the datapath. */
enum vq_layout {
	VQ_SPLIT,      /* little-endian: modern, and legacy of a little-endian guest */
	VQ_SPLIT_SWAP, /* big-endian legacy guest on a little-endian host */
	VQ_PACKED,
	VQ_LAYOUT_NUM
};

/** The meaning of guest addresses. Immutable bundle; workers load it once per call. */
struct vq_mem {
	struct gmem *gmem;       /* never NULL */
	const struct iotlb *tlb; /* NULL: addresses are guest-physical */
	const struct dirty *log; /* NULL: no dirty log */
	/* pages that have arrived, of a post-copy migration; NULL: all are there */
	const struct present *present;
	/*
	 * The front-end may not announce the end of a translation: one is valid for the chains that
	 * were available when it was requested, since a driver leaves its buffers mapped until
	 * used.
	 */
	bool per_chain;
};

/* Reasons why a queue needs control's attention, or'ed into vq.attention. */
#define VQ_ATTN_BROKEN 0x1u /* the guest broke the ring: vq.why has the reason */
#define VQ_ATTN_MISS 0x2u   /* translations or pages are missing: vq.miss */

/** How a worker reaches control. Given at construction; must not block. */
struct vq_host {
	/** Called by the worker when vq->attention became non-zero. */
	void (*attention)(const struct vq_host *host, struct vq *vq);
};

/** Ring state that survives the queue: spec 2.8 wrap counters, vhost-user "vring base". */
struct vq_state {
	uint16_t avail;  /* next descriptor to look at: split free-running, packed 0..size-1 */
	uint16_t used;   /* next used element to write: likewise */
	bool avail_wrap; /* packed only */
	bool used_wrap;
};

/** The areas of a ring: descriptors; what the driver writes; what the device writes. */
enum vq_area { VQ_DESC, VQ_DRIVER, VQ_DEVICE, VQ_AREAS };

#define VQ_PAGE 4096u /* the smallest page an IOMMU translates */

/**
 * An area that is contiguous for the driver, behind an IOMMU, while its pages lie apart for us.
 * Immutable while the queue has it.
 */
struct vq_pages {
	uint32_t n;
	uint32_t in_page; /* the area begins at this byte of the first page */
	struct vq_page {
		uint8_t *hva;
		uint64_t gpa; /* for the dirty log */
	} page[];
};

/** The parameters of a queue, set by control before it is published. */
struct vq_setup {
	enum vq_layout layout;
	uint32_t size;     /* 1..32768; split: a power of two */
	uint64_t features; /* negotiated virtio features, VIRTIO_F_* and VIRTIO_NET_F_* */
	bool tx;           /* the guest receives here (even index) */
	void *desc;        /* host addresses, their whole extent validated by the caller */
	void *driver;      /* split: avail ring, packed: driver event suppression */
	void *device;      /* split: used ring, packed: device event suppression */
	/*
	 * by area, for areas whose pages lie apart: the pointer above then covers the first page
	 * only
	 */
	const struct vq_pages *pages[VQ_AREAS];
	/* guest-physical, for the dirty log: used ring (split); ring and device area (packed) */
	uint64_t log_used_gpa;
	uint64_t desc_gpa, device_gpa;
	bool log_ring;   /* VHOST_VRING_F_LOG was given */
	int kick_fd;     /* eventfd, -1: poll; stays the caller's */
	struct irq *irq; /* NULL: none; stays the caller's */
	uint32_t mtu;    /* 0: none */
	struct vq_state state;
	const struct vq_mem *mem;
	struct gmem_fault *fault; /* dead: stop accessing the memory */
	struct rte_mempool *mp;   /* for the backlog on misses; may be NULL where there are none */
	atomic_uint *kept;        /* mbufs in the backlogs of the device; NULL: not limited */
	struct vq_journal *journal; /* NULL: state is not kept outside the process */
	const struct vq_host *host;
};

#define VQ_BACKLOG_MAX 1024 /* frames kept per queue while a miss is answered */

/*
 * Parts of the pool of mbufs: the backlogs of one device have at most this one, those of all
 * leave the other to the rest of the switch.
 */
#define VQ_BACKLOG_PART 8
#define VQ_BACKLOG_LEAVES 2

#define VQ_USED_MAX 256 /* chains given back in one go, and buffers one frame may be spread over */

#define VQ_MISS_MAX 64 /* misses told control at a time */

/** [iova, iova + len), or some of it, is not translated for an access @c perm, or not there. */
struct vq_miss {
	uint64_t iova;
	uint32_t len;
	uint32_t perm; /* IOTLB_* */
};

struct vq {
	struct pktq q; /* first member */

	/* [fixed] */
	uint8_t *desc;
	uint8_t *driver;
	uint8_t *device;
	uint32_t size;
	uint16_t hdr_len; /* 10 or 12 */
	enum vq_layout layout;
	bool tx;
	bool mergeable;
	bool indirect;
	bool event_idx;
	bool in_order;
	bool notify_on_empty; /* legacy feature 24 */
	/* rx: bits of the header bytes flags and gso_type (in memory order) that are valid */
	uint16_t hdr_mask;
	uint32_t len_max; /* tx: q.max_len, or no limit */
	uint64_t features;
	uint64_t log_used_gpa, desc_gpa, device_gpa;
	const struct vq_pages *pages[VQ_AREAS];
	bool log_ring;
	struct gmem_fault *fault;
	const struct vq_host *host;
	struct vq_journal *journal;
	struct rte_mempool *mp;
	atomic_uint *kept;
	struct pktq_ops suspended_ops; /* in use while the queue is suspended */

	/* [ctl] */
	bool suspended;

	/* [atomic] */
	_Atomic(const struct vq_mem *) mem;
	_Atomic(struct irq *) irq; /* written by vq_set_irq() */
	atomic_uint attention;     /* VQ_ATTN_*, cleared by control */
	_Atomic uint32_t misses;   /* how many of miss[] wait for control */
	_Atomic(const char *) why; /* static text, with VQ_ATTN_BROKEN */

	/* [worker] */
	uint16_t avail; /* next to look at */
	uint16_t used;  /* next to write */
	bool avail_wrap;
	bool used_wrap;
	uint16_t avail_seen;  /* split: last avail->idx read, free-running */
	uint32_t unsignalled; /* ring slots given back since the last interrupt decision */
	bool armed;           /* we asked the driver for notifications */
	bool broken;          /* until the next vq_start() */
	uint32_t hint;        /* region of the last translation */
	uint32_t rx_cost;     /* of the frames of this rx(), see PKT_BATCH_COST */
	uint16_t rx_slots;    /* ring slots of the chains the last rx() looked at, <= size */
	uint32_t leased; /* with per_chain translations: slots from avail on requested together */
	uint64_t since_now; /* of the chain being looked at: older translations are ignored */
	struct vq_backlog_frame
		*backlog; /* ring of VQ_BACKLOG_MAX frames, where there are misses */
	uint16_t backlog_head;

	/* [worker] while misses is 0, [ctl] while it is not */
	uint32_t miss_need; /* translations of miss[] that the next chain needs */
	uint64_t since;     /* number of the request for the leased chains; KEPT: not given yet */
	struct vq_miss miss[VQ_MISS_MAX];
} __rte_cache_aligned;

/**
 * Why a ring of this shape cannot be served, or NULL when it can: size 1..32768,
 * power of two for split, features and layout that go together. Control.
 */
const char *vq_check(enum vq_layout layout, uint32_t size, uint64_t features);

/** Bytes the three ring areas occupy (spec 2.7, 2.8), for whole-extent validation. */
struct vq_extent {
	uint64_t desc, driver, device;
};
struct vq_extent vq_extent(enum vq_layout layout, uint32_t size, uint64_t features);

/** Alignment the spec demands of desc, driver and device area, in bytes. */
struct vq_extent vq_alignment(enum vq_layout layout);

/** Prepare an unpublished queue; counters in vq->q.stats survive. 0 or -EINVAL/-ENOMEM. Control. */
int vq_start(struct vq *vq, const struct vq_setup *s);

/**
 * The state to return (GET_VRING_BASE); frees the backlog (counted as DROP_TX_IOTLB). Unpublished
 * queue. Control.
 */
struct vq_state vq_stop(struct vq *vq);

/**
 * Change the address space of a running queue; also selects plain or full ops. Grace period before
 * freeing the old. Control.
 */
const struct vq_mem *vq_swap_mem(struct vq *vq, const struct vq_mem *mem);

/**
 * The translation of the ring itself is missing: the ring is not accessed after the grace period,
 * frames for the guest go to the backlog, the guest's stay in the ring. Running queue that is not
 * suspended. Control.
 */
void vq_suspend(struct vq *vq);

/**
 * The ring is accessible again at the same place. Workers that sleep must be woken; an interrupt
 * decision may have been missed, so the driver is to be notified. Suspended queue. Control.
 */
void vq_resume(struct vq *vq);

/**
 * Translations changed: a queue that waits for one may look again. Returns
 * whether it did wait; then workers that sleep must be woken. Control.
 */
bool vq_miss_over(struct vq *vq);

/**
 * The guest's interrupt from now on, NULL: none. Returns the previous one: grace period before
 * freeing it. Control.
 */
struct irq *vq_set_irq(struct vq *vq, struct irq *irq);

/**
 * Send one interrupt unconditionally, as after an unmask or at the end of a migration. Unpublished
 * queue or its owner.
 */
void vq_signal(struct vq *vq);

/*
 * The state as one word, as vhost-user's vring base, the journal and saved state have it: split:
 * the available index; packed: avail:15 wrap:1 used:15 wrap:1.
 */
uint32_t vq_state_to_word(enum vq_layout layout, const struct vq_state *s);
struct vq_state vq_state_from_word(enum vq_layout layout, uint32_t word);

/**
 * Read used->idx of a split ring in guest order: with in-order processing, where an unclean stop
 * has to resume.
 */
uint16_t vq_split_used_idx(enum vq_layout layout, const void *device);

#endif
