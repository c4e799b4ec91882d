/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pages of guest memory that a post-copy migration has yet to bring.
 *
 * A ring that lacks one waits, as for an IOMMU translation; the others go on. A worker has control
 * ask the pager for what a queue misses, and a ring starts when all pages of its areas are there,
 * since those are accessed without a check.
 */
#include <errno.h>

#include "gmem/pager.h"
#include "gmem/present.h"
#include "vdev/engine.h"
#include "vdev/ring.h"

/** Memory of one region. */
struct part {
	uint32_t region;
	uint64_t off, len;
};

/** Ask for the absent pages of @p at for ring @p ring. Whether there are any. */
static bool
request_part(const struct vdev *d, uint32_t ring, const struct part *at)
{
	const struct present_region *r = &d->gmem->present->r[at->region];
	uint64_t off, end = at->off + at->len;
	bool missing = false;

	for (off = at->off; off < end;) {
		uint64_t got = present_bytes(r, off, end - off);

		if (got == 0) {
			missing = true;
			if (d->pager == NULL ||
			    !pager_want(d->pager, at->region, present_page_of(r, off), ring))
				return true; /* tried again when some have arrived */
			got = present_page_rest(r, off);
		}
		off += got;
	}
	return missing;
}

/** Likewise of guest-physical [gpa, gpa + len); what is not memory is not missing. */
static bool
request_gpa(const struct vdev *d, uint32_t ring, uint64_t gpa, uint64_t len)
{
	const struct gmem_region *r;
	bool missing = false;

	for (; len > 0; gpa += r->size - (gpa - r->gpa)) {
		struct part at;

		r = gmem_find(d->gmem, gpa);
		if (r == NULL)
			break;
		at = (struct part){(uint32_t)(r - d->gmem->r), gpa - r->gpa, 0};
		at.len = RTE_MIN(len, r->size - at.off);
		missing |= request_part(d, ring, &at);
		len -= at.len;
	}
	return missing;
}

bool
pages_absent(const struct vdev *d)
{
	return d->gmem != NULL && d->gmem->present != NULL;
}

bool
pages_request(const struct vdev *d, uint32_t ring, const struct vq_miss *m, uint64_t since)
{
	const struct gmem_region *r;
	uint64_t done, got, uva;
	bool missing = false;

	if (!pages_absent(d))
		return false;
	if (!space_translated(d))
		return request_gpa(d, ring, m->iova, m->len);
	for (done = 0; done < m->len; done += got) {
		const struct iotlb_query q = {m->iova + done, m->len - done, since, m->perm};

		got = VQ_PAGE - (m->iova + done) % VQ_PAGE;
		if (!iotlb_find(d->tlb, &q, &uva, &got))
			continue;
		r = gmem_find_uva(d->gmem, uva);
		if (r != NULL)
			missing |= request_gpa(d, ring, r->gpa + (uva - r->uva), got);
	}
	return missing;
}

static bool
request_area(const struct vdev *d, uint32_t ring, const struct vdev_ring_area *a, uint64_t len)
{
	const struct vq_pages *p = a->pages;
	bool missing = false;
	uint64_t off, got;

	if (p == NULL)
		return request_gpa(d, ring, a->gpa, len);
	for (off = p->in_page; len > 0; off += got, len -= got) {
		got = RTE_MIN(len, VQ_PAGE - off % VQ_PAGE);
		missing |= request_gpa(d, ring, p->page[off / VQ_PAGE].gpa + off % VQ_PAGE, got);
	}
	return missing;
}

bool
pages_request_ring(const struct vdev *d, const struct vdev_queue *q)
{
	const struct vq_extent len = vq_extent(q->layout, q->size, d->features);
	const uint32_t ring = ring_index(d, q);
	bool missing;

	if (!pages_absent(d))
		return false;
	missing = request_area(d, ring, &q->map.area[VQ_DESC], len.desc);
	missing |= request_area(d, ring, &q->map.area[VQ_DRIVER], len.driver);
	return request_area(d, ring, &q->map.area[VQ_DEVICE], len.device) || missing;
}

void
vdev_set_pager(struct vdev *d, struct pager *p)
{
	d->pager = p;
}

void
vdev_set_arriving(struct vdev *d, bool arriving)
{
	d->arriving = arriving;
}

void
vdev_pages_arrived(struct vdev *d)
{
	const struct engine_polled_ops *polled = ring_polled(d);

	if (polled != NULL && polled->misses_answered(d, true) && d->cfg.ops->wake != NULL)
		d->cfg.ops->wake(d);
	vdev_sync(d);
}

int
vdev_pages_complete(struct vdev *d)
{
	struct present *present = d->gmem != NULL ? d->gmem->present : NULL;
	int ret;

	if (present == NULL)
		return 0;
	d->gmem->present = NULL;
	ret = space_refresh(d);
	if (ret != 0) {
		d->gmem->present = present;
		return ret;
	}
	present_free(present);
	vdev_pages_arrived(d);
	return 0;
}
