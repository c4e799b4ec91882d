/* SPDX-License-Identifier: BSD-3-Clause */
/* Control's half of neigh.h. */
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include <rte_hash.h>
#include <rte_jhash.h>
#include <rte_random.h>
#include <rte_ring_elem.h>

#include "base/counter.h"
#include "switch/rcu_hash.h"
#include "switch/sw.h"
#include "vxlan/neigh_table.h"

#define RING_SIZE 512    /* requests between two rounds of control */
#define PORTION 128      /* requests of a round: well below a millisecond */
#define ROUND_MS 5       /* from a round to the next */
#define SLOTS_SPARE 1024 /* deleted slots wait in rte_hash for a grace period */

/** An address of a station. */
struct local {
	struct evpn_ip ip;
	bool router;
	STAILQ_ENTRY(local) entry;
};

/** A MAC of ours that has addresses. The key comes first. */
struct station {
	fdb_key mac; /* and FID */
	uint16_t port;
	STAILQ_HEAD(, local) locals;
	struct station *next; /* in the list of stations_of() */
};

static int
compare(const void *pa, const void *pb)
{
	const fdb_key a = *(const fdb_key *)pa, b = *(const fdb_key *)pb;

	return a < b ? -1 : a > b;
}

static struct station *
find_station(const struct neigh *t, fdb_key mac)
{
	struct station *const *found = tfind(&mac, &t->stations, compare);

	return found != NULL ? *found : NULL;
}

static struct station *
need_station(struct neigh *t, fdb_key mac, uint16_t port)
{
	struct station *s = find_station(t, mac);

	if (s != NULL)
		return s;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->mac = mac;
	s->port = port;
	STAILQ_INIT(&s->locals);
	if (tsearch(s, &t->stations, compare) == NULL) {
		free(s);
		return NULL;
	}
	return s;
}

static struct neigh_net *
find_net(const struct neigh *t, uint16_t fid)
{
	return atomic_load_explicit(&t->net[fid], memory_order_relaxed);
}

static uint16_t
fid_of(const struct station *s)
{
	return (uint16_t)(s->mac >> 48);
}

static struct evpn_neigh
neigh_of(const struct station *s, const struct local *l)
{
	struct evpn_neigh n = {.router = l->router};

	memcpy(n.mac.addr_bytes, &s->mac, RTE_ETHER_ADDR_LEN);
	return n;
}

/* --- the table --- */

static bool
store(struct neigh *t, uint16_t fid, const struct evpn_ip *ip, uint64_t word)
{
	struct neigh_key k = neigh_key_make(fid, ip);

	return rte_hash_add_key_data(t->hash, &k, (void *)(uintptr_t)word) == 0;
}

static void
erase(struct neigh *t, uint16_t fid, const struct evpn_ip *ip)
{
	struct neigh_key k = neigh_key_make(fid, ip);

	(void)rte_hash_del_key(t->hash, &k);
}

/* --- addresses of ours --- */

static struct local *
find_local(const struct station *s, const struct evpn_ip *ip)
{
	struct local *l;

	STAILQ_FOREACH (l, &s->locals, entry)
		if (evpn_ip_equal(&l->ip, ip))
			return l;
	return NULL;
}

/* The table's entry is the caller's to change. */
static void
drop_local(struct neigh *t, struct station *s, struct local *l)
{
	struct neigh_net *net = find_net(t, fid_of(s));

	STAILQ_REMOVE(&s->locals, l, local, entry);
	t->port[s->port].n--;
	t->ours--;
	if (net != NULL)
		net->ours--;
	free(l);
	if (!STAILQ_EMPTY(&s->locals))
		return;
	tdelete(s, &t->stations, compare);
	free(s);
}

static void
forget_local(struct neigh *t, struct station *s, struct local *l)
{
	uint16_t fid = fid_of(s);
	struct evpn_ip ip = l->ip;

	erase(t, fid, &ip);
	drop_local(t, s, l);
	t->cfg.ours(t->cfg.ctx, fid, &ip, NULL);
}

