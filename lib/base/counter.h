/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counters that one thread writes and any thread may read at any time.
 *
 * The writer is alone, so it needs no atomic addition: it loads, adds and stores, and the store is
 * one that no reader sees a half of. A reader gets a recent value of each counter; those of several
 * counters need not be of one moment. The declaration says whose counters they are; where several
 * threads take turns, under a lock or by a grace period, the one whose turn it is writes.
 */
#ifndef BASE_COUNTER_H
#define BASE_COUNTER_H

#include <stdint.h>

/** Add @p n; a negative one takes back what was counted. The writer. */
static inline void
counter_add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/** Put back a value it had. The writer. */
static inline void
counter_set(uint64_t *counter, uint64_t value)
{
	__atomic_store_n(counter, value, __ATOMIC_RELAXED);
}

/** Any thread. */
static inline uint64_t
counter_read(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

#endif
