/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * Lookups in the forwarding database, and requests to learn.
 */
#include "switch/fdb_worker.h"

#include <sys/eventfd.h>

#include <rte_hash.h>
#include <rte_ring_elem.h>

#include "switch/fdb_table.h"

static uint64_t
find_bulk(const struct fdb *f, const fdb_key *keys, uint16_t n, void **words)
{
	const void *ptr[FDB_BULK_MAX];
	hash_sig_t sig[FDB_BULK_MAX];
	uint64_t hits = 0;

	for (uint16_t i = 0; i < n; i++) {
		ptr[i] = &keys[i];
		sig[i] = fdb_hash(keys[i]);
	}
	rte_hash_lookup_with_hash_bulk_data(f->hash, ptr, sig, n, &hits, words);
	return hits;
}

void
fdb_lookup(const struct fdb *f, const fdb_key *keys, uint16_t n, uint16_t *ports)
{
	void *words[FDB_BULK_MAX];
	uint64_t hits = find_bulk(f, keys, n, words);

	for (uint16_t i = 0; i < n; i++)
		ports[i] = (hits >> i & 1) != 0 ? fdb_word_port(words[i]) : FDB_PORT_NONE;
}

/*
 * Whether the ring has room for one more request of @p port: at most as many as there is room for
 * after it. So n ports that flood it leave the n + 1st part of it to others, and once it is empty
 * they begin anew.
 */
static bool
is_fair(struct fdb_learner *l, uint16_t port)
{
	uint32_t room = rte_ring_free_count(l->ring);

	if (room == rte_ring_get_capacity(l->ring))
		l->round++;
	if (l->share[port].round != l->round) {
		l->share[port].round = l->round;
		l->share[port].n = 0;
	}
	return l->share[port].n < room;
}

/*
 * Pairs with fdb_await(), a store and a load on each side with a full fence between: either control
 * sees the request in the ring or the worker sees that control was not told.
 */
static void
tell_control(struct fdb *f)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load_explicit(&f->told, memory_order_relaxed) &&
	    !atomic_exchange(&f->told, true))
		eventfd_write(f->event_fd, 1);
}

/* Whether control has been asked in this epoch already. */
static bool
push(struct fdb *f, struct fdb_learner *l, fdb_key key, uint16_t port)
{
	struct fdb_req req = {.key = key, .port = port};
	uint32_t slot = fdb_hash(key) % FDB_RECENT;
	uint32_t epoch = fdb_epoch(f);

	if (l->recent[slot].key == key && l->recent[slot].port == port &&
	    l->recent[slot].epoch == epoch)
		return true;
	if (!is_fair(l, port) || rte_ring_sp_enqueue_elem(l->ring, &req, sizeof(req)) != 0) {
		atomic_store_explicit(&l->full,
				      atomic_load_explicit(&l->full, memory_order_relaxed) + 1,
				      memory_order_relaxed);
		return false;
	}
	l->recent[slot].key = key;
	l->recent[slot].port = port;
	l->recent[slot].epoch = epoch;
	l->share[port].n++;
	tell_control(f);
	return false;
}

uint64_t
fdb_seen(struct fdb *f, uint32_t worker, const fdb_key *keys, uint16_t n, uint16_t port)
{
	uint32_t now = atomic_load_explicit(&f->now_s, memory_order_relaxed);
	struct fdb_learner *l = &f->learner[worker];
	void *words[FDB_BULK_MAX];
	uint64_t hits = find_bulk(f, keys, n, words), asked = 0;
	_Atomic uint32_t *seen;

	for (uint16_t i = 0; i < n; i++) {
		if ((hits >> i & 1) == 0) {
			asked |= (uint64_t)!push(f, l, keys[i], port) << i;
		} else if (fdb_word_port(words[i]) == port) {
			/*
			 * an index given to another entry meanwhile only makes that one look fresh
			 */
			seen = &f->seen_s[fdb_word_index(words[i])];
			if (atomic_load_explicit(seen, memory_order_relaxed) != now)
				atomic_store_explicit(seen, now, memory_order_relaxed);
		} else if (!fdb_word_static(words[i])) {
			asked |= (uint64_t)!push(f, l, keys[i], port) << i;
		}
	}
	return asked;
}
