/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * Ports that are one unit: a guest's port and that of a device which serves this guest alone.
 * Frames that come in at one go out at the other in every forwarding mode, and no other port
 * exchanges frames with either: they are members of no domain, no VLAN and no pair, and learn no
 * address.
 *
 * Which ports are joined is derived in each publication from what ports say (port_ops.joins): the
 * one with the lowest number has the device, should several name it.
 */
#ifndef SWITCH_JOIN_H
#define SWITCH_JOIN_H

#include <stdint.h>

struct port;
struct port_detail;
struct sw;

/** Find the partner of each port; before a snapshot is built. */
void join_update(struct sw *s);

/** After it was published: addresses of ports that are joined now lead nowhere. */
void join_settle(struct sw *s);

/** @p p leaves the switch: its partner has none any more. */
void join_forget(const struct port *p);

/** The cost of the frames that came in at a joined port and went to its partner, until now. */
struct join_cost {
	uint64_t cycles; /* of the TSC, from taking them to giving their buffers back */
	uint64_t frames;
};
void join_get_cost(const struct port *p, struct join_cost *out);

/** Partner and cost of a joined port for port_ops.details(): how many entries of @p out, 0 to 3. */
uint32_t join_details(const struct port *p, struct port_detail *out);

#endif
