/* SPDX-License-Identifier: BSD-3-Clause */
#include "switch/fdb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <bsd/stdlib.h>
#include <rte_cycles.h>
#include <rte_hash.h>
#include <rte_lcore.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring_elem.h>

#include "base/log.h"
#include "switch/dataplane.h"

#define RING_SIZE 2048      /* learn requests of one worker between two fdb_maintain() */
#define RECENT 64           /* requests a worker remembers having pushed; a power of two */
#define AGE_PORTION 65536   /* entries fdb_maintain() looks at, */
#define AGED_PORTION 512    /* and removes, at once */
#define SECOND_CHANCES 8    /* entries in use that eviction passes over */
#define NO_ENTRY UINT32_MAX /* end of a list */
/*
 * Deleted slots wait in rte_hash for a grace period: room beyond the limit, so that they are not
 * missed.
 */
#define SLOTS(limit) ((limit) + (limit) / 8 + 1024)

/** What a worker asks control to learn. */
struct fdb_req {
	fdb_key key;
	uint32_t port;
	uint32_t pad;
};

/** One worker's side of learning. */
struct fdb_learner {
	struct rte_ring *ring; /* SP: the worker, SC: control */
	_Atomic uint64_t full; /* requests that did not fit */
	/* requests of each port since the ring was empty last; see is_fair() */
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
	} recent[RECENT];
} __rte_cache_aligned;

/** Control's knowledge of an entry; workers see the word made by entry_word() and the age. */
struct fdb_entry {
	fdb_key key;
	uint32_t moves;
	uint32_t prev, next; /* of a learned one in its port's list */
	uint32_t listed_s;   /* when it was put there */
	uint16_t port;
	bool used;
	bool is_static;
};

/** The learned entries of a port, the first to be evicted at the head, and its limits. */
struct fdb_port {
	uint32_t count;
	uint32_t head, tail;
	uint32_t own_limit, guest_limit;
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
	uint32_t age_next;    /* where ageing goes on; high: this second's round is over */
	uint32_t next_worker; /* whose ring is looked at first */
	uint16_t nports;      /* ports from here on never had an entry */
	struct fdb_port port[DP_PORTS_MAX];
	struct fdb_stats stats;
};

/*
 * The hash's data pointer is a word: index of the entry in the upper half, what
 * a lookup needs in the lower. A lookup for a destination stops there.
 */
#define WORD_STATIC 0x10000u

static void *
entry_word(const struct fdb *f, uint32_t index)
{
	const struct fdb_entry *e = &f->entry[index];

	return (void *)((uintptr_t)index << 32 | (e->is_static ? WORD_STATIC : 0) | e->port);
}

static uint16_t
word_port(const void *word)
{
	return (uint16_t)(uintptr_t)word;
}

static uint32_t
word_index(const void *word)
{
	return (uint32_t)((uintptr_t)word >> 32);
}

static bool
word_static(const void *word)
{
	return ((uintptr_t)word & WORD_STATIC) != 0;
}

/*
 * Guests choose the keys. Multiplication by a random number of 96 bits spreads any set of them that
 * was chosen without knowing it as evenly as chance does (strongly universal hashing).
 */
static struct {
	unsigned __int128 a, b;
} secret;

static uint32_t
hash_key(const void *key, uint32_t len, uint32_t init)
{
	return (uint32_t)((secret.a * *(const fdb_key *)key + secret.b) >> 64);
}

/* --- workers --- */

static uint64_t
find_bulk(const struct fdb *f, const fdb_key *keys, uint16_t n, void **words)
{
	const void *ptr[FDB_BULK_MAX];
	hash_sig_t sig[FDB_BULK_MAX];
	uint64_t hits = 0;

	for (uint16_t i = 0; i < n; i++) {
		ptr[i] = &keys[i];
		sig[i] = hash_key(&keys[i], sizeof(keys[i]), 0);
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
		ports[i] = (hits >> i & 1) != 0 ? word_port(words[i]) : FDB_PORT_NONE;
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

/* Pairs with fdb_await(): either control sees the request or we see that it does not know. */
static void
tell_control(struct fdb *f)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load_explicit(&f->told, memory_order_relaxed) &&
	    !atomic_exchange(&f->told, true))
		eventfd_write(f->event_fd, 1);
}

