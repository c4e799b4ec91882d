/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports come, go, start, stop and are configured. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "app.h"
#include "device.h"
#include "cli/cli.h"
#include "cli/escape.h"
#include "fwd.h"
#include "base/log.h"
#include "show/facts.h"
#include "show/running_config.h"
#include "switch/publish.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"
#include "switch/vlan_table.h"

/* --- start and stop --- */

/* Under testpmd's name a port that forwards must not be stopped. */
static bool
is_forwarding(struct cmd *c, const struct port *p)
{
	uint16_t list[DP_PORTS_MAX], n;

	if (!c->app->testpmd || !c->app->sw.forwarding)
		return false;
	n = fwd_ports(c->app, list);
	for (uint16_t i = 0; i < n; i++) {
		if (list[i] == p->id) {
			cmd_print(c, "Please remove port %u from forwarding configuration.\n",
				  p->id);
			return true;
		}
	}
	return false;
}

static void
check_links(struct cmd *c)
{
	if (!c->app->fwd->no_link_check)
		cmd_print(c, "Checking link statuses...\n");
}

/* The ports a command names; none, and "Invalid port N" written, when there is no such port. */
static uint16_t
named_ports(struct cmd *c, unsigned int word, struct port **out)
{
	struct port *one;
	uint16_t n = 0;

	if (cmd_num(c, word) != CLI_PORT_ALL) {
		one = cmd_port(c, word);
		out[0] = one;
		return one != NULL;
	}
	for (uint16_t id = 0; id < c->app->sw.nports; id++)
		if (c->app->sw.port[id] != NULL)
			out[n++] = c->app->sw.port[id];
	return n;
}

static bool
names_nothing(const struct cmd *c, uint16_t n)
{
	return n == 0 && c->failed;
}

static int
start_port(struct cmd *c, struct port *p)
{
	struct app_port *set = p->app;
	int ret;

	if (set->reconfigure)
		cmd_print(c, "Configuring Port %u (socket 0)\n", p->id);
	set->reconfigure = false;
	ret = p->ops->start != NULL ? p->ops->start(p) : 0;
	if (ret < 0) {
		cmd_print(c, "Fail to start port %u: %s\n", p->id, strerror(-ret));
		return ret;
	}
	p->started = true;
	cmd_print(c, "Port %u: " RTE_ETHER_ADDR_PRT_FMT "\n", p->id, RTE_ETHER_ADDR_BYTES(&p->mac));
	return 0;
}

static void
cmd_port_start(struct cmd *c)
{
	struct port *list[DP_PORTS_MAX];
	uint16_t n = named_ports(c, 2, list);
	bool any = false;

	if (names_nothing(c, n))
		return;
	for (uint16_t i = 0; i < n; i++) {
		if (list[i]->started)
			cmd_print(c, "Port %u is now not stopped\n", list[i]->id);
		else
			any |= start_port(c, list[i]) == 0;
	}
	sw_publish(&c->app->sw);
	if (any)
		check_links(c);
	else if (n > 0)
		cmd_print(c, "Please stop the ports first\n");
	cmd_print(c, "Done\n");
}

static void
cmd_port_stop(struct cmd *c)
{
	struct port *list[DP_PORTS_MAX], *stopped[DP_PORTS_MAX];
	uint16_t n = named_ports(c, 2, list), nstopped = 0;

	if (names_nothing(c, n))
		return;
	cmd_print(c, "Stopping ports...\n");
	for (uint16_t i = 0; i < n; i++) {
		if (!list[i]->started || is_forwarding(c, list[i]))
			continue;
		list[i]->started = false;
		stopped[nstopped++] = list[i];
	}
	sw_publish(&c->app->sw);
	for (uint16_t i = 0; i < nstopped; i++)
		if (stopped[i]->ops->stop != NULL)
			stopped[i]->ops->stop(stopped[i]);
	if (nstopped > 0)
		check_links(c);
	cmd_print(c, "Done\n");
}

/* The end of a tunnel is there as long as its VNI names it. With "all" it is passed over. */
static bool
is_tunnel(struct cmd *c, const struct port *p)
{
	if (p->tunnel && cmd_num(c, 2) != CLI_PORT_ALL)
		cmd_fail(c, "Port %u is the end of a tunnel: \"vxlan vni\" removes it\n", p->id);
	return p->tunnel;
}

