/* SPDX-License-Identifier: BSD-3-Clause */
/* The transports a virtio port can have, made from its device arguments. Control thread. */
#ifndef VIRTIO_TRANSPORTS_H
#define VIRTIO_TRANSPORTS_H

#include <stddef.h>

#include "virtio/devargs.h"

struct ev_loop;
struct record;
struct transport;
struct vdev;

/**
 * Serve @p d at the unix socket @p a names; what is said there goes to @p record (NULL: nowhere),
 * which stays the caller's. NULL with a sentence in @p err; transport->ops->free() ends it.
 */
struct transport *virtio_vhost_user_new(const struct virtio_devargs *a, struct vdev *d,
					struct ev_loop *loop, struct record *record, char *err,
					size_t errlen);

/** The same with the VDUSE device that @p a names (vduse_is_path()). */
struct transport *virtio_vduse_new(const struct virtio_devargs *a, struct vdev *d,
				   struct ev_loop *loop, struct record *record, char *err,
				   size_t errlen);

#endif
