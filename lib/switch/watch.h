/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control; for the workers' half see watch_worker.h.
 *
 * Work on frames besides forwarding them, when the operator asks for it: describe them
 * ("set verbose"), count bursts by their number of frames ("set record-burst-stats"), try
 * again to send frames a full ring did not take ("set fwd MODE retry"). Off, it costs a
 * worker a test a burst.
 *
 * A worker must not wait for a terminal: descriptions go through a ring to
 * control; those that do not fit are counted and left out.
 */
#ifndef SWITCH_WATCH_H
#define SWITCH_WATCH_H

#include <stdint.h>

#include "pkt/pktq.h"

struct ev_loop;
struct watch_log;

#define WATCH_SHOW_RX 0x1u /* describe frames that come in */
#define WATCH_SHOW_TX 0x2u /* and those that leave */
#define WATCH_BURSTS 0x4u  /* count bursts by their number of frames */
#define WATCH_RETRY 0x8u

#define WATCH_WAIT_MAX_US 1000 /* for one burst, at most: control waits meanwhile */

/** [fixed] in a snapshot. */
struct watch {
	uint32_t flags;     /* WATCH_* */
	uint32_t retry_num; /* attempts for one burst */
	uint32_t retry_us;  /* between two */
	struct watch_log *log;
};

/** Bursts by their number of frames. */
struct watch_bursts {
	uint64_t rx[PKT_BATCH_MAX + 1], tx[PKT_BATCH_MAX + 1];
};

/** A port's, by queue. The queues' owners write, any thread reads: base/counter.h. */
struct watch_queues {
	uint16_t n;
	struct watch_bursts q[];
};

/** @p show is called on the loop's thread with one or more lines. NULL: out of memory. */
struct watch_log *watch_log_new(struct ev_loop *loop, void (*show)(const char *text));

/** Show the descriptions there are, at once. */
void watch_log_drain(struct watch_log *log);

/** NULL is fine. No worker uses it any more. */
void watch_log_free(struct watch_log *log);

#endif
