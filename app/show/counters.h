/* SPDX-License-Identifier: BSD-3-Clause */
/* Sums over the drop reasons of a queue or port, by what an ethdev would call them. */
#ifndef APP_SHOW_COUNTERS_H
#define APP_SHOW_COUNTERS_H

#include <stdint.h>

#include "pkt/pktq.h"

/** Reasons first .. end - 1. */
static inline uint64_t
counters_drops(const struct pktq_stats *s, int first, int end)
{
	uint64_t n = 0;

	for (int r = first; r < end; r++)
		n += s->drop[r];
	return n;
}

/** Frames that never were frames. */
static inline uint64_t
counters_rx_errors(const struct pktq_stats *s)
{
	return counters_drops(s, DROP_RX_BAD_CHAIN, DROP_RX_TOO_LONG + 1);
}

static inline uint64_t
counters_rx_drops(const struct pktq_stats *s)
{
	return counters_drops(s, 0, DROP_TX_NO_BUFFER);
}

static inline uint64_t
counters_tx_drops(const struct pktq_stats *s)
{
	return counters_drops(s, DROP_TX_NO_BUFFER, DROP_NUM);
}

#endif
