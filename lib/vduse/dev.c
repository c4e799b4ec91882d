/* SPDX-License-Identifier: BSD-3-Clause */
/* The device node: made, found, told of rings and config space. */
#include "vduse/dev.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <bsd/string.h>

#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_ether.h>

#include "base/irq.h"
#include "vdev/netcfg.h"
#include "vduse/kernel.h"

#define ID_NET 1
#define RING_ALIGN 4096

/* Set up by control commands, but queue pairs; of legacy devices; of vhost-user. */
#define BIT(n) (UINT64_C(1) << (n))
#define PAIRS (BIT(VIRTIO_NET_F_CTRL_VQ) | VDEV_F(NET_MQ))
#define NEVER                                                                                  \
	(BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_CTRL_RX) | BIT(VIRTIO_NET_F_CTRL_VLAN) | \
	 BIT(VIRTIO_NET_F_CTRL_RX_EXTRA) | BIT(VIRTIO_NET_F_GUEST_ANNOUNCE) |                  \
	 BIT(VIRTIO_NET_F_MQ) | BIT(VIRTIO_NET_F_CTRL_MAC_ADDR) | BIT(24) | BIT(27) |          \
	 VDEV_F(LOG_ALL) | VDEV_F(PROTOCOL_FEATURES))

bool
vduse_is_path(const char *path)
{
	return strncmp(path, VDUSE_DIR, strlen(VDUSE_DIR)) == 0;
}

uint64_t
vduse_features(uint64_t features)
{
	return (features & ~NEVER) | VDEV_F(VERSION_1) | VDEV_F(ACCESS_PLATFORM) |
	       BIT(VIRTIO_NET_F_STATUS);
}

const char *
vduse_features_why(uint64_t features)
{
	if ((features & VDEV_F(NET_MQ)) && !(features & BIT(VIRTIO_NET_F_CTRL_VQ)))
		return "several queue pairs without a control queue";
	return NULL;
}

static void
read_config(const struct vduse *v, struct virtio_net_config *c)
{
	memset(c, 0, sizeof(*c));
	vdev_config_read(v->dev, 0, sizeof(*c), (uint8_t *)c);
	c->max_virtqueue_pairs = rte_cpu_to_le_16((uint16_t)v->pairs);
	/* the kernel has no DEVICE_NEEDS_RESET */
	if (v->ctrl.broken)
		c->status &= (uint16_t)~rte_cpu_to_le_16(VIRTIO_NET_S_LINK_UP);
	/* a driver that was offered an MTU refuses a device that has none any more */
	if (c->mtu == 0)
		c->mtu = rte_cpu_to_le_16(RTE_ETHER_MTU);
}

/** The newest version of the API that both know; whether it has queue groups. */
static bool
take_version(struct vduse *v, int ctl)
{
	uint64_t version = VDUSE_K_API_GROUPS;

	if (v->sys->ioctl(ctl, VDUSE_SET_API_VERSION, &version) == 0)
		return true;
	version = 0;
	v->sys->ioctl(ctl, VDUSE_SET_API_VERSION, &version);
	return false;
}

/** Have newer kernels say more than older ones do. */
static void
take_interface(struct vduse *v, int ctl)
{
	uint64_t features = 0;

	if (v->sys->ioctl(ctl, VDUSE_K_GET_FEATURES, &features) < 0)
		return;
	features &= VDUSE_K_F_QUEUE_READY | VDUSE_K_F_SUSPEND;
	if (features != 0 && v->sys->ioctl(ctl, VDUSE_K_SET_FEATURES, &features) == 0)
		v->told = features;
}

const char vduse_few_refused[] =
	"the kernel refuses a control queue, which several queue pairs need";
const char vduse_few_made[] = "the device was made with fewer queue pairs";

bool
vduse_set_shape(struct vduse *v, uint32_t pairs, bool control, const char *few)
{
	const uint32_t most = v->dev->cfg.queue_pairs;

	if (pairs == 0 || pairs > most || (pairs > 1 && !control))
		return false;
	v->pairs = pairs;
	v->control = control;
	v->few = pairs == most ? NULL : few;
	v->dev->cfg.features &= ~PAIRS;
	if (control)
		v->dev->cfg.features |= PAIRS;
	return true;
}

bool
vduse_find_shape(struct vduse *v)
{
	struct vduse_vq_info info = {.index = 0};
	uint32_t n = 0;

	while (n <= VDUSE_QUEUES_MAX && v->sys->ioctl(v->fd, VDUSE_VQ_GET_INFO, &info) == 0)
		info = (struct vduse_vq_info){.index = ++n};
	/* the kernel has given it up, and answers no question: the gate finds that */
	if (n == 0)
		return vduse_set_shape(v, 1, false, vduse_few_made);
	return vduse_set_shape(v, n / 2, n % 2 != 0, vduse_few_made);
}

