/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tunnels go on in another process. Tunnels and VNIs are part of the configuration; VTEPs keep the
 * numbers of their ports, since addresses are behind those, and their next hops, so that frames
 * have a way before the kernel has been asked for it.
 */
#include "vxlan/handover.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "evpn/evpn.h"
#include "switch/sw_ports.h"
#include "vxlan/neigh.h"

enum { TYPE_COUNTERS = VXLAN_HAND_PORT }; /* for ever */

#define VTEP_LISTED 1u

/** A VTEP; a record has all of them. */
struct vtep_data {
	uint32_t vni;
	uint16_t port;
	uint8_t flags;
	struct hand_ip ip;
};
static_assert(sizeof(struct vtep_data) == 24, "layout of the record");

/** The next hop of a VTEP, which is known. */
struct hop_data {
	struct hand_ip ip, via;
	struct rte_ether_addr src, dst;
	uint16_t zero;
	int32_t ifindex;
	uint32_t mtu;
};
static_assert(sizeof(struct hop_data) == 56, "layout of the record");

struct kernel_data {
	uint64_t dumps, losses, interrupted, refused;
};

/* --- the predecessor --- */

/** Calls @p fn for each VTEP of all VNIs. */
static void
each_vtep(const struct vxlan *x,
	  void (*fn)(const struct vxlan *x, const struct vxlan_vni *n, const struct vxlan_vtep *v,
		     void *arg),
	  void *arg)
{
	const struct vxlan_tunnel *t;
	const struct vxlan_vtep *v;
	const struct vxlan_vni *n;

	STAILQ_FOREACH (t, &x->tunnels, entry)
		STAILQ_FOREACH (n, &t->vnis, entry)
			STAILQ_FOREACH (v, &n->vteps, entry)
				fn(x, n, v, arg);
}

static void
note_vtep(const struct vxlan *x, const struct vxlan_vni *n, const struct vxlan_vtep *v, void *arg)
{
	struct vtep_data d = {.vni = n->vni,
			      .port = v->port->port.id,
			      .flags = v->listed ? VTEP_LISTED : 0,
			      .ip = hand_put_ip(&v->ip)};

	blob_put(arg, &d, sizeof(d));
}

/* Of a VTEP that is one of several VNIs it comes as often, and is the same. */
static void
note_hop(const struct vxlan *x, const struct vxlan_vni *n, const struct vxlan_vtep *v, void *arg)
{
	const struct evpn_hop *hop = v->followed ? evpn_hop(x->evpn, &v->ip) : NULL;
	struct hop_data d;

	if (hop == NULL || hop->why != NULL)
		return;
	d = (struct hop_data){.ip = hand_put_ip(&v->ip),
			      .via = hand_put_ip(&hop->via),
			      .src = hop->src,
			      .dst = hop->dst,
			      .ifindex = hop->ifindex,
			      .mtu = hop->mtu};
	blob_put(arg, &d, sizeof(d));
}

void
vxlan_put_list(struct blob *b, uint16_t type, struct blob *list)
{
	if (list->failed)
		b->failed = true;
	else if (list->len != 0)
		hand_put(b, type, list->data, list->len);
	blob_free(list);
}

void
vxlan_hand_over(struct vxlan *x, struct blob *b)
{
	struct blob list = {0};
	struct evpn_stats s;
	struct kernel_data d;

	if (STAILQ_EMPTY(&x->tunnels))
		return;
	if (x->neigh != NULL)
		neigh_take_in(x->neigh);
	each_vtep(x, note_vtep, &list);
	vxlan_put_list(b, VXLAN_HAND_VTEPS, &list);
	each_vtep(x, note_hop, &list);
	vxlan_put_list(b, VXLAN_HAND_HOPS, &list);
	vxlan_kernel_stats(x, &s);
	d = (struct kernel_data){s.dumps, s.losses, s.interrupted, s.refused};
	hand_put(b, VXLAN_HAND_KERNEL, &d, sizeof(d));
}

/* --- the successor --- */

/** VTEPs of here, compared with a record one after the other. */
struct comparison {
	const struct hand_record *h;
	uint32_t n;
	bool same;
};

static void
compare(const struct vxlan *x, const struct vxlan_vni *n, const struct vxlan_vtep *v, void *arg)
{
	struct comparison *c = arg;
	struct vtep_data d;
	struct evpn_ip ip;

	c->same = c->same && hand_get_item(c->h, c->n++, &d, sizeof(d)) && d.vni == n->vni &&
		  d.port == v->port->port.id && hand_get_ip(&d.ip, &ip) &&
		  evpn_ip_equal(&ip, &v->ip);
}

static void
retire_all(struct vxlan *x)
{
	struct vxlan_tunnel *t;
	struct vxlan_vtep *v;
	struct vxlan_vni *n;

	STAILQ_FOREACH (t, &x->tunnels, entry)
		STAILQ_FOREACH (n, &t->vnis, entry)
			while ((v = STAILQ_FIRST(&n->vteps)) != NULL) {
				STAILQ_REMOVE_HEAD(&n->vteps, entry);
				vxlan_retire_vtep(x, v);
			}
	vxlan_commit(x);
}

