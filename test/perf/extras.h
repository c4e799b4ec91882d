/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an operator can have a port do besides forwarding, each alone: what it costs is measured
 * against ports without it. All let every frame of the benchmark pass.
 */
#ifndef PERF_EXTRAS_H
#define PERF_EXTRAS_H

#include <stdio.h>

struct port;
struct worker;

/** A pair of ports, one of which sends to the other, and what they share. */
struct extra_pair {
	struct port *from, *to;
	struct port *spare; /* no port sends to it */
	struct worker *w;
};

struct extra {
	const char *name;
	void (*apply)(const struct extra_pair *pair); /* exits when it cannot be had */
};

/** NULL: there is none of this name. */
const struct extra *extra_find(const char *name);

/** The names, a line each. */
void extra_list(FILE *out);

#endif
