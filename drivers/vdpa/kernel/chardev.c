/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: a lane. */
#include "vdpa/kernel/chardev.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BACKEND(bit) (UINT64_C(1) << (bit))
#define BACKEND_F_RESUME 0x5                /* Linux 6.3 */
#define VDPA_RESUME _IO(VHOST_VIRTIO, 0x7E) /* likewise */
#define BACKEND_WANTED                                                                  \
	(BACKEND(VHOST_BACKEND_F_IOTLB_MSG_V2) | BACKEND(VHOST_BACKEND_F_IOTLB_BATCH) | \
	 BACKEND(VHOST_BACKEND_F_IOTLB_ASID) | BACKEND(VHOST_BACKEND_F_SUSPEND) |       \
	 BACKEND(BACKEND_F_RESUME))
#define QUEUES_OLD 2 /* of kernels that cannot say how many there are */

static int
kernel_open(const char *path)
{
	return open(path, O_RDWR | O_CLOEXEC);
}

static int
kernel_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg);
}

static bool
kernel_there(const char *path)
{
	return access(path, F_OK) == 0;
}

static const struct chardev_sys kernel = {kernel_open, kernel_ioctl, write, kernel_there};

bool
chardev_is_path(const char *path)
{
	return strncmp(path, CHARDEV_PREFIX, sizeof(CHARDEV_PREFIX) - 1) == 0;
}

static int
fail(struct chardev *c, int error, const char *message)
{
	snprintf(c->err, sizeof(c->err), "%s: %s", message, strerror(error));
	return -error;
}

static int
call(struct chardev *c, unsigned long request, void *arg, const char *name)
{
	return c->sys->ioctl(c->fd, request, arg) < 0 ? fail(c, errno, name) : 0;
}

#define CALL(c, request, arg) call((c), (request), (arg), #request)

/* --- what it is --- */

static int
set_status(struct chardev *c, uint8_t status)
{
	int ret = CALL(c, VHOST_VDPA_SET_STATUS, &status);

	if (ret == 0)
		c->status = status;
	return ret;
}

int
chardev_status(struct chardev *c)
{
	return CALL(c, VHOST_VDPA_GET_STATUS, &c->status);
}

static int
agree_backend(struct chardev *c)
{
	int ret = CALL(c, VHOST_GET_BACKEND_FEATURES, &c->backend);

	c->backend &= BACKEND_WANTED;
	if (ret == 0 && !(c->backend & BACKEND(VHOST_BACKEND_F_IOTLB_MSG_V2)))
		return fail(c, EOPNOTSUPP, "the kernel takes no messages about memory");
	return ret != 0 ? ret : CALL(c, VHOST_SET_BACKEND_FEATURES, &c->backend);
}

/** A kernel without address spaces, or a device of one, says no number. */
static void
read_spaces(struct chardev *c)
{
	c->ngroups = c->nspaces = 1;
	if (!(c->backend & BACKEND(VHOST_BACKEND_F_IOTLB_ASID)))
		return;
	if (CALL(c, VHOST_VDPA_GET_GROUP_NUM, &c->ngroups) != 0 ||
	    CALL(c, VHOST_VDPA_GET_AS_NUM, &c->nspaces) != 0)
		c->ngroups = c->nspaces = 1;
}

static int
read_limits(struct chardev *c)
{
	struct vhost_vdpa_iova_range range;
	int ret = CALL(c, VHOST_VDPA_GET_IOVA_RANGE, &range);

	if (ret == 0)
		ret = CALL(c, VHOST_VDPA_GET_VRING_NUM, &c->ring_max);
	if (ret == 0)
		ret = CALL(c, VHOST_VDPA_GET_CONFIG_SIZE, &c->config_size);
	if (ret == 0 && CALL(c, VHOST_VDPA_GET_VQS_COUNT, &c->nqueues) != 0)
		c->nqueues = QUEUES_OLD;
	if (ret != 0)
		return ret;
	read_spaces(c);
	c->iova_first = range.first;
	c->iova_last = range.last;
	return 0;
}

