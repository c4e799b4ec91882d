/* SPDX-License-Identifier: BSD-3-Clause */
/* NUMA nodes of workers and ports. Control thread. */
#ifndef APP_NODES_H
#define APP_NODES_H

#include <stddef.h>
#include <stdint.h>

struct app;
struct port;

/** The node a worker runs on; -1: not known. */
int nodes_of_worker(const struct app *app, uint32_t worker);

/** near_advice() (switch/near.h); NULL on a machine of one node, too. */
const char *nodes_advice(const struct app *app, const struct port *p, char *buf, size_t len);

#endif
