/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A port whose guest has a device of its own that cannot serve it as it is: a legacy or big-endian
 * guest and a modern device. Workers serve the guest's rings in the guest's format and drive the
 * device's in the device's (a shadow of the guest's): the port and that of the device's driver,
 * which "shadow=" names, are joined (switch/join.h).
 *
 * The guest is offered what software can serve, all data formats included; offloads that the device
 * lacks are done on the way. MTU, MAC address and carrier are the device's. Control thread.
 */
#ifndef VIRTIO_SHADOW_H
#define VIRTIO_SHADOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct port;
struct port_detail;
struct rte_ether_addr;
struct vdev;
struct virtio_devargs;

struct virtio_shadow {
	const struct port *port;
	struct vdev *dev;
	const struct virtio_devargs *args;
};

/** The port's port_ops.joins. */
bool virtio_shadow_joins(const struct virtio_shadow *s, const struct port **with);

/** The longest packets that pass its device, 0: of any length, or there is none. */
uint16_t virtio_shadow_mtu(const struct virtio_shadow *s);

/** The address the guest is to have from its device; NULL: none. */
const struct rte_ether_addr *virtio_shadow_mac(const struct virtio_shadow *s);

/** After a publication: have the guest told of the device's carrier. */
void virtio_shadow_published(const struct virtio_shadow *s);

/** The reason why frames do not get to the device, static or in @p buf; NULL: none. */
const char *virtio_shadow_why(const struct virtio_shadow *s, char *buf, size_t len);

/** Lines: with which port, both formats, the cost of a frame. Nothing for a port without. */
void virtio_shadow_show(const struct virtio_shadow *s, FILE *out);

/** The same for machines: as port_ops.details(), at most 4. */
uint32_t virtio_shadow_details(const struct virtio_shadow *s, struct port_detail *out);

#endif
