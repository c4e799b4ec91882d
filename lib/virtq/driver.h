/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtqueue, driver side: what a guest's driver does (virtio spec 2.6-2.8).
 *
 * The same three formats as the device side (vq.h), from one body with a constant format. Used by
 * the load generator, by the tests as the model of a guest and by the vhost-user front-end.
 *
 * One owner at a time, no locking inside. The device is not trusted: what it writes is checked
 * against private state, a device that breaks the ring makes the queue "broken", with no other
 * effect.
 *
 * Two ways to use a queue, not to be mixed on one:
 *  - chains: vqd_add() any buffers, vqd_publish(), vqd_get() them back used;
 *  - net: vqd_net_init() makes one buffer per descriptor once and for all;
 *    bursts of frames are then sent or received with next to no ring writes.
 */
#ifndef VIRTQ_DRIVER_H
#define VIRTQ_DRIVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "virtq/vq.h"

/**
 * A segment of memory as the device is told about it: guest-physical, or I/O virtual with an IOMMU.
 */
struct vqd_buf {
	uint64_t addr;
	uint32_t len;
};

/** One chain: nout device-readable buffers, then nin device-writable ones. */
struct vqd_chain {
	const struct vqd_buf *buf;
	uint16_t nout;
	uint16_t nin;
	bool indirect;      /* in an indirect table: nout + nin <= vqd_setup.indirect_max */
	uint64_t user_data; /* comes back from vqd_get() */
};

/** Memory and format of a queue. Ring areas need not be initialised. */
struct vqd_setup {
	enum vq_layout layout;
	uint32_t size;
	uint64_t features; /* negotiated */
	void *desc;        /* host addresses, vq_extent() bytes each */
	void *driver;
	void *device;
	void *indirect;         /* 16 * size * indirect_max bytes, NULL: no indirect chains */
	uint64_t indirect_addr; /* the same memory as the device is told about it */
	uint16_t indirect_max;  /* entries per table */
	int kick_fd;            /* eventfd of the device, -1: none */
	struct vq_state
		state; /* where the ring starts; zero with both wraps set for a new packed ring */
};

struct vqd;
struct vqd_net_frame;

/* One format's functions; see the wrappers of the same name below. */
struct vqd_ops {
	void (*reset)(struct vqd *d);
	int (*add)(struct vqd *d, const struct vqd_chain *c);
	bool (*publish)(struct vqd *d);
	bool (*get)(struct vqd *d, uint64_t *user_data, uint32_t *len);
	bool (*pending)(struct vqd *d);
	bool (*arm)(struct vqd *d);
	void (*disarm)(struct vqd *d);
	void (*net_init)(struct vqd *d);
	void (*net_post)(struct vqd *d, const uint32_t *len, uint16_t n);
	uint16_t (*net_reap)(struct vqd *d, struct vqd_net_frame *f, uint16_t max);
};

/** The driver's record of a chain it made available, by its id. */
struct vqd_slot {
	uint64_t user_data;
	uint32_t in_len; /* bytes the device may write */
	uint16_t ndesc;  /* ring descriptors it takes; 0: not outstanding */
	uint16_t tail;   /* split: last descriptor of the chain */
};

/** Buffers of a net queue: id i is the stride bytes at hva + i * stride. */
struct vqd_net {
	uint8_t *hva;
	uint64_t addr;    /* of buffer 0, as the device is told */
	uint32_t stride;  /* bytes from one buffer to the next */
	uint32_t buf_len; /* bytes of a buffer the device may use */
	uint16_t hdr_len; /* virtio-net header, net_hdr_len() */
	bool rx;          /* device writes */
	bool indirect;    /* each buffer through an indirect table */
	bool hdr_alone;   /* with indirect: the header in an entry of its own */
};

struct vqd {
	const struct vqd_ops *ops;

	/* fixed */
	uint8_t *desc;
	uint8_t *driver;
	uint8_t *device;
	uint8_t *indirect;
	uint64_t indirect_addr;
	uint16_t indirect_max;
	uint32_t size;
	enum vq_layout layout;
	uint64_t features;
	bool event_idx;
	bool in_order;
	int kick_fd;
	struct vqd_slot *slot; /* by id */
	uint16_t *next;        /* split: free list of descriptors */
	uint16_t *order;   /* ids in the order they were made available, a ring of size entries */
	uint32_t *net_len; /* net: length last written for an id */

