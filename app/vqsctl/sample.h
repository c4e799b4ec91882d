/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One look at the switch after the other: counters of ports and workers, and how fast they grow.
 * Of one thread.
 */
#ifndef VQSCTL_SAMPLE_H
#define VQSCTL_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAME_SHOWN 24    /* characters of a port's name, with the NUL */
#define QUEUES_SHOWN 128 /* of a worker's queues, likewise */

/** Rates are a second's; 0 in the first sample that has the port. */
struct sample_port {
	uint32_t id;
	bool up;
	char name[NAME_SHOWN]; /* printable ASCII: it may be hostile */
	uint64_t rx_frames, tx_frames, rx_bytes, tx_bytes, drops;
	double rx_pps, tx_pps, rx_bps, tx_bps, drop_pps;
	char reason[NAME_SHOWN]; /* for which it drops most at present; "" */
};

struct sample_worker {
	uint32_t lcore;
	bool asleep;
	uint64_t busy_us, frames;
	double load, pps; /* 0..1 */
	char queues[QUEUES_SHOWN];
};

struct sample {
	double seconds;  /* since the one before; 0: there is none */
	double when;     /* of CLOCK_MONOTONIC */
	char about[128]; /* the switch, in a line */
	size_t nports, nworkers;
	struct sample_port *ports; /* ascending by id */
	struct sample_worker *workers;
	struct json_t *raw; /* counters of ports by reason, for the next one */
};

/**
 * Ask the switch at @p fd. @p before: the last sample, NULL: none. False, without a sample: it
 * refused or is gone. Ends with sample_clear().
 */
bool sample_take(struct sample *s, const struct sample *before, int fd);

/** Free what is in it; zeroes are fine. */
void sample_clear(struct sample *s);

#endif
