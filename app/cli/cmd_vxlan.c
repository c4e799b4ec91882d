/* SPDX-License-Identifier: BSD-3-Clause */
/* Tunnels to other hosts. */
#include <string.h>

#include <bsd/string.h>

#include "app.h"
#include "cli.h"
#include "escape.h"
#include "show/running_config.h"
#include "show/show_vxlan.h"
#include "underlay.h"
#include "vxlan/vxlan.h"
#include "switch/sw_ports.h"

#define ERR_MAX 256

static void
refused(struct cmd *c, const char *err)
{
	cmd_fail(c, "Refused: %s\n", err);
}

/* --- tunnels --- */

static bool
parse_host(struct evpn_ip *ip, const char *text)
{
	return evpn_ip_parse(ip, text) && evpn_ip_is_host(ip);
}

/* The address in the row; false after saying that it is none. */
static bool
local_of(struct cmd *c, struct evpn_ip *local)
{
	char err[ERR_MAX];

	if (parse_host(local, cmd_str(c, 4)))
		return true;
	snprintf(err, sizeof(err), "%.64s: must be an IPv4 or IPv6 address of a host, no loopback",
		 cmd_str(c, 4));
	refused(c, err);
	return false;
}

static void
add_tunnel(struct cmd *c, uint16_t udp_port)
{
	const struct port *below = cmd_port(c, 6);
	struct vxlan_tunnel_config t = {.name = cmd_str(c, 2), .udp_port = udp_port};
	char err[ERR_MAX];

	if (below == NULL || !local_of(c, &t.local))
		return;
	t.below = below->name;
	if (vxlan_add(c->app->vxlan, &t, err, sizeof(err)) < 0)
		refused(c, err);
}

static void
cmd_add(struct cmd *c)
{
	add_tunnel(c, OUTER_VXLAN_PORT);
}

static void
cmd_add_udp_port(struct cmd *c)
{
	add_tunnel(c, (uint16_t)cmd_num(c, 8));
}

static void
add_kernel_tunnel(struct cmd *c, uint16_t udp_port)
{
	struct vxlan_tunnel_config t = {.name = cmd_str(c, 2), .udp_port = udp_port};
	char err[ERR_MAX];
	struct port *below;
	bool made;

	if (!local_of(c, &t.local))
		return;
	below = underlay_of_kernel(c->app, &t.local, &made, err, sizeof(err));
	if (below == NULL) {
		refused(c, err);
		return;
	}
	t.below = below->name;
	if (vxlan_add(c->app->vxlan, &t, err, sizeof(err)) == 0)
		return;
	refused(c, err);
	if (made)
		sw_port_remove(&c->app->sw, below);
}

static void
cmd_add_kernel(struct cmd *c)
{
	add_kernel_tunnel(c, OUTER_VXLAN_PORT);
}

static void
cmd_add_kernel_udp_port(struct cmd *c)
{
	add_kernel_tunnel(c, (uint16_t)cmd_num(c, 8));
}

static void
cmd_del(struct cmd *c)
{
	char err[ERR_MAX];

	if (vxlan_remove(c->app->vxlan, cmd_str(c, 2), err, sizeof(err)) < 0)
		refused(c, err);
}

/* --- VNIs --- */

/* "192.0.2.1,192.0.2.2" */
static bool
parse_vteps(struct cmd *c, const char *text, struct vxlan_vni_config *n)
{
	char list[sizeof(cmdline_multi_string_t)], err[ERR_MAX], *word, *save;

	strlcpy(list, text, sizeof(list));
	for (word = strtok_r(list, ",", &save); word != NULL; word = strtok_r(NULL, ",", &save)) {
		if (n->nvteps == VXLAN_FLOOD_MAX) {
			snprintf(err, sizeof(err), "more than %d VTEPs", VXLAN_FLOOD_MAX);
			refused(c, err);
			return false;
		}
		if (!parse_host(&n->vtep[n->nvteps++], word)) {
			snprintf(err, sizeof(err),
				 "VTEP %.64s: must be an IPv4 or IPv6 address of a host", word);
			refused(c, err);
			return false;
		}
	}
	if (n->nvteps == 0)
		refused(c, "a list of VTEPs: must have one at least");
	return n->nvteps != 0;
}

/* Positions of the words of a VNI; 0: there is none. */
struct vni_words {
	unsigned int tunnel, domain, vlan;
};

static struct vxlan_vni_config
vni_of(struct cmd *c, const struct vni_words *at)
{
	return (struct vxlan_vni_config){
		.tunnel = at->tunnel != 0 ? cmd_str(c, at->tunnel) : NULL,
		.vni = (uint32_t)cmd_num(c, 2),
		.domain = (uint16_t)cmd_num(c, at->domain),
		.vlan = at->vlan != 0 ? (uint16_t)cmd_num(c, at->vlan) : 0,
	};
}

