/* SPDX-License-Identifier: BSD-3-Clause */
#include "running_config.h"

#include "app.h"

static const running_fn parts[] = {
	vdpa_running,    ports_running,   config_running,    offload_running,
	switch_running,  workers_running, vlans_running,     limits_running,
	guards_running,  acls_running,    conntrack_running, snooping_running,
	mirrors_running, sflow_running,   tunnels_running,   control_running,
};

void
running_each_port(const struct app *app, FILE *out,
		  void (*fn)(const struct app *app, const struct port *p, FILE *out))
{
	for (uint16_t id = 0; id < app->sw.nports; id++)
		if (app->sw.port[id] != NULL && !app->sw.port[id]->tunnel)
			fn(app, app->sw.port[id], out);
}

void
running_print(const struct app *app, FILE *out)
{
	fputs("# vqswitch " VQS_VERSION ": commands that make this switch again\n", out);
	for (size_t i = 0; i < RTE_DIM(parts); i++)
		parts[i](app, out);
}
