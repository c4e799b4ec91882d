/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: a lane, but for link_take_config() and link_is_up(). */
#include "vhost_vdpa/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_ether.h>

#include <bsd/string.h>

#include "pkt/pkt.h"
#include "vhost_vdpa/ctrl.h"
#include "virtq/net.h"

#define F(name) (UINT64_C(1) << (name))
#define PAGE 4096u
#define CTRL_RING 16u /* entries: a command takes three */
#define CTRL_SPACE 1u /* address space of the control queue, where it has one */
#define BUFFER 2048u  /* for reception; a longer frame takes several, or has longer ones */

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
/* For several queue pairs. */
#define FEATURES_PAIRS (F(VIRTIO_NET_F_MQ) | F(VIRTIO_NET_F_CTRL_VQ))

/** Features of @p offered that a port accepts. */
static uint64_t
accepted(const struct link_config *cfg, uint64_t offered)
{
	uint64_t f = offered & FEATURES;

	if (f & F(VIRTIO_NET_F_MRG_RXBUF) && f & F(VIRTIO_NET_F_GUEST_CSUM))
		f |= offered & FEATURES_MERGED;
	if (cfg->pairs > 1 && (offered & FEATURES_PAIRS) == FEATURES_PAIRS)
		f |= FEATURES_PAIRS;
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

static __rte_format_printf(2, 3) void few(struct link *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(l->few, sizeof(l->few), fmt, ap);
	va_end(ap);
}

/** How many queue pairs the device says it has. */
static uint32_t
pairs_of(const struct link_said *s)
{
	return rte_le_to_cpu_16(s->config.max_virtqueue_pairs);
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

static void
set_place(const struct link *l, uint32_t size, uint32_t bytes, uint64_t at, struct place *p)
{
	const struct vq_extent e = vq_extent(layout(l), size, l->features);

	p->size = size;
	p->stride = bytes;
	p->desc = at;
	p->driver = RTE_ALIGN_CEIL(p->desc + e.desc, PAGE);
	p->device = RTE_ALIGN_CEIL(p->driver + e.driver, PAGE);
	p->buffers = RTE_ALIGN_CEIL(p->device + e.device, PAGE);
}

/** Place queue @p i from @p at on. The end. */
static uint64_t
place(const struct link *l, uint32_t i, uint64_t at, struct place *p)
{
	set_place(l, ring_size(l), stride(l, i % 2 == 0), at, p);
	return RTE_ALIGN_CEIL(p->buffers + (uint64_t)p->size * p->stride, PAGE);
}

static uint64_t
iova_of(const struct link *l, uint64_t offset)
{
	return RTE_ALIGN_CEIL(l->dev.iova_first, PAGE) + offset;
}

/** Place the control queue and its command. The end. */
static uint64_t
place_ctrl(const struct link *l, uint64_t at, struct place *p)
{
	const uint32_t size = RTE_MIN((uint32_t)l->dev.ring_max, CTRL_RING);

	set_place(l, size, CTRL_MEM_SIZE, at, p);
	return p->buffers + CTRL_MEM_SIZE;
}

/**
 * All that the device sees of the file: data, which ends at @p ctrl, and behind it the control
 * queue, in a space of its own where there is one.
 */
static int
map(struct link *l, uint64_t ctrl)
{
	const struct chardev_region r[] = {
		{iova_of(l, 0), ctrl, l->mem},
		{iova_of(l, ctrl), l->size - ctrl, l->mem + ctrl},
	};
	int ret = chardev_map(&l->dev, 0, r, l->size > ctrl && !l->apart ? 2 : 1);

	return ret == 0 && l->apart ? chardev_map(&l->dev, CTRL_SPACE, &r[1], 1) : ret;
}

/** For @p n queues, and a control queue behind them if there are more than two. */
static int
make_memory(struct link *l, struct place *p, uint32_t n)
{
	uint64_t ctrl, end = 0;
	uint32_t i;

	for (i = 0; i < n; i++)
		end = place(l, i, end, &p[i]);
	ctrl = end;
	if (n > 2)
		end = place_ctrl(l, end, &p[n]);
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
	return map(l, ctrl);
}

/* --- queues --- */

static int
make_ring(struct link *l, struct link_queue *q, const struct place *p)
{
	const bool packed = layout(l) == VQ_PACKED;
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
	int ret = vqd_init(&q->vqd, &s);

	return ret == 0 ? 0 : fail(l, -ret, "a ring of the device's size");
}

static int
make_buffers(struct link *l, uint32_t i, const struct place *p)
{
	struct link_queue *q = &l->queue[i];
	const struct vqd_net n = {
		.hva = l->mem + p->buffers,
		.addr = iova_of(l, p->buffers),
		.stride = p->stride,
		.buf_len = p->stride,
		.hdr_len = net_hdr_len(l->features),
		.rx = i % 2 == 0,
	};
	int ret = vqd_net_init(&q->vqd, &n);

	if (ret != 0)
		return fail(l, -ret, "a ring of the device's size");
	if (n.rx)
		vqd_net_refill(&q->vqd, (uint16_t)p->size);
	else
		l->frame_max = p->stride - n.hdr_len;
	return 0;
}

static int
make_eventfds(struct link *l, struct link_queue *q)
{
	q->kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	q->call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return q->kick_fd < 0 || q->call_fd < 0 ? fail(l, errno, "eventfd") : 0;
}

/** Tell the device of a ring, its queue number @p i. */
static int
give_ring(struct link *l, uint32_t i, const struct link_queue *q, const struct place *p)
{
	const struct vq_state fresh = {.avail_wrap = layout(l) == VQ_PACKED,
				       .used_wrap = layout(l) == VQ_PACKED};
	const struct chardev_ring r = {
		.size = p->size,
		.base = vq_state_to_word(layout(l), &fresh),
		.desc = iova_of(l, p->desc),
		.driver = iova_of(l, p->driver),
		.device = iova_of(l, p->device),
		.kick_fd = q->kick_fd,
		.call_fd = q->call_fd,
	};

	return chardev_ring(&l->dev, i, &r);
}

static int
start_queue(struct link *l, uint32_t i, const struct place *p)
{
	struct link_queue *q = &l->queue[i];
	int ret = make_eventfds(l, q);

	if (ret == 0)
		ret = make_ring(l, q, p);
	if (ret == 0)
		ret = make_buffers(l, i, p);
	return ret != 0 ? ret : give_ring(l, i, q, p);
}

/** The last of all queues the device has, whether the others are used or not. */
static uint32_t
ctrl_index(const struct link *l)
{
	return 2 * pairs_of(&l->fresh);
}

static int
start_ctrl(struct link *l, const struct place *p)
{
	int ret = make_eventfds(l, &l->ctrl);

	if (ret == 0)
		ret = make_ring(l, &l->ctrl, p);
	if (ret == 0)
		ret = give_ring(l, ctrl_index(l), &l->ctrl, p);
	return ret != 0 ? ret : chardev_enable(&l->dev, ctrl_index(l), true);
}

/** Have the device use all pairs: it begins with one. */
static int
use_pairs(struct link *l, const struct link_config *cfg, const struct place *p)
{
	const struct ctrl c = {
		.ring = &l->ctrl.vqd,
		.call_fd = l->ctrl.call_fd,
		.mem = l->mem + p->buffers,
		.iova = iova_of(l, p->buffers),
	};
	const uint32_t ms = cfg->answer_ms != 0 ? cfg->answer_ms : LINK_ANSWER_MS;
	int ret = ctrl_set_pairs(&c, (uint16_t)l->pairs, ms);

	if (ret == -EPERM)
		few(l, "the device refuses %u queue pairs", l->pairs);
	else if (ret == -ETIMEDOUT)
		few(l, "the device does not answer on its control queue");
	else if (ret != 0)
		few(l, "the device breaks its control queue");
	l->refused = ret != 0;
	return ret;
}

/** All rings are enabled before the device starts: VDUSE servers are told of no later ones. */
static int
start_queues(struct link *l, const struct link_config *cfg)
{
	struct place p[2 * LINK_PAIRS_MAX + 1];
	const uint32_t n = 2 * l->pairs;
	int ret;
	uint32_t i;

	l->apart = n > 2 && chardev_set_apart(&l->dev, ctrl_index(l), n, CTRL_SPACE);
	ret = make_memory(l, p, n);
	for (i = 0; i < n && ret == 0; i++)
		ret = start_queue(l, i, &p[i]);
	if (n > 2 && ret == 0)
		ret = start_ctrl(l, &p[n]);
	for (i = 0; i < n && ret == 0; i++)
		ret = chardev_enable(&l->dev, i, true);
	if (ret == 0)
		ret = chardev_go(&l->dev);
	for (i = 0; i < n && ret == 0; i += 2)
		vqd_kick(&l->queue[i].vqd);
	return ret == 0 && n > 2 ? use_pairs(l, cfg, &p[n]) : ret;
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

/** Pairs that are to run, before they are described to the device. */
static uint32_t
choose_pairs(struct link *l, const struct link_config *cfg)
{
	const uint32_t max = pairs_of(&l->fresh);

	if (cfg->pairs < 2)
		return 1;
	if (!(l->dev.offered & F(VIRTIO_NET_F_MQ)) || max == 1) {
		few(l, "the device has one queue pair");
		return 1;
	}
	if (!(l->dev.offered & F(VIRTIO_NET_F_CTRL_VQ))) {
		few(l, "the device has no control queue, which several queue pairs take");
		return 1;
	}
	if (max == 0 || 2 * max >= l->dev.nqueues) {
		few(l, "the device says %u queue pairs and has %u queues", max, l->dev.nqueues);
		return 1;
	}
	if (max < cfg->pairs)
		few(l, "the device has %u queue pairs", max);
	return RTE_MIN(max, cfg->pairs);
}

static int
bring_up(struct link *l, const struct link_config *cfg)
{
	int ret;

	l->features = accepted(cfg, l->dev.offered);
	if (!has(l, VIRTIO_F_VERSION_1))
		return fail(l, ENOTSUP, "the device is a legacy one");
	l->mergeable = has(l, VIRTIO_NET_F_MRG_RXBUF);
	ret = chardev_negotiate(&l->dev, l->features);
	if (ret == 0)
		ret = link_read_config(l);
	if (ret == 0)
		l->pairs = choose_pairs(l, cfg);
	if (ret == 0)
		ret = chardev_config_call(&l->dev, l->config_fd);
	if (ret == 0)
		ret = start_queues(l, cfg);
	l->fresh.status = l->dev.status;
	link_take_config(l);
	return ret;
}

/** NULL: no memory. With a sentence in l->dev.err: it does not run. */
static struct link *
start(const struct link_config *cfg)
{
	struct link *l = calloc(1, sizeof(*l));
	int ret;

	if (l == NULL)
		return NULL;
	l->memfd = -1;
	for (uint32_t i = 0; i < RTE_DIM(l->queue); i++)
		l->queue[i].kick_fd = l->queue[i].call_fd = -1;
	l->ctrl.kick_fd = l->ctrl.call_fd = -1;
	l->config_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ret = l->config_fd < 0 ? fail(l, errno, "eventfd")
			       : chardev_open(&l->dev, cfg->path, cfg->sys);
	if (ret == 0)
		ret = bring_up(l, cfg);
	l->runs = ret == 0;
	return l;
}

/**
 * With one pair, for a device that says no to more: one that is silent may use the others at any
 * time.
 */
static struct link *
start_anew(struct link *l, const struct link_config *cfg)
{
	struct link_config one = *cfg;
	char why[LINK_FEW_MAX];

	one.pairs = 1;
	strlcpy(why, l->few, sizeof(why));
	link_close(l);
	l = start(&one);
	if (l != NULL)
		strlcpy(l->few, why, sizeof(l->few));
	return l;
}

struct link *
link_open(const struct link_config *cfg, char *err, size_t errlen)
{
	struct link *l = start(cfg);

	if (l != NULL && l->refused)
		l = start_anew(l, cfg);
	if (l != NULL && l->runs)
		return l;
	snprintf(err, errlen, "%s", l != NULL ? l->dev.err : "out of memory");
	link_close(l);
	return NULL;
}

static void
close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void
end_queue(struct link_queue *q)
{
	vqd_fini(&q->vqd);
	close_fd(q->kick_fd);
	close_fd(q->call_fd);
}

void
link_close(struct link *l)
{
	if (l == NULL)
		return;
	chardev_close(&l->dev);
	for (uint32_t i = 0; i < RTE_DIM(l->queue); i++)
		end_queue(&l->queue[i]);
	end_queue(&l->ctrl);
	close_fd(l->config_fd);
	close_fd(l->memfd);
	if (l->mem != NULL)
		munmap(l->mem, l->size);
	free(l);
}
