/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vIOMMU translations of one device (VIRTIO_F_ACCESS_PLATFORM, VHOST_USER_IOTLB_MSG).
 *
 * An iotlb is immutable like a gmem: every update or invalidation makes a new one, which control
 * publishes; an invalidation is acknowledged only after the grace period, when no worker can still
 * use the old translation. A miss does not lose a frame: it stays in the ring, or in the queue's
 * backlog, until the update arrives.
 */
#ifndef GMEM_IOTLB_H
#define GMEM_IOTLB_H

#include <stdbool.h>
#include <stdint.h>

#define IOTLB_RO 1u /* VHOST_ACCESS_RO */
#define IOTLB_WO 2u /* VHOST_ACCESS_WO */
#define IOTLB_RW 3u

/** [iova, iova + size) is at front-end-virtual uva. */
struct iotlb_entry {
	uint64_t iova;
	uint64_t size;
	uint64_t uva;
	uint32_t perm; /* IOTLB_RO | IOTLB_WO */
	/* number of the request it answers, 0: none; valid at that time, perhaps not later */
	uint64_t serial;
};

#define IOTLB_KEPT UINT64_MAX /* a serial: valid until it is invalidated */

/** Entries ascend by iova and do not overlap. [fixed] */
struct iotlb {
	uint32_t n;
	struct iotlb_entry e[];
};

/** A front-end that adds more loses an older entry; it can be asked for again. */
#define IOTLB_ENTRIES_MAX 65536

struct iotlb *iotlb_new(void);
void iotlb_free(struct iotlb *t);

/**
 * A new table: @p old with [e->iova, +size) mapped to e->uva; overlapped old
 * translations are cut. NULL with errno EINVAL (size 0, wrap, perm) or ENOMEM.
 */
struct iotlb *iotlb_update(const struct iotlb *old, const struct iotlb_entry *e);

/**
 * Whether @p e changes or narrows a translation of @p t. If not, what a worker finds in @p t is
 * true after the update, too.
 */
bool iotlb_contradicts(const struct iotlb *t, const struct iotlb_entry *e);

/**
 * Last address of an invalidation. Front-ends write all of 2^64 bytes as size 0: a size that is 0
 * or wraps reaches to the end of the address space.
 */
static inline uint64_t
iotlb_last(uint64_t iova, uint64_t size)
{
	return iova + (size - 1) < iova ? UINT64_MAX : iova + (size - 1);
}

/**
 * A new table without [iova, iotlb_last(iova, size)]; entries that stick out are cut. NULL: out of
 * memory.
 */
struct iotlb *iotlb_invalidate(const struct iotlb *old, uint64_t iova, uint64_t size);

/** A range to translate with an answer to request number @c since or a later one. */
struct iotlb_query {
	uint64_t iova, len, since;
	uint32_t perm;
};

/** iotlb_translate() that ignores translations older than the query asks for. */
bool iotlb_find(const struct iotlb *t, const struct iotlb_query *q, uint64_t *uva, uint64_t *got);

/**
 * Translate for an access @p perm. Returns the front-end-virtual address and the bytes valid there
 * through @p uva and @p got (<= len). False: a miss, to be requested.
 */
bool iotlb_translate(const struct iotlb *t, uint64_t iova, uint64_t len, uint32_t perm,
		     uint64_t *uva, uint64_t *got);

#endif
