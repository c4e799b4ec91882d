/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * The limits of a port: the operator's, and those that migrated with its guest. Those of what it is
 * sent are the operator's only.
 */
#ifndef SWITCH_PORT_LIMITS_H
#define SWITCH_PORT_LIMITS_H

#include <stdint.h>

struct limits;
struct port;

/**
 * Replace the limits of frames @p p sends. 0, -ERANGE (over LIMIT_RATE_MAX), -EINVAL (not a unicast
 * address), -ENOMEM.
 */
int port_set_limits(struct port *p, const struct limits *l);

/**
 * Replace the limits that migrated with the guest behind @p p from its former port (NULL: none, it
 * is gone). Of two rates the lower one is in force; so is a lock that is set. Same
 * errors.
 */
int port_set_migrated_limits(struct port *p, const struct limits *l);

/** The limits as set, with the address the port was locked to by sending first. */
void port_get_limits(const struct port *p, struct limits *out);

/** The limits in force: those and the guest's. */
void port_limits_in_force(const struct port *p, struct limits *out);

/**
 * Replace the limits of what @p p is sent, in frames and bits per second; 0: none. 0, -ERANGE (over
 * LIMIT_RATE_MAX), -ENOMEM.
 */
int port_set_egress_limits(struct port *p, uint64_t pps, uint64_t bps);

#endif
