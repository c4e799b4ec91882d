/* SPDX-License-Identifier: BSD-3-Clause */
/* The software engine: rings as queues that poll-mode workers move frames through. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/irq.h"
#include "vdev/engine.h"
#include "vdev/ring.h"

/* --- memory --- */

static struct vq_mem *
bundle_new(const struct vdev *d)
{
	struct vq_mem *b = malloc(sizeof(*b));

	if (b != NULL)
		*b = (struct vq_mem){
			.gmem = d->gmem,
			.tlb = space_translated(d) ? d->tlb : NULL,
			.log = (d->features & VDEV_F(LOG_ALL)) ? d->log : NULL,
			.present = d->gmem->present,
			.per_chain = space_translated(d) && !d->flushes,
		};
	return b;
}

static void
free_retired(struct vdev *d)
{
	while (d->nretired > 0) {
		struct vq_mem *b = d->retired[--d->nretired];

		iotlb_free((struct iotlb *)(uintptr_t)b->tlb);
		free(b);
	}
	d->retired_bytes = 0;
}

/** Give @p bundle to all queues that run. Whether there are any. */
static bool
exchange(struct vdev *d, struct vq_mem *bundle)
{
	bool any = false;
	uint32_t i;

	d->vq_mem = bundle;
	for (i = 0; i < d->nqueues; i++) {
		if (d->q[i].running) {
			vq_swap_mem(d->q[i].vq, bundle);
			any = true;
		}
	}
	return any && !d->paused;
}

/** One immutable bundle for all queues: it is exchanged, and freed after a grace period. */
static int
soft_set_mem(struct engine *e, struct vdev *d)
{
	struct vq_mem *old = d->vq_mem, *bundle = d->gmem != NULL ? bundle_new(d) : NULL;

	if (bundle == NULL && d->gmem != NULL)
		return -ENOMEM;
	if (exchange(d, bundle))
		d->cfg.ops->grace(d);
	free(old);
	free_retired(d);
	return 0;
}

static int
soft_translations_added(struct vdev *d, struct iotlb *old)
{
	struct vq_mem *bundle = bundle_new(d);
	bool used;

	if (bundle == NULL)
		return -ENOMEM;
	d->retired[d->nretired++] = d->vq_mem;
	d->retired_bytes += old->n * sizeof(old->e[0]);
	used = exchange(d, bundle);
	if (used && d->nretired < VDEV_RETIRED_MAX && d->retired_bytes < VDEV_RETIRED_BYTES_MAX)
		return 0;
	if (used)
		d->cfg.ops->grace(d);
	free_retired(d);
	return 0;
}

/* --- queues --- */

/** The queue object, made on first use. */
static struct vq *
queue_object(struct vdev_queue *q)
{
	if (q->vq == NULL) {
		q->vq = aligned_alloc(RTE_CACHE_LINE_SIZE,
				      RTE_ALIGN(sizeof(struct vq), RTE_CACHE_LINE_SIZE));
		if (q->vq != NULL)
			memset(q->vq, 0, sizeof(*q->vq));
	}
	return q->vq;
}

void
engine_vq_setup(struct vdev *d, const struct vdev_queue *q, struct vq_setup *s)
{
	const struct vdev_ring_area *area = q->map.area;
	uint32_t i = ring_index(d, q);

	*s = (struct vq_setup){
		.layout = q->layout,
		.size = q->size,
		.features = d->features,
		.tx = i % 2 == 0,
		.desc = area[VQ_DESC].hva,
		.driver = area[VQ_DRIVER].hva,
		.device = area[VQ_DEVICE].hva,
		.pages = {area[VQ_DESC].pages, area[VQ_DRIVER].pages, area[VQ_DEVICE].pages},
		.desc_gpa = area[VQ_DESC].gpa,
		.device_gpa = area[VQ_DEVICE].gpa,
		/* with an IOMMU the front-end can only say an IOVA */
		.log_used_gpa = space_translated(d) ? area[VQ_DEVICE].gpa : q->log_gpa,
		.log_ring = q->addr_flags & VDEV_ADDR_F_LOG,
		.kick_fd = q->kick_fd,
		.irq = q->irq,
		.mtu = d->mtu,
		.mem = d->vq_mem,
		.fault = &d->fault,
		.mp = d->cfg.mp,
		.kept = &d->kept_mbufs,
		.journal = d->journal == NULL ? NULL : vq_journal_get(d->journal, i),
		.host = &d->host,
	};
}

static const char *
soft_vq_start(struct engine *e, struct vdev *d, struct vdev_queue *q)
{
	struct vq_journal_key key = ring_key(d, q);
	struct vq_setup s;

	engine_vq_setup(d, q, &s);
	s.state = q->state;
	if (queue_object(q) == NULL || vq_start(q->vq, &s) != 0)
		return "no memory for the queue";
	if (s.journal != NULL)
		vq_journal_start(s.journal, &key, &s.state);
	return NULL;
}

static struct vq_state
soft_vq_stop(struct engine *e, struct vdev *d, struct vdev_queue *q)
{
	return vq_stop(q->vq);
}

