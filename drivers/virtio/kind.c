/* SPDX-License-Identifier: BSD-3-Clause */
#include "virtio/kind.h"

#include "virtio/port.h"
#include "vduse/vduse.h"

static int
check(const struct port_request *r)
{
	struct virtio_devargs a;

	return virtio_devargs_of(r, &a);
}

static struct port *
attach(const struct port_request *r)
{
	const struct virtio_env env = {r->sw, r->defaults->state_dir, r->id};
	struct virtio_devargs a;

	if (virtio_devargs_of(r, &a) < 0)
		return NULL;
	return virtio_port_new(&env, &a, r->err, r->errlen);
}

static const char *
busy(void)
{
	return vduse_is_removing() ? "a VDUSE device is being removed" : NULL;
}

const struct port_kind virtio_kind = {
	.name = "vhost",
	.usage = "net_vhostN,iface=PATH[,queues=N][,client=1]...",
	.ours = virtio_devargs_ours,
	.check = check,
	.attach = attach,
	.busy = busy,
};