static void
cmd_port_close(struct cmd *c)
{
	struct port *list[DP_PORTS_MAX];
	uint16_t n = named_ports(c, 2, list);

	if (names_nothing(c, n))
		return;
	cmd_print(c, "Closing ports...\n");
	for (uint16_t i = 0; i < n; i++) {
		uint16_t id = list[i]->id;

		if (is_forwarding(c, list[i]) || is_tunnel(c, list[i]))
			continue;
		sw_port_remove(&c->app->sw, list[i]);
		cmd_print(c, "Port %u is closed\n", id);
	}
	cmd_print(c, "Done\n");
}

static void
cmd_port_reset(struct cmd *c)
{
	struct port *list[DP_PORTS_MAX];
	uint16_t n = named_ports(c, 2, list);

	for (uint16_t i = 0; i < n; i++) {
		if (list[i]->started) {
			cmd_print(c, "Can not reset port(s), please stop port(s) first.\n");
			return;
		}
	}
	if (names_nothing(c, n))
		return;
	cmd_print(c, "Resetting ports...\n");
	for (uint16_t i = 0; i < n; i++)
		cmd_print(c, "Failed to reset port %u. diag=-95\n", list[i]->id);
	cmd_print(c, "Done\n");
}

/* --- attach and detach --- */

static void
attach(struct cmd *c, const struct birth *b)
{
	struct port *p;
	char err[APP_ERR_MAX];

	cmd_print(c, "Attaching a new port...\n");
	p = app_attach(c->app, 0, b, c->words->rest, err, sizeof(err));
	if (p == NULL) {
		cmd_fail(c, "%s\n%s: Failed to attach port %s\n", err,
			 c->app->testpmd ? "testpmd" : c->app->name, c->words->rest);
		return;
	}
	p->app->reconfigure = true;
	sw_publish(&c->app->sw);
	cmd_print(c, "Port %u is attached. Now total ports is %u\nDone\n", p->id,
		  app_port_count(c->app));
}

/* testpmd's are started by "port start" */
static void
cmd_attach(struct cmd *c)
{
	attach(c, &(const struct birth){.stopped = c->app->testpmd});
}

static void
cmd_attach_domain(struct cmd *c)
{
	attach(c, &(const struct birth){
			  .domain = (uint16_t)cmd_num(c, 3),
			  .stopped = c->app->testpmd,
		  });
}

static void
cmd_attach_vlan(struct cmd *c)
{
	attach(c, &(const struct birth){
			  .domain = (uint16_t)cmd_num(c, 3),
			  .access = (uint16_t)cmd_num(c, 5),
			  .stopped = c->app->testpmd,
		  });
}

/* The port the command adds; NULL: it was there before, or cannot be made. */
static struct port *
port_added(struct cmd *c, const struct birth *b)
{
	struct port *p = app_port(c->app, cmd_num(c, 2));
	char err[APP_ERR_MAX];

	if (p != NULL && device_is(c->app, p, c->words->rest))
		return NULL;
	if (p != NULL) {
		cmd_fail(c, "Port %u is %s\n", p->id, p->name);
		return NULL;
	}
	p = app_attach(c->app, (uint16_t)cmd_num(c, 2), b, c->words->rest, err, sizeof(err));
	if (p == NULL)
		cmd_fail(c, "%s\n", err);
	else
		sw_publish(&c->app->sw);
	return p;
}

static void
cmd_port_add(struct cmd *c)
{
	(void)port_added(c, NULL);
}

static void
cmd_port_add_stopped(struct cmd *c)
{
	(void)port_added(c, &(const struct birth){.stopped = true});
}

/* A port that is there is put where a new one would be: the caller need not look first. */
static void
add_to_domain(struct cmd *c, uint16_t domain, uint16_t access)
{
	const struct birth b = {.domain = domain, .access = access};
	const struct vlan_config v = {.on = true, .access = true, .native = access};
	struct port *p;

	if (port_added(c, &b) != NULL || c->failed)
		return;
	p = app_port(c->app, cmd_num(c, 2));
	if (p->domain != domain)
		cmd_result(c, port_set_domain(p, domain));
	if (!c->failed && access != 0 && !vlan_config_same(&v, &p->vlan))
		cmd_result(c, port_set_vlan(p, &v));
	app_port_changed(c->app, p);
}

static void
cmd_port_add_domain(struct cmd *c)
{
	add_to_domain(c, (uint16_t)cmd_num(c, 4), 0);
}

