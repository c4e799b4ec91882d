/* SPDX-License-Identifier: BSD-3-Clause */
#include "device.h"

#include <string.h>

#include <bsd/string.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_kvargs.h>

#include "app.h"
#include "show/show.h"
#include "testpmd/fwd.h"
#include "ethdev/ethdev.h"
#include "show/facts.h"

/* --- vhost --- */

static int
parse_vhost(const struct app *app, const char *devargs, struct virtio_devargs *a, char *err,
	    size_t errlen)
{
	virtio_devargs_init(a);
	a->mode = app->opt.socket_mode;
	a->owner = app->opt.socket_owner;
	a->group = app->opt.socket_group;
	return virtio_devargs_parse(devargs, a, err, errlen);
}

static struct port *
attach_vhost(struct app *app, const char *devargs, char *err, size_t errlen)
{
	struct virtio_devargs a;

	if (parse_vhost(app, devargs, &a, err, errlen) < 0)
		return NULL;
	return virtio_port_new(&app->vhost, &a, err, errlen);
}

int
devices_check(const struct app *app, char *err, size_t errlen)
{
	struct virtio_devargs a;

	for (int i = 0; i < app->args.nvdev; i++) {
		const char *vdev = app->args.vdev[i];

		if (virtio_devargs_ours(vdev) && parse_vhost(app, vdev, &a, err, errlen) < 0)
			return -1;
	}
	return 0;
}

/* --- ethdev --- */

static uint16_t
given(uint32_t value)
{
	return value == OPT_UNSET ? 0 : (uint16_t)value;
}

struct ethdev_config
device_defaults(const struct app *app)
{
	const struct options *o = &app->opt;

	return (struct ethdev_config){
		.rxq = given(o->rxq),
		.txq = given(o->txq),
		.rxd = given(o->rxd),
		.txd = given(o->txd),
		.rx_offloads = o->rx_offloads,
		.tx_offloads = o->tx_offloads,
	};
}

static struct port *
attach_ethdev(struct app *app, const char *devargs, char *err, size_t errlen)
{
	const struct ethdev_config cfg = device_defaults(app);

	return ethdev_port_attach(&app->sw, devargs, &cfg, err, errlen);
}

/* Of a device EAL has probed already; others than network devices (crypto_...) are none of ours. */
static int
make_probed(struct app *app, const char *devargs, char *err, size_t errlen)
{
	const struct ethdev_config cfg = device_defaults(app);
	char name[RTE_ETH_NAME_MAX_LEN];
	uint16_t dev;

	strlcpy(name, devargs, sizeof(name));
	name[strcspn(name, ",")] = '\0';
	if (rte_eth_dev_get_port_by_name(name, &dev) == 0)
		return ethdev_port_new(&app->sw, dev, &cfg, err, errlen) != NULL ? 0 : -1;
	if (strncmp(name, "net_", 4) != 0 && strncmp(name, "eth_", 4) != 0)
		return 0;
	snprintf(err, errlen, "%s: no such device could be made", name);
	return -1;
}

static bool
is_vdev(const struct app *app, const char *name)
{
	size_t len = strlen(name);

	for (int i = 0; i < app->args.nvdev; i++) {
		const char *vdev = app->args.vdev[i];

		if (strncmp(vdev, name, len) == 0 && (vdev[len] == ',' || vdev[len] == '\0'))
			return true;
	}
	return false;
}

static int
make_others(struct app *app, char *err, size_t errlen)
{
	const struct ethdev_config cfg = device_defaults(app);
	char name[RTE_ETH_NAME_MAX_LEN];
	uint16_t dev;

	RTE_ETH_FOREACH_DEV (dev) {
		if (rte_eth_dev_get_name_by_port(dev, name) != 0 || is_vdev(app, name))
			continue;
		if (ethdev_port_new(&app->sw, dev, &cfg, err, errlen) == NULL)
			return -1;
	}
	return 0;
}

/* --- both --- */

