/* SPDX-License-Identifier: BSD-3-Clause */
#include "ethdev/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_devargs.h>

#include "ethdev/dev.h"
#include "ethdev/kind.h"

static const struct ethdev_port *
to_ethdev(const struct port *p)
{
	return (const struct ethdev_port *)p;
}

/* --- the device argument --- */

/* Of simulated hardware they are an address in this process, which DPDK's driver put there. */
static const char *
device_args(const struct ethdev_port *e, const struct rte_device *dev)
{
	const struct rte_devargs *args =
		dev != NULL && !e->cfg.simulated ? rte_dev_devargs(dev) : NULL;

	return args != NULL && args->args != NULL ? args->args : "";
}

static const char *
device_name(const struct port *p)
{
	const struct rte_device *dev = to_ethdev(p)->info.device;

	return dev != NULL ? rte_dev_name(dev) : p->name;
}

void
ethdev_argument(const struct port *p, FILE *out)
{
	const struct ethdev_port *e = to_ethdev(p);
	const char *args = device_args(e, e->info.device);

	if (e->argument != NULL)
		fputs(e->argument, out);
	else
		fprintf(out, "%s%s%s", device_name(p), args[0] != '\0' ? "," : "", args);
}

bool
ethdev_same(const struct port *p, const struct port_request *r)
{
	struct rte_devargs da = {0};
	char name[PORT_NAME_MAX];
	bool same = false;

	if (r->defaults->rehearsal) {
		ethdev_name_of(r->devargs, name);
		return strcmp(p->name, name) == 0;
	}
	if (to_ethdev(p)->argument != NULL && strcmp(to_ethdev(p)->argument, r->devargs) == 0)
		return true;
	if (rte_devargs_parse(&da, r->devargs) == 0)
		same = strcmp(da.name, device_name(p)) == 0 &&
		       strcmp(da.args != NULL ? da.args : "",
			      device_args(to_ethdev(p), to_ethdev(p)->info.device)) == 0;
	rte_devargs_reset(&da);
	return same;
}

void
ethdev_name_of(const char *devargs, char name[PORT_NAME_MAX])
{
	strlcpy(name, devargs, PORT_NAME_MAX);
	name[strcspn(name, ",")] = '\0';
}

/* --- facts --- */

static bool
is_eal_vdev(const struct rte_device *dev)
{
	return dev != NULL && strcmp(rte_bus_name(rte_dev_bus(dev)), "vdev") == 0;
}

/* One without hardware has the node of the thread that made it. */
const char *
ethdev_node(const struct port *p, int *node)
{
	const struct ethdev_port *e = to_ethdev(p);
	struct rte_eth_dev_info info;

	*node = rte_eth_dev_socket_id(e->dev);
	if (*node < 0 || rte_eth_dev_info_get(e->dev, &info) != 0 || is_eal_vdev(info.device))
		return NULL;
	return "the device";
}

void
ethdev_facts(const struct port *p, const struct port_defaults *d, struct port_facts *out)
{
	const struct ethdev_port *e = to_ethdev(p);

	*out = (struct port_facts){
		.socket = rte_eth_dev_socket_id(e->dev),
		.nrx = e->nrx,
		.ntx = e->ntx,
		.promisc = rte_eth_promiscuous_get(e->dev) == 1,
		.allmulti = rte_eth_allmulticast_get(e->dev) == 1,
		.rx_offloads = e->rx_offloads,
		.tx_offloads = e->tx_offloads,
	};
	if (rte_eth_dev_info_get(e->dev, &out->info) != 0)
		out->info.driver_name = "unknown";
	if (rte_eth_link_get_nowait(e->dev, &out->link) != 0)
		out->link = (struct rte_eth_link){0};
	if (rte_eth_dev_fw_version_get(e->dev, out->firmware, sizeof(out->firmware)) != 0)
		out->firmware[0] = '\0';
	if (out->socket == SOCKET_ID_ANY)
		out->socket = 0;
	out->devargs = device_args(e, out->info.device);
	if (e->argument != NULL)
		out->devargs = e->argument + strcspn(e->argument, ",") +
			       (strchr(e->argument, ',') != NULL);
	out->is_eal_vdev = is_eal_vdev(out->info.device);
}

void
ethdev_show(const struct port *p, FILE *out)
{
	const struct ethdev_port *e = to_ethdev(p);

	fprintf(out, "Device: %s (%s), %u rx and %u tx queues, %s\n", p->name, e->info.driver_name,
		e->nrx, e->ntx,
		!e->running                               ? "stopped"
		: e->nrx > 0 && e->rx[0]->q.event_fd >= 0 ? "can sleep"
							  : "polled");
	fprintf(out, "Offloads: rx 0x%" PRIx64 ", tx 0x%" PRIx64 "\n", e->rx_offloads,
		e->tx_offloads);
}

int
ethdev_queue_info(const struct port *p, bool tx, uint16_t index, struct port_queue_info *out)
{
	uint16_t dev = to_ethdev(p)->dev;
	struct rte_eth_rxq_info rxq;
	struct rte_eth_txq_info txq;
	int ret;

	ret = tx ? rte_eth_tx_queue_info_get(dev, index, &txq)
		 : rte_eth_rx_queue_info_get(dev, index, &rxq);
	if (ret != 0)
		return ret;
	*out = (struct port_queue_info){.ndesc = tx ? txq.nb_desc : rxq.nb_desc};
	if (tx)
		return 0;
	out->pool = rxq.mp != NULL ? rxq.mp->name : NULL;
	out->scattered = rxq.scattered_rx;
	return 0;
}

/* --- settings --- */

void
ethdev_running(const struct port *p, FILE *out)
{
	const struct ethdev_port *e = to_ethdev(p);

	fprintf(out, "port config mtu %u %u\n", p->id, p->mtu);
	if (e->mac_set)
		fprintf(out, "mac_addr set %u " RTE_ETHER_ADDR_PRT_FMT "\n", p->id,
			RTE_ETHER_ADDR_BYTES(&p->mac));
	if (rte_eth_promiscuous_get(e->dev) != 1)
		fprintf(out, "set promisc %u off\n", p->id);
	if (rte_eth_allmulticast_get(e->dev) == 1)
		fprintf(out, "set allmulti %u on\n", p->id);
	if (e->link_down)
		fprintf(out, "set link-down port %u\n", p->id);
}

int
ethdev_configure(struct port *p, const struct port_defaults *d)
{
	const struct ethdev_config cfg = ethdev_config_of(d);

	return ethdev_port_configure(p, &cfg);
}
