/* SPDX-License-Identifier: BSD-3-Clause */
/* A wire's uplink: a DPDK device made of two rings, one for each direction. Control. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bsd/string.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>

#include "vdpa/sim/sim.h"

#define PREFIX "net_ring_" /* prefix that the PMD gives a device made of rings */
#define RING_SIZE 4096

bool
sim_uplink_ours(const char *devargs)
{
	return strncmp(devargs, PREFIX, sizeof(PREFIX) - 1) == 0;
}

static struct rte_ring *
ring_new(const struct sim_wire *w, const char *direction)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "sim_%s_%s", w->name, direction);
	return rte_ring_create(name, RING_SIZE, SOCKET_ID_ANY, 0);
}

static bool
wire_up(struct sim_wire *w)
{
	struct rte_ring *up, *down;

	if (w->up != NULL)
		return true;
	up = ring_new(w, "up");
	down = ring_new(w, "down");
	if (up == NULL || down == NULL) {
		rte_ring_free(up);
		rte_ring_free(down);
		return false;
	}
	card_lock();
	w->up = up;
	w->down = down;
	card_unlock();
	return true;
}

int
sim_uplink_check(const char *devargs, char *err, size_t errlen)
{
	const char *name = devargs + sizeof(PREFIX) - 1;

	if (sim_wire_name(name))
		return 0;
	snprintf(err, errlen,
		 "%.64s: expected " PREFIX
		 " and the name of a wire, 1 to %d letters, digits, - and _",
		 devargs, SIM_WIRE_MAX - 1);
	return -EINVAL;
}

void
sim_uplink_pool(struct rte_mempool *mp)
{
	card_lock();
	card_set_pool(mp);
	card_unlock();
}

int
sim_uplink_make(const char *devargs, uint16_t *id, char *err, size_t errlen)
{
	const char *name = devargs + sizeof(PREFIX) - 1;
	struct sim_wire *w;
	int ret;

	if (rte_eth_dev_get_port_by_name(devargs, id) == 0)
		return 0;
	if (sim_uplink_check(devargs, err, errlen) < 0)
		return -EINVAL;
	w = sim_wire_get(name);
	if (w == NULL || !wire_up(w) || card_power_on() != 0) {
		snprintf(err, errlen, "%s: out of memory", devargs);
		return -ENOMEM;
	}
	/* frames that the wire sends up are those that the device receives */
	ret = rte_eth_from_rings(w->name, &w->up, 1, &w->down, 1, rte_socket_id());
	if (ret < 0) {
		snprintf(err, errlen, "%s: no ring device could be made", devargs);
		return -ENODEV;
	}
	*id = (uint16_t)ret;
	return 0;
}