static void
set_vni(struct cmd *c, const struct vxlan_vni_config *n)
{
	char err[ERR_MAX];

	if (vxlan_set_vni(c->app->vxlan, n, err, sizeof(err)) < 0)
		refused(c, err);
}

static void
set_flood(struct cmd *c, const struct vni_words *at)
{
	struct vxlan_vni_config n = vni_of(c, at);

	if (parse_vteps(c, c->words->rest, &n))
		set_vni(c, &n);
}

static void
set_evpn(struct cmd *c, const struct vni_words *at)
{
	struct vxlan_vni_config n = vni_of(c, at);

	n.evpn = true;
	set_vni(c, &n);
}

static const struct vni_words plain = {.domain = 4};
static const struct vni_words with_vlan = {.domain = 4, .vlan = 6};
static const struct vni_words on_tunnel = {.tunnel = 4, .domain = 6};
static const struct vni_words on_tunnel_with_vlan = {.tunnel = 4, .domain = 6, .vlan = 8};

static void
cmd_flood(struct cmd *c)
{
	set_flood(c, &plain);
}

static void
cmd_flood_vlan(struct cmd *c)
{
	set_flood(c, &with_vlan);
}

static void
cmd_flood_on(struct cmd *c)
{
	set_flood(c, &on_tunnel);
}

static void
cmd_flood_on_vlan(struct cmd *c)
{
	set_flood(c, &on_tunnel_with_vlan);
}

static void
cmd_evpn(struct cmd *c)
{
	set_evpn(c, &plain);
}

static void
cmd_evpn_vlan(struct cmd *c)
{
	set_evpn(c, &with_vlan);
}

static void
cmd_evpn_on(struct cmd *c)
{
	set_evpn(c, &on_tunnel);
}

static void
cmd_evpn_on_vlan(struct cmd *c)
{
	set_evpn(c, &on_tunnel_with_vlan);
}

static void
cmd_vni_off(struct cmd *c)
{
	char err[ERR_MAX];

	if (vxlan_remove_vni(c->app->vxlan, (uint32_t)cmd_num(c, 2), err, sizeof(err)) < 0)
		refused(c, err);
}

/* --- show --- */

static void
cmd_show(struct cmd *c)
{
	show_tunnels(c->app, c->out);
}

static void
cmd_show_part(struct cmd *c)
{
	/* as the words of the row */
	static void (*const show[])(struct app * app, FILE * out) = {
		show_vnis,
		show_vteps,
		show_vxlan_macs,
		show_vxlan_ips,
	};

	show[cmd_choice(c, 2, RTE_DIM(show))](c->app, c->out);
}

/* Takes @p d. */
static void
print_json(struct cmd *c, json_t *d)
{
	if (d == NULL || json_dumpf(d, c->out, JSON_INDENT(2)) != 0)
		c->failed = true;
	cmd_print(c, "\n");
	json_decref(d);
}

static void
cmd_show_json(struct cmd *c)
{
	print_json(c, report_tunnels(c->app));
}

static void
cmd_show_part_json(struct cmd *c)
{
	static json_t *(*const report[])(struct app * app) = {
		report_vnis,
		report_vteps,
		report_vxlan_macs,
		report_vxlan_ips,
	};

	print_json(c, report[cmd_choice(c, 2, RTE_DIM(report))](c->app));
}

static void
cmd_why_vni(struct cmd *c)
{
	const struct vxlan_vni *n = vxlan_find_vni(c->app->vxlan, (uint32_t)cmd_num(c, 2));
	char buf[ERR_MAX];
	const char *why;

	if (n == NULL) {
		snprintf(buf, sizeof(buf), "there is no VNI %u", (uint32_t)cmd_num(c, 2));
		refused(c, buf);
		return;
	}
	why = vxlan_why(c->app->vxlan, n, buf, sizeof(buf));
	cmd_print(c, "VNI %u: %s\n", n->vni, why != NULL ? why : "nothing keeps it from working");
}

/* --- show config --- */

static void
vni_running(const struct vxlan_vni *n, FILE *out)
{
	const struct vxlan_vtep *v;
	const char *sep = "";

	fprintf(out, "vxlan vni %u on ", n->vni);
	cli_escape(out, n->tunnel->name);
	fprintf(out, " domain %u", n->domain);
	if (n->vlan != 0)
		fprintf(out, " vlan %u", n->vlan);
	if (n->evpn) {
		fputs(" evpn\n", out);
		return;
	}
	fputs(" flood ", out);
	STAILQ_FOREACH (v, &n->vteps, entry) {
		fprintf(out, "%s%s", sep, v->port->text);
		sep = ",";
	}
	fputc('\n', out);
}

