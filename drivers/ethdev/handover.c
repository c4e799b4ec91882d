/* SPDX-License-Identifier: BSD-3-Clause */
#include "ethdev/handover.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <net/if.h>

#include <bsd/string.h>
#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_malloc.h>

#include "base/log.h"
#include "ethdev/bond.h"
#include "ethdev/dev.h"
#include "ethdev/report.h"
#include "ethdev/tap_queues.h"
#include "switch/port_kind.h"

#define HAND_FIRST 0x400

/* Types are for ever: a number that is no longer used stays unused. */
enum { TYPE_PORT = HAND_FIRST, TYPE_DEVARGS, TYPE_COUNTERS };

enum { PORT_PROMISC = 1, PORT_ALLMULTI = 2, PORT_MAC_SET = 4, PORT_LINK_DOWN = 8 };

/* Later versions may append to these. */
struct port_data {
	uint32_t flags;
	uint16_t mtu;
	uint8_t mac[6];
};
static_assert(sizeof(struct port_data) == 12, "layout of the record");

static struct ethdev_port *
to_ethdev(const struct port *p)
{
	return (struct ethdev_port *)(uintptr_t)p;
}

static const char *
args_of(const struct rte_device *device)
{
	const struct rte_devargs *args = device != NULL ? rte_dev_devargs(device) : NULL;

	return args != NULL && args->args != NULL ? args->args : "";
}

void
ethdev_closed_free(struct ethdev_closed *c)
{
	for (uint32_t i = 0; i < c->n; i++)
		free(c->devargs[i]);
	*c = (struct ethdev_closed){0};
}

/* --- whether it can be done --- */

static bool
is_tap_driver(const char *driver)
{
	return strcmp(driver, "net_tap") == 0 || strcmp(driver, "net_tun") == 0;
}

static bool
is_tap(const struct ethdev_port *e)
{
	return is_tap_driver(e->info.driver_name);
}

/*
 * Its queues are found by the interface's name here, and it is opened again by that in its
 * argument: one that has another would get a second interface, and lose its own.
 */
static const char *
against_tap(const struct ethdev_port *e, const char *args)
{
	const char *wanted = strstr(args, "iface=");
	char name[IF_NAMESIZE];

	if (if_indextoname(e->info.if_index, name) == NULL || !tap_queues_any(name))
		return "its interface is in another network namespace";
	if (wanted != NULL) {
		wanted += strlen("iface=");
		if (strcspn(wanted, ",") != strlen(name) ||
		    strncmp(wanted, name, strlen(name)) != 0)
			return "its interface has another name than its argument says";
	}
	return NULL;
}

static bool
has_others(const struct ethdev_port *e)
{
	uint16_t dev, n = 0;

	RTE_ETH_FOREACH_DEV_OF(dev, e->info.device)
	n++;
	return n != 1;
}

static const char *
against_bond(const struct ethdev_port *e, const char *args)
{
	uint16_t members[ETHDEV_HAND_MEMBERS + 1];

	if (bond_counts(args))
		return "members of the bond are given by number, and the new program has others";
	if (bond_members(e->dev, members, RTE_DIM(members)) > ETHDEV_HAND_MEMBERS)
		return "the bond has more than " RTE_STR(ETHDEV_HAND_MEMBERS) " members";
	return NULL;
}

static const char *
against(const struct port *p)
{
	const struct ethdev_port *e = to_ethdev(p);
	const char *args = args_of(e->info.device);

	if (e->dev == ETHDEV_NONE)
		return "its device could not be opened again";
	if (strcmp(rte_bus_name(rte_dev_bus(e->info.device)), "vdev") != 0)
		return "a device on a bus of the host is not handed over";
	if (has_others(e))
		return "its device has several ports";
	if (e->cfg.simulated)
		return "the uplink of simulated devices is not handed over";
	if (strcmp(e->info.driver_name, "net_pcap") == 0 && strstr(args, "_pcap=") != NULL)
		return "a file of net_pcap would begin anew";
	if (strcmp(e->info.driver_name, "net_bonding") == 0)
		return against_bond(e, args);
	return is_tap(e) ? against_tap(e, args) : NULL;
}

/* --- the predecessor --- */

static void
stop(struct port *p)
{
	to_ethdev(p)->still = true;
}

static bool
note_devargs(struct ethdev_closed *c, const char *text, size_t len)
{
	if (c->n == RTE_DIM(c->devargs))
		return false;
	c->devargs[c->n] = strndup(text, len);
	return c->devargs[c->n] != NULL && ++c->n != 0;
}

