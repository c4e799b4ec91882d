/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine of an rte_vdpa device: the guest's session said once more to librte_vhost.
 *
 * While software still moves the frames the session is prepared: connection, features, memory.
 * check() objects until that is done. Rings, enables and DRIVER_OK follow in one go when the engine
 * is in charge. From DRIVER_OK on no message is sent until each ring's kick has been consumed,
 * which is the proof that hardware serves it: a message would hide that the device failed to start,
 * since librte_vhost then starts it again and mlx5 does so without queues.
 *
 * A session is for one set of facts. When memory, features or the set of rings change, check()
 * objects: software takes the rings, and a new session is prepared.
 *
 * The rings are the device's until it has answered that it stopped, or librte_vhost has ended the
 * session: its driver sets no bound to that (let_go()). No thread of ours touches them
 * meanwhile.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_vdpa.h>

#include "base/irq.h"
#include "base/sock.h"
#include "gmem/file.h"
#include "vdev/engine.h"
#include "vdev/transport.h"
#include "vdpa/rte/card.h"
#include "vdpa/rte/relay.h"

#define SETTLE_MS 10   /* facts come one by one */
#define ANSWER_MS 2000 /* librte_vhost and the driver, for one message */
#define PROOF_MS 2000  /* until each kick is consumed */
#define PROOF_LOOK_MS 2
#define WATCH_MS 1000 /* between proofs that it still serves the rings */
/* until the second proof: a driver may consume a kick and fail after that */
#define AGAIN_MS 20
#define STOP_WAIT_MS 2 /* for control to wait: a device that is fast stops within it */
#define STOP_LOOK_MS 2
#define RETRY_MS 10000
#define LOOK_MS 1000  /* for a device that is not there */
#define DRIVER_OK 0xf /* and what comes before it */

#define PROTOCOL                                                                                 \
	(VHU_PF(MQ) | VHU_PF(LOG_SHMFD) | VHU_PF(REPLY_ACK) | VHU_PF(NET_MTU) | VHU_PF(STATUS) | \
	 VHU_PF(BACKEND_REQ) | VHU_PF(BACKEND_SEND_FD) | VHU_PF(HOST_NOTIFIER))

struct relays relays = SLIST_HEAD_INITIALIZER(relays);

static struct relay *
relay_of(const struct engine *e)
{
	return (struct relay *)(uintptr_t)e;
}

/** A device without a loop is about to run nothing. */
static void
arm(struct relay *r, struct ev_timer *t, uint32_t ms)
{
	if (r->dev->cfg.loop != NULL && t->loop == NULL)
		ev_timer_arm(r->dev->cfg.loop, t, ms);
}

void
relay_changed(struct relay *r)
{
	arm(r, &r->changed, 0);
}

void
relay_card_changed(const struct card *c)
{
	struct relay *r;

	SLIST_FOREACH (r, &relays, entry)
		if (r->card == c)
			relay_changed(r);
}

static void
end_proof(struct relay *r)
{
	ev_timer_cancel(&r->proof);
	ev_timer_cancel(&r->watch);
}

void
relay_drop(struct relay *r)
{
	end_proof(r);
	ev_timer_cancel(&r->stop);
	vhu_frontend_close(&r->session);
	gmem_put(r->gmem);
	r->gmem = NULL;
	r->facts = (struct facts){0};
	r->phase = PHASE_NONE;
	r->stale = false;
	memset(r->told_enabled, 0, sizeof(r->told_enabled));
	r->irq_changed = false;
	if (r->card->owner != r)
		return;
	r->card->owner = NULL;
	relay_card_changed(r->card);
}

/** A session that has not been given rings. */
static void
drop_preparation(struct relay *r)
{
	if (r->phase == PHASE_PREPARING || r->phase == PHASE_PREPARED)
		relay_drop(r);
}

static void
on_changed(struct ev_timer *t)
{
	struct relay *r = container_of(t, struct relay, changed);

	vdev_sync(r->dev);
	/* another reason stands against it: other ports may have the device */
	if (r->phase == PHASE_PREPARED && r->dev->engine != &r->engine)
		relay_drop(r);
}

/** Give up for a while; @p why is static text. The rings are taken back by vdev_sync(). */
static void
fail(struct relay *r, const char *why)
{
	if (r->failed != NULL)
		return;
	r->failed = why;
	log_peer(&r->dev->log_limit, r->dev->name, "%s: %s%s%s", r->engine.name, why,
		 r->session.err[0] != '\0' ? ": " : "", r->session.err);
	ev_timer_cancel(&r->again);
	arm(r, &r->again, RETRY_MS);
	relay_changed(r);
}

