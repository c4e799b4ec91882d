/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The virtio-net config space (spec 5.1.4), for front-ends that leave it to the
 * back-end. It can be read in any state, before features are known too, and
 * reading changes nothing. Control thread only.
 */
#ifndef VDEV_NETCFG_H
#define VDEV_NETCFG_H

#include <stdbool.h>
#include <stdint.h>

struct vdev;

/**
 * Copy [offset, offset + len) to @p out, in the byte order the guest expects by what is known. 0 or
 * -EINVAL.
 */
int vdev_config_read(const struct vdev *d, uint32_t offset, uint32_t len, uint8_t *out);

/**
 * A migration restores the space: the MAC address is taken over, the other fields follow from the
 * device. 0 or -EINVAL.
 */
int vdev_config_restore(struct vdev *d, uint32_t offset, uint32_t len, const uint8_t *in);

/**
 * Packets of more than @p most bytes do not pass (0: all do): announce no more than that, beginning
 * with the next session. A driver that has read its MTU keeps it (spec 5.1.4.1).
 */
void vdev_config_limit_mtu(struct vdev *d, uint16_t most);

/** The MTU that is announced, 0: none. */
uint16_t vdev_config_mtu(const struct vdev *d);

/** Announce @p mtu from now on; a front-end that reads the space here is told of it. */
void vdev_config_set_mtu(struct vdev *d, uint16_t mtu);

/** Whether the network behind the device has a carrier, which it has until told otherwise. */
void vdev_config_set_carrier(struct vdev *d, bool on);

/**
 * The same of the MAC address. A driver may have read the old one already, and the feature is
 * offered beginning with the next negotiation.
 */
void vdev_config_set_mac(struct vdev *d, const uint8_t mac[6]);

#endif
