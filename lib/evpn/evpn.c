/* SPDX-License-Identifier: BSD-3-Clause */
#include "evpn/evpn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <rte_common.h>

#include "base/ev.h"
#include "base/log.h"
#include "evpn/msg.h"
#include "nl/nl.h"

#define TAG "evpn"
#define REFRESH_MS 100000 /* three times in the time after which the bridge forgets */
#define REPAIR_MS 1000    /* after a refused request, or an interrupted dump */
#define RETELL_PORTION 512

static const uint8_t dumped[] = {AF_BRIDGE, AF_INET, AF_INET6};

struct vni {
	LIST_ENTRY(vni) entry;
	struct evpn *evpn;
	uint32_t vni;
	struct shadow *shadow;
	struct evpn_shadow_ids dev; /* of one that is ready */
	const char *step;           /* that failed, static text; NULL: none did */
	int err;
	bool ready;
};

struct evpn {
	struct ev_loop *loop;
	const struct evpn_ops *ops;
	void *ctx;
	struct nl *requests, *events;
	struct evpn_table *table;
	struct evpn_hops *hops;
	LIST_HEAD(, vni) vnis;
	struct ev_timer refresh, repair, settle;
	uint32_t dump; /* how many of dumped have been answered; all: none is under way */
	bool dump_failed, dump_again;
	bool told;     /* changes since the last settled() */
	bool restored; /* a predecessor may have refreshed addresses long ago */
	struct evpn_stats stats;
	struct log_limit log_limit;
};

/* --- dumps --- */

static void next_dump(struct evpn *e);

static void
on_dumped(void *arg, const struct nlmsghdr *h)
{
	struct evpn *e = arg;

	evpn_table_read(e->table, h);
}

static void
on_dump_end(void *arg, int err)
{
	struct evpn *e = arg;

	e->dump_failed |= err != 0;
	e->dump++;
	next_dump(e);
}

static void
settle_soon(struct evpn *e)
{
	if (e->settle.loop == NULL)
		ev_timer_arm(e->loop, &e->settle, 0);
}

static void
repair_later(struct evpn *e)
{
	if (e->repair.loop == NULL)
		ev_timer_arm(e->loop, &e->repair, REPAIR_MS);
}

static void
end_dump(struct evpn *e)
{
	if (e->dump_failed) {
		e->stats.interrupted++;
		repair_later(e);
		return;
	}
	if (!e->dump_again) {
		evpn_table_sweep(e->table);
		if (e->restored)
			evpn_table_refresh(e->table);
		e->restored = false;
		settle_soon(e);
	}
}

static void start_dump(struct evpn *e);

static void
next_dump(struct evpn *e)
{
	char buf[EVPN_MSG_MAX] __rte_aligned(NLMSG_ALIGNTO);
	const struct nl_answer answer = {.msg = on_dumped, .done = on_dump_end, .arg = e};

	if (e->dump == RTE_DIM(dumped)) {
		end_dump(e);
		if (e->dump_again)
			start_dump(e);
		return;
	}
	if (nl_send(e->events, evpn_msg_dump(buf, dumped[e->dump]), &answer) != 0) {
		e->dump = RTE_DIM(dumped);
		repair_later(e);
	}
}

static void
start_dump(struct evpn *e)
{
	if (e->dump != RTE_DIM(dumped)) {
		e->dump_again = true;
		return;
	}
	e->dump_again = e->dump_failed = false;
	e->dump = 0;
	e->stats.dumps++;
	evpn_table_mark(e->table);
	next_dump(e);
}

/* --- notifications --- */

static void
on_event(void *ctx, const struct nlmsghdr *h)
{
	struct evpn *e = ctx;

	evpn_table_read(e->table, h);
	evpn_hops_read(e->hops, h);
}

static void
on_lost(void *ctx)
{
	struct evpn *e = ctx;

	e->stats.losses++;
	evpn_hops_refresh(e->hops);
	start_dump(e);
}

static void
settle(struct evpn *e)
{
	evpn_table_settle(e->table);
	evpn_hops_settle(e->hops);
	if (e->told && e->ops->settled != NULL)
		e->ops->settled(e->ctx);
	e->told = false;
}

static void
on_idle(void *ctx)
{
	settle(ctx);
}

