/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pages of guest memory that are there, while a post-copy migration brings them.
 *
 * Guest memory is mapped as always and an access to it never waits; but one to a page that has not
 * arrived would make the kernel put zeros in its place. So workers ask this map where they ask the
 * IOTLB, and a page that is absent is a miss. A pager (pager.h) has the page brought.
 *
 * Life cycle: made by control for one memory map, whose last user frees it. Control sets bits while
 * workers look at them; none is ever cleared.
 */
#ifndef GMEM_PRESENT_H
#define GMEM_PRESENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>

struct gmem;

/* Pages that one call looks at: a frame is shorter, and a guest may describe gigabytes. */
#define PRESENT_LOOK_MAX 32

/** [fixed] but for the bits, which are [atomic]. */
struct present_region {
	uint64_t in_page; /* the region begins at this byte of its first page */
	uint64_t pages;
	uint32_t shift; /* of a page's size */
	_Atomic uint64_t *bits;
};

struct present {
	uint32_t n; /* regions, as in the map */
	struct present_region r[];
};

/** All pages of @p m are absent. NULL: no memory. */
struct present *present_new(const struct gmem *m);
void present_free(struct present *p); /* NULL is fine */

/**
 * Pages [first, first + count) of @p r are there; those beyond its end are ignored. Returns how
 * many were not known to be. Control.
 */
uint64_t present_set(struct present_region *r, uint64_t first, uint64_t count);

static inline uint64_t
present_page_of(const struct present_region *r, uint64_t off)
{
	return (r->in_page + off) >> r->shift;
}

static inline bool
present_has(const struct present_region *r, uint64_t page)
{
	return atomic_load_explicit(&r->bits[page / 64], memory_order_acquire) >> (page % 64) & 1;
}

/** Bytes of a region from @p off to the end of the page they are in. */
static inline uint64_t
present_page_rest(const struct present_region *r, uint64_t off)
{
	const uint64_t size = UINT64_C(1) << r->shift;

	return size - ((r->in_page + off) & (size - 1));
}

/**
 * How many of the bytes [off, off + len) of a region, which are in it, are there from the first on:
 * at least the rest of a page, unless that is absent; not more than PRESENT_LOOK_MAX pages. Any
 * thread.
 */
static inline uint64_t
present_bytes(const struct present_region *r, uint64_t off, uint64_t len)
{
	uint64_t page = present_page_of(r, off), have = 0;
	uint32_t i;

	for (i = 0; i < PRESENT_LOOK_MAX && have < len && present_has(r, page); i++) {
		page++;
		have = (page << r->shift) - r->in_page - off;
	}
	return RTE_MIN(have, len);
}

#endif
