/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Entries are nodes of one ordered tree (tsearch(3)); those that changed since the last
 * evpn_table_settle() are in a list.
 */
#include "evpn/table.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <rte_common.h>

enum kind { MAC = EVPN_ENTRY_MAC, FLOOD = EVPN_ENTRY_FLOOD, IP = EVPN_ENTRY_IP };

/* The port of the bridge an address is behind. */
enum behind { NO_PORT, TAP, VXLAN };

struct key {
	uint32_t vni;
	enum kind kind;
	struct rte_ether_addr mac; /* of MAC */
	struct evpn_ip ip;         /* of FLOOD and IP */
};

/* A fact of the kernel's and the dump or time it was last heard in. */
struct heard {
	uint32_t mark;
	bool is; /* the entry exists */
};

struct item {
	struct key key; /* first member: what the tree compares */
	struct vni *vni;
	/* the kernel's facts */
	struct heard bridge; /* MAC: the bridge's table */
	enum behind behind;
	struct heard vxlan; /* MAC: the VXLAN device's table; FLOOD */
	bool multihomed;
	struct evpn_ip vtep;
	struct heard remote; /* IP: by a routing daemon */
	struct evpn_neigh remote_neigh;
	struct heard pinned; /* IP: by us */
	struct evpn_neigh pinned_neigh;
	/* ours */
	bool ours, renew; /* a guest has it; the kernel is to be sent it again */
	struct evpn_neigh our_neigh;
	/* as told to the switch */
	struct evpn_ip told_vtep;
	bool told_on;
	struct evpn_neigh told_neigh;
	bool dirty;
	TAILQ_ENTRY(item) changed; /* while dirty */
	LIST_ENTRY(item) all;
};

struct vni {
	uint32_t vni;
	bool ended;
	struct evpn_shadow_ids dev;
	LIST_ENTRY(vni) entry;
};

struct evpn_table {
	const struct evpn_table_ops *ops;
	void *ctx;
	void *tree;
	TAILQ_HEAD(, item) changed;
	LIST_HEAD(, item) all;
	struct item *retell; /* the first one of the next portion, NULL: of all */
	LIST_HEAD(, vni) vnis;
	uint32_t mark;
	uint64_t told, stale, lost_updates;
};

/* --- entries --- */

static int
compare(const void *pa, const void *pb)
{
	const struct key *a = pa, *b = pb;

	if (a->vni != b->vni)
		return a->vni < b->vni ? -1 : 1;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->kind == MAC)
		return memcmp(&a->mac, &b->mac, sizeof(a->mac));
	return evpn_ip_cmp(&a->ip, &b->ip);
}

static struct item *
find(const struct evpn_table *t, const struct key *k)
{
	struct item *const *found = tfind(k, &t->tree, compare);

	return found != NULL ? *found : NULL;
}

static struct item *
find_or_make(struct evpn_table *t, struct vni *v, const struct key *k)
{
	struct item *e = find(t, k);

	if (e != NULL)
		return e;
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return NULL;
	e->key = *k;
	e->vni = v;
	if (tsearch(e, &t->tree, compare) == NULL) {
		free(e);
		return NULL;
	}
	LIST_INSERT_HEAD(&t->all, e, all);
	return e;
}

static void
set_dirty(struct evpn_table *t, struct item *e)
{
	if (e->dirty)
		return;
	e->dirty = true;
	TAILQ_INSERT_TAIL(&t->changed, e, changed);
}

/* The tree's comparison looks at the keys only, which come first in an entry. */
static void
drop(struct evpn_table *t, struct item *e)
{
	tdelete(e, &t->tree, compare);
	if (t->retell == e)
		t->retell = LIST_NEXT(e, all);
	LIST_REMOVE(e, all);
	free(e);
}

/* --- VNIs --- */

static struct vni *
vni_any(const struct evpn_table *t, uint32_t vni)
{
	struct vni *v;

	LIST_FOREACH (v, &t->vnis, entry)
		if (v->vni == vni)
			return v;
	return NULL;
}