static void
soft_set_irq(struct engine *e, struct vdev *d, struct vdev_queue *q)
{
	vq_set_irq(q->vq, q->irq);
	if (!d->paused)
		d->cfg.ops->grace(d);
}

static struct pktq_stats *
soft_counters(struct vdev_queue *q)
{
	struct vq *vq = queue_object(q);

	return vq != NULL ? &vq->q.stats : NULL;
}

static const struct pktq_stats *
soft_stats(const struct engine *e, const struct vdev_queue *q)
{
	return q->vq != NULL ? &q->vq->q.stats : NULL;
}

static void
soft_close(struct engine *e, struct vdev *d)
{
	uint32_t i;

	for (i = 0; i < 2 * d->cfg.queue_pairs; i++)
		free(d->q[i].vq);
	free_retired(d);
	free(d->vq_mem);
}

/* --- rings that workers are to leave alone --- */

static void
soft_suspend(struct vdev_queue *q)
{
	vq_suspend(q->vq);
}

static void
soft_resume(struct vdev_queue *q)
{
	vq_resume(q->vq);
	irq_raise(q->irq); /* a decision to interrupt may have been missed */
}

/* --- what workers report --- */

static uint32_t
soft_attention(struct vdev_queue *q)
{
	return q->vq == NULL ? 0
			     : atomic_exchange_explicit(&q->vq->attention, 0, memory_order_acq_rel);
}

static const char *
soft_why(const struct vdev_queue *q)
{
	return atomic_load_explicit(&q->vq->why, memory_order_acquire);
}

/* --- misses: of translations, and of pages --- */

/** Request what is missing of @p m. Whether anything is. */
static bool
request(struct vdev *d, const struct vdev_queue *q, const struct vq_miss *m, uint64_t since)
{
	bool missing = space_translated(d) && iotlb_request_since(d, m, since);

	return pages_request(d, ring_index(d, q), m, since) || missing;
}

static bool
soft_request_misses(struct vdev *d, struct vdev_queue *q)
{
	struct vq *vq = q->vq;
	uint32_t i, n = atomic_load_explicit(&vq->misses, memory_order_acquire);
	bool missing = false;

	if (n > 0 && vq->since == IOTLB_KEPT)
		vq->since = ++d->request_serial;
	/* none: it has arrived meanwhile, the queue may go on */
	for (i = 0; i < n; i++) {
		bool asked = request(d, q, &vq->miss[i], d->flushes ? 0 : vq->since);

		missing |= i < vq->miss_need && asked;
	}
	return !missing && vq_miss_over(vq);
}

/** Whether the translations without which the queue cannot go on are there. */
static bool
satisfied(const struct vdev *d, const struct vq *vq)
{
	uint64_t done, got, uva;
	uint32_t i;

	for (i = 0; i < vq->miss_need; i++) {
		const struct vq_miss *m = &vq->miss[i];

		for (done = 0; done < m->len; done += got) {
			const struct iotlb_query want = {m->iova + done, m->len - done,
							 d->flushes ? 0 : vq->since, m->perm};

			if (!iotlb_find(d->tlb, &want, &uva, &got))
				return false;
		}
	}
	return true;
}

static bool
soft_misses_answered(struct vdev *d, bool again)
{
	bool waited = false;
	uint32_t i;

	for (i = 0; i < d->nqueues; i++) {
		struct vdev_queue *q = &d->q[i];

		if (!q->running || atomic_load_explicit(&q->vq->misses, memory_order_acquire) == 0)
			continue;
		if (again || pages_absent(d))
			waited |= soft_request_misses(d, q);
		else if (satisfied(d, q->vq))
			waited |= vq_miss_over(q->vq);
	}
	return waited;
}

static bool
soft_waits(const struct vdev_queue *q)
{
	return atomic_load(&q->vq->q.waits);
}

static bool
soft_look_again(struct vdev_queue *q)
{
	return vq_miss_over(q->vq);
}

static struct vq *
soft_queue(const struct vdev_queue *q)
{
	return q->vq;
}

static const struct engine_polled_ops polled_ops = {
	.queue = soft_queue,
	.counters = soft_counters,
	.suspend = soft_suspend,
	.resume = soft_resume,
	.attention = soft_attention,
	.why = soft_why,
	.request_misses = soft_request_misses,
	.misses_answered = soft_misses_answered,
	.waits = soft_waits,
	.translations_added = soft_translations_added,
	.look_again = soft_look_again,
};

static const struct engine_ops soft_ops = {
	.set_mem = soft_set_mem,
	.vq_start = soft_vq_start,
	.vq_stop = soft_vq_stop,
	.set_irq = soft_set_irq,
	.stats = soft_stats,
	.close = soft_close,
	.polled = &polled_ops,
};

struct engine soft_engine = {
	.ops = &soft_ops,
	.name = "software",
	.caps =
		{
			.features = UINT64_MAX,
			.formats = VDEV_FORMATS_ALL,
			.queue_pairs = VDEV_QUEUE_PAIRS_MAX,
		},
};
