/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * The guard of a port. It is the operator's and stays with the port, whichever guest is behind it.
 */
#ifndef SWITCH_PORT_GUARD_H
#define SWITCH_PORT_GUARD_H

struct guard_config;
struct port;

/**
 * Replace the guard of @p p. 0, -ERANGE (more than GUARD_PAIRS_MAX pairs), -EINVAL (a MAC address
 * that no station can have), -ENOMEM. A refused one leaves the port as it is.
 */
int port_set_guard(struct port *p, const struct guard_config *c);

#endif
