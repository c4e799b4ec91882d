/* SPDX-License-Identifier: BSD-3-Clause */
/* Connection tracking as JSON. Control thread. */
#ifndef APP_SHOW_SHOW_CONNTRACK_H
#define APP_SHOW_SHOW_CONNTRACK_H

#include <jansson.h>

#include "switch/ct.h"

struct app;
struct port;

#define CONNTRACK_SHOWN 4096 /* connections of a port, at most */
#define CONNTRACK_TEXT 64    /* room for an end in text */

/** Settings, and the counters of ports that track. A new reference; NULL: out of memory. */
json_t *report_conntrack(const struct app *app);

/** The connections of a port. Likewise. */
json_t *report_connections(const struct app *app, const struct port *p);

/** An address and, if the protocol has them, a port: "192.0.2.1:80", "[2001:db8::1]:80". */
const char *conntrack_end(const struct ct_ends *e, bool far, char *buf, size_t len);

#endif
