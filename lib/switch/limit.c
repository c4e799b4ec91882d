/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: control. */
#include "switch/limit.h"

#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#define BURST_FRAMES 32 /* frames that may come at once, at any rate */

/* As far ahead of the clock as the previous one, at any two rates. */
static void
bucket_inherit(struct bucket *b, const struct bucket *before, uint64_t now)
{
	uint64_t debt = atomic_load_explicit(&before->tat, memory_order_relaxed) - now;

	if (before->rate == 0 || (int64_t)debt <= 0)
		return;
	debt = RTE_MIN(debt, before->depth);
	atomic_init(&b->tat,
		    now + (uint64_t)((double)debt / (double)before->depth * (double)b->depth));
}

struct limiter *
limiter_new(const struct limits *l, const struct limiter *before)
{
	struct limiter *lim = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*lim));
	uint64_t now = bucket_now();

	if (lim == NULL)
		return NULL;
	memset(lim, 0, sizeof(*lim));
	bucket_init(&lim->pps, l->pps, BURST_FRAMES, now);
	bucket_init(&lim->bps, l->bps, 0, now);
	bucket_init(&lim->storm, l->storm, BURST_FRAMES, now);
	if (before != NULL) {
		bucket_inherit(&lim->pps, &before->pps, now);
		bucket_inherit(&lim->bps, &before->bps, now);
		bucket_inherit(&lim->storm, &before->storm, now);
	}
	lim->locked = l->locked;
	for (uint8_t i = 0; i < l->nmac; i++)
		atomic_init(&lim->mac[i], limiter_mac_word(&l->mac[i]));
	return lim;
}

void
limiter_free(struct limiter *l)
{
	free(l);
}

void
limiter_macs(const struct limiter *lim, struct limits *l)
{
	uint64_t w;

	for (l->nmac = 0; lim->locked && l->nmac < LIMIT_MACS_MAX; l->nmac++) {
		w = atomic_load_explicit(&lim->mac[l->nmac], memory_order_relaxed);
		if (w == 0)
			break;
		memcpy(l->mac[l->nmac].addr_bytes, &w, RTE_ETHER_ADDR_LEN);
	}
}
