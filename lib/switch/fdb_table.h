/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control and workers.
 *
 * The forwarding database inside, for control's and the workers' half of it.
 */
#ifndef SWITCH_FDB_TABLE_H
#define SWITCH_FDB_TABLE_H

#include <rte_common.h>

#include "switch/fdb.h"

struct rte_hash;
struct rte_ring;

#define FDB_NO_ENTRY UINT32_MAX /* end of a list of entries */
#define FDB_RECENT 64           /* requests a worker remembers having pushed; a power of two */

/** A worker's request to learn an address. */
struct fdb_req {
	fdb_key key;
	uint32_t port;
	uint32_t pad;
};

/** One worker's side of learning. */
struct fdb_learner {
	struct rte_ring *ring; /* SP: the worker, SC: control */
	_Atomic uint64_t full; /* requests that did not fit */
	/* requests since the ring was empty last, by port id, as a request has it; see is_fair() */
	uint32_t round;
	struct {
		uint32_t round, n;
	} share[DP_PORTS_MAX];
	/*
	 * the same address comes with every frame until control has learned it: push it once an
	 * epoch
	 */
	struct {
		fdb_key key;
		uint32_t port;
		uint32_t epoch;
	} recent[FDB_RECENT];
} __rte_cache_aligned;

/** An entry as control has it; workers see the word made by entry_word() and the age. */
struct fdb_entry {
	fdb_key key;
	uint32_t moves;
	uint32_t prev, next; /* in a list of its port's; static ones are in none */
	uint32_t listed_s;   /* when a learned one was put there */
	uint32_t era;        /* fdb_port.era then */
	uint16_t port;
	bool used;
	uint8_t origin; /* enum fdb_origin */
};

/** Entries of a port, the first to be evicted at the head. */
struct fdb_list {
	uint32_t head, tail;
};

/** The entries of a port, and its limits. */
struct fdb_port {
	struct fdb_list learned, foreign; /* the latter of a control plane */
	uint32_t count;                   /* of learned ones */
	uint32_t era;                     /* how often it was forgotten */
	uint32_t leaving; /* of them, at the head: of earlier eras, to be removed in portions */
	uint32_t externs; /* of a control plane */
	uint32_t own_limit, guest_limit;
	uint16_t via; /* where its frames come in, too, plus one; 0: nowhere */
};

struct fdb {
	/* [atomic] written by control, read by workers; epoch first: fdb_epoch() */
	_Atomic uint32_t epoch;
	_Atomic uint32_t now_s;
	/* [fixed] */
	struct rte_hash *hash;    /* key -> entry word */
	_Atomic uint32_t *seen_s; /* [atomic] by index: when the address last sent */
	struct fdb_learner *learner;
	uint32_t workers;
	uint32_t capacity;
	int event_fd;
	atomic_bool told; /* [atomic] control knows that there are requests */
	/* [ctl] */
	struct fdb_entry *entry __rte_cache_aligned; /* by index */
	uint32_t *spare;                             /* stack of unused indices */
	uint32_t nspare;
	uint32_t high; /* indices from here on were never used */
	uint32_t limit, port_limit, ageing_s;
	uint32_t leaving;     /* of all ports */
	uint32_t externs;     /* likewise */
	uint32_t age_next;    /* where ageing goes on; high: this second's round is over */
	uint32_t next_worker; /* whose ring is looked at first */
	uint16_t nports;      /* ports from here on never had an entry */
	/* the port that entries were evicted from in this epoch; none, or several: DP_PORTS_MAX */
	uint16_t evicted_from;
	uint64_t epoch_ns;                  /* when fdb_maintain() made a new one last */
	struct fdb_port port[DP_PORTS_MAX]; /* by id: what an entry and a lookup say of a port */
	SLIST_HEAD(, fdb_listener) listeners;
	struct fdb_stats stats;
};

/*
 * The hash's data pointer is a word: index of the entry in the upper half, what
 * a lookup needs in the lower. A lookup for a destination stops there.
 */
#define WORD_STATIC 0x10000u

static inline uint16_t
fdb_word_port(const void *word)
{
	return (uint16_t)(uintptr_t)word;
}

static inline uint32_t
fdb_word_index(const void *word)
{
	return (uint32_t)((uintptr_t)word >> 32);
}

static inline bool
fdb_word_static(const void *word)
{
	return ((uintptr_t)word & WORD_STATIC) != 0;
}

/*
 * Guests choose the keys. Multiplication by a random number of 96 bits spreads any set of them that
 * was chosen without knowing it as evenly as chance does (strongly universal hashing).
 */
struct fdb_secret {
	unsigned __int128 a, b;
};

extern struct fdb_secret fdb_secret; /* [fixed] made with the first table */

static inline uint32_t
fdb_hash(fdb_key key)
{
	return (uint32_t)((fdb_secret.a * key + fdb_secret.b) >> 64);
}

#endif
