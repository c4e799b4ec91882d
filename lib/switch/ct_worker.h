/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * The workers' half of ct.h: packets of known connections, and those that open one.
 */
#ifndef SWITCH_CT_WORKER_H
#define SWITCH_CT_WORKER_H

#include "switch/ct_packet.h"
#include "switch/ct_table.h"

/** The fate of a packet that a rule which tracks lets through. */
enum ct_verdict { CT_PASSES, CT_NO_ROOM, CT_MALFORMED };

/** Make the hash of @p c, and have the table read ahead. */
static inline void
ct_expect(const struct ct *t, struct ct_packet *c)
{
	if (c->kind < CT_PACKET)
		return;
	c->hash = ct_hash(&c->key);
	ct_prefetch(t, c->hash);
}

/**
 * Whether @p c is of a known connection, which it then keeps alive, or is an error about one. One
 * that opens a TCP connection never is: rules are asked.
 */
bool ct_known(struct ct *t, uint32_t worker, const struct ct_packet *c, enum acl_dir dir);

/** A rule has let @p c through, which is not known: it may be the first of a connection. */
enum ct_verdict ct_open(struct ct *t, uint32_t worker, const struct ct_packet *c, enum acl_dir dir);

#endif
