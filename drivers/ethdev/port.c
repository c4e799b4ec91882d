/* SPDX-License-Identifier: BSD-3-Clause */
#include "ethdev/dev.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include <rte_dev.h>
#include <rte_malloc.h>
#include <rte_vdpa.h>

#include "base/log.h"
#include "ethdev/bond.h"
#include "ethdev/handover.h"
#include "ethdev/report.h"
#include "switch/publish.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"

static struct ethdev_port *
to_ethdev(const struct port *p)
{
	return (struct ethdev_port *)(uintptr_t)p;
}

/* --- device events --- */

/* EAL's interrupt thread. Queued once, however often it is called before control gets there. */
static int
on_event(uint16_t dev, enum rte_eth_event_type type, void *arg, void *ret)
{
	struct ethdev_port *e = arg;
	unsigned int bit =
		type == RTE_ETH_EVENT_INTR_RMV ? ETHDEV_EVENT_REMOVED : ETHDEV_EVENT_LINK;

	if (atomic_fetch_or(&e->events, bit) == 0)
		ev_post(e->port.sw->loop, &e->work);
	return 0;
}

static bool
ethdev_link_up(const struct port *p)
{
	const struct ethdev_port *e = to_ethdev(p);
	struct rte_eth_link link;

	return e->running && rte_eth_link_get_nowait(e->dev, &link) == 0 &&
	       link.link_status == RTE_ETH_LINK_UP;
}

static void
note_link(struct ethdev_port *e)
{
	bool up = ethdev_link_up(&e->port);

	if (up != e->was_up)
		log_peer_info(&e->log_limit, e->port.name, "link %s", up ? "up" : "down");
	e->was_up = up;
	sw_port_changed(&e->port);
}

static void
handle_events(struct ev_work *w)
{
	struct ethdev_port *e = container_of(w, struct ethdev_port, work);
	unsigned int events;

	if (e->closed) {
		free(e);
		return;
	}
	events = atomic_exchange(&e->events, 0);
	if (events & ETHDEV_EVENT_LINK)
		note_link(e);
	if (events & ETHDEV_EVENT_REMOVED) {
		log_notice(e->port.name, "device was removed");
		ethdev_port_detach(&e->port);
	}
}

static const enum rte_eth_event_type events_wanted[] = {RTE_ETH_EVENT_INTR_LSC,
							RTE_ETH_EVENT_INTR_RMV};

static void
listen_events(struct ethdev_port *e)
{
	for (size_t i = 0; i < RTE_DIM(events_wanted); i++)
		rte_eth_dev_callback_register(e->dev, events_wanted[i], on_event, e);
}

static void
unlisten_events(struct ethdev_port *e)
{
	/* -EAGAIN: it is being called at this moment */
	for (size_t i = 0; i < RTE_DIM(events_wanted); i++)
		while (rte_eth_dev_callback_unregister(e->dev, events_wanted[i], on_event, e) ==
		       -EAGAIN)
			;
}

/* --- operations for the switch --- */

static void
ethdev_queues(struct port *p, struct port_queues *out)
{
	struct ethdev_port *e = to_ethdev(p);

	out->nrx = 0;
	out->ntx = 0;
	if (!e->running || e->still)
		return;
	while (out->nrx < RTE_MIN(e->nrx, out->max)) {
		out->discard[out->nrx] = false;
		out->rx[out->nrx] = &e->rx[out->nrx]->q;
		out->nrx++;
	}
	while (out->ntx < RTE_MIN(e->ntx, out->max)) {
		out->tx[out->ntx] = &e->tx[out->ntx]->q;
		out->ntx++;
	}
}

static bool
ethdev_stats(const struct port *p, bool tx, uint16_t index, struct pktq_stats *out)
{
	const struct ethdev_port *e = to_ethdev(p);
	const struct pktq *q = NULL;

	if (index < ETHDEV_QUEUES_MAX && tx && e->tx[index] != NULL)
		q = &e->tx[index]->q;
	else if (index < ETHDEV_QUEUES_MAX && !tx && e->rx[index] != NULL)
		q = &e->rx[index]->q;
	return port_read_queue(q, out);
}

