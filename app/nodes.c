/* SPDX-License-Identifier: BSD-3-Clause */
#include "nodes.h"

#include <rte_lcore.h>

#include "app.h"
#include "switch/near.h"
#include "switch/port.h"

int
nodes_of_worker(const struct app *app, uint32_t worker)
{
	return (int)rte_lcore_to_socket_id(app->worker[worker]->lcore);
}

const char *
nodes_advice(const struct app *app, const struct port *p, char *buf, size_t len)
{
	int worker[DP_WORKERS_MAX];
	struct near_nodes n = {.worker = worker, .nworkers = app->nworkers};

	if (rte_socket_count() < 2 || p->ops->node == NULL)
		return NULL;
	for (uint32_t i = 0; i < app->nworkers; i++)
		worker[i] = nodes_of_worker(app, i);
	n.what = p->ops->node(p, &n.other);
	return near_advice(p, &n, buf, len);
}
