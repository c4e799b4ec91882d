/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the addresses of a guest mean: memory map, IOMMU translations and dirty
 * log, bundled in one immutable struct vq_mem for the running queues.
 *
 * Every change builds a new bundle, exchanges it in the running queues and
 * frees the old one after a grace period, so that memory comes and goes, a
 * migration starts logging and translations change under traffic. Only a ring
 * whose own areas moved has to stop for it.
 */
#include <errno.h>
#include <stdlib.h>

#include "vdev/ring.h"

bool
space_translated(const struct vdev *d)
{
	return d->transport != NULL &&
	       d->transport->ops->space(d->transport, d->features) == VDEV_SPACE_IOVA;
}

static struct vq_mem *
bundle_new(const struct vdev *d, struct gmem *m, const struct iotlb *t, const struct dirty *log)
{
	struct vq_mem *b = malloc(sizeof(*b));

	if (b != NULL)
		*b = (struct vq_mem){
			.gmem = m,
			.tlb = space_translated(d) ? t : NULL,
			.log = (d->features & VDEV_F(LOG_ALL)) ? log : NULL,
		};
	return b;
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

/** Give the running queues the device's present bundle; returns when nobody uses another one. */
static void
swap_running(struct vdev *d)
{
	bool any = false;
	uint32_t i;

	for (i = 0; i < d->nqueues; i++) {
		if (d->q[i].running) {
			vq_swap_mem(d->q[i].vq, d->vq_mem);
			any = true;
		}
	}
	if (any && !d->paused)
		d->cfg.ops->grace(d);
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
	struct vq_mem *old_bundle = d->vq_mem;
	struct vq_mem *bundle = m == NULL ? NULL : bundle_new(d, m, t, log);
	struct gmem *old_m = d->gmem;
	struct iotlb *old_t = d->tlb;
	struct dirty *old_log = d->log;

	if (bundle == NULL && m != NULL) {
		drop_replaced(d, m, t, log);
		return -ENOMEM;
	}
	d->gmem = m;
	d->tlb = t;
	d->log = log;
	halt_moved(d);
	d->vq_mem = bundle;
	swap_running(d);
	free(old_bundle);
	drop_replaced(d, old_m, old_t, old_log);
	return 0;
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
