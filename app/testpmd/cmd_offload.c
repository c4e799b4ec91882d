/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checksum, segmentation and VLAN settings: what mode csum does
 * (lib/switch/csum.c). The offers of a device count where they do in testpmd;
 * segmentation is there for every port, in software.
 */
#include <string.h>

#include "app.h"
#include "list.h"
#include "cli/cli.h"
#include "show/facts.h"
#include "show/running_config.h"
#include "switch/publish.h"
#include "switch/sw.h"

static const struct layer {
	const char *word, *shown;
	uint64_t offload;
} layers[CSUM_LAYERS] = {
	[CSUM_IP] = {"ip", "IP", RTE_ETH_TX_OFFLOAD_IPV4_CKSUM},
	[CSUM_UDP] = {"udp", "UDP", RTE_ETH_TX_OFFLOAD_UDP_CKSUM},
	[CSUM_TCP] = {"tcp", "TCP", RTE_ETH_TX_OFFLOAD_TCP_CKSUM},
	[CSUM_SCTP] = {"sctp", "SCTP", RTE_ETH_TX_OFFLOAD_SCTP_CKSUM},
	[CSUM_OUTER_IP] = {"outer-ip", "Outer-Ip", RTE_ETH_TX_OFFLOAD_OUTER_IPV4_CKSUM},
	[CSUM_OUTER_UDP] = {"outer-udp", "Outer-Udp", RTE_ETH_TX_OFFLOAD_OUTER_UDP_CKSUM},
};

#define GRO_FLUSH_MAX 4 /* testpmd's */
#define GSO_LEN_MIN 55  /* testpmd's: Ethernet, IPv4, TCP and a byte */

/* testpmd insists; here nothing depends on it */
static struct port *
stopped_port(struct cmd *c, unsigned int word)
{
	struct port *p = cmd_port(c, word);

	if (p == NULL || !p->started || !c->app->testpmd)
		return p;
	cmd_fail(c, "Please stop port %u first\n", p->id);
	return NULL;
}

static bool
offers(const struct cmd *c, const struct port *p, uint64_t offload)
{
	struct port_facts f;

	facts_get(c->app, p, &f);
	return (f.info.tx_offload_capa & offload) != 0;
}

static void
print_csum(struct cmd *c, const struct port *p)
{
	cmd_print(c, "Parse tunnel is %s\n", p->csum.tunnels ? "on" : "off");
	for (unsigned int i = 0; i < CSUM_LAYERS; i++)
		cmd_print(c, "%s checksum offload is %s\n", layers[i].shown,
			  (p->csum.hw >> i & 1) != 0 ? "hw" : "sw");
}

static void
cmd_csum_set(struct cmd *c)
{
	struct port *p = stopped_port(c, 4);
	unsigned int i = cmd_choice(c, 2, CSUM_LAYERS);
	bool hw = cmd_on(c, 3);
	uint8_t bit;

	if (p == NULL)
		return;
	bit = (uint8_t)(1u << i);
	p->app->reconfigure = true;
	if (hw && !offers(c, p, layers[i].offload))
		cmd_print(c, "%s checksum offload is not supported by port %u\n", layers[i].shown,
			  p->id);
	else
		p->csum.hw = (uint8_t)((p->csum.hw & ~bit) | (hw ? bit : 0));
	sw_publish(&c->app->sw);
	print_csum(c, p);
}

static void
cmd_csum_show(struct cmd *c)
{
	struct port *p = stopped_port(c, 2);

	if (p != NULL)
		print_csum(c, p);
}

static void
cmd_csum_tunnel(struct cmd *c)
{
	struct port *p = cmd_port(c, 3);

	if (p == NULL)
		return;
	p->csum.tunnels = cmd_on(c, 2);
	sw_publish(&c->app->sw);
	print_csum(c, p);
}