/** With the shape that the device is to have; 0 or -errno. */
static int
create_at(struct vduse *v, int ctl)
{
	struct vduse_k_config *c = calloc(1, sizeof(*c) + sizeof(v->config));
	int ret;

	if (c == NULL)
		return -ENOMEM;
	read_config(v, &v->config);
	strlcpy(c->name, v->name, sizeof(c->name));
	c->device_id = ID_NET;
	c->features = vdev_features_offered(v->dev);
	c->vq_num = vduse_nqueues(v);
	c->vq_align = RING_ALIGN;
	c->config_size = sizeof(v->config);
	memcpy(c->config, &v->config, sizeof(v->config));
	v->groups = take_version(v, ctl);
	if (v->groups) {
		c->ngroups = vduse_ngroups(v);
		c->nas = VDUSE_SPACES;
	}
	take_interface(v, ctl);
	ret = v->sys->ioctl(ctl, VDUSE_CREATE_DEV, c) < 0 ? -errno : 0;
	free(c);
	return ret;
}

static int
create(struct vduse *v, char *err, size_t errlen)
{
	int ret, ctl = v->sys->open(VDUSE_DIR "control");

	if (ctl < 0) {
		ret = -errno;
		snprintf(err, errlen, VDUSE_DIR "control: %s%s", strerror(-ret),
			 ret == -ENOENT ? ": the kernel module vduse is not loaded" : "");
		return ret;
	}
	vduse_set_shape(v, v->dev->cfg.queue_pairs, v->dev->cfg.queue_pairs > 1, NULL);
	ret = create_at(v, ctl);
	/* kernels do not say whether they take a control queue: others call it invalid */
	if (ret == -EINVAL && v->control) {
		vduse_set_shape(v, 1, false, vduse_few_refused);
		ret = create_at(v, ctl);
	}
	if (ret == 0 && v->few != NULL)
		log_peer(&v->dev->log_limit, v->dev->name, "%s: one queue pair: %s", v->path,
			 v->few);
	close(ctl);
	if (ret != 0)
		snprintf(err, errlen, "%s cannot be created: %s%s", v->path, strerror(-ret),
			 ret == -EPERM ? ": CAP_NET_ADMIN is missing" : "");
	return ret;
}

static int
setup_queues(struct vduse *v)
{
	const uint32_t n = vduse_nqueues(v);

	for (uint32_t i = 0; i < n; i++) {
		struct vduse_k_vq c = {.index = i, .max_size = VDUSE_RING_SIZE};

		if (v->groups && i == 2 * v->pairs)
			c.group = VDUSE_CTRL;

		if (v->sys->ioctl(v->fd, VDUSE_VQ_SETUP, &c) < 0)
			return -errno;
	}
	return 0;
}

int
vduse_destroy(const struct vduse_sys *sys, const char *name)
{
	char buf[VDUSE_NAME_MAX] = "";
	int ret, ctl = sys->open(VDUSE_DIR "control");

	if (ctl < 0)
		return -errno;
	strlcpy(buf, name, sizeof(buf));
	ret = sys->ioctl(ctl, VDUSE_DESTROY_DEV, buf) < 0 ? -errno : 0;
	close(ctl);
	return ret;
}

int
vduse_open(struct vduse *v, bool *adopted, char *err, size_t errlen)
{
	int ret;

	/* one that no driver and no process has is half made, or has other options */
	vduse_destroy(v->sys, v->name);
	v->fd = v->sys->open(v->path);
	*adopted = v->fd >= 0;
	if (!*adopted && errno == ENOENT) {
		ret = create(v, err, errlen);
		if (ret != 0)
			return ret;
		v->fd = v->sys->open(v->path);
	}
	if (v->fd < 0) {
		ret = -errno;
		snprintf(err, errlen, "%s: %s%s", v->path, strerror(-ret),
			 ret == -EBUSY    ? ": another process serves it"
			 : ret == -ENOENT ? ": the device is there, its node is not (devtmpfs)"
					  : "");
		return ret;
	}
	ret = *adopted ? 0 : setup_queues(v);
	if (ret != 0)
		snprintf(err, errlen, "%s: rings cannot be set up: %s", v->path, strerror(-ret));
	return ret;
}

void
vduse_close(struct vduse *v)
{
	vduse_queues_forget(v);
	if (v->fd >= 0)
		close(v->fd);
	v->fd = -1;
	if (!v->closed)
		vduse_destroy(v->sys, v->name);
}

/* --- config space --- */

static void
inject_config_irq(struct vduse *v)
{
	/* refused until the kernel has our answer to DRIVER_OK */
	v->config_irq_due = v->sys->ioctl(v->fd, VDUSE_DEV_INJECT_CONFIG_IRQ, NULL) < 0;
}

void
vduse_config_update(struct vduse *v)
{
	union {
		struct vduse_config_data d;
		uint8_t room[sizeof(struct vduse_config_data) + sizeof(v->config)];
	} c = {.d = {.length = sizeof(v->config)}};
	struct virtio_net_config now;

	if (v->fd < 0 || v->asleep)
		return;
	read_config(v, &now);
	if (memcmp(&now, &v->config, sizeof(now)) != 0) {
		memcpy(c.room + sizeof(c.d), &now, sizeof(now));
		if (v->sys->ioctl(v->fd, VDUSE_DEV_SET_CONFIG, &c) < 0)
			return;
		v->config = now;
		v->config_irq_due = true;
	}
	if (v->config_irq_due && v->started)
		inject_config_irq(v);
}

