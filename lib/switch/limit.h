/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control and workers.
 *
 * What a port may send: frames and bits per second, group-addressed frames per
 * second, and the source addresses it is locked to.
 *
 * Limits are a port's, whichever workers poll its queues. So a token bucket is
 * one atomic word that a worker moves once per batch; rte_meter's buckets are
 * two words each that only one thread may touch. Nothing of this is reached by
 * the frames of a port without limits: see ingress.c.
 */
#ifndef SWITCH_LIMIT_H
#define SWITCH_LIMIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>

#include "pkt/pktq.h"

#define LIMIT_MACS_MAX 8
#define LIMIT_RATE_MAX 100000000000ull /* per second: what the arithmetic has room for */

/** The limits of a port; all zero: none. */
struct limits {
	uint64_t pps, bps; /* frames and bits, without virtio-net headers; 0: any number */
	uint64_t storm;    /* frames to group addresses; 0: any number */
	bool locked;       /* only mac[] may send; with none of them: the first sender's */
	uint8_t nmac;
	struct rte_ether_addr mac[LIMIT_MACS_MAX];
};

/**
 * A token bucket as the generic cell rate algorithm has it (GCRA, ITU-T I.371): one point in time,
 * the theoretical arrival time of the next unit. Ticks are sixteenths of a TSC cycle.
 */
struct bucket {
	uint64_t rate;            /* [fixed] units per second, 0: no limit */
	uint64_t depth;           /* [fixed] ticks tat may be ahead of the clock */
	atomic_uint_fast64_t tat; /* [atomic] written once per batch */
};

/** Limits at work. */
struct limiter {
	struct bucket pps, bps, storm;
	bool locked;                              /* [fixed] */
	atomic_uint_fast64_t mac[LIMIT_MACS_MAX]; /* [atomic] 0: free */
} __rte_cache_aligned;

/** A full bucket: @p rate units per second, a hundredth of that or @p burst units at once. */
void bucket_init(struct bucket *b, uint64_t rate, uint64_t burst, uint64_t now);

/**
 * Take @p units[0], @p units[1], ... (NULL: one each) while the bucket is not in debt; returns how
 * many. @p now: bucket_now(). Any thread.
 */
uint16_t bucket_take(struct bucket *b, uint64_t now, const uint32_t *units, uint16_t n);
uint64_t bucket_now(void);

/**
 * Units that @p before (NULL: none) let through early count here, too, so that nobody gains
 * by having limits replaced. NULL: out of memory. Control.
 */
struct limiter *limiter_new(const struct limits *l, const struct limiter *before);
void limiter_free(struct limiter *l);

/** The addresses locked to now, learned ones included, to l->mac. Control. */
void limiter_macs(const struct limiter *lim, struct limits *l);

/** Remove from @p batch, and count in @p rxq, what the limits do not let through. Worker. */
void limiter_apply(struct limiter *lim, struct pktq *rxq, struct pkt_batch *batch);

#endif
