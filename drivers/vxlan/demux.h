/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tunnel frames among those that come in at a port below tunnels: found, checked, and handed on in
 * the name of the VTEP's port. A frame for one of our addresses that no VTEP of its VNI sent is
 * dropped; a plain kernel takes it.
 *
 * Made by control, immutable while published. All other frames go on as without it.
 */
#ifndef VXLAN_DEMUX_H
#define VXLAN_DEMUX_H

#include <stdbool.h>
#include <stdint.h>

#include "evpn/ip.h"
#include "switch/dataplane.h"

#define DEMUX_LOCALS 8 /* addresses of ours over one port */

struct demux;
struct vtep;

/** For at most @p n VTEPs and VNIs together. NULL: no memory. */
struct demux *demux_new(uint32_t n);
void demux_free(struct demux *d); /* NULL is fine */

/** Frames to this address and UDP port are ours. Its number, -1: there are DEMUX_LOCALS. */
int demux_add_local(struct demux *d, const struct evpn_ip *ip, uint16_t port);

/** A VNI is known at local address @p local; at least one VTEP or none has it. */
void demux_add_vni(struct demux *d, int local, uint32_t vni);

/** Frames of its VNI that @p v sends to @p local are its port's. */
void demux_add_vtep(struct demux *d, int local, const struct vtep *v);

/** The most places of the table that the search for a VTEP looks at. For tests. */
uint32_t demux_longest(const struct demux *d);

/** For port.intercept. */
const struct dp_intercept *demux_intercept(const struct demux *d);

#endif