static void
push(struct fdb *f, struct fdb_learner *l, fdb_key key, uint16_t port)
{
	struct fdb_req req = {.key = key, .port = port};
	uint32_t slot = hash_key(&key, sizeof(key), 0) % RECENT;
	uint32_t epoch = fdb_epoch(f);

	if (l->recent[slot].key == key && l->recent[slot].port == port &&
	    l->recent[slot].epoch == epoch)
		return;
	if (!is_fair(l, port) || rte_ring_sp_enqueue_elem(l->ring, &req, sizeof(req)) != 0) {
		atomic_store_explicit(&l->full,
				      atomic_load_explicit(&l->full, memory_order_relaxed) + 1,
				      memory_order_relaxed);
		return;
	}
	l->recent[slot].key = key;
	l->recent[slot].port = port;
	l->recent[slot].epoch = epoch;
	l->share[port].n++;
	tell_control(f);
}

void
fdb_seen(struct fdb *f, uint32_t worker, const fdb_key *keys, uint16_t n, uint16_t port)
{
	uint32_t now = atomic_load_explicit(&f->now_s, memory_order_relaxed);
	struct fdb_learner *l = &f->learner[worker];
	void *words[FDB_BULK_MAX];
	uint64_t hits = find_bulk(f, keys, n, words);
	_Atomic uint32_t *seen;

	for (uint16_t i = 0; i < n; i++) {
		if ((hits >> i & 1) == 0) {
			push(f, l, keys[i], port);
		} else if (word_port(words[i]) == port) {
			/*
			 * an index given to another entry meanwhile only makes that one look fresh
			 */
			seen = &f->seen_s[word_index(words[i])];
			if (atomic_load_explicit(seen, memory_order_relaxed) != now)
				atomic_store_explicit(seen, now, memory_order_relaxed);
		} else if (!word_static(words[i])) {
			push(f, l, keys[i], port);
		}
	}
}

/* --- control --- */

/*
 * Pairs with fdb_epoch(): the change is visible to whoever sees the new epoch.
 * A worker that reads the old one may still find the old answer, for one batch.
 */
void
fdb_new_epoch(struct fdb *f)
{
	uint32_t next = atomic_load_explicit(&f->epoch, memory_order_relaxed) + 1;

	atomic_store_explicit(&f->epoch, next != 0 ? next : 1, memory_order_release);
}

/* The entry's index, or -1. */
static int64_t
find(const struct fdb *f, fdb_key key)
{
	void *word;

	if (rte_hash_lookup_data(f->hash, &key, &word) < 0)
		return -1;
	return word_index(word);
}

/* Write the entry's word to the table; what workers see changes at once, in one store. */
static int
store(struct fdb *f, uint32_t index)
{
	return rte_hash_add_key_data(f->hash, &f->entry[index].key, entry_word(f, index));
}

/* --- which entries are behind a port; static ones are in no list --- */

static void
list_add(struct fdb *f, uint32_t index)
{
	struct fdb_entry *e = &f->entry[index];
	struct fdb_port *p = &f->port[e->port];

	if (e->is_static)
		return;
	e->listed_s = atomic_load_explicit(&f->now_s, memory_order_relaxed);
	e->prev = p->tail;
	e->next = NO_ENTRY;
	*(p->tail != NO_ENTRY ? &f->entry[p->tail].next : &p->head) = index;
	p->tail = index;
	p->count++;
	f->nports = RTE_MAX(f->nports, (uint16_t)(e->port + 1));
}

static void
list_del(struct fdb *f, uint32_t index)
{
	const struct fdb_entry *e = &f->entry[index];
	struct fdb_port *p = &f->port[e->port];

	if (e->is_static)
		return;
	*(e->prev != NO_ENTRY ? &f->entry[e->prev].next : &p->head) = e->next;
	*(e->next != NO_ENTRY ? &f->entry[e->next].prev : &p->tail) = e->prev;
	p->count--;
}

static void
release(struct fdb *f, uint32_t index)
{
	f->entry[index].used = false;
	f->spare[f->nspare++] = index;
}

static void
remove_entry(struct fdb *f, uint32_t index)
{
	rte_hash_del_key(f->hash, &f->entry[index].key);
	list_del(f, index);
	release(f, index);
	f->stats.entries--;
}

/* The port with the most learned entries; of several @p port. */
static uint16_t
fullest(const struct fdb *f, uint16_t port)
{
	uint16_t most = port;

	for (uint16_t i = 0; i < f->nports; i++)
		if (f->port[i].count > f->port[most].count)
			most = i;
	return most;
}

/*
 * Make room for an entry of @p port. The unit of damage is the port: the one with the most entries
 * loses one that has not been in use for long. False: there are static ones only.
 */