static const char *
take_vtep(struct vxlan *x, const struct vtep_data *d)
{
	struct vxlan_vni *n = vxlan_find_vni(x, d->vni);
	struct vxlan_vtep *v;
	struct evpn_ip ip;

	if (n == NULL || !hand_get_ip(&d->ip, &ip) || vxlan_no_vtep(n->tunnel, &ip) != NULL)
		return "a VTEP of no VNI, or that is none";
	v = vxlan_find_vtep(n, &ip);
	if (v == NULL)
		v = vxlan_add_vtep(x, n, &ip, &d->port);
	if (v == NULL)
		return errno == ENOMEM ? "out of memory" : "a VTEP that there is no port for";
	v->listed = d->flags & VTEP_LISTED;
	return v->port->port.id == d->port ? NULL : "the number of a VTEP's port is another's";
}

static const char *
take_vteps(struct vxlan *x, const struct hand_record *h)
{
	struct comparison c = {.h = h, .same = true};
	const char *why = NULL;
	struct vtep_data d;

	if (h->r.len % sizeof(d) != 0)
		return "a list of VTEPs has an impossible length";
	/* those of the configuration have numbers in its order, which need not be theirs */
	each_vtep(x, compare, &c);
	if (!c.same)
		retire_all(x);
	for (uint32_t i = 0; why == NULL && hand_get_item(h, i, &d, sizeof(d)); i++)
		why = take_vtep(x, &d);
	vxlan_commit(x);
	return why;
}

static const char *
take_hops(struct vxlan *x, const struct hand_record *h)
{
	struct evpn_hop hop;
	struct hop_data d;
	struct evpn_ip ip;

	if (h->r.len % sizeof(d) != 0)
		return "a list of next hops has an impossible length";
	for (uint32_t i = 0; hand_get_item(h, i, &d, sizeof(d)); i++) {
		hop = (struct evpn_hop){.ifindex = d.ifindex,
					.src = d.src,
					.dst = d.dst,
					.mtu = d.mtu};
		if (!hand_get_ip(&d.ip, &ip) || !hand_get_ip(&d.via, &hop.via) || d.ifindex <= 0 ||
		    !rte_is_valid_assigned_ether_addr(&hop.dst))
			return "a next hop that is none";
		if (x->evpn != NULL)
			evpn_restore_hop(x->evpn, &ip, &hop);
	}
	return NULL;
}

static const char *
take_kernel(struct vxlan *x, const struct hand_record *h)
{
	struct kernel_data d;

	if (!hand_get(h, &d, sizeof(d)))
		return "the counters of the exchange with the kernel are too short";
	if (x->evpn != NULL)
		evpn_restore_stats(x->evpn, &(struct evpn_stats){.dumps = d.dumps,
								 .losses = d.losses,
								 .interrupted = d.interrupted,
								 .refused = d.refused});
	return NULL;
}

const char *
vxlan_take_over(struct vxlan *x, const struct hand_record *h)
{
	if (h->r.type == VXLAN_HAND_VTEPS)
		return take_vteps(x, h);
	if (h->r.type == VXLAN_HAND_HOPS)
		return take_hops(x, h);
	if (h->r.type == VXLAN_HAND_KERNEL)
		return take_kernel(x, h);
	if (h->r.type <= VXLAN_HAND_LAST)
		return vxlan_take_joined(x, h);
	return (h->r.flags & BLOB_MUST_KNOW) ? "a record about tunnels is not known here" : NULL;
}

void
vxlan_run(struct vxlan *x)
{
	if (STAILQ_EMPTY(&x->tunnels))
		return;
	vxlan_set_ways(x);
	x->changed = x->lingering = true;
	vxlan_commit(x);
}

/* --- the port of a VTEP --- */

static struct vtep *
to_vtep(const struct port *p)
{
	return (struct vtep *)(uintptr_t)p;
}

static const char *
against(const struct port *p)
{
	return NULL;
}

/* Its queues are of the port below and of the workers, which stop with that one. */
static void
stop(struct port *p)
{
}

static void
save(struct port *p, struct blob *b)
{
	const struct vtep *v = to_vtep(p);

	for (uint16_t i = 0; i < v->nrx; i++)
		port_put_counters(p, TYPE_COUNTERS, 0, i, b);
	for (uint16_t i = 0; i < v->ntx; i++)
		port_put_counters(p, TYPE_COUNTERS, 1, i, b);
}

/* There may be fewer workers here: the last one's account has those of the rest. */
static const char *
take_counters(struct vtep *v, const struct hand_record *h)
{
	struct port_counters_head x;
	struct pktq *q;

	if (!port_get_counters_head(h, &x))
		return "counters of a queue that cannot be";
	q = vtep_queue(v, x.tx, x.tx == 0 && x.index >= v->nrx ? v->nrx - 1 : x.index);
	if (q == NULL)
		return "out of memory";
	return port_add_counters(h, &q->stats);
}

static const char *
load(struct port *p, const struct hand_record *h)
{
	if (h->r.type == TYPE_COUNTERS)
		return take_counters(to_vtep(p), h);
	if (h->r.type < VXLAN_HAND_PORT)
		return "a port is not of the kind its predecessor was";
	return (h->r.flags & BLOB_MUST_KNOW) ? "a record about a VTEP is not known here" : NULL;
}

static void
run(struct port *p)
{
}

const struct port_handover_ops vtep_handover = {
	.against = against,
	.stop = stop,
	.save = save,
	.load = load,
	.run = run,
};
