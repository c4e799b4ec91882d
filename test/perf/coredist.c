/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * coredist CPU CPU: one-way latency of a cache line between two CPUs, in ns.
 * On a virtual machine it changes under one's feet, and every figure with it.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <rte_common.h>

#define TRIPS 20000 /* per try */
#define TRIES 15    /* the best of them counts: the others were disturbed */

static _Alignas(128) atomic_uint ball;

static void
pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set) != 0) {
		fprintf(stderr, "coredist: no CPU %d\n", cpu);
		exit(1);
	}
}

static void *
catcher(void *cpu)
{
	pin(*(int *)cpu);
	for (unsigned int i = 0; i < TRIES * TRIPS; i++) {
		while (atomic_load_explicit(&ball, memory_order_acquire) != 2 * i + 1)
			;
		atomic_store_explicit(&ball, 2 * i + 2, memory_order_release);
	}
	return NULL;
}

static double
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

int
main(int argc, char **argv)
{
	int cpu[2];
	double best = 1e18;
	pthread_t thread;

	if (argc != 3) {
		fprintf(stderr, "usage: coredist CPU CPU\n");
		return 1;
	}
	for (int i = 0; i < 2; i++)
		cpu[i] = (int)strtol(argv[i + 1], NULL, 10);
	if (pthread_create(&thread, NULL, catcher, &cpu[1]) != 0)
		return 1;
	pin(cpu[0]);
	for (unsigned int t = 0; t < TRIES; t++) {
		double start = now_ns(), each;

		for (unsigned int i = t * TRIPS; i < (t + 1) * TRIPS; i++) {
			atomic_store_explicit(&ball, 2 * i + 1, memory_order_release);
			while (atomic_load_explicit(&ball, memory_order_acquire) != 2 * i + 2)
				;
		}
		each = (now_ns() - start) / TRIPS / 2;
		best = RTE_MIN(best, each);
	}
	pthread_join(thread, NULL);
	printf("%.1f\n", best);
	return 0;
}
