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

/** Stop the rings that cannot simply go on with the new address space. */
static void
halt_moved(struct vdev *d)
{
	uint32_t i;

	for (i = 0; i < d->nqueues; i++) {
		if (d->q[i].running && ring_moved(d, &d->q[i])) {
			vdev_pause(d);
			ring_halt(d, &d->q[i]);
		}
	}
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

int
space_change(struct vdev *d, struct gmem *m, struct iotlb *t, struct dirty *log)
{
	struct gmem *old_m = d->gmem;
	struct iotlb *old_t = d->tlb;
	struct dirty *old_log = d->log;
	int ret;

	d->gmem = m;
	d->tlb = t;
	d->log = log;
	halt_moved(d);
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
space_refresh(struct vdev *d)
{
	ask_forget(d);
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

int
vdev_iotlb_update(struct vdev *d, const struct iotlb_entry *e)
{
	struct iotlb *t;
	int ret;

	if (!space_translated(d))
		return -ENOTSUP;
	t = iotlb_update(d->tlb, e);
	if (t == NULL)
		return -errno;
	ret = space_change(d, d->gmem, t, d->log);
	if (ret == 0)
		ask_answered(d);
	return ret;
}

int
vdev_iotlb_invalidate(struct vdev *d, uint64_t iova, uint64_t size)
{
	struct iotlb *t;

	if (!space_translated(d))
		return -ENOTSUP;
	if (size == 0 || iova + (size - 1) < iova)
		return -EINVAL;
	t = iotlb_invalidate(d->tlb, iova, size);
	if (t == NULL)
		return -ENOMEM;
	return space_change(d, d->gmem, t, d->log);
}

/** With an IOMMU an area is contiguous for the guest; for us each translation may lie elsewhere. */
static int
area_translated(const struct vdev *d, uint64_t iova, uint64_t len, uint32_t perm, void **hva,
		uint64_t *gpa, uint64_t *miss)
{
	uint64_t done, got, uva, at;
	uint8_t *piece;

	for (done = 0; done < len; done += got) {
		if (!iotlb_translate(d->tlb, iova + done, len - done, perm, &uva, &got)) {
			*miss = iova + done;
			return -EAGAIN;
		}
		piece = gmem_uva_to_hva(d->gmem, uva, got, &at);
		if (piece == NULL)
			return -EFAULT;
		if (done == 0) {
			*hva = piece;
			*gpa = at;
		} else if (piece != (uint8_t *)*hva + done) {
			return -EFAULT;
		}
	}
	return 0;
}

int
space_area(const struct vdev *d, uint64_t addr, uint64_t len, uint32_t perm, void **hva,
	   uint64_t *gpa, uint64_t *miss)
{
	if (d->gmem == NULL || addr + (len - 1) < addr)
		return -EFAULT;
	if (space_translated(d))
		return area_translated(d, addr, len, perm, hva, gpa, miss);
	*hva = gmem_uva_to_hva(d->gmem, addr, len, gpa);
	return *hva == NULL ? -EFAULT : 0;
}