static void
on_settle(struct ev_timer *t)
{
	settle(container_of(t, struct evpn, settle));
}

static void
on_refresh(struct ev_timer *t)
{
	struct evpn *e = container_of(t, struct evpn, refresh);

	evpn_table_refresh(e->table);
	settle_soon(e);
	ev_timer_arm(e->loop, t, REFRESH_MS);
}

static void
on_repair(struct ev_timer *t)
{
	start_dump(container_of(t, struct evpn, repair));
}

/* --- changes of the tables --- */

static void
tell_remote(void *ctx, uint32_t vni, const struct rte_ether_addr *mac, const struct evpn_ip *vtep)
{
	struct evpn *e = ctx;

	e->told = true;
	e->ops->remote(e->ctx, vni, mac, vtep);
}

static void
tell_flood(void *ctx, uint32_t vni, const struct evpn_ip *vtep, bool on)
{
	struct evpn *e = ctx;

	e->told = true;
	e->ops->flood(e->ctx, vni, vtep, on);
}

static void
tell_neigh(void *ctx, uint32_t vni, const struct evpn_ip *ip, const struct evpn_neigh *n)
{
	struct evpn *e = ctx;

	e->told = true;
	e->ops->neigh(e->ctx, vni, ip, n);
}

/*
 * An entry that is gone already needs no action, and one of a family the kernel is without can
 * never be there; any other difference shows in the next dump.
 */
static void
on_told(void *arg, int err)
{
	struct evpn *e = arg;

	if (err == 0 || err == -ENOENT || err == -ENODEV || err == -EAFNOSUPPORT)
		return;
	e->stats.refused++;
	log_peer(&e->log_limit, TAG, "the kernel refused an address: %s", strerror(-err));
	repair_later(e);
}

static void
tell_kernel(struct evpn *e, const struct nlmsghdr *h)
{
	int err = nl_send(e->requests, h, &(struct nl_answer){.done = on_told, .arg = e});

	if (err != 0)
		on_told(e, err);
}

static void
tell_use(void *ctx, const struct evpn_shadow_ids *dev, const struct rte_ether_addr *mac)
{
	char buf[EVPN_MSG_MAX] __rte_aligned(NLMSG_ALIGNTO);

	tell_kernel(ctx, evpn_msg_use(buf, dev->tap, mac));
}

static void
tell_unuse(void *ctx, const struct evpn_shadow_ids *dev, const struct rte_ether_addr *mac)
{
	char buf[EVPN_MSG_MAX] __rte_aligned(NLMSG_ALIGNTO);

	tell_kernel(ctx, evpn_msg_unuse(buf, dev->tap, mac));
}

static void
tell_stale(void *ctx, const struct evpn_shadow_ids *dev, const struct rte_ether_addr *mac,
	   const struct evpn_ip *vtep)
{
	char buf[EVPN_MSG_MAX] __rte_aligned(NLMSG_ALIGNTO);

	tell_kernel(ctx, evpn_msg_stale(buf, dev->vxlan, mac, vtep));
}

static void
tell_pin(void *ctx, const struct evpn_shadow_ids *dev, const struct evpn_ip *ip,
	 const struct evpn_neigh *n)
{
	char buf[EVPN_MSG_MAX] __rte_aligned(NLMSG_ALIGNTO);

	tell_kernel(ctx, evpn_msg_pin(buf, dev->bridge, ip, n));
}

static const struct evpn_table_ops table_ops = {
	.remote = tell_remote,
	.flood = tell_flood,
	.neigh = tell_neigh,
	.use = tell_use,
	.unuse = tell_unuse,
	.stale = tell_stale,
	.pin = tell_pin,
};

static void
tell_hop(void *ctx, const struct evpn_ip *vtep, const struct evpn_hop *hop)
{
	struct evpn *e = ctx;

	e->told = true;
	e->ops->hop(e->ctx, vtep, hop);
	settle_soon(e);
}

/* --- VNIs --- */

static struct vni *
vni_find(const struct evpn *e, uint32_t vni)
{
	struct vni *v;

	LIST_FOREACH (v, &e->vnis, entry)
		if (v->vni == vni)
			return v;
	return NULL;
}