static const char *
ethdev_why(const struct port *p, char *buf, size_t len)
{
	const struct ethdev_port *e = to_ethdev(p);

	if (e->dev == ETHDEV_NONE)
		return "the device could not be opened again after an upgrade that failed";
	if (!e->running)
		return "the device is not running";
	return ethdev_link_up(p) ? NULL : "the device's link is down";
}

static int
ethdev_start(struct port *p)
{
	struct ethdev_port *e = to_ethdev(p);
	int ret = e->dev != ETHDEV_NONE ? ethdev_dev_start(e) : -ENODEV;

	if (ret == 0)
		e->was_up = ethdev_link_up(p);
	return ret;
}

static void
ethdev_stop(struct port *p)
{
	ethdev_dev_stop(to_ethdev(p));
}

static void
free_queues(struct ethdev_port *e)
{
	for (uint16_t i = 0; i < ETHDEV_QUEUES_MAX; i++) {
		rte_free(e->rx[i]);
		rte_free(e->tx[i]);
	}
}

/* A closed device could not be probed again as long as it is plugged in. */
static void
close_device(uint16_t dev, struct rte_device *device)
{
	uint16_t other;

	if (dev == ETHDEV_NONE)
		return;
	rte_eth_dev_close(dev);
	RTE_ETH_FOREACH_DEV_OF(other, device)
	return;
	/* a card that moves guests' frames as well: "vdpa detach" removes it */
	if (rte_vdpa_find_device_by_name(rte_dev_name(device)) != NULL)
		return;
	rte_dev_remove(device);
}

void
ethdev_close_number(uint16_t dev)
{
	struct rte_eth_dev_info info;

	if (rte_eth_dev_info_get(dev, &info) == 0)
		close_device(dev, info.device);
}

void
ethdev_port_close_device(struct ethdev_port *e)
{
	uint16_t members[ETHDEV_HAND_MEMBERS], n;

	if (e->dev == ETHDEV_NONE)
		return;
	n = bond_members(e->dev, members, RTE_DIM(members));
	unlisten_events(e);
	ethdev_dev_stop(e);
	ethdev_close_number(e->dev);
	for (uint16_t i = 0; i < n; i++)
		ethdev_close_number(members[i]);
	e->dev = ETHDEV_NONE;
	e->info.device = NULL;
}

int
ethdev_port_adopt(struct ethdev_port *e)
{
	int ret = rte_eth_dev_info_get(e->dev, &e->info);

	e->cfg.rehearsal = false;
	listen_events(e);
	return ret;
}

static void
ethdev_close(struct port *p)
{
	struct ethdev_port *e = to_ethdev(p);

	unlisten_events(e);
	ethdev_dev_stop(e);
	close_device(e->dev, e->info.device);
	ethdev_closed_free(&e->closed_dev);
	free(e->argument);
	free_queues(e);
	e->closed = true;
	if (atomic_load(&e->events) == 0)
		free(e);
}

static int
ethdev_set_mtu(struct port *p, uint16_t mtu)
{
	struct ethdev_port *e = to_ethdev(p);
	bool running = e->running, started = p->started;
	int ret, again;

	if (mtu == p->mtu)
		return 0;
	/* most drivers want to be stopped for it, and a larger frame may need other buffers */
	if (running) {
		p->started = false;
		sw_publish(p->sw);
		ethdev_dev_stop(e);
	}
	ret = ethdev_dev_set_mtu(e, mtu);
	if (running) {
		again = ethdev_dev_start(e);
		p->started = started;
		sw_publish(p->sw);
		ret = ret != 0 ? ret : again;
	}
	return ret;
}

static int
ethdev_set_mac(struct port *p, const struct rte_ether_addr *mac)
{
	struct rte_ether_addr addr = *mac;
	int ret = rte_eth_dev_default_mac_addr_set(to_ethdev(p)->dev, &addr);

	if (ret == 0)
		p->mac = *mac;
	to_ethdev(p)->mac_set |= ret == 0;
	return ret;
}

/* The driver's answer to a setting, which the device behind the stand-in may have. */
static int
said(const struct ethdev_port *e, int ret)
{
	return e->cfg.rehearsal && ret == -ENOTSUP ? 0 : ret;
}

