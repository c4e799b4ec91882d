/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: control. */
#include "switch/snoop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_random.h>
#include <rte_ring_elem.h>

#include "switch/mcast_build.h"
#include "switch/publish.h"
#include "switch/snoop_table.h"
#include "switch/sw.h"
#include "switch/vlan_table.h"

#define RING_SIZE 4096
#define PORTION 256   /* requests of a round: below a millisecond */
#define ROUND_MS 5    /* from a round to the next */
#define PUBLISH_MS 50 /* from a snapshot for changes of groups to the next */
#define TICK_MS 500
#define BUSY_MS 10 /* while there are queries to be sent */

static const struct snoop_config initial = {
	.querier = true,
	.flood = true,
	.interval_s = SNOOP_INTERVAL,
};

/* --- publication --- */

static void
on_publish(struct ev_timer *timer)
{
	struct snoop *t = container_of(timer, struct snoop, publish);

	t->published_ns = ev_now_ns();
	sw_publish(t->sw);
}

/* Hosts may join and leave as often as they like. */
static void
changed(struct snoop *t)
{
	uint64_t since = (ev_now_ns() - t->published_ns) / SNOOP_NS_PER_MS;

	if (t->sw->loop == NULL)
		sw_publish(t->sw);
	else if (t->publish.loop == NULL)
		ev_timer_arm(t->sw->loop, &t->publish,
			     since >= PUBLISH_MS ? 0 : (uint32_t)(PUBLISH_MS - since));
}

/* --- what workers hear --- */

static const struct mcast_ip no_group; /* of entries for routers */

/*
 * A member is one until it has missed as many queries as may be lost (RFC 3376 8.4), and as long
 * again as hosts may take to answer: another querier may have fallen silent just before.
 */
static uint64_t
lifetime_ns(const struct snoop_config *c)
{
	return (SNOOP_ROBUST * c->interval_s * 1000ull + 2 * SNOOP_RESPONSE_MS) * SNOOP_NS_PER_MS;
}

static struct snoop_entry *
join(struct snoop *t, const struct snoop_req *r, const struct mcast_ip *group,
     const struct snoop_config *c, uint64_t now)
{
	struct snoop_entry *e = snoop_table_find(t, r->fid, group, r->port);

	if (e == NULL) {
		e = snoop_table_add(t, r->fid, group, t->sw->port[r->port]);
		if (e == NULL)
			return NULL;
		changed(t);
	}
	e->asks = 0;
	e->expires_ns = now + lifetime_ns(c);
	if (r->what == SNOOP_JOIN_OLD)
		e->old_ns = e->expires_ns;
	return e;
}

/*
 * The entry ends soon, unless another host behind the port answers within @p resp_ms. One of IGMP
 * version 1 would not: it does not know such queries (RFC 2236 3, 6).
 */
static void
end_soon(struct snoop_entry *e, uint32_t resp_ms, uint64_t now)
{
	uint64_t ms = RTE_MAX(resp_ms, SNOOP_LAST_MS + 0u);

	if (e->old_ns > now)
		return;
	e->expires_ns = RTE_MIN(e->expires_ns, now + SNOOP_ROBUST * ms * SNOOP_NS_PER_MS);
}

/*
 * Another querier asks by itself, and the groups it asks for end soon: queried(). A leave that is
 * one too many to be asked about counts for nothing. Hosts that want no frames of some sources any
 * more are asked whether they want those of others.
 */
static void
leave(struct snoop *t, const struct snoop_req *r, const struct snoop_config *c, uint64_t now)
{
	struct snoop_entry *e = snoop_table_find(t, r->fid, &r->group, r->port);

	t->stats.leaves++;
	if (e == NULL || e->asks != 0 || e->old_ns > now)
		return;
	if (c->fast_leave && r->what == SNOOP_LEAVE) {
		snoop_table_remove(t, e);
		changed(t);
		return;
	}
	if (!querier_is_ours(t, r->fid, r->group.len == 16, now) || !querier_ask_last(t, e, now))
		return;
	e->asks = SNOOP_ROBUST - 1;
	end_soon(e, SNOOP_LAST_MS, now);
}

