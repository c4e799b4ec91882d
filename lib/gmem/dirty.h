/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The dirty-page log of a live migration (VHOST_USER_SET_LOG_BASE, VHOST_F_LOG_ALL).
 *
 * One bit per 4 KiB guest-physical page, set with an atomic OR because the front-end clears bits at
 * the same time, and with release because it copies the page after it has seen the bit. Control
 * maps and frees it; workers mark pages. The log is memory shared with the front-end: guarded
 * against truncation like a region, and every store is checked against the mapped length.
 */
#ifndef GMEM_DIRTY_H
#define GMEM_DIRTY_H

#include <stdint.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>

#define DIRTY_PAGE_SHIFT 12

struct gmem_fault;
struct gmem_file;

/** [fixed] the bitmap's bytes are [atomic] */
struct dirty {
	uint8_t *map;
	uint64_t pages; /* bits in the map */
	struct gmem_file *file;
};

/**
 * Map [offset, offset + size) of @p fd; size is not 0. Same checks and ownership of @p fd and
 * @p fault as gmem_add(). NULL on failure with a static text in @p why.
 */
struct dirty *dirty_new(int fd, uint64_t offset, uint64_t size, struct gmem_fault *fault,
			const char **why);
void dirty_free(struct dirty *d); /* NULL is fine */

static inline void
dirty_mark_page(const struct dirty *d, uint64_t page)
{
	if (likely(page < d->pages))
		__atomic_fetch_or(&d->map[page / 8], (uint8_t)(1u << (page % 8)), __ATOMIC_RELEASE);
}

/**
 * Mark every page [gpa, gpa + len) touches. Call after the data is written and before it is made
 * visible to the guest.
 */
static inline void
dirty_mark(const struct dirty *d, uint64_t gpa, uint64_t len)
{
	uint64_t page = gpa >> DIRTY_PAGE_SHIFT;
	uint64_t last;

	if (unlikely(len == 0 || gpa + len - 1 < gpa))
		return;
	last = RTE_MIN((gpa + len - 1) >> DIRTY_PAGE_SHIFT, d->pages - 1);
	for (; page <= last; page++)
		dirty_mark_page(d, page);
}

#endif