static int
ethdev_set_promisc(struct port *p, bool on)
{
	const struct ethdev_port *e = to_ethdev(p);

	return said(e,
		    on ? rte_eth_promiscuous_enable(e->dev) : rte_eth_promiscuous_disable(e->dev));
}

static int
ethdev_set_allmulti(struct port *p, bool on)
{
	const struct ethdev_port *e = to_ethdev(p);

	return said(e, on ? rte_eth_allmulticast_enable(e->dev)
			  : rte_eth_allmulticast_disable(e->dev));
}

static int
ethdev_set_link(struct port *p, bool up)
{
	struct ethdev_port *e = to_ethdev(p);
	int ret = said(e, up ? rte_eth_dev_set_link_up(e->dev) : rte_eth_dev_set_link_down(e->dev));

	if (ret == 0)
		e->link_down = !up;
	return ret;
}

static const struct port_ops ethdev_port_ops = {
	.kind = "ethdev",
	.carries_tunnels = true,
	.queues = ethdev_queues,
	.stats = ethdev_stats,
	.link_up = ethdev_link_up,
	.why = ethdev_why,
	.node = ethdev_node,
	.close = ethdev_close,
	.argument = ethdev_argument,
	.same = ethdev_same,
	.facts = ethdev_facts,
	.show = ethdev_show,
	.running = ethdev_running,
	.queue_info = ethdev_queue_info,
	.start = ethdev_start,
	.stop = ethdev_stop,
	.set_mtu = ethdev_set_mtu,
	.set_mac = ethdev_set_mac,
	.set_promisc = ethdev_set_promisc,
	.set_allmulti = ethdev_set_allmulti,
	.set_link = ethdev_set_link,
	.configure = ethdev_configure,
	.handover = &ethdev_handover,
};

/* --- construction --- */

static struct ethdev_port *
alloc_port(struct sw *sw, uint16_t dev, const struct ethdev_config *cfg)
{
	struct ethdev_port *e = calloc(1, sizeof(*e));
	char name[RTE_ETH_NAME_MAX_LEN];

	if (e == NULL)
		return NULL;
	e->dev = dev;
	e->cfg = *cfg;
	e->work.fn = handle_events;
	e->port.ops = &ethdev_port_ops;
	e->port.sw = sw;
	e->port.id = cfg->id;
	if (rte_eth_dev_info_get(dev, &e->info) != 0 ||
	    rte_eth_dev_get_name_by_port(dev, name) != 0) {
		free(e);
		return NULL;
	}
	strlcpy(e->port.name, name, sizeof(e->port.name));
	return e;
}

/* Start the device with the requested MTU and without address filters. */
static int
bring_up(struct ethdev_port *e, char *err, size_t errlen)
{
	int ret = rte_eth_dev_get_mtu(e->dev, &e->port.mtu);

	if (ret == 0)
		ret = ethdev_start(&e->port);
	if (ret == 0 && e->cfg.mtu != 0 && e->cfg.mtu != e->port.mtu)
		ret = ethdev_set_mtu(&e->port, e->cfg.mtu);
	if (ret != 0) {
		snprintf(err, errlen, "%s: %s", e->port.name, strerror(-ret));
		return ret;
	}
	rte_eth_macaddr_get(e->dev, &e->port.mac);
	/* a switch port takes frames for every address; a device that cannot say so usually does */
	ret = ethdev_set_promisc(&e->port, true);
	if (ret != 0 && ret != -ENOTSUP)
		log_warn(e->port.name, "not promiscuous: %s", strerror(-ret));
	return 0;
}

struct port *
ethdev_port_new(struct sw *sw, uint16_t dev, const struct ethdev_config *cfg, char *err,
		size_t errlen)
{
	struct ethdev_port *e = alloc_port(sw, dev, cfg);
	int ret;

	if (e == NULL) {
		snprintf(err, errlen, "device %u: cannot be used", dev);
		return NULL;
	}
	listen_events(e);
	ret = sw_port_add(sw, &e->port);
	if (ret < 0) {
		snprintf(err, errlen, "%s: %s", e->port.name,
			 ret == -EEXIST ? "a port of this name exists" : strerror(-ret));
		ethdev_close(&e->port);
		return NULL;
	}
	if (bring_up(e, err, errlen) != 0) {
		sw_port_remove(sw, &e->port);
		return NULL;
	}
	sw_publish(sw);
	return &e->port;
}