static bool
is_zero(const struct mcast_ip *ip)
{
	static const uint8_t none[sizeof(ip->addr)];

	return memcmp(ip->addr, none, sizeof(none)) == 0;
}

/* Whether what comes in at a port reaches hosts behind another one. */
static bool
is_heard_at(const struct port *from, const struct port *p)
{
	return p != NULL && p != from && !(from->isolated && p->isolated) &&
	       !(from->tunnel && p->tunnel);
}

/* A router asks who still wants a group: it ends where no host answers. */
static void
ask_for_last(struct snoop *t, const struct snoop_req *r, uint64_t now)
{
	const struct port *from = t->sw->port[r->port];

	for (uint32_t at = snoop_table_group(t, r->fid, &r->group); at < t->n; at++) {
		struct snoop_entry *e = t->entry[at];

		if (snoop_fid_of(e) != r->fid ||
		    memcmp(&e->group, &r->group, sizeof(r->group)) != 0)
			return;
		if (is_heard_at(from, t->sw->port[e->port]))
			end_soon(e, r->max_resp_ms, now);
	}
}

/* A router is behind a port. */
static void
router_heard(struct snoop *t, const struct snoop_req *r, const struct snoop_config *c, uint64_t now)
{
	struct snoop_entry *e = join(t, r, &no_group, c, now);
	int family = r->from.len == 16;

	if (e == NULL)
		return;
	if (e->router[family].len == 0)
		e->router[family] = r->from;
	e->several[family] |= memcmp(&e->router[family], &r->from, sizeof(r->from)) != 0;
}

/* It is none any more (RFC 4286 4): the port has none if it was the only one, in both families. */
static void
router_left(struct snoop *t, const struct snoop_req *r)
{
	struct snoop_entry *e = snoop_table_find(t, r->fid, &no_group, r->port);
	int family = r->from.len == 16;

	if (e == NULL || e->several[family] ||
	    memcmp(&e->router[family], &r->from, sizeof(r->from)) != 0)
		return;
	e->router[family] = no_group;
	if (e->router[!family].len != 0 || e->several[!family])
		return;
	snoop_table_remove(t, e);
	changed(t);
}

/*
 * RFC 4541 2.1.1: a query from 0.0.0.0 is another switch's, which is no router. One that does not
 * reach all ports, or which hosts answer later than they may, does not save asking.
 */
static void
queried(struct snoop *t, const struct snoop_req *r, const struct snoop_config *c, uint64_t now)
{
	t->stats.queries++;
	if (is_zero(&r->from))
		return;
	if (r->group.len == 0 && r->max_resp_ms <= SNOOP_RESPONSE_MS &&
	    !t->sw->port[r->port]->isolated)
		querier_heard(t, r, now);
	router_heard(t, r, c, now);
	if (r->last)
		ask_for_last(t, r, now);
}

static void
hear(struct snoop *t, const struct snoop_req *r, uint64_t now)
{
	uint16_t domain, vlan;
	const struct snoop_config *c = snoop_config_of(t, r->fid, &domain, &vlan);
	const struct port *p = r->port < t->sw->nports ? t->sw->port[r->port] : NULL;

	if (c == NULL || p == NULL)
		return;
	/* a worker may not know of that setting yet */
	if (r->what >= SNOOP_QUERY && port_has_no_mcast_router(p))
		return;
	switch (r->what) {
	case SNOOP_JOIN:
	case SNOOP_JOIN_OLD:
		t->stats.joins++;
		(void)join(t, r, &r->group, c, now);
		return;
	case SNOOP_LEAVE:
	case SNOOP_LEAVE_SOME:
		leave(t, r, c, now);
		return;
	case SNOOP_QUERY:
		queried(t, r, c, now);
		return;
	case SNOOP_BYE:
		router_left(t, r);
		return;
	default:
		router_heard(t, r, c, now);
	}
}

