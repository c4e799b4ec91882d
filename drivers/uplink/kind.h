/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports that are the uplink of a simulated card's wire: "net_ring_" and the wire's name. */
#ifndef UPLINK_KIND_H
#define UPLINK_KIND_H

#include "switch/port_kind.h"

extern const struct port_kind uplink_kind;

#endif
