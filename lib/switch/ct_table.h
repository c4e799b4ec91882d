/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: any thread.
 *
 * A table of connections inside. Any number of threads look, add, change and remove at a time, and
 * none ever waits for another.
 *
 * A slot is a word and a key. The word has all that changes: until when, the state, who opened it,
 * and a version that is another each time the slot is used anew. A thread that adds a connection
 * takes a slot by compare and exchange (CT_BUSY), writes the key, and releases the word. One that
 * looks reads word, key, and the word once more: with the same version the key is whole. A slot
 * that is being filled in is passed over, so a thread that is held up there holds up no other.
 *
 * A key has two buckets of CT_WAYS slots, by a hash whose secret guests do not know; it is in no
 * other. A table that is full makes room elsewhere, too, where a hand goes round: it may have many
 * more slots than connections are allowed. Two threads may add the same key at a time: ct_add()
 * then removes the second of them.
 */
#ifndef SWITCH_CT_TABLE_H
#define SWITCH_CT_TABLE_H

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_prefetch.h>

#include "switch/acl.h"
#include "switch/ct.h"

#define CT_WAYS 8
#define CT_NO_SLOT UINT32_MAX

/* The word, from its lowest bit on. */
#define CT_STATE_SHIFT 32 /* below: when it expires */
#define CT_STATE_MASK (UINT64_C(7) << CT_STATE_SHIFT)
#define CT_OUT (UINT64_C(1) << 35)     /* opened by a packet that the port was sent */
#define CT_FIN_IN (UINT64_C(1) << 36)  /* that end is done; */
#define CT_FIN_OUT (UINT64_C(1) << 37) /* the next bit for the other direction */
#define CT_PICKED (UINT64_C(1) << 38)  /* TCP, known from a packet that did not open it */
#define CT_FLAGS_SHIFT 35
#define CT_FLAGS (CT_OUT | CT_FIN_IN | CT_FIN_OUT | CT_PICKED)
#define CT_VERSION_SHIFT 40
#define CT_VERSION_MASK (UINT64_C(0xfff) << CT_VERSION_SHIFT)
#define CT_TAG_SHIFT 52 /* of the key's hash */
#define CT_SAME (CT_VERSION_MASK | UINT64_C(0xfff) << CT_TAG_SHIFT)

/** A line each: a key lies in one, and what confirms the handshake. */
struct ct_line {
	_Atomic uint64_t word[CT_KEY_WORDS]; /* [atomic] */
	_Atomic uint64_t answer[2];          /* [atomic] of TCP, see ct_worker.c; 0: not known */
} __rte_cache_aligned;

struct ct_worker_counts {
	struct ct_counts n;
} __rte_cache_aligned;

struct ct {
	/* [fixed] */
	uint32_t mask; /* of bucket numbers */
	uint32_t nworkers;
	uint32_t size;                   /* connections it was made for */
	void *words;                     /* what they lie in */
	_Atomic uint64_t *word;          /* [atomic] by slot */
	struct ct_line *line;            /* by slot */
	struct ct_worker_counts *counts; /* [worker] by worker */
	/* [atomic] */
	_Atomic uint32_t limit; /* in force */
	_Atomic uint32_t n __rte_cache_aligned;
	_Atomic uint32_t hand; /* slot that is looked at next for room, where buckets have none */
	_Atomic uint32_t in_vain;    /* slots it has passed since there was any, */
	_Atomic uint32_t in_vain_at; /* in that second */
	/* [ctl] */
	uint32_t next; /* slot that is looked at next for its age */
	struct ct_counts before;
};

/** Of all tables. */
struct ct_common {
	unsigned __int128 secret[CT_KEY_WORDS + 1]; /* [fixed] made with the first table */
	_Atomic uint32_t now;                       /* [atomic] seconds */
	_Atomic uint32_t timeout[CT_TIMEOUTS];      /* [atomic] */
	uint32_t total;                             /* [ctl] */
	uint32_t tables;                            /* [ctl] */
	uint32_t next_port;                         /* [ctl] whose age is looked at next */
};