static void
cmd_port_add_vlan(struct cmd *c)
{
	add_to_domain(c, (uint16_t)cmd_num(c, 4), (uint16_t)cmd_num(c, 6));
}

static void
cmd_detach(struct cmd *c)
{
	struct port *p = app_port(c->app, cmd_num(c, 2));

	if (p == NULL) {
		cmd_fail(c, "Invalid port_id=%" PRIu64 "\n", cmd_num(c, 2));
		return;
	}
	if (is_tunnel(c, p))
		return;
	if (c->app->testpmd && p->started) {
		cmd_fail(c, "Port not stopped\n");
		return;
	}
	if (c->app->testpmd)
		cmd_print(c, "Port was not closed\n");
	cmd_print(c, "Removing a device...\nPort %u is closed\n", p->id);
	sw_port_remove(&c->app->sw, p);
	cmd_print(c, "Device is detached\nNow total ports is %u\nDone\n", app_port_count(c->app));
}

/* --- configuration --- */

static bool
all_stopped(struct cmd *c)
{
	for (uint16_t id = 0; id < c->app->sw.nports; id++) {
		if (c->app->sw.port[id] != NULL && c->app->sw.port[id]->started) {
			cmd_fail(c, "Please stop all ports first\n");
			return false;
		}
	}
	return true;
}

/*
 * The same, but as long as nothing is forwarded ports are stopped for the command: a file of "show
 * config" finds those of the command line started.
 */
static bool
stopped_for(struct cmd *c, bool *again)
{
	struct sw *s = &c->app->sw;

	if (c->app->testpmd || s->forwarding)
		return all_stopped(c);
	for (uint16_t id = 0; id < s->nports; id++) {
		again[id] = s->port[id] != NULL && s->port[id]->started;
		if (again[id])
			s->port[id]->started = false;
	}
	sw_publish(s);
	for (uint16_t id = 0; id < s->nports; id++)
		if (again[id] && s->port[id]->ops->stop != NULL)
			s->port[id]->ops->stop(s->port[id]);
	return true;
}

static void
start_again(struct cmd *c, const bool *again)
{
	for (uint16_t id = 0; id < c->app->sw.nports; id++)
		if (again[id] && start_port(c, c->app->sw.port[id]) < 0)
			c->failed = true;
	sw_publish(&c->app->sw);
}

static bool
enough_queues(struct cmd *c, bool tx, uint32_t n)
{
	struct port_facts f;

	for (uint16_t id = 0; id < c->app->sw.nports; id++) {
		uint16_t max;

		if (c->app->sw.port[id] == NULL)
			continue;
		facts_get(c->app, c->app->sw.port[id], &f);
		max = tx ? f.info.max_tx_queues : f.info.max_rx_queues;
		if (n <= max)
			continue;
		cmd_fail(c,
			 "Fail: input %s (%u) can't be greater than max_%s_queues (%u) of port "
			 "%u\n",
			 tx ? "txq" : "rxq", n, tx ? "tx" : "rx", max, id);
		return false;
	}
	return true;
}

/* Guests decide about their queues and rings themselves; devices are told. */
static void
configure_ports(struct cmd *c)
{
	const struct port_defaults d = device_defaults(c->app);

	for (uint16_t id = 0; id < c->app->sw.nports; id++) {
		struct port *p = c->app->sw.port[id];

		if (p != NULL && p->ops->configure != NULL && p->ops->configure(p, &d) < 0)
			cmd_print(c, "Fail to configure port %u\n", id);
	}
}

static const struct {
	const char *what;
	size_t offset;
	uint32_t unset;    /* its value until it is set */
	uint32_t min, max; /* as of the option */
} config_words[] = {
	{"rxq", offsetof(struct options, rxq), OPT_UNSET, 0, OPT_QUEUES_MAX},
	{"txq", offsetof(struct options, txq), OPT_UNSET, 0, OPT_QUEUES_MAX},
	{"rxd", offsetof(struct options, rxd), 0, 1, UINT16_MAX},
	{"txd", offsetof(struct options, txd), 0, 1, UINT16_MAX},
	{"rxfreet", offsetof(struct options, rxfreet), 0, 0, UINT16_MAX},
	{"txfreet", offsetof(struct options, txfreet), 0, 0, UINT16_MAX},
	{"txrst", offsetof(struct options, txrst), 0, 0, UINT16_MAX},
};

