/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * Hash tables that control makes, changes and frees while workers look entries up without locks.
 */
#ifndef SWITCH_RCU_HASH_H
#define SWITCH_RCU_HASH_H

struct rte_hash;
struct rte_hash_parameters;
struct rte_rcu_qsbr;

/**
 * A table of one writer, with the entries, keys, hash function and socket of @p par. The place of a
 * deleted entry is used again after a grace period of @p qsbr: make room for those that wait.
 *
 * There are no chains: a lookup compares sixteen entries at most, and a key that finds no room is
 * refused, which does not happen by chance.
 *
 * @param kind   of the table: with @p owner, its name among all of EAL's
 * @return       the caller's, for rte_hash_free(); NULL: out of memory
 */
struct rte_hash *rcu_hash_new(const char *kind, const void *owner,
			      const struct rte_hash_parameters *par, struct rte_rcu_qsbr *qsbr);

#endif
