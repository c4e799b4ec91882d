/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control; for the workers' half see limit_worker.h.
 *
 * Limits of the frames a port sends: frames and bits per second, group-addressed
 * frames per second, and the source addresses it is locked to. Those of the frames it is sent are
 * another set: of them frames and bits per second have a meaning only.
 *
 * Limits are a port's, for all workers that poll its queues. Frames of a port without
 * limits reach nothing of this: see ingress.c.
 */
#ifndef SWITCH_LIMIT_H
#define SWITCH_LIMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_ether.h>

#include "switch/bucket.h"

#define LIMIT_MACS_MAX 8
#define LIMIT_RATE_MAX BUCKET_RATE_MAX /* per second */

/** The limits of a port; all zero: none. */
struct limits {
	uint64_t pps, bps; /* frames and bits, without virtio-net headers; 0: any number */
	uint64_t storm;    /* frames to group addresses; 0: any number */
	bool locked;       /* only mac[] may send; with none of them: the first sender's */
	uint8_t nmac;
	struct rte_ether_addr mac[LIMIT_MACS_MAX];
};

/** Limits at work. */
struct limiter {
	struct bucket pps, bps, storm;
	bool locked;                              /* [fixed] */
	atomic_uint_fast64_t mac[LIMIT_MACS_MAX]; /* [atomic] 0: free */
} __rte_cache_aligned;

/**
 * Units that @p before (NULL: none) let through early count here, too, so that no port gains
 * by having limits replaced. NULL: out of memory. Control.
 */
struct limiter *limiter_new(const struct limits *l, const struct limiter *before);
void limiter_free(struct limiter *l);

/** An address as limiter.mac has it. Any thread. */
static inline uint64_t
limiter_mac_word(const struct rte_ether_addr *mac)
{
	uint64_t w = 0;

	memcpy(&w, mac->addr_bytes, sizeof(mac->addr_bytes));
	return w;
}

/** The addresses locked to now, learned ones included, to l->mac. Control. */
void limiter_macs(const struct limiter *lim, struct limits *l);

#endif
