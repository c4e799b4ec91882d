/* SPDX-License-Identifier: BSD-3-Clause */
#include "virtio/save.h"

#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_common.h>

#include "base/blob.h"
#include "base/ev.h"
#include "base/log.h"
#include "switch/port_ct.h"
#include "switch/port_limits.h"
#include "switch/snoop.h"
#include "switch/stations.h"
#include "switch/sw.h"
#include "switch/vlan_table.h"

enum { TYPE_LIMITS = VDEV_SAVE_OWNER, TYPE_ADDRESSES, TYPE_IPS };

#define LOCKED 1u /* limits_data.flags */

static struct log_limit log_limit; /* of all ports together */

/* Little-endian. Later versions may append to it. */
struct limits_data {
	uint32_t fdb; /* learned addresses, 0: any number; so are the rates */
	uint32_t flags;
	uint64_t pps, bps, storm;
	uint8_t nmac, zero[7];
	struct rte_ether_addr mac[LIMIT_MACS_MAX];
};
static_assert(sizeof(struct limits_data) == 40 + 6 * LIMIT_MACS_MAX, "wire format");

/** One of any number. */
struct address_data {
	struct rte_ether_addr mac;
	uint16_t vlan; /* the tag the guest sends it with, 0: none */
};
static_assert(sizeof(struct address_data) == 8, "wire format");

/** Before those of TYPE_IPS. */
struct ips_head {
	uint32_t item; /* bytes of one: later versions may append to each */
	uint32_t zero;
};
static_assert(sizeof(struct ips_head) == 8, "wire format");

#define ROUTER 1u /* ip_data.flags */

/** One of at most VIRTIO_SAVE_IPS. */
struct ip_data {
	struct address_data of;
	uint8_t addr[16]; /* network order */
	uint8_t len;      /* of it: 4 or 16 */
	uint8_t flags;
	uint8_t zero[6];
};
static_assert(sizeof(struct ip_data) == 32, "wire format");

struct ip_collection {
	const struct port *port;
	struct ips_head head;
	struct ip_data data[VIRTIO_SAVE_IPS];
	uint32_t n;
};

struct collection {
	const struct port *port;
	uint32_t n;
	struct address_data data[VIRTIO_SAVE_ADDRESSES];
};

/*
 * An address moves as the guest knows it, with the tag it sends it with. The bridge, and the
 * VLAN of an access port, may have other numbers on another host. False: it is not in the bridge.
 */
static bool
put_address(const struct port *p, const struct rte_ether_addr *mac, uint16_t fid,
	    struct address_data *out)
{
	uint16_t domain, vlan;

	vlan_of_fid(p->sw, fid, &domain, &vlan);
	if (vlan == p->vlan.native)
		vlan = 0;
	*out = (struct address_data){.mac = *mac, .vlan = rte_cpu_to_le_16(vlan)};
	return domain == p->domain;
}

static bool
collect(const struct fdb_entry_info *e, void *arg)
{
	struct collection *c = arg;

	if (e->port == c->port->id && e->origin == FDB_LEARNED &&
	    put_address(c->port, &e->mac, e->fid, &c->data[c->n]))
		c->n++;
	return c->n < RTE_DIM(c->data);
}

static bool
collect_ip(const struct sw_station *i, void *arg)
{
	struct ip_collection *c = arg;
	struct ip_data *d = &c->data[c->n];

	*d = (struct ip_data){.len = i->len, .flags = i->router ? ROUTER : 0};
	memcpy(d->addr, i->addr, sizeof(d->addr));
	if (put_address(c->port, &i->mac, i->fid, &d->of))
		c->n++;
	return c->n < RTE_DIM(c->data);
}

static void
save_ips(const struct port *p, struct blob *b)
{
	struct ip_collection c = {.port = p, .head = {rte_cpu_to_le_32(sizeof(c.data[0])), 0}};
	struct blob_record r = {.type = TYPE_IPS};

	if (p->sw->stations == NULL)
		return;
	p->sw->stations->walk(p->sw->stations, p->id, collect_ip, &c);
	r.len = (uint32_t)(offsetof(struct ip_collection, data) -
			   offsetof(struct ip_collection, head)) +
		c.n * (uint32_t)sizeof(c.data[0]);
	if (c.n != 0)
		blob_put_record(b, &r, &c.head);
}

