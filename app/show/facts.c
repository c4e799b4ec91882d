/* SPDX-License-Identifier: BSD-3-Clause */
#include "facts.h"

#include <string.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_devargs.h>

#include "app.h"
#include "testpmd/fwd.h"
#include "ethdev/ethdev.h"

#define VHOST_RX_OFFLOADS                                               \
	(RTE_ETH_RX_OFFLOAD_VLAN_STRIP | RTE_ETH_RX_OFFLOAD_UDP_CKSUM | \
	 RTE_ETH_RX_OFFLOAD_TCP_CKSUM)
#define VHOST_TX_OFFLOADS                                                \
	(RTE_ETH_TX_OFFLOAD_VLAN_INSERT | RTE_ETH_TX_OFFLOAD_UDP_CKSUM | \
	 RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_MULTI_SEGS)

static const struct rte_eth_desc_lim vhost_limits = {
	.nb_max = UINT16_MAX,
	.nb_align = 1,
	.nb_seg_max = UINT16_MAX,
	.nb_mtu_seg_max = UINT16_MAX,
};

static void
vhost_facts(const struct app *app, const struct port *p, struct port_facts *out)
{
	const struct virtio_devargs *a = virtio_port_devargs(p);

	out->info = (struct rte_eth_dev_info){
		.driver_name = "net_vhost",
		.max_rx_pktlen = UINT32_MAX,
		.max_mac_addrs = 1,
		.max_rx_queues = (uint16_t)a->queues,
		.max_tx_queues = (uint16_t)a->queues,
		.rx_offload_capa = VHOST_RX_OFFLOADS,
		.tx_offload_capa = VHOST_TX_OFFLOADS,
		.rx_desc_lim = vhost_limits,
		.tx_desc_lim = vhost_limits,
		.switch_info.domain_id = RTE_ETH_DEV_SWITCH_DOMAIN_ID_INVALID,
	};
	out->link = (struct rte_eth_link){
		.link_speed = RTE_ETH_SPEED_NUM_10G,
		.link_duplex = RTE_ETH_LINK_FULL_DUPLEX,
		.link_status = p->ops->link_up(p),
	};
	out->devargs = a->text;
	out->nrx = fwd_queues(app, p, false);
	out->ntx = fwd_queues(app, p, true);
	out->promisc = true;
	out->allmulti = true;
	out->rx_offloads = app->opt.rx_offloads;
	out->tx_offloads = app->opt.tx_offloads;
	out->bus_vdev = true;
}

static const char *
device_args(const struct rte_device *dev)
{
	const struct rte_devargs *args = dev != NULL ? rte_dev_devargs(dev) : NULL;

	return args != NULL ? args->args : NULL;
}

static bool
on_vdev_bus(const struct rte_device *dev)
{
	return dev != NULL && strcmp(rte_bus_name(rte_dev_bus(dev)), "vdev") == 0;
}

static void
ethdev_facts(const struct port *p, struct port_facts *out)
{
	uint16_t dev = ethdev_port_dev(p);
	struct ethdev_active active;

	ethdev_port_active(p, &active);
	if (rte_eth_dev_info_get(dev, &out->info) != 0)
		out->info.driver_name = "unknown";
	if (rte_eth_link_get_nowait(dev, &out->link) != 0)
		out->link = (struct rte_eth_link){0};
	if (rte_eth_dev_fw_version_get(dev, out->firmware, sizeof(out->firmware)) != 0)
		out->firmware[0] = '\0';
	out->devargs = device_args(out->info.device);
	out->socket = rte_eth_dev_socket_id(dev);
	if (out->socket == SOCKET_ID_ANY)
		out->socket = 0;
	out->nrx = active.nrx;
	out->ntx = active.ntx;
	out->promisc = rte_eth_promiscuous_get(dev) == 1;
	out->allmulti = rte_eth_allmulticast_get(dev) == 1;
	out->rx_offloads = active.rx_offloads;
	out->tx_offloads = active.tx_offloads;
	out->bus_vdev = on_vdev_bus(out->info.device);
}

void
facts_get(const struct app *app, const struct port *p, struct port_facts *out)
{
	*out = (struct port_facts){0};
	if (p->ops == &virtio_port_ops)
		vhost_facts(app, p, out);
	else
		ethdev_facts(p, out);
}
