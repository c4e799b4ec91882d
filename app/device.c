/* SPDX-License-Identifier: BSD-3-Clause */
#include "device.h"

#include <errno.h>

#include "app.h"
#include "kinds.h"
#include "switch/publish.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"
#include "vxlan/vxlan.h"

static uint16_t
given(uint32_t value)
{
	return value == OPT_UNSET ? 0 : (uint16_t)value;
}

struct port_defaults
device_defaults(const struct app *app)
{
	const struct options *o = &app->opt;

	return (struct port_defaults){
		.state_dir = app->state_dir[0] != '\0' ? app->state_dir : NULL,
		.socket_mode = o->socket_mode,
		.socket_owner = o->socket_owner,
		.socket_group = o->socket_group,
		.rxq = given(o->rxq),
		.txq = given(o->txq),
		.rxd = given(o->rxd),
		.txd = given(o->txd),
		.rx_offloads = o->rx_offloads,
		.tx_offloads = o->tx_offloads,
		.successor = app->successor != NULL,
		.rehearsal = o->check,
	};
}

int
devices_check(const struct app *app, char *err, size_t errlen)
{
	const struct port_defaults d = device_defaults(app);
	struct port_request r = {.defaults = &d, .err = err, .errlen = errlen};

	for (int i = 0; i < app->args.eal_nvdev; i++) {
		const struct port_kind *kind = kind_of(app->args.eal_vdev[i]);

		r.devargs = app->args.eal_vdev[i];
		if (kind->check != NULL && kind->check(&r) < 0)
			return -1;
	}
	return 0;
}

void
app_port_changed(struct app *app, const struct port *p)
{
	vxlan_port_changed(app->vxlan, p);
}

struct port *
app_attach(struct app *app, uint16_t id, const struct birth *b, const char *devargs, char *err,
	   size_t errlen)
{
	const struct port_defaults d = device_defaults(app);
	const struct port_request r = {&app->sw, devargs, id, &d, err, errlen};
	struct port *p;

	app->birth = b;
	p = kind_of(devargs)->attach(&r);
	app->birth = NULL; /* there may be no port */
	if (p != NULL)
		app_port_changed(app, p);
	return p;
}

bool
device_is(const struct app *app, const struct port *p, const char *devargs)
{
	const struct port_defaults d = device_defaults(app);
	char err[APP_ERR_MAX];
	const struct port_request r = {p->sw, devargs, p->id, &d, err, sizeof(err)};

	return p->ops->same(p, &r);
}

uint16_t
app_port_count(const struct app *app)
{
	uint16_t n = 0;

	for (uint16_t id = 0; id < app->sw.nports; id++)
		n += app->sw.port[id] != NULL;
	return n;
}

/* --disable-device-start */
static void
stop_all(struct app *app)
{
	for (uint16_t id = 0; id < app->sw.nports; id++) {
		app->sw.port[id]->started = false;
		app->sw.port[id]->app->reconfigure = true;
	}
	sw_publish(&app->sw);
	for (uint16_t id = 0; id < app->sw.nports; id++)
		if (app->sw.port[id]->ops->stop != NULL)
			app->sw.port[id]->ops->stop(app->sw.port[id]);
}

static int
make_port(const struct port_request *r)
{
	const struct port_kind *kind = kind_of(r->devargs);

	if (kind->attach_probed != NULL)
		return kind->attach_probed(r);
	return kind->attach(r) != NULL ? 0 : -1;
}

int
devices_make(struct app *app, char *err, size_t errlen)
{
	const struct port_defaults d = device_defaults(app);
	struct port_request r = {&app->sw, NULL, 0, &d, err, errlen};

	if (kinds_attach_found(&r, app->args.eal_vdev, app->args.eal_nvdev) < 0)
		return -1;
	for (int i = 0; i < app->args.eal_nvdev; i++) {
		r.devargs = app->args.eal_vdev[i];
		if (make_port(&r) < 0)
			return -1;
	}
	if (app->opt.disable_device_start)
		stop_all(app);
	return 0;
}
