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

#include <stdbool.h>
#include <stddef.h>

#include "virtio/devargs.h"
#include "switch/port.h"
#include "switch/sw.h"
#include "vdev/transport.h"
#include "vdev/vdev.h"

struct record;
struct virtio_hw;
struct virtio_shadow;

/** The place of a port to be made. */
struct virtio_env {
	struct sw *sw;
	const char *state_dir; /* for ring journals; NULL: a restart does not carry on */
	uint16_t id;           /* the lowest number the port may get */
};

/**
 * Make a port, add it to the switch and start serving its transport.
 * NULL with a sentence in @p err. sw_port_remove() ends it.
 */
struct port *virtio_port_new(const struct virtio_env *env, const struct virtio_devargs *a,
			     char *err, size_t errlen);

/* For display; @p p is such a port. */
const struct virtio_devargs *virtio_port_devargs(const struct port *p);
const struct vdev *virtio_port_vdev(const struct port *p);
void virtio_port_info(const struct port *p, struct transport_info *out);

/** Facts of its transport alone: fills @p out of TRANSPORT_FACTS_MAX; how many. */
uint32_t virtio_port_facts(const struct port *p, struct transport_fact *out);

/** Its recording; NULL: none. */
struct record *virtio_port_record(const struct port *p);

/** Whether its address was set by a command, and is another one than its argument says. */
bool virtio_port_mac_set(const struct port *p);

/** The same, to drive the states of the ports of a VM together (vdev_state_set()). */
struct vdev *virtio_port_device(struct port *p);

/** State and peer of device and transport, in lines. */
void virtio_port_show(const struct port *p, FILE *out);

/** Its port_ops.handover (handover.c). */
extern const struct port_handover_ops virtio_handover;

/** The way to its driver. */
struct transport *virtio_port_transport(const struct port *p);

/** The engines that may move the port's frames in place of the workers. */
const struct virtio_hw *virtio_port_hw(const struct port *p);

/** The device it may be joined to. */
const struct virtio_shadow *virtio_port_shadow(const struct port *p);

#endif
