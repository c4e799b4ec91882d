/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IOMMU translations requested of the front-end.
 *
 * A queue names all the translations it misses at once, and each page is requested. A pending
 * request is remembered and not repeated: every answer costs the front-end a system call and a look
 * into the guest's tables, and requests that are repeated faster than they are answered fill the
 * channel.
 *
 * A front-end does not answer for a translation it does not have, and the guest may make one a
 * moment later. So a request without an answer is forgotten after a while, and a queue that still
 * misses the translation requests it again.
 */
#include "vdev/engine.h"
#include "vdev/ring.h"

#define PAGE 4096u /* the smallest page of an IOMMU */

/* Timer periods after which a request is repeated, and after which no answer is expected. */
#define AGE_LATE 2u
#define AGE_LOST 10u

static bool
requested(const struct vdev *d, uint64_t iova, uint32_t perm, uint64_t since)
{
	uint32_t i;

	for (i = 0; i < d->nrequests; i++)
		if (d->request[i].iova / PAGE == iova / PAGE && (perm & ~d->request[i].perm) == 0 &&
		    d->request[i].serial >= since && d->request[i].age < AGE_LATE)
			return true;
	return false;
}

static void
request(struct vdev *d, uint64_t iova, uint32_t perm, uint64_t since)
{
	struct transport *t = d->transport;

	if (t == NULL || t->ops->translate == NULL || requested(d, iova, perm, since))
		return;
	if (d->nrequests == VDEV_IOTLB_REQUESTS_MAX || !t->ops->translate(t, iova, perm)) {
		d->requests_put_off = true;
		return;
	}
	d->request[d->nrequests++] = (struct vdev_iotlb_request){.iova = iova,
								 .perm = perm,
								 .serial = d->request_serial};
	d->counters.iotlb_misses++;
}

bool
iotlb_request_since(struct vdev *d, const struct vq_miss *m, uint64_t since)
{
	uint64_t done, got, uva;
	bool missing = false;

	for (done = 0; done < m->len; done += got) {
		const struct iotlb_query q = {m->iova + done, m->len - done, since, m->perm};

		if (iotlb_find(d->tlb, &q, &uva, &got))
			continue;
		missing = true;
		if (d->requests_put_off)
			break;
		request(d, m->iova + done, m->perm, since);
		got = PAGE - (m->iova + done) % PAGE;
	}
	return missing;
}

bool
iotlb_request(struct vdev *d, uint64_t iova, uint64_t len, uint32_t perm)
{
	const struct vq_miss m = {iova, len, perm};

	return iotlb_request_since(d, &m, 0);
}

static bool
request_is_within(const struct vdev_iotlb_request *a, const struct iotlb_entry *e)
{
	uint64_t first = RTE_ALIGN_FLOOR(a->iova, (uint64_t)PAGE);

	return first <= e->iova + (e->size - 1) && first + (PAGE - 1) >= e->iova;
}

/** Whether a request earlier than number @p n is for the same page. */
static bool
request_repeats(const struct vdev *d, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (d->request[i].iova / PAGE == d->request[n].iova / PAGE)
			return true;
	return false;
}

uint64_t
iotlb_request_serial(struct vdev *d, const struct iotlb_entry *e)
{
	uint64_t serial = UINT64_MAX;
	uint32_t i, n = 0, was = d->nrequests;
	bool gone[VDEV_IOTLB_REQUESTS_MAX];

	for (i = 0; i < was; i++) {
		gone[i] = request_is_within(&d->request[i], e) && !request_repeats(d, i);
		if (gone[i])
			serial = RTE_MIN(serial, d->request[i].serial);
	}
	for (i = 0; i < was; i++)
		if (!gone[i])
			d->request[n++] = d->request[i];
	d->nrequests = n;
	return n == was ? 0 : serial;
}

static void
drop_answered(struct vdev *d)
{
	uint64_t got, uva;
	uint32_t i, n = 0;

	for (i = 0; i < d->nrequests; i++)
		if (!iotlb_translate(d->tlb, d->request[i].iova, 1, d->request[i].perm, &uva, &got))
			d->request[n++] = d->request[i];
	d->nrequests = n;
}

void
iotlb_requests_answered(struct vdev *d)
{
	const struct engine_polled_ops *polled = ring_polled(d);
	bool put_off = d->requests_put_off;

	if (d->flushes)
		drop_answered(d);
	d->requests_put_off = false;
	if (polled != NULL && polled->misses_answered(d, put_off) && d->cfg.ops->wake != NULL)
		d->cfg.ops->wake(d);
}

/**
 * Where translations are valid for a chain only, a late answer must not be taken for the answer to
 * a later request: the old request is remembered until its answer cannot come any more.
 */
static void
age_all(struct vdev *d)
{
	const uint32_t end = d->flushes ? AGE_LATE : AGE_LOST;
	uint32_t i, n = 0;

	for (i = 0; i < d->nrequests; i++) {
		d->request[i].age++;
		if (d->request[i].age < end)
			d->request[n++] = d->request[i];
	}
	d->nrequests = n;
	d->requests_put_off = false;
}

void
iotlb_requests_again(struct vdev *d)
{
	const struct engine_polled_ops *polled = ring_polled(d);
	bool waited = false, waits, start = false;
	uint32_t i;

	age_all(d);
	for (i = 0; i < d->nqueues; i++) {
		struct vdev_queue *q = &d->q[i];

		waits = q->running && polled != NULL && polled->waits(q);
		if (waits && q->waits_long)
			waited |= polled->look_again(q);
		q->waits_long = waits;
		start |= q->waits;
	}
	if (waited && d->cfg.ops->wake != NULL)
		d->cfg.ops->wake(d);
	if (start)
		vdev_sync(d);
}

void
iotlb_requests_forget(struct vdev *d)
{
	d->nrequests = 0;
	d->requests_put_off = false;
}

void
iotlb_requests_disown(struct vdev *d)
{
	uint32_t i;

	for (i = 0; i < d->nrequests; i++)
		d->request[i].age = RTE_MAX(d->request[i].age, AGE_LATE);
	d->requests_put_off = false;
}