static void
forget_station(struct neigh *t, struct station *s)
{
	struct local *l, *next;

	for (l = STAILQ_FIRST(&s->locals); l != NULL; l = next) {
		next = STAILQ_NEXT(l, entry); /* the last one frees the station */
		forget_local(t, s, l);
	}
}

/* The table's entry @p word of an address of ours is about to be another's. */
static void
give_up(struct neigh *t, uint16_t fid, const struct evpn_ip *ip, uint64_t word)
{
	const struct evpn_neigh n = neigh_of_word(word);
	struct station *s = find_station(t, fdb_key_make(&n.mac, fid));
	struct local *l = s != NULL ? find_local(s, ip) : NULL;

	if (l != NULL)
		drop_local(t, s, l);
}

static void
leave_remote(struct neigh *t, uint16_t fid)
{
	find_net(t, fid)->remote--;
	t->remote--;
}

static void
meter(struct neigh *t, uint16_t port)
{
	if (!t->port[port].metered)
		bucket_init(&t->port[port].changes, NEIGH_PORT_RATE, 2 * NEIGH_PORT_MAX,
			    bucket_now());
	t->port[port].metered = true;
}

/* Whether a port may have one more address, or another one. */
static bool
may_change(struct neigh *t, uint16_t port)
{
	if (t->port[port].n >= NEIGH_PORT_MAX) {
		t->refused.port_limit++;
		return false;
	}
	meter(t, port);
	if (bucket_take(&t->port[port].changes, bucket_now(), NULL, 1) != 0)
		return true;
	t->refused.rate++;
	return false;
}

static bool
insert(struct neigh *t, struct station *s, const struct evpn_ip *ip, bool router)
{
	struct local *l = calloc(1, sizeof(*l));
	struct evpn_neigh n;

	if (l == NULL)
		return false;
	*l = (struct local){.ip = *ip, .router = router};
	n = neigh_of(s, l);
	if (!store(t, fid_of(s), ip, neigh_word_ours(&n, s->port))) {
		free(l);
		return false;
	}
	STAILQ_INSERT_TAIL(&s->locals, l, entry);
	t->port[s->port].n++;
	t->ours++;
	find_net(t, fid_of(s))->ours++;
	t->cfg.ours(t->cfg.ctx, fid_of(s), ip, &n);
	return true;
}

static void
move_station(struct neigh *t, struct station *s, uint16_t port)
{
	struct evpn_neigh n;
	struct local *l;

	if (s->port == port)
		return;
	STAILQ_FOREACH (l, &s->locals, entry) {
		t->port[s->port].n--;
		t->port[port].n++;
		n = neigh_of(s, l);
		(void)store(t, fid_of(s), &l->ip, neigh_word_ours(&n, port));
	}
	s->port = port;
}

/* The port has the MAC, the address may be another's so far. */
static void
add_local(struct neigh *t, const struct neigh_req *r, bool router)
{
	uint64_t word = neigh_find(t, r->fid, &r->ip);
	struct station *s;

	if (word == 0 && t->ours >= NEIGH_MAX - NEIGH_REMOTE_MAX) {
		t->refused.full++;
		return;
	}
	if (!may_change(t, r->port))
		return;
	if ((word & NEIGH_OURS) != 0)
		give_up(t, r->fid, &r->ip, word);
	else if (word != 0)
		leave_remote(t, r->fid);
	s = need_station(t, fdb_key_make(&r->mac, r->fid), r->port);
	if (s != NULL)
		move_station(t, s, r->port);
	if (s != NULL && insert(t, s, &r->ip, router))
		return;
	t->refused.full++;
	if (s != NULL && STAILQ_EMPTY(&s->locals)) {
		tdelete(s, &t->stations, compare);
		free(s);
	}
	if (word != 0) {
		erase(t, r->fid, &r->ip);
		t->cfg.ours(t->cfg.ctx, r->fid, &r->ip, NULL);
	}
}