static struct vni *
vni_find(const struct evpn_table *t, uint32_t vni)
{
	struct vni *v = vni_any(t, vni);

	return v != NULL && !v->ended ? v : NULL;
}

static struct vni *
vni_of_device(const struct evpn_table *t, int ifindex)
{
	struct vni *v;

	LIST_FOREACH (v, &t->vnis, entry)
		if (!v->ended &&
		    (v->dev.bridge == ifindex || v->dev.vxlan == ifindex || v->dev.tap == ifindex))
			return v;
	return NULL;
}

static bool
devices_free(const struct evpn_table *t, const struct vni *self, const struct evpn_shadow_ids *dev)
{
	const int ids[] = {dev->bridge, dev->vxlan, dev->tap};
	const struct vni *v;

	for (size_t i = 0; i < RTE_DIM(ids); i++) {
		v = vni_of_device(t, ids[i]);
		if (v != NULL && v != self)
			return false;
	}
	return true;
}

/* Forget the kernel's facts about devices that are gone. */
static void
forget_facts(struct evpn_table *t, const struct vni *v)
{
	struct item *e;

	LIST_FOREACH (e, &t->all, all) {
		if (e->vni != v)
			continue;
		e->bridge.is = e->vxlan.is = e->remote.is = e->pinned.is = false;
		e->renew = e->ours;
		set_dirty(t, e);
	}
}

int
evpn_table_add_vni(struct evpn_table *t, uint32_t vni, const struct evpn_shadow_ids *dev)
{
	struct vni *v = vni_any(t, vni); /* a VNI that was ended but not yet settled goes on */

	if (!devices_free(t, v, dev))
		return -EEXIST;
	if (v == NULL) {
		v = calloc(1, sizeof(*v));
		if (v == NULL)
			return -ENOMEM;
		v->vni = vni;
		LIST_INSERT_HEAD(&t->vnis, v, entry);
	} else if (memcmp(&v->dev, dev, sizeof(*dev)) != 0) {
		forget_facts(t, v);
	}
	v->dev = *dev;
	v->ended = false;
	return 0;
}

int
evpn_table_del_vni(struct evpn_table *t, uint32_t vni)
{
	struct vni *v = vni_find(t, vni);
	struct item *e;

	if (v == NULL)
		return -ENOENT;
	forget_facts(t, v);
	LIST_FOREACH (e, &t->all, all)
		if (e->vni == v)
			e->ours = e->renew = false;
	v->ended = true;
	return 0;
}

/* --- the kernel's facts --- */

static void
hear(const struct evpn_table *t, struct heard *h, bool is)
{
	h->mark = t->mark;
	h->is = is;
}

/* The latest message counts: an address is behind one port of a bridge at a time. */
static void
hear_bridge(struct evpn_table *t, struct item *e, const struct evpn_nb *nb)
{
	enum behind behind = nb->ifindex == e->vni->dev.tap ? TAP : VXLAN;

	/* of two messages about a move the deletion may come last, and is of the former port */
	if (nb->gone && e->bridge.is && e->behind != behind)
		return;
	hear(t, &e->bridge, !nb->gone);
	e->behind = behind;
}

static void
hear_vxlan(struct evpn_table *t, struct item *e, const struct evpn_nb *nb)
{
	if (nb->gone && e->vxlan.is && e->key.kind == MAC && !nb->multihomed &&
	    !evpn_ip_equal(&e->vtep, &nb->dst))
		return; /* the entry of the former VTEP */
	hear(t, &e->vxlan, !nb->gone);
	e->multihomed = nb->multihomed;
	e->vtep = nb->dst;
}

static void
hear_remote(struct evpn_table *t, struct item *e, const struct evpn_nb *nb)
{
	hear(t, &e->remote, !nb->gone);
	e->remote_neigh = (struct evpn_neigh){.mac = nb->mac, .router = nb->router};
	if (!nb->gone)
		e->pinned.is = false; /* there is one entry of an address */
}

