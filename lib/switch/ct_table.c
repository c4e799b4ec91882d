/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: any thread. */
#include "switch/ct_table.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/stdlib.h>

#define TRIES 4      /* to take a slot that others take as well */
#define FIRST_MOST 5 /* slots of a bucket in use */
#define ROOM 256u    /* slots that are looked at for room behind those of a key: 32 lines */

struct ct_common ct_common;

struct ct *
ct_new(uint32_t size, uint32_t nworkers)
{
	/* half are spare, so that two buckets are hardly ever full before the table is */
	const uint32_t slots = rte_align32pow2(RTE_MAX(2 * size, (uint32_t)2 * CT_WAYS));
	const size_t counts = nworkers * sizeof(struct ct_worker_counts);
	struct ct *t = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*t));

	if (t == NULL)
		return NULL;
	memset(t, 0, sizeof(*t));
	if (ct_common.secret[0] == 0)
		arc4random_buf(ct_common.secret, sizeof(ct_common.secret));
	t->size = size;
	t->nworkers = nworkers;
	t->mask = slots / CT_WAYS - 1;
	t->counts = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_MAX(counts, sizeof(*t->counts)));
	/* large ones: pages are there once they are used */
	t->words = calloc(1, slots * sizeof(*t->word) + RTE_CACHE_LINE_SIZE);
	t->word = (void *)RTE_ALIGN_CEIL((uintptr_t)t->words, (uintptr_t)RTE_CACHE_LINE_SIZE);
	t->line = aligned_alloc(RTE_CACHE_LINE_SIZE, slots * sizeof(*t->line));
	if (t->counts == NULL || t->words == NULL || t->line == NULL) {
		ct_free(t);
		return NULL;
	}
	memset(t->counts, 0, counts);
	atomic_init(&t->limit, size);
	return t;
}

void
ct_free(struct ct *t)
{
	if (t == NULL)
		return;
	free(t->line);
	free(t->words);
	free(t->counts);
	free(t);
}

