/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * The connections of a port; see ct.h. A table is there while one of the port's lists tracks
 * (port_set_acl() makes it), and is published with them.
 */
#ifndef SWITCH_PORT_CT_H
#define SWITCH_PORT_CT_H

#include "switch/ct.h"

struct ct;
struct port;
struct sw;

/** Connections of all ports together. -ERANGE: not from 1 to CT_TOTAL_MAX. */
int ct_set_total(struct sw *s, uint32_t total);

/**
 * Connections a port may have, 0: CT_LIMIT_DEFAULT. Those it has stay, if there is room. 0,
 * -ERANGE, -ENOMEM.
 */
int port_set_ct_limit(struct port *p, uint32_t limit);

/** The limit in force: the least of its own and its share. */
uint32_t port_ct_limit(const struct port *p);

/** Have a table, if its lists track; they are published afterwards. False: out of memory. */
bool port_ct_make(struct port *p);

/**
 * The table of a port whose lists track no more, to be dropped after that was published. NULL:
 * there is none, or they do.
 */
struct ct *port_ct_take(struct port *p);
void port_ct_drop(struct port *p, struct ct *old);

/** No snapshot has the port any more. */
void port_ct_free(struct port *p);

/** Forget all connections of a port. */
void port_ct_clear(struct port *p);

/** Connections of a port, expired ones that were not removed yet included. */
uint32_t port_ct_entries(const struct port *p);

/** Sums over workers. */
void port_ct_counts(const struct port *p, struct ct_counts *out);

/** Have it go on with counters of a predecessor. */
void port_ct_set_counts(struct port *p, const struct ct_counts *n);

/** How many connections of a port go to a successor, of all together no more than it takes. */
uint32_t port_ct_handed(const struct port *p);

/** Slots of its table; ct_info_at() tells what is in one, false: no connection. */
uint32_t port_ct_slots(const struct port *p);
bool port_ct_at(const struct port *p, uint32_t slot, struct ct_info *out);

/**
 * Add a connection that was known elsewhere, if there is room. False: impossible values, or the
 * port tracks none.
 */
bool port_ct_restore(struct port *p, const struct ct_info *i);

/** Move the clock and remove entries whose time is over, in portions. Control, once a second. */
void ct_maintain(struct sw *s, uint64_t now_ns);

#endif
