/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: any thread. */
#include "switch/bucket.h"

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_cycles.h>

#define TICKS_PER_CYCLE 16u

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

/* Units of a credit of @p room ticks: below 2^37, see BUCKET_RATE_MAX. */
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

static uint64_t
sum_of(const uint32_t *units, uint16_t n)
{
	uint64_t sum = 0;

	if (units == NULL)
		return n;
	for (uint16_t i = 0; i < n; i++)
		sum += units[i];
	return sum;
}

static uint16_t
count_within(const uint32_t *units, uint16_t n, uint64_t credit, uint64_t *taken)
{
	uint16_t k;

	*taken = 0;
	/* the last one may exceed the rest: no frame is too long for a small rate */
	for (k = 0; k < n && *taken < credit; k++)
		*taken += units != NULL ? units[k] : 1;
	return k;
}

uint16_t
bucket_take(struct bucket *b, uint64_t now, const uint32_t *units, uint16_t n)
{
	const uint64_t all = sum_of(units, n), all_ticks = ticks(b, all);
	uint64_t tat = atomic_load_explicit(&b->tat, memory_order_relaxed), from, taken, spent;
	uint16_t k;

	do {
		/* differences, so that it does not matter when the clock comes round */
		from = (int64_t)(tat - now) < 0 ? now : tat;
		if (from - now >= b->depth)
			return 0;
		k = n;
		spent = all_ticks;
		if (unlikely(all_ticks > b->depth - (from - now))) {
			k = count_within(units, n, units_of(b, b->depth - (from - now)), &taken);
			spent = ticks(b, taken);
		}
		if (k == 0)
			return 0;
	} while (!atomic_compare_exchange_weak_explicit(&b->tat, &tat, from + spent,
							memory_order_relaxed,
							memory_order_relaxed));
	return k;
}