static void
cmd_csum_macs(struct cmd *c)
{
	struct port *p = cmd_port(c, 3);

	if (p == NULL)
		return;
	p->csum.keep_macs = !cmd_on(c, 2);
	sw_publish(&c->app->sw);
}

static void
print_tso(struct cmd *c, const struct port *p)
{
	uint32_t size = p->csum.tso_segsz;

	if (size == 0)
		cmd_print(c, "TSO for non-tunneled packets is disabled\n");
	else
		cmd_print(c, "TSO segment size for non-tunneled packets is %u\n", size);
}

static void
cmd_tso_set(struct cmd *c)
{
	struct port *p = stopped_port(c, 3);
	uint16_t size = (uint16_t)cmd_num(c, 2);

	if (p == NULL)
		return;
	if (size != 0 && c->app->testpmd && !offers(c, p, RTE_ETH_TX_OFFLOAD_TCP_TSO)) {
		cmd_fail(c, "Error: TSO is not supported by port %u\n", p->id);
		return;
	}
	p->csum.tso_segsz = size;
	sw_publish(&c->app->sw);
	print_tso(c, p);
}

static void
cmd_tso_show(struct cmd *c)
{
	struct port *p = stopped_port(c, 2);

	if (p != NULL)
		print_tso(c, p);
}

/* No device here has it: 0 is its only size. */
static void
tunnel_tso(struct cmd *c, const struct port *p, uint64_t size)
{
	if (p == NULL)
		return;
	if (size == 0)
		cmd_print(c, "TSO for tunneled packets is disabled\n");
	else
		cmd_fail(c, "Error: port=%u don't support tunnel TSO offloads.\n", p->id);
}

static void
cmd_tunnel_tso_set(struct cmd *c)
{
	tunnel_tso(c, stopped_port(c, 3), cmd_num(c, 2));
}

static void
cmd_tunnel_tso_show(struct cmd *c)
{
	tunnel_tso(c, stopped_port(c, 2), 1);
}

/* --- segmentation and its reverse --- */

/* One length for all ports that have it. */
static void
set_gso(struct cmd *c)
{
	const struct app *app = c->app;

	for (uint16_t id = 0; id < app->sw.nports; id++)
		if (app->sw.port[id] != NULL)
			app->sw.port[id]->csum.gso_len =
				app->sw.port[id]->app->gso ? (uint16_t)app->gso_segsz : 0;
	sw_publish(&c->app->sw);
}

static void
cmd_set_gso(struct cmd *c)
{
	struct port *p = cmd_port(c, 2);
	bool on = cmd_on(c, 4);

	if (p == NULL ||
	    cmd_must_stop(c, on ? "before enabling GSO, please stop forwarding first"
				: "before disabling GSO, please stop forwarding first"))
		return;
	p->app->gso = on;
	set_gso(c);
}

static void
cmd_show_gso(struct cmd *c)
{
	const struct port *p = cmd_port(c, 2);

	if (p == NULL)
		return;
	if (!p->app->gso) {
		cmd_print(c, "GSO is not enabled on Port %u\n", p->id);
		return;
	}
	cmd_print(c,
		  "Max GSO'd packet size: %uB\n"
		  "Supported GSO types: TCP/IPv4, UDP/IPv4, VxLAN with inner TCP/IPv4 packet, GRE "
		  "with inner TCP/IPv4 packet\n",
		  c->app->gso_segsz);
}

static void
cmd_set_gso_segsz(struct cmd *c)
{
	uint64_t len = cmd_num(c, 3);

	if (cmd_must_stop(c, "Before setting GSO segsz, please first stop forwarding"))
		return;
	if (len < GSO_LEN_MIN || len > UINT16_MAX) {
		cmd_fail(c, "gso_size should be larger than %u. Please input a legal value\n",
			 GSO_LEN_MIN);
		return;
	}
	c->app->gso_segsz = (uint32_t)len;
	set_gso(c);
}

