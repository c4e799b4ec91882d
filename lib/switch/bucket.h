/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: any thread.
 *
 * Token buckets. One is a single atomic word that is moved once per batch, so that
 * any number of workers can share it; rte_meter's buckets are two words each that only
 * one thread may touch.
 */
#ifndef SWITCH_BUCKET_H
#define SWITCH_BUCKET_H

#include <stdatomic.h>
#include <stdint.h>

#define BUCKET_RATE_MAX 100000000000ull /* units per second: the arithmetic has room for it */

/**
 * A token bucket as the generic cell rate algorithm has it (GCRA, ITU-T I.371): one point in time,
 * the theoretical arrival time of the next unit. Ticks are sixteenths of a TSC cycle.
 */
struct bucket {
	uint64_t rate;            /* [fixed] units per second, 0: no limit */
	uint64_t depth;           /* [fixed] ticks tat may be ahead of the clock */
	atomic_uint_fast64_t tat; /* [atomic] written once per batch */
};

/** A full bucket: @p rate units per second, a hundredth of that or @p burst units at once. */
void bucket_init(struct bucket *b, uint64_t rate, uint64_t burst, uint64_t now);

/**
 * Take @p units[0], @p units[1], ... (NULL: one each) while the theoretical arrival time is within
 * the burst; returns how many. @p now: bucket_now(). Any thread.
 */
uint16_t bucket_take(struct bucket *b, uint64_t now, const uint32_t *units, uint16_t n);
uint64_t bucket_now(void);

#endif
