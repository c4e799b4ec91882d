/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VNIs that joined EVPN: addresses and VTEPs of other hosts come from the kernel's tables, where a
 * routing daemon puts them; our guests' addresses go there.
 *
 * The addresses behind a VTEP that is new are added when workers know its port: after the one
 * publication for all that was told at once (struct pending).
 *
 * A VTEP has a port as long as it is in the flood list or an address is behind it. Its addresses
 * are FDB_EXTERN entries: they do not age, frames of the VTEP do not change them, a guest of ours
 * that sends from one takes it. The listener tells the kernel so, which then reports it as ours.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "evpn/evpn.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"
#include "switch/vlan_table.h"
#include "vxlan/internal.h"
#include "vxlan/neigh.h"

#define RETRY_MS 10000 /* what did not fit, or was too much, */
#define SOON_MS 100    /* when there is room, */
#define PORTION_MS 5   /* and a portion after the other */
#define NS_PER_MS UINT64_C(1000000)

/* --- to the kernel --- */

const struct vxlan_vni *
vxlan_find_network(const struct vxlan *x, uint16_t fid)
{
	const struct vxlan_tunnel *t;
	const struct vxlan_vni *n;

	STAILQ_FOREACH (t, &x->tunnels, entry)
		STAILQ_FOREACH (n, &t->vnis, entry)
			if (n->evpn && n->fid == fid)
				return n;
	return NULL;
}

/* One guest's addresses must not fill the tables of all hosts. The operator's are not counted. */
static bool
has_too_many(const struct vxlan *x, uint16_t port)
{
	return fdb_port_count(x->cfg.sw->fdb, port) > VXLAN_PORT_MACS;
}

static void
announce(struct vxlan *x, const struct vxlan_vni *n, const struct fdb_entry_info *e)
{
	if (evpn_have_mac(x->evpn, n->vni, &e->mac) == -ENOMEM)
		log_peer(&x->log_limit, TAG, "VNI %u: out of memory for an address of a guest",
			 n->vni);
}

static bool
announce_held_back(const struct fdb_entry_info *e, void *arg)
{
	struct vxlan *x = arg;
	const struct vxlan_vni *n = vxlan_find_network(x, e->fid);

	if (n != NULL && e->origin == FDB_LEARNED && x->held_back[e->port] &&
	    !has_too_many(x, e->port))
		announce(x, n, e);
	return true;
}

/* Ports that had too many addresses may have fewer now. */
static void
on_recount(struct ev_timer *t)
{
	struct vxlan *x = container_of(t, struct vxlan, recount);
	uint32_t fewer = 0, left = 0;

	for (uint16_t port = 0; port < DP_PORTS_MAX; port++)
		if (x->held_back[port])
			*(has_too_many(x, port) ? &left : &fewer) += 1;
	if (fewer != 0)
		fdb_walk(x->cfg.sw->fdb, announce_held_back, x);
	for (uint16_t port = 0; port < DP_PORTS_MAX; port++)
		if (!has_too_many(x, port))
			x->held_back[port] = false;
	if (left != 0)
		ev_timer_arm(x->cfg.sw->loop, t, RETRY_MS);
}

static void
hold_back(struct vxlan *x, const struct vxlan_vni *n, uint16_t port)
{
	log_peer(&x->log_limit, TAG,
		 "VNI %u: port %u has more than %u addresses: those that come are not announced",
		 n->vni, port, VXLAN_PORT_MACS);
	x->held_back[port] = true;
	x->recount.cb = on_recount;
	if (x->recount.loop == NULL)
		ev_timer_arm(x->cfg.sw->loop, &x->recount, RETRY_MS);
}

static void
tell_guest(struct vxlan *x, const struct fdb_entry_info *e, bool there)
{
	const struct vxlan_vni *n = vxlan_find_network(x, e->fid);

	if (n == NULL)
		return;
	neigh_mac(x->neigh, e, there); /* addresses go before their MAC */
	if (x->evpn == NULL)
		return;
	if (!there)
		evpn_lost_mac(x->evpn, n->vni, &e->mac);
	else if (e->origin == FDB_LEARNED && has_too_many(x, e->port))
		hold_back(x, n, e->port);
	else
		announce(x, n, e);
}

/* As neigh_config.ours */
static void
on_ours(void *ctx, uint16_t fid, const struct evpn_ip *ip, const struct evpn_neigh *neigh)
{
	struct vxlan *x = ctx;
	const struct vxlan_vni *n = vxlan_find_network(x, fid);

	if (n != NULL && x->evpn != NULL && evpn_have_ip(x->evpn, n->vni, ip, neigh) == -ENOMEM)
		log_peer(&x->log_limit, TAG, "VNI %u: out of memory for an address of a guest",
			 n->vni);
}

static void
on_learned(struct fdb_listener *l, const struct fdb_entry_info *e, bool there)
{
	tell_guest(container_of(l, struct vxlan, guests), e, there);
}

/** A walk for one network. */
struct one_network {
	struct vxlan *x;
	const struct vxlan_vni *n;
	uint32_t learned[DP_PORTS_MAX]; /* addresses of a port so far, in any network */
};