/* --- devices that appear and disappear --- */

static struct port *
find_port(const struct sw *sw, uint16_t dev)
{
	for (uint16_t i = 0; i < sw->nports; i++) {
		struct port *p = sw->port[i];

		if (p != NULL && p->ops == &ethdev_port_ops && to_ethdev(p)->dev == dev)
			return p;
	}
	return NULL;
}

/* A port a bond would have as a member, while workers use its queues. NULL: none. */
static const struct port *
port_of_bond(const struct sw *sw, const char *devargs)
{
	for (uint16_t i = 0; i < sw->nports; i++) {
		const struct port *p = sw->port[i];

		if (p != NULL && p->ops == &ethdev_port_ops &&
		    bond_names(devargs, to_ethdev(p)->dev))
			return p;
	}
	return NULL;
}

/*
 * The devices @p devargs name that are neither ports nor members of bonds. They are listed before
 * the first becomes a port: one that fails is removed, and the iterator would go on behind it.
 */
static uint16_t
list_new(const struct sw *sw, const char *devargs, uint16_t *list)
{
	struct rte_dev_iterator it;
	uint16_t dev, n = 0;

	RTE_ETH_FOREACH_MATCHING_DEV(dev, devargs, &it)
	if (find_port(sw, dev) == NULL && !bond_has(dev))
		list[n++] = dev;
	return n;
}

struct port *
ethdev_port_attach(struct sw *sw, const char *devargs, const struct ethdev_config *cfg, char *err,
		   size_t errlen)
{
	const struct port *member = port_of_bond(sw, devargs);
	uint16_t list[RTE_MAX_ETHPORTS], n;
	struct port *p, *first = NULL;
	int ret;

	if (member != NULL) {
		snprintf(err, errlen,
			 "%.512s: %s is port %u; a bond and its members are given with --vdev and "
			 "-a when the switch starts",
			 devargs, member->name, member->id);
		return NULL;
	}
	ret = rte_dev_probe(devargs);
	if (ret < 0) {
		snprintf(err, errlen, "%.512s: %s", devargs,
			 ret == -EFAULT ? "no such device, or no driver for it" : strerror(-ret));
		return NULL;
	}
	snprintf(err, errlen, "%.512s: no port appeared", devargs);
	n = list_new(sw, devargs, list);
	for (uint16_t i = 0; i < n && rte_eth_dev_is_valid_port(list[i]); i++) {
		p = ethdev_port_new(sw, list[i], cfg, err, errlen);
		if (first == NULL)
			first = p;
	}
	return first;
}

struct port *
ethdev_port_expect(struct sw *sw, const char *devargs, const char *name,
		   const struct ethdev_config *cfg, char *err, size_t errlen)
{
	struct ethdev_config settings = *cfg;
	struct port *p;

	settings.rehearsal = true;
	p = ethdev_port_attach(sw, name, &settings, err, errlen);
	if (p == NULL)
		return NULL;
	to_ethdev(p)->argument = strdup(devargs);
	if (to_ethdev(p)->argument != NULL)
		return p;
	snprintf(err, errlen, "out of memory");
	sw_port_remove(sw, p);
	return NULL;
}

void
ethdev_port_detach(struct port *p)
{
	struct rte_device *device = to_ethdev(p)->info.device;
	struct sw *sw = p->sw;

	if (device == NULL) {
		sw_port_remove(sw, p);
		return;
	}
	for (uint16_t i = 0; i < sw->nports; i++)
		if (sw->port[i] != NULL && sw->port[i]->ops == &ethdev_port_ops &&
		    to_ethdev(sw->port[i])->info.device == device)
			sw_port_remove(sw, sw->port[i]);
}

/* --- for the program --- */

int
ethdev_port_configure(struct port *p, const struct ethdev_config *cfg)
{
	struct ethdev_port *e = to_ethdev(p);
	bool simulated = e->cfg.simulated;

	if (e->running)
		return -EBUSY;
	e->cfg = *cfg;
	e->cfg.simulated = simulated;
	return 0;
}