/* The argument that makes the device again, under the name and address it has in the kernel. */
static bool
note_device(struct ethdev_closed *c, uint16_t dev)
{
	struct rte_eth_dev_info info;
	struct rte_ether_addr mac;
	char text[PORT_ARGUMENT_MAX], ifname[IF_NAMESIZE] = "";
	const char *args;
	size_t at;

	if (rte_eth_dev_info_get(dev, &info) != 0)
		return false;
	args = args_of(info.device);
	at = (size_t)snprintf(text, sizeof(text), "%s%s%s", rte_dev_name(info.device),
			      args[0] != '\0' ? "," : "", args);
	if (at < sizeof(text) && is_tap_driver(info.driver_name) &&
	    strstr(args, "iface=") == NULL && if_indextoname(info.if_index, ifname) != NULL)
		at += (size_t)snprintf(text + at, sizeof(text) - at, ",iface=%s", ifname);
	if (at < sizeof(text) && strcmp(info.driver_name, "net_tap") == 0 &&
	    strstr(args, "mac=") == NULL && rte_eth_macaddr_get(dev, &mac) == 0)
		at += (size_t)snprintf(text + at, sizeof(text) - at, ",mac=" RTE_ETHER_ADDR_PRT_FMT,
				       RTE_ETHER_ADDR_BYTES(&mac));
	return at < sizeof(text) && note_devargs(c, text, at);
}

static bool
note_all(struct ethdev_port *e)
{
	struct ethdev_closed *c = &e->closed_dev;
	const char *args = args_of(e->info.device);
	uint16_t members[ETHDEV_HAND_MEMBERS];
	uint16_t n = bond_members(e->dev, members, RTE_DIM(members));

	if (e->argument == NULL &&
	    asprintf(&e->argument, "%s%s%s", e->port.name, args[0] != '\0' ? "," : "", args) < 0)
		return false;
	ethdev_closed_free(c);
	c->mac = e->port.mac;
	c->mtu = e->port.mtu;
	c->promisc = rte_eth_promiscuous_get(e->dev) == 1;
	c->allmulti = rte_eth_allmulticast_get(e->dev) == 1;
	for (uint16_t i = 0; i < n; i++)
		if (!note_device(c, members[i]))
			return false;
	return note_device(c, e->dev);
}

static void
save(struct port *p, struct blob *b)
{
	struct ethdev_port *e = to_ethdev(p);
	const struct ethdev_closed *c = &e->closed_dev;
	struct port_data x = {0};

	if (!note_all(e))
		b->failed = true;
	x.flags = (c->promisc ? PORT_PROMISC : 0) | (c->allmulti ? PORT_ALLMULTI : 0) |
		  (e->mac_set ? PORT_MAC_SET : 0) | (e->link_down ? PORT_LINK_DOWN : 0);
	x.mtu = c->mtu;
	memcpy(x.mac, &c->mac, sizeof(x.mac));
	hand_put(b, TYPE_PORT, &x, sizeof(x));
	for (uint32_t i = 0; i < c->n; i++)
		hand_put(b, TYPE_DEVARGS, c->devargs[i], strlen(c->devargs[i]));
	for (uint16_t i = 0; i < ETHDEV_QUEUES_MAX; i++) {
		port_put_counters(p, TYPE_COUNTERS, 0, i, b);
		port_put_counters(p, TYPE_COUNTERS, 1, i, b);
	}
}

/* Frames that the kernel has for a tap go to the queues of the successor. */
static bool
give_queues_back(struct ethdev_port *e)
{
	struct ethdev_closed *c = &e->closed_dev;
	char name[IF_NAMESIZE];

	/* an interface whose traffic the tap has: rules in the kernel belong to the device, too */
	if (!is_tap(e) || strstr(args_of(e->info.device), "remote=") != NULL ||
	    if_indextoname(e->info.if_index, name) == NULL)
		return false;
	c->ntap = tap_queues_detach(name, c->tap, RTE_DIM(c->tap));
	return c->ntap != 0;
}

static void
release(struct port *p)
{
	struct ethdev_port *e = to_ethdev(p);

	if (!give_queues_back(e))
		ethdev_port_close_device(e);
}

/* --- opening it, in either process --- */

/* Open one device, whose number is in @p dev then. */
static int
open_one(const char *devargs, uint16_t *dev, char *err, size_t errlen)
{
	char name[PORT_NAME_MAX];
	int ret = rte_dev_probe(devargs);

	ethdev_name_of(devargs, name);
	if (ret == 0)
		ret = rte_eth_dev_get_port_by_name(name, dev);
	if (ret != 0)
		snprintf(err, errlen, "%.256s cannot be opened: %s", devargs, strerror(-ret));
	return ret;
}

/* The device and, of a bond, its members; or none of them. */
static int
open_all(struct ethdev_port *e, char *err, size_t errlen)
{
	const struct ethdev_closed *c = &e->closed_dev;
	uint16_t dev[RTE_DIM(c->devargs)];
	uint32_t n = 0;
	int ret = 0;

	while (ret == 0 && n < c->n) {
		ret = open_one(c->devargs[n], &dev[n], err, errlen);
		n += ret == 0;
	}
	if (n == 0 && ret == 0) {
		snprintf(err, errlen, "no device is named");
		return -EINVAL;
	}
	if (ret == 0 && !bond_take_members(dev[n - 1])) {
		snprintf(err, errlen, "a member of the bond is missing or does not fit");
		ret = -ENODEV;
	}
	if (ret == 0)
		e->dev = dev[n - 1];
	/* the bond before its members */
	while (ret != 0 && n > 0)
		ethdev_close_number(dev[--n]);
	return ret;
}

