/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checksum, segmentation and VLAN settings of testpmd's csum mode.
 *
 * The switch finishes whatever the receiver cannot take by itself, so these
 * settings decide nothing here; they are kept and shown, and refused where a
 * port's device does not have the offload.
 */
#include <string.h>

#include "app.h"
#include "facts.h"
#include "running.h"

static const struct csum_layer {
	const char *word, *shown;
	uint64_t offload;
} layers[CSUM_LAYERS] = {
	{"ip", "IP", RTE_ETH_TX_OFFLOAD_IPV4_CKSUM},
	{"udp", "UDP", RTE_ETH_TX_OFFLOAD_UDP_CKSUM},
	{"tcp", "TCP", RTE_ETH_TX_OFFLOAD_TCP_CKSUM},
	{"sctp", "SCTP", RTE_ETH_TX_OFFLOAD_SCTP_CKSUM},
	{"outer-ip", "Outer-Ip", RTE_ETH_TX_OFFLOAD_OUTER_IPV4_CKSUM},
	{"outer-udp", "Outer-Udp", RTE_ETH_TX_OFFLOAD_OUTER_UDP_CKSUM},
};

/* testpmd insists; here nothing depends on it */
static struct port *
stopped_port(struct cmd *c, unsigned int word)
{
	struct port *p = cmd_port(c, word);

	if (p == NULL || !p->started || !c->app->testpmd)
		return p;
	cmd_print(c, "Please stop port %u first\n", p->id);
	c->failed = true;
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
	const struct port_settings *s = &c->app->settings[p->id];

	cmd_print(c, "Parse tunnel is %s\n", s->parse_tunnel ? "on" : "off");
	for (unsigned int i = 0; i < CSUM_LAYERS; i++)
		cmd_print(c, "%s checksum offload is %s\n", layers[i].shown,
			  s->csum_hw[i] ? "hw" : "sw");
}

static void
cmd_csum_set(struct cmd *c)
{
	struct port *p = stopped_port(c, 4);
	bool hw = strcmp(cmd_str(c, 3), "hw") == 0;
	unsigned int i = 0;

	if (p == NULL)
		return;
	while (strcmp(layers[i].word, cmd_str(c, 2)) != 0)
		i++;
	c->app->settings[p->id].reconfigure = true;
	if (hw && !offers(c, p, layers[i].offload))
		cmd_print(c, "%s checksum offload is not supported by port %u\n", layers[i].shown,
			  p->id);
	else
		c->app->settings[p->id].csum_hw[i] = hw;
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
	c->app->settings[p->id].parse_tunnel = strcmp(cmd_str(c, 2), "on") == 0;
	print_csum(c, p);
}

static void
cmd_csum_macs(struct cmd *c)
{
	struct port *p = cmd_port(c, 3);

	if (p == NULL)
		return;
	p->keep_macs = strcmp(cmd_str(c, 2), "off") == 0;
	sw_publish(&c->app->sw);
}

static void
print_tso(struct cmd *c, const struct port *p)
{
	uint32_t size = c->app->settings[p->id].tso_segsz;

	if (size == 0)
		cmd_print(c, "TSO for non-tunneled packets is disabled\n");
	else
		cmd_print(c, "TSO segment size for non-tunneled packets is %u\n", size);
}

static void
cmd_tso_set(struct cmd *c)
{
	struct port *p = stopped_port(c, 3);
	uint32_t size = (uint32_t)cmd_num(c, 2);

	if (p == NULL)
		return;
	if (size != 0 && !offers(c, p, RTE_ETH_TX_OFFLOAD_TCP_TSO)) {
		cmd_print(c, "Error: TSO is not supported by port %u\n", p->id);
		return;
	}
	c->app->settings[p->id].tso_segsz = size;
	print_tso(c, p);
}

static void
cmd_tso_show(struct cmd *c)
{
	struct port *p = stopped_port(c, 2);

	if (p != NULL)
		print_tso(c, p);
}

static void
cmd_set_gso(struct cmd *c)
{
	struct port *p = cmd_port(c, 2);

	if (p != NULL)
		c->app->settings[p->id].gso = strcmp(cmd_str(c, 4), "on") == 0;
}

