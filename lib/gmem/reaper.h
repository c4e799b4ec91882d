/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unmapping in portions.
 *
 * The kernel takes about 0.1 s for each GiB of small pages that is unmapped, and as long again to
 * free them when that was the last use of the file; the caller waits. So a large mapping is
 * unmapped portion by portion, with a round of the event loop after REAPER_NS of that, and its
 * descriptor, which keeps the file until then, is closed in the owner's lane. Mappings take turns.
 * What waits is counted in the lane, so an owner who is far ahead of us can be made to wait.
 *
 * One per process. Control thread.
 */
#ifndef GMEM_REAPER_H
#define GMEM_REAPER_H

#include <stddef.h>

struct ev_loop;
struct lane;

#define REAPER_PAGES 2048 /* of a portion: less than a millisecond */
#define REAPER_NS 500000  /* a round begins no further portion after that time */

/** Bytes of a mapping that count, while it waits, as one descriptor more in its owner's lane. */
#define REAPER_DEBT_BYTES (UINT64_C(1) << 38)

struct reaper_mapping {
	void *base;
	size_t len; /* a multiple of page_size */
	size_t page_size;
	int fd;            /* of the file; closed afterwards. -1: none */
	struct lane *lane; /* where it is closed; NULL: here */
};

/** Unmap in portions from now on, on @p loop. Without this call mappings are unmapped at once. */
void reaper_init(struct ev_loop *loop);

/** Unmap what is left, and at once from now on. Before the loop is freed. */
void reaper_fini(void);

/** Unmap @p m. The address range and fd become the reaper's; no thread uses them any more. */
void reaper_unmap(const struct reaper_mapping *m);

#endif
