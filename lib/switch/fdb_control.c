/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * The entries of the forwarding database: learned, aged, evicted, set.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <bsd/stdlib.h>
#include <rte_hash.h>
#include <rte_lcore.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring_elem.h>

#include "base/log.h"
#include "switch/fdb_table.h"

#define RING_SIZE 2048      /* learn requests of one worker between two fdb_maintain() */
#define AGE_PORTION 65536   /* entries fdb_maintain() looks at, */
#define AGED_PORTION 512    /* and removes, at once; likewise of those that leave */
#define SECOND_CHANCES 8    /* entries in use that eviction passes over */
#define NO_ENTRY UINT32_MAX /* end of a list */
/*
 * Deleted slots wait in rte_hash for a grace period: room beyond the limit, so that they are not
 * missed.
 */
#define SLOTS(limit) ((limit) + (limit) / 8 + 1024)

struct fdb_secret fdb_secret;

static uint32_t
hash_key(const void *key, uint32_t len, uint32_t init)
{
	return fdb_hash(*(const fdb_key *)key);
}

static void *
entry_word(const struct fdb *f, uint32_t index)
{
	const struct fdb_entry *e = &f->entry[index];

	return (void *)((uintptr_t)index << 32 | (e->origin == FDB_STATIC ? WORD_STATIC : 0) |
			e->port);
}

/*
 * Pairs with fdb_epoch(): the change is visible to a worker that sees the new epoch.
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
	return fdb_word_index(word);
}

static uint32_t
age_of(const struct fdb *f, uint32_t index)
{
	return atomic_load_explicit(&f->now_s, memory_order_relaxed) -
	       atomic_load_explicit(&f->seen_s[index], memory_order_relaxed);
}

static struct fdb_entry_info
describe(const struct fdb *f, uint32_t index)
{
	const struct fdb_entry *e = &f->entry[index];
	struct fdb_entry_info info = {
		.fid = (uint16_t)(e->key >> 48),
		.port = e->port,
		.age_s = e->origin == FDB_LEARNED ? age_of(f, index) : 0,
		.origin = e->origin,
		.moves = e->moves,
	};

	memcpy(info.mac.addr_bytes, &e->key, RTE_ETHER_ADDR_LEN);
	return info;
}

/* An entry that is not a control plane's is there, behind another port, or about to go. */
static void
tell(const struct fdb *f, uint32_t index, bool there)
{
	struct fdb_entry_info info;
	struct fdb_listener *l;

	if (f->entry[index].origin == FDB_EXTERN || SLIST_EMPTY(&f->listeners))
		return;
	info = describe(f, index);
	SLIST_FOREACH (l, &f->listeners, entry)
		l->fn(l, &info, there);
}

/* Write the entry's word to the table; what workers see changes at once, in one store. */
static int
store(struct fdb *f, uint32_t index)
{
	return rte_hash_add_key_data(f->hash, &f->entry[index].key, entry_word(f, index));
}

/* --- which entries are behind a port: a list of the learned ones, a count of externs --- */

