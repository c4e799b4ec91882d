/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers, online.
 *
 * The workers' half of fdb.h: lookups, and requests to learn an address.
 */
#ifndef SWITCH_FDB_WORKER_H
#define SWITCH_FDB_WORKER_H

#include "switch/fdb.h"

/**
 * Changes whenever a lookup that found an entry could give another answer - it was moved, removed,
 * or evicted and learned elsewhere - and once a second, so that ages are refreshed. An entry that
 * is added does not change it: that a lookup found none is not to be remembered.
 * Lookups that a worker remembers are valid while the epoch it read *before* them stays the same.
 * Never 0.
 */
static inline uint32_t
fdb_epoch(const struct fdb *f)
{
	/* the first member; see struct fdb */
	return atomic_load_explicit((const _Atomic uint32_t *)(const void *)f,
				    memory_order_acquire);
}

/** ports[i] = port behind keys[i], or FDB_PORT_NONE. n <= FDB_BULK_MAX. Does not touch ages. */
void fdb_lookup(const struct fdb *f, const fdb_key *keys, uint16_t n, uint16_t *ports);

/**
 * Note that keys[i] was seen as a source on @p port: refreshes ages, pushes
 * unknown or moved addresses to the worker's learn ring (dropped and counted
 * when full). n <= FDB_BULK_MAX. Returns a bit for each key that control was asked, or could not
 * be asked, to learn for the first time in this epoch. Its frame is not to be remembered: a source
 * that is used once pushes out no decision, and one that found no room in the ring asks again.
 */
uint64_t fdb_seen(struct fdb *f, uint32_t worker, const fdb_key *keys, uint16_t n, uint16_t port);

#endif
