/* SPDX-License-Identifier: BSD-3-Clause */
/* A device's life cycle and the facts that concern it as a whole. */
#include <bsd/string.h>
#include <errno.h>
#include <stdlib.h>

#include "base/irq.h"
#include "vdev/engine.h"
#include "vdev/ring.h"

#define STATUS_FEATURES_OK 0x08u
#define WATCH_MS 200
#define MTU_MIN 68 /* virtio spec 5.1.4.1, IPv4's smallest */

/**
 * A worker's call of control. Allocated by itself: a call may still be queued in the loop when the
 * device is freed, and is then the last user.
 */
struct vdev_attn {
	struct ev_work work;
	atomic_bool posted; /* [atomic] queued in the loop */
	struct vdev *d;     /* [ctl] NULL: the device was freed */
	struct ev_loop *loop;
};

static void
attn_run(struct ev_work *w)
{
	struct vdev_attn *a = container_of(w, struct vdev_attn, work);

	if (a->d == NULL) {
		free(a);
		return;
	}
	atomic_store_explicit(&a->posted, false, memory_order_seq_cst);
	vdev_attention(a->d);
}

/** Worker. */
static void
attn_raise(const struct vq_host *host, struct vq *vq)
{
	struct vdev_attn *a = container_of(host, const struct vdev, host)->attn;

	(void)vq;
	if (a->loop != NULL && !atomic_exchange_explicit(&a->posted, true, memory_order_seq_cst))
		ev_post(a->loop, &a->work);
}

static struct vdev_attn *
attn_new(struct vdev *d)
{
	struct vdev_attn *a = calloc(1, sizeof(*a));

	if (a != NULL) {
		a->work.fn = attn_run;
		a->d = d;
		a->loop = d->cfg.loop;
	}
	return a;
}

/** No worker can raise it any more. */
static void
attn_free(struct vdev_attn *a)
{
	if (atomic_load(&a->posted))
		a->d = NULL;
	else
		free(a);
}

static uint32_t
journals(const struct vdev *d)
{
	return 2 * d->cfg.queue_pairs + d->cfg.spare_journal;
}

static void
open_journal(struct vdev *d)
{
	if (d->cfg.state_path == NULL)
		return;
	d->journal = vq_journal_open(d->cfg.state_path, journals(d));
	if (d->journal == NULL)
		log_warn(d->name, "no ring state is kept for a restart: %s: %s", d->cfg.state_path,
			 strerror(errno));
	d->cfg.state_path = NULL; /* the caller's */
}

/** Whether a guest still has rings that only the journal can continue. */
static bool
journal_needed(const struct vdev *d)
{
	uint32_t i;

	for (i = 0; i < journals(d); i++)
		if (vq_journal_needed(vq_journal_get(d->journal, i)))
			return true;
	return false;
}

struct vdev *
vdev_new(const struct vdev_config *cfg)
{
	struct vdev *d;
	uint32_t i;

	if (cfg->queue_pairs == 0 || cfg->queue_pairs > VDEV_QUEUE_PAIRS_MAX ||
	    cfg->policy >= VDEV_POLICY_NUM) {
		errno = EINVAL;
		return NULL;
	}
	d = calloc(1, sizeof(*d) + 2 * (size_t)cfg->queue_pairs * sizeof(d->q[0]));
	if (d == NULL)
		return NULL;
	d->cfg = *cfg;
	vdev_set_engines(d, cfg->engines);
	strlcpy(d->name, cfg->name, sizeof(d->name));
	d->cfg.name = d->name;
	d->host.attention = attn_raise;
	d->wanted = d->transfer = VDEV_STATE_RUNNING;
	for (i = 0; i < 2 * cfg->queue_pairs; i++)
		d->q[i].kick_fd = d->q[i].err_fd = -1;
	d->attn = attn_new(d);
	d->irqs = irq_group_new();
	d->tlb = iotlb_new();
	if (d->attn == NULL || d->irqs == NULL || d->tlb == NULL) {
		vdev_free(d, true);
		errno = ENOMEM;
		return NULL;
	}
	d->fault.lane = irq_group_lane(d->irqs);
	open_journal(d);
	return d;
}

