/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost/save.h"

#include <string.h>

#include <rte_byteorder.h>
#include <rte_common.h>

#include "base/ev.h"
#include "base/log.h"

enum { TYPE_LIMITS = VDEV_SAVE_OWNER, TYPE_ADDRESSES };

#define LOCKED 1u /* limits_data.flags */

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
	uint16_t zero;
};
static_assert(sizeof(struct address_data) == 8, "wire format");

struct collection {
	const struct port *port;
	uint32_t n;
	struct address_data data[VHOST_SAVE_ADDRESSES];
};

/* The bridge a port is in has another number on another host; addresses of its own move. */
static bool
collect(const struct fdb_entry_info *e, void *arg)
{
	struct collection *c = arg;

	if (e->port == c->port->id && e->domain == c->port->domain && !e->is_static)
		c->data[c->n++] = (struct address_data){.mac = e->mac};
	return c->n < RTE_DIM(c->data);
}

static void
save_limits(const struct port *p, struct vdev_blob *b)
{
	struct limits_data x = {.fdb = rte_cpu_to_le_32(fdb_port_limit(p->sw->fdb, p->id))};
	struct limits l;

	port_get_limits(p, &l);
	x.flags = rte_cpu_to_le_32(l.locked ? LOCKED : 0);
	x.pps = rte_cpu_to_le_64(l.pps);
	x.bps = rte_cpu_to_le_64(l.bps);
	x.storm = rte_cpu_to_le_64(l.storm);
	x.nmac = l.nmac;
	memcpy(x.mac, l.mac, sizeof(x.mac));
	vdev_blob_record(b, TYPE_LIMITS, &x, sizeof(x));
}

void
vhost_save(const struct port *p, struct vdev_blob *b)
{
	struct fdb *fdb = p->sw->fdb;
	struct collection c = {.port = p};

	save_limits(p, b);
	fdb_maintain(fdb, ev_now_ns()); /* what workers have seen and control has not */
	fdb_walk(fdb, collect, &c);
	vdev_blob_record(b, TYPE_ADDRESSES, c.data, c.n * (uint32_t)sizeof(c.data[0]));
}

/** The stricter of two; 0 is no limit. */
static uint64_t
stricter(uint64_t now, uint64_t then)
{
	return then != 0 && (now == 0 || then < now) ? then : now;
}

static uint64_t
rate(uint64_t le)
{
	uint64_t v = rte_le_to_cpu_64(le);

	return v <= LIMIT_RATE_MAX ? v : 0;
}

/** A lock the operator has put on the port here stays as it is. */
static void
load_lock(struct limits *l, const struct limits_data *x)
{
	if (l->locked || !(rte_le_to_cpu_32(x->flags) & LOCKED))
		return;
	l->locked = true;
	for (uint8_t i = 0; i < RTE_MIN(x->nmac, (uint8_t)LIMIT_MACS_MAX); i++)
		if (rte_is_valid_assigned_ether_addr(&x->mac[i]))
			l->mac[l->nmac++] = x->mac[i];
}

static void
load_limits(struct port *p, const void *data, uint32_t len)
{
	uint32_t now = fdb_port_limit(p->sw->fdb, p->id), then;
	struct limits_data x;
	struct limits l;

	if (len < sizeof(x))
		return;
	memcpy(&x, data, sizeof(x));
	then = (uint32_t)stricter(now, rte_le_to_cpu_32(x.fdb));
	if (then != now)
		fdb_set_port_limit(p->sw->fdb, p->id, then);
	port_get_limits(p, &l);
	l.pps = stricter(l.pps, rate(x.pps));
	l.bps = stricter(l.bps, rate(x.bps));
	l.storm = stricter(l.storm, rate(x.storm));
	load_lock(&l, &x);
	if (port_set_limits(p, &l) != 0)
		log_warn(p->name, "the limits of the guest's former port are not in force here");
}

static bool
may_send(const struct limits *l, const struct rte_ether_addr *mac)
{
	for (uint8_t i = 0; i < l->nmac; i++)
		if (rte_is_same_ether_addr(&l->mac[i], mac))
			return true;
	return !l->locked;
}

static void
load_addresses(const struct port *p, const void *data, uint32_t len)
{
	uint32_t n = RTE_MIN(len / (uint32_t)sizeof(struct address_data),
			     (uint32_t)VHOST_SAVE_ADDRESSES);
	struct address_data x;
	struct limits l;

	port_get_limits(p, &l);
	for (uint32_t i = 0; i < n; i++) {
		memcpy(&x, (const uint8_t *)data + i * sizeof(x), sizeof(x));
		if (may_send(&l, &x.mac))
			fdb_learn(p->sw->fdb, &x.mac, p->domain, p->id);
	}
}

void
vhost_load(struct port *p, uint16_t type, const void *data, uint32_t len)
{
	if (type == TYPE_LIMITS)
		load_limits(p, data, len);
	else if (type == TYPE_ADDRESSES)
		load_addresses(p, data, len);
}