static uint32_t
take_in_some(struct snoop *t)
{
	struct snoop_req r[PORTION];
	uint64_t now = ev_now_ns();
	uint32_t n;

	n = rte_ring_sc_dequeue_burst_elem(t->ring->ring, r, sizeof(r[0]), PORTION, NULL);
	for (uint32_t i = 0; i < n; i++) {
		atomic_fetch_sub_explicit(&t->ring->waiting[r[i].port], 1, memory_order_relaxed);
		hear(t, &r[i], now);
	}
	return n;
}

/* Those that are there now: workers may add others for as long as guests like. */
void
snoop_take_in(struct sw *s)
{
	uint32_t n = s->snoop != NULL ? rte_ring_count(s->snoop->ring->ring) : 0;

	for (uint32_t done = 0; done < n; done += PORTION)
		(void)take_in_some(s->snoop);
}

/* A round; until the next one the workers' requests wait, however many they are. */
static void
on_again(struct ev_timer *timer)
{
	struct snoop *t = container_of(timer, struct snoop, again);

	if (take_in_some(t) == 0) {
		/* pairs with push(): either side sees what the other one has done before */
		atomic_exchange(&t->ring->told, false);
		if (rte_ring_empty(t->ring->ring)) /* nothing was pushed before that */
			return;
	}
	ev_timer_arm(t->sw->loop, &t->again, ROUND_MS);
}

static void
on_event(struct ev_source *src, uint32_t events)
{
	struct snoop *t = container_of(src, struct snoop, event);
	eventfd_t n;

	(void)eventfd_read(t->ring->event_fd, &n);
	if (t->again.loop == NULL)
		on_again(&t->again);
}

/* --- time --- */

/*
 * Ask once more for groups that were left, and forget those not heard of for too long. It may be
 * late for that, but hosts have all of their time to answer.
 */
static bool
is_young(struct snoop *t, struct snoop_entry *e, uint64_t now)
{
	const uint64_t last = SNOOP_LAST_MS * SNOOP_NS_PER_MS;

	if (e->expires_ns <= now)
		return false;
	if (e->asks != 0 && now - e->asked_ns >= last && querier_ask_last(t, e, now)) {
		e->asks--;
		e->expires_ns = RTE_MAX(e->expires_ns, now + last);
	}
	return true;
}

static void
age(struct snoop *t, uint64_t now)
{
	uint32_t n = snoop_table_sift(t, is_young, now);

	t->stats.aged += n;
	if (n != 0)
		changed(t);
}

static bool
pass(struct snoop *t, uint64_t now)
{
	t->nticks++;
	t->asks = 0;
	age(t, now);
	return querier_run(t, now);
}

void
snoop_tick(struct sw *s, uint64_t now_ns)
{
	while (s->snoop != NULL && pass(s->snoop, now_ns))
		;
}

static void
on_tick(struct ev_timer *timer)
{
	struct snoop *t = container_of(timer, struct snoop, tick);

	if (t->non != 0)
		ev_timer_arm(t->sw->loop, timer, pass(t, ev_now_ns()) ? BUSY_MS : TICK_MS);
}

/* --- settings --- */

static struct snoop_ring *
make_ring(const struct snoop *t)
{
	struct snoop_ring *r = calloc(1, sizeof(*r));
	char name[RTE_RING_NAMESIZE];

	if (r == NULL)
		return NULL;
	snprintf(name, sizeof(name), "snoop_%p", (const void *)t);
	r->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->ring = rte_ring_create_elem(name, sizeof(struct snoop_req), RING_SIZE, SOCKET_ID_ANY,
				       RING_F_SC_DEQ);
	return r;
}

static void
free_ring(struct snoop_ring *r)
{
	if (r == NULL)
		return;
	if (r->event_fd >= 0)
		close(r->event_fd);
	rte_ring_free(r->ring);
	free(r);
}