static bool
same_devices(const struct evpn_shadow_ids *a, const struct evpn_shadow_ids *b)
{
	return a->bridge == b->bridge && a->vxlan == b->vxlan && a->tap == b->tap;
}

/* The tables had entries of these devices before their indices were known here. */
static void
on_ready(void *ctx, const struct evpn_shadow_ids *dev)
{
	struct vni *v = ctx;
	bool known = v->ready && same_devices(&v->dev, dev);
	int err = evpn_table_add_vni(v->evpn->table, v->vni, dev);

	v->ready = err == 0;
	v->dev = *dev;
	v->step = v->ready ? NULL : "follow its tables";
	v->err = err;
	if (v->ready && !known && v->evpn->ops->ready != NULL)
		v->evpn->ops->ready(v->evpn->ctx, v->vni);
	start_dump(v->evpn);
}

static void
on_failed(void *ctx, const char *what, int err)
{
	struct vni *v = ctx;

	v->step = what;
	v->err = err;
	log_peer(&v->evpn->log_limit, TAG, "VNI %u: cannot %s: %s", v->vni, what, strerror(-err));
}

int
evpn_add_vni(struct evpn *e, uint32_t vni, const struct evpn_ip *local, uint16_t port)
{
	struct vni *v;
	int err;

	if (vni_find(e, vni) != NULL)
		return -EEXIST;
	v = calloc(1, sizeof(*v));
	if (v == NULL)
		return -ENOMEM;
	v->evpn = e;
	v->vni = vni;
	v->shadow = shadow_new(&(struct shadow_config){.nl = e->requests,
						       .vni = vni,
						       .local = *local,
						       .port = port,
						       .ready = on_ready,
						       .failed = on_failed,
						       .ctx = v});
	if (v->shadow == NULL) {
		err = -errno;
		free(v);
		return err;
	}
	LIST_INSERT_HEAD(&e->vnis, v, entry);
	return 0;
}

int
evpn_del_vni(struct evpn *e, uint32_t vni)
{
	struct vni *v = vni_find(e, vni);

	if (v == NULL)
		return -ENOENT;
	if (v->ready)
		(void)evpn_table_del_vni(e->table, vni);
	shadow_remove(v->shadow);
	LIST_REMOVE(v, entry);
	free(v);
	settle_soon(e);
	return 0;
}

bool
evpn_vni_devices(const struct evpn *e, uint32_t vni, struct evpn_shadow_ids *out)
{
	const struct vni *v = vni_find(e, vni);

	if (v == NULL || !v->ready)
		return false;
	*out = v->dev;
	return true;
}

int
evpn_restore_vni(struct evpn *e, uint32_t vni, const struct evpn_shadow_ids *dev)
{
	struct vni *v = vni_find(e, vni);
	int err = v != NULL ? evpn_table_add_vni(e->table, vni, dev) : -ENOENT;

	if (err != 0)
		return err;
	v->ready = true;
	v->dev = *dev;
	e->restored = true;
	return 0;
}

int
evpn_restore_entry(struct evpn *e, const struct evpn_facts *f)
{
	return evpn_table_restore(e->table, f);
}

/* --- addresses and VTEPs --- */

int
evpn_have_mac(struct evpn *e, uint32_t vni, const struct rte_ether_addr *mac)
{
	settle_soon(e);
	return evpn_table_have_mac(e->table, vni, mac);
}

void
evpn_lost_mac(struct evpn *e, uint32_t vni, const struct rte_ether_addr *mac)
{
	settle_soon(e);
	evpn_table_lost_mac(e->table, vni, mac);
}

int
evpn_have_ip(struct evpn *e, uint32_t vni, const struct evpn_ip *ip, const struct evpn_neigh *n)
{
	settle_soon(e);
	return evpn_table_have_ip(e->table, vni, ip, n);
}

bool
evpn_retell(struct evpn *e)
{
	bool more;

	settle(e); /* that something is gone is told before it is forgotten that it was there */
	more = evpn_table_retell(e->table, RETELL_PORTION);
	settle(e);
	return more;
}

int
evpn_use_vtep(struct evpn *e, const struct evpn_ip *vtep)
{
	settle_soon(e);
	return evpn_hops_get(e->hops, vtep);
}

