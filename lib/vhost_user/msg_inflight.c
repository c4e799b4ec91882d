/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inflight area: requests a back-end has taken and not completed, kept by
 * the front-end for the back-end's successor.
 *
 * This back-end processes in order and completes every request it took before it stops a ring, so
 * the area it returns stays empty, and one it is given adds no information to the used index (see
 * state_said() in vdev/ring.c). Rings of a switch that was killed are recovered from its own
 * journal, which also knows about packed rings.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_common.h>

#include "gmem/file.h"
#include "vhost_user/session.h"

#define REGION_ALIGN 64
#define REGION_VERSION 1

/* The beginning of a region, for both layouts; the rest is zero. */
struct region_head {
	uint64_t features;
	uint16_t version;
	uint16_t desc_num;
};

/* Fixed part of a region and bytes per descriptor. */
static const struct {
	uint32_t head, desc;
} region_size[] = {
	[VQ_SPLIT] = {16, 16},
	[VQ_SPLIT_SWAP] = {16, 16},
	[VQ_PACKED] = {32, 32},
};
static_assert(RTE_DIM(region_size) == VQ_LAYOUT_NUM, "every layout has its region");

static uint64_t
region_bytes(const struct vhu_session *s, const struct vhu_inflight *f)
{
	enum vq_layout l = (s->dev->features & VDEV_F(RING_PACKED)) ? VQ_PACKED : VQ_SPLIT;

	return RTE_ALIGN_CEIL(region_size[l].head + (uint64_t)region_size[l].desc * f->queue_size,
			      REGION_ALIGN);
}

static bool
inflight_sane(const struct vhu_session *s, const struct vhu_inflight *f)
{
	return f->num_queues >= 1 && f->num_queues <= 2 * s->dev->cfg.queue_pairs &&
	       f->queue_size >= 1 && f->queue_size <= VDEV_RING_SIZE_MAX;
}

/** A sealed file of empty regions, or -1. */
static int
area_new(const struct vhu_inflight *f, uint64_t region)
{
	const struct region_head head = {.version = REGION_VERSION, .desc_num = f->queue_size};
	int fd = memfd_create("vhost-inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	uint32_t i;

	if (fd < 0)
		return -1;
	if (ftruncate(fd, (off_t)(region * f->num_queues)) != 0)
		goto fail;
	for (i = 0; i < f->num_queues; i++)
		if (pwrite(fd, &head, sizeof(head), (off_t)(region * i)) != sizeof(head))
			goto fail;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		goto fail;
	return fd;
fail:
	close(fd);
	return -1;
}

/** An area of size 0 and no descriptor tells the front-end that there is none. */
int
vhu_get_inflight_fd(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	struct vhu_inflight *f = &m->payload.inflight;
	uint64_t region = region_bytes(s, f);

	m->header.size = sizeof(*f);
	f->mmap_offset = f->mmap_size = 0;
	if (!inflight_sane(s, f))
		return 0;
	s->reply_fd = area_new(f, region);
	if (s->reply_fd >= 0)
		f->mmap_size = region * f->num_queues;
	return 0;
}

int
vhu_set_inflight_fd(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	const struct vhu_inflight *f = &m->payload.inflight;
	uint64_t end;
	struct stat st;

	if (!inflight_sane(s, f) || f->mmap_size < region_bytes(s, f) * f->num_queues ||
	    __builtin_add_overflow(f->mmap_size, f->mmap_offset, &end))
		return vhu_refuse(s, EINVAL, "inflight area does not fit the queues");
	if (!gmem_file_in_memory(fds->fd[0]) || fstat(fds->fd[0], &st) != 0 ||
	    !S_ISREG(st.st_mode) || end > (uint64_t)st.st_size)
		return vhu_refuse(s, EINVAL, "inflight area is not in the file");
	return 0;
}
