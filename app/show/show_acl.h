/* SPDX-License-Identifier: BSD-3-Clause */
/* Access control lists as JSON. Control thread. */
#ifndef APP_SHOW_SHOW_ACL_H
#define APP_SHOW_SHOW_ACL_H

#include <jansson.h>

#include "switch/acl.h"

struct app;
struct port;

/** The lists of a port, by direction. A new reference; NULL: out of memory. */
json_t *report_acl(const struct app *app, const struct port *p);

/** One of them: rules by their numbers, and the default. */
json_t *report_acl_list(const struct port *p, enum acl_dir dir);

#endif