void
evpn_drop_vtep(struct evpn *e, const struct evpn_ip *vtep)
{
	evpn_hops_put(e->hops, vtep);
}

void
evpn_restore_hop(struct evpn *e, const struct evpn_ip *vtep, const struct evpn_hop *hop)
{
	evpn_hops_restore(e->hops, vtep, hop);
}

const struct evpn_hop *
evpn_hop(const struct evpn *e, const struct evpn_ip *vtep)
{
	return evpn_hops_find(e->hops, vtep);
}

const struct evpn_table *
evpn_tables(const struct evpn *e)
{
	return e->table;
}

const char *
evpn_why(const struct evpn *e, uint32_t vni, char *buf, size_t len)
{
	const struct vni *v = vni_find(e, vni);
	struct evpn_table_stats st;

	if (v == NULL)
		return "there are no kernel devices for this VNI";
	if (v->step != NULL) {
		snprintf(buf, len, "the kernel devices are not there: cannot %s: %s", v->step,
			 strerror(-v->err));
		return buf;
	}
	if (!v->ready)
		return "the kernel devices are being made";
	if (shadow_why(v->shadow, buf, len) != NULL)
		return buf;
	evpn_table_get_stats(e->table, vni, &st);
	if (st.unknown != 0) {
		snprintf(buf, len, "the kernel has not taken %u of our guests' addresses",
			 st.unknown);
		return buf;
	}
	return NULL;
}

void
evpn_get_stats(const struct evpn *e, struct evpn_stats *out)
{
	*out = e->stats;
}

void
evpn_restore_stats(struct evpn *e, const struct evpn_stats *s)
{
	e->stats.dumps += s->dumps;
	e->stats.losses += s->losses;
	e->stats.interrupted += s->interrupted;
	e->stats.refused += s->refused;
}

/* --- life --- */

static int
open_sockets(struct evpn *e)
{
	static const uint32_t groups[] = {RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_ROUTE,
					  RTNLGRP_IPV6_ROUTE, RTNLGRP_NEXTHOP};
	struct nl_config cfg = {.loop = e->loop, .tag = TAG, .protocol = NETLINK_ROUTE, .ctx = e};

	e->requests = nl_open(&cfg);
	if (e->requests == NULL)
		return -errno;
	cfg.ngroups = RTE_DIM(groups);
	cfg.groups = groups;
	cfg.event = on_event;
	cfg.lost = on_lost;
	cfg.idle = on_idle;
	e->events = nl_open(&cfg);
	return e->events == NULL ? -errno : 0;
}

static int
set_up(struct evpn *e)
{
	int err = open_sockets(e);

	if (err != 0)
		return err;
	e->table = evpn_table_new(&table_ops, e);
	e->hops = evpn_hops_new(
		&(struct evpn_hops_config){.nl = e->requests, .told = tell_hop, .ctx = e});
	if (e->table == NULL || e->hops == NULL)
		return -ENOMEM;
	ev_timer_arm(e->loop, &e->refresh, REFRESH_MS);
	return 0;
}

struct evpn *
evpn_new(struct ev_loop *loop, const struct evpn_ops *ops, void *ctx)
{
	struct evpn *e = calloc(1, sizeof(*e));
	int err;

	if (e == NULL)
		return NULL;
	*e = (struct evpn){.loop = loop,
			   .ops = ops,
			   .ctx = ctx,
			   .dump = RTE_DIM(dumped),
			   .refresh.cb = on_refresh,
			   .repair.cb = on_repair,
			   .settle.cb = on_settle};
	LIST_INIT(&e->vnis);
	err = set_up(e);
	if (err == 0)
		return e;
	evpn_free(e);
	errno = -err;
	return NULL;
}

void
evpn_free(struct evpn *e)
{
	struct vni *v;

	if (e == NULL)
		return;
	ev_timer_cancel(&e->refresh);
	ev_timer_cancel(&e->repair);
	ev_timer_cancel(&e->settle);
	while ((v = LIST_FIRST(&e->vnis)) != NULL) {
		LIST_REMOVE(v, entry);
		shadow_free(v->shadow);
		free(v);
	}
	evpn_hops_free(e->hops);
	evpn_table_free(e->table);
	nl_close(e->events);
	nl_close(e->requests);
	free(e);
}
