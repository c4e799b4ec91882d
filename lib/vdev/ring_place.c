/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The places of a ring's areas in this process: found at the start of the ring, and again whenever
 * memory or translations change.
 *
 * Behind an IOMMU a ring is contiguous for its driver only; for us each of its
 * pages may lie elsewhere, and any of them can be taken away and given back while
 * the ring runs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vdev/ring.h"

/** One area of a ring, as the front-end announced it. */
struct area_said {
	uint64_t addr, len;
	uint32_t perm;
};

static void
areas_said(const struct vdev *d, const struct vdev_queue *q, enum vq_layout layout,
	   struct area_said said[VQ_AREAS])
{
	const struct vq_extent len = vq_extent(layout, q->size, d->features);

	/* the device writes the descriptor ring of a packed queue; a split one's it only reads */
	said[VQ_DESC] = (struct area_said){q->desc_uva, len.desc,
					   layout == VQ_PACKED ? IOTLB_RW : IOTLB_RO};
	said[VQ_DRIVER] = (struct area_said){q->driver_uva, len.driver, IOTLB_RO};
	said[VQ_DEVICE] = (struct area_said){q->device_uva, len.device, IOTLB_RW};
}

void
ring_map_clear(struct vdev_ring_map *map)
{
	uint32_t i;

	for (i = 0; i < VQ_AREAS; i++)
		free(map->area[i].pages);
	*map = (struct vdev_ring_map){0};
}

/** Resolve the three areas over their whole extent. As space_area(); @p map is to be cleared. */
static int
ring_resolve(const struct vdev *d, const struct vdev_queue *q, enum vq_layout layout,
	     struct vdev_ring_map *map)
{
	struct area_said said[VQ_AREAS];
	int ret = 0;
	uint32_t i;

	*map = (struct vdev_ring_map){0};
	areas_said(d, q, layout, said);
	for (i = 0; i < VQ_AREAS && ret == 0; i++)
		ret = space_area(d, said[i].addr, said[i].len, said[i].perm, &map->area[i]);
	return ret;
}

static bool
area_same(const struct vdev_ring_area *a, const struct vdev_ring_area *b)
{
	if (a->hva != b->hva || (a->pages == NULL) != (b->pages == NULL))
		return false;
	return a->pages == NULL ||
	       (a->pages->n == b->pages->n && memcmp(a->pages->page, b->pages->page,
						     a->pages->n * sizeof(a->pages->page[0])) == 0);
}

enum ring_move
ring_moved(const struct vdev *d, const struct vdev_queue *q)
{
	enum ring_move move = RING_STAYS;
	struct vdev_ring_map now;
	int ret = ring_resolve(d, q, q->layout, &now);
	uint32_t i;

	if (ret != 0)
		move = ret == -EAGAIN ? RING_MISSING : RING_MOVED;
	for (i = 0; i < VQ_AREAS && move == RING_STAYS; i++)
		if (!area_same(&now.area[i], &q->map.area[i]))
			move = RING_MOVED;
	ring_map_clear(&now);
	return move;
}

bool
ring_touches(const struct vdev *d, const struct vdev_queue *q, uint64_t iova, uint64_t last)
{
	struct area_said said[VQ_AREAS];
	bool touches = false;
	uint32_t i;

	areas_said(d, q, q->layout, said);
	for (i = 0; i < VQ_AREAS; i++)
		touches |= said[i].addr <= last && said[i].addr + (said[i].len - 1) >= iova;
	return touches;
}

void
ring_request_translations(struct vdev *d, const struct vdev_queue *q, enum vq_layout layout)
{
	struct area_said said[VQ_AREAS];
	uint32_t i;

	areas_said(d, q, layout, said);
	/* the last area needs most access: where areas share a page, it is requested once */
	for (i = VQ_AREAS; i-- > 0;)
		iotlb_request(d, said[i].addr, said[i].len, said[i].perm);
}

void
ring_forget_translations(struct vdev *d, const struct vdev_queue *q, enum vq_layout layout)
{
	struct area_said said[VQ_AREAS];
	uint32_t i;

	if (!ring_any_runs(d)) {
		space_fresh(d);
		space_forget(d, 0, 0);
		return;
	}
	areas_said(d, q, layout, said);
	for (i = 0; i < VQ_AREAS; i++)
		space_forget(d, said[i].addr, said[i].len);
}

static bool
ring_aligned(const struct vdev_ring_map *map, enum vq_layout layout)
{
	struct vq_extent a = vq_alignment(layout);

	return (uintptr_t)map->area[VQ_DESC].hva % a.desc == 0 &&
	       (uintptr_t)map->area[VQ_DRIVER].hva % a.driver == 0 &&
	       (uintptr_t)map->area[VQ_DEVICE].hva % a.device == 0;
}

const char *
ring_place(struct vdev *d, struct vdev_queue *q, enum vq_layout layout)
{
	int ret;

	ring_map_clear(&q->map);
	ret = ring_resolve(d, q, layout, &q->map);
	if (ret == 0 && ring_aligned(&q->map, layout))
		return NULL;
	ring_map_clear(&q->map);
	q->waits = ret == -EAGAIN;
	if (q->waits)
		ring_request_translations(d, q, layout);
	if (ret == -EXDEV)
		return "ring is in segments that are not whole pages";
	return ret == 0 ? "ring is not aligned as its layout demands"
			: "ring is not wholly inside guest memory";
}
