/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: workers. */
#include "switch/limit_worker.h"

#include <string.h>

#include <rte_byteorder.h>
#include <rte_common.h>

#include "switch/transmit.h"

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

/* limiter_mac_word() of a frame's source, by one load: no wider than the store rx() made. */
static inline uint64_t
src_word(const struct pkt *p)
{
	uint64_t w;

	memcpy(&w, p->eth_bytes + RTE_ETHER_ADDR_LEN, sizeof(w));
	return w & (RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN ? UINT64_MAX >> 16 : UINT64_MAX << 16);
}

static uint64_t
refuse_sources(struct limiter *lim, const struct pkt_batch *b, uint64_t now)
{
	uint64_t last = UINT64_MAX /* none */, mask = 0;

	if (!lim->locked)
		return 0;
	for (uint16_t i = 0; i < b->n; i++) {
		const struct rte_ether_addr *src = &b->pkt[i].eth.src_addr;
		uint64_t mac = src_word(&b->pkt[i]);

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

/* How many of @p n frames of so many @p bits are within both rates: those from the first on. */
static uint16_t
within_rates(struct limiter *lim, uint64_t now, const uint32_t *bits, uint16_t n)
{
	if (lim->pps.rate != 0 && n > 0)
		n = bucket_take(&lim->pps, now, NULL, n);
	if (lim->bps.rate != 0 && n > 0)
		n = bucket_take(&lim->bps, now, bits, n);
	return n;
}

static uint32_t
bits_of(const struct pkt *p)
{
	return RTE_MIN(8 * p->len, BITS_MAX);
}

static uint64_t
refuse_rate(struct limiter *lim, const struct pkt_batch *b, uint64_t now)
{
	uint32_t bits[PKT_BATCH_MAX];

	for (uint16_t i = 0; i < b->n; i++)
		bits[i] = bits_of(&b->pkt[i]);
	return all_but(within_rates(lim, now, bits, b->n), b->n);
}

/* In this order: a frame one refuses takes no token of the next. */
static const struct {
	uint64_t (*refuse)(struct limiter *lim, const struct pkt_batch *b, uint64_t now);
	enum drop_reason why;
} checks[] = {
	{refuse_sources, DROP_RX_LOCKED},
	{refuse_storm, DROP_RX_STORM},
	{refuse_rate, DROP_RX_RATE},
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

/* --- what a port is sent --- */

uint16_t
limiter_send(const struct dp_port *out, struct pktq *rxq, struct pkt *const *pkts, uint16_t n)
{
	uint32_t bits[PKT_BATCH_MAX];
	uint16_t pass;

	for (uint16_t i = 0; i < n; i++)
		bits[i] = bits_of(pkts[i]);
	pass = within_rates(out->egress_limiter, bucket_now(), bits, n);
	forward_refuse(out->tx[0], rxq, DROP_TX_RATE, n - pass);
	return pass;
}
