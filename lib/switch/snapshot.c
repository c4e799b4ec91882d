/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * Building a dataplane snapshot from the queues that ports report as running.
 *
 * Everything of variable size lies in one block, the arena: sizes are counted
 * first, then the block is handed out part by part.
 */
#include "switch/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "switch/ingress.h"
#include "switch/inject.h"
#include "switch/members.h"
#include "switch/port.h"
#include "switch/sw.h"

/** A snapshot in the making. */
struct build {
	struct sw *s;
	struct dataplane *dp;
	uint16_t nmembers, nfree;          /* the first nfree are joined to no other */
	struct port *member[DP_PORTS_MAX]; /* ports that forward, in topology order */
	struct dp_port *dport;             /* by member */
	uint32_t nrx, ntx;
	uint8_t *arena_next;
	uint32_t load[DP_WORKERS_MAX]; /* rx queues given to each worker */
	uint32_t flush[DP_WORKERS_MAX];
	bool again;
	/* queues that the present port reports */
	struct port_queues q;
	struct pktq *rx[DP_QUEUES_MAX];
	struct pktq *tx[DP_QUEUES_MAX];
	bool discard[DP_QUEUES_MAX];
};

/* Without memory for it bursts are not counted. */
static void
make_bursts(const struct build *b, struct port *p)
{
	uint16_t n;

	if (!(b->s->watch.flags & WATCH_BURSTS) || p->bursts != NULL)
		return;
	n = RTE_MAX(port_queue_count(p, false), port_queue_count(p, true));
	p->bursts = calloc(1, sizeof(*p->bursts) + n * sizeof(p->bursts->q[0]));
	if (p->bursts != NULL)
		p->bursts->n = n;
}

static void
ask_port(struct build *b, struct port *p)
{
	b->q = (struct port_queues){.max = DP_QUEUES_MAX,
				    .rx = b->rx,
				    .tx = b->tx,
				    .discard = b->discard};
	p->ops->queues(p, &b->q);
	make_bursts(b, p);
	/* flow-sticky queue choice needs its table; the first pass counts, the second fills in */
	if (b->q.ntx > 1 && p->flows == NULL) {
		p->flows = b->dp == NULL ? malloc(sizeof(*p->flows)) : NULL;
		if (p->flows == NULL) {
			b->q.ntx = 1;
		} else {
			memset(p->flows->queue, DP_FLOW_UNKNOWN, sizeof(p->flows->queue));
			atomic_init(&p->flows->busy, 0);
		}
	}
}

static void
add_member(struct build *b, struct port *p, bool joined)
{
	if (p == NULL || !p->started || p->joined != joined)
		return;
	/*
	 * ends of tunnels are for the learning switch only: they have no place in a pair or a chain
	 */
	if (!p->tunnel || b->s->mode->vlan != NULL)
		b->member[b->nmembers++] = p;
}

static void
list_which(struct build *b, bool joined)
{
	const struct sw *s = b->s;

	for (uint16_t i = 0; !s->listed && i < s->nports; i++)
		add_member(b, s->port[i], joined);
	for (uint16_t i = 0; s->listed && i < s->nlist; i++)
		add_member(b, s->port[s->list[i]], joined);
}

/* Joined ports have no place in the pairs and chains of the others. */
static void
list_members(struct build *b)
{
	list_which(b, false);
	b->nfree = b->nmembers;
	list_which(b, true);
}

/* --- memory --- */

static size_t
part_size(size_t size)
{
	return RTE_ALIGN_CEIL(size, sizeof(void *));
}

static void *
take(struct build *b, size_t size)
{
	void *p = b->arena_next;

	b->arena_next += part_size(size);
	return p;
}

static bool
allocate(struct build *b)
{
	size_t ptr = sizeof(void *);

	b->dp = calloc(1, sizeof(*b->dp));
	if (b->dp == NULL)
		return false;
	b->dp->arena =
		calloc(1, part_size(DP_PORTS_MAX * ptr) + part_size(b->nmembers * ptr) +
				  part_size(b->nmembers * sizeof(struct dp_port)) +
				  part_size(b->nrx * (ptr + 2 * sizeof(struct dp_poll))) +
				  part_size(b->s->nports * ptr) + part_size(b->ntx * 2 * ptr));
	if (b->dp->arena == NULL)
		return false;
	b->arena_next = b->dp->arena;
	b->dp->by_id = take(b, DP_PORTS_MAX * ptr);
	b->dp->ports = take(b, b->nmembers * ptr);
	b->dp->inject = take(b, b->s->nports * ptr);
	b->dport = take(b, b->nmembers * sizeof(*b->dport));
	return true;
}

