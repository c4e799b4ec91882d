/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio port whose frames hardware may move: the engines of its list, the work on frames that
 * only workers do, and the way to its guest while the workers do not see it, by the port's uplink.
 * Control thread.
 */
#ifndef VIRTIO_HARDWARE_H
#define VIRTIO_HARDWARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/ev.h"
#include "virtio/devargs.h"

struct port;
struct vdev;

struct virtio_hw {
	struct port *port;
	struct vdev *dev;
	const struct virtio_devargs *args;
	struct engine *list[VIRTIO_VDPA_MAX + 2]; /* software last, then NULL */
	const char *needs;                        /* as of the last look */
	uint16_t via;                             /* uplink in use, FDB_PORT_NONE */
	struct ev_timer due;                      /* reasons have changed: vdev_sync() */
};

/** Give the device its engines, which end with it. 0, or -1 with a sentence in @p err. */
int virtio_hw_init(struct virtio_hw *h, struct port *p, struct vdev *d,
		   const struct virtio_devargs *a, char *err, size_t errlen);
void virtio_hw_fini(struct virtio_hw *h);

/** The work of the port for which workers must see its frames, static text; NULL: none. */
const char *virtio_hw_needs_software(const struct virtio_hw *h);

/** The port its guest is reached through while hardware moves its frames; else NULL. */
const struct port *virtio_hw_uplink(const struct virtio_hw *h);

/** The device's vdev_ops.changed and the port's port_ops.published. */
void virtio_hw_changed(struct virtio_hw *h);
void virtio_hw_published(struct virtio_hw *h);

/** "software", or the device that moves the port's frames and by which way. */
void virtio_hw_show(const struct virtio_hw *h, FILE *out);

/** The same for machines: as port_ops.details(). */
uint32_t virtio_hw_details(const struct virtio_hw *h, struct port_detail *out);

/** The same in one sentence; NULL: software does. */
const char *virtio_hw_why(const struct virtio_hw *h, char *buf, size_t len);

#endif
