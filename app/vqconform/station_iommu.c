/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An IOMMU in front of the device: it knows I/O virtual addresses only, and asks for each page of
 * them over its own channel.
 */
#include <string.h>

#include <linux/vhost_types.h>
#include <linux/virtio_config.h>

#include "base/ev.h"

#include "outcome.h"
#include "station.h"

#define PAGE 4096u

static bool
is_rx_buffer(const struct station *s, uint64_t offset)
{
	const struct station_queue *q = &s->q[STATION_RX];
	const uint64_t first = (uint64_t)(q->slot - s->mem.hva);

	return offset >= first && offset < first + (uint64_t)q->nslots * STATION_SLOT;
}

static void
state(struct station *s, const struct vhu_iotlb *entry)
{
	if (vhf_iotlb(&s->vhf, entry) != 0)
		outcome_fail("IOTLB_MSG: %s", s->vhf.err);
}

static void
answer(struct station *s, const struct vhu_iotlb *miss)
{
	const uint64_t offset = (miss->iova & ~(uint64_t)(PAGE - 1)) - s->mem.gpa;
	struct vhu_iotlb entry = {
		.iova = s->mem.gpa + offset,
		.size = PAGE,
		.uva = (uintptr_t)s->mem.hva + offset,
		.perm = VHOST_ACCESS_RW,
		.type = VHU_IOTLB_UPDATE,
	};

	if (offset >= s->mem.size)
		outcome_fail("a translation of %#llx is asked for, which the driver has not given",
			     (unsigned long long)miss->iova);
	if (miss->perm < VHOST_ACCESS_RO || miss->perm > VHOST_ACCESS_RW)
		outcome_fail("a translation is asked for with permission %u", miss->perm);
	if (s->iommu.rx_perm != 0 && is_rx_buffer(s, offset))
		entry.perm = s->iommu.rx_perm;
	s->iommu.misses++;
	state(s, &entry);
}

void
station_translate(struct station *s)
{
	struct vhu_msg m;

	if (!VQ_HAS(s->vhf.s.features, VIRTIO_F_ACCESS_PLATFORM) || s->iommu.deaf)
		return;
	ev_run_once(s->vhf.loop, 0);
	while (vhf_backend_request(&s->vhf, &m, 0) == 0)
		if (m.header.request == VHU_BACKEND_IOTLB_MSG &&
		    m.payload.iotlb.type == VHU_IOTLB_MISS)
			answer(s, &m.payload.iotlb);
}

void
station_translate_all(struct station *s, uint8_t type)
{
	const struct vhu_iotlb all = {
		.iova = s->mem.gpa,
		.size = s->mem.size,
		.uva = (uintptr_t)s->mem.hva,
		.perm = VHOST_ACCESS_RW,
		.type = type,
	};

	state(s, &all);
}
