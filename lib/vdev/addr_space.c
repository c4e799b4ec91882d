/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The meaning of a guest's addresses: memory map, IOMMU translations and dirty
 * log.
 *
 * The engine in charge changes over to new ones under traffic, so that memory
 * comes and goes, a migration starts logging and translations change. Only a
 * ring whose own areas moved has to stop for it.
 */
#include <errno.h>
#include <stdlib.h>

#include "vdev/engine.h"
#include "vdev/ring.h"

bool
space_translated(const struct vdev *d)
{
	return d->transport != NULL &&
	       d->transport->ops->space(d->transport, d->features) == VDEV_SPACE_IOVA;
}

void
space_fresh(struct vdev *d)
{
	d->flushes = d->transport != NULL && d->transport->ops->takes_back;
}

/** The addresses a change affects, as rings and descriptors have them. */
struct range {
	uint64_t first, last;
};

static const struct range everything = {0, UINT64_MAX};

/**
 * A ring whose translation is gone is suspended: its driver has not changed it, and a front-end
 * that flushes all translations now and then takes those of the rings with them. A ring that has
 * moved must stop.
 */
static void
ring_displaced(struct vdev *d, struct vdev_queue *q)
{
	enum ring_move move = ring_moved(d, q);

	if (move == RING_STAYS || (move == RING_MISSING && q->waits))
		return;
	if (move == RING_MISSING && ring_polled(d) != NULL) {
		ring_polled(d)->suspend(q);
		q->waits = true;
	} else {
		vdev_pause(d);
		ring_halt_changed(d, q);
	}
}

/** Stop or suspend the rings that cannot simply go on with the new address space. */
static void
halt_moved(struct vdev *d, struct range at)
{
	uint32_t i;

	for (i = 0; i < d->nqueues; i++)
		if (d->q[i].running && ring_touches(d, &d->q[i], at.first, at.last))
			ring_displaced(d, &d->q[i]);
}

void
space_resume(struct vdev *d)
{
	bool wake = false;
	uint32_t i;

	for (i = 0; i < d->nqueues; i++) {
		struct vdev_queue *q = &d->q[i];

		if (!q->running || !q->waits)
			continue;
		if (ring_moved(d, q) != RING_STAYS) {
			ring_request_translations(d, q, q->layout);
			continue;
		}
		q->waits = false;
		ring_polled(d)->resume(q);
		wake = true;
	}
	if (wake && d->cfg.ops->wake != NULL)
		d->cfg.ops->wake(d);
}

static void
drop_replaced(const struct vdev *d, struct gmem *m, struct iotlb *t, struct dirty *log)
{
	if (m != d->gmem)
		gmem_put(m);
	if (t != d->tlb)
		iotlb_free(t);
	if (log != d->log)
		dirty_free(log);
}

static int
space_change_at(struct vdev *d, struct gmem *m, struct iotlb *t, struct dirty *log, struct range at)
{
	struct gmem *old_m = d->gmem;
	struct iotlb *old_t = d->tlb;
	struct dirty *old_log = d->log;
	int ret;

	d->gmem = m;
	d->tlb = t;
	d->log = log;
	halt_moved(d, at);
	ret = d->engine != NULL ? d->engine->ops->set_mem(d->engine, d) : 0;
	if (ret == 0) {
		drop_replaced(d, old_m, old_t, old_log);
		return 0;
	}
	d->gmem = old_m;
	d->tlb = old_t;
	d->log = old_log;
	drop_replaced(d, m, t, log);
	return ret;
}

int
space_change(struct vdev *d, struct gmem *m, struct iotlb *t, struct dirty *log)
{
	return space_change_at(d, m, t, log, everything);
}

int
space_refresh(struct vdev *d)
{
	iotlb_requests_disown(d);
	return space_change(d, d->gmem, d->tlb, d->log);
}

int
vdev_set_mem(struct vdev *d, struct gmem *m)
{
	return space_change(d, m, d->tlb, d->log);
}

int
vdev_set_log(struct vdev *d, struct dirty *log)
{
	return space_change(d, d->gmem, d->tlb, log);
}

/**
 * Pages of at least so many bytes belong to a lasting mapping: a frame's buffer is not mapped with
 * them.
 */
#define HUGE (UINT64_C(2) << 20)

/** An invalidation of at least so many bytes is a flush of all translations. */
#define FLUSH_MIN (UINT64_C(1) << 30)

/**
 * How long a translation is valid where the front-end does not say when it ends. An identity
 * mapping, or one of huge pages: until it is invalidated. A buffer's: for the chains that were
 * available when it was requested.
 */
static uint64_t
serial_of(struct vdev *d, const struct iotlb_entry *e)
{
	const struct gmem_region *r = d->gmem == NULL ? NULL : gmem_find_uva(d->gmem, e->uva);
	uint64_t serial = iotlb_request_serial(d, e);

	if (e->size >= HUGE || (r != NULL && r->gpa + (e->uva - r->uva) == e->iova))
		return IOTLB_KEPT;
	return serial;
}

/**
 * One more translation. Workers that still use the old ones miss it and look again; so the
 * front-end, which waits for the answer with its guest, gets it without a grace period.
 */