static void
set_router(struct neigh *t, struct station *s, struct local *l, bool router)
{
	struct evpn_neigh n;

	if (l->router == router || !may_change(t, s->port))
		return;
	l->router = router;
	n = neigh_of(s, l);
	(void)store(t, fid_of(s), &l->ip, neigh_word_ours(&n, s->port));
	t->cfg.ours(t->cfg.ctx, fid_of(s), &l->ip, &n);
}

/* Whether @p mac is a station's behind @p port. */
static bool
is_behind(const struct neigh *t, const struct rte_ether_addr *mac, uint16_t fid, uint16_t port)
{
	struct fdb_entry_info e;

	return fdb_find(t->cfg.sw->fdb, mac, fid, &e) && e.origin != FDB_EXTERN && e.port == port;
}

static void
take_in(struct neigh *t, const struct neigh_req *r)
{
	struct station *s = find_station(t, fdb_key_make(&r->mac, r->fid));
	struct local *l = s != NULL && s->port == r->port ? find_local(s, &r->ip) : NULL;

	if (find_net(t, r->fid) == NULL)
		return;
	if (!is_behind(t, &r->mac, r->fid, r->port))
		t->refused.unknown++;
	else if (l == NULL)
		add_local(t, r, r->router == NEIGH_ROUTER_YES);
	else if (r->router != NEIGH_ROUTER_UNSAID)
		set_router(t, s, l, r->router == NEIGH_ROUTER_YES);
}

/* A round; until the next one the workers' requests wait, however many they are. */
static void
take_in_some(struct neigh *t)
{
	struct neigh_req r[PORTION] = {0};
	uint32_t n;

	n = rte_ring_sc_dequeue_burst_elem(t->ring, r, sizeof(r[0]), PORTION, NULL);
	if (n != 0)
		fdb_take_in(t->cfg.sw->fdb); /* their MACs may be new, too */
	for (uint32_t i = 0; i < n; i++) {
		atomic_fetch_sub_explicit(&t->waiting[r[i].port], 1, memory_order_relaxed);
		take_in(t, &r[i]);
	}
	if (n != 0) {
		ev_timer_arm(t->cfg.sw->loop, &t->again, ROUND_MS);
		return;
	}
	atomic_store(&t->told, false);
	if (!rte_ring_empty(t->ring)) /* pushed before that */
		ev_timer_arm(t->cfg.sw->loop, &t->again, ROUND_MS);
}

static void
on_event(struct ev_source *src, uint32_t events)
{
	struct neigh *t = container_of(src, struct neigh, event);
	eventfd_t n;

	(void)eventfd_read(t->event_fd, &n);
	if (t->again.loop == NULL)
		take_in_some(t);
}

static void
on_again(struct ev_timer *timer)
{
	take_in_some(container_of(timer, struct neigh, again));
}

void
neigh_mac(struct neigh *t, const struct fdb_entry_info *e, bool there)
{
	struct station *s = find_station(t, fdb_key_make(&e->mac, e->fid));

	if (s == NULL)
		return;
	if (there)
		move_station(t, s, e->port);
	else
		forget_station(t, s);
}

/* --- addresses of other hosts --- */

/* The MAC has come here before its address was withdrawn there: the address is here as well. */
static bool
adopt(struct neigh *t, uint16_t fid, const struct evpn_ip *ip, uint64_t word)
{
	const struct evpn_neigh n = neigh_of_word(word);
	struct neigh_req r = {.ip = *ip, .mac = n.mac, .fid = fid};
	struct fdb_entry_info e;

	if (!fdb_find(t->cfg.sw->fdb, &n.mac, fid, &e) || e.origin != FDB_LEARNED)
		return false;
	r.port = e.port;
	add_local(t, &r, n.router);
	return (neigh_find(t, fid, ip) & NEIGH_OURS) != 0;
}

