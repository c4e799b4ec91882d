/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VNIs that joined EVPN go on in another process: their devices in the kernel with all that is
 * known of the tables, IP addresses, and counts. MAC addresses are in the switch's records.
 *
 * When the successor has read the kernel's tables, entries that are gone or others by then are told
 * as the difference. Addresses of ours stay the kernel's all the time.
 */
#include <errno.h>

#include "evpn/evpn.h"
#include "switch/sw.h"
#include "vxlan/handover.h"
#include "vxlan/neigh.h"

#define ENTRIES_BYTES (1u << 20) /* of a record */

struct joined_data {
	uint32_t vni;
	int32_t bridge, vxlan, tap; /* indices of its devices; 0: they are not made */
	uint64_t arp, nd;           /* requests answered */
};

struct neigh_data {
	uint8_t mac[RTE_ETHER_ADDR_LEN];
	uint8_t router;
};

enum {
	BRIDGE = 0x1,
	BEHIND_TAP = 0x2,
	VXLAN = 0x4,
	MULTIHOMED = 0x8,
	REMOTE = 0x10,
	PINNED = 0x20,
	OURS = 0x40,
	RENEW = 0x80,
	TOLD_ON = 0x100,
};

/** An entry of the tables: struct evpn_facts. */
struct entry_data {
	uint32_t vni;
	uint16_t flags;
	uint8_t kind, zero;
	uint8_t mac[RTE_ETHER_ADDR_LEN];
	struct hand_ip ip, vtep, told_vtep;
	struct neigh_data remote, pinned, ours, told;
	uint8_t pad[3];
};
static_assert(sizeof(struct entry_data) == 96, "layout of the record");

/** An IP address of ours. */
struct ours_data {
	uint32_t vni;
	struct hand_ip ip;
	struct neigh_data neigh;
};
static_assert(sizeof(struct ours_data) == 28, "layout of the record");

struct rate_data {
	uint64_t tat; /* when the next change is due */
	uint16_t port, zero[3];
};

#define REFUSED_RETRY 1u /* something was refused, and is to be told again */

struct refused_data {
	uint64_t port_limit, rate, unknown, full;
	uint64_t flags;
};

/* --- the predecessor --- */

static struct neigh_data
put_neigh(const struct evpn_neigh *n)
{
	struct neigh_data d = {.router = n->router};

	memcpy(d.mac, &n->mac, sizeof(d.mac));
	return d;
}

static void
put_joined(const struct vxlan *x, const struct vxlan_vni *n, struct blob *b)
{
	struct evpn_shadow_ids dev = {0};
	struct neigh_stats s;
	struct joined_data d;

	neigh_get_stats(x->neigh, n->fid, &s);
	if (x->evpn != NULL)
		(void)evpn_vni_devices(x->evpn, n->vni, &dev);
	d = (struct joined_data){.vni = n->vni,
				 .bridge = dev.bridge,
				 .vxlan = dev.vxlan,
				 .tap = dev.tap,
				 .arp = s.arp,
				 .nd = s.nd};
	hand_put(b, VXLAN_HAND_JOINED, &d, sizeof(d));
}

/** A list in the making. */
struct listing {
	const struct vxlan *x;
	struct blob *b;
	struct blob list;
};

static void
add_entry(const struct evpn_facts *f, void *arg)
{
	struct listing *l = arg;
	struct entry_data d = {
		.vni = f->key.vni,
		.flags = (uint16_t)((f->bridge ? BRIDGE : 0) | (f->tap ? BEHIND_TAP : 0) |
				    (f->vxlan ? VXLAN : 0) | (f->multihomed ? MULTIHOMED : 0) |
				    (f->remote ? REMOTE : 0) | (f->pinned ? PINNED : 0) |
				    (f->ours ? OURS : 0) | (f->renew ? RENEW : 0) |
				    (f->told_on ? TOLD_ON : 0)),
		.kind = (uint8_t)f->key.kind,
		.ip = hand_put_ip(&f->key.ip),
		.vtep = hand_put_ip(&f->vtep),
		.told_vtep = hand_put_ip(&f->told_vtep),
		.remote = put_neigh(&f->remote_neigh),
		.pinned = put_neigh(&f->pinned_neigh),
		.ours = put_neigh(&f->our_neigh),
		.told = put_neigh(&f->told_neigh),
	};

	memcpy(d.mac, &f->key.mac, sizeof(d.mac));
	blob_put(&l->list, &d, sizeof(d));
	if (l->list.len >= ENTRIES_BYTES)
		vxlan_put_list(l->b, VXLAN_HAND_ENTRIES, &l->list);
}