void
vdev_free(struct vdev *d, bool keep_state)
{
	uint32_t i;

	if (d == NULL)
		return;
	vdev_disconnect(d);
	for (i = 0; d->cfg.engines[i] != NULL; i++)
		d->cfg.engines[i]->ops->close(d->cfg.engines[i], d);
	if (d->journal != NULL)
		vq_journal_close(d->journal, !keep_state && !journal_needed(d));
	iotlb_free(d->tlb);
	irq_group_free(d->irqs);
	if (d->attn != NULL)
		attn_free(d->attn);
	free(d);
}

/** Workers have found the peer's eventfds to be too much work. */
static void
watch_irqs(struct vdev *d)
{
	struct irq_info i;

	irq_group_info(d->irqs, &i);
	if (i.offences == d->irqs_offences)
		return;
	d->irqs_offences = i.offences;
	log_peer(&d->log_limit, d->name,
		 "the kernel takes too long to signal its eventfds: another thread does for %u ms",
		 i.apart_ms);
}

/** A truncated file is noticed by the thread that touches it, in a signal handler. */
static void
watch_run(struct ev_timer *t)
{
	struct vdev *d = container_of(t, struct vdev, watch);

	if (atomic_load_explicit(&d->fault.dead, memory_order_relaxed) && !d->fault_seen)
		vdev_attention(d);
	iotlb_requests_again(d);
	watch_irqs(d);
	ev_timer_arm(d->cfg.loop, &d->watch, WATCH_MS);
}

void
vdev_connect(struct vdev *d, struct transport *t)
{
	d->transport = t;
	d->mtu_most = d->mtu_next;
	space_fresh(d);
	d->watch.cb = watch_run;
	if (d->cfg.loop != NULL)
		ev_timer_arm(d->cfg.loop, &d->watch, WATCH_MS);
	if (d->cfg.ops->changed != NULL)
		d->cfg.ops->changed(d);
}

/** Forget all the front-end's facts; the rings are stopped and keep their entry in the journal. */
static void
forget_session(struct vdev *d)
{
	struct iotlb *empty = iotlb_new();
	uint32_t i;

	iotlb_requests_forget(d);
	for (i = 0; i < d->nqueues; i++) {
		ring_halt(d, &d->q[i]);
		ring_close_fds(d, &d->q[i]);
		ring_forget(&d->q[i]);
	}
	/* without memory there is no bundle to allocate: this cannot fail */
	space_change(d, NULL, empty != NULL ? empty : d->tlb, NULL);
	d->features = 0;
	d->features_set = d->enable_used = false;
	d->formats_needed = 0;
	d->status = 0;
	d->status_why = NULL;
	d->status_used = false;
	d->mtu = 0;
	d->mtu_most = d->mtu_next;
	d->transfer = VDEV_STATE_RUNNING;
	atomic_store(&d->fault.dead, false);
	d->fault_seen = false;
}

void
vdev_disconnect(struct vdev *d)
{
	ev_timer_cancel(&d->watch);
	ev_timer_cancel(&d->enable_late);
	vdev_pause(d);
	forget_session(d);
	d->transport = NULL;
	vdev_retry(d);
	vdev_sync(d);
	d->nqueues = 0;
	if (d->cfg.ops->changed != NULL)
		d->cfg.ops->changed(d);
}

/**
 * Rings that run and are all disabled belong to a driver that is gone: stop them until they are
 * ready again. False: one is enabled. A ring's state is meaningless to a ring of the other @p kind.
 */
static bool
let_go(struct vdev *d, bool kind)
{
	uint32_t i;

	for (i = 0; i < d->nqueues; i++)
		if (d->q[i].running && ring_enabled(d, &d->q[i]))
			return false;
	for (i = 0; i < d->nqueues; i++) {
		if (!d->q[i].running && !d->q[i].edited)
			continue;
		vdev_pause(d);
		ring_close(d, &d->q[i]);
		if (kind)
			d->q[i].state_set = d->q[i].state_ours = false;
	}
	return true;
}

