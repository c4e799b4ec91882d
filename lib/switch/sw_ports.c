/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: control. */
#include "switch/sw_ports.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "switch/acl_trie.h"
#include "switch/fdb.h"
#include "switch/inject.h"
#include "switch/join.h"
#include "switch/lldp.h"
#include "switch/mirror_filter.h"
#include "switch/modes.h"
#include "switch/port.h"
#include "switch/port_ct.h"
#include "switch/publish.h"
#include "switch/sample.h"
#include "switch/snoop.h"
#include "switch/sw.h"
#include "switch/sw_capture.h"
#include "switch/vlan_table.h"
#include "switch/worker.h"

int
sw_init(struct sw *s, uint32_t nworkers, const struct fdb_config *fdb_cfg, struct rte_mempool *mp,
	struct ev_loop *loop)
{
	struct fdb_config cfg = *fdb_cfg;
	int rc;

	memset(s, 0, sizeof(*s));
	s->mp = mp;
	s->loop = loop;
	s->mode = &fwd_modes[0];
	s->gen = (struct fwd_gen){.flow = FWD_GEN_FLOW,
				  .flows = FWD_GEN_FLOWS,
				  .nsegs = 1,
				  .len = {64}};
	rc = dp_ctl_init(&s->dp, nworkers);
	if (rc != 0)
		return rc;
	cfg.qsbr = s->dp.qsbr;
	cfg.workers = nworkers;
	s->fdb = fdb_new(&cfg);
	s->inject = inject_new();
	s->inject_owner = PORT_WORKER_NONE;
	s->spare = sw_empty_snapshot(s);
	if (s->fdb == NULL || s->inject == NULL || s->spare == NULL) {
		sw_fini(s);
		return -ENOMEM;
	}
	return 0;
}

void
sw_fini(struct sw *s)
{
	sw_capture_stop(s);
	sw_capture_expect(s, 0);
	sw_set_sampling(s, 0, 0);
	sw_leave_all(s);
	for (uint16_t i = 0; i < s->nports; i++)
		if (s->port[i] != NULL)
			sw_port_remove(s, s->port[i]);
	acl_trie_settle();
	ev_timer_cancel(&s->soon);
	lldp_fini(s);
	free(s->spare);
	watch_log_free(s->watch.log);
	inject_free(s->inject);
	fdb_free(s->fdb);
	snoop_free(s->snoop);
	vlan_table_free(s->vlans);
	dp_ctl_fini(&s->dp);
	memset(s, 0, sizeof(*s));
}

struct port *
sw_port_by_name(const struct sw *s, const char *name)
{
	for (uint16_t i = 0; i < s->nports; i++)
		if (s->port[i] != NULL && strcmp(s->port[i]->name, name) == 0)
			return s->port[i];
	return NULL;
}

struct port *
sw_port_named(const struct sw *s, const char *word)
{
	uint64_t id;

	if (parse_whole(word, 10, 0, DP_PORTS_MAX - 1, &id))
		return s->port[id];
	return sw_port_by_name(s, word);
}

bool
sw_port_listed(const struct port *p)
{
	const struct sw *s = p->sw;

	for (uint16_t i = 0; i < s->nlist; i++)
		if (s->list[i] == p->id)
			return true;
	return !s->listed;
}

static struct port_cost *
make_costs(uint32_t nworkers)
{
	size_t size = nworkers * sizeof(struct port_cost);
	struct port_cost *c = aligned_alloc(RTE_CACHE_LINE_SIZE, size);

	if (c != NULL)
		memset(c, 0, size);
	return c;
}

/* The part of a port that every kind has. */
static int
init_port(struct port *p, struct sw *s, uint16_t id)
{
	p->inject = inject_port_new(s->inject, id);
	p->cost = make_costs(s->dp.nworkers);
	if (p->inject == NULL || p->cost == NULL) {
		free(p->inject);
		free(p->cost);
		return -ENOMEM;
	}
	p->sw = s;
	p->id = id;
	p->started = true;
	memset(p->wanted, PORT_WORKER_NONE, sizeof(p->wanted));
	memset(p->placed, PORT_WORKER_NONE, sizeof(p->placed));
	memset(p->owner, PORT_WORKER_NONE, sizeof(p->owner));
	return 0;
}

/* All of it: no snapshot has the port any more. */
static void
fini_port(struct port *p)
{
	/* no worker can send in its name any more: flushed addresses are not learned again */
	fdb_flush_port(p->sw->fdb, p->id, true);
	snoop_forget_port(p);
	fdb_set_port_limit(p->sw->fdb, p->id, 0);
	fdb_set_guest_limit(p->sw->fdb, p->id, 0);
	p->captured = NULL; /* the capture's */
	baseline_free(&p->cleared);
	free(p->flows);
	p->flows = NULL;
	limiter_free(p->limiter);
	p->limiter = NULL;
	p->migrated = (struct limits){0};
	limiter_free(p->egress_limiter);
	p->egress_limiter = NULL;
	guard_free(p->guard);
	p->guard = NULL;
	for (int dir = 0; dir < ACL_DIRS; dir++) {
		acl_free(p->acl[dir]);
		p->acl[dir] = NULL;
	}
	port_ct_free(p);
	vlan_put(p->vlans);
	p->vlans = NULL;
	free(p->bursts);
	p->bursts = NULL;
	free(p->mirror_filter);
	p->mirror_filter = NULL;
	free(p->inject);
	p->inject = NULL;
	free(p->cost);
	p->cost = NULL;
}