void
tunnels_running(const struct app *app, FILE *out)
{
	const struct vxlan_tunnel *t;
	const struct vxlan_vni *n;
	char text[EVPN_IP_TEXT];

	STAILQ_FOREACH (t, vxlan_all(app->vxlan), entry) {
		const struct port *below = sw_port_by_name(&app->sw, t->below);

		if (below == NULL)
			continue; /* it cannot be made again without it */
		fputs("vxlan add ", out);
		cli_escape(out, t->name);
		fprintf(out, " local %s underlay %u dstport %u\n", evpn_ip_text(&t->local, text),
			below->id, t->udp_port);
		STAILQ_FOREACH (n, &t->vnis, entry)
			vni_running(n, out);
	}
}

#define FLOOD_HELP                                                                        \
	"Join a domain to a VNI of other hosts: frames to all are sent to each of these " \
	"VTEPs, addresses are learned from what they send. Given again it changes the list."

static const struct cli_row rows[] = {
	{"vxlan add (name) local (address) underlay (port_id)", cmd_add,
	 "Make a VXLAN tunnel from an address of this host, over a port of a network device. The "
	 "kernel has the address; its routes and neighbours say where VTEPs are."},
	{"vxlan add (name) local (address) underlay (port_id) dstport (udp_port)", cmd_add_udp_port,
	 "The same with a UDP port other than 4789."},
	{"vxlan add (name) local (address) underlay kernel", cmd_add_kernel,
	 "The same over the kernel's own network card: a port of net_af_packet is made on the "
	 "interface that has the address, in a domain that nothing else is in."},
	{"vxlan add (name) local (address) underlay kernel dstport (udp_port)",
	 cmd_add_kernel_udp_port, "The same with a UDP port other than 4789."},
	{"vxlan del (name)", cmd_del, "Remove a tunnel and its VNIs."},
	{"vxlan vni (vni) domain (domain) flood (vtep[,vtep]*)", cmd_flood, FLOOD_HELP},
	{"vxlan vni (vni) domain (domain) vlan (vlan) flood (vtep[,vtep]*)", cmd_flood_vlan,
	 "Join a VLAN of a domain to a VNI; frames have no tag in the tunnel."},
	{"vxlan vni (vni) on (name) domain (domain) flood (vtep[,vtep]*)", cmd_flood_on,
	 "The same where there are several tunnels."},
	{"vxlan vni (vni) on (name) domain (domain) vlan (vlan) flood (vtep[,vtep]*)",
	 cmd_flood_on_vlan, "The same where there are several tunnels."},
	{"vxlan vni (vni) domain (domain) evpn", cmd_evpn,
	 "Join a domain to a VNI whose VTEPs and addresses EVPN tells: FRR on this host, by way of "
	 "the kernel devices vqbVNI, vqxVNI and vqtVNI. It takes CAP_NET_ADMIN."},
	{"vxlan vni (vni) domain (domain) vlan (vlan) evpn", cmd_evpn_vlan,
	 "The same for a VLAN of a domain; frames have no tag in the tunnel."},
	{"vxlan vni (vni) on (name) domain (domain) evpn", cmd_evpn_on,
	 "The same where there are several tunnels."},
	{"vxlan vni (vni) on (name) domain (domain) vlan (vlan) evpn", cmd_evpn_on_vlan,
	 "The same where there are several tunnels."},
	{"vxlan vni (vni) off", cmd_vni_off, "Remove a VNI."},
	{"show vxlan", cmd_show, "Show tunnels."},
	{"show vxlan (vni|vtep|fdb|neigh)", cmd_show_part,
	 "Show their VNIs; the VTEPs of each: the port that stands for it, the longest frame "
	 "that fits, frames of either direction, and what keeps it from working; the addresses of "
	 "all VNIs: where they are, and whether the kernel has those of guests here; the IP "
	 "addresses of those that joined EVPN, likewise."},
	{"show vxlan json", cmd_show_json, "Show tunnels, VNIs and VTEPs for programs."},
	{"show vxlan (vni|vtep|fdb|neigh) json", cmd_show_part_json, "Show a part for programs."},
	{"why vni (vni)", cmd_why_vni, "Say what keeps a VNI from working."},
};

const struct cli_section cli_tunnels = {
	.name = "vxlan",
	.title = "Tunnels:",
	.summary = "VXLAN to other hosts.",
	.rows = rows,
	.n = RTE_DIM(rows),
};
