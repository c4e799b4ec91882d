/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control; for the workers' half see acl_worker.h.
 *
 * Access control lists: which IP packets a port may send, or is sent. One list for each direction:
 * the first rule that a packet fits has the say, then the list's default. Frames that are not IP
 * pass; the guard (guard.h) is about those. The only state is that of connections, which rules may
 * track (ct.h).
 *
 * A rule with port numbers fits packets that show theirs. In later fragments there are none to see:
 * only rules without port numbers fit those.
 *
 * A list is compared rule by rule from the moment it is set. One of more than a few rules is also
 * made into a trie by rte_acl, which takes up to hundreds of milliseconds, so another thread does
 * it; workers look there as soon as it is complete. Both give the same answers.
 *
 * Life cycle: acl_new() makes one for good, another set of rules is another one. acl_free() is
 * called when no snapshot has it any more.
 */
#ifndef SWITCH_ACL_H
#define SWITCH_ACL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_common.h>

#include "base/lane.h"
#include "base/prefix.h"

struct rte_acl_ctx;

#define ACL_RULES_MAX 64 /* of a list */
#define ACL_SEQ_MAX 65535u
#define ACL_STEP 10    /* between numbers that are not given */
#define ACL_TRIE_MIN 8 /* with fewer rules a trie is no faster */
#define ACL_TEXT 256   /* room for a rule in text */

/** Directions, as the peer behind the port sees them not: in is what it sends. */
enum acl_dir { ACL_IN, ACL_OUT, ACL_DIRS };

/** Families of packets, a table of each. */
enum acl_family { ACL_IP4, ACL_IP6, ACL_FAMILIES };

/** Port numbers, while given. */
struct acl_ports {
	bool given;
	uint16_t from, to;
};

/** A rule. All zero but seq: every IP packet passes. */
struct acl_rule {
	uint32_t seq; /* rules are in its order */
	bool drop;
	bool track;      /* packets it lets through are of connections: ct.h */
	bool not4, not6; /* not for packets of this family */
	bool later;      /* for fragments but the first only */
	bool has_proto;
	uint8_t proto;
	bool has_src, has_dst;
	struct ip_prefix src, dst;
	struct acl_ports sport, dport;
};

/** A list as it is set; all zero: none. */
struct acl_config {
	bool drop, track; /* what no rule fits */
	uint32_t n;
	struct acl_rule rule[ACL_RULES_MAX]; /* ascending by seq */
};

/** The number that rule @p rule was given, counted from 1; 0 of 0, the default. */
static inline uint32_t
acl_seq_of(const struct acl_config *c, uint32_t rule)
{
	return rule == 0 ? 0 : c->rule[rule - 1].seq;
}

/** Words of a packet that rules are about, in network order. */
#define ACL_WORD_PROTO 0 /* its first byte */
#define ACL_WORD_SRC 1
#define ACL_WORD_DST 5
#define ACL_WORD_PORTS 9
#define ACL_WORD_FLAGS 10
#define ACL_WORDS 11

/* flags */
#define ACL_HAS_PORTS 0x1u
#define ACL_LATER 0x2u

struct acl_key {
	uint32_t word[ACL_WORDS];
};

/** A rule as packets are compared: (word ^ value) & mask is 0, and ports are in their ranges. */
struct acl_match {
	uint32_t value[ACL_WORDS], mask[ACL_WORDS];
	struct acl_ports sport, dport;
	uint16_t rule; /* its number in the list, from 1 on */
};

struct acl_count {
	uint64_t frames, bytes;
};

/** A counter for each rule; number 0 is of what no rule fits. */
struct acl_counts {
	struct acl_count of[ACL_RULES_MAX + 1];
} __rte_cache_aligned;

/** The rules for one family of packets. */
struct acl_table {
	uint16_t n;                         /* [fixed] */
	_Atomic(struct rte_acl_ctx *) trie; /* [atomic] NULL until it is complete */
	size_t trie_bytes; /* written before the trie is, read when the list is freed */
	struct acl_match match[ACL_RULES_MAX];
};

/** A list at work. [fixed] but for the tries and counters */
struct acl {
	struct acl_config set;
	bool drop[ACL_RULES_MAX + 1];  /* by rule number */
	bool track[ACL_RULES_MAX + 1]; /* likewise */
	struct acl_table table[ACL_FAMILIES];
	uint32_t nworkers;
	struct acl_counts *counts; /* [worker] nworkers, by worker */
	struct acl_counts before;  /* [ctl] what the same rules had counted in lists before this */
	struct lane_job job;
	atomic_uint refs; /* [atomic] control's and the job's */
};

/** How many rules a packet is compared with, at most, or what a lookup in a trie takes. */
static inline uint32_t
acl_effort(const struct acl *a)
{
	uint32_t most = ACL_TRIE_MIN;

	for (int f = 0; f < ACL_FAMILIES; f++)
		if (atomic_load_explicit(&a->table[f].trie, memory_order_relaxed) == NULL)
			most = RTE_MAX(most, (uint32_t)a->table[f].n);
	return most;
}

/** Bytes that the tries of all lists have. Any thread. */
size_t acl_charged(void);

/**
 * Charge a trie of @p n bytes to all of them, until its list is freed. False: they would have more
 * than @p most. One thread at a time.
 */
bool acl_charge(size_t n, size_t most);

/** A list for that many workers, without tries. NULL: out of memory. Control. */
struct acl *acl_new(const struct acl_config *c, uint32_t nworkers);

/** Control. */
void acl_free(struct acl *a);

/** Have @p a go on with the counters of rules that @p before has, too. Control, while no worker
 * counts in @p before. */
void acl_inherit(struct acl *a, const struct acl *before);

/** Have the rule of number @p seq, 0: the default, go on with @p n; false: none has it. Control. */
bool acl_restore(struct acl *a, uint32_t seq, const struct acl_count *n);

/** Whether two lists are the same. Any thread. */
bool acl_same(const struct acl_config *x, const struct acl_config *y);

/** Whether a rule or the default of a list tracks connections. Any thread. */
bool acl_tracks(const struct acl_config *c);

/** The counters of rule number @p rule, 0: of the default. Control. */
struct acl_count acl_read(const struct acl *a, uint32_t rule);

#endif