static bool
tell_one(const struct fdb_entry_info *e, void *arg)
{
	struct one_network *one = arg;
	bool too_many = e->origin == FDB_LEARNED && ++one->learned[e->port] > VXLAN_PORT_MACS;

	if (e->origin == FDB_EXTERN || e->fid != one->n->fid)
		return true;
	if (too_many)
		hold_back(one->x, one->n, e->port);
	else
		announce(one->x, one->n, e);
	return true;
}

/* The kernel can take addresses from now on. */
static void
on_ready(void *ctx, uint32_t vni)
{
	struct vxlan *x = ctx;
	const struct vxlan_vni *n = vxlan_find_vni(x, vni);
	struct one_network one = {.x = x, .n = n};

	if (n == NULL)
		return;
	fdb_walk(x->cfg.sw->fdb, tell_one, &one);
	neigh_retell(x->neigh, n->fid);
}

/* --- from the kernel --- */

static struct vxlan_vni *
find_joined(const struct vxlan *x, uint32_t vni)
{
	struct vxlan_vni *n = vxlan_find_vni(x, vni);

	return n != NULL && n->evpn ? n : NULL;
}

/* All that EVPN has is told once more, in portions; what is refused again waits again. */
static void
on_retry(struct ev_timer *t)
{
	struct vxlan *x = container_of(t, struct vxlan, retry);

	if (x->evpn == NULL)
		return;
	if (!x->retelling)
		x->refused = false;
	x->retelling = evpn_retell(x->evpn);
	if (x->retelling || x->refused)
		ev_timer_arm(x->cfg.sw->loop, t, x->retelling ? PORTION_MS : RETRY_MS);
}

void
vxlan_retry_later(struct vxlan *x)
{
	x->refused = true;
	x->retry.cb = on_retry;
	if (x->retry.loop == NULL)
		ev_timer_arm(x->cfg.sw->loop, &x->retry, RETRY_MS);
}

void
vxlan_retry_soon(struct vxlan *x)
{
	uint64_t soon = ev_now_ns() + SOON_MS * NS_PER_MS;

	if (x->retry.loop != NULL && x->retry.deadline_ns > soon)
		ev_timer_arm(x->cfg.sw->loop, &x->retry, SOON_MS);
}

/* NULL: no room for it, which has been said. */
static struct vxlan_vtep *
need_vtep(struct vxlan *x, struct vxlan_vni *n, const struct evpn_ip *ip)
{
	struct vxlan_vtep *v = vxlan_find_vtep(n, ip);
	char text[EVPN_IP_TEXT];
	const char *why;

	if (v != NULL)
		return v;
	why = vxlan_no_vtep(n->tunnel, ip);
	if (why != NULL) {
		log_peer(&x->log_limit, TAG, "VNI %u: VTEP %s is %s", n->vni,
			 evpn_ip_text(ip, text), why);
		return NULL;
	}
	v = vxlan_add_vtep(x, n, ip, NULL);
	if (v == NULL)
		vxlan_retry_later(x);
	if (v == NULL)
		log_peer(&x->log_limit, TAG, "VNI %u: VTEP %s: %s", n->vni, evpn_ip_text(ip, text),
			 errno == ENOSPC ? "there are too many ports" : strerror(errno));
	return v;
}

/* The address is at no VTEP any more; a guest of ours may have it. */
static void
forget_remote(struct vxlan *x, const struct vxlan_vni *n, const struct rte_ether_addr *mac)
{
	struct fdb_entry_info e;

	if (fdb_find(x->cfg.sw->fdb, mac, n->fid, &e) && e.origin == FDB_EXTERN)
		fdb_del(x->cfg.sw->fdb, mac, n->fid);
	x->lingering = true;
}

/* The address is at @p v, which workers know; NULL: at none. */
static void
set_remote(struct vxlan *x, const struct vxlan_vni *n, const struct rte_ether_addr *mac,
	   const struct vxlan_vtep *v)
{
	int ret;

	if (v == NULL) {
		forget_remote(x, n, mac);
		return;
	}
	ret = fdb_add_extern(x->cfg.sw->fdb, mac, n->fid, v->port->port.id);
	if (ret != 0 && ret != -EEXIST) {
		vxlan_retry_later(x);
		log_peer(&x->log_limit, TAG, "VNI %u: no room for an address: %s", n->vni,
			 strerror(-ret));
	}
	x->lingering = true; /* it may have been the last one at another VTEP */
}

/* All that was put off, after one publication. */
static void
set_pending(struct vxlan *x)
{
	vxlan_commit(x);
	for (uint32_t i = 0; i < x->npending; i++)
		set_remote(x, x->pending[i].n, &x->pending[i].mac, x->pending[i].v);
	x->npending = 0;
}

/* Until the port of the VTEP is published. False: no memory, it has to be now. */
static bool
put_off(struct vxlan *x, const struct vxlan_vni *n, const struct rte_ether_addr *mac,
	const struct vxlan_vtep *v)
{
	if (x->npending == x->pending_max) {
		uint32_t max = RTE_MAX(2 * x->pending_max, 64u);
		struct vxlan_pending *more = realloc(x->pending, max * sizeof(*more));

		if (more == NULL) {
			set_pending(x);
			return false;
		}
		x->pending = more;
		x->pending_max = max;
	}
	x->pending[x->npending++] = (struct vxlan_pending){.n = n, .v = v, .mac = *mac};
	return true;
}

