/* SPDX-License-Identifier: BSD-3-Clause */
#include "virtio/save.h"

#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_common.h>

#include "base/blob.h"
#include "base/ev.h"
#include "base/log.h"
#include "switch/port_limits.h"
#include "switch/snoop.h"
#include "switch/sw.h"
#include "switch/vlan_table.h"

enum { TYPE_LIMITS = VDEV_SAVE_OWNER, TYPE_ADDRESSES };

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

struct collection {
	const struct port *port;
	uint32_t n;
	struct address_data data[VIRTIO_SAVE_ADDRESSES];
};

/*
 * An address moves as the guest knows it, with the tag it sends it with. The bridge, and the
 * VLAN of an access port, may have other numbers on another host.
 */
static bool
collect(const struct fdb_entry_info *e, void *arg)
{
	struct collection *c = arg;
	const struct port *p = c->port;
	uint16_t domain, vlan;

	vlan_of_fid(p->sw, e->fid, &domain, &vlan);
	if (e->port != p->id || domain != p->domain || e->origin != FDB_LEARNED)
		return true;
	if (vlan == p->vlan.native)
		vlan = 0;
	c->data[c->n++] = (struct address_data){.mac = e->mac, .vlan = rte_cpu_to_le_16(vlan)};
	return c->n < RTE_DIM(c->data);
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
	free(a->data);
	*a = (struct virtio_arrivals){0};
}

static void
load_addresses(const struct port *p, struct virtio_arrivals *a, const void *data, uint32_t len)
{
	len = RTE_MIN(len, (uint32_t)(VIRTIO_SAVE_ADDRESSES * sizeof(struct address_data)));
	virtio_arrivals_clear(a);
	a->data = malloc(len);
	if (a->data == NULL) {
		if (len != 0)
			log_peer(&log_limit, p->name, "out of memory for addresses of a guest");
		return;
	}
	memcpy(a->data, data, len);
	a->len = len;
}

void
virtio_arrive(struct port *p, struct virtio_arrivals *a)
{
	struct address_data x;
	struct limits l;
	uint16_t fid;

	port_limits_in_force(p, &l);
	for (uint32_t at = 0; at + sizeof(x) <= a->len; at += sizeof(x)) {
		memcpy(&x, (const uint8_t *)a->data + at, sizeof(x));
		if (may_send(&l, &x.mac) && find_fid(p, rte_le_to_cpu_16(x.vlan), &fid))
			fdb_learn(p->sw->fdb, &x.mac, fid, p->id);
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
}

void
virtio_leave(struct port *p)
{
	fdb_forget_port(p->sw->fdb, p->id);
	snoop_forget_port(p);
	fdb_set_guest_limit(p->sw->fdb, p->id, 0);
	if (port_set_migrated_limits(p, NULL) != 0)
		log_peer(&log_limit, p->name,
			 "the limits that migrated with its last guest are still in force");
}