static int
space_grow(struct vdev *d, struct iotlb *t, struct range at)
{
	struct iotlb *old = d->tlb;
	int ret;

	if (ring_polled(d) == NULL || d->vq_mem == NULL || d->vq_mem->tlb != old)
		return space_change_at(d, d->gmem, t, d->log, at);
	d->tlb = t;
	halt_moved(d, at);
	ret = ring_polled(d)->translations_added(d, old);
	if (ret != 0) {
		d->tlb = old;
		iotlb_free(t);
	}
	return ret;
}

int
vdev_iotlb_update(struct vdev *d, const struct iotlb_entry *said)
{
	struct iotlb_entry with_serial = *said, *e = &with_serial;
	struct range at;
	struct iotlb *t;
	int ret;

	if (!space_translated(d))
		return -ENOTSUP;
	if (!d->flushes)
		e->serial = serial_of(d, e);
	t = iotlb_update(d->tlb, e);
	if (t == NULL)
		return -errno;
	at = (struct range){e->iova, e->iova + (e->size - 1)};
	ret = iotlb_contradicts(d->tlb, e) ? space_change_at(d, d->gmem, t, d->log, at)
					   : space_grow(d, t, at);
	if (ret == 0)
		iotlb_requests_answered(d);
	return ret;
}

static int
invalidate(struct vdev *d, uint64_t iova, uint64_t size)
{
	struct iotlb *t = iotlb_invalidate(d->tlb, iova, size);

	if (t == NULL)
		return -ENOMEM;
	return space_change_at(d, d->gmem, t, d->log, (struct range){iova, iotlb_last(iova, size)});
}

void
space_forget(struct vdev *d, uint64_t iova, uint64_t size)
{
	if (space_translated(d))
		(void)invalidate(d, iova, size);
}

int
vdev_iotlb_invalidate(struct vdev *d, uint64_t iova, uint64_t size)
{
	if (!space_translated(d))
		return -ENOTSUP;
	if (!d->flushes && iotlb_last(iova, size) - iova >= FLUSH_MIN - 1) {
		/* from now on each translation is valid until it is invalidated */
		d->flushes = true;
		iotlb_requests_forget(d);
		return invalidate(d, 0, 0);
	}
	return invalidate(d, iova, size);
}

/**
 * An area in one segment, of one or more translations that follow each other. -EXDEV: they do not;
 * a->hva is where the first is.
 */
static int
area_in_one(const struct vdev *d, uint64_t iova, uint64_t len, uint32_t perm,
	    struct vdev_ring_area *a)
{
	uint64_t done, got, uva, gpa;
	int ret = 0;
	void *part;

	for (done = 0; done < len; done += got) {
		if (!iotlb_translate(d->tlb, iova + done, len - done, perm, &uva, &got))
			return -EAGAIN;
		part = gmem_uva_to_hva(d->gmem, uva, got, &gpa);
		if (part == NULL)
			return -EFAULT;
		if (done == 0)
			*a = (struct vdev_ring_area){.hva = part, .gpa = gpa};
		else if (part != (uint8_t *)a->hva + done)
			ret = -EXDEV; /* continue: a translation may be missing */
	}
	return ret;
}

/** Fill in the pages of an area that is not in one segment. */
static int
area_pages(const struct vdev *d, uint64_t iova, uint64_t len, uint32_t perm, struct vq_pages *p)
{
	uint64_t at = iova, end = iova + len, next;
	struct vdev_ring_area part = {0};
	uint32_t i;
	int ret;

	for (i = 0; i < p->n; i++, at = next) {
		next = RTE_MIN(end, RTE_ALIGN_FLOOR(at, (uint64_t)VQ_PAGE) + VQ_PAGE);
		ret = area_in_one(d, at, next - at, perm, &part);
		if (ret != 0)
			return ret;
		if (((uintptr_t)part.hva ^ at) % VQ_PAGE != 0)
			return -EXDEV;
		p->page[i] = (struct vq_page){(uint8_t *)part.hva - at % VQ_PAGE,
					      part.gpa - at % VQ_PAGE};
	}
	return 0;
}

/** With an IOMMU an area is contiguous for the guest; for us each page may lie elsewhere. */
static int
area_translated(const struct vdev *d, uint64_t iova, uint64_t len, uint32_t perm,
		struct vdev_ring_area *a)
{
	int ret = area_in_one(d, iova, len, perm, a);
	uint32_t in_page = iova % VQ_PAGE, n = (in_page + len + VQ_PAGE - 1) / VQ_PAGE;

	if (ret != -EXDEV)
		return ret;
	a->pages = malloc(sizeof(*a->pages) + n * sizeof(a->pages->page[0]));
	if (a->pages == NULL)
		return -ENOMEM;
	a->pages->n = n;
	a->pages->in_page = in_page;
	return area_pages(d, iova, len, perm, a->pages);
}

int
space_area(const struct vdev *d, uint64_t addr, uint64_t len, uint32_t perm,
	   struct vdev_ring_area *area)
{
	if (d->gmem == NULL || addr + (len - 1) < addr)
		return -EFAULT;
	if (space_translated(d))
		return area_translated(d, addr, len, perm, area);
	area->hva = gmem_uva_to_hva(d->gmem, addr, len, &area->gpa);
	return area->hva == NULL ? -EFAULT : 0;
}
