/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IOMMU translations the front-end is asked for.
 *
 * A queue names all it misses at once, and each page of it is asked for. What
 * is on its way is remembered and not asked for a second time: every answer
 * costs the front-end a system call and a look into the guest's tables, and a
 * question that is repeated faster than it is answered fills the channel.
 *
 * A front-end says nothing of a translation it does not have, and the guest may
 * make one a moment after we asked. So what is not answered is forgotten after
 * a while, and those who still miss it ask again.
 */
#include "vdev/engine.h"
#include "vdev/ring.h"
#define PAGE 4096u /* the smallest there are */

static bool
asked(const struct vdev *d, uint64_t iova, uint32_t perm)
{
	uint32_t i;

	for (i = 0; i < d->nasks; i++)
		if (d->ask[i].iova / PAGE == iova / PAGE && (perm & ~d->ask[i].perm) == 0)
			return true;
	return false;
}

static void
ask(struct vdev *d, uint64_t iova, uint32_t perm)
{
	struct transport *t = d->transport;

	if (t == NULL || t->ops->translate == NULL || asked(d, iova, perm))
		return;
	if (d->nasks == VDEV_ASKS_MAX || !t->ops->translate(t, iova, perm)) {
		d->asks_put_off = true;
		return;
	}
	d->ask[d->nasks++] = (struct vdev_ask){.iova = iova, .perm = perm};
	d->counters.iotlb_misses++;
}

bool
ask_for(struct vdev *d, uint64_t iova, uint64_t len, uint32_t perm)
{
	uint64_t done, got, uva;
	bool missing = false;

	for (done = 0; done < len; done += got) {
		if (iotlb_translate(d->tlb, iova + done, len - done, perm, &uva, &got))
			continue;
		missing = true;
		if (d->asks_put_off)
			break;
		ask(d, iova + done, perm);
		got = PAGE - (iova + done) % PAGE;
	}
	return missing;
}

static void
drop_answered(struct vdev *d)
{
	uint64_t got, uva;
	uint32_t i, n = 0;

	for (i = 0; i < d->nasks; i++)
		if (!iotlb_translate(d->tlb, d->ask[i].iova, 1, d->ask[i].perm, &uva, &got))
			d->ask[n++] = d->ask[i];
	d->nasks = n;
}

void
ask_answered(struct vdev *d)
{
	bool put_off = d->asks_put_off;

	drop_answered(d);
	d->asks_put_off = false;
	if (soft_answered(d, put_off) && d->cfg.ops->wake != NULL)
		d->cfg.ops->wake(d);
}

static void
drop_old(struct vdev *d)
{
	uint32_t i, n = 0;

	for (i = 0; i < d->nasks; i++)
		if (!d->ask[i].old)
			d->ask[n++] = (struct vdev_ask){d->ask[i].iova, d->ask[i].perm, true};
	d->nasks = n;
	d->asks_put_off = false;
}

void
ask_again(struct vdev *d)
{
	bool waited = false, waits, start = false;
	uint32_t i;

	drop_old(d);
	for (i = 0; i < d->nqueues; i++) {
		struct vdev_queue *q = &d->q[i];

		waits = q->running && d->engine == &soft_engine && soft_waits(q);
		if (waits && q->waits_long)
			waited |= soft_look_again(q);
		q->waits_long = waits;
		start |= q->waits;
	}
	if (waited && d->cfg.ops->wake != NULL)
		d->cfg.ops->wake(d);
	if (start)
		vdev_sync(d);
}

void
ask_forget(struct vdev *d)
{
	d->nasks = 0;
	d->asks_put_off = false;
}