static bool
within(struct cmd *c, const char *what, uint64_t value, uint64_t min, uint64_t max)
{
	if (value >= min && value <= max)
		return true;
	cmd_fail(c, "%s %" PRIu64 ": must be between %" PRIu64 " and %" PRIu64 "\n", what, value,
		 min, max);
	return false;
}

static uint32_t *
config_option(const struct app *app, size_t i)
{
	return (uint32_t *)((uintptr_t)&app->opt + config_words[i].offset);
}

static void
cmd_config_all(struct cmd *c)
{
	unsigned int i = cmd_choice(c, 3, RTE_DIM(config_words));
	const char *what = config_words[i].what;
	uint32_t n = (uint32_t)cmd_num(c, 4), *option;
	bool again[DP_PORTS_MAX] = {0};

	option = config_option(c->app, i);
	if (!within(c, what, n, config_words[i].min, config_words[i].max))
		return;
	if (!c->app->testpmd && *option == n)
		return;
	if (what[2] == 'q' && !enough_queues(c, what[0] == 't', n))
		return;
	if (!stopped_for(c, again))
		return;
	*option = n;
	configure_ports(c);
	start_again(c, again);
	fwd_setup(c->app, c->out);
}

static void
cmd_config_burst(struct cmd *c)
{
	if (all_stopped(c) && within(c, "burst", cmd_num(c, 4), 1, OPT_BURST_MAX))
		fwd_set_burst(c->app, (uint32_t)cmd_num(c, 4));
}

static int
set_mtu(struct cmd *c, struct port *p, uint32_t mtu)
{
	int ret;

	if (p->ops->set_mtu == NULL)
		return -ENOTSUP;
	ret = mtu > UINT16_MAX ? -EINVAL : p->ops->set_mtu(p, (uint16_t)mtu);
	if (ret == 0)
		app_port_changed(c->app, p);
	return ret;
}

static void
cmd_config_max_len(struct cmd *c)
{
	uint32_t len = (uint32_t)cmd_num(c, 4);
	uint32_t mtu = len - (RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN);

	if (!all_stopped(c) || !within(c, "max-pkt-len", cmd_num(c, 4), OPT_LEN_MIN, OPT_LEN_MAX))
		return;
	c->app->opt.max_pkt_len = len;
	for (uint16_t id = 0; id < c->app->sw.nports; id++)
		if (c->app->sw.port[id] != NULL && set_mtu(c, c->app->sw.port[id], mtu) < 0)
			cmd_print(c, "Failed to set MTU to %u for port %u\n", mtu, id);
}

static void
cmd_config_mtu(struct cmd *c)
{
	struct port *p = cmd_port(c, 3);
	int ret;

	if (p == NULL)
		return;
	ret = set_mtu(c, p, (uint32_t)cmd_num(c, 4));
	if (ret < 0)
		cmd_fail(c, "Set MTU failed. diag=%d\n", ret);
}

static void
refuse_rss(struct cmd *c, struct port *p)
{
	cmd_print(c,
		  "Multi-queue RSS mode isn't enabled.\n"
		  "Configuration of RSS hash at ethernet port %u failed with error (95): Operation "
		  "not supported.\n",
		  p->id);
}

static void
cmd_config_rss(struct cmd *c)
{
	cmd_each_port(c, 2, refuse_rss);
}

static void
cmd_queue_run(struct cmd *c)
{
	const struct port *p = cmd_port(c, 1);

	if (p == NULL)
		return;
	if (!p->started)
		cmd_print(c, "Please start port %u first\n", p->id);
	else
		cmd_print(c, "Function not supported in PMD\n");
}

/* --- show config --- */

static void
print_argument(const struct port *p, FILE *out)
{
	char text[PORT_ARGUMENT_MAX] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");

	if (f == NULL)
		return;
	p->ops->argument(p, f);
	fclose(f);
	cli_escape(out, text);
}

/* From its first frame on a port has none of other domains and VLANs. */
static void
print_place(const struct port *p, FILE *out)
{
	bool access = p->vlan.on && p->vlan.access;

	if (p->domain != 0 || access)
		fprintf(out, "domain %u ", p->domain);
	if (access)
		fprintf(out, "vlan %u ", p->vlan.native);
}

