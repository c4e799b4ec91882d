/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: control and workers. */
#include "switch/limit.h"

#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#define TICKS_PER_CYCLE 16u
#define BURST_FRAMES 32 /* whatever the rate, that many frames may come at once */
#define BITS_MAX (8u * PKT_LEN_MAX)

static_assert(PKT_BATCH_MAX <= 64, "a set of frames of a batch is a 64-bit mask");

/* --- one bucket --- */

uint64_t
bucket_now(void)
{
	return rte_get_tsc_cycles() * TICKS_PER_CYCLE;
}

/* Below 2^62 for the units of a batch and a TSC of 8 GHz. */
static uint64_t
ticks(const struct bucket *b, uint64_t units)
{
	return units * rte_get_tsc_hz() * TICKS_PER_CYCLE / b->rate;
}

/* What may be taken on credit of @p room ticks: below 2^37 units, see LIMIT_RATE_MAX. */
static uint64_t
units_of(const struct bucket *b, uint64_t room)
{
	return room / TICKS_PER_CYCLE * b->rate / rte_get_tsc_hz();
}

void
bucket_init(struct bucket *b, uint64_t rate, uint64_t burst, uint64_t now)
{
	b->rate = rate;
	/* two cycles make up for what ticks() and units_of() round off: the burst is whole */
	if (rate != 0)
		b->depth = RTE_MAX(rte_get_tsc_hz() / 100 * TICKS_PER_CYCLE,
				   ticks(b, burst) + 2 * TICKS_PER_CYCLE);
	atomic_init(&b->tat, now);
}

static uint16_t
count_within(const uint32_t *units, uint16_t n, uint64_t credit, uint64_t *taken)
{
	uint16_t k;

	*taken = 0;
	/* the last one may go into debt: no frame is too long for a small rate */
	for (k = 0; k < n && *taken < credit; k++)
		*taken += units != NULL ? units[k] : 1;
	return k;
}

uint16_t
bucket_take(struct bucket *b, uint64_t now, const uint32_t *units, uint16_t n)
{
	uint64_t tat = atomic_load_explicit(&b->tat, memory_order_relaxed), from, taken;
	uint16_t k;

	do {
		/* differences, so that it does not matter when the clock comes round */
		from = (int64_t)(tat - now) < 0 ? now : tat;
		if (from - now >= b->depth)
			return 0;
		k = count_within(units, n, units_of(b, b->depth - (from - now)), &taken);
		if (k == 0)
			return 0;
	} while (!atomic_compare_exchange_weak_explicit(&b->tat, &tat, from + ticks(b, taken),
							memory_order_relaxed,
							memory_order_relaxed));
	return k;
}

/* --- what to refuse of a batch: a mask of its frames --- */

static uint64_t
mac_word(const struct rte_ether_addr *mac)
{
	uint64_t w = 0;

	memcpy(&w, mac->addr_bytes, sizeof(mac->addr_bytes));
	return w;
}

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
		uint64_t mac = mac_word(src);

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

/* In this order: what is refused by one takes no token of the next. */
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

/* --- control --- */

/* As empty as the one before, whatever the rates are. */
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
		atomic_init(&lim->mac[i], mac_word(&l->mac[i]));
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