/* --- workers --- */

static bool
is_active(const struct sw *s, uint8_t worker)
{
	for (uint32_t i = 0; i < sw_active_workers(s); i++)
		if (sw_active_worker(s, i) == worker)
			return true;
	return false;
}

/*
 * A queue is with the worker that the operator wants, or else stays with its worker, for as long as
 * that is possible; a new one goes where the fewest are.
 */
static uint8_t
place(const struct build *b, const struct port *p, uint16_t index)
{
	uint8_t w, best = sw_active_worker(b->s, 0);

	if (is_active(b->s, p->wanted[index]))
		return p->wanted[index];
	if (is_active(b->s, p->placed[index]))
		return p->placed[index];
	for (uint32_t i = 1; i < sw_active_workers(b->s); i++) {
		w = sw_active_worker(b->s, i);
		if (b->load[w] < b->load[best])
			best = w;
	}
	return best;
}

static uint32_t
flusher(const struct build *b, const struct pktq *q)
{
	return sw_active_worker(b->s, ((uint32_t)q->port + q->index) % sw_active_workers(b->s));
}

/* Decide which worker polls and flushes which queues, and how much room that takes. */
static void
place_queues(struct build *b, struct port *p)
{
	for (uint16_t i = 0; i < b->q.nrx; i++) {
		uint16_t index = b->rx[i]->index;

		p->placed[index] = place(b, p, index);
		b->load[p->placed[index]]++;
	}
	for (uint16_t i = 0; i < b->q.ntx; i++)
		if (b->tx[i]->can_backlog)
			b->flush[flusher(b, b->tx[i])]++;
	b->nrx += b->q.nrx;
	b->ntx += b->q.ntx;
}

/* A queue of one worker's may defer notifications; the same for its whole life. */
static void
set_deferrable(struct pktq *q, bool may)
{
	may = may && pktq_ops(q)->notify != NULL;
	if (q->can_defer != may) /* not published yet */
		q->can_defer = may;
}

/* A queue may be made where another was in memory: work left for that one is not its work. */
static void
identify(struct build *b, const struct port *p, struct pktq *q)
{
	if (q->serial == 0) /* not published yet */
		q->serial = ++b->s->serial;
	if (q->cost != p->cost) /* likewise */
		q->cost = p->cost;
}

static void
add_poll(struct build *b, struct port *p, const struct dp_port *dport, uint16_t i)
{
	struct pktq *q = b->rx[i];
	uint8_t worker = p->placed[q->index];
	struct dp_worker *dw = &b->dp->worker[worker];

	set_deferrable(q, true);
	identify(b, p, q);
	if (p->owner[q->index] == PORT_WORKER_NONE)
		q->misses = 0;
	dw->poll[dw->n++] = (struct dp_poll){
		.q = q,
		.port = dport,
		.forward = ingress_forward(b->dp, dport, b->discard[i]),
		.discard = b->discard[i],
		.joined = dport->joined,
	};
	dw->must_poll |= q->event_fd < 0 || pktq_ops(q)->arm == NULL;
	p->owner[q->index] = worker;
}

/*
 * A queue another worker polls now is left out of this snapshot: after its grace period no worker
 * owns it, and the next one gives it to its new worker.
 */
static bool
changes_owner(const struct port *p, uint16_t index)
{
	return p->owner[index] != PORT_WORKER_NONE && p->owner[index] != p->placed[index];
}

static void
fill_rx(struct build *b, struct port *p, struct dp_port *dport)
{
	bool running[DP_QUEUES_MAX] = {false};

	dport->rx = take(b, b->q.nrx * sizeof(*dport->rx));
	for (uint16_t i = 0; i < b->q.nrx; i++) {
		uint16_t index = b->rx[i]->index;

		if (changes_owner(p, index)) {
			b->again = true;
			continue;
		}
		running[index] = true;
		dport->rx[dport->nrx++] = b->rx[i];
		add_poll(b, p, dport, i);
	}
	for (uint16_t i = 0; i < DP_QUEUES_MAX; i++)
		if (!running[i])
			p->owner[i] = PORT_WORKER_NONE;
}