int
vdev_set_features(struct vdev *d, uint64_t features)
{
	uint64_t change = d->features ^ features;

	if (features & ~vdev_features_own(d)) {
		d->counters.features_refused++;
		return -EINVAL;
	}
	if ((change & ~VDEV_F(LOG_ALL)) != 0 && !let_go(d, change & VDEV_F(RING_PACKED))) {
		d->counters.features_refused++;
		return -EBUSY;
	}
	d->features = features;
	d->features_set = true;
	if (change != 0 && space_refresh(d) != 0) {
		d->features ^= change;
		return -ENOMEM;
	}
	return 0;
}

void
vdev_use_enable(struct vdev *d, bool used)
{
	d->enable_used = used;
}

int
vdev_set_formats(struct vdev *d, uint32_t needed)
{
	if ((needed & ~VDEV_FORMATS_ALL) != 0 || (needed & (needed - 1)) != 0)
		return -EINVAL;
	if (needed != d->formats_needed && !let_go(d, false))
		return -EBUSY;
	d->formats_needed = needed;
	return 0;
}

/**
 * The reason why FEATURES_OK is refused, or NULL: the part of a ring's verdict that is known before
 * any ring is.
 */
static const char *
features_refused(const struct vdev *d)
{
	const struct vdev_format_facts facts = {
		.features = d->features,
		.needed = d->formats_needed,
		.policy = d->cfg.policy,
	};
	const char *why = vdev_features_check(d->features);
	struct vdev_format_verdict v = vdev_format_decide(&facts);

	/* a byte order stated for its rings may still make a legacy guest fit */
	if (why == NULL && v.refused != NULL &&
	    (v.format == VDEV_MODERN ||
	     !(vdev_policy_formats(d->cfg.policy) & ~(1u << VDEV_MODERN))))
		why = v.refused;
	return why;
}

/**
 * A device reset. The front-end asks for the ring indices afterwards (QEMU 7.2 does), so they stay.
 */
static void
status_reset(struct vdev *d)
{
	uint32_t i;

	vdev_pause(d);
	for (i = 0; i < d->nqueues; i++)
		ring_close(d, &d->q[i]);
	d->status = 0;
	d->status_why = NULL;
}

void
vdev_set_status(struct vdev *d, uint8_t status)
{
	d->status_used = true;
	if (status == 0) {
		status_reset(d);
		return;
	}
	d->status_why = (status & STATUS_FEATURES_OK) ? features_refused(d) : NULL;
	if (d->status_why != NULL) {
		log_peer(&d->log_limit, d->name,
			 "FEATURES_OK refused for features 0x%" PRIx64 ": %s", d->features,
			 d->status_why);
		status &= (uint8_t)~STATUS_FEATURES_OK;
	}
	d->status = (uint8_t)((status & ~VDEV_STATUS_NEEDS_RESET) |
			      (d->status & VDEV_STATUS_NEEDS_RESET));
}

uint8_t
vdev_get_status(const struct vdev *d)
{
	return d->status;
}

int
vdev_set_mtu(struct vdev *d, uint16_t mtu)
{
	if (mtu < MTU_MIN || (d->cfg.mtu != 0 && mtu > d->cfg.mtu))
		return -EINVAL;
	if (mtu == d->mtu)
		return 0;
	if (ring_any_runs(d) && !d->paused)
		return -EBUSY;
	d->mtu = mtu;
	return 0;
}

uint64_t
vdev_note(const struct vdev *d)
{
	return d->journal != NULL ? *vq_journal_note(d->journal) : 0;
}

void
vdev_set_note(struct vdev *d, uint64_t note)
{
	if (d->journal != NULL)
		*vq_journal_note(d->journal) = note;
}

struct vq_journal *
vdev_journal_spare(const struct vdev *d)
{
	return d->journal != NULL && d->cfg.spare_journal
		       ? vq_journal_get(d->journal, 2 * d->cfg.queue_pairs)
		       : NULL;
}

/** Stop every ring whose decided format the facts no longer support. */
void
vdev_set_policy(struct vdev *d, enum vdev_policy policy)
{
	uint32_t i;

	d->cfg.policy = policy;
	for (i = 0; i < d->nqueues; i++) {
		if (d->q[i].running && !(vdev_policy_formats(policy) & (1u << d->q[i].format))) {
			vdev_pause(d);
			ring_halt(d, &d->q[i]);
		}
	}
}
