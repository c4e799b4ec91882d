/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The counters of a queue as another version of the program has them: in another order, more or
 * fewer. A legend says their names, in the order of the numbers that come with it.
 *
 * Runs on: control.
 */
#ifndef PKT_LEGEND_H
#define PKT_LEGEND_H

#include <stdbool.h>
#include <stdint.h>

#include "pkt/pktq.h"

#define LEGEND_OWN (sizeof(struct pktq_stats) / sizeof(uint64_t)) /* counters of this version */
#define LEGEND_MAX 512                                            /* of any version */

struct blob;

/** By place in another version's numbers: the place of the counter of that name here. */
struct legend {
	uint32_t n;
	uint16_t to[LEGEND_MAX]; /* LEGEND_OWN: there is none */
};

/** Append the names of this version as a record of @p type. */
void legend_put(struct blob *b, uint16_t type);

/** False: malformed. */
bool legend_read(struct legend *l, const void *data, uint32_t len);

/** The counters as numbers in the order of this version's legend, each read once. */
void legend_values(const struct pktq_stats *s, uint64_t value[LEGEND_OWN]);

/**
 * Add l->n numbers of any alignment at @p values to @p to, whose owner is control. False: @p len
 * is not their length.
 */
bool legend_add(const struct legend *l, const void *values, uint32_t len, struct pktq_stats *to);

#endif