static void
forget_remote(struct neigh *t, uint16_t fid, const struct evpn_ip *ip)
{
	uint64_t word = neigh_find(t, fid, ip);

	if (word == 0 || (word & NEIGH_OURS) != 0 || adopt(t, fid, ip, word))
		return;
	/* refused, it may have been erased */
	if (neigh_find(t, fid, ip) == 0)
		return;
	erase(t, fid, ip);
	leave_remote(t, fid);
}

bool
neigh_set_remote(struct neigh *t, uint16_t fid, const struct evpn_ip *ip,
		 const struct evpn_neigh *n)
{
	struct neigh_net *net = find_net(t, fid);
	uint64_t word;
	bool one_more;

	if (net == NULL)
		return true;
	if (n == NULL || !rte_is_valid_assigned_ether_addr(&n->mac)) {
		forget_remote(t, fid, ip);
		return true;
	}
	word = neigh_find(t, fid, ip);
	one_more = word == 0 || (word & NEIGH_OURS) != 0;
	if ((word & NEIGH_OURS) != 0) {
		give_up(t, fid, ip, word);
		t->cfg.ours(t->cfg.ctx, fid, ip, NULL);
	}
	if ((one_more && t->remote >= NEIGH_REMOTE_MAX) || !store(t, fid, ip, neigh_word(n))) {
		if ((word & NEIGH_OURS) != 0)
			erase(t, fid, ip);
		t->refused.full++;
		return false;
	}
	if (one_more) {
		net->remote++;
		t->remote++;
	}
	return true;
}

/* --- networks --- */

int
neigh_add_net(struct neigh *t, uint16_t fid)
{
	size_t size = sizeof(struct neigh_net) +
		      RTE_MAX(t->cfg.sw->dp.nworkers, 1u) * sizeof(struct neigh_answers);
	struct neigh_net *net = aligned_alloc(RTE_CACHE_LINE_SIZE,
					      RTE_ALIGN_CEIL(size, (size_t)RTE_CACHE_LINE_SIZE));

	if (net == NULL)
		return -ENOMEM;
	memset(net, 0, size);
	atomic_store_explicit(&t->net[fid], net, memory_order_release);
	return 0;
}

/* The addresses of other hosts in a network. */
static void
erase_remotes(struct neigh *t, uint16_t fid)
{
	struct neigh_key copy; /* deleting it changes the table's */
	uint32_t next = 0;
	const void *key;
	void *data;

	while (rte_hash_iterate(t->hash, &key, &data, &next) >= 0) {
		copy = *(const struct neigh_key *)key;
		if (copy.fid == fid && ((uintptr_t)data & NEIGH_OURS) == 0) {
			(void)rte_hash_del_key(t->hash, &copy);
			leave_remote(t, fid);
		}
	}
}

/** The stations of a network. */
struct found {
	uint16_t fid;
	struct station *first;
};

static void
look_for(const void *node, VISIT which, void *closure)
{
	struct station *s = *(struct station *const *)node;
	struct found *f = closure;

	if (which == preorder || which == endorder || fid_of(s) != f->fid)
		return;
	s->next = f->first;
	f->first = s;
}

static struct station *
stations_of(const struct neigh *t, uint16_t fid)
{
	struct found f = {.fid = fid};

	twalk_r(t->stations, look_for, &f);
	return f.first;
}

void
neigh_retell(struct neigh *t, uint16_t fid)
{
	const struct station *s;
	const struct local *l;

	for (s = stations_of(t, fid); s != NULL; s = s->next)
		STAILQ_FOREACH (l, &s->locals, entry) {
			const struct evpn_neigh n = neigh_of(s, l);

			t->cfg.ours(t->cfg.ctx, fid, &l->ip, &n);
		}
}

struct neigh_net *
neigh_del_net(struct neigh *t, uint16_t fid)
{
	struct neigh_net *net = find_net(t, fid);
	struct station *s, *next;

	if (net == NULL)
		return NULL;
	for (s = stations_of(t, fid); s != NULL; s = next) {
		next = s->next;
		forget_station(t, s);
	}
	erase_remotes(t, fid);
	atomic_store_explicit(&t->net[fid], NULL, memory_order_release);
	return net;
}