static void
on_again(struct ev_timer *t)
{
	struct relay *r = container_of(t, struct relay, again);

	r->failed = NULL;
	vdev_sync(r->dev);
}

/* --- preparation --- */

/** A session that was dropped here is no failure of the device. */
static void
preparation_failed(struct relay *r, int ret)
{
	if (ret != -ECANCELED)
		fail(r, "it does not take the guest's session");
}

static void
prepared(struct vhu_frontend *f, void *ctx, int ret, const struct vhu_msg *reply)
{
	struct relay *r = f->ctx;

	if (ret != 0) {
		preparation_failed(r, ret);
		return;
	}
	r->phase = PHASE_PREPARED;
	relay_changed(r);
}

static int
say_memory(struct relay *r)
{
	struct vhu_mem_region region[VHU_MEM_TABLE_MAX];
	int fds[VHU_MEM_TABLE_MAX];
	uint32_t i;

	for (i = 0; i < r->gmem->n; i++) {
		const struct gmem_region *g = &r->gmem->r[i];

		region[i] = (struct vhu_mem_region){.gpa = g->gpa, .size = g->size, .uva = g->uva};
		fds[i] = gmem_file_fd(g->file, g->hva, &region[i].mmap_offset);
	}
	return vhu_frontend_set_mem(&r->session, region, fds, i, (struct vhu_frontend_done){0});
}

static void
negotiated(struct vhu_frontend *f, void *ctx, int ret, const struct vhu_msg *reply)
{
	struct relay *r = f->ctx;
	struct vhu_msg mtu = {.header = {.request = VHU_NET_SET_MTU, .size = 8},
			      .payload.u64 = r->facts.mtu};

	if (ret == 0)
		ret = say_memory(r);
	if (ret == 0 && r->facts.mtu != 0 && (f->protocol_features & VHU_PF(NET_MTU)))
		ret = vhu_frontend_request(f, &mtu, NULL, 0, (struct vhu_frontend_done){0});
	if (ret == 0)
		ret = vhu_frontend_barrier(f, (struct vhu_frontend_done){.fn = prepared});
	if (ret != 0)
		preparation_failed(r, ret);
}

/** The card's driver names a doorbell of a ring, which is the guest's. */
static uint64_t
on_request(struct vhu_frontend *f, struct vhu_msg *m, struct vhu_fds *fds)
{
	struct relay *r = f->ctx;
	struct transport *t = r->dev->transport;
	const struct vhu_vring_area *a = &m->payload.area;
	uint32_t i = a->index & 0xff;
	const struct transport_doorbell bell = {.fd = fds->n > 0 ? fds->fd[0] : -1,
						.offset = a->offset,
						.size = a->size};

	if (m->header.request != VHU_BACKEND_VRING_HOST_NOTIFIER || m->header.size != sizeof(*a) ||
	    t == NULL || t->ops->host_notifier == NULL || !t->ops->host_notifier(t, i, &bell))
		return EOPNOTSUPP;
	r->doorbell[i] = bell.fd >= 0;
	return 0;
}

static void
on_closed(struct vhu_frontend *f, int error)
{
	struct relay *r = f->ctx;

	fail(r, r->phase == PHASE_STOPPING ? "it does not stop in time"
					   : "its driver ended the session");
}

static void
on_settled(struct ev_timer *t)
{
	static const struct vhu_frontend_ops ops = {on_request, on_closed};
	struct relay *r = container_of(t, struct relay, settle);
	struct vdev *d = r->dev;
	const struct vhu_frontend_config cfg = {d->cfg.loop, ANSWER_MS, &ops, r};
	const struct vhu_frontend_wish wish = {
		.features = d->features,
		.required = d->features & ~VDEV_F(PROTOCOL_FEATURES),
		.protocol_features = PROTOCOL,
		.queue_pairs = 1,
	};
	int fd;

	if (r->phase != PHASE_NONE || d->gmem == NULL || r->card->owner != NULL ||
	    r->card->dev == NULL)
		return;
	if (atomic_load(&r->card->sessions) > 0) {
		arm(r, &r->settle, SETTLE_MS);
		return;
	}
	fd = sock_connect_unix(r->card->path);
	if (fd < 0 || vhu_frontend_open(&r->session, &cfg, fd) != 0) {
		fail(r, "its socket cannot be reached");
		return;
	}
	r->card->owner = r;
	r->phase = PHASE_PREPARING;
	r->gmem = gmem_ref(d->gmem);
	r->facts = (struct facts){d->gmem, d->features, d->mtu};
	if (vhu_frontend_negotiate(&r->session, &wish,
				   (struct vhu_frontend_done){.fn = negotiated}) != 0)
		fail(r, "it does not take the guest's session");
}

