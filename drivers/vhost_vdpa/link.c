/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: a lane, but for link_take_config() and link_is_up(). */
#include "vhost_vdpa/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_ether.h>

#include "pkt/pkt.h"
#include "virtq/net.h"

#define F(name) (UINT64_C(1) << (name))
#define PAGE 4096u
#define BUFFER 2048u /* for reception; a longer frame takes several, or has longer ones */

/* Taken as they are offered. */
#define FEATURES                                                                            \
	(F(VIRTIO_NET_F_CSUM) | F(VIRTIO_NET_F_GUEST_CSUM) | F(VIRTIO_NET_F_MTU) |          \
	 F(VIRTIO_NET_F_MAC) | F(VIRTIO_NET_F_HOST_TSO4) | F(VIRTIO_NET_F_HOST_TSO6) |      \
	 F(VIRTIO_NET_F_HOST_ECN) | F(VIRTIO_NET_F_MRG_RXBUF) | F(VIRTIO_NET_F_STATUS) |    \
	 F(VIRTIO_RING_F_EVENT_IDX) | F(VIRTIO_F_VERSION_1) | F(VIRTIO_F_ACCESS_PLATFORM) | \
	 F(VIRTIO_F_IN_ORDER))
/* With buffers that can be merged only. */
#define FEATURES_MERGED \
	(F(VIRTIO_NET_F_GUEST_TSO4) | F(VIRTIO_NET_F_GUEST_TSO6) | F(VIRTIO_NET_F_GUEST_ECN))

/** Features of @p offered that a port accepts. */
static uint64_t
accepted(const struct link_config *cfg, uint64_t offered)
{
	uint64_t f = offered & FEATURES;

	if (f & F(VIRTIO_NET_F_MRG_RXBUF) && f & F(VIRTIO_NET_F_GUEST_CSUM))
		f |= offered & FEATURES_MERGED;
	if (cfg->packed)
		f |= offered & F(VIRTIO_F_RING_PACKED);
	return f;
}

static bool
has(const struct link *l, unsigned int bit)
{
	return (l->features >> bit) & 1;
}

static int
fail(struct link *l, int error, const char *message)
{
	snprintf(l->dev.err, sizeof(l->dev.err), "%s: %s", message, strerror(error));
	return -error;
}

/* --- memory --- */

/** Rings and buffers of a queue, as offsets in the file. */
struct place {
	uint64_t desc, driver, device, buffers;
	uint32_t size, stride;
};

static uint32_t
ring_size(const struct link *l)
{
	return RTE_MIN((uint32_t)l->dev.ring_max, (uint32_t)LINK_RING_MAX);
}

static enum vq_layout
layout(const struct link *l)
{
	return has(l, VIRTIO_F_RING_PACKED) ? VQ_PACKED : VQ_SPLIT;
}

static uint16_t
mtu(const struct link *l)
{
	return has(l, VIRTIO_NET_F_MTU) ? rte_le_to_cpu_16(l->fresh.config.mtu) : RTE_ETHER_MTU;
}

static uint32_t
stride(const struct link *l, bool rx)
{
	uint32_t longest = mtu(l) + NET_HDR_LEN + RTE_ETHER_HDR_LEN + 8; /* with two tags */

	if (rx)
		return l->mergeable ? BUFFER : RTE_ALIGN_CEIL(RTE_MAX(longest, BUFFER), BUFFER);
	/* segmented by the device; only what is used of the file takes memory */
	if (has(l, VIRTIO_NET_F_HOST_TSO4) || has(l, VIRTIO_NET_F_HOST_TSO6))
		longest = PKT_LEN_MAX + NET_HDR_LEN;
	return RTE_ALIGN_CEIL(longest, BUFFER);
}

/** Place queue @p i from @p at on. The end. */
static uint64_t
place(const struct link *l, uint32_t i, uint64_t at, struct place *p)
{
	const struct vq_extent e = vq_extent(layout(l), ring_size(l), l->features);

	p->size = ring_size(l);
	p->stride = stride(l, i % 2 == 0);
	p->desc = at;
	p->driver = RTE_ALIGN_CEIL(p->desc + e.desc, PAGE);
	p->device = RTE_ALIGN_CEIL(p->driver + e.driver, PAGE);
	p->buffers = RTE_ALIGN_CEIL(p->device + e.device, PAGE);
	return RTE_ALIGN_CEIL(p->buffers + (uint64_t)p->size * p->stride, PAGE);
}

static uint64_t
iova_of(const struct link *l, uint64_t offset)
{
	return RTE_ALIGN_CEIL(l->dev.iova_first, PAGE) + offset;
}