/* The index of ports ends with the last of them. */
static void
take_out(struct sw *s, const struct port *p)
{
	s->port[p->id] = NULL;
	while (s->nports > 0 && s->port[s->nports - 1] == NULL)
		s->nports--;
}

int
sw_port_add(struct sw *s, struct port *p)
{
	uint16_t id = p->id;
	int ret;

	if (sw_port_by_name(s, p->name) != NULL)
		return -EEXIST;
	while (id < s->nports && s->port[id] != NULL)
		id++;
	if (id >= DP_PORTS_MAX)
		return -ENOSPC;
	ret = init_port(p, s, id);
	if (ret < 0)
		return ret;
	s->port[id] = p;
	s->nports = RTE_MAX(s->nports, (uint16_t)(id + 1));
	ret = s->listener != NULL ? s->listener->added(s->listener, p) : 0;
	if (ret < 0) {
		take_out(s, p);
		fini_port(p);
	}
	return ret;
}

static void
forget_mirrors(struct sw *s, const struct port *to)
{
	for (uint16_t i = 0; i < s->nports; i++)
		if (s->port[i] != NULL && s->port[i]->mirror == to)
			s->port[i]->mirror = NULL;
}

void
sw_port_leave(struct port *p)
{
	p->started = false;
	p->leaves = true;
	p->leaves_since = p->sw->generation;
	forget_mirrors(p->sw, p);
}

void
sw_leave_all(struct sw *s)
{
	for (uint16_t i = 0; i < s->nports; i++)
		if (s->port[i] != NULL)
			sw_port_leave(s->port[i]);
	if (s->nports != 0)
		sw_publish(s);
}

void
sw_port_remove(struct sw *s, struct port *p)
{
	if (s->listener != NULL)
		s->listener->leaving(s->listener, p);
	if (!p->leaves)
		sw_port_leave(p);
	take_out(s, p);
	join_forget(p);
	if (p->leaves_since == s->generation)
		sw_publish(s);
	fini_port(p);
	p->ops->close(p);
}

void
sw_port_changed(struct port *p)
{
	const struct sw *s = p->sw;

	if (s->listener != NULL && s->listener->changed != NULL)
		s->listener->changed(s->listener, p);
}

void
sw_list_ports(struct sw *s, const uint16_t *list, uint16_t n)
{
	memmove(s->list, list, n * sizeof(*list));
	s->nlist = n;
	s->listed = true;
}

void
sw_clear_bursts(struct sw *s)
{
	struct watch_queues *old[DP_PORTS_MAX];
	uint16_t n = s->nports;

	for (uint16_t i = 0; i < n; i++) {
		old[i] = s->port[i] != NULL ? s->port[i]->bursts : NULL;
		if (s->port[i] != NULL)
			s->port[i]->bursts = NULL;
	}
	sw_publish(s);
	for (uint16_t i = 0; i < n; i++)
		free(old[i]);
}

void
sw_intercept_domain(struct sw *s, uint16_t domain, const struct dp_intercept *i)
{
	s->intercept[domain] = i;
}

void
sw_limit_mtu(struct sw *s, uint16_t domain, uint16_t mtu)
{
	s->mtu_most[domain] = mtu;
}

int
sw_set_group_fwd(struct sw *s, struct port *p, uint64_t mask)
{
	if ((mask & ~(uint64_t)SW_GROUP_FWD_MAX) != 0)
		return -EINVAL;
	*(p != NULL ? &p->group_fwd : &s->group_fwd) = (uint16_t)mask;
	sw_publish(s);
	/* workers remember what they decided before */
	fdb_new_epoch(s->fdb);
	return 0;
}

int
sw_set_rxq_worker(struct port *p, uint64_t queue, uint64_t worker)
{
	if (queue >= DP_QUEUES_MAX)
		return -EINVAL;
	if (worker != SW_ANY_WORKER && worker >= p->sw->dp.nworkers)
		return -ENOENT;
	p->wanted[queue] = worker == SW_ANY_WORKER ? PORT_WORKER_NONE : (uint8_t)worker;
	sw_publish(p->sw);
	return 0;
}

void
sw_set_learning(struct port *p, bool on)
{
	p->no_learning = !on;
	sw_publish(p->sw);
	if (!on)
		fdb_forget_port(p->sw->fdb, p->id);
}

int
sw_mirror(struct port *p, struct port *to)
{
	if (p == to)
		return -EINVAL;
	p->mirror = to;
	sw_publish(p->sw);
	return 0;
}

int
sw_mirror_filter(struct port *p, const struct mirror_filter *f)
{
	struct mirror_filter *made = NULL, *old = p->mirror_filter;

	if (f != NULL) {
		made = malloc(sizeof(*made));
		if (made == NULL)
			return -ENOMEM;
		*made = *f;
		ip_prefix_mask(&f->ip, made->mask);
	}
	p->mirror_filter = made;
	sw_publish(p->sw);
	free(old);
	return 0;
}