static void
cmd_set_gro(struct cmd *c)
{
	struct port *p = cmd_port(c, 2);
	bool on = cmd_on(c, 4);

	if (p == NULL ||
	    cmd_must_stop(c, "Before enable/disable GRO, please stop forwarding first"))
		return;
	if (c->app->testpmd && on == p->csum.gro) {
		cmd_fail(c,
			 on ? "Port %u has enabled GRO. Please disable GRO first\n"
			    : "Port %u has disabled GRO\n",
			 p->id);
		return;
	}
	p->csum.gro = on;
	sw_publish(&c->app->sw);
}

static void
cmd_set_gro_flush(struct cmd *c)
{
	if (cmd_must_stop(c, "Before change flush interval for GRO, please stop forwarding first."))
		return;
	if (cmd_num(c, 3) >= 1 && cmd_num(c, 3) <= GRO_FLUSH_MAX) {
		c->app->gro_flush = (uint32_t)cmd_num(c, 3);
		return;
	}
	cmd_fail(c,
		 "The flushing cycle be in the range of 1 to %u. Revert to the default value 1.\n",
		 GRO_FLUSH_MAX);
	c->app->gro_flush = 1;
}

static void
cmd_show_gro(struct cmd *c)
{
	const struct port *p = cmd_port(c, 2);

	if (p == NULL)
		return;
	if (!p->csum.gro) {
		cmd_print(c, "Port %u doesn't enable GRO.\n", p->id);
		return;
	}
	cmd_print(c,
		  "GRO type: TCP/IPv4\nMax number of packets to perform GRO: 128\n"
		  "Flushing cycles: %u\n",
		  c->app->gro_flush);
}

/* --- VLAN: no port strips or filters in hardware --- */

static void
cmd_vlan_set(struct cmd *c)
{
	const struct port *p = cmd_port(c, 4);
	bool strip = cmd_choice(c, 2, 4) == 0;

	if (p == NULL || !cmd_on(c, 3))
		return;
	cmd_fail(c, "rx_vlan_%s_set(port_pi=%u, on=1) failed diag=%d\n", cmd_str(c, 2), p->id,
		 strip ? -95 : -22);
}

/* port,queue */
static void
cmd_vlan_stripq(struct cmd *c)
{
	bool on = cmd_on(c, 3);
	uint32_t which[2];

	if (list_parse(cmd_str(c, 4), &list_of_numbers, which, RTE_DIM(which)) != RTE_DIM(which)) {
		cmd_bad_argument(c, cmd_str(c, 4), "PORT,QUEUE");
		return;
	}
	if (app_port(c->app, which[0]) == NULL) {
		cmd_fail(c, "Invalid port %u\n", which[0]);
		return;
	}
	cmd_fail(c, "rx_vlan_strip_set_on_queue(port_pi=%u, queue_id=%u, on=%d) failed diag=-95\n",
		 which[0], which[1], on);
}

static void
cmd_rx_vlan(struct cmd *c)
{
	const struct port *p = cmd_port(c, 3);
	unsigned int vlan = (unsigned int)cmd_num(c, 2);

	if (p == NULL)
		return;
	if (vlan > 4095) {
		cmd_fail(c, "Invalid vlan_id %u (must be < 4096)\n", vlan);
		return;
	}
	cmd_fail(c,
		 "Port %u: VLAN-filtering disabled\n"
		 "rte_eth_dev_vlan_filter(port_pi=%u, vlan_id=%u, on=%u) failed diag=-38\n",
		 p->id, p->id, vlan, cmd_on(c, 1));
}

static void
cmd_tx_vlan(struct cmd *c)
{
	struct port *p = stopped_port(c, 2);

	if (p != NULL)
		p->app->reconfigure = true;
}

/* --- show config --- */