/* --- what keeps it from the rings --- */

static bool
same_facts(const struct relay *r, const struct vdev *d)
{
	return r->facts.gmem == d->gmem && r->facts.features == d->features &&
	       r->facts.mtu == d->mtu && !r->stale;
}

static const char *
rings_against(const struct vdev *d)
{
	uint32_t i;

	if (d->nqueues < 2 || !d->q[0].ready || !d->q[1].ready || !vdev_vq_enabled(d, 0) ||
	    !vdev_vq_enabled(d, 1))
		return "the guest's first two rings are not started and enabled yet";
	for (i = 0; i < d->nqueues; i++)
		if (d->q[i].ready && d->q[i].kick_fd < 0)
			return "the guest gives a ring without a kick eventfd";
	return NULL;
}

static const char *
relay_check(const struct engine *e, const struct vdev *d)
{
	struct relay *r = relay_of(e);
	const char *why;
	bool there = card_serve(r->card, &why);

	r->engine.caps = r->card->caps;
	if (!there) {
		arm(r, &r->again, LOOK_MS);
		return why;
	}
	if (r->phase == PHASE_STOPPING)
		return "it has not released the guest's rings yet";
	why = r->failed != NULL ? r->failed : rings_against(d);
	if (why != NULL) {
		drop_preparation(r);
		return why;
	}
	if (r->card->owner != NULL && r->card->owner != r)
		return "it moves the frames of another port";
	if (r->phase >= PHASE_PREPARED && same_facts(r, d))
		return NULL;
	if (r->phase >= PHASE_STARTING)
		return "its session is made anew, since the guest's has changed";
	if (r->phase != PHASE_NONE && !same_facts(r, d))
		relay_drop(r);
	if (r->phase == PHASE_NONE && atomic_load(&r->card->sessions) > 0)
		why = "its driver has not released the last guest yet";
	if (r->phase == PHASE_NONE)
		arm(r, &r->settle, SETTLE_MS);
	return why != NULL ? why : "its session is being prepared";
}

/* --- the switch-over --- */

static bool
is_served(const struct relay *r, uint32_t i)
{
	return r->ring[i] && r->told_enabled[i];
}

/** Whether a kick is still to be made, in the guest's lane, or to be consumed. */
static bool
kicks_wait(const struct relay *r)
{
	struct irq_info irqs;
	uint32_t i;

	irq_group_info(r->dev->irqs, &irqs);
	if (irqs.waiting != 0)
		return true;
	for (i = 0; i < r->dev->nqueues; i++) {
		struct pollfd p = {.fd = r->dev->q[i].kick_fd, .events = POLLIN};

		if (is_served(r, i) && poll(&p, 1, 0) == 1 && (p.revents & POLLIN))
			return true;
	}
	return false;
}

static void
say_call(struct relay *r, const struct vdev_queue *q)
{
	const int fd = irq_eventfd(q->irq);
	const bool none = fd < 0;
	struct vhu_msg m = {.header = {.request = VHU_SET_VRING_CALL, .size = 8},
			    .payload.u64 = (uint64_t)(q - r->dev->q) | (none ? VHU_VRING_NOFD : 0)};

	if (vhu_frontend_request(&r->session, &m, &fd, !none, (struct vhu_frontend_done){0}) != 0)
		fail(r, "it does not keep up");
}

/** Hardware serves every ring: what has changed meanwhile is said. */
static void
proven(struct relay *r)
{
	uint32_t i;

	r->phase = PHASE_RUNS;
	for (i = 0; i < r->dev->nqueues; i++)
		r->card->ran[i] |= r->told_enabled[i];
	for (i = 0; i < r->dev->nqueues && r->irq_changed; i++)
		if (r->ring[i]) {
			say_call(r, &r->dev->q[i]);
			irq_raise(r->dev->q[i].irq);
		}
	r->irq_changed = false;
	relay_changed(r);
}

/** Kick rings: who serves them consumes that. */
static void
prove(struct relay *r)
{
	for (uint32_t i = 0; i < r->dev->nqueues; i++)
		if (is_served(r, i))
			irq_signal(r->dev->irqs, r->dev->q[i].kick_fd);
	r->proof_end = ev_now_ns() + PROOF_MS * UINT64_C(1000000);
	arm(r, &r->proof, PROOF_LOOK_MS);
}

/**
 * The driver may give a ring up for good after errors of the card and say nothing. It then does not
 * look at the ring's kick either.
 */
static void
on_watch(struct ev_timer *t)
{
	prove(container_of(t, struct relay, watch));
}

