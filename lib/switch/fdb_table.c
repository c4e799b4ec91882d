/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * The table of the forwarding database and its learn rings, made and freed.
 */
#include "switch/fdb_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <bsd/stdlib.h>
#include <rte_hash.h>
#include <rte_lcore.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring_elem.h>

#include "switch/rcu_hash.h"

#define RING_SIZE 2048 /* learn requests of one worker between two fdb_maintain() */
/*
 * Deleted slots wait in rte_hash for a grace period: room beyond the limit, so that they are not
 * missed.
 */
#define SLOTS(limit) ((limit) + (limit) / 8 + 1024)

struct fdb_secret fdb_secret;

static uint32_t
hash_key(const void *key, uint32_t len, uint32_t init)
{
	return fdb_hash(*(const fdb_key *)key);
}

static struct rte_hash *
hash_new(struct fdb *f, struct rte_rcu_qsbr *qsbr)
{
	const struct rte_hash_parameters par = {
		.entries = SLOTS(f->capacity),
		.key_len = sizeof(fdb_key),
		.hash_func = hash_key,
		.socket_id = (int)rte_socket_id(),
	};

	return rcu_hash_new("fdb", f, &par, qsbr);
}

static bool
learners_new(struct fdb *f)
{
	char name[RTE_RING_NAMESIZE];

	f->learner = aligned_alloc(RTE_CACHE_LINE_SIZE, f->workers * sizeof(*f->learner));
	if (f->learner == NULL)
		return false;
	memset(f->learner, 0, f->workers * sizeof(*f->learner));
	for (uint32_t w = 0; w < f->workers; w++) {
		snprintf(name, sizeof(name), "fdb_%p_%u", (void *)f, w);
		f->learner[w].ring =
			rte_ring_create_elem(name, sizeof(struct fdb_req), RING_SIZE, SOCKET_ID_ANY,
					     RING_F_SP_ENQ | RING_F_SC_DEQ);
		if (f->learner[w].ring == NULL)
			return false;
	}
	return true;
}

struct fdb *
fdb_new(const struct fdb_config *cfg)
{
	const struct fdb_list none = {.head = FDB_NO_ENTRY, .tail = FDB_NO_ENTRY};
	struct fdb *f = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*f));

	if (f == NULL)
		return NULL;
	memset(f, 0, sizeof(*f));
	if (fdb_secret.a == 0)
		arc4random_buf(&fdb_secret, sizeof(fdb_secret)); /* once: all tables share it */
	for (uint32_t i = 0; i < DP_PORTS_MAX; i++)
		f->port[i].learned = f->port[i].foreign = none;
	f->evicted_from = FDB_PORT_NONE;
	f->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	atomic_init(&f->epoch, 1);
	f->workers = cfg->workers;
	f->limit = cfg->limit;
	f->port_limit = cfg->port_limit;
	f->ageing_s = cfg->ageing_s;
	f->capacity = RTE_MAX(cfg->limit, (uint32_t)FDB_LIMIT_DEFAULT);
	f->entry = calloc(f->capacity, sizeof(*f->entry));
	f->spare = calloc(f->capacity, sizeof(*f->spare));
	f->seen_s = calloc(f->capacity, sizeof(*f->seen_s));
	f->hash = hash_new(f, cfg->qsbr);
	if (f->event_fd < 0 || f->entry == NULL || f->spare == NULL || f->seen_s == NULL ||
	    f->hash == NULL || !learners_new(f)) {
		fdb_free(f);
		return NULL;
	}
	return f;
}

void
fdb_free(struct fdb *f)
{
	if (f == NULL)
		return;
	for (uint32_t w = 0; f->learner != NULL && w < f->workers; w++)
		rte_ring_free(f->learner[w].ring);
	if (f->event_fd >= 0)
		close(f->event_fd);
	rte_hash_free(f->hash);
	free(f->learner);
	free(f->seen_s);
	free(f->spare);
	free(f->entry);
	free(f);
}