static void
save_limits(const struct port *p, struct blob *b)
{
	struct limits_data x = {.fdb = rte_cpu_to_le_32(fdb_port_limit(p->sw->fdb, p->id))};
	const struct blob_record r = {TYPE_LIMITS, 0, sizeof(x)};
	struct limits l;

	port_limits_in_force(p, &l);
	x.flags = rte_cpu_to_le_32(l.locked ? LOCKED : 0);
	x.pps = rte_cpu_to_le_64(l.pps);
	x.bps = rte_cpu_to_le_64(l.bps);
	x.storm = rte_cpu_to_le_64(l.storm);
	x.nmac = l.nmac;
	memcpy(x.mac, l.mac, sizeof(x.mac));
	blob_put_record(b, &r, &x);
}

void
virtio_save(const struct port *p, struct blob *b)
{
	struct fdb *fdb = p->sw->fdb;
	struct blob_record r = {.type = TYPE_ADDRESSES};
	struct collection c = {.port = p};

	save_limits(p, b);
	fdb_take_in(fdb); /* addresses that workers have seen and control has not */
	fdb_walk(fdb, collect, &c);
	r.len = c.n * (uint32_t)sizeof(c.data[0]);
	blob_put_record(b, &r, c.data);
	save_ips(p, b);
}

static uint64_t
rate(uint64_t le)
{
	uint64_t v = rte_le_to_cpu_64(le);

	return v <= LIMIT_RATE_MAX ? v : 0;
}

static void
load_lock(struct limits *l, const struct limits_data *x)
{
	l->locked = (rte_le_to_cpu_32(x->flags) & LOCKED) != 0;
	for (uint8_t i = 0; l->locked && i < RTE_MIN(x->nmac, (uint8_t)LIMIT_MACS_MAX); i++)
		if (rte_is_valid_assigned_ether_addr(&x->mac[i]))
			l->mac[l->nmac++] = x->mac[i];
}

static void
load_limits(struct port *p, const void *data, uint32_t len)
{
	struct limits_data x;
	struct limits l = {0};

	if (len < sizeof(x))
		return;
	memcpy(&x, data, sizeof(x));
	fdb_set_guest_limit(p->sw->fdb, p->id, rte_le_to_cpu_32(x.fdb));
	l.pps = rate(x.pps);
	l.bps = rate(x.bps);
	l.storm = rate(x.storm);
	load_lock(&l, &x);
	if (port_set_migrated_limits(p, &l) != 0)
		log_peer(&log_limit, p->name,
			 "the limits of the guest's former port are not in force here");
}

static bool
may_send(const struct limits *l, const struct rte_ether_addr *mac)
{
	for (uint8_t i = 0; i < l->nmac; i++)
		if (rte_is_same_ether_addr(&l->mac[i], mac))
			return true;
	return !l->locked;
}

/** The FID of frames with that tag. False: none, the port does not take them. */
static bool
find_fid(const struct port *p, uint16_t vlan, uint16_t *fid)
{
	const struct dp_vlan *v = p->vlans;

	*fid = p->domain;
	if (v == NULL)
		return true;
	if (vlan > VLAN_ID_MAX || (vlan != 0 && v->access))
		return false;
	*fid = v->fid[vlan != 0 ? vlan : v->native];
	return *fid != 0;
}

void
virtio_arrivals_clear(struct virtio_arrivals *a)
{
	free(a->macs.data);
	free(a->ips.data);
	*a = (struct virtio_arrivals){0};
}

static void
keep(const struct port *p, struct virtio_list *l, const void *data, uint32_t len)
{
	free(l->data);
	*l = (struct virtio_list){0};
	if (len == 0)
		return;
	l->data = malloc(len);
	if (l->data == NULL) {
		log_peer(&log_limit, p->name, "out of memory for addresses of a guest");
		return;
	}
	memcpy(l->data, data, len);
	l->len = len;
}

