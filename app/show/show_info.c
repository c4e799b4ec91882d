/* SPDX-License-Identifier: BSD-3-Clause */
/* Facts about ports and devices: show port info|summary, show device info, offloads. */
#include <inttypes.h>
#include <string.h>

#include <rte_bitops.h>
#include <rte_ether.h>

#include "app.h"
#include "show.h"
#include "device.h"
#include "facts.h"
#include "base/text.h"

static const char *
on_off(bool on)
{
	return on ? "on" : "off";
}

static const char *
enabled(bool on)
{
	return on ? "enabled" : "disabled";
}

/* --- show port info --- */

static void
print_identity(const struct port *p, const struct port_facts *f, FILE *out)
{
	char args[TEXT_SHOWN_MAX];

	fprintf(out, "\n********************* Infos for port %-2u *********************\n", p->id);
	fprintf(out, "MAC address: " RTE_ETHER_ADDR_PRT_FMT "\n", RTE_ETHER_ADDR_BYTES(&p->mac));
	fprintf(out, "Device name: %s\nDriver name: %s\nFirmware-version: %s\n", p->name,
		f->info.driver_name, f->firmware[0] != '\0' ? f->firmware : "not available");
	if (f->devargs != NULL)
		fprintf(out, "Devargs: %s\n", text_shown(f->devargs, args, sizeof(args)));
	fprintf(out, "Connect to socket: %d\nmemory allocation on the socket: %d\n", f->socket,
		f->socket);
}

static void
print_link(const struct port *p, const struct port_facts *f, FILE *out)
{
	fprintf(out,
		"Link status: %s\n"
		"Link speed: %s\n"
		"Link duplex: %s\n"
		"Autoneg status: %s\n"
		"MTU: %u\n"
		"Promiscuous mode: %s\n"
		"Allmulticast mode: %s\n",
		f->link.link_status ? "up" : "down", rte_eth_link_speed_to_str(f->link.link_speed),
		f->link.link_duplex ? "full-duplex" : "half-duplex",
		f->link.link_autoneg ? "On" : "Off", p->mtu, enabled(f->promisc),
		enabled(f->allmulti));
}

static void
print_limits(const struct port_facts *f, FILE *out)
{
	const struct rte_eth_dev_info *i = &f->info;

	fprintf(out,
		"Maximum number of MAC addresses: %u\n"
		"Maximum number of MAC addresses of hash filtering: %u\n"
		"VLAN offload: \n"
		"  strip %s, filter off, extend off, qinq strip off\n",
		i->max_mac_addrs, i->max_hash_mac_addrs,
		on_off(f->rx_offloads & RTE_ETH_RX_OFFLOAD_VLAN_STRIP));
	if (i->hash_key_size > 0)
		fprintf(out, "Hash key size in bytes: %u\n", i->hash_key_size);
	if (i->reta_size > 0)
		fprintf(out, "Redirection table size: %u\n", i->reta_size);
	if (i->flow_type_rss_offloads == 0)
		fputs("No RSS offload flow type is supported.\n", out);
	else
		fprintf(out, "Supported RSS offload flow types:\n  0x%" PRIx64 "\n",
			i->flow_type_rss_offloads);
	fprintf(out,
		"Minimum size of RX buffer: %u\n"
		"Maximum configurable length of RX packet: %u\n"
		"Maximum configurable size of LRO aggregated packet: %u\n",
		i->min_rx_bufsize, i->max_rx_pktlen, i->max_lro_pkt_size);
}

static void
print_queues(const char *dir, uint16_t now, uint16_t max, const struct rte_eth_desc_lim *lim,
	     FILE *out)
{
	fprintf(out,
		"Current number of %s queues: %u\n"
		"Max possible %s queues: %u\n"
		"Max possible number of %sDs per queue: %u\n"
		"Min possible number of %sDs per queue: %u\n"
		"%sDs number alignment: %u\n",
		dir, now, dir, max, dir, lim->nb_max, dir, lim->nb_min, dir, lim->nb_align);
}

static void
print_capabilities(const struct rte_eth_dev_info *i, FILE *out)
{
	static const char *const handling[] = {
		[RTE_ETH_ERROR_HANDLE_MODE_NONE] = "none",
		[RTE_ETH_ERROR_HANDLE_MODE_PASSIVE] = "passive",
		[RTE_ETH_ERROR_HANDLE_MODE_PROACTIVE] = "proactive",
	};
	size_t mode = (size_t)i->err_handle_mode;

	fprintf(out, "Device capabilities: 0x%" PRIx64 "(", i->dev_capa);
	for (unsigned int b = 0; b < 64; b++)
		if (i->dev_capa & RTE_BIT64(b))
			fprintf(out, " %s", rte_eth_dev_capability_name(RTE_BIT64(b)));
	fprintf(out, " )\nDevice error handling mode: %s\n",
		mode < RTE_DIM(handling) ? handling[mode] : "unknown");
}