struct port *
app_attach(struct app *app, const char *devargs, char *err, size_t errlen)
{
	struct port *p = virtio_devargs_ours(devargs) ? attach_vhost(app, devargs, err, errlen)
						      : attach_ethdev(app, devargs, err, errlen);

	if (p != NULL)
		fwd_port_added(app, p);
	return p;
}

struct port *
app_attach_as(struct app *app, uint16_t id, const char *devargs, char *err, size_t errlen)
{
	struct port *p;

	app->sw.first_id = id;
	p = app_attach(app, devargs, err, errlen);
	app->sw.first_id = 0;
	return p;
}

static bool
has_key(const struct virtio_devargs *a, const char *key)
{
	struct rte_kvargs *kv = rte_kvargs_parse(a->text, NULL);
	bool found = kv != NULL && rte_kvargs_count(kv, key) != 0;

	rte_kvargs_free(kv);
	return found;
}

/* Who may connect can come from the command line (--socket-mode ...). */
static void
vhost_args(const struct virtio_devargs *a, FILE *out)
{
	fprintf(out, "%s,%s", a->name, a->text);
	if (a->mode != 0 && !has_key(a, "mode"))
		fprintf(out, ",mode=0%o", a->mode);
	if (a->owner != (uid_t)-1 && !has_key(a, "owner"))
		fprintf(out, ",owner=%u", a->owner);
	if (a->group != (gid_t)-1 && !has_key(a, "group"))
		fprintf(out, ",group=%u", a->group);
}

static void
ethdev_args(const struct app *app, const struct port *p, FILE *out)
{
	struct port_facts f;

	facts_get(app, p, &f);
	fputs(f.info.device != NULL ? rte_dev_name(f.info.device) : p->name, out);
	if (f.devargs != NULL && f.devargs[0] != '\0')
		fprintf(out, ",%s", f.devargs);
}

void
device_argument(const struct app *app, const struct port *p, char *out, size_t outlen)
{
	FILE *f = fmemopen(out, outlen, "w");

	out[0] = '\0';
	if (f == NULL)
		return;
	if (p->ops == &virtio_port_ops)
		vhost_args(virtio_port_devargs(p), f);
	else
		ethdev_args(app, p, f);
	fclose(f);
	out[outlen - 1] = '\0';
}

void
app_close_port(struct app *app, struct port *p)
{
	uint16_t id = p->id;

	fwd_port_removed(app, p);
	sw_port_remove(&app->sw, p);
	show_forget(app, id);
	app->port[id] = (struct app_port){0};
}

uint16_t
app_port_count(const struct app *app)
{
	uint16_t n = 0;

	for (uint16_t id = 0; id < app->sw.nports; id++)
		n += app->sw.port[id] != NULL;
	return n;
}

static int
make_vdev(struct app *app, const char *devargs, char *err, size_t errlen)
{
	if (!virtio_devargs_ours(devargs))
		return make_probed(app, devargs, err, errlen);
	return attach_vhost(app, devargs, err, errlen) != NULL ? 0 : -1;
}

/* --disable-device-start */
static void
stop_all(struct app *app)
{
	for (uint16_t id = 0; id < app->sw.nports; id++) {
		app->sw.port[id]->started = false;
		app->port[id].reconfigure = true;
	}
	sw_publish(&app->sw);
	for (uint16_t id = 0; id < app->sw.nports; id++)
		if (app->sw.port[id]->ops->stop != NULL)
			app->sw.port[id]->ops->stop(app->sw.port[id]);
}

int
devices_make(struct app *app, char *err, size_t errlen)
{
	if (make_others(app, err, errlen) < 0)
		return -1;
	for (int i = 0; i < app->args.nvdev; i++)
		if (make_vdev(app, app->args.vdev[i], err, errlen) < 0)
			return -1;
	for (uint16_t id = 0; id < app->sw.nports; id++)
		fwd_port_added(app, app->sw.port[id]);
	if (app->opt.disable_device_start)
		stop_all(app);
	return 0;
}
