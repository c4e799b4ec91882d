/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: workers. */
#include "switch/limit_worker.h"

#include <rte_common.h>

#define BITS_MAX (8u * PKT_LEN_MAX)

static_assert(PKT_BATCH_MAX <= 64, "a set of frames of a batch is a 64-bit mask");

/* --- refused frames of a batch, as a mask --- */

/* Whether @p mac is one of those locked to; the first one ever becomes that if there is none. */
static bool
is_mine(struct limiter *lim, uint64_t mac)
{
	uint64_t none = 0;

	for (unsigned int i = 0; i < LIMIT_MACS_MAX; i++) {
		uint64_t m = atomic_load_explicit(&lim->mac[i], memory_order_relaxed);

		if (likely(m == mac))
			return true;
		if (m == 0)
			return i == 0 &&
			       (atomic_compare_exchange_strong(&lim->mac[0], &none, mac) ||
				none == mac);
	}
	return false;
}

static uint64_t
refuse_sources(struct limiter *lim, const struct pkt_batch *b, uint64_t now)
{
	uint64_t last = UINT64_MAX /* none */, mask = 0;

	if (!lim->locked)
		return 0;
	for (uint16_t i = 0; i < b->n; i++) {
		const struct rte_ether_addr *src = &b->pkt[i].eth.src_addr;
		uint64_t mac = limiter_mac_word(src);

		if (likely(mac == last))
			continue;
		if (rte_is_valid_assigned_ether_addr(src) && is_mine(lim, mac))
			last = mac;
		else
			mask |= UINT64_C(1) << i;
	}
	return mask;
}

static uint64_t
refuse_storm(struct limiter *lim, const struct pkt_batch *b, uint64_t now)
{
	uint64_t group = 0;
	uint16_t pass;

	if (lim->storm.rate == 0)
		return 0;
	for (uint16_t i = 0; i < b->n; i++)
		if (rte_is_multicast_ether_addr(&b->pkt[i].eth.dst_addr))
			group |= UINT64_C(1) << i;
	if (group == 0)
		return 0;
	pass = bucket_take(&lim->storm, now, NULL, (uint16_t)__builtin_popcountll(group));
	while (pass-- > 0)
		group &= group - 1; /* the first ones pass */
	return group;
}

/* All frames from number @p pass on. */
static uint64_t
all_but(uint16_t pass, uint16_t n)
{
	return pass < n ? (UINT64_MAX >> (64 - n)) & (UINT64_MAX << pass) : 0;
}

static uint64_t
refuse_frames(struct limiter *lim, const struct pkt_batch *b, uint64_t now)
{
	if (lim->pps.rate == 0 || b->n == 0)
		return 0;
	return all_but(bucket_take(&lim->pps, now, NULL, b->n), b->n);
}

static uint64_t
refuse_bits(struct limiter *lim, const struct pkt_batch *b, uint64_t now)
{
	uint32_t bits[PKT_BATCH_MAX];

	if (lim->bps.rate == 0 || b->n == 0)
		return 0;
	for (uint16_t i = 0; i < b->n; i++)
		bits[i] = RTE_MIN(8 * b->pkt[i].len, BITS_MAX);
	return all_but(bucket_take(&lim->bps, now, bits, b->n), b->n);
}

/* In this order: a frame one refuses takes no token of the next. */
static const struct {
	uint64_t (*refuse)(struct limiter *lim, const struct pkt_batch *b, uint64_t now);
	enum drop_reason why;
} checks[] = {
	{refuse_sources, DROP_RX_LOCKED},
	{refuse_storm, DROP_RX_STORM},
	{refuse_frames, DROP_RX_RATE},
	{refuse_bits, DROP_RX_RATE},
};

static void
remove_frames(struct pkt_batch *b, uint64_t mask)
{
	uint16_t n = 0;

	for (uint16_t i = 0; i < b->n; i++) {
		if ((mask >> i & 1) != 0)
			continue;
		if (n != i)
			b->pkt[n] = b->pkt[i];
		n++;
	}
	b->n = n;
}

void
limiter_apply(struct limiter *lim, struct pktq *rxq, struct pkt_batch *batch)
{
	uint64_t now = bucket_now();

	for (size_t i = 0; i < RTE_DIM(checks); i++) {
		uint64_t mask = checks[i].refuse(lim, batch, now);

		if (likely(mask == 0))
			continue;
		pktq_drop(rxq, checks[i].why, (uint64_t)__builtin_popcountll(mask));
		remove_frames(batch, mask);
	}
}