static bool
evict(struct fdb *f, uint16_t port)
{
	const struct fdb_port *p = &f->port[fullest(f, port)];
	uint32_t index = p->head;

	if (p->count == 0)
		return false;
	for (int i = 0; i < SECOND_CHANCES; i++) {
		uint32_t seen = atomic_load_explicit(&f->seen_s[index], memory_order_relaxed);

		if (seen == f->entry[index].listed_s)
			break;
		list_del(f, index);
		list_add(f, index);
		index = p->head;
	}
	remove_entry(f, index);
	f->stats.evicted++;
	return true;
}

static int
insert(struct fdb *f, fdb_key key, uint16_t port, bool is_static)
{
	uint32_t index;
	int rc;

	/* two for one while there are more than a lowered limit allows */
	for (int i = 0; i < 2 && f->stats.entries >= f->limit; i++)
		if (!evict(f, port))
			return -ENOSPC;
	index = f->nspare > 0 ? f->spare[--f->nspare] : f->high++;
	f->entry[index] =
		(struct fdb_entry){.key = key, .port = port, .used = true, .is_static = is_static};
	atomic_store_explicit(&f->seen_s[index],
			      atomic_load_explicit(&f->now_s, memory_order_relaxed),
			      memory_order_relaxed);
	rc = store(f, index);
	if (rc != 0) {
		release(f, index);
		return rc;
	}
	list_add(f, index);
	f->stats.entries++;
	return 0;
}

uint32_t
fdb_port_limit(const struct fdb *f, uint16_t port)
{
	uint32_t own = f->port[port].own_limit, guest = f->port[port].guest_limit;
	uint32_t limit = own != 0 ? own : f->port_limit;

	return guest != 0 && (limit == 0 || guest < limit) ? guest : limit;
}

static bool
port_is_full(const struct fdb *f, uint16_t port)
{
	uint32_t limit = fdb_port_limit(f, port);

	return limit != 0 && f->port[port].count >= limit;
}

/* An address appeared on another port. Returns whether the table changed. */
static bool
move(struct fdb *f, uint32_t index, uint16_t port)
{
	struct fdb_entry *e = &f->entry[index];

	if (e->is_static || e->port == port)
		return false;
	if (port_is_full(f, port)) {
		f->stats.refused_port_limit++;
		return false;
	}
	list_del(f, index);
	e->port = port;
	e->moves++;
	list_add(f, index);
	f->stats.moved++;
	return store(f, index) == 0;
}

static bool
learn(struct fdb *f, const struct fdb_req *r)
{
	uint16_t port = (uint16_t)r->port;
	int64_t index = find(f, r->key);

	if (index >= 0)
		return move(f, (uint32_t)index, port);
	if (port_is_full(f, port)) {
		f->stats.refused_port_limit++;
		return false;
	}
	if (insert(f, r->key, port, false) != 0) {
		f->stats.refused_limit++;
		return false;
	}
	f->stats.learned++;
	return true;
}

/* Take in some of what a worker pushed; returns how many, and whether that changed anything. */
static uint32_t
drain_one(struct fdb *f, uint32_t worker, uint32_t most, bool *changed)
{
	struct fdb_req req[64];
	uint32_t n = rte_ring_sc_dequeue_burst_elem(f->learner[worker].ring, req, sizeof(req[0]),
						    RTE_MIN(most, RTE_DIM(req)), NULL);

	for (uint32_t i = 0; i < n; i++)
		*changed |= learn(f, &req[i]);
	return n;
}

/* A portion of what all pushed. */
static uint32_t
drain(struct fdb *f, bool *changed)
{
	uint32_t n, total = 0, empty = 0;

	while (total < FDB_PORTION && empty < f->workers) {
		n = drain_one(f, f->next_worker, FDB_PORTION - total, changed);
		empty = n == 0 ? empty + 1 : 0;
		total += n;
		f->next_worker = (f->next_worker + 1) % f->workers;
	}
	return total;
}

void
fdb_take_in(struct fdb *f)
{
	bool changed = false;
	uint32_t left, n;

	/* at most a ring full each, however fast they push on */
	for (uint32_t w = 0; w < f->workers; w++)
		for (left = rte_ring_count(f->learner[w].ring); left > 0; left -= n) {
			n = drain_one(f, w, left, &changed);
			if (n == 0)
				break;
		}
	if (changed)
		fdb_new_epoch(f);
}

static uint32_t
age_of(const struct fdb *f, uint32_t index)
{
	return atomic_load_explicit(&f->now_s, memory_order_relaxed) -
	       atomic_load_explicit(&f->seen_s[index], memory_order_relaxed);
}

