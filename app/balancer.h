/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * Balancing the workers at intervals, by switch/balance.h.
 */
#ifndef APP_BALANCER_H
#define APP_BALANCER_H

#include <stdint.h>

struct app;

#define BALANCER_PERIOD_MAX_S 3600

/** A queue that moved. */
struct balancer_move {
	uint16_t port, index;
	uint8_t from, to;
	uint64_t when_ns; /* ev_now_ns() */
};

/** Since the program began. */
struct balancer_report {
	uint32_t period_s; /* 0: it does not balance */
	uint64_t moves;
	struct balancer_move last; /* while moves is not 0 */
};

/**
 * Balance every @p period_s seconds from now on; 0: never. -EINVAL: longer than
 * BALANCER_PERIOD_MAX_S. -ENOMEM.
 */
int balancer_set(struct app *app, uint32_t period_s);

struct balancer_report balancer_report(const struct app *app);

void balancer_free(struct app *app);

#endif
