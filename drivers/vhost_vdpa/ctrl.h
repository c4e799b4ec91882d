/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control queue of a device, driver side (virtio spec 5.1.6.5): a command at a time, whose
 * answer is awaited.
 */
#ifndef VHOST_VDPA_CTRL_H
#define VHOST_VDPA_CTRL_H

#include <stdint.h>

#include "virtq/driver.h"

#define CTRL_MEM_SIZE 4096u /* bytes of struct ctrl.mem */

struct ctrl {
	struct vqd *ring; /* of three entries at least, nothing outstanding */
	int call_fd;      /* readable when the device has interrupted */
	uint8_t *mem;     /* for command and answer */
	uint64_t iova;    /* the same memory as the device is told about it */
};

/**
 * Have the device use @p n queue pairs. 0; -EPERM: it refuses; -ETIMEDOUT: no answer in @p ms, and
 * the memory stays the device's; -EPROTO: it breaks the ring. Waits: in a lane.
 */
int ctrl_set_pairs(const struct ctrl *c, uint16_t n, uint32_t ms);

#endif