/* Go on with this second's round. Returns whether the table changed. */
static bool
age(struct fdb *f)
{
	uint32_t i, aged = 0, end = RTE_MIN(f->high, f->age_next + AGE_PORTION);

	for (i = f->age_next; i < end && aged < AGED_PORTION; i++) {
		const struct fdb_entry *e = &f->entry[i];

		if (e->used && !e->is_static && age_of(f, i) >= f->ageing_s) {
			remove_entry(f, i);
			aged++;
		}
	}
	f->age_next = i;
	f->stats.aged += aged;
	return aged != 0;
}

uint32_t
fdb_maintain(struct fdb *f, uint64_t now_ns)
{
	uint32_t n, now = (uint32_t)(now_ns / NS_PER_S);
	bool changed = now != atomic_load_explicit(&f->now_s, memory_order_relaxed);

	if (changed && f->age_next >= f->high)
		f->age_next = 0;
	/* first, or what is learned now would be as old as the last tick */
	atomic_store_explicit(&f->now_s, now, memory_order_relaxed);
	n = drain(f, &changed);
	if (f->ageing_s != 0)
		changed |= age(f);
	if (changed)
		fdb_new_epoch(f);
	return n;
}

int
fdb_event_fd(const struct fdb *f)
{
	return f->event_fd;
}

bool
fdb_await(struct fdb *f)
{
	uint64_t count;

	if (f->ageing_s != 0 && f->age_next < f->high)
		return false;
	if (read(f->event_fd, &count, sizeof(count)) < 0)
		count = 0; /* it was not written to */
	atomic_store(&f->told, false);
	atomic_thread_fence(memory_order_seq_cst);
	for (uint32_t w = 0; w < f->workers; w++)
		if (!rte_ring_empty(f->learner[w].ring)) {
			atomic_store(&f->told, true);
			return false;
		}
	return true;
}

int
fdb_set_limits(struct fdb *f, uint32_t limit, uint32_t port_limit, uint32_t ageing_s)
{
	if (limit > f->capacity)
		return -ERANGE;
	f->limit = limit;
	f->port_limit = port_limit;
	f->ageing_s = ageing_s;
	return 0;
}

int
fdb_set_port_limit(struct fdb *f, uint16_t port, uint32_t limit)
{
	if (port >= DP_PORTS_MAX)
		return -EINVAL;
	f->port[port].own_limit = limit;
	return 0;
}

void
fdb_set_guest_limit(struct fdb *f, uint16_t port, uint32_t limit)
{
	f->port[port].guest_limit = limit;
}

uint32_t
fdb_get_port_limit(const struct fdb *f, uint16_t port)
{
	return f->port[port].own_limit;
}

bool
fdb_learn(struct fdb *f, const struct rte_ether_addr *mac, uint16_t domain, uint16_t port)
{
	const struct fdb_req r = {.key = fdb_key_make(mac, domain), .port = port};
	bool changed;

	if (port >= DP_PORTS_MAX || !rte_is_valid_assigned_ether_addr(mac))
		return false;
	changed = learn(f, &r);
	if (changed)
		fdb_new_epoch(f);
	return changed;
}

static int
make_static(struct fdb *f, uint32_t index, uint16_t port)
{
	struct fdb_entry *e = &f->entry[index];

	list_del(f, index);
	e->is_static = true;
	e->port = port;
	return store(f, index);
}

int
fdb_add_static(struct fdb *f, const struct rte_ether_addr *mac, uint16_t domain, uint16_t port)
{
	fdb_key key = fdb_key_make(mac, domain);
	int64_t index;
	int rc;

	if (port >= DP_PORTS_MAX || !rte_is_valid_assigned_ether_addr(mac))
		return -EINVAL;
	index = find(f, key);
	rc = index >= 0 ? make_static(f, (uint32_t)index, port) : insert(f, key, port, true);
	fdb_new_epoch(f);
	return rc;
}

int
fdb_del(struct fdb *f, const struct rte_ether_addr *mac, uint16_t domain)
{
	int64_t index = find(f, fdb_key_make(mac, domain));

	if (index < 0)
		return -ENOENT;
	remove_entry(f, (uint32_t)index);
	fdb_new_epoch(f);
	return 0;
}

uint32_t
fdb_flush_port(struct fdb *f, uint16_t port, bool statics)
{
	uint32_t n = 0;

	fdb_take_in(f);
	for (uint32_t i = 0; i < f->high; i++) {
		const struct fdb_entry *e = &f->entry[i];

		if (!e->used || (e->is_static && !statics) ||
		    (port != FDB_PORT_NONE && e->port != port))
			continue;
		remove_entry(f, i);
		n++;
	}
	fdb_new_epoch(f);
	return n;
}