static const struct sw_snooping snooping = {
	.build = mcast_build,
	.forget_port = snoop_forget_port,
};

static struct snoop *
make(struct sw *s)
{
	struct snoop *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->sw = s;
	s->snooping = &snooping;
	t->mac = (struct rte_ether_addr){{0}};
	rte_eth_random_addr(t->mac.addr_bytes);
	t->again.cb = on_again;
	t->tick.cb = on_tick;
	t->publish.cb = on_publish;
	t->ring = make_ring(t);
	if (t->ring != NULL) {
		t->event = (struct ev_source){.fd = t->ring->event_fd, .cb = on_event};
		if (t->ring->event_fd >= 0 && t->ring->ring != NULL &&
		    (s->loop == NULL || ev_add(s->loop, &t->event, EPOLLIN) == 0))
			return t;
	}
	s->snooping = NULL;
	snoop_free(t);
	return NULL;
}

struct snoop_config
snoop_get(const struct sw *s, uint16_t domain)
{
	const struct snoop *t = s->snoop;

	return t != NULL && domain < VLAN_DOMAINS && t->domain[domain] != NULL
		       ? t->domain[domain]->set
		       : initial;
}

static bool
is_fid_snooped(const struct snoop *t, uint16_t fid)
{
	uint16_t domain, vlan;

	return snoop_config_of(t, fid, &domain, &vlan) != NULL;
}

static bool
is_snooped(struct snoop *t, struct snoop_entry *e, uint64_t unused)
{
	return is_fid_snooped(t, snoop_fid_of(e));
}

static void
forget_fids(struct snoop *t)
{
	for (uint32_t fid = 0; fid < RTE_DIM(t->fid); fid++) {
		if (t->fid[fid] == NULL || is_fid_snooped(t, (uint16_t)fid))
			continue;
		free(t->fid[fid]);
		t->fid[fid] = NULL;
	}
}

int
snoop_set(struct sw *s, uint16_t domain, const struct snoop_config *c)
{
	struct snoop *t;
	bool was;

	if (domain >= VLAN_DOMAINS || c->interval_s < SNOOP_INTERVAL_MIN ||
	    c->interval_s > SNOOP_INTERVAL_MAX || c->limit > SNOOP_MAX ||
	    (c->address[0] & 0xe0) == 0xe0)
		return -EINVAL;
	if (s->snoop == NULL)
		s->snoop = make(s);
	t = s->snoop;
	if (t == NULL)
		return -ENOMEM;
	if (t->domain[domain] == NULL)
		t->domain[domain] = calloc(1, sizeof(*t->domain[domain]));
	if (t->domain[domain] == NULL)
		return -ENOMEM;
	was = t->domain[domain]->set.on;
	t->domain[domain]->set = *c;
	t->non += (uint32_t)c->on - was;
	(void)snoop_table_sift(t, is_snooped, 0);
	forget_fids(t);
	sw_publish(s);
	if (t->non != 0 && s->loop != NULL)
		ev_timer_arm(s->loop, &t->tick, 0);
	return 0;
}

void
snoop_set_router(struct port *p, enum snoop_router router)
{
	p->snoop.router = router;
	if (router == SNOOP_ROUTER_NEVER)
		snoop_forget_port(p);
	sw_publish(p->sw);
}

int
snoop_set_limit(struct port *p, uint64_t limit)
{
	if (limit > SNOOP_MAX)
		return -EINVAL;
	p->snoop.limit = (uint32_t)limit;
	return 0;
}

uint32_t
snoop_limit(const struct port *p)
{
	return p->snoop.limit != 0 ? p->snoop.limit : SNOOP_PORT_GROUPS;
}

static bool
is_elsewhere(struct snoop *t, struct snoop_entry *e, uint64_t port)
{
	return e->port != port;
}