static void
port_running(const struct app *app, const struct port *p, FILE *out)
{
	fprintf(out, "port add %u ", p->id);
	print_place(p, out);
	print_argument(p, out);
	fputc('\n', out);
	if (p->ops->running != NULL)
		p->ops->running(p, out);
	if (!p->started)
		fprintf(out, "port stop %u\n", p->id);
}

void
ports_running(const struct app *app, FILE *out)
{
	for (size_t i = 0; i < RTE_DIM(config_words); i++)
		if (*config_option(app, i) != config_words[i].unset)
			fprintf(out, "port config all %s %u\n", config_words[i].what,
				*config_option(app, i));
	running_each_port(app, out, port_running);
}

static const struct cli_row rows[] = {
	{"port start (port_id|all)", cmd_port_start, "Start all ports or port_id."},
	{"port stop (port_id|all)", cmd_port_stop, "Stop all ports or port_id."},
	{"port close (port_id|all)", cmd_port_close, "Close all ports or port_id."},
	{"port reset (port_id|all)", cmd_port_reset, "Reset all ports or port_id."},
	{"port attach (ident)", cmd_attach,
	 "Attach a port: net_vhostN,iface=PATH[,queues=N][,client=1]..., "
	 "net_vhost_vdpaN,path=/dev/vhost-vdpa-N[,queues=N], another virtual device or a PCI "
	 "address."},
	{"port attach domain (domain) (ident)", cmd_attach_domain,
	 "Attach it in that domain: it never exchanges a frame with another one."},
	{"port attach domain (domain) vlan (vlan) (ident)", cmd_attach_vlan,
	 "The same as an access port of a VLAN."},
	{"port add (port_id) (ident)", cmd_port_add,
	 "Attach a port at that number; nothing happens when it is there already."},
	{"port add (port_id) domain (domain) (ident)", cmd_port_add_domain,
	 "Attach it in that domain: it never exchanges a frame with another one. One that is there "
	 "already is moved."},
	{"port add (port_id) domain (domain) vlan (vlan) (ident)", cmd_port_add_vlan,
	 "The same as an access port of a VLAN."},
	{"port add (port_id) stopped (ident)", cmd_port_add_stopped,
	 "Attach it stopped, to be set up in full before \"port start\"."},
	{"port detach (port_id)", cmd_detach, "Detach a port: disconnect its peer and remove it."},
	{"port config all (rxq|txq|rxd|txd|rxfreet|txfreet|txrst) (value)", cmd_config_all,
	 "Set number of queues, of descriptors, or thresholds of all ports."},
	{"port config all burst (value)", cmd_config_burst, "Set the number of packets per burst."},
	{"port config all max-pkt-len (value)", cmd_config_max_len, "Set the max packet length."},
	{"port config mtu (port_id) (value)", cmd_config_mtu,
	 "Set the MTU of port_id to a given value."},
	{"port config (port_id) (rxq|txq) (queue_id) ring_size (value)", cmd_reply,
	 "Set a rx/tx queue's ring size configuration.", ""},
	{"port (port_id) (rxq|txq) (queue_id) setup", cmd_reply, "Setup a rx/tx queue of port_id.",
	 ""},
	{"port (port_id) (rxq|txq) (queue_id) (start|stop)", cmd_queue_run,
	 "Start/stop a rx/tx queue of port_id."},
	{"port (port_id) (rxq|txq) (queue_id) deferred_start (on|off)", cmd_reply,
	 "Switch on/off a deferred start of a rx/tx queue.", ""},
	{"port config (port_id) (rx_offload|tx_offload) (name) (on|off)", cmd_reply,
	 "Enable or disable a per port offloading; offloads follow what peers accept.", ""},
	{"port (port_id) rxq (queue_id) rx_offload (name) (on|off)", cmd_reply,
	 "Enable or disable a per queue Rx offloading.", ""},
	{"port (port_id) txq (queue_id) tx_offload (name) (on|off)", cmd_reply,
	 "Enable or disable a per queue Tx offloading.", ""},
	{"port config (port_id|all) speed (name) duplex (half|full|auto)", cmd_reply,
	 "Set speed and duplex for all ports or port_id.", ""},
	{"port config (port_id|all) rss (name)", cmd_config_rss, "Set the RSS mode."},
};

const struct cli_section cli_ports = {
	.name = "ports",
	.title = "Port Operations:",
	.summary = "Configuring ports.",
	.rows = rows,
	.n = RTE_DIM(rows),
};