static void
add_ours(void *arg, uint16_t fid, const struct evpn_ip *ip, const struct evpn_neigh *neigh)
{
	struct listing *l = arg;
	const struct vxlan_vni *n = vxlan_find_network(l->x, fid);
	struct ours_data d = {.ip = hand_put_ip(ip), .neigh = put_neigh(neigh)};

	if (n == NULL)
		return;
	d.vni = n->vni;
	blob_put(&l->list, &d, sizeof(d));
}

static void
put_rates(const struct vxlan *x, struct blob *b)
{
	struct blob list = {0};
	struct rate_data d = {0};

	for (uint16_t port = 0; port < DP_PORTS_MAX; port++) {
		d.port = port;
		d.tat = neigh_get_tat(x->neigh, port);
		if (d.tat != 0)
			blob_put(&list, &d, sizeof(d));
	}
	vxlan_put_list(b, VXLAN_HAND_RATES, &list);
}

static void
put_refused(const struct vxlan *x, struct blob *b)
{
	struct neigh_refusals r;
	struct refused_data d;

	vxlan_refusals(x, &r);
	d = (struct refused_data){.port_limit = r.port_limit,
				  .rate = r.rate,
				  .unknown = r.unknown,
				  .full = r.full,
				  .flags = x->retry.loop != NULL ? REFUSED_RETRY : 0};
	hand_put(b, VXLAN_HAND_REFUSED, &d, sizeof(d));
}

void
vxlan_hand_over_joined(const struct vxlan *x, struct blob *b)
{
	struct listing l = {.x = x, .b = b};
	const struct vxlan_tunnel *t;
	const struct vxlan_vni *n;

	if (x->neigh == NULL)
		return;
	STAILQ_FOREACH (t, &x->tunnels, entry)
		STAILQ_FOREACH (n, &t->vnis, entry)
			if (n->evpn)
				put_joined(x, n, b);
	if (x->evpn != NULL)
		evpn_table_save(evpn_tables(x->evpn), add_entry, &l);
	vxlan_put_list(b, VXLAN_HAND_ENTRIES, &l.list);
	neigh_walk_ours(x->neigh, add_ours, &l);
	vxlan_put_list(b, VXLAN_HAND_NEIGHS, &l.list);
	put_rates(x, b);
	put_refused(x, b);
}

/* --- the successor --- */

static struct evpn_neigh
get_neigh(const struct neigh_data *d)
{
	struct evpn_neigh n = {.router = d->router != 0};

	memcpy(&n.mac, d->mac, sizeof(d->mac));
	return n;
}

/* One there need not be; false: it is neither an address nor none. */
static bool
get_ip_or_none(const struct hand_ip *d, struct evpn_ip *ip)
{
	*ip = (struct evpn_ip){0};
	return d->len == 0 || hand_get_ip(d, ip);
}

static struct vxlan_vni *
find_joined(const struct vxlan *x, uint32_t vni)
{
	struct vxlan_vni *n = vxlan_find_vni(x, vni);

	return n != NULL && n->evpn && x->neigh != NULL ? n : NULL;
}

static const char *
take_vni(struct vxlan *x, const struct hand_record *h)
{
	struct joined_data d;
	const struct vxlan_vni *n;
	struct evpn_shadow_ids dev;

	if (!hand_get(h, &d, sizeof(d)))
		return "a VNI that joined EVPN is too short";
	n = find_joined(x, d.vni);
	if (n == NULL)
		return "a VNI that did not join EVPN";
	neigh_restore_answers(x->neigh, n->fid, d.arp, d.nd);
	dev = (struct evpn_shadow_ids){.bridge = d.bridge, .vxlan = d.vxlan, .tap = d.tap};
	if (d.bridge == 0 || x->evpn == NULL)
		return NULL;
	return evpn_restore_vni(x->evpn, d.vni, &dev) == 0
		       ? NULL
		       : "the kernel devices of a VNI cannot be another's";
}