/* A deletion does not say whose entry it was: there was one. */
static void
hear_local(struct evpn_table *t, struct item *e, const struct evpn_nb *nb)
{
	hear(t, &e->pinned, !nb->gone);
	e->pinned_neigh = (struct evpn_neigh){.mac = nb->mac, .router = nb->router};
	e->remote.is = false;
	e->renew |= nb->gone && e->ours;
}

/* By table of a message: the entry it is about, and the function that records it. */
static const struct {
	enum kind kind;
	void (*hear)(struct evpn_table *t, struct item *e, const struct evpn_nb *nb);
} tables[] = {
	[EVPN_NB_BRIDGE] = {MAC, hear_bridge}, [EVPN_NB_VXLAN] = {MAC, hear_vxlan},
	[EVPN_NB_FLOOD] = {FLOOD, hear_vxlan}, [EVPN_NB_REMOTE] = {IP, hear_remote},
	[EVPN_NB_LOCAL] = {IP, hear_local},
};

/* Whether the message comes from the device of @p v whose table it says it is of. */
static bool
right_device(const struct vni *v, const struct evpn_nb *nb)
{
	switch (nb->table) {
	case EVPN_NB_BRIDGE:
		return nb->ifindex == v->dev.tap || nb->ifindex == v->dev.vxlan;
	case EVPN_NB_VXLAN:
	case EVPN_NB_FLOOD:
		return nb->ifindex == v->dev.vxlan;
	default:
		return nb->ifindex == v->dev.bridge;
	}
}

void
evpn_table_read(struct evpn_table *t, const struct nlmsghdr *h)
{
	struct evpn_nb nb;
	struct item *e;
	struct vni *v;
	struct key k;

	evpn_msg_read(h, &nb);
	if (nb.table == EVPN_NB_OTHER)
		return;
	v = vni_of_device(t, nb.ifindex);
	if (v == NULL || !right_device(v, &nb))
		return;
	k = (struct key){.vni = v->vni, .kind = tables[nb.table].kind};
	if (k.kind == MAC)
		k.mac = nb.mac;
	else
		k.ip = nb.dst;
	e = nb.gone ? find(t, &k) : find_or_make(t, v, &k);
	if (e == NULL) {
		t->lost_updates += !nb.gone;
		return;
	}
	tables[nb.table].hear(t, e, &nb);
	set_dirty(t, e);
}

void
evpn_table_mark(struct evpn_table *t)
{
	t->mark++;
}

static bool
not_heard(const struct evpn_table *t, struct heard *h)
{
	if (!h->is || h->mark == t->mark)
		return false;
	h->is = false;
	return true;
}

void
evpn_table_sweep(struct evpn_table *t)
{
	struct item *e;
	bool any;

	LIST_FOREACH (e, &t->all, all) {
		any = not_heard(t, &e->bridge);
		any |= not_heard(t, &e->vxlan);
		any |= not_heard(t, &e->remote);
		any |= not_heard(t, &e->pinned);
		if (any || e->ours)
			set_dirty(t, e);
	}
}

/* --- our guests' facts --- */

static struct item *
our_entry(struct evpn_table *t, const struct key *k, int *err)
{
	struct vni *v = vni_find(t, k->vni);
	struct item *e = v != NULL ? find_or_make(t, v, k) : NULL;

	*err = v == NULL ? -ENOENT : e == NULL ? -ENOMEM : 0;
	return e;
}

int
evpn_table_have_mac(struct evpn_table *t, uint32_t vni, const struct rte_ether_addr *mac)
{
	struct key k = {.vni = vni, .kind = MAC, .mac = *mac};
	int err;
	struct item *e = our_entry(t, &k, &err);

	if (e == NULL)
		return err;
	e->ours = e->renew = true;
	set_dirty(t, e);
	return 0;
}

