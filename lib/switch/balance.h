/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: any thread; control asks.
 *
 * Balancing: which receive queue is to move from a worker that has much to do to one with time
 * left. A queue's load is not measured: a worker's busy cycles are divided among its queues by
 * their frames, a KiB of them counting like one frame more. Pure functions.
 */
#ifndef SWITCH_BALANCE_H
#define SWITCH_BALANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "switch/dataplane.h"

/* In percent of an interval: how busy a worker is at least before it gives a queue away, ... */
#define BALANCE_BUSY_MIN 60
/* ... and how much less busy the busier one of the two is afterwards, at least. */
#define BALANCE_GAIN_MIN 10
/* Queues that move at the end of one interval; the next one shows what that was good for. */
#define BALANCE_MOVES_MAX 8

/** A receive queue in an interval. */
struct balance_queue {
	uint16_t port, index;
	uint8_t worker;  /* that polls it */
	bool fixed;      /* the operator's choice: it does not move */
	uint64_t serial; /* pktq.serial */
	uint64_t total;  /* frames and KiB since it was made */
	uint64_t work;   /* of them, in the interval */
	uint64_t cost;   /* cycles of its worker's */
};

/** One interval. */
struct balance_load {
	uint64_t length;               /* cycles */
	uint64_t busy[DP_WORKERS_MAX]; /* of them, by worker */
	uint32_t nactive;
	const uint8_t *active; /* the workers that get queues */
	struct balance_queue *q;
	uint32_t n;
};

/**
 * The work of the queues of @p l since @p before, @p n queues in the order of their serials.
 * That of a queue which is not among those is not known, and counts as none: it may have frames
 * of years, of before its guest was paused or of a predecessor of this process.
 */
void balance_since(struct balance_load *l, const struct balance_queue *before, uint32_t n);

/** As of qsort(), for balance_since(). */
int balance_by_serial(const void *a, const void *b);

/** Divide the workers' busy cycles among the queues by their work: cost. */
void balance_share(struct balance_load *l);

/**
 * The queue that had best move from the busiest active worker, @p from, to the one with most time
 * left, with worker and cost already as if it had; NULL: none is worth it.
 */
const struct balance_queue *balance_choose(struct balance_load *l, uint8_t *from);

#endif