static bool
get_entry(const struct entry_data *d, struct evpn_facts *f)
{
	*f = (struct evpn_facts){
		.key = {.vni = d->vni, .kind = (int)d->kind},
		.bridge = d->flags & BRIDGE,
		.tap = d->flags & BEHIND_TAP,
		.vxlan = d->flags & VXLAN,
		.multihomed = d->flags & MULTIHOMED,
		.remote = d->flags & REMOTE,
		.pinned = d->flags & PINNED,
		.remote_neigh = get_neigh(&d->remote),
		.pinned_neigh = get_neigh(&d->pinned),
		.ours = d->flags & OURS,
		.renew = d->flags & RENEW,
		.our_neigh = get_neigh(&d->ours),
		.told_on = d->flags & TOLD_ON,
		.told_neigh = get_neigh(&d->told),
	};
	memcpy(&f->key.mac, d->mac, sizeof(d->mac));
	return d->kind <= EVPN_ENTRY_IP && get_ip_or_none(&d->ip, &f->key.ip) &&
	       evpn_ip_is_set(&f->key.ip) == (d->kind != EVPN_ENTRY_MAC) &&
	       get_ip_or_none(&d->vtep, &f->vtep) && get_ip_or_none(&d->told_vtep, &f->told_vtep);
}

static const char *
take_entry(struct vxlan *x, const struct entry_data *d)
{
	const struct vxlan_vni *n = find_joined(x, d->vni);
	struct evpn_facts f;
	int ret;

	if (n == NULL || !get_entry(d, &f))
		return "an entry that cannot be, or of a VNI that did not join EVPN";
	ret = x->evpn != NULL ? evpn_restore_entry(x->evpn, &f) : 0;
	if (ret != 0)
		return ret == -ENOMEM ? "out of memory" : "an entry of devices that are not made";
	/* without room it is told once more: see vxlan_retry_later() */
	if (f.key.kind == EVPN_ENTRY_IP && f.told_on)
		(void)neigh_set_remote(x->neigh, n->fid, &f.key.ip, &f.told_neigh);
	return NULL;
}

static const char *
take_entries(struct vxlan *x, const struct hand_record *h)
{
	const char *why = NULL;
	struct entry_data d;

	if (h->r.len % sizeof(d) != 0)
		return "a list of entries has an impossible length";
	for (uint32_t i = 0; why == NULL && hand_get_item(h, i, &d, sizeof(d)); i++)
		why = take_entry(x, &d);
	return why;
}

static const char *
take_neighs(struct vxlan *x, const struct hand_record *h)
{
	const struct vxlan_vni *n;
	struct evpn_neigh neigh;
	struct evpn_ip ip;
	struct ours_data d;

	if (h->r.len % sizeof(d) != 0)
		return "a list of IP addresses has an impossible length";
	for (uint32_t i = 0; hand_get_item(h, i, &d, sizeof(d)); i++) {
		n = find_joined(x, d.vni);
		if (n == NULL || !hand_get_ip(&d.ip, &ip))
			return "an IP address that is none, or of a VNI that did not join EVPN";
		neigh = get_neigh(&d.neigh);
		(void)neigh_restore(x->neigh, n->fid, &ip, &neigh);
	}
	return NULL;
}

static const char *
take_rates(struct vxlan *x, const struct hand_record *h)
{
	struct rate_data d;

	if (h->r.len % sizeof(d) != 0)
		return "a list of rates has an impossible length";
	for (uint32_t i = 0; hand_get_item(h, i, &d, sizeof(d)); i++) {
		if (d.port >= DP_PORTS_MAX || x->neigh == NULL)
			return "the rate of a port that cannot be";
		neigh_set_tat(x->neigh, d.port, d.tat);
	}
	return NULL;
}

static const char *
take_refused(struct vxlan *x, const struct hand_record *h)
{
	struct refused_data d;

	if (!hand_get(h, &d, sizeof(d)))
		return "the counters of refused addresses are too short";
	if (x->neigh != NULL)
		neigh_restore_refusals(x->neigh,
				       &(struct neigh_refusals){.port_limit = d.port_limit,
								.rate = d.rate,
								.unknown = d.unknown,
								.full = d.full});
	if ((d.flags & REFUSED_RETRY) != 0)
		vxlan_retry_later(x);
	return NULL;
}

const char *
vxlan_take_joined(struct vxlan *x, const struct hand_record *h)
{
	static const char *(*const take[])(struct vxlan * x, const struct hand_record *h) = {
		[VXLAN_HAND_JOINED - VXLAN_HAND_FIRST] = take_vni,
		[VXLAN_HAND_ENTRIES - VXLAN_HAND_FIRST] = take_entries,
		[VXLAN_HAND_NEIGHS - VXLAN_HAND_FIRST] = take_neighs,
		[VXLAN_HAND_RATES - VXLAN_HAND_FIRST] = take_rates,
		[VXLAN_HAND_REFUSED - VXLAN_HAND_FIRST] = take_refused,
	};

	return take[h->r.type - VXLAN_HAND_FIRST](x, h);
}
