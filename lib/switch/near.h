/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * Advice on NUMA nodes: a worker is best on the node of the memory it reads and writes for a port.
 */
#ifndef SWITCH_NEAR_H
#define SWITCH_NEAR_H

#include <stddef.h>
#include <stdint.h>

struct port;

/** NUMA nodes; -1: not known. */
struct near_nodes {
	const int *worker; /* of each worker */
	uint32_t nworkers;
	int other;        /* of what the port's frames are in */
	const char *what; /* that: "the guest's memory"; NULL: other is not known */
};

/**
 * One sentence in @p buf: which worker polls a queue of @p p from another node, and which one would
 * not. NULL: none does, or it is not known.
 */
const char *near_advice(const struct port *p, const struct near_nodes *n, char *buf, size_t len);

#endif
