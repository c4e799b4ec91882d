/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A port whose peer is a virtio-net driver.
 *
 * Owns the device (lib/vdev) and the transport the driver reaches it by (struct
 * transport) and joins them to the switch: a change of the running queues is
 * sw_publish(), the device's grace period the dataplane's. Control thread only,
 * except the attention callback, through which a worker has its port looked at.
 */
#ifndef VIRTIO_PORT_H
#define VIRTIO_PORT_H

#include <stddef.h>

#include "virtio/devargs.h"
#include "switch/port.h"
#include "vdev/transport.h"
#include "vdev/vdev.h"

/** What all ports of this kind of a switch share. Outlives them. */
struct virtio_env {
	struct sw *sw;
	const char *state_dir; /* for ring journals; NULL: a restart does not carry on */
};

/**
 * Make a port, add it to the switch and start serving its transport.
 * NULL with a sentence in @p err. sw_port_remove() ends it.
 */
struct port *virtio_port_new(const struct virtio_env *env, const struct virtio_devargs *a,
			     char *err, size_t errlen);

extern const struct port_ops virtio_port_ops;

/* For display; @p p has virtio_port_ops. */
const struct virtio_devargs *virtio_port_devargs(const struct port *p);
const struct vdev *virtio_port_vdev(const struct port *p);
void virtio_port_info(const struct port *p, struct transport_info *out);

/** The same, to drive the states of the ports of a VM together (vdev_state_set()). */
struct vdev *virtio_port_device(struct port *p);

/** What was agreed with the peer, and what keeps traffic from flowing, if anything does. */
void virtio_port_negotiation(const struct port *p, FILE *out);

/** Which data formats the port serves from now on; rings of another stop. */
void virtio_port_set_format(struct port *p, enum vdev_policy policy);

/**
 * The directory journals are kept in: @p wanted, or, when it is NULL,
 * /run/vqswitch if it can be written, else $XDG_RUNTIME_DIR/vqswitch. Made when
 * missing, mode 0700. 0 or -errno.
 */
int virtio_state_dir(const char *wanted, char *out, size_t outlen);

#endif
