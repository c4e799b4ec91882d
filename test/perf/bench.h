/* SPDX-License-Identifier: BSD-3-Clause */
/* Common parts of benchmarks that drive the switch's own poll iteration with ports of memory. */
#ifndef PERF_BENCH_H
#define PERF_BENCH_H

#include <stdint.h>

struct rte_mempool;
struct sw;
struct worker;

/** Start EAL for program @p name with @p mb MiB (a number) and one lcore, or end the program. */
void bench_eal(const char *name, const char *mb);

/**
 * Make a switch with room for @p addresses and one worker, or end the program. The caller adds its
 * ports, then calls bench_start().
 */
struct worker *bench_switch(struct sw *sw, uint32_t addresses, struct rte_mempool *mp);

/** Publish the ports and begin to forward, with the caller as the worker. */
void bench_start(struct sw *sw);

/** Sort @p n figures of rounds; the median is at n / 2 then, the least at 0. */
void bench_sort(double *cycles, uint32_t n);

#endif