static void
on_remote(void *ctx, uint32_t vni, const struct rte_ether_addr *mac, const struct evpn_ip *vtep)
{
	struct vxlan *x = ctx;
	struct vxlan_vni *n = find_joined(x, vni);
	struct vxlan_vtep *v;

	if (n == NULL || !rte_is_valid_assigned_ether_addr(mac)) /* no station can have it */
		return;
	v = evpn_ip_is_set(vtep) ? need_vtep(x, n, vtep) : NULL;
	/* the order of changes of one address stays */
	if ((!x->changed && x->npending == 0) || !put_off(x, n, mac, v))
		set_remote(x, n, mac, v);
}

static void
on_flood(void *ctx, uint32_t vni, const struct evpn_ip *vtep, bool on)
{
	struct vxlan *x = ctx;
	struct vxlan_vni *n = find_joined(x, vni);
	struct vxlan_vtep *v;

	if (n == NULL)
		return;
	v = on ? need_vtep(x, n, vtep) : vxlan_find_vtep(n, vtep);
	if (v != NULL)
		v->listed = on;
	x->lingering |= !on;
}

/* IP addresses of other hosts' guests, for which requests are answered here. */
static void
on_neigh(void *ctx, uint32_t vni, const struct evpn_ip *ip, const struct evpn_neigh *neigh)
{
	struct vxlan *x = ctx;
	const struct vxlan_vni *n = find_joined(x, vni);

	if (n == NULL || neigh_set_remote(x->neigh, n->fid, ip, neigh))
		return;
	vxlan_retry_later(x);
	log_peer(&x->log_limit, TAG,
		 "VNI %u: no room for an IP address: requests for it are flooded", vni);
}

/* --- VTEPs without a flood list and addresses --- */

static bool
has_addresses(const struct vxlan *x, const struct vxlan_vtep *v)
{
	return fdb_extern_count(x->cfg.sw->fdb, v->port->port.id) != 0;
}

static void
retire_unused(struct vxlan *x, struct vxlan_vni *n)
{
	struct vxlan_vtep *v, *next;

	for (v = STAILQ_FIRST(&n->vteps); v != NULL; v = next) {
		next = STAILQ_NEXT(v, entry);
		if (v->listed || has_addresses(x, v))
			continue;
		STAILQ_REMOVE(&n->vteps, v, vxlan_vtep, entry);
		vxlan_retire_vtep(x, v);
	}
}

static void
on_settled(void *ctx)
{
	struct vxlan *x = ctx;
	struct vxlan_tunnel *t;
	struct vxlan_vni *n;

	if (x->npending != 0)
		set_pending(x);
	if (x->lingering)
		STAILQ_FOREACH (t, &x->tunnels, entry)
			STAILQ_FOREACH (n, &t->vnis, entry)
				if (n->evpn)
					retire_unused(x, n);
	x->lingering = false;
	vxlan_commit(x);
}

const struct evpn_ops vxlan_evpn_ops = {
	.ready = on_ready,
	.remote = on_remote,
	.flood = on_flood,
	.neigh = on_neigh,
	.hop = vxlan_on_hop,
	.settled = on_settled,
};

/* --- begin and end --- */

static int
prepare(struct vxlan *x)
{
	if (x->neigh == NULL)
		x->neigh = neigh_new(
			&(struct neigh_config){.sw = x->cfg.sw, .ours = on_ours, .ctx = x});
	if (x->neigh == NULL)
		return -ENOMEM;
	if (!x->listening) {
		x->guests.fn = on_learned;
		fdb_listen(x->cfg.sw->fdb, &x->guests);
		x->listening = true;
	}
	return 0;
}

int
vxlan_join(struct vxlan *x, struct vxlan_vni *n)
{
	int ret = prepare(x);

	if (ret == 0)
		ret = neigh_add_net(x->neigh, n->fid);
	if (ret != 0 || x->evpn == NULL) /* else a rehearsal */
		return ret;
	ret = evpn_add_vni(x->evpn, n->vni, &n->tunnel->local, n->tunnel->udp_port);
	if (ret != 0)
		vxlan_throw_away(x, neigh_del_net(x->neigh, n->fid));
	return ret;
}

void
vxlan_leave(struct vxlan *x, struct vxlan_vni *n)
{
	vxlan_throw_away(x, neigh_del_net(x->neigh, n->fid));
	if (x->evpn != NULL)
		(void)evpn_del_vni(x->evpn, n->vni);
}

const char *
vxlan_join_why(const struct vxlan *x, const struct vxlan_vni *n, char *buf, size_t len)
{
	const char *why =
		x->evpn != NULL ? evpn_why(x->evpn, n->vni, buf, len) : "the kernel is not asked";

	if (why != NULL || !STAILQ_EMPTY(&n->vteps))
		return why;
	return "no other host announces this VNI: see \"show evpn vni\" of FRR";
}