void
evpn_table_lost_mac(struct evpn_table *t, uint32_t vni, const struct rte_ether_addr *mac)
{
	struct key k = {.vni = vni, .kind = MAC, .mac = *mac};
	struct item *e = find(t, &k);

	if (e == NULL || !e->ours)
		return;
	e->ours = e->renew = false;
	set_dirty(t, e);
}

int
evpn_table_have_ip(struct evpn_table *t, uint32_t vni, const struct evpn_ip *ip,
		   const struct evpn_neigh *n)
{
	struct key k = {.vni = vni, .kind = IP, .ip = *ip};
	int err = 0;
	struct item *e = n != NULL ? our_entry(t, &k, &err) : find(t, &k);

	if (e == NULL)
		return err;
	e->ours = n != NULL;
	e->renew = false;
	if (n != NULL)
		e->our_neigh = *n;
	set_dirty(t, e);
	return 0;
}

void
evpn_table_refresh(struct evpn_table *t)
{
	struct item *e;

	LIST_FOREACH (e, &t->all, all) {
		if (!e->ours || e->key.kind != MAC || (e->bridge.is && e->behind == VXLAN))
			continue;
		e->renew = true;
		set_dirty(t, e);
	}
}

bool
evpn_table_retell(struct evpn_table *t, uint32_t most)
{
	struct item *e = t->retell != NULL ? t->retell : LIST_FIRST(&t->all);

	for (; e != NULL && most != 0; e = LIST_NEXT(e, all)) {
		if (e->ours)
			continue;
		e->told_vtep = (struct evpn_ip){0};
		e->told_on = false;
		set_dirty(t, e);
		most--;
	}
	t->retell = e;
	return e != NULL;
}

/* --- settling --- */

/* An address that is not said to be at one VTEP is flooded to, never sent to one of several. */
static struct evpn_ip
vtep_of(const struct item *e)
{
	bool at_one = e->bridge.is && e->behind == VXLAN && e->vxlan.is && !e->multihomed;

	return at_one ? e->vtep : (struct evpn_ip){0};
}

static void
settle_mac(struct evpn_table *t, struct item *e)
{
	struct evpn_ip vtep = vtep_of(e);
	const struct evpn_shadow_ids *dev = &e->vni->dev;

	/* a guest that moved here and has sent a frame is here; the kernel's entry is older */
	if (e->ours && e->renew)
		vtep = (struct evpn_ip){0};
	if (!evpn_ip_equal(&vtep, &e->told_vtep)) {
		e->told_vtep = vtep;
		t->told++;
		t->ops->remote(t->ctx, e->key.vni, &e->key.mac, &vtep);
	}
	if (e->vni->ended)
		return;
	/* neither here nor elsewhere: it has aged, or the kernel never had it */
	if (e->ours && (e->renew || !e->bridge.is)) {
		t->ops->use(t->ctx, dev, &e->key.mac);
		e->behind = TAP; /* not remote until the next message */
	} else if (!e->ours && e->bridge.is && e->behind == TAP) {
		t->ops->unuse(t->ctx, dev, &e->key.mac);
	}
	e->renew = false;
	/*
	 * zebra leaves it when an address becomes local, and after its own restart takes it for a
	 * reason to delete the local one
	 */
	if (e->bridge.is && e->behind == TAP && e->vxlan.is && evpn_ip_is_set(&e->vtep)) {
		e->vxlan.is = false;
		t->stale++;
		t->ops->stale(t->ctx, dev, &e->key.mac, &e->vtep);
	}
}

static void
settle_flood(struct evpn_table *t, struct item *e)
{
	if (e->vxlan.is == e->told_on)
		return;
	e->told_on = e->vxlan.is;
	t->told++;
	t->ops->flood(t->ctx, e->key.vni, &e->key.ip, e->told_on);
}

