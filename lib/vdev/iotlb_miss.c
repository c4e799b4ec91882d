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

/* Looks after which a request is made again, and after which no answer to it is expected. */
#define AGE_LATE 2u
#define AGE_LOST 10u

static bool
asked(const struct vdev *d, uint64_t iova, uint32_t perm, uint64_t since)
{
	uint32_t i;

	for (i = 0; i < d->nasks; i++)
		if (d->ask[i].iova / PAGE == iova / PAGE && (perm & ~d->ask[i].perm) == 0 &&
		    d->ask[i].serial >= since && d->ask[i].age < AGE_LATE)
			return true;
	return false;
}

static void
ask(struct vdev *d, uint64_t iova, uint32_t perm, uint64_t since)
{
	struct transport *t = d->transport;

	if (t == NULL || t->ops->translate == NULL || asked(d, iova, perm, since))
		return;
	if (d->nasks == VDEV_ASKS_MAX || !t->ops->translate(t, iova, perm)) {
		d->asks_put_off = true;
		return;
	}
	d->ask[d->nasks++] = (struct vdev_ask){.iova = iova, .perm = perm, .serial = d->ask_serial};
	d->counters.iotlb_misses++;
}

bool
ask_for_since(struct vdev *d, const struct vq_miss *m, uint64_t since)
{
	uint64_t done, got, uva;
	bool missing = false;

	for (done = 0; done < m->len; done += got) {
		const struct iotlb_query q = {m->iova + done, m->len - done, since, m->perm};

		if (iotlb_find(d->tlb, &q, &uva, &got))
			continue;
		missing = true;
		if (d->asks_put_off)
			break;
		ask(d, m->iova + done, m->perm, since);
		got = PAGE - (m->iova + done) % PAGE;
	}
	return missing;
}

bool
ask_for(struct vdev *d, uint64_t iova, uint64_t len, uint32_t perm)
{
	const struct vq_miss m = {iova, len, perm};

	return ask_for_since(d, &m, 0);
}

static bool
ask_within(const struct vdev_ask *a, const struct iotlb_entry *e)
{
	uint64_t first = RTE_ALIGN_FLOOR(a->iova, (uint64_t)PAGE);

	return first <= e->iova + (e->size - 1) && first + (PAGE - 1) >= e->iova;
}

/** Whether an earlier one than number @p n is for the same page. */
static bool
ask_repeats(const struct vdev *d, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (d->ask[i].iova / PAGE == d->ask[n].iova / PAGE)
			return true;
	return false;
}

uint64_t
ask_serial_of(struct vdev *d, const struct iotlb_entry *e)
{
	uint64_t serial = UINT64_MAX;
	uint32_t i, n = 0, was = d->nasks;
	bool gone[VDEV_ASKS_MAX];

	for (i = 0; i < was; i++) {
		gone[i] = ask_within(&d->ask[i], e) && !ask_repeats(d, i);
		if (gone[i])
			serial = RTE_MIN(serial, d->ask[i].serial);
	}
	for (i = 0; i < was; i++)
		if (!gone[i])
			d->ask[n++] = d->ask[i];
	d->nasks = n;
	return n == was ? 0 : serial;
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

	if (d->flushes)
		drop_answered(d);
	d->asks_put_off = false;
	if (soft_answered(d, put_off) && d->cfg.ops->wake != NULL)
		d->cfg.ops->wake(d);
}

/**
 * Where translations hold for a chain only, a late answer must not be taken for that to a later
 * request: the old one is remembered until it cannot come any more.
 */
static void
age_all(struct vdev *d)
{
	const uint32_t end = d->flushes ? AGE_LATE : AGE_LOST;
	uint32_t i, n = 0;

	for (i = 0; i < d->nasks; i++) {
		d->ask[i].age++;
		if (d->ask[i].age < end)
			d->ask[n++] = d->ask[i];
	}
	d->nasks = n;
	d->asks_put_off = false;
}

void
ask_again(struct vdev *d)
{
	bool waited = false, waits, start = false;
	uint32_t i;

	age_all(d);
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

void
ask_disown(struct vdev *d)
{
	uint32_t i;

	for (i = 0; i < d->nasks; i++)
		d->ask[i].age = RTE_MAX(d->ask[i].age, AGE_LATE);
	d->asks_put_off = false;
}