static void
load_addresses(const struct port *p, struct virtio_arrivals *a, const void *data, uint32_t len)
{
	len = RTE_MIN(len, (uint32_t)(VIRTIO_SAVE_ADDRESSES * sizeof(struct address_data)));
	keep(p, &a->macs, data, len);
}

/* Those of a later version are longer. */
static void
load_ips(const struct port *p, struct virtio_arrivals *a, const void *data, uint32_t len)
{
	struct ip_data list[VIRTIO_SAVE_IPS];
	const uint8_t *from = data;
	struct ips_head h;
	uint32_t n = 0, item;

	if (len < sizeof(h))
		return;
	memcpy(&h, from, sizeof(h));
	item = rte_le_to_cpu_32(h.item);
	if (item < sizeof(list[0]) || item > len)
		return;
	for (uint32_t at = sizeof(h); len - at >= item && n < RTE_DIM(list); at += item)
		memcpy(&list[n++], from + at, sizeof(list[0]));
	keep(p, &a->ips, list, n * (uint32_t)sizeof(list[0]));
}

/* The FID of an address the guest may have here; false: it may not. */
static bool
may_have(const struct port *p, const struct limits *l, const struct address_data *a, uint16_t *fid)
{
	return may_send(l, &a->mac) && find_fid(p, rte_le_to_cpu_16(a->vlan), fid);
}

/* A guard holds for IP addresses that are said as for those that are sent. */
static void
arrive_ip(struct port *p, const struct limits *l, const struct ip_data *d)
{
	struct sw_station i = {.mac = d->of.mac, .len = d->len};

	i.router = (d->flags & ROUTER) != 0 && (p->guard_set.checks & GUARD_RA) == 0;
	if (may_have(p, l, &d->of, &i.fid) && (d->len == 4 || d->len == sizeof(d->addr)) &&
	    guard_allows(&p->guard_set, &i.mac, d->addr, d->len)) {
		memcpy(i.addr, d->addr, d->len);
		p->sw->stations->learn(p->sw->stations, p->id, &i);
	}
}

bool
virtio_arrivals_wait(const struct virtio_arrivals *a)
{
	return a->macs.len != 0 || a->ips.len != 0;
}

void
virtio_arrive(struct port *p, struct virtio_arrivals *a)
{
	const uint8_t *macs = a->macs.data, *ips = a->ips.data;
	struct address_data x;
	struct ip_data d;
	struct limits l;
	uint16_t fid;

	port_limits_in_force(p, &l);
	for (uint32_t at = 0; at + sizeof(x) <= a->macs.len; at += sizeof(x)) {
		memcpy(&x, macs + at, sizeof(x));
		if (may_have(p, &l, &x, &fid))
			fdb_learn(p->sw->fdb, &x.mac, fid, p->id);
	}
	for (uint32_t at = 0; p->sw->stations != NULL && at < a->ips.len; at += sizeof(d)) {
		memcpy(&d, ips + at, sizeof(d));
		arrive_ip(p, &l, &d);
	}
	virtio_arrivals_clear(a);
}

void
virtio_load(struct port *p, struct virtio_arrivals *a, uint16_t type, const void *data,
	    uint32_t len)
{
	if (type == TYPE_LIMITS)
		load_limits(p, data, len);
	else if (type == TYPE_ADDRESSES)
		load_addresses(p, a, data, len);
	else if (type == TYPE_IPS)
		load_ips(p, a, data, len);
}

void
virtio_leave(struct port *p)
{
	fdb_forget_port(p->sw->fdb, p->id);
	port_ct_clear(p);
	snoop_forget_port(p);
	fdb_set_guest_limit(p->sw->fdb, p->id, 0);
	if (port_set_migrated_limits(p, NULL) != 0)
		log_peer(&log_limit, p->name,
			 "the limits that migrated with its last guest are still in force");
}