extern struct ct_common ct_common;

static inline enum ct_state
ct_state_of(uint64_t w)
{
	return (enum ct_state)((w & CT_STATE_MASK) >> CT_STATE_SHIFT);
}

static inline uint64_t
ct_with_state(uint64_t w, enum ct_state s)
{
	return (w & ~CT_STATE_MASK) | (uint64_t)s << CT_STATE_SHIFT;
}

static inline uint32_t
ct_now(void)
{
	return atomic_load_explicit(&ct_common.now, memory_order_relaxed);
}

/** Seconds an entry has left; not more than 0: it is over. */
static inline int32_t
ct_left(uint64_t w)
{
	return (int32_t)((uint32_t)w - ct_now());
}

static inline bool
ct_lives(uint64_t w)
{
	return ct_state_of(w) >= CT_NEW && ct_left(w) > 0;
}

/**
 * Guests choose the keys; see fdb_table.h on this kind of hash. It has keys in a row, such as
 * successive ports, in a row: the bits are mixed, or some secrets would put those into few buckets.
 */
static inline uint64_t
ct_hash(const struct ct_key *k)
{
	unsigned __int128 sum = ct_common.secret[CT_KEY_WORDS];
	uint64_t h;

	for (uint32_t i = 0; i < CT_KEY_WORDS; i++)
		sum += ct_common.secret[i] * k->word[i];
	h = (uint64_t)(sum >> 64);
	h = (h ^ h >> 32) * UINT64_C(0xd6e8feb86659fd93);
	h = (h ^ h >> 32) * UINT64_C(0xd6e8feb86659fd93);
	return h ^ h >> 32;
}

/** First slots of the two buckets of a key. */
static inline uint32_t
ct_bucket(const struct ct *t, uint64_t hash, uint32_t which)
{
	return ((uint32_t)(hash >> (which * 20)) & t->mask) * CT_WAYS;
}

static inline void
ct_prefetch(const struct ct *t, uint64_t hash)
{
	rte_prefetch0(&t->word[ct_bucket(t, hash, 0)]);
	rte_prefetch0(&t->word[ct_bucket(t, hash, 1)]);
}

/** The slot of a connection that lives, and its word; CT_NO_SLOT: it is not known. */
uint32_t ct_find(const struct ct *t, const struct ct_key *k, uint64_t hash, uint64_t *word);

/** The outcome of ct_add(). */
enum ct_added { CT_ADDED, CT_ADDED_EVICTING, CT_KNOWN, CT_FULL };

/**
 * Add a connection: state and flags of @p word, with @p seconds to live. CT_KNOWN: it is there
 * already, in *@p slot, with *@p word.
 */
enum ct_added ct_add(struct ct *t, const struct ct_key *k, uint64_t hash, uint64_t *word,
		     uint32_t seconds, uint32_t *slot);

/**
 * Change a word from @p was, version and key staying. False: another thread was first; *@p was is
 * what is there now.
 */
static inline bool
ct_change(struct ct *t, uint32_t slot, uint64_t *was, uint64_t to)
{
	return atomic_compare_exchange_strong_explicit(&t->word[slot], was, to,
						       memory_order_relaxed, memory_order_relaxed);
}

/** Remove what has that word. False: it has another one now. */
bool ct_remove(struct ct *t, uint32_t slot, uint64_t was);

/** The key in @p slot. False: it is no longer what had @p word. */
bool ct_read_key(const struct ct *t, uint32_t slot, uint64_t word, struct ct_key *out);

/** How long an entry may be idle. */
uint32_t ct_seconds(uint8_t proto, bool ip6, enum ct_state s);

struct ct *ct_new(uint32_t size, uint32_t nworkers);
void ct_free(struct ct *t);

/** Give settings the values they have at first, if they have none yet. Control. */
void ct_settle(void);

/** Its counters. Control. */
void ct_sum(const struct ct *t, struct ct_counts *out);

#endif
