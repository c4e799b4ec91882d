/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * The entries of the forwarding database: learned, aged, evicted, set.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <rte_hash.h>
#include <rte_ring_elem.h>

#include "base/log.h"
#include "switch/fdb_table.h"

#define AGE_PORTION 65536             /* entries fdb_maintain() looks at, */
#define AGED_PORTION 512              /* and removes, at once; likewise of those that leave */
#define EVICTED_NS UINT64_C(50000000) /* after which evicted addresses in use are learned anew */
#define SECOND_CHANCES 8              /* entries in use that eviction passes over */

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

	f->evicted_from = FDB_PORT_NONE;
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

/* --- which entries are behind a port --- */

static void
list_append(struct fdb *f, struct fdb_list *l, uint32_t index)
{
	struct fdb_entry *e = &f->entry[index];

	e->prev = l->tail;
	e->next = FDB_NO_ENTRY;
	*(l->tail != FDB_NO_ENTRY ? &f->entry[l->tail].next : &l->head) = index;
	l->tail = index;
	f->nports = RTE_MAX(f->nports, (uint16_t)(e->port + 1));
}

static void
list_remove(struct fdb *f, struct fdb_list *l, uint32_t index)
{
	const struct fdb_entry *e = &f->entry[index];

	*(e->prev != FDB_NO_ENTRY ? &f->entry[e->prev].next : &l->head) = e->next;
	*(e->next != FDB_NO_ENTRY ? &f->entry[e->next].prev : &l->tail) = e->prev;
}

static void
list_add(struct fdb *f, uint32_t index)
{
	struct fdb_entry *e = &f->entry[index];
	struct fdb_port *p = &f->port[e->port];

	if (e->origin == FDB_EXTERN) {
		list_append(f, &p->foreign, index);
		p->externs++;
		f->externs++;
	}
	if (e->origin != FDB_LEARNED)
		return;
	e->listed_s = atomic_load_explicit(&f->now_s, memory_order_relaxed);
	e->era = p->era;
	list_append(f, &p->learned, index);
	p->count++;
}