static void
list_add(struct fdb *f, uint32_t index)
{
	struct fdb_entry *e = &f->entry[index];
	struct fdb_port *p = &f->port[e->port];

	if (e->origin == FDB_EXTERN) {
		p->externs++;
		f->externs++;
	}
	if (e->origin != FDB_LEARNED)
		return;
	e->listed_s = atomic_load_explicit(&f->now_s, memory_order_relaxed);
	e->era = p->era;
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

	if (e->origin == FDB_EXTERN) {
		p->externs--;
		f->externs--;
	}
	if (e->origin != FDB_LEARNED)
		return;
	*(e->prev != NO_ENTRY ? &f->entry[e->prev].next : &p->head) = e->next;
	*(e->next != NO_ENTRY ? &f->entry[e->next].prev : &p->tail) = e->prev;
	p->count--;
	if (e->era != p->era) {
		p->leaving--;
		f->leaving--;
	}
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
	tell(f, index, false);
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

		if (seen == f->entry[index].listed_s || p->leaving != 0)
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
insert(struct fdb *f, fdb_key key, uint16_t port, enum fdb_origin origin)
{
	uint32_t index;
	int rc;

	/* two for one while there are more than a lowered limit allows */
	for (int i = 0; i < 2 && f->stats.entries >= f->limit; i++)
		if (!evict(f, port))
			return -ENOSPC;
	index = f->nspare > 0 ? f->spare[--f->nspare] : f->high++;
	f->entry[index] =
		(struct fdb_entry){.key = key, .port = port, .used = true, .origin = origin};
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
	tell(f, index, true);
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

	return limit != 0 && fdb_port_count(f, port) >= limit;
}

/* An address appeared on another port. Returns whether the table changed. */
static bool
move(struct fdb *f, uint32_t index, uint16_t port)
{
	struct fdb_entry *e = &f->entry[index];

	if (e->origin == FDB_STATIC || e->port == port)
		return false;
	if (f->port[e->port].via == port + 1) {
		atomic_store_explicit(&f->seen_s[index],
				      atomic_load_explicit(&f->now_s, memory_order_relaxed),
				      memory_order_relaxed);
		return false;
	}
	if (port_is_full(f, port)) {
		f->stats.refused_port_limit++;
		return false;
	}
	list_del(f, index);
	e->port = port;
	e->origin = FDB_LEARNED;
	e->moves++;
	list_add(f, index);
	f->stats.moved++;
	tell(f, index, true);
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
	if (insert(f, r->key, port, FDB_LEARNED) != 0) {
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

/* A portion of the requests of all workers. */
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

/* Go on with this second's round. Returns whether the table changed. */
static bool
age(struct fdb *f)
{
	uint32_t i, aged = 0, end = RTE_MIN(f->high, f->age_next + AGE_PORTION);

	for (i = f->age_next; i < end && aged < AGED_PORTION; i++) {
		const struct fdb_entry *e = &f->entry[i];

		if (e->used && e->origin == FDB_LEARNED && age_of(f, i) >= f->ageing_s) {
			remove_entry(f, i);
			aged++;
		}
	}
	f->age_next = i;
	f->stats.aged += aged;
	return aged != 0;
}

/* Remove some of what is to leave. Returns whether the table changed. */
static bool
remove_leaving(struct fdb *f)
{
	uint32_t n = 0;

	for (uint16_t i = 0; i < f->nports && f->leaving != 0 && n < AGED_PORTION; i++)
		for (; f->port[i].leaving != 0 && n < AGED_PORTION; n++)
			remove_entry(f, f->port[i].head);
	return n != 0;
}

uint32_t
fdb_maintain(struct fdb *f, uint64_t now_ns)
{
	uint32_t n, now = (uint32_t)(now_ns / NS_PER_S);
	bool changed = now != atomic_load_explicit(&f->now_s, memory_order_relaxed);

	if (changed && f->age_next >= f->high)
		f->age_next = 0;
	/* first, or addresses learned now would be as old as the last tick */
	atomic_store_explicit(&f->now_s, now, memory_order_relaxed);
	n = drain(f, &changed);
	if (f->ageing_s != 0)
		changed |= age(f);
	changed |= remove_leaving(f);
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

	if (f->leaving != 0 || (f->ageing_s != 0 && f->age_next < f->high))
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

uint32_t
fdb_get_guest_limit(const struct fdb *f, uint16_t port)
{
	return f->port[port].guest_limit;
}

void
fdb_set_guest_limit(struct fdb *f, uint16_t port, uint32_t limit)
{
	f->port[port].guest_limit = limit;
}

void
fdb_set_via(struct fdb *f, uint16_t port, uint16_t via)
{
	f->port[port].via = via == FDB_PORT_NONE ? 0 : (uint16_t)(via + 1);
}

uint32_t
fdb_get_port_limit(const struct fdb *f, uint16_t port)
{
	return f->port[port].own_limit;
}

bool
fdb_learn(struct fdb *f, const struct rte_ether_addr *mac, uint16_t fid, uint16_t port)
{
	const struct fdb_req r = {.key = fdb_key_make(mac, fid), .port = port};
	bool changed;

	if (port >= DP_PORTS_MAX || !rte_is_valid_assigned_ether_addr(mac))
		return false;
	changed = learn(f, &r);
	if (changed)
		fdb_new_epoch(f);
	return changed;
}

bool
fdb_restore(struct fdb *f, const struct fdb_entry_info *e)
{
	uint32_t now = atomic_load_explicit(&f->now_s, memory_order_relaxed);
	int64_t index;

	if (!fdb_learn(f, &e->mac, e->fid, e->port))
		return false;
	index = find(f, fdb_key_make(&e->mac, e->fid));
	if (index < 0)
		return false;
	f->entry[index].moves = e->moves;
	atomic_store_explicit(&f->seen_s[index], now - RTE_MIN(e->age_s, now),
			      memory_order_relaxed);
	return true;
}

void
fdb_restore_stats(struct fdb *f, const struct fdb_stats *s)
{
	uint64_t entries = f->stats.entries;

	f->stats = *s;
	f->stats.entries = entries;
}

static int
change(struct fdb *f, uint32_t index, uint16_t port, enum fdb_origin origin)
{
	struct fdb_entry *e = &f->entry[index];

	if (origin == FDB_EXTERN)
		tell(f, index, false);
	list_del(f, index);
	e->origin = (uint8_t)origin;
	e->port = port;
	list_add(f, index);
	tell(f, index, true);
	return store(f, index);
}

static int
add(struct fdb *f, fdb_key key, uint16_t port, enum fdb_origin origin)
{
	int64_t index = find(f, key);
	int rc;

	if (index >= 0)
		rc = change(f, (uint32_t)index, port, origin);
	else
		rc = insert(f, key, port, origin);
	fdb_new_epoch(f);
	return rc;
}

int
fdb_add_static(struct fdb *f, const struct rte_ether_addr *mac, uint16_t fid, uint16_t port)
{
	if (port >= DP_PORTS_MAX || !rte_is_valid_assigned_ether_addr(mac))
		return -EINVAL;
	return add(f, fdb_key_make(mac, fid), port, FDB_STATIC);
}

int
fdb_add_extern(struct fdb *f, const struct rte_ether_addr *mac, uint16_t fid, uint16_t port)
{
	fdb_key key = fdb_key_make(mac, fid);
	int64_t index = find(f, key);

	if (port >= DP_PORTS_MAX || !rte_is_valid_assigned_ether_addr(mac))
		return -EINVAL;
	if (index >= 0 && f->entry[index].origin == FDB_STATIC)
		return -EEXIST;
	if (f->externs >= f->limit / 2 && (index < 0 || f->entry[index].origin != FDB_EXTERN)) {
		if (index >= 0)
			(void)fdb_del(f, mac, fid); /* it is not where it was learned any more */
		f->stats.refused_limit++;
		return -ENOSPC;
	}
	return add(f, key, port, FDB_EXTERN);
}

int
fdb_del(struct fdb *f, const struct rte_ether_addr *mac, uint16_t fid)
{
	int64_t index = find(f, fdb_key_make(mac, fid));

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
	for (; port < DP_PORTS_MAX && f->port[port].head != NO_ENTRY; n++)
		remove_entry(f, f->port[port].head);
	if (port != FDB_PORT_NONE && !statics) {
		fdb_new_epoch(f);
		return n;
	}
	for (uint32_t i = 0; i < f->high; i++) {
		const struct fdb_entry *e = &f->entry[i];

		if (!e->used || (e->origin != FDB_LEARNED && !statics) ||
		    (port != FDB_PORT_NONE && e->port != port))
			continue;
		remove_entry(f, i);
		n++;
	}
	fdb_new_epoch(f);
	return n;
}

void
fdb_forget_port(struct fdb *f, uint16_t port)
{
	struct fdb_port *p = &f->port[port];

	fdb_take_in(f);
	f->leaving += p->count - p->leaving;
	p->leaving = p->count;
	p->era++;
	remove_leaving(f);
	fdb_new_epoch(f);
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
	return port < DP_PORTS_MAX ? f->port[port].count - f->port[port].leaving : 0;
}

uint32_t
fdb_extern_count(const struct fdb *f, uint16_t port)
{
	return port < DP_PORTS_MAX ? f->port[port].externs : 0;
}

bool
fdb_find(const struct fdb *f, const struct rte_ether_addr *mac, uint16_t fid,
	 struct fdb_entry_info *out)
{
	int64_t index = find(f, fdb_key_make(mac, fid));

	if (index >= 0)
		*out = describe(f, (uint32_t)index);
	return index >= 0;
}

bool
fdb_next(const struct fdb *f, uint32_t *at, struct fdb_entry_info *out)
{
	while (*at < f->high && !f->entry[*at].used)
		++*at;
	if (*at >= f->high)
		return false;
	*out = describe(f, (*at)++);
	return true;
}

void
fdb_walk(struct fdb *f, bool (*fn)(const struct fdb_entry_info *e, void *arg), void *arg)
{
	struct fdb_entry_info info;
	uint32_t at = 0;

	while (fdb_next(f, &at, &info) && fn(&info, arg))
		;
}

void
fdb_listen(struct fdb *f, struct fdb_listener *l)
{
	SLIST_INSERT_HEAD(&f->listeners, l, entry);
}

void
fdb_unlisten(struct fdb *f, struct fdb_listener *l)
{
	SLIST_REMOVE(&f->listeners, l, fdb_listener, entry);
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
	if (fdb_secret.a == 0)
		arc4random_buf(&fdb_secret, sizeof(fdb_secret)); /* once: all tables share it */
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
