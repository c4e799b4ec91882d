/* SPDX-License-Identifier: BSD-3-Clause */
#include "ports.h"

#include <errno.h>
#include <stdlib.h>

#include "app.h"
#include "device.h"
#include "events.h"
#include "testpmd/fwd.h"
#include "switch/sw.h"
#include "switch/vlan_table.h"
#include "vxlan/vxlan.h"

/* No worker has the port yet. */
static int
apply_birth(struct app *app, struct port *p)
{
	const struct birth *b = app->birth;
	const bool access = b->access != 0;
	const struct vlan_config v = {.on = access, .access = access, .native = b->access};

	app->birth = NULL; /* not of ports that are made because of it */
	p->no_learning = b->no_learning;
	p->started = !b->stopped;
	return port_begin_vlan(p, b->domain, &v);
}

static int
on_added(struct sw_listener *l, struct port *p)
{
	struct app *app = container_of(l, struct app, listener);
	int ret = app->birth != NULL ? apply_birth(app, p) : 0;

	if (ret < 0)
		return ret;
	p->app = calloc(1, sizeof(*p->app));
	if (p->app == NULL)
		return -ENOMEM;
	fwd_port_added(app, p);
	events_port_added(app, p);
	return 0;
}

static void
on_leaving(struct sw_listener *l, struct port *p)
{
	events_port_leaving(container_of(l, struct app, listener), p);
	fwd_port_removed(container_of(l, struct app, listener), p);
	baseline_free(&p->app->shown);
	baseline_free(&p->app->started);
	free(p->app);
	p->app = NULL;
}

static void
on_changed(struct sw_listener *l, struct port *p)
{
	events_port_changed(container_of(l, struct app, listener), p);
}

int
ports_init(struct app *app)
{
	app->events = events_new(app);
	if (app->events == NULL)
		return -ENOMEM;
	app->listener = (struct sw_listener){
		.added = on_added,
		.leaving = on_leaving,
		.changed = on_changed,
	};
	app->sw.listener = &app->listener;
	app->vxlan = vxlan_new(&(struct vxlan_config){.sw = &app->sw, .rehearsal = app->opt.check});
	return app->vxlan != NULL ? 0 : -ENOMEM;
}