void
show_port_info(const struct app *app, const struct port *p, FILE *out)
{
	struct port_facts f;

	facts_get(app, p, &f);
	print_identity(p, &f, out);
	print_link(p, &f, out);
	print_limits(&f, out);
	print_queues("RX", f.nrx, f.info.max_rx_queues, &f.info.rx_desc_lim, out);
	print_queues("TX", f.ntx, f.info.max_tx_queues, &f.info.tx_desc_lim, out);
	fprintf(out, "Max segment number per packet: %u\nMax segment number per MTU/TSO: %u\n",
		f.info.tx_desc_lim.nb_seg_max, f.info.tx_desc_lim.nb_mtu_seg_max);
	print_capabilities(&f.info, out);
	if (!app->testpmd && p->ops->show != NULL)
		p->ops->show(p, out);
}

/* --- show port summary --- */

void
show_port_summary_head(const struct app *app, FILE *out)
{
	fprintf(out, "Number of available ports: %u\n", app_port_count(app));
	fprintf(out, "%-4s %-17s %-12s %-14s %-8s %s\n", "Port", "MAC Address", "Name", "Driver",
		"Status", "Link");
}

void
show_port_summary(const struct app *app, const struct port *p, FILE *out)
{
	struct port_facts f;

	facts_get(app, p, &f);
	fprintf(out, "%-4u " RTE_ETHER_ADDR_PRT_FMT " %-12s %-14s %-8s %s\n", p->id,
		RTE_ETHER_ADDR_BYTES(&p->mac), p->name, f.info.driver_name,
		f.link.link_status ? "up" : "down", rte_eth_link_speed_to_str(f.link.link_speed));
}

/* --- show device info --- */

static void
print_speeds(uint32_t capa, FILE *out)
{
	fputs("\tDevice speed capability:", out);
	if (capa == RTE_ETH_LINK_SPEED_AUTONEG)
		fputs(" Autonegotiate (all speeds)", out);
	for (unsigned int b = 0; capa != RTE_ETH_LINK_SPEED_AUTONEG && b < 32; b++)
		if (capa & RTE_BIT32(b))
			fprintf(out, " 0x%x", RTE_BIT32(b));
	fputc('\n', out);
}

void
show_device(const struct app *app, const struct port *p, FILE *out)
{
	char args[TEXT_SHOWN_MAX];
	struct port_facts f;

	facts_get(app, p, &f);
	fprintf(out,
		"\n********************* Infos for device %s *********************\n"
		"Bus name: %s\nBus information: \nDriver name: %s\nDevargs: %s\n"
		"Connect to socket: %d\n\n"
		"\tPort id: %u \n\tMAC address: " RTE_ETHER_ADDR_PRT_FMT "\n\tDevice name: %s\n",
		p->name, f.is_eal_vdev ? "vdev" : "pci", f.info.driver_name,
		text_shown(f.devargs != NULL ? f.devargs : "", args, sizeof(args)), f.socket, p->id,
		RTE_ETHER_ADDR_BYTES(&p->mac), p->name);
	print_speeds(f.info.speed_capa, out);
}

/* --- show port N rx_offload|tx_offload --- */

static void
print_offloads(uint64_t offloads, bool tx, FILE *out)
{
	for (unsigned int b = 0; b < 64; b++)
		if (offloads & RTE_BIT64(b))
			fprintf(out, " %s",
				tx ? rte_eth_dev_tx_offload_name(RTE_BIT64(b))
				   : rte_eth_dev_rx_offload_name(RTE_BIT64(b)));
	fputc('\n', out);
}

void
show_offload_capabilities(const struct app *app, const struct port *p, bool tx, FILE *out)
{
	struct port_facts f;
	uint64_t port, queue;

	facts_get(app, p, &f);
	port = tx ? f.info.tx_offload_capa : f.info.rx_offload_capa;
	queue = tx ? f.info.tx_queue_offload_capa : f.info.rx_queue_offload_capa;
	fprintf(out, "%s Offloading Capabilities of port %u :\n  Per Queue :", tx ? "Tx" : "Rx",
		p->id);
	print_offloads(queue, tx, out);
	fputs("  Per Port  :", out);
	print_offloads(port & ~queue, tx, out);
	fputc('\n', out);
}

void
show_offload_configuration(const struct app *app, const struct port *p, bool tx, FILE *out)
{
	struct port_facts f;
	uint64_t offloads;

	facts_get(app, p, &f);
	offloads = tx ? f.tx_offloads : f.rx_offloads;
	fprintf(out, "%s Offloading Configuration of port %u :\n  Port :", tx ? "Tx" : "Rx", p->id);
	print_offloads(offloads, tx, out);
	for (uint16_t q = 0; q < (tx ? f.ntx : f.nrx); q++) {
		fprintf(out, "  Queue[%2u] :", q);
		print_offloads(offloads, tx, out);
	}
	fputc('\n', out);
}