static void
fill_tx(struct build *b, const struct port *p, struct dp_port *dport)
{
	bool shared = b->s->dp.nworkers > 1;

	dport->ntx = b->q.ntx;
	dport->tx = take(b, b->q.ntx * sizeof(*dport->tx));
	for (uint16_t i = 0; i < b->q.ntx; i++) {
		struct pktq *q = b->tx[i];
		struct dp_worker *dw = &b->dp->worker[flusher(b, q)];

		dport->tx[i] = q;
		if (q->shared != shared) /* the same for a queue's whole life: not published yet */
			q->shared = shared;
		set_deferrable(q, !shared);
		identify(b, p, q);
		if (q->can_backlog) /* looking at all queues in each iteration is dear */
			dw->flush[dw->nflush++] = q;
		dw->must_poll |= q->keep_alive;
	}
}

/*
 * Before the port's queues are filled in, whose checks depend on it. Without memory for it a port
 * is left out of a capture.
 */
static void
copy_port(const struct sw *s, struct port *p, struct dp_port *dport)
{
	bool wanted = s->captured.port == p->id || s->captured.port == SW_CAPTURE_ALL;

	if (s->capture != NULL && wanted && p->captured == NULL)
		p->captured = capture_add_port(s->capture, p->id, p->name);
	dport->capture = p->captured;
	dport->mirror_filter = p->mirror_filter;
	dport->mirror_seen = &p->mirror_seen;
	dport->copied = dport->capture != NULL || p->mirror != NULL;
}

/* The ports it exchanges frames with. */
static void
fill_place(const struct sw *s, const struct port *p, struct dp_port *dport)
{
	dport->joined = p->joined;
	dport->domain = p->vlans != NULL || p->joined ? VLAN_FID_NONE : p->domain;
	if (p->joined)
		return;
	dport->vlan = p->vlans;
	dport->isolated =
		(p->isolated ? DP_ISOLATED_SET : 0) | (p->tunnel ? DP_ISOLATED_TUNNEL : 0);
	dport->intercept = p->intercept;
	if (p->intercept == NULL && !p->tunnel)
		dport->intercept = s->intercept[p->domain];
}

static void
fill_port(struct build *b, uint16_t m)
{
	struct port *p = b->member[m];
	struct dp_port *dport = &b->dport[m];

	ask_port(b, p);
	dport->id = p->id;
	fill_place(b->s, p, dport);
	dport->learns = !p->no_learning;
	dport->group_fwd = p->group_fwd | b->s->group_fwd;
	dport->csum = p->csum;
	dport->mac = p->mac;
	dport->eth_peer = p->eth_peer;
	dport->limiter = p->limiter;
	dport->egress_limiter = p->egress_limiter;
	dport->guard = p->guard;
	dport->acl_in = p->acl[ACL_IN];
	dport->acl_out = p->acl[ACL_OUT];
	dport->ct = p->ct;
	dport->no_mcast_router = port_has_no_mcast_router(p);
	dport->sampling = p->tunnel || p->not_sampled ? NULL : b->s->sampling;
	copy_port(b->s, p, dport);
	fill_rx(b, p, dport);
	fill_tx(b, p, dport);
	dport->flows = dport->ntx > 1 ? p->flows : NULL;
	dport->bursts = p->bursts;
	dport->checked = dport->copied || dport->acl_out != NULL || dport->egress_limiter != NULL;
	dport->plain = dport->ntx == 1 && !dport->checked;
	b->dp->by_id[p->id] = dport;
	if (dport->ntx > 0)
		b->dp->ports[b->dp->nports++] = dport;
}

static uint16_t
peer_of(const struct build *b, uint16_t m)
{
	switch (b->s->topology) {
	case SW_PAIRED:
		return (m ^ 1) < b->nfree ? m ^ 1 : m;
	case SW_CHAINED:
		return (uint16_t)((m + 1) % b->nfree);
	case SW_LOOP:
		break;
	}
	return m;
}