	/* position */
	uint16_t avail; /* split: free-running; packed: next ring slot to fill */
	uint16_t used;  /* likewise: next used element to look at */
	bool avail_wrap;
	bool used_wrap;
	uint16_t published;   /* avail at the last publish */
	uint16_t unpublished; /* packed: ring slots filled since */
	uint64_t head_rest;   /* packed: union packed_rest of the first of them, held back */
	uint16_t free;        /* unused descriptors */
	uint16_t free_head;   /* split: FIFO of descriptors. packed: of ids */
	uint16_t free_tail;
	uint16_t taken;       /* next entry of order to fill */
	uint16_t returned;    /* next entry of order to expect back */
	uint16_t outstanding; /* chains */
	uint16_t batch_id;    /* in-order: last chain of the batch the device announced */
	uint32_t batch_len;
	bool in_batch;
	atomic_bool broken; /* [atomic] control may ask while a worker has the ring */
	const char *why;    /* static text, written before broken */

	struct vqd_net net;
	uint64_t kicks; /* notifications written */
};

/** Initialise ring memory and private state. 0, -EINVAL or -ENOMEM. */
int vqd_init(struct vqd *d, const struct vqd_setup *s);

/** Free private state; the ring memory is the caller's. Harmless on a zeroed struct. */
void vqd_fini(struct vqd *d);

/**
 * The vring base at which another device can carry on: the oldest chain that has not come back. All
 * used chains must have been taken before.
 */
uint32_t vqd_resume_base(const struct vqd *d);

/**
 * Write a chain to the ring without showing it to the device yet. 0, -ENOSPC, or -EINVAL for an
 * impossible chain.
 */
static inline int
vqd_add(struct vqd *d, const struct vqd_chain *c)
{
	return d->ops->add(d, c);
}

/** Show the device what was added. True: it asked to be notified, call vqd_kick(). */
static inline bool
vqd_publish(struct vqd *d)
{
	return d->ops->publish(d);
}

/** Notify the device unconditionally. */
void vqd_kick(struct vqd *d);

/** Publish, and notify if the device wants it. */
static inline void
vqd_flush(struct vqd *d)
{
	if (vqd_publish(d))
		vqd_kick(d);
}

/** Take the next used chain: its user data and the bytes written. False: none, or broken. */
static inline bool
vqd_get(struct vqd *d, uint64_t *user_data, uint32_t *len)
{
	return d->ops->get(d, user_data, len);
}

/** Whether a used chain waits. */
static inline bool
vqd_pending(struct vqd *d)
{
	return d->ops->pending(d);
}

/**
 * Ask for an interrupt at the next used chain. True: one is there already, the interrupt may not
 * come.
 */
static inline bool
vqd_arm(struct vqd *d)
{
	return d->ops->arm(d);
}

/**
 * Ask for no interrupts (with EVENT_IDX on split rings the device may still send one).
 */
static inline void
vqd_disarm(struct vqd *d)
{
	d->ops->disarm(d);
}

/**
 * A received frame, or segment of a merged one: starts with the virtio-net header if it is the
 * first segment.
 */
struct vqd_net_frame {
	uint8_t *data;
	uint32_t len;
	uint16_t id;
};

/**
 * Turn a queue without outstanding chains into a net queue of @p n's buffers,
 * one per descriptor. All are the driver's at first; a receive queue offers
 * them with vqd_net_refill(d, d->size). 0 or -EINVAL.
 */
int vqd_net_init(struct vqd *d, const struct vqd_net *n);

/** Free buffers to fill; takes back what the device has sent. */
uint16_t vqd_net_room(struct vqd *d);

/** The @p i'th free buffer, i < vqd_net_room(): header first. */
static inline uint8_t *
vqd_net_buf(const struct vqd *d, uint16_t i)
{
	uint32_t pos = (uint32_t)d->taken + i;

	if (pos >= d->size)
		pos -= d->size;
	return d->net.hva + (size_t)d->order[pos] * d->net.stride;
}

/** Send the next @p n free buffers of len[i] bytes each, header included; notifies if wanted. */
void vqd_net_send(struct vqd *d, const uint32_t *len, uint16_t n);

/** Look at up to @p max received buffers; they stay the driver's until refilled. */
static inline uint16_t
vqd_net_recv(struct vqd *d, struct vqd_net_frame *f, uint16_t max)
{
	return d->ops->net_reap(d, f, max);
}

/** Offer @p n buffers that were received (oldest first); notifies if wanted. */
void vqd_net_refill(struct vqd *d, uint16_t n);

#endif
