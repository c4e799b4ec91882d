/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports on DPDK poll-mode drivers, for the table of kinds. */
#ifndef ETHDEV_KIND_H
#define ETHDEV_KIND_H

#include "switch/port_kind.h"

struct ethdev_config;

extern const struct port_kind ethdev_kind;

/** The program's defaults as those of a device. */
struct ethdev_config ethdev_config_of(const struct port_defaults *d);

#endif
