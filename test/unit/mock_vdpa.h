/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An rte_vdpa device in software: a thread moves each frame of transmit ring 1 to receive ring 0 of
 * the same guest. Split rings. The test says which faults it has.
 */
#ifndef TEST_MOCK_VDPA_H
#define TEST_MOCK_VDPA_H

#include <stdatomic.h>
#include <stdint.h>

#define MOCK_NAME "mock0"

struct mock_vdpa {
	atomic_int fail_conf;      /* so many dev_conf fail */
	atomic_bool fail_late;     /* the next dev_conf fails after it has consumed kicks */
	atomic_bool dead;          /* configured, and serves nothing */
	atomic_bool wrong_base;    /* says 0 when it stops */
	atomic_uint slow_ms;       /* so long it takes to accept features */
	atomic_bool goes_on;       /* does not stop as long as this is set */
	atomic_uint stops;         /* so often it was told to */
	atomic_bool has_doorbells; /* names them when it starts */
	atomic_int doorbell_errors, doorbells; /* refused, and taken by the front-end */
	atomic_uint refused_stats;             /* counters asked of a queue that never ran */
	atomic_uint confs, closes, moved;
};

extern struct mock_vdpa mock;

/** Register it; EAL runs. 0 or -1. */
int mock_vdpa_register(void);

/** It is gone, as when its driver has removed it. */
void mock_vdpa_unregister(void);

#endif