static void
on_proof(struct ev_timer *t)
{
	struct relay *r = container_of(t, struct relay, proof);
	const bool starts = r->phase == PHASE_STARTING, waits = kicks_wait(r);

	if (waits && ev_now_ns() < r->proof_end) {
		arm(r, &r->proof, PROOF_LOOK_MS);
		return;
	}
	if (waits) {
		fail(r, starts ? "it does not serve the rings" : "it has ceased to serve a ring");
		return;
	}
	if (starts && r->proofs++ > 0)
		proven(r);
	arm(r, &r->watch, r->phase == PHASE_STARTING ? AGAIN_MS : WATCH_MS);
}

static int
say_ring(struct relay *r, uint32_t i)
{
	const struct vdev_queue *q = &r->dev->q[i];
	const struct vhu_frontend_ring ring = {
		.size = q->size,
		.base = q->state.avail,
		.desc = q->desc_uva,
		.driver = q->driver_uva,
		.device = q->device_uva,
		.log_gpa = q->log_gpa,
		.log = q->addr_flags & VDEV_ADDR_F_LOG,
		.kick_fd = q->kick_fd,
		.call_fd = irq_eventfd(q->irq),
		.err_fd = -1,
	};

	return vhu_frontend_ring_start(&r->session, i, &ring, (struct vhu_frontend_done){0});
}

static int
say_enable(struct relay *r, uint32_t i)
{
	bool on = vdev_vq_enabled(r->dev, i);

	if (!r->ring[i] || on == r->told_enabled[i])
		return 0;
	r->told_enabled[i] = on;
	r->card->ran[i] |= on && r->phase == PHASE_RUNS;
	return vhu_frontend_ring_enable(&r->session, i, on, (struct vhu_frontend_done){0});
}

/** All rings before the first enable: the driver counts them when it starts. */
static void
switch_over(struct relay *r)
{
	struct vdev *d = r->dev;
	uint32_t i;
	int ret = 0;

	r->phase = PHASE_STARTING;
	r->proofs = 0;
	for (i = 0; i < d->nqueues && ret == 0; i++)
		if (r->ring[i])
			ret = say_ring(r, i);
	for (i = 0; i < d->nqueues && ret == 0; i++)
		ret = say_enable(r, i);
	if (ret == 0)
		ret = vhu_frontend_set_status(&r->session, DRIVER_OK,
					      (struct vhu_frontend_done){0});
	if (ret != 0) {
		fail(r, "it does not take the guest's rings");
		return;
	}
	for (i = 0; i < d->nqueues; i++)
		if (r->ring[i])
			irq_signal(d->irqs, d->q[i].kick_fd);
	prove(r);
}

static void
relay_commit(struct engine *e, struct vdev *d)
{
	struct relay *r = relay_of(e);
	uint32_t i;

	if (r->phase == PHASE_PREPARED && r->ring[0] && r->ring[1])
		switch_over(r);
	for (i = 0; i < d->nqueues && r->phase == PHASE_RUNS; i++)
		if (say_enable(r, i) != 0)
			fail(r, "it does not keep up");
}

static const char *
relay_vq_start(struct engine *e, struct vdev *d, struct vdev_queue *q)
{
	struct relay *r = relay_of(e);

	r->stale |= r->phase >= PHASE_STARTING;
	r->ring[q - d->q] = true;
	return NULL;
}

/* --- take-back --- */

static void
revoke_doorbells(struct relay *r)
{
	const struct transport_doorbell none = {.fd = -1};
	struct transport *t = r->dev->transport;
	uint32_t i;

	for (i = 0; i < VDEV_QUEUES_MAX; i++) {
		if (r->doorbell[i] && t != NULL)
			(void)t->ops->host_notifier(t, i, &none);
		r->doorbell[i] = false;
	}
}

static void
on_stopped(struct vhu_frontend *f, void *ctx, int ret, const struct vhu_msg *reply)
{
	struct relay *r = f->ctx;

	r->stopped = ret == 0;
}

/** librte_vhost stops the device as a whole for the first ring, and answers then. */
static void
tell_to_stop(struct relay *r)
{
	const struct vhu_frontend_ring plain = {0};
	uint32_t i;

	for (i = 0; i < r->dev->nqueues && !r->ring[i]; i++)
		;
	r->phase = PHASE_STOPPING;
	r->stopped = false;
	end_proof(r);
	card_hold_memory(r->card, r->gmem);
	/* without room for the message the end of the session stops it */
	if (vhu_frontend_ring_stop(&r->session, i, &plain,
				   (struct vhu_frontend_done){.fn = on_stopped}) != 0)
		vhu_frontend_close(&r->session);
	(void)vhu_frontend_wait(&r->session, STOP_WAIT_MS);
}