void
fdb_get_stats(const struct fdb *f, struct fdb_stats *out)
{
	*out = f->stats;
	for (uint32_t w = 0; w < f->workers; w++)
		out->ring_full += atomic_load_explicit(&f->learner[w].full, memory_order_relaxed);
}

uint32_t
fdb_port_count(const struct fdb *f, uint16_t port)
{
	return port < DP_PORTS_MAX ? f->port[port].count : 0;
}

void
fdb_walk(struct fdb *f, bool (*fn)(const struct fdb_entry_info *e, void *arg), void *arg)
{
	for (uint32_t i = 0; i < f->high; i++) {
		const struct fdb_entry *e = &f->entry[i];
		struct fdb_entry_info info = {
			.domain = (uint16_t)(e->key >> 48),
			.port = e->port,
			.age_s = e->is_static ? 0 : age_of(f, i),
			.is_static = e->is_static,
			.moves = e->moves,
		};

		if (!e->used)
			continue;
		memcpy(info.mac.addr_bytes, &e->key, RTE_ETHER_ADDR_LEN);
		if (!fn(&info, arg))
			return;
	}
}

/* --- life cycle --- */

static struct rte_hash *
hash_new(struct fdb *f, struct rte_rcu_qsbr *qsbr)
{
	struct rte_hash_rcu_config rcu = {.v = qsbr, .mode = RTE_HASH_QSBR_MODE_DQ};
	struct rte_hash_parameters par = {
		.entries = SLOTS(f->capacity),
		.key_len = sizeof(fdb_key),
		.hash_func = hash_key,
		.socket_id = (int)rte_socket_id(),
		/* no chains: a lookup compares sixteen entries at most, a key that finds no room
		 * is not learned; with so many slots that does not happen by chance */
		.extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF,
	};
	char name[RTE_HASH_NAMESIZE];
	struct rte_hash *h;

	snprintf(name, sizeof(name), "fdb_%p", (void *)f);
	par.name = name;
	h = rte_hash_create(&par);
	if (h != NULL && rte_hash_rcu_qsbr_add(h, &rcu) != 0) {
		rte_hash_free(h);
		return NULL;
	}
	return h;
}

static bool
learners_new(struct fdb *f)
{
	char name[RTE_RING_NAMESIZE];

	f->learner = aligned_alloc(RTE_CACHE_LINE_SIZE, f->workers * sizeof(*f->learner));
	if (f->learner == NULL)
		return false;
	memset(f->learner, 0, f->workers * sizeof(*f->learner));
	for (uint32_t w = 0; w < f->workers; w++) {
		snprintf(name, sizeof(name), "fdb_%p_%u", (void *)f, w);
		f->learner[w].ring =
			rte_ring_create_elem(name, sizeof(struct fdb_req), RING_SIZE, SOCKET_ID_ANY,
					     RING_F_SP_ENQ | RING_F_SC_DEQ);
		if (f->learner[w].ring == NULL)
			return false;
	}
	return true;
}

struct fdb *
fdb_new(const struct fdb_config *cfg)
{
	struct fdb *f = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*f));

	if (f == NULL)
		return NULL;
	memset(f, 0, sizeof(*f));
	if (secret.a == 0)
		arc4random_buf(&secret, sizeof(secret)); /* once: all tables share it */
	for (uint32_t i = 0; i < DP_PORTS_MAX; i++)
		f->port[i].head = f->port[i].tail = NO_ENTRY;
	f->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	atomic_init(&f->epoch, 1);
	f->workers = cfg->workers;
	f->limit = cfg->limit;
	f->port_limit = cfg->port_limit;
	f->ageing_s = cfg->ageing_s;
	f->capacity = RTE_MAX(cfg->limit, (uint32_t)FDB_LIMIT_DEFAULT);
	f->entry = calloc(f->capacity, sizeof(*f->entry));
	f->spare = calloc(f->capacity, sizeof(*f->spare));
	f->seen_s = calloc(f->capacity, sizeof(*f->seen_s));
	f->hash = hash_new(f, cfg->qsbr);
	if (f->event_fd < 0 || f->entry == NULL || f->spare == NULL || f->seen_s == NULL ||
	    f->hash == NULL || !learners_new(f)) {
		fdb_free(f);
		return NULL;
	}
	return f;
}

void
fdb_free(struct fdb *f)
{
	if (f == NULL)
		return;
	for (uint32_t w = 0; f->learner != NULL && w < f->workers; w++)
		rte_ring_free(f->learner[w].ring);
	if (f->event_fd >= 0)
		close(f->event_fd);
	rte_hash_free(f->hash);
	free(f->learner);
	free(f->seen_s);
	free(f->spare);
	free(f->entry);
	free(f);
}