/* Frames sent in the name of ports, those that do not forward now included. */
static void
fill_inject(struct build *b)
{
	struct dataplane *dp = b->dp;
	struct sw *s = b->s;
	uint8_t worker = s->inject_owner;

	dp->ninject = s->nports;
	for (uint16_t i = 0; i < s->nports; i++)
		dp->inject[i] =
			s->port[i] != NULL && !s->port[i]->leaves ? s->port[i]->inject : NULL;
	if (worker != PORT_WORKER_NONE && !is_active(s, worker)) {
		s->inject_owner = PORT_WORKER_NONE; /* see changes_owner() */
		b->again = true;
		return;
	}
	if (worker == PORT_WORKER_NONE)
		s->inject_owner = sw_active_worker(s, 0);
	inject_poll(s->inject, &dp->worker[s->inject_owner]);
}

/* Frames for a port whose frames hardware moves go out at its uplink. */
static void
join_uplink(struct build *b, uint16_t m)
{
	const struct port *p = b->member[m];
	const struct dp_port *up = p->uplink != NULL ? b->dp->by_id[p->uplink->id] : NULL;

	if (up != NULL)
		b->dp->by_id[p->id] = up;
}

/* Fill in the references of ports to other ports. */
static void
join_ports(struct build *b, uint16_t m)
{
	const struct port *mirror = b->member[m]->mirror, *partner = b->member[m]->partner;
	struct dp_port *dport = &b->dport[m];

	if (!dport->joined)
		dport->peer = b->dp->by_id[b->member[peer_of(b, m)]->id];
	else if (partner != NULL)
		dport->peer = b->dp->by_id[partner->id];
	if (mirror != NULL)
		dport->mirror = b->dp->by_id[mirror->id];
}

/* Ports that do not forward lose their queues with this snapshot. */
static void
disown_others(struct build *b)
{
	for (uint16_t i = 0; i < b->s->nports; i++) {
		struct port *p = b->s->port[i];

		if (p != NULL && b->dp->by_id[i] == NULL)
			memset(p->owner, PORT_WORKER_NONE, sizeof(p->owner));
	}
}

/* Polls whose cost is accounted. A port's queues are side by side in the list of a worker. */
static void
note_accounted(struct dp_worker *dw)
{
	for (uint32_t i = 1; i < dw->n; i++)
		if (dw->poll[i].port == dw->poll[i - 1].port)
			dw->poll[i].several = dw->poll[i - 1].several = true;
	for (uint32_t i = 0; i < dw->n; i++)
		dw->poll[i].accounted = dw->poll[i].several || dw->poll[i].joined;
}

static void
fill(struct build *b)
{
	struct dataplane *dp = b->dp;

	dp->generation = ++b->s->generation;
	dp->mode = b->s->forwarding ? b->s->mode : NULL;
	dp->gen = b->s->gen;
	dp->watch = b->s->watch;
	dp->fdb = b->s->fdb;
	dp->nworkers = b->s->dp.nworkers;
	for (uint32_t w = 0; w < dp->nworkers; w++) {
		dp->worker[w].poll = take(b, b->load[w] * sizeof(struct dp_poll));
		dp->worker[w].list = take(b, b->load[w] * sizeof(struct dp_poll));
		dp->worker[w].flush = take(b, b->flush[w] * sizeof(struct pktq *));
	}
	for (uint16_t m = 0; m < b->nmembers; m++)
		fill_port(b, m);
	for (uint16_t m = 0; m < b->nmembers; m++)
		join_uplink(b, m);
	for (uint16_t m = 0; m < b->nmembers; m++)
		join_ports(b, m);
	fill_inject(b);
	disown_others(b);
	for (uint32_t w = 0; w < dp->nworkers; w++)
		note_accounted(&dp->worker[w]);
}

static bool
build_mcast(const struct build *b)
{
	return b->s->snooping == NULL || b->s->snooping->build(b->s, b->dp);
}

struct dataplane *
snapshot_build(struct sw *s, bool *again)
{
	struct build *b = calloc(1, sizeof(*b));
	struct dataplane *dp = NULL;

	if (b == NULL)
		return NULL;
	b->s = s;
	list_members(b);
	for (uint16_t m = 0; m < b->nmembers; m++) {
		ask_port(b, b->member[m]);
		place_queues(b, b->member[m]);
	}
	if (allocate(b)) {
		fill(b);
		b->dp->fids = members_build(b->dp);
	}
	if (b->dp != NULL && b->dp->fids != NULL && build_mcast(b)) {
		dp = b->dp;
		*again = b->again;
	} else {
		dp_free(b->dp);
	}
	free(b);
	return dp;
}
