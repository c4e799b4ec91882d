/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver's memory, mapped when it is first used.
 *
 * The kernel knows regions of IOVAs, each a part of a file. Memory regions of the device are these
 * regions, at the IOVA in all three address spaces, and a translation of the IOTLB covers each.
 *
 * Files come from the kernel, but only its own bounce buffers are the kernel's: behind vhost_vdpa
 * they are the driver's, and pass the checks for peers' files or are not mapped.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <rte_common.h>

#include "base/spare.h"
#include "vduse/dev.h"
#include "vduse/kernel.h"

#define ROUNDS_MAX 64 /* regions that starting the rings may take */

/** Whether @p fd is a file of the kernel's own, which no process can truncate or delay. */
static bool
is_bounce(int fd)
{
	static const char kind[] = "anon_inode:[vduse-domain]";
	char path[32], name[sizeof(kind)];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, name, sizeof(name));
	return n == sizeof(kind) - 1 && memcmp(name, kind, sizeof(kind) - 1) == 0;
}

/** @p m and the region. NULL, with the reason. */
static struct gmem *
with_region(const struct gmem *m, const struct vduse_iotlb_entry *e, int fd,
	    struct gmem_fault *fault, const char **why)
{
	const struct gmem_desc d = {
		.gpa = e->start,
		.size = e->last - e->start + 1,
		.uva = e->start,
		.mmap_offset = e->offset,
		.voucher = is_bounce(fd) ? GMEM_KERNEL : GMEM_PEER,
	};

	return gmem_add(m, &d, fd, fault, why);
}

static const char *
add_region(struct vduse *v, const struct vduse_iotlb_entry *e, int fd)
{
	const char *why = NULL;
	struct gmem *m = with_region(v->dev->gmem, e, fd, &v->dev->fault, &why);

	if (m == NULL)
		return why;
	v->regions++;
	return vdev_set_mem(v->dev, m) == 0 ? NULL : "no memory for its region";
}

static const char *
translate_region(struct vduse *v, const struct vduse_iotlb_entry *e)
{
	const struct iotlb_entry t = {
		.iova = e->start,
		.size = e->last - e->start + 1,
		.uva = e->start,
		.perm = e->perm,
	};

	return vdev_iotlb_update(v->dev, &t) == 0 ? NULL : "no memory for its translation";
}

/** Whether the region that @p iova is in has been asked for meanwhile. */
static bool
is_known(const struct vduse *v, uint64_t iova)
{
	uint64_t uva, len;

	return iotlb_translate(v->dev->tlb, iova, 1, 0, &uva, &len);
}

static int
ask_region(const struct vduse *v, uint32_t asid, struct vduse_iotlb_entry *e)
{
	struct vduse_k_entry_12 k = {.e = {.v1 = *e, .asid = asid}};
	int fd;

	if (asid == 0)
		return v->sys->ioctl(v->fd, VDUSE_IOTLB_GET_FD, e);
	fd = v->sys->ioctl(v->fd, VDUSE_K_IOTLB_GET_FD2, &k.e);
	if (fd < 0 && errno == ENOTTY)
		fd = v->sys->ioctl(v->fd, VDUSE_K_IOTLB_GET_FD2_12, &k);
	*e = k.e.v1;
	return fd;
}

/** The file behind the region that @p e->start is in, which @p e then describes. -1: none. */
static int
region_fd(const struct vduse *v, uint32_t asid, struct vduse_iotlb_entry *e)
{
	int fd = ask_region(v, asid, e);

	if (fd >= 0)
		vduse_record_fact(v, RECORD_MEMORY, e, sizeof(*e), fd);
	return fd;
}

/** Map the region that @p iova is in. */
static void
resolve_one(struct vduse *v, uint64_t iova)
{
	struct vduse_iotlb_entry e = {.start = iova, .last = iova};
	const char *why = NULL;
	int fd;

	if (v->dev->gmem == NULL || v->fd < 0 || is_known(v, iova))
		return;
	fd = region_fd(v, v->asid[VDUSE_DATA], &e);
	if (fd < 0)
		return; /* not mapped by the driver: requested again while a ring waits */
	if (e.start > iova || e.last < iova)
		why = "the kernel names another region";
	else if (gmem_find(v->dev->gmem, iova) == NULL)
		why = add_region(v, &e, fd);
	if (why == NULL)
		why = translate_region(v, &e);
	close(fd);
	if (why != NULL)
		log_peer(&v->dev->log_limit, v->dev->name, "memory at 0x%llx is not used: %s",
			 (unsigned long long)e.start, why);
}