/**
 * Whether the device has released the rings. A device whose session ended without an answer
 * is stopped after that: librte_vhost calls destroy_connection when it is done.
 */
static bool
stop_is_over(struct relay *r)
{
	if (!r->stopped &&
	    (vhu_conn_is_open(&r->session.conn) || atomic_load(&r->card->sessions) > 0))
		return false;
	card_free_memory(r->card);
	revoke_doorbells(r);
	relay_drop(r);
	return true;
}

static void
on_stop(struct ev_timer *t)
{
	struct relay *r = container_of(t, struct relay, stop);

	if (stop_is_over(r))
		vdev_sync(r->dev);
	else
		arm(r, &r->stop, STOP_LOOK_MS);
}

static bool
relay_let_go(struct engine *e, struct vdev *d)
{
	struct relay *r = relay_of(e);

	if (r->phase < PHASE_STARTING)
		return true;
	if (r->phase != PHASE_STOPPING)
		tell_to_stop(r);
	if (stop_is_over(r))
		return true;
	arm(r, &r->stop, STOP_LOOK_MS);
	return false;
}

/** Another relay of the device may have told it to stop, and be gone. */
static const char *
relay_holds(const struct engine *e, const struct vdev *d)
{
	struct relay *r = relay_of(e);

	if (!card_holds(r->card, d->gmem))
		return NULL;
	if (r->phase != PHASE_STOPPING)
		arm(r, &r->changed, STOP_LOOK_MS);
	return "a vDPA device has not released the guest's rings yet";
}

/** Never by the driver's answer: it is 0 when a card is gone, or counts what was fetched ahead. */
static struct vq_state
relay_vq_stop(struct engine *e, struct vdev *d, struct vdev_queue *q)
{
	struct relay *r = relay_of(e);
	struct vq_state s = q->state;

	r->stale = false;
	r->ring[q - d->q] = false;
	s.avail = s.used = vq_split_used_idx(q->layout, q->map.area[VQ_DEVICE].hva);
	irq_raise(q->irq); /* an interrupt may have been lost on the way */
	return s;
}

static int
relay_set_mem(struct engine *e, struct vdev *d)
{
	struct relay *r = relay_of(e);

	if (r->facts.gmem != d->gmem)
		(void)relay_let_go(e, d);
	return 0;
}

static void
relay_set_irq(struct engine *e, struct vdev *d, struct vdev_queue *q)
{
	struct relay *r = relay_of(e);

	r->irq_changed |= r->phase == PHASE_STARTING;
	if (r->phase == PHASE_RUNS)
		say_call(r, q);
}

static const struct pktq_stats *
relay_stats(const struct engine *e, const struct vdev_queue *q)
{
	return NULL;
}

static void
relay_retry(struct engine *e, struct vdev *d)
{
	relay_of(e)->failed = NULL;
}

static void
relay_close(struct engine *e, struct vdev *d)
{
	struct relay *r = relay_of(e);

	SLIST_REMOVE(&relays, r, relay, entry);
	relay_drop(r);
	ev_timer_cancel(&r->settle);
	ev_timer_cancel(&r->again);
	ev_timer_cancel(&r->changed);
	free(r);
}

static const struct engine_ops relay_ops = {
	.check = relay_check,
	.let_go = relay_let_go,
	.holds = relay_holds,
	.set_mem = relay_set_mem,
	.vq_start = relay_vq_start,
	.vq_stop = relay_vq_stop,
	.set_irq = relay_set_irq,
	.commit = relay_commit,
	.stats = relay_stats,
	.retry = relay_retry,
	.close = relay_close,
};

struct engine *
relay_open(const char *device, struct vdev *d, char *err, size_t errlen)
{
	struct card *c = card_named(device);
	struct relay *r = c != NULL ? calloc(1, sizeof(*r)) : NULL;
	const char *why;

	if (r == NULL) {
		snprintf(err, errlen, "no memory for %.64s, or too many devices", device);
		return NULL;
	}
	(void)card_serve(c, &why);
	*r = (struct relay){
		.engine = {.ops = &relay_ops, .name = c->name, .caps = c->caps},
		.card = c,
		.dev = d,
		.settle.cb = on_settled,
		.proof.cb = on_proof,
		.watch.cb = on_watch,
		.again.cb = on_again,
		.changed.cb = on_changed,
		.stop.cb = on_stop,
	};
	SLIST_INSERT_HEAD(&relays, r, entry);
	return &r->engine;
}