static int
make_memory(struct link *l, struct place *p, uint32_t n)
{
	uint64_t end = 0;
	uint32_t i;

	for (i = 0; i < n; i++)
		end = place(l, i, end, &p[i]);
	if (l->dev.iova_last - l->dev.iova_first < end)
		return fail(l, ERANGE, "the device reaches too little memory");
	l->size = end;
	l->memfd = memfd_create("vhost-vdpa", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	/* sealed: a device of VDUSE is a process, which gets the file and could cut it off */
	if (l->memfd < 0 || ftruncate(l->memfd, (off_t)end) != 0 ||
	    fcntl(l->memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		return fail(l, errno, "memory");
	l->mem = mmap(NULL, end, PROT_READ | PROT_WRITE, MAP_SHARED, l->memfd, 0);
	if (l->mem == MAP_FAILED) {
		l->mem = NULL;
		return fail(l, errno, "memory");
	}
	return chardev_map(&l->dev,
			   &(struct chardev_region){iova_of(l, 0), RTE_ALIGN_CEIL(end, PAGE),
						    l->mem},
			   1);
}

/* --- queues --- */

static int
drive(struct link *l, uint32_t i, const struct place *p)
{
	struct link_queue *q = &l->queue[i];
	const bool rx = i % 2 == 0, packed = layout(l) == VQ_PACKED;
	const struct vqd_setup s = {
		.layout = layout(l),
		.size = p->size,
		.features = l->features,
		.desc = l->mem + p->desc,
		.driver = l->mem + p->driver,
		.device = l->mem + p->device,
		.kick_fd = q->kick_fd,
		.state = {.avail_wrap = packed, .used_wrap = packed},
	};
	const struct vqd_net n = {
		.hva = l->mem + p->buffers,
		.addr = iova_of(l, p->buffers),
		.stride = p->stride,
		.buf_len = p->stride,
		.hdr_len = net_hdr_len(l->features),
		.rx = rx,
	};
	int ret = vqd_init(&q->vqd, &s);

	if (ret == 0)
		ret = vqd_net_init(&q->vqd, &n);
	if (ret != 0)
		return fail(l, -ret, "a ring of the device's size");
	if (rx)
		vqd_net_refill(&q->vqd, (uint16_t)p->size);
	else
		l->frame_max = p->stride - n.hdr_len;
	return 0;
}

static int
start_queue(struct link *l, uint32_t i, const struct place *p)
{
	struct link_queue *q = &l->queue[i];
	const struct vq_state fresh = {.avail_wrap = layout(l) == VQ_PACKED,
				       .used_wrap = layout(l) == VQ_PACKED};
	const struct chardev_ring r = {
		.size = p->size,
		.base = vq_state_to_word(layout(l), &fresh),
		.desc = iova_of(l, p->desc),
		.driver = iova_of(l, p->driver),
		.device = iova_of(l, p->device),
		.kick_fd = q->kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
		.call_fd = q->call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
	};
	int ret;

	if (q->kick_fd < 0 || q->call_fd < 0)
		return fail(l, errno, "eventfd");
	ret = drive(l, i, p);
	return ret != 0 ? ret : chardev_ring(&l->dev, i, &r);
}

/** All rings are enabled before the device starts: VDUSE servers do not hear of later ones. */
static int
start_queues(struct link *l)
{
	struct place p[2 * LINK_PAIRS_MAX];
	const uint32_t n = 2 * l->pairs;
	int ret = make_memory(l, p, n);
	uint32_t i;

	for (i = 0; i < n && ret == 0; i++)
		ret = start_queue(l, i, &p[i]);
	for (i = 0; i < n && ret == 0; i++)
		ret = chardev_enable(&l->dev, i, true);
	if (ret == 0)
		ret = chardev_go(&l->dev);
	for (i = 0; i < n && ret == 0; i += 2)
		vqd_kick(&l->queue[i].vqd);
	return ret;
}

/* --- configuration --- */

int
link_read_config(struct link *l)
{
	struct virtio_net_config *c = &l->fresh.config;
	const uint32_t len = RTE_MIN(l->dev.config_size, (uint32_t)sizeof(*c));
	int ret = chardev_config(&l->dev, 0, c, len);

	if (ret == 0)
		ret = chardev_status(&l->dev);
	l->fresh.status = l->dev.status;
	if (ret == 0 && (l->dev.status & CHARDEV_NEEDS_RESET))
		ret = fail(l, EIO, "the device needs a reset");
	return ret;
}

void
link_take_config(struct link *l)
{
	l->said = l->fresh;
}

bool
link_is_up(const struct link *l)
{
	return !has(l, VIRTIO_NET_F_STATUS) ||
	       (rte_le_to_cpu_16(l->said.config.status) & VIRTIO_NET_S_LINK_UP);
}

/* --- life --- */

static int
bring_up(struct link *l, const struct link_config *cfg)
{
	int ret;

	l->features = accepted(cfg, l->dev.offered);
	if (!has(l, VIRTIO_F_VERSION_1))
		return fail(l, ENOTSUP, "the device is a legacy one");
	l->mergeable = has(l, VIRTIO_NET_F_MRG_RXBUF);
	l->pairs = LINK_PAIRS_MAX;
	ret = chardev_negotiate(&l->dev, l->features);
	if (ret == 0)
		ret = link_read_config(l);
	if (ret == 0)
		ret = chardev_config_call(&l->dev, l->config_fd);
	if (ret == 0)
		ret = start_queues(l);
	l->fresh.status = l->dev.status;
	link_take_config(l);
	return ret;
}

struct link *
link_open(const struct link_config *cfg, char *err, size_t errlen)
{
	struct link *l = calloc(1, sizeof(*l));
	int ret;

	if (l == NULL) {
		snprintf(err, errlen, "out of memory");
		return NULL;
	}
	l->memfd = -1;
	for (uint32_t i = 0; i < RTE_DIM(l->queue); i++)
		l->queue[i].kick_fd = l->queue[i].call_fd = -1;
	l->config_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ret = l->config_fd < 0 ? fail(l, errno, "eventfd")
			       : chardev_open(&l->dev, cfg->path, cfg->sys);
	if (ret == 0)
		ret = bring_up(l, cfg);
	if (ret == 0)
		return l;
	snprintf(err, errlen, "%s", l->dev.err);
	link_close(l);
	return NULL;
}

static void
close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void
link_close(struct link *l)
{
	if (l == NULL)
		return;
	chardev_close(&l->dev);
	for (uint32_t i = 0; i < RTE_DIM(l->queue); i++) {
		vqd_fini(&l->queue[i].vqd);
		close_fd(l->queue[i].kick_fd);
		close_fd(l->queue[i].call_fd);
	}
	close_fd(l->config_fd);
	close_fd(l->memfd);
	if (l->mem != NULL)
		munmap(l->mem, l->size);
	free(l);
}
