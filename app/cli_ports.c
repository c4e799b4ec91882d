/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports come, go, start and stop. */
#include "app.h"

static uint16_t
count_ports(const struct app *app)
{
	uint16_t n = 0;

	for (uint16_t id = 0; id < app->sw.nports; id++)
		n += app->sw.port[id] != NULL;
	return n;
}

static void
cmd_attach(struct cmd *c)
{
	struct port *p;
	char err[256];

	cmd_print(c, "Attaching a new port...\n");
	p = app_attach(c->app, c->words->rest, err, sizeof(err));
	if (p == NULL) {
		cmd_print(c, "%s: Failed to attach port %s: %s\n", c->app->name, c->words->rest,
			  err);
		c->failed = true;
		return;
	}
	cmd_print(c, "Port %u is attached. Now total ports is %u\nDone\n", p->id,
		  count_ports(c->app));
}

static void
cmd_detach(struct cmd *c)
{
	struct port *p = app_port(c->app, cmd_num(c, 2));

	if (p == NULL) {
		cmd_print(c, "Invalid port_id=%" PRIu64 "\n", cmd_num(c, 2));
		c->failed = true;
		return;
	}
	cmd_print(c, "Removing a device...\nPort %u is closed\n", p->id);
	sw_port_remove(&c->app->sw, p);
	cmd_print(c, "Device is detached\nNow total ports is %u\nDone\n", count_ports(c->app));
}

static const struct cli_row rows[] = {
	{"port attach (ident)", cmd_attach,
	 "Attach a port: net_vhostN,iface=PATH[,queues=N][,client=1]..."},
	{"port detach (port_id)", cmd_detach, "Detach a port: disconnect its peer and remove it."},
};

const struct cli_section cli_ports = {
	.name = "ports",
	.title = "Port Operations:",
	.summary = "Configuring ports.",
	.rows = rows,
	.n = RTE_DIM(rows),
};