uint32_t
ct_seconds(uint8_t proto, bool ip6, enum ct_state s)
{
	static const enum ct_timeout tcp[CT_STATES] = {
		[CT_NEW] = CT_TCP_NEW,
		[CT_ANSWERED] = CT_TCP_NEW,
		[CT_ESTABLISHED] = CT_TCP_ESTABLISHED,
		[CT_CLOSING] = CT_TCP_CLOSING,
		[CT_WAIT] = CT_TCP_CLOSED,
		[CT_CLOSED] = CT_TCP_CLOSED,
	};
	enum ct_timeout t = s == CT_NEW ? CT_UDP_NEW : CT_UDP_ESTABLISHED;

	if (proto == IPPROTO_TCP)
		t = tcp[s];
	else if (proto == (ip6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		t = CT_ICMP;
	return atomic_load_explicit(&ct_common.timeout[t], memory_order_relaxed);
}

/* --- keys --- */

static bool
same_key(const struct ct_line *l, const struct ct_key *k)
{
	uint64_t differ = 0;

	for (uint32_t i = 0; i < CT_KEY_WORDS; i++)
		differ |= atomic_load_explicit(&l->word[i], memory_order_relaxed) ^ k->word[i];
	return differ == 0;
}

/* Whether a slot still has the version it had when its key was read. */
static bool
is_still(const struct ct *t, uint32_t slot, uint64_t word)
{
	uint64_t now;

	atomic_thread_fence(memory_order_acquire);
	now = atomic_load_explicit(&t->word[slot], memory_order_relaxed);
	return ((now ^ word) & CT_SAME) == 0 && ct_state_of(now) >= CT_NEW;
}

static bool
has_key(const struct ct *t, uint32_t slot, uint64_t word, const struct ct_key *k, uint64_t hash)
{
	return ct_state_of(word) >= CT_NEW && word >> CT_TAG_SHIFT == hash >> CT_TAG_SHIFT &&
	       same_key(&t->line[slot], k) && is_still(t, slot, word);
}

bool
ct_read_key(const struct ct *t, uint32_t slot, uint64_t word, struct ct_key *out)
{
	for (uint32_t i = 0; i < CT_KEY_WORDS; i++)
		out->word[i] = atomic_load_explicit(&t->line[slot].word[i], memory_order_relaxed);
	return is_still(t, slot, word);
}

uint32_t
ct_find(const struct ct *t, const struct ct_key *k, uint64_t hash, uint64_t *word)
{
	for (uint32_t b = 0; b < 2; b++) {
		uint32_t first = ct_bucket(t, hash, b);

		for (uint32_t slot = first; slot < first + CT_WAYS; slot++) {
			uint64_t w = atomic_load_explicit(&t->word[slot], memory_order_acquire);

			if (!has_key(t, slot, w, k, hash) || !ct_lives(w))
				continue;
			*word = w;
			return slot;
		}
	}
	return CT_NO_SLOT;
}

/* --- adding --- */

/** A slot to be taken: the one with the least rank, of equals the one whose time is over first. */
struct choice {
	uint32_t slot;
	uint32_t rank;
	int32_t left;
	uint32_t used; /* slots of its bucket */
	uint64_t word;
};

enum { RANK_OVER, RANK_FREE, RANK_CLOSED, RANK_NEW, RANK_NONE };

/*
 * Connections that live are left alone: who makes a thousand new ones gets rid of new ones, which
 * have no answer, and those that are closed.
 */
static uint32_t
rank_of(uint64_t w, bool room)
{
	enum ct_state s = ct_state_of(w);

	if (s == CT_FREE)
		return room ? RANK_FREE : RANK_NONE;
	if (s == CT_BUSY)
		return RANK_NONE;
	if (ct_left(w) <= 0)
		return RANK_OVER;
	if (s == CT_WAIT || s == CT_CLOSED)
		return RANK_CLOSED;
	return s == CT_NEW || s == CT_ANSWERED ? RANK_NEW : RANK_NONE;
}

static void
consider(struct choice *c, uint32_t slot, uint64_t w, bool room)
{
	uint32_t rank = rank_of(w, room);

	if (rank > c->rank || (rank == c->rank && ct_left(w) >= c->left))
		return;
	c->slot = slot;
	c->rank = rank;
	c->left = ct_left(w);
	c->word = w;
}

/* Look at a bucket. False: the connection is there, in *@p c. */
static bool
look_at(const struct ct *t, uint32_t first, const struct ct_key *k, uint64_t hash, struct choice *c)
{
	bool room = atomic_load_explicit(&t->n, memory_order_relaxed) <
		    atomic_load_explicit(&t->limit, memory_order_relaxed);

	*c = (struct choice){.slot = CT_NO_SLOT, .rank = RANK_NONE, .left = INT32_MIN};
	for (uint32_t slot = first; slot < first + CT_WAYS; slot++) {
		uint64_t w = atomic_load_explicit(&t->word[slot], memory_order_acquire);

		if (has_key(t, slot, w, k, hash) && ct_lives(w)) {
			c->slot = slot;
			c->word = w;
			return false;
		}
		consider(c, slot, w, room);
		c->used += ct_state_of(w) != CT_FREE;
	}
	return true;
}

/*
 * The first bucket is where a lookup begins. Above a filling of FIRST_MOST the emptier one is
 * taken, without which some keys find both full before half of the slots are in use.
 */
static bool
is_second_better(const struct choice *x, const struct choice *y)
{
	if (x->rank != y->rank)
		return y->rank < x->rank;
	if (x->rank == RANK_FREE)
		return x->used >= FIRST_MOST && y->used < x->used;
	return y->left < x->left;
}

/* False: the connection is there. */
static bool
choose(const struct ct *t, const struct ct_key *k, uint64_t hash, struct choice *c)
{
	struct choice second;

	if (!look_at(t, ct_bucket(t, hash, 0), k, hash, c))
		return false;
	if (!look_at(t, ct_bucket(t, hash, 1), k, hash, &second)) {
		*c = second;
		return false;
	}
	if (is_second_better(c, &second))
		*c = second;
	return true;
}

/* A packet may change it at the same time. */
static void
remove_twin(struct ct *t, uint32_t slot, uint64_t w)
{
	for (uint32_t i = 0; i < TRIES; i++) {
		uint64_t was = w;

		if (ct_remove(t, slot, w))
			return;
		w = atomic_load_explicit(&t->word[slot], memory_order_acquire);
		if (((w ^ was) & CT_SAME) != 0 || ct_state_of(w) < CT_NEW)
			return;
	}
}

/* Another thread may have added the same: of two the one in the first slot stays. */
static void
remove_twins(struct ct *t, const struct ct_key *k, uint64_t hash)
{
	bool found = false;

	/* pairs with that of the other thread: one of both sees the other's */
	atomic_thread_fence(memory_order_seq_cst);
	for (uint32_t b = 0; b < 2; b++) {
		uint32_t first = ct_bucket(t, hash, b);

		if (b == 1 && first == ct_bucket(t, hash, 0))
			return;
		for (uint32_t slot = first; slot < first + CT_WAYS; slot++) {
			uint64_t w = atomic_load_explicit(&t->word[slot], memory_order_acquire);

			if (!has_key(t, slot, w, k, hash) || !ct_lives(w))
				continue;
			if (found)
				remove_twin(t, slot, w);
			found = true;
		}
	}
}

bool
ct_remove(struct ct *t, uint32_t slot, uint64_t was)
{
	if (!ct_change(t, slot, &was, was & CT_VERSION_MASK))
		return false;
	atomic_fetch_sub_explicit(&t->n, 1, memory_order_relaxed);
	return true;
}

static void
fill(struct ct *t, uint32_t slot, const struct ct_key *k, uint64_t word)
{
	/* a reader that sees a part of the key sees that the slot is taken, too */
	atomic_thread_fence(memory_order_release);
	for (uint32_t i = 0; i < CT_KEY_WORDS; i++)
		atomic_store_explicit(&t->line[slot].word[i], k->word[i], memory_order_relaxed);
	for (uint32_t i = 0; i < RTE_DIM(t->line[slot].answer); i++)
		atomic_store_explicit(&t->line[slot].answer[i], 0, memory_order_relaxed);
	atomic_store_explicit(&t->word[slot], word, memory_order_release);
}

/* A whole round in vain is enough for a second: each packet that is refused would cost as much. */
static bool
may_look(struct ct *t, uint32_t slots)
{
	if (atomic_load_explicit(&t->in_vain_at, memory_order_relaxed) != ct_now()) {
		atomic_store_explicit(&t->in_vain_at, ct_now(), memory_order_relaxed);
		atomic_store_explicit(&t->in_vain, 0, memory_order_relaxed);
	}
	return atomic_load_explicit(&t->in_vain, memory_order_relaxed) < slots;
}

/*
 * With all connections there that may be, and none to be had in two buckets: remove one of the next
 * slots instead. Rank of what was removed; RANK_NONE: nothing.
 */
static uint32_t
make_room(struct ct *t)
{
	const uint32_t slots = (t->mask + 1) * CT_WAYS;
	struct choice c = {.slot = CT_NO_SLOT, .rank = RANK_NONE, .left = INT32_MIN};
	uint32_t first;

	if (atomic_load_explicit(&t->n, memory_order_relaxed) <
	    atomic_load_explicit(&t->limit, memory_order_relaxed))
		return RANK_NONE;
	if (!may_look(t, slots))
		return RANK_NONE;
	first = atomic_fetch_add_explicit(&t->hand, ROOM, memory_order_relaxed);
	for (uint32_t i = 0; i < RTE_MIN(ROOM, slots) && c.rank != RANK_OVER; i++) {
		uint32_t slot = (first + i) & (slots - 1);

		consider(&c, slot, atomic_load_explicit(&t->word[slot], memory_order_relaxed),
			 false);
	}
	if (c.slot == CT_NO_SLOT) {
		atomic_fetch_add_explicit(&t->in_vain, ROOM, memory_order_relaxed);
		return RANK_NONE;
	}
	atomic_store_explicit(&t->in_vain, 0, memory_order_relaxed);
	return ct_remove(t, c.slot, c.word) ? c.rank : RANK_NONE;
}

enum ct_added
ct_add(struct ct *t, const struct ct_key *k, uint64_t hash, uint64_t *word, uint32_t seconds,
       uint32_t *slot)
{
	struct choice c;
	bool evicted = false;

	for (uint32_t i = 0; i < TRIES; i++) {
		uint64_t version, busy;
		uint32_t removed;

		if (!choose(t, k, hash, &c)) {
			*slot = c.slot;
			*word = c.word;
			return CT_KNOWN;
		}
		if (c.slot == CT_NO_SLOT) {
			removed = make_room(t);
			if (removed == RANK_NONE)
				return CT_FULL;
			evicted |= removed != RANK_OVER;
			continue;
		}
		version = (c.word + (UINT64_C(1) << CT_VERSION_SHIFT)) & CT_VERSION_MASK;
		busy = version | (uint64_t)CT_BUSY << CT_STATE_SHIFT;
		if (!ct_change(t, c.slot, &c.word, busy))
			continue;
		if (c.rank == RANK_FREE)
			atomic_fetch_add_explicit(&t->n, 1, memory_order_relaxed);
		*word = (*word & (CT_STATE_MASK | CT_FLAGS)) | version |
			hash >> CT_TAG_SHIFT << CT_TAG_SHIFT | (uint32_t)(ct_now() + seconds);
		*slot = c.slot;
		fill(t, c.slot, k, *word);
		remove_twins(t, k, hash);
		return evicted || c.rank > RANK_FREE ? CT_ADDED_EVICTING : CT_ADDED;
	}
	return CT_FULL;
}