/* --- another process goes on --- */

void
neigh_take_in(struct neigh *t)
{
	while (!rte_ring_empty(t->ring))
		take_in_some(t);
}

/** A walk through all stations. */
struct walk {
	void (*fn)(void *arg, uint16_t fid, const struct evpn_ip *ip, const struct evpn_neigh *n);
	void *arg;
	uint32_t port; /* of its stations, ANY */
};

#define ANY UINT32_MAX

static void
walk_one(const void *node, VISIT which, void *closure)
{
	const struct station *s = *(struct station *const *)node;
	const struct walk *w = closure;
	const struct local *l;

	if ((which != postorder && which != leaf) || (w->port != ANY && w->port != s->port))
		return;
	STAILQ_FOREACH (l, &s->locals, entry) {
		const struct evpn_neigh n = neigh_of(s, l);

		w->fn(w->arg, fid_of(s), &l->ip, &n);
	}
}

void
neigh_walk_ours(const struct neigh *t,
		void (*fn)(void *arg, uint16_t fid, const struct evpn_ip *ip,
			   const struct evpn_neigh *n),
		void *arg)
{
	struct walk w = {.fn = fn, .arg = arg, .port = ANY};

	twalk_r(t->stations, walk_one, &w);
}

bool
neigh_restore(struct neigh *t, uint16_t fid, const struct evpn_ip *ip, const struct evpn_neigh *n)
{
	struct fdb_entry_info e;
	struct station *s;

	if (find_net(t, fid) == NULL || neigh_find(t, fid, ip) != 0 ||
	    !fdb_find(t->cfg.sw->fdb, &n->mac, fid, &e) || e.origin == FDB_EXTERN ||
	    t->port[e.port].n >= NEIGH_PORT_MAX || t->ours >= NEIGH_MAX - NEIGH_REMOTE_MAX)
		return false;
	s = need_station(t, fdb_key_make(&n->mac, fid), e.port);
	if (s == NULL)
		return false;
	if (insert(t, s, ip, n->router))
		return true;
	if (STAILQ_EMPTY(&s->locals)) {
		tdelete(s, &t->stations, compare);
		free(s);
	}
	return false;
}

void
neigh_restore_answers(struct neigh *t, uint16_t fid, uint64_t arp, uint64_t nd)
{
	struct neigh_net *net = find_net(t, fid);

	if (net == NULL)
		return;
	counter_add(&net->answers[0].arp, arp);
	counter_add(&net->answers[0].nd, nd);
}

void
neigh_restore_refusals(struct neigh *t, const struct neigh_refusals *r)
{
	t->refused.port_limit += r->port_limit;
	t->refused.rate += r->rate;
	t->refused.unknown += r->unknown;
	t->refused.full += r->full;
}

uint64_t
neigh_get_tat(const struct neigh *t, uint16_t port)
{
	return t->port[port].metered ? atomic_load(&t->port[port].changes.tat) : 0;
}

void
neigh_set_tat(struct neigh *t, uint16_t port, uint64_t tat)
{
	meter(t, port);
	atomic_store(&t->port[port].changes.tat, tat);
}

/* --- a guest migrates --- */

/** A walk for the switch. */
struct telling {
	bool (*fn)(const struct sw_station *i, void *arg);
	void *arg;
	bool over;
};

static void
tell_station(void *arg, uint16_t fid, const struct evpn_ip *ip, const struct evpn_neigh *n)
{
	struct telling *t = arg;
	struct sw_station i = {.mac = n->mac, .fid = fid, .router = n->router, .len = ip->len};

	memcpy(i.addr, ip->addr, sizeof(i.addr));
	t->over = t->over || !t->fn(&i, t->arg);
}

static void
walk_stations(struct sw_stations *s, uint16_t port,
	      bool (*fn)(const struct sw_station *i, void *arg), void *arg)
{
	struct neigh *t = container_of(s, struct neigh, of_guests);
	struct telling telling = {.fn = fn, .arg = arg};
	struct walk w = {.fn = tell_station, .arg = &telling, .port = port};

	neigh_take_in(t); /* addresses that workers have seen and control has not */
	twalk_r(t->stations, walk_one, &w);
}

