/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost/save.h"

#include <string.h>

#include <rte_byteorder.h>
#include <rte_common.h>

#include "base/ev.h"

enum { TYPE_LIMITS = VDEV_SAVE_OWNER, TYPE_ADDRESSES };

/* Later versions may append to it. */
struct limits_data {
	uint32_t fdb; /* learned addresses, 0: any number */
	uint32_t zero;
};

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

void
vhost_save(const struct port *p, struct vdev_blob *b)
{
	struct fdb *fdb = p->sw->fdb;
	struct limits_data limits = {.fdb = rte_cpu_to_le_32(fdb_port_limit(fdb, p->id))};
	struct collection c = {.port = p};

	fdb_maintain(fdb, ev_now_ns()); /* what workers have seen and control has not */
	fdb_walk(fdb, collect, &c);
	vdev_blob_record(b, TYPE_LIMITS, &limits, sizeof(limits));
	vdev_blob_record(b, TYPE_ADDRESSES, c.data, c.n * (uint32_t)sizeof(c.data[0]));
}

static void
load_limits(const struct port *p, const void *data, uint32_t len)
{
	uint32_t now = fdb_port_limit(p->sw->fdb, p->id), then;
	struct limits_data x;

	if (len < sizeof(x))
		return;
	memcpy(&x, data, sizeof(x));
	then = rte_le_to_cpu_32(x.fdb);
	if (then != 0 && (now == 0 || then < now))
		fdb_set_port_limit(p->sw->fdb, p->id, then);
}

static void
load_addresses(const struct port *p, const void *data, uint32_t len)
{
	uint32_t n = RTE_MIN(len / (uint32_t)sizeof(struct address_data),
			     (uint32_t)VHOST_SAVE_ADDRESSES);
	struct address_data x;

	for (uint32_t i = 0; i < n; i++) {
		memcpy(&x, (const uint8_t *)data + i * sizeof(x), sizeof(x));
		fdb_learn(p->sw->fdb, &x.mac, p->domain, p->id);
	}
}

void
vhost_load(const struct port *p, uint16_t type, const void *data, uint32_t len)
{
	if (type == TYPE_LIMITS)
		load_limits(p, data, len);
	else if (type == TYPE_ADDRESSES)
		load_addresses(p, data, len);
}