/* --- rings --- */

/** An ioctl for each interrupt, which may wait in the kernel. */
int
vduse_queue_set_irq(struct vduse_queue *q)
{
	const struct vduse *v = q->v;
	struct irq *irq;
	int fd = fcntl(v->fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	irq = irq_of_ioctl(v->dev->irqs, v->sys->ioctl, fd, VDUSE_VQ_INJECT_IRQ, q->index);
	return irq == NULL ? -ENOMEM : vdev_vq_set_irq(v->dev, q->index, irq);
}

/** The kernel's kicks: an eventfd that it and the workers share. 0 or -errno. */
static int
queue_set_kick(struct vduse_queue *q)
{
	struct vduse_vq_eventfd e = {.index = q->index,
				     .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
	int ret;

	if (e.fd < 0)
		return -errno;
	ret = q->v->sys->ioctl(q->v->fd, VDUSE_VQ_SETUP_KICKFD, &e);
	if (ret < 0) {
		ret = -errno;
		close(e.fd);
		return ret;
	}
	return vdev_vq_set_kick(q->v->dev, q->index, e.fd);
}

struct vq_state
vduse_state_of(const struct vduse *v, const struct vduse_vq_info *info)
{
	if (!(v->dev->features & VDEV_F(RING_PACKED)))
		return (struct vq_state){.avail = info->split.avail_index,
					 .used = info->split.avail_index};
	return (struct vq_state){
		.avail = info->packed.last_avail_idx,
		.used = info->packed.last_used_idx,
		.avail_wrap = info->packed.last_avail_counter,
		.used_wrap = info->packed.last_used_counter,
	};
}

/** Whether the driver has described another ring, or the same at another position. */
static bool
is_another(const struct vduse_vq_info *a, const struct vduse_vq_info *b)
{
	return a->num != b->num || a->desc_addr != b->desc_addr ||
	       a->driver_addr != b->driver_addr || a->device_addr != b->device_addr ||
	       memcmp(&a->packed, &b->packed, sizeof(a->packed)) != 0;
}

static int
queue_describe(struct vduse_queue *q, const struct vduse_vq_info *info)
{
	const struct vq_state state = vduse_state_of(q->v, info);
	struct vdev *d = q->v->dev;
	int ret = vdev_vq_set_num(d, q->index, info->num);

	if (ret == 0)
		ret = vdev_vq_set_addr(d, q->index, info->desc_addr, info->driver_addr,
				       info->device_addr, 0, 0);
	if (ret == 0)
		ret = vdev_vq_set_state(d, q->index, &state);
	if (ret == 0 && !q->loaded)
		ret = vduse_queue_set_irq(q);
	return ret == 0 && !q->loaded ? queue_set_kick(q) : ret;
}

/** A ring that is ready again goes on from where it stood, unless the driver says otherwise. */
static void
queue_ready(struct vduse_queue *q, const struct vduse_vq_info *info)
{
	struct vdev *d = q->v->dev;
	int ret = 0;

	if (!q->loaded || is_another(&q->info, info))
		ret = queue_describe(q, info);
	if (ret == 0)
		ret = vdev_vq_set_ready(d, q->index);
	if (ret != 0)
		log_peer(&d->log_limit, d->name, "ring %u of %u entries is refused", q->index,
			 info->num);
	q->loaded = true;
}

bool
vduse_queue_set(struct vduse *v, const struct vduse_vq_info *info)
{
	struct vduse_queue *q = &v->q[info->index];

	if (q->info.ready == info->ready || (v->suspended && info->ready))
		return false;
	if (info->ready)
		vduse_record_fact(v, RECORD_RING, info, sizeof(*info), -1);
	if (vduse_is_ctrl(v, info->index) && info->ready) {
		vduse_ctrl_ready(v, info, !q->loaded || is_another(&q->info, info));
		q->loaded = true;
	} else if (vduse_is_ctrl(v, info->index)) {
		vduse_ctrl_unready(v);
	} else if (info->ready) {
		queue_ready(q, info);
	} else {
		vdev_pause(v->dev);
		vdev_vq_clear_ready(v->dev, q->index);
	}
	q->info = *info;
	return true;
}

bool
vduse_queue_load(struct vduse *v, uint32_t i)
{
	struct vduse_vq_info info = {.index = i};

	if (v->sys->ioctl(v->fd, VDUSE_VQ_GET_INFO, &info) < 0)
		return false;
	info.ready = info.ready != 0;
	return vduse_queue_set(v, &info);
}

bool
vduse_queue_same(const struct vduse *v, uint32_t i)
{
	struct vduse_vq_info info = {.index = i};

	return v->sys->ioctl(v->fd, VDUSE_VQ_GET_INFO, &info) < 0 ||
	       !is_another(&v->q[i].info, &info);
}

void
vduse_queues_forget(struct vduse *v)
{
	vduse_ctrl_forget(v);
	for (uint32_t i = 0; i < VDUSE_QUEUES_MAX; i++) {
		v->q[i].loaded = false;
		v->q[i].info = (struct vduse_vq_info){0};
	}
}