static void
cmd_show_gso(struct cmd *c)
{
	const struct port *p = cmd_port(c, 2);

	if (p == NULL)
		return;
	if (!c->app->settings[p->id].gso) {
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
	c->app->gso_segsz = (uint32_t)cmd_num(c, 3);
}

static void
cmd_set_gro(struct cmd *c)
{
	struct port *p = cmd_port(c, 2);

	if (p != NULL)
		c->app->settings[p->id].gro = strcmp(cmd_str(c, 4), "on") == 0;
}

static void
cmd_set_gro_flush(struct cmd *c)
{
	c->app->gro_flush = (uint32_t)cmd_num(c, 3);
}

static void
cmd_show_gro(struct cmd *c)
{
	const struct port *p = cmd_port(c, 2);

	if (p == NULL)
		return;
	if (!c->app->settings[p->id].gro) {
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
	const char *what = cmd_str(c, 2);
	bool on = strcmp(cmd_str(c, 3), "on") == 0;

	if (p == NULL || !on)
		return;
	cmd_print(c, "rx_vlan_%s_set(port_pi=%u, on=1) failed diag=%d\n", what, p->id,
		  strcmp(what, "strip") == 0 ? -95 : -22);
	c->failed = true;
}

/* port,queue */
static void
cmd_vlan_stripq(struct cmd *c)
{
	bool on = strcmp(cmd_str(c, 3), "on") == 0;
	uint32_t which[2];

	if (options_parse_list(cmd_str(c, 4), which, RTE_DIM(which)) != RTE_DIM(which)) {
		cmd_print(c, "Bad arguments\n");
		c->failed = true;
		return;
	}
	if (app_port(c->app, which[0]) == NULL) {
		cmd_print(c, "Invalid port %u\n", which[0]);
		c->failed = true;
		return;
	}
	cmd_print(c, "rx_vlan_strip_set_on_queue(port_pi=%u, queue_id=%u, on=%d) failed diag=-95\n",
		  which[0], which[1], on);
	c->failed = true;
}

static void
cmd_rx_vlan(struct cmd *c)
{
	const struct port *p = cmd_port(c, 3);
	unsigned int vlan = (unsigned int)cmd_num(c, 2);

	if (p == NULL)
		return;
	c->failed = true;
	if (vlan > 4095) {
		cmd_print(c, "Invalid vlan_id %u (must be < 4096)\n", vlan);
		return;
	}
	cmd_print(c,
		  "Port %u: VLAN-filtering disabled\n"
		  "rte_eth_dev_vlan_filter(port_pi=%u, vlan_id=%u, on=%u) failed diag=-38\n",
		  p->id, p->id, vlan, strcmp(cmd_str(c, 1), "add") == 0);
}

static void
cmd_tx_vlan(struct cmd *c)
{
	struct port *p = stopped_port(c, 2);

	if (p != NULL)
		c->app->settings[p->id].reconfigure = true;
}

/* --- show config --- */

static void
port_running(const struct app *app, const struct port *p, FILE *out)
{
	const struct port_settings *s = &app->settings[p->id];

	for (unsigned int i = 0; i < CSUM_LAYERS; i++)
		if (s->csum_hw[i])
			fprintf(out, "csum set %s hw %u\n", layers[i].word, p->id);
	if (s->parse_tunnel)
		fprintf(out, "csum parse-tunnel on %u\n", p->id);
	if (p->keep_macs)
		fprintf(out, "csum mac-swap off %u\n", p->id);
	if (s->tso_segsz != 0)
		fprintf(out, "tso set %u %u\n", s->tso_segsz, p->id);
	if (s->gso)
		fprintf(out, "set port %u gso on\n", p->id);
	if (s->gro)
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
	{"tso set (num) (port_id)", cmd_tso_set,
	 "Set the segment size for TCP Segmentation Offload in csum forward engine."},
	{"tso show (port_id)", cmd_tso_show, "Display the status of TCP Segmentation Offload."},
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