static void
port_running(const struct app *app, const struct port *p, FILE *out)
{
	for (unsigned int i = 0; i < CSUM_LAYERS; i++)
		if ((p->csum.hw >> i & 1) != 0)
			fprintf(out, "csum set %s hw %u\n", layers[i].word, p->id);
	if (p->csum.tunnels)
		fprintf(out, "csum parse-tunnel on %u\n", p->id);
	if (p->csum.keep_macs)
		fprintf(out, "csum mac-swap off %u\n", p->id);
	if (p->csum.tso_segsz != 0)
		fprintf(out, "tso set %u %u\n", p->csum.tso_segsz, p->id);
	if (p->app->gso)
		fprintf(out, "set port %u gso on\n", p->id);
	if (p->csum.gro)
		fprintf(out, "set port %u gro on\n", p->id);
}

void
offload_running(const struct app *app, FILE *out)
{
	fprintf(out, "set gso segsz %u\nset gro flush %u\n", app->gso_segsz, app->gro_flush);
	running_each_port(app, out, port_running);
}

static const struct cli_row rows[] = {
	{"csum set (ip|udp|tcp|sctp|outer-ip|outer-udp) (hw|sw) (port_id)", cmd_csum_set,
	 "Select hardware or software calculation of a checksum for the csum forward engine."},
	{"csum show (port_id)", cmd_csum_show, "Display tx checksum offload configuration."},
	{"csum parse-tunnel (on|off) (port_id)", cmd_csum_tunnel,
	 "Whether the csum forward engine looks into tunnels."},
	{"csum mac-swap (on|off) (port_id)", cmd_csum_macs,
	 "Whether the csum forward engine writes the addresses of what it sends to a port."},
	{"tso set (length) (port_id)", cmd_tso_set,
	 "Set the segment size for TCP Segmentation Offload in csum forward engine."},
	{"tso show (port_id)", cmd_tso_show, "Display the status of TCP Segmentation Offload."},
	{"tunnel_tso set (length) (port_id)", cmd_tunnel_tso_set,
	 "Set the segment size of packets in tunnels, which no port cuts."},
	{"tunnel_tso show (port_id)", cmd_tunnel_tso_show,
	 "Display the status of segmentation of packets in tunnels."},
	{"set port (port_id) gso (on|off)", cmd_set_gso,
	 "Enable or disable Generic Segmentation Offload in csum forwarding engine."},
	{"set gso segsz (length)", cmd_set_gso_segsz,
	 "Set max packet length for output GSO segments, including packet header and payload."},
	{"show port (port_id) gso", cmd_show_gso, "Show GSO configuration."},
	{"set port (port_id) gro (on|off)", cmd_set_gro,
	 "Enable or disable Generic Receive Offload in csum forwarding engine."},
	{"set gro flush (num)", cmd_set_gro_flush,
	 "Set the cycle to flush GROed packets from reassembly tables."},
	{"show port (port_id) gro", cmd_show_gro, "Display GRO configuration."},
	{"vlan set (strip|filter|qinq_strip|extend) (on|off) (port_id)", cmd_vlan_set,
	 "Set the VLAN strip or filter or qinq strip or extend."},
	{"vlan set stripq (on|off) (x[,y]*)", cmd_vlan_stripq,
	 "Set the VLAN strip for a queue on a port."},
	{"rx_vlan (add|rm) (vlan_id) (port_id)", cmd_rx_vlan,
	 "Add or remove a vlan_id to the set of VLAN identifiers filtered by port_id."},
	{"tx_vlan set (port_id) (vlan_id)", cmd_tx_vlan,
	 "Set hardware insertion of a VLAN ID in packets sent on a port."},
	{"tx_vlan reset (port_id)", cmd_tx_vlan,
	 "Disable hardware insertion of a VLAN header in packets sent on a port."},
};

const struct cli_section cli_offload = {
	.name = "offload",
	.title = "Offloads:",
	.summary = "Checksum, segmentation and VLAN settings.",
	.rows = rows,
	.n = RTE_DIM(rows),
};
