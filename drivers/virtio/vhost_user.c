/* SPDX-License-Identifier: BSD-3-Clause */
/* A virtio port's vhost-user socket. */
#include "virtio/transports.h"

#include "vhost_user/backend.h"

struct transport *
virtio_vhost_user_new(const struct virtio_devargs *a, struct vdev *d, struct ev_loop *loop,
		      struct record *record, char *err, size_t errlen)
{
	const struct vhu_config cfg = {
		.path = a->path,
		.client = a->client,
		.closed = a->rehearsal,
		.later = a->successor,
		.mode = a->mode,
		.owner = a->owner,
		.group = a->group,
		.options = a->options,
		.loop = loop,
		.dev = d,
		.record = record,
	};

	return vhu_backend_new(&cfg, err, errlen);
}
