/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control and a thread of a lane; workers look in it.
 *
 * The tries of a list: rte_acl's. Internal to lib/switch.
 */
#ifndef SWITCH_ACL_TRIE_H
#define SWITCH_ACL_TRIE_H

struct acl;

/** All tries together may have one part of so many of DPDK's memory. */
#define ACL_TRIES_PART 4

/**
 * Have the tries of @p a made, of tables with enough rules. Without memory for one, or when all
 * have as much as they may, there is none: packets are compared with each rule. Control.
 */
void acl_trie_make(struct acl *a);

/** Wait until none is being made. Control, at its end; tests. */
void acl_trie_settle(void);

#endif