static void
settle_ip(struct evpn_table *t, struct item *e)
{
	bool same = evpn_neigh_equal(&e->told_neigh, &e->remote_neigh);

	if (e->remote.is != e->told_on || (e->remote.is && !same)) {
		e->told_on = e->remote.is;
		e->told_neigh = e->remote_neigh;
		t->told++;
		t->ops->neigh(t->ctx, e->key.vni, &e->key.ip, e->told_on ? &e->told_neigh : NULL);
	}
	if (e->vni->ended)
		return;
	if (e->ours && (!e->pinned.is || !evpn_neigh_equal(&e->pinned_neigh, &e->our_neigh)))
		t->ops->pin(t->ctx, &e->vni->dev, &e->key.ip, &e->our_neigh);
	else if (!e->ours && e->pinned.is)
		t->ops->pin(t->ctx, &e->vni->dev, &e->key.ip, NULL);
	e->renew = false;
}

static bool
is_empty(const struct item *e)
{
	return !e->bridge.is && !e->vxlan.is && !e->remote.is && !e->pinned.is && !e->ours;
}

static void
free_ended(struct evpn_table *t)
{
	struct vni *v, *next;

	for (v = LIST_FIRST(&t->vnis); v != NULL; v = next) {
		next = LIST_NEXT(v, entry);
		if (!v->ended)
			continue;
		LIST_REMOVE(v, entry);
		free(v);
	}
}

void
evpn_table_settle(struct evpn_table *t)
{
	static void (*const settle[])(struct evpn_table * t, struct item * e) =
		{[MAC] = settle_mac, [FLOOD] = settle_flood, [IP] = settle_ip};
	struct item *e;

	while ((e = TAILQ_FIRST(&t->changed)) != NULL) {
		TAILQ_REMOVE(&t->changed, e, changed);
		e->dirty = false;
		settle[e->key.kind](t, e);
		/* what it was told for may have led to one more change of it */
		if (!e->dirty && is_empty(e))
			drop(t, e);
	}
	free_ended(t); /* all their entries were dirty and are empty */
}

/* --- life, display --- */

struct evpn_table *
evpn_table_new(const struct evpn_table_ops *ops, void *ctx)
{
	struct evpn_table *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->ops = ops;
	t->ctx = ctx;
	TAILQ_INIT(&t->changed);
	LIST_INIT(&t->all);
	LIST_INIT(&t->vnis);
	return t;
}

void
evpn_table_free(struct evpn_table *t)
{
	struct item *e;
	struct vni *v;

	if (t == NULL)
		return;
	while ((e = LIST_FIRST(&t->all)) != NULL)
		drop(t, e);
	while ((v = LIST_FIRST(&t->vnis)) != NULL) {
		LIST_REMOVE(v, entry);
		free(v);
	}
	free(t);
}

static enum evpn_place
place_of(const struct item *e)
{
	if (e->key.kind == MAC && e->bridge.is)
		return e->behind == TAP ? EVPN_HERE : EVPN_REMOTE;
	if (e->key.kind == IP && (e->remote.is || e->pinned.is))
		return e->remote.is ? EVPN_REMOTE : EVPN_HERE;
	return EVPN_NOWHERE;
}

static void
describe(const struct item *e, struct evpn_entry_info *out)
{
	*out = (struct evpn_entry_info){
		.vni = e->key.vni,
		.kind = (int)e->key.kind,
		.place = place_of(e),
		.ours = e->ours,
		.multihomed = e->vxlan.is && e->multihomed,
		.mac = e->key.mac,
		.ip = e->key.kind == MAC ? e->told_vtep : e->key.ip,
	};
	if (e->key.kind == IP)
		out->mac = e->remote.is ? e->remote_neigh.mac : e->our_neigh.mac;
}

bool
evpn_table_find_mac(const struct evpn_table *t, uint32_t vni, const struct rte_ether_addr *mac,
		    struct evpn_entry_info *out)
{
	const struct key k = {.vni = vni, .kind = MAC, .mac = *mac};
	const struct item *e = find(t, &k);

	if (e != NULL)
		describe(e, out);
	return e != NULL;
}