static int
identify(struct chardev *c)
{
	uint32_t id;
	int ret = CALL(c, VHOST_VDPA_GET_DEVICE_ID, &id);

	if (ret == 0 && id != VIRTIO_ID_NET)
		return fail(c, ENODEV, "it is no network device");
	if (ret == 0)
		ret = CALL(c, VHOST_SET_OWNER, NULL);
	if (ret == 0)
		ret = set_status(c, 0);
	if (ret == 0)
		ret = CALL(c, VHOST_GET_FEATURES, &c->offered);
	if (ret == 0)
		ret = agree_backend(c);
	return ret != 0 ? ret : read_limits(c);
}

int
chardev_open(struct chardev *c, const char *path, const struct chardev_sys *sys)
{
	int ret;

	*c = (struct chardev){.sys = sys != NULL ? sys : &kernel};
	c->fd = c->sys->open(path);
	if (c->fd < 0)
		return fail(c, errno, path);
	c->open = true;
	ret = identify(c);
	if (ret != 0)
		chardev_close(c);
	return ret;
}

void
chardev_close(struct chardev *c)
{
	if (c->open)
		close(c->fd);
	c->open = false;
}

int
chardev_negotiate(struct chardev *c, uint64_t features)
{
	int ret = set_status(c, VIRTIO_CONFIG_S_ACKNOWLEDGE);

	if (ret == 0)
		ret = set_status(c, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	if (ret == 0)
		ret = CALL(c, VHOST_SET_FEATURES, &features);
	if (ret == 0)
		ret = set_status(c, c->status | VIRTIO_CONFIG_S_FEATURES_OK);
	if (ret == 0)
		ret = chardev_status(c);
	if (ret == 0 && !(c->status & VIRTIO_CONFIG_S_FEATURES_OK))
		return fail(c, EPROTO, "the device does not accept these features");
	if (ret == 0)
		c->features = features;
	return ret;
}

/* --- memory --- */

static int
say_memory(struct chardev *c, uint32_t space, uint8_t type, const struct chardev_region *r)
{
	struct vhost_msg_v2 m;
	ssize_t n;

	memset(&m, 0, sizeof(m));
	m.type = VHOST_IOTLB_MSG_V2;
	m.asid = space;
	m.iotlb.type = type;
	if (r != NULL) {
		m.iotlb.iova = r->iova;
		m.iotlb.size = r->size;
		m.iotlb.uaddr = (uint64_t)(uintptr_t)r->at;
		m.iotlb.perm = VHOST_ACCESS_RW;
	}
	n = c->sys->write(c->fd, &m, sizeof(m));
	if (n == (ssize_t)sizeof(m))
		return 0;
	/* a short write sets no errno */
	return fail(c, n < 0 ? errno : EIO, "memory cannot be mapped for the device");
}

int
chardev_map(struct chardev *c, uint32_t space, const struct chardev_region *r, uint32_t n)
{
	const bool batch = c->backend & BACKEND(VHOST_BACKEND_F_IOTLB_BATCH);
	int end, ret = batch ? say_memory(c, space, VHOST_IOTLB_BATCH_BEGIN, NULL) : 0;
	uint32_t i;

	for (i = 0; i < n && ret == 0; i++)
		ret = say_memory(c, space, VHOST_IOTLB_UPDATE, &r[i]);
	end = batch ? say_memory(c, space, VHOST_IOTLB_BATCH_END, NULL) : 0;
	return ret != 0 ? ret : end;
}

static bool
group_of(struct chardev *c, uint32_t i, uint32_t *group)
{
	struct vhost_vring_state s = {.index = i};

	if (CALL(c, VHOST_VDPA_GET_VRING_GROUP, &s) != 0)
		return false;
	*group = s.num;
	return true;
}

bool
chardev_set_apart(struct chardev *c, uint32_t i, uint32_t n, uint32_t space)
{
	struct vhost_vring_state s = {.num = space};
	uint32_t other;

	if (c->ngroups < 2 || space >= c->nspaces || !group_of(c, i, &s.index))
		return false;
	for (uint32_t k = 0; k < n; k++)
		if (!group_of(c, k, &other) || other == s.index)
			return false;
	return CALL(c, VHOST_VDPA_SET_GROUP_ASID, &s) == 0;
}

/* --- rings --- */

static int
set_file(struct chardev *c, unsigned long request, const struct vhost_vring_file *f)
{
	struct vhost_vring_file copy = *f;

	return call(c, request, &copy, "the eventfd of a ring");
}

int
chardev_call(struct chardev *c, uint32_t i, int fd)
{
	return set_file(c, VHOST_SET_VRING_CALL, &(struct vhost_vring_file){i, fd});
}

static int
set_eventfds(struct chardev *c, uint32_t i, const struct chardev_ring *r)
{
	int ret = chardev_call(c, i, r->call_fd);

	return ret != 0 ? ret
			: set_file(c, VHOST_SET_VRING_KICK,
				   &(struct vhost_vring_file){i, r->kick_fd});
}

int
chardev_ring(struct chardev *c, uint32_t i, const struct chardev_ring *r)
{
	struct vhost_vring_state num = {i, r->size}, base = {i, r->base};
	struct vhost_vring_addr addr = {
		.index = i,
		.desc_user_addr = r->desc,
		.avail_user_addr = r->driver,
		.used_user_addr = r->device,
	};
	int ret = CALL(c, VHOST_SET_VRING_NUM, &num);

	if (ret == 0)
		ret = CALL(c, VHOST_SET_VRING_BASE, &base);
	if (ret == 0)
		ret = CALL(c, VHOST_SET_VRING_ADDR, &addr);
	return ret == 0 ? set_eventfds(c, i, r) : ret;
}

int
chardev_ring_again(struct chardev *c, uint32_t i, const struct chardev_ring *r)
{
	struct vhost_vring_state base = {i, r->base};
	int ret = CALL(c, VHOST_SET_VRING_BASE, &base);

	return ret == 0 ? set_eventfds(c, i, r) : ret;
}

int
chardev_get_base(struct chardev *c, uint32_t i, uint32_t *base)
{
	struct vhost_vring_state s = {.index = i};
	int ret = CALL(c, VHOST_GET_VRING_BASE, &s);

	if (ret == 0)
		*base = s.num;
	return ret;
}

int
chardev_enable(struct chardev *c, uint32_t i, bool on)
{
	struct vhost_vring_state s = {i, on};

	return CALL(c, VHOST_VDPA_SET_VRING_ENABLE, &s);
}

int
chardev_go(struct chardev *c)
{
	return set_status(c, c->status | VIRTIO_CONFIG_S_DRIVER_OK);
}

/* --- stopping --- */

bool
chardev_can_suspend(const struct chardev *c)
{
	return c->backend & BACKEND(VHOST_BACKEND_F_SUSPEND);
}

bool
chardev_can_resume(const struct chardev *c)
{
	return chardev_can_suspend(c) && (c->backend & BACKEND(BACKEND_F_RESUME));
}

int
chardev_suspend(struct chardev *c)
{
	return CALL(c, VHOST_VDPA_SUSPEND, NULL);
}

int
chardev_resume(struct chardev *c)
{
	return CALL(c, VDPA_RESUME, NULL);
}

int
chardev_reset(struct chardev *c)
{
	return set_status(c, 0);
}

bool
chardev_is_there(const struct chardev *c, const char *path)
{
	return c->sys->there == NULL || c->sys->there(path);
}

/* --- configuration --- */

int
chardev_config(struct chardev *c, uint32_t offset, void *buf, uint32_t len)
{
	struct vhost_vdpa_config *v = calloc(1, sizeof(*v) + len);
	int ret;

	if (v == NULL)
		return fail(c, ENOMEM, "configuration");
	v->off = offset;
	v->len = len;
	ret = CALL(c, VHOST_VDPA_GET_CONFIG, v);
	if (ret == 0)
		memcpy(buf, v->buf, len);
	free(v);
	return ret;
}

int
chardev_config_call(struct chardev *c, int fd)
{
	return CALL(c, VHOST_VDPA_SET_CONFIG_CALL, &fd);
}