void
snoop_forget_port(struct port *p)
{
	struct snoop *t = p->sw->snoop;

	p->snoop.asked = false;
	p->snoop.next = 0;
	if (t == NULL)
		return;
	snoop_take_in(p->sw);
	if (snoop_table_sift(t, is_elsewhere, p->id) != 0)
		changed(t);
	p->snoop.n = 0;
}

/* --- upgrade and display --- */

bool
snoop_restore(struct sw *s, const struct snoop_info *i)
{
	struct snoop_entry *e;
	uint16_t fid;

	if (s->snoop == NULL || i->port >= s->nports || s->port[i->port] == NULL ||
	    vlan_fid(s, i->domain, i->vlan, &fid) != 0 || !is_fid_snooped(s->snoop, fid))
		return false;
	e = snoop_table_find(s->snoop, fid, &i->group, i->port);
	if (e == NULL) {
		e = snoop_table_add(s->snoop, fid, &i->group, s->port[i->port]);
		changed(s->snoop);
	}
	if (e == NULL)
		return false;
	e->expires_ns = ev_now_ns() + i->left_s * 1000 * SNOOP_NS_PER_MS;
	e->several[0] = e->several[1] = i->group.len == 0; /* which ones is not known */
	return true;
}

void
snoop_restore_hosts(struct sw *s, const struct snoop_info *i)
{
	struct snoop_entry *e;
	uint16_t fid;

	if (s->snoop == NULL || vlan_fid(s, i->domain, i->vlan, &fid) != 0)
		return;
	e = snoop_table_find(s->snoop, fid, &i->group, i->port);
	if (e == NULL)
		return;
	e->old_ns = ev_now_ns() + i->old_s * 1000 * SNOOP_NS_PER_MS;
	memcpy(e->router, i->router, sizeof(e->router));
	memcpy(e->several, i->several, sizeof(e->several));
}

static uint32_t
seconds_until(uint64_t ns, uint64_t now)
{
	return ns > now ? (uint32_t)((ns - now) / SNOOP_NS_PER_MS / 1000) : 0;
}

bool
snoop_entry(const struct sw *s, uint32_t at, struct snoop_info *out)
{
	const struct snoop *t = s->snoop;
	const struct snoop_entry *e = t != NULL && at < t->n ? t->entry[at] : NULL;
	uint64_t now = ev_now_ns();

	if (e == NULL)
		return false;
	*out = (struct snoop_info){
		.port = e->port,
		.group = e->group,
		.left_s = seconds_until(e->expires_ns, now),
		.old_s = seconds_until(e->old_ns, now),
		.router = {e->router[0], e->router[1]},
		.several = {e->several[0], e->several[1]},
	};
	vlan_of_fid(s, snoop_fid_of(e), &out->domain, &out->vlan);
	return true;
}

void
snoop_get_stats(const struct sw *s, struct snoop_stats *out)
{
	*out = (struct snoop_stats){0};
	if (s->snoop == NULL)
		return;
	*out = s->snoop->stats;
	out->lost = atomic_load_explicit(&s->snoop->ring->full, memory_order_relaxed);
}

void
snoop_restore_stats(struct sw *s, const struct snoop_stats *from)
{
	struct snoop *t = s->snoop;
	struct snoop_stats entries;

	if (t == NULL)
		return;
	entries = t->stats;
	t->stats = *from;
	t->stats.groups = entries.groups;
	t->stats.routers = entries.routers;
	atomic_fetch_add(&t->ring->full, from->lost);
}

void
snoop_free(struct snoop *t)
{
	if (t == NULL)
		return;
	ev_del(&t->event);
	ev_timer_cancel(&t->again);
	ev_timer_cancel(&t->tick);
	ev_timer_cancel(&t->publish);
	for (uint32_t at = 0; at < t->n; at++)
		free(t->entry[at]);
	for (uint32_t i = 0; i < VLAN_DOMAINS; i++)
		free(t->domain[i]);
	for (uint32_t fid = 0; fid < RTE_DIM(t->fid); fid++)
		free(t->fid[fid]);
	free_ring(t->ring);
	free(t);
}
