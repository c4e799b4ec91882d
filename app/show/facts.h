/* SPDX-License-Identifier: BSD-3-Clause */
/* Facts about a port, with the program's defaults. Control thread. */
#ifndef APP_SHOW_FACTS_H
#define APP_SHOW_FACTS_H

#include "switch/port_kind.h"
#include "switch/sw.h"

struct app;

void facts_get(const struct app *app, const struct port *p, struct port_facts *out);

#endif