/** NULL: *m has the region; else the reason for which it has not. */
static const char *
extend(struct gmem **m, const struct vduse_iotlb_entry *e, int fd, struct gmem_fault *fault)
{
	struct gmem *old = *m != NULL ? gmem_ref(*m) : gmem_new();
	const char *why = "no memory for its region";
	struct gmem *next = old != NULL ? with_region(old, e, fd, fault, &why) : NULL;

	gmem_put(old);
	if (next == NULL)
		return why;
	gmem_put(*m);
	*m = next;
	return NULL;
}

void
vduse_mem_extend(struct vduse *v, uint32_t asid, uint64_t iova, struct gmem *m[VDUSE_ACCESS_RW + 1],
		 struct gmem_fault *fault)
{
	struct vduse_iotlb_entry e = {.start = iova, .last = iova};
	const char *why = NULL;
	int fd = -1;

	spare_lend();
	if (v->fd >= 0)
		fd = region_fd(v, asid, &e);
	if (fd >= 0 && (e.start > iova || e.last < iova))
		why = "the kernel names another region";
	else if (fd >= 0 && (e.perm == 0 || e.perm > VDUSE_ACCESS_RW))
		why = "the kernel names no permission";
	/* known already: one that is of no use for what is asked */
	else if (fd >= 0 && (m[e.perm] == NULL || gmem_find(m[e.perm], iova) == NULL))
		why = extend(&m[e.perm], &e, fd, fault);
	if (fd >= 0)
		close(fd);
	spare_refill();
	if (why != NULL)
		log_peer(&v->dev->log_limit, v->dev->name,
			 "memory at 0x%llx is not used by the control queue: %s",
			 (unsigned long long)e.start, why);
}

static void
resolve(struct vduse *v)
{
	uint64_t miss[VDUSE_MISSES_MAX];
	uint32_t i, n = v->nmisses;

	memcpy(miss, v->miss, n * sizeof(miss[0]));
	v->nmisses = 0;
	/* a driver that runs goes on when others have used up the descriptors */
	spare_lend();
	for (i = 0; i < n; i++)
		resolve_one(v, miss[i]);
	spare_refill();
}

void
vduse_sync(struct vduse *v)
{
	uint32_t round = 0;

	vdev_sync(v->dev);
	while (v->nmisses > 0 && round++ < ROUNDS_MAX) {
		resolve(v);
		vdev_sync(v->dev);
	}
}

static void
on_resolve(struct ev_timer *t)
{
	vduse_sync(container_of(t, struct vduse, resolve));
}

bool
vduse_translate(struct transport *t, uint64_t iova, uint32_t perm)
{
	struct vduse *v = vduse_of(t);

	if (v->nmisses == VDUSE_MISSES_MAX)
		return false;
	v->miss[v->nmisses++] = iova;
	v->resolve.cb = on_resolve;
	if (v->resolve.loop == NULL)
		ev_timer_arm(v->loop, &v->resolve, 0);
	return true;
}

static bool
overlaps(const struct gmem_region *r, uint64_t start, uint64_t last)
{
	return r->gpa <= last && r->gpa + (r->size - 1) >= start;
}

/** The map without regions in [start, last], which grows to cover them. NULL: no memory. */
static struct gmem *
map_without(const struct vduse *v, uint64_t *start, uint64_t *last)
{
	struct gmem *next, *m = gmem_ref(v->dev->gmem);
	const struct gmem *all = v->dev->gmem;
	uint64_t first = *start, end = *last;

	for (uint32_t i = 0; i < all->n && m != NULL; i++) {
		const struct gmem_region *r = &all->r[i];
		const struct gmem_desc d = {.gpa = r->gpa, .size = r->size, .uva = r->uva};

		if (!overlaps(r, first, end))
			continue;
		*start = RTE_MIN(*start, r->gpa);
		*last = RTE_MAX(*last, r->gpa + (r->size - 1));
		next = gmem_remove(m, &d);
		gmem_put(m);
		m = next;
	}
	return m;
}

int
vduse_mem_flush(struct vduse *v, uint64_t start, uint64_t last)
{
	struct gmem *m;
	int ret;

	if (start > last)
		return -EINVAL;
	if (v->dev->gmem == NULL)
		return 0;
	m = map_without(v, &start, &last);
	if (m == NULL)
		return -ENOMEM;
	if (m == v->dev->gmem)
		gmem_put(m); /* all of it stays: only one reference is the device's */
	/* a worker with a translation to memory that is gone would call the ring broken */
	vdev_pause(v->dev);
	ret = vdev_set_mem(v->dev, m);
	if (ret != 0)
		return ret;
	/* all addresses: one fewer than the size can say, which no region ends with */
	return vdev_iotlb_invalidate(v->dev, start, RTE_MAX(last - start + 1, last - start));
}
