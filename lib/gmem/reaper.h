/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unmapping in portions.
 *
 * The kernel takes about 0.1 s for each GiB of small pages that is unmapped,
 * and the caller waits. So a large mapping is unmapped portion by portion, with
 * a round of the event loop after each of them.
 *
 * One per process. Control thread.
 */
#ifndef GMEM_REAPER_H
#define GMEM_REAPER_H

#include <stddef.h>

struct ev_loop;

#define REAPER_PAGES 2048 /* of a portion: less than a millisecond */

/** Unmap in portions from now on, on @p loop. Without this call mappings are unmapped at once. */
void reaper_init(struct ev_loop *loop);

/** Unmap what is left, and at once from now on. Before the loop is freed. */
void reaper_fini(void);

/**
 * Unmap [base, base + len), a multiple of @p page_size, the size of its pages. The address range
 * becomes the reaper's; no thread uses it any more.
 */
void reaper_unmap(void *base, size_t len, size_t page_size);

#endif