static void
list_del(struct fdb *f, uint32_t index)
{
	const struct fdb_entry *e = &f->entry[index];
	struct fdb_port *p = &f->port[e->port];

	if (e->origin == FDB_EXTERN) {
		list_remove(f, &p->foreign, index);
		p->externs--;
		f->externs--;
	}
	if (e->origin != FDB_LEARNED)
		return;
	list_remove(f, &p->learned, index);
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
 * A decision that is remembered sends frames for what is evicted to where it was until the epoch is
 * over. That is wrong only once the address may have been learned somewhere else.
 */
static void
note_evicted(struct fdb *f, uint16_t port)
{
	const bool first = f->evicted_from == FDB_PORT_NONE;

	f->evicted_from = first || f->evicted_from == port ? port : DP_PORTS_MAX;
}

/*
 * Make room for an entry of @p port. The unit of damage is the port: the one with the most entries
 * loses one that has not been in use for long. False: there are static ones only.
 */
static bool
evict(struct fdb *f, uint16_t port)
{
	const struct fdb_port *p = &f->port[fullest(f, port)];
	uint32_t index = p->learned.head;

	if (p->count == 0)
		return false;
	for (int i = 0; i < SECOND_CHANCES; i++) {
		uint32_t seen = atomic_load_explicit(&f->seen_s[index], memory_order_relaxed);

		if (seen == f->entry[index].listed_s || p->leaving != 0)
			break;
		list_del(f, index);
		list_add(f, index);
		index = p->learned.head;
	}
	note_evicted(f, f->entry[index].port);
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

/*
 * Learn an address. True: what workers remember is wrong now. They remember nothing of an address
 * that was in no entry: guests that make up addresses are not to make the frames of others dear.
 */
static bool
learn(struct fdb *f, const struct fdb_req *r, bool *learned)
{
	uint16_t port = (uint16_t)r->port;
	int64_t index = find(f, r->key);

	*learned = false;
	if (index >= 0) {
		*learned = move(f, (uint32_t)index, port);
		return *learned;
	}
	if (port_is_full(f, port)) {
		f->stats.refused_port_limit++;
		return false;
	}
	if (insert(f, r->key, port, FDB_LEARNED) != 0) {
		f->stats.refused_limit++;
		return false;
	}
	f->stats.learned++;
	*learned = true;
	return f->evicted_from != FDB_PORT_NONE && f->evicted_from != port;
}

/* Take in some of what a worker pushed; returns how many, and whether that changed anything. */
static uint32_t
drain_one(struct fdb *f, uint32_t worker, uint32_t most, bool *changed)
{
	struct fdb_req req[64];
	bool learned;
	uint32_t n = rte_ring_sc_dequeue_burst_elem(f->learner[worker].ring, req, sizeof(req[0]),
						    RTE_MIN(most, RTE_DIM(req)), NULL);

	for (uint32_t i = 0; i < n; i++)
		*changed |= learn(f, &req[i], &learned);
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
			remove_entry(f, f->port[i].learned.head);
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
	changed |= f->evicted_from != FDB_PORT_NONE && now_ns - f->epoch_ns >= EVICTED_NS;
	if (changed) {
		fdb_new_epoch(f);
		f->epoch_ns = now_ns;
	}
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

	if (f->leaving != 0 || f->evicted_from != FDB_PORT_NONE ||
	    (f->ageing_s != 0 && f->age_next < f->high))
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
	bool learned;

	if (port >= DP_PORTS_MAX || !rte_is_valid_assigned_ether_addr(mac))
		return false;
	if (learn(f, &r, &learned))
		fdb_new_epoch(f);
	return learned;
}

bool
fdb_restore(struct fdb *f, const struct fdb_entry_info *e)
{
	uint32_t now = atomic_load_explicit(&f->now_s, memory_order_relaxed);
	int64_t index;

	if (e->origin == FDB_EXTERN ? fdb_add_extern(f, &e->mac, e->fid, e->port) != 0
				    : !fdb_learn(f, &e->mac, e->fid, e->port))
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
	if (index >= 0 || f->evicted_from != FDB_PORT_NONE)
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

/*
 * Make room for another control plane's entry of @p port. The unit of damage is the port here, too:
 * the one with the most loses one, unless @p port would have as many then. False: it would.
 */
static bool
evict_extern(struct fdb *f, uint16_t port)
{
	uint16_t most = port;

	for (uint16_t i = 0; i < f->nports; i++)
		if (f->port[i].externs > f->port[most].externs)
			most = i;
	if (f->port[most].externs <= f->port[port].externs + 1)
		return false;
	note_evicted(f, most);
	remove_entry(f, f->port[most].foreign.head);
	f->stats.evicted++;
	return true;
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
	if (f->externs >= f->limit / 2 && (index < 0 || f->entry[index].origin != FDB_EXTERN) &&
	    !evict_extern(f, port)) {
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
	for (; port < DP_PORTS_MAX && f->port[port].learned.head != FDB_NO_ENTRY; n++)
		remove_entry(f, f->port[port].learned.head);
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

/* Have all that was learned behind the port leave. Returns the number. */
static uint32_t
begin_leaving(struct fdb *f, uint16_t port)
{
	struct fdb_port *p = &f->port[port];
	uint32_t n = p->count - p->leaving;

	f->leaving += n;
	p->leaving = p->count;
	p->era++;
	return n;
}

void
fdb_forget_port(struct fdb *f, uint16_t port)
{
	fdb_take_in(f);
	begin_leaving(f, port);
	remove_leaving(f);
	fdb_new_epoch(f);
}

uint32_t
fdb_forget_all(struct fdb *f)
{
	uint32_t n = 0;

	fdb_take_in(f);
	for (uint16_t i = 0; i < f->nports; i++)
		n += begin_leaving(f, i);
	remove_leaving(f);
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

/* It is used, and not about to be removed. */
static bool
is_there(const struct fdb *f, const struct fdb_entry *e)
{
	return e->used && (e->origin != FDB_LEARNED || e->era == f->port[e->port].era);
}

bool
fdb_next(const struct fdb *f, uint32_t *at, struct fdb_entry_info *out)
{
	while (*at < f->high && !is_there(f, &f->entry[*at]))
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
