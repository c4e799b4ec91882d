/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The layout of a ring in memory (virtio spec 2.7, 2.8), and the constant that selects a format at
 * compile time.
 *
 * Integers in guest memory have one-member struct types, so that one which was
 * not converted cannot be used. Conversions take the format; it is a constant
 * wherever they are used, and a native ring pays nothing for them.
 */
#ifndef VIRTQ_FMT_H
#define VIRTQ_FMT_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include <rte_byteorder.h>
#include <rte_common.h>

/* Newer than the oldest kernel headers we build with. */
#ifndef VIRTIO_F_IN_ORDER
#define VIRTIO_F_IN_ORDER 35
#endif
#ifndef VIRTIO_F_NOTIFY_ON_EMPTY
#define VIRTIO_F_NOTIFY_ON_EMPTY 24
#endif

/** Whether feature number @p bit is in @p features. */
#define VQ_HAS(features, bit) (((features) >> (bit)) & 1)

/** Integers in guest order. */
typedef struct {
	uint16_t v;
} vq16_t;
typedef struct {
	uint32_t v;
} vq32_t;
typedef struct {
	uint64_t v;
} vq64_t;

/** A format. Always passed as a compile-time constant: no instance tests it at run time. */
struct vq_fmt {
	bool packed; /* packed ring, else split */
	bool swap;   /* guest order is not the host's */
	bool full;   /* IOTLB translation and dirty log, where the queue has them */
};

/* Little-endian and big-endian rings on this host. */
#define VQ_SWAP_LE (RTE_BYTE_ORDER == RTE_BIG_ENDIAN)
#define VQ_SWAP_BE (RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN)

static __rte_always_inline uint16_t
vq16_get(struct vq_fmt f, vq16_t x)
{
	return f.swap ? __builtin_bswap16(x.v) : x.v;
}

static __rte_always_inline uint32_t
vq32_get(struct vq_fmt f, vq32_t x)
{
	return f.swap ? __builtin_bswap32(x.v) : x.v;
}

static __rte_always_inline uint64_t
vq64_get(struct vq_fmt f, vq64_t x)
{
	return f.swap ? __builtin_bswap64(x.v) : x.v;
}

static __rte_always_inline vq16_t
vq16_make(struct vq_fmt f, uint16_t x)
{
	return (vq16_t){f.swap ? __builtin_bswap16(x) : x};
}

static __rte_always_inline vq32_t
vq32_make(struct vq_fmt f, uint32_t x)
{
	return (vq32_t){f.swap ? __builtin_bswap32(x) : x};
}

static __rte_always_inline vq64_t
vq64_make(struct vq_fmt f, uint64_t x)
{
	return (vq64_t){f.swap ? __builtin_bswap64(x) : x};
}

/* Single accesses to 16-bit ring words, aligned as the spec demands (vq_alignment()). */

/** Pairs with the peer's release store of an index or of flags. */
static __rte_always_inline uint16_t
vq16_load_acquire(struct vq_fmt f, const vq16_t *p)
{
	return vq16_get(f, (vq16_t){__atomic_load_n(&p->v, __ATOMIC_ACQUIRE)});
}

static __rte_always_inline uint16_t
vq16_load(struct vq_fmt f, const vq16_t *p)
{
	return vq16_get(f, (vq16_t){__atomic_load_n(&p->v, __ATOMIC_RELAXED)});
}

/** Everything written before is visible to a peer that reads this word with acquire. */
static __rte_always_inline void
vq16_store_release(struct vq_fmt f, vq16_t *p, uint16_t x)
{
	__atomic_store_n(&p->v, vq16_make(f, x).v, __ATOMIC_RELEASE);
}

static __rte_always_inline void
vq16_store(struct vq_fmt f, vq16_t *p, uint16_t x)
{
	__atomic_store_n(&p->v, vq16_make(f, x).v, __ATOMIC_RELAXED);
}

/*
 * One load of guest memory of any alignment. Volatile: the value that is checked is the value that
 * is used, the compiler may not load it again.
 */
struct vq_any64 {
	uint64_t v;
} __rte_packed;

struct vq_any16 {
	uint16_t v;
} __rte_packed;

static __rte_always_inline uint64_t
vq_read64(const void *p)
{
	return ((const volatile struct vq_any64 *)p)->v;
}

static __rte_always_inline uint16_t
vq_read16(const void *p)
{
	return ((const volatile struct vq_any16 *)p)->v;
}

/* --- split ring --- */

/** Descriptor, also of indirect tables. */
struct split_desc {
	vq64_t addr;
	vq32_t len;
	vq16_t flags; /* VRING_DESC_F_* */
	vq16_t next;
};

/** Driver area; the used_event word follows the ring. */
struct split_avail {
	vq16_t flags; /* VRING_AVAIL_F_* */
	vq16_t idx;
	vq16_t ring[];
};

struct split_used_elem {
	vq32_t id;
	vq32_t len;
};

/** Device area; the avail_event word follows the ring. */
struct split_used {
	vq16_t flags; /* VRING_USED_F_* */
	vq16_t idx;
	struct split_used_elem ring[];
};

/* --- packed ring --- */

/** Descriptor, also of indirect tables, where id and all flags but WRITE are reserved. */
struct packed_desc {
	vq64_t addr;
	vq32_t len;
	vq16_t id;
	vq16_t flags; /* VRING_DESC_F_* and PACKED_F_* */
};

/** Driver and device event suppression area. */
struct packed_event {
	vq16_t off_wrap; /* ring offset, wrap counter in bit 15 */
	vq16_t flags;    /* VRING_PACKED_EVENT_FLAG_* */
};

/** The half of a packed descriptor that the flags are in: one access for both sides of the ring. */
union packed_rest {
	struct {
		vq32_t len;
		vq16_t id, flags;
	};
	uint64_t word;
};

static __rte_always_inline union packed_rest
packed_rest_make(struct vq_fmt f, uint32_t len, uint16_t id, uint16_t flags)
{
	return (union packed_rest){{vq32_make(f, len), vq16_make(f, id), vq16_make(f, flags)}};
}

/** The word of descriptor @p desc, to load and store. */
static __rte_always_inline uint64_t *
packed_rest_at(const void *desc)
{
	return (uint64_t *)(uintptr_t)desc + 1;
}

/** Pairs with the peer's release store of it: the rest of the descriptor is as it was then. */
static __rte_always_inline union packed_rest
packed_rest_load(const void *desc)
{
	return (union packed_rest){.word = __atomic_load_n(packed_rest_at(desc), __ATOMIC_ACQUIRE)};
}

static __rte_always_inline void
packed_rest_store(void *desc, union packed_rest rest, int order)
{
	__atomic_store_n(packed_rest_at(desc), rest.word, order);
}

#define PACKED_F_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define PACKED_F_USED (1u << VRING_PACKED_DESC_F_USED)
#define PACKED_F_BOTH (PACKED_F_AVAIL | PACKED_F_USED)
#define PACKED_WRAP (1u << VRING_PACKED_EVENT_F_WRAP_CTR)

static_assert(sizeof(struct split_desc) == 16, "split descriptor");
static_assert(sizeof(struct packed_desc) == 16, "packed descriptor");
static_assert(sizeof(struct split_used_elem) == 8, "used element");

/**
 * Split EVENT_IDX and packed descriptor events: whether going from @p old to @p now passes @p
 * event.
 */
static __rte_always_inline bool
vq_need_event(uint16_t event, uint16_t now, uint16_t old)
{
	return (uint16_t)(now - event - 1) < (uint16_t)(now - old);
}

#endif