/*
 * DPDK takes an MTU of a device that was configured. Many drivers want it to be stopped; a tap does
 * not, and its interface would go down.
 */
static int
start_with_mtu(struct ethdev_port *e, uint16_t mtu)
{
	uint16_t was = 0;
	int ret;

	(void)rte_eth_dev_get_mtu(e->dev, &was);
	e->port.mtu = mtu;
	ret = ethdev_dev_start(e);
	if (ret == 0 && was != mtu && ethdev_dev_set_mtu(e, mtu) != 0) {
		ethdev_dev_stop(e);
		ret = ethdev_dev_set_mtu(e, mtu);
		if (ret == 0)
			ret = ethdev_dev_start(e);
	}
	if (!e->port.started)
		ethdev_dev_stop(e);
	return ret;
}

/* The device gets the settings it had. It does without those that its driver does not know. */
static int
give_settings(struct ethdev_port *e)
{
	struct ethdev_closed *c = &e->closed_dev;
	struct rte_ether_addr now;
	int ret = start_with_mtu(e, c->mtu);

	if (ret != 0)
		return ret;
	if (rte_eth_macaddr_get(e->dev, &now) == 0 && !rte_is_same_ether_addr(&now, &c->mac) &&
	    rte_eth_dev_default_mac_addr_set(e->dev, &c->mac) != 0)
		log_warn(e->port.name, "the device cannot have the MAC address it had");
	(void)rte_eth_macaddr_get(e->dev, &e->port.mac);
	(void)(c->promisc ? rte_eth_promiscuous_enable(e->dev)
			  : rte_eth_promiscuous_disable(e->dev));
	(void)(c->allmulti ? rte_eth_allmulticast_enable(e->dev)
			   : rte_eth_allmulticast_disable(e->dev));
	return 0;
}

static int
acquire(struct port *p, char *err, size_t errlen)
{
	struct ethdev_port *e = to_ethdev(p);
	const uint32_t ntap = e->closed_dev.ntap;
	int ret;

	e->closed_dev.ntap = 0;
	if (ntap != 0 && tap_queues_attach(e->closed_dev.tap, ntap))
		return 0;
	ethdev_port_close_device(e); /* one that stands in, or half of one */
	ret = open_all(e, err, errlen);
	if (ret == 0)
		ret = ethdev_port_adopt(e);
	if (ret == 0) {
		ret = give_settings(e);
		if (ret != 0)
			snprintf(err, errlen, "the device does not start: %s", strerror(-ret));
	}
	if (ret != 0)
		ethdev_port_close_device(e);
	return ret;
}

/* --- the successor --- */

static const char *
take_port(struct ethdev_port *e, const struct hand_record *h)
{
	struct port_data x;

	if (!hand_get(h, &x, sizeof(x)))
		return "a device's record is too short";
	ethdev_closed_free(&e->closed_dev);
	e->closed_dev.promisc = x.flags & PORT_PROMISC;
	e->closed_dev.allmulti = x.flags & PORT_ALLMULTI;
	e->mac_set = x.flags & PORT_MAC_SET;
	e->link_down = x.flags & PORT_LINK_DOWN;
	e->closed_dev.mtu = x.mtu;
	memcpy(&e->closed_dev.mac, x.mac, sizeof(x.mac));
	return NULL;
}

static const char *
take_devargs(struct ethdev_port *e, const struct hand_record *h)
{
	if (h->r.len == 0 || h->r.len >= PORT_ARGUMENT_MAX || memchr(h->data, '\0', h->r.len))
		return "a device's argument is none";
	return note_devargs(&e->closed_dev, h->data, h->r.len) ? NULL : "too many devices";
}

static const char *
take_counters(struct ethdev_port *e, const struct hand_record *h)
{
	struct port_counters_head x;
	struct pktq *q;

	if (!port_get_counters_head(h, &x) || x.index >= ETHDEV_QUEUES_MAX)
		return "counters of a queue that cannot be";
	q = ethdev_dev_queue(e, x.tx, x.index);
	if (q == NULL)
		return "out of memory";
	return port_add_counters(h, &q->stats);
}

static const char *
load(struct port *p, const struct hand_record *h)
{
	struct ethdev_port *e = to_ethdev(p);

	if (h->r.type == TYPE_PORT)
		return take_port(e, h);
	if (h->r.type == TYPE_DEVARGS)
		return take_devargs(e, h);
	if (h->r.type == TYPE_COUNTERS)
		return take_counters(e, h);
	if (h->r.type < HAND_FIRST)
		return "a port is not of the kind its predecessor was";
	return (h->r.flags & BLOB_MUST_KNOW) ? "a record about a device is not known here" : NULL;
}

static void
run(struct port *p)
{
	struct ethdev_port *e = to_ethdev(p);

	e->still = false;
	e->was_up = p->ops->link_up(p);
}

const struct port_handover_ops ethdev_handover = {
	.against = against,
	.stop = stop,
	.save = save,
	.release = release,
	.acquire = acquire,
	.load = load,
	.run = run,
};