/* --- another process goes on --- */

void
evpn_table_save(const struct evpn_table *t, void (*fn)(const struct evpn_facts *f, void *arg),
		void *arg)
{
	const struct item *e;

	LIST_FOREACH (e, &t->all, all) {
		const struct evpn_facts f = {
			.key = {.vni = e->key.vni,
				.kind = (int)e->key.kind,
				.mac = e->key.mac,
				.ip = e->key.ip},
			.bridge = e->bridge.is,
			.tap = e->behind == TAP,
			.vxlan = e->vxlan.is,
			.multihomed = e->multihomed,
			.remote = e->remote.is,
			.pinned = e->pinned.is,
			.vtep = e->vtep,
			.remote_neigh = e->remote_neigh,
			.pinned_neigh = e->pinned_neigh,
			.ours = e->ours,
			.renew = e->renew,
			.our_neigh = e->our_neigh,
			.told_on = e->told_on,
			.told_vtep = e->told_vtep,
			.told_neigh = e->told_neigh,
		};

		fn(&f, arg);
	}
}

int
evpn_table_restore(struct evpn_table *t, const struct evpn_facts *f)
{
	const struct key k = {.vni = f->key.vni,
			      .kind = (enum kind)f->key.kind,
			      .mac = f->key.mac,
			      .ip = f->key.ip};
	int err;
	struct item *e = our_entry(t, &k, &err);

	if (e == NULL)
		return err;
	hear(t, &e->bridge, f->bridge);
	hear(t, &e->vxlan, f->vxlan);
	hear(t, &e->remote, f->remote);
	hear(t, &e->pinned, f->pinned);
	e->behind = f->tap ? TAP : f->bridge ? VXLAN : NO_PORT;
	e->multihomed = f->multihomed;
	e->vtep = f->vtep;
	e->remote_neigh = f->remote_neigh;
	e->pinned_neigh = f->pinned_neigh;
	e->ours = f->ours;
	e->renew = f->renew;
	e->our_neigh = f->our_neigh;
	e->told_on = f->told_on;
	e->told_vtep = f->told_vtep;
	e->told_neigh = f->told_neigh;
	set_dirty(t, e);
	return 0;
}

struct walk {
	const struct evpn_table *t;
	bool (*fn)(const struct evpn_entry_info *e, void *arg);
	void *arg;
	bool ended;
};

static void
walk_one(const void *node, VISIT which, void *closure)
{
	const struct item *e = *(const struct item *const *)node;
	struct evpn_entry_info info;
	struct walk *w = closure;

	if (w->ended || (which != postorder && which != leaf))
		return;
	describe(e, &info);
	w->ended = !w->fn(&info, w->arg);
}

void
evpn_table_walk(const struct evpn_table *t, bool (*fn)(const struct evpn_entry_info *e, void *arg),
		void *arg)
{
	struct walk w = {.t = t, .fn = fn, .arg = arg};

	twalk_r(t->tree, walk_one, &w);
}

static void
count(const struct item *e, struct evpn_table_stats *out)
{
	enum evpn_place place = place_of(e);

	switch (e->key.kind) {
	case MAC:
		out->here += e->ours && place == EVPN_HERE;
		out->remote += evpn_ip_is_set(&e->told_vtep);
		out->unknown += e->ours && place == EVPN_NOWHERE;
		break;
	case FLOOD:
		out->flood += e->vxlan.is;
		break;
	case IP:
		out->ip_here += e->ours && e->pinned.is;
		out->ip_remote += e->remote.is;
		break;
	}
}

void
evpn_table_get_stats(const struct evpn_table *t, uint32_t vni, struct evpn_table_stats *out)
{
	const struct item *e;

	*out = (struct evpn_table_stats){.told = t->told,
					 .stale = t->stale,
					 .lost_updates = t->lost_updates};
	LIST_FOREACH (e, &t->all, all)
		if (vni == 0 || e->key.vni == vni)
			count(e, out);
}
