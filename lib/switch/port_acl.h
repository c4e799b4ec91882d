/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * The access control lists of a port. They are the operator's and stay with the port, whichever
 * guest is behind it.
 */
#ifndef SWITCH_PORT_ACL_H
#define SWITCH_PORT_ACL_H

#include "switch/acl.h"

struct port;

/**
 * Replace the list of @p p for frames that go that way. 0, -ERANGE (more than ACL_RULES_MAX rules),
 * -EINVAL (they do not ascend by number), -ENOMEM. A refused one leaves the port as it is.
 */
int port_set_acl(struct port *p, enum acl_dir dir, const struct acl_config *c);

/** The list as it is set; an empty one if there is none. */
const struct acl_config *port_get_acl(const struct port *p, enum acl_dir dir);

/** Frames and bytes that a rule, counted from 1, was the first to fit; 0: that none did. */
struct acl_count port_acl_count(const struct port *p, enum acl_dir dir, uint32_t rule);

/** Have a rule, named by its number, or by 0 the default, go on with @p n. False: there is none. */
bool port_acl_restore(struct port *p, enum acl_dir dir, uint32_t seq, const struct acl_count *n);

#endif
