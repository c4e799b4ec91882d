/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine of one port by one node of the kernel's, see claim.c. Control thread. */
#ifndef VDPA_KERNEL_CLAIM_H
#define VDPA_KERNEL_CLAIM_H

#include <stddef.h>

#include "vdpa/vdpa.h"

/** vdpa_kind.open() */
struct engine *claim_open(const char *device, struct vdev *d, char *err, size_t errlen);

/** The device of the port whose session a node has (node.owner), or NULL. */
const struct vdev *claim_device(const void *owner);

#endif
