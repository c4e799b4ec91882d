/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 */
#include "switch/rcu_hash.h"

#include <stdio.h>

#include <rte_hash.h>
#include <rte_rcu_qsbr.h>

struct rte_hash *
rcu_hash_new(const char *kind, const void *owner, const struct rte_hash_parameters *par,
	     struct rte_rcu_qsbr *qsbr)
{
	struct rte_hash_rcu_config rcu = {.v = qsbr, .mode = RTE_HASH_QSBR_MODE_DQ};
	struct rte_hash_parameters mine = *par;
	char name[RTE_HASH_NAMESIZE];
	struct rte_hash *h;

	snprintf(name, sizeof(name), "%s_%p", kind, owner);
	mine.name = name;
	mine.extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF;
	h = rte_hash_create(&mine);
	if (h != NULL && rte_hash_rcu_qsbr_add(h, &rcu) != 0) {
		rte_hash_free(h);
		return NULL;
	}
	return h;
}