static void
learn_station(struct sw_stations *s, uint16_t port, const struct sw_station *i)
{
	struct neigh *t = container_of(s, struct neigh, of_guests);
	struct neigh_req r = {.mac = i->mac, .fid = i->fid, .port = port};

	r.router = i->router ? NEIGH_ROUTER_YES : NEIGH_ROUTER_NO;
	if (evpn_ip_set(&r.ip, i->addr, i->len) && evpn_ip_is_host(&r.ip))
		take_in(t, &r);
}

/* --- display --- */

void
neigh_get_stats(const struct neigh *t, uint16_t fid, struct neigh_stats *out)
{
	const struct neigh_net *net = find_net(t, fid);

	*out = (struct neigh_stats){0};
	if (net == NULL)
		return;
	out->ours = net->ours;
	out->remote = net->remote;
	for (uint32_t i = 0; i < RTE_MAX(t->cfg.sw->dp.nworkers, 1u); i++) {
		out->arp += counter_read(&net->answers[i].arp);
		out->nd += counter_read(&net->answers[i].nd);
	}
}

void
neigh_get_refusals(const struct neigh *t, struct neigh_refusals *out)
{
	*out = t->refused;
	out->full += atomic_load_explicit(&t->full, memory_order_relaxed);
}

/* --- life --- */

const struct dp_intercept *
neigh_intercept(const struct neigh *t)
{
	return &t->intercept;
}

static struct rte_hash *
make_hash(struct neigh *t)
{
	const struct rte_hash_parameters par = {
		.entries = NEIGH_MAX + SLOTS_SPARE,
		.key_len = sizeof(struct neigh_key),
		.hash_func = rte_jhash,
		.hash_func_init_val = (uint32_t)rte_rand(), /* guests choose the keys */
		.socket_id = SOCKET_ID_ANY,
	};

	return rcu_hash_new("neigh", t, &par, t->cfg.sw->dp.qsbr);
}

static bool
set_up(struct neigh *t)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "neigh_%p", (void *)t);
	t->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	t->hash = make_hash(t);
	t->ring = rte_ring_create_elem(name, sizeof(struct neigh_req), RING_SIZE, SOCKET_ID_ANY,
				       RING_F_SC_DEQ);
	t->event = (struct ev_source){.fd = t->event_fd, .cb = on_event};
	t->again.cb = on_again;
	t->of_guests = (struct sw_stations){.walk = walk_stations, .learn = learn_station};
	return t->event_fd >= 0 && t->hash != NULL && t->ring != NULL &&
	       ev_add(t->cfg.sw->loop, &t->event, EPOLLIN) == 0;
}

struct neigh *
neigh_new(const struct neigh_config *cfg)
{
	struct neigh *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->cfg = *cfg;
	t->intercept.fn = neigh_forward;
	if (set_up(t)) {
		cfg->sw->stations = &t->of_guests;
		return t;
	}
	neigh_free(t);
	return NULL;
}

static void
free_station(void *node)
{
	struct station *s = node;
	struct local *l;

	while ((l = STAILQ_FIRST(&s->locals)) != NULL) {
		STAILQ_REMOVE_HEAD(&s->locals, entry);
		free(l);
	}
	free(s);
}

void
neigh_free(struct neigh *t)
{
	if (t == NULL)
		return;
	if (t->cfg.sw->stations == &t->of_guests)
		t->cfg.sw->stations = NULL;
	ev_del(&t->event);
	ev_timer_cancel(&t->again);
	tdestroy(t->stations, free_station);
	for (uint32_t fid = 0; fid <= UINT16_MAX; fid++)
		free(atomic_load(&t->net[fid]));
	rte_hash_free(t->hash);
	rte_ring_free(t->ring);
	if (t->event_fd >= 0)
		close(t->event_fd);
	free(t);
}
