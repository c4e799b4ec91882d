/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports whose peers are virtio-net drivers, for the table of kinds. */
#ifndef VIRTIO_KIND_H
#define VIRTIO_KIND_H

#include "switch/port_kind.h"

extern const struct port_kind virtio_kind;

#endif
