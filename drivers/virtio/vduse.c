/* SPDX-License-Identifier: BSD-3-Clause */
/* A virtio port's VDUSE device. */
#include "virtio/transports.h"

struct transport *
virtio_vduse_new(const struct virtio_devargs *a, struct vdev *d, struct ev_loop *loop,
		 struct record *record, char *err, size_t errlen)
{
	const struct vduse_config cfg = {
		.path = a->path,
		.attach = a->attach,
		.ifname = a->ifname,
		.netns = a->netns,
		.closed = a->rehearsal,
		.later = a->successor,
		.loop = loop,
		.dev = d,
		.record = record,
	};

	return vduse_new(&cfg, err, errlen);
}
