/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports that are drivers of the host kernel's vhost-vdpa devices. */
#ifndef VHOST_VDPA_KIND_H
#define VHOST_VDPA_KIND_H

#include "switch/port_kind.h"

extern const struct port_kind vhost_vdpa_kind;

#endif
