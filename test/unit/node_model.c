/* SPDX-License-Identifier: BSD-3-Clause */
#include "node_model.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <cmocka.h>

#include "base/irq.h"
#include "vdev/vdev.h"

#define DRIVER_OK 0xf

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
atomic_bool slow;

struct node_model k;

void
model_lock(void)
{
	pthread_mutex_lock(&lock);
}

void
model_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

static int
refuse(int error)
{
	errno = error;
	return -1;
}

static uint8_t *
at(uint64_t iova)
{
	assert_in_range(iova, k.region.iova, k.region.iova + k.region.size - 1);
	return (uint8_t *)(uintptr_t)(k.region.uaddr + iova - k.region.iova);
}

static enum vq_layout
layout(void)
{
	return k.features & VDEV_F(RING_PACKED) ? VQ_PACKED : VQ_SPLIT;
}

/** The device's rings begin at the positions that were said. */
static void
device_start(void)
{
	for (int i = 0; i < 2; i++) {
		const struct vq_setup s = {
			.layout = layout(),
			.size = (uint16_t)k.ring[i].num,
			.features = k.features,
			.tx = i == 0,
			.desc = at(k.ring[i].addr.desc_user_addr),
			.driver = at(k.ring[i].addr.avail_user_addr),
			.device = at(k.ring[i].addr.used_user_addr),
			.kick_fd = -1,
			.irq = k.ring[i].irq,
			.mem = &k.mem,
			.host = &k.host,
			.state = vq_state_from_word(layout(), k.ring[i].base),
		};

		assert_int_equal(vq_start(k.ring[i].vq, &s), 0);
	}
	k.live = true;
}

static void
device_stop(void)
{
	for (int i = 0; i < 2 && k.live; i++) {
		const struct vq_state s = vq_stop(k.ring[i].vq);

		k.ring[i].base = vq_state_to_word(layout(), &s);
	}
	k.live = false;
}

void
device_run(void)
{
	static struct pkt_batch batch;
	struct pkt *out[PKT_BATCH_MAX];
	struct pktq *in, *to;

	pthread_mutex_lock(&lock);
	if (k.live && !k.stuck) {
		in = &k.ring[1].vq->q;
		to = &k.ring[0].vq->q;
		batch.max = 8;
		batch.left = 0;
		if (pktq_ops(in)->rx(in, &batch) != 0) {
			for (uint16_t i = 0; i < batch.n; i++)
				out[i] = &batch.pkt[i];
			pktq_ops(to)->tx(to, out, batch.n);
			k.moved += batch.n;
			pktq_ops(in)->rx_done(in, &batch);
		}
	}
	pthread_mutex_unlock(&lock);
}

static int
on_status(const uint8_t *status)
{
	if ((k.status & ~*status) != 0 && *status != 0)
		return refuse(EINVAL);
	if (*status == 0) {
		device_stop();
		k.suspended = false;
		k.resets++;
	}
	k.status = *status;
	if (*status == DRIVER_OK) {
		/* few devices are told of a ring that is enabled later */
		assert_true(k.ring[0].enabled && k.ring[1].enabled);
		device_start();
	}
	return 0;
}

static int
on_features(const uint64_t *f)
{
	if (k.status & VIRTIO_CONFIG_S_FEATURES_OK)
		return refuse(EBUSY);
	if (*f & ~k.offered || !(*f & BIT(VIRTIO_F_ACCESS_PLATFORM)))
		return refuse(EINVAL);
	k.features = *f;
	return 0;
}

static void
set_call(uint32_t i, int fd)
{
	struct irq *old = k.ring[i].irq;

	k.ring[i].irq = fd >= 0 ? irq_of_eventfd(NULL, dup(fd)) : NULL;
	if (k.live)
		vq_set_irq(k.ring[i].vq, k.ring[i].irq);
	irq_free(old);
}

static int
on_ring(unsigned long request, void *arg)
{
	struct vhost_vring_state *s = arg;
	const bool moves = (k.status & VIRTIO_CONFIG_S_DRIVER_OK) && !k.suspended;

	if (s->index > 1)
		return refuse(ENOBUFS);
	if (!(k.status & VIRTIO_CONFIG_S_FEATURES_OK))
		return refuse(EINVAL);
	if (request == VHOST_SET_VRING_NUM) {
		assert_false(k.status & VIRTIO_CONFIG_S_DRIVER_OK);
		k.ring[s->index].num = s->num;
	} else if (request == VHOST_SET_VRING_BASE) {
		if (moves)
			return refuse(EINVAL);
		k.ring[s->index].base = s->num;
	} else if (request == VHOST_GET_VRING_BASE) {
		assert_true(k.suspended);
		s->num = k.ring[s->index].base;
	} else if (request == VHOST_SET_VRING_ADDR) {
		if (moves)
			return refuse(EINVAL);
		k.ring[s->index].addr = *(const struct vhost_vring_addr *)arg;
	} else if (request == VHOST_SET_VRING_KICK) {
		k.ring[s->index].kick = (int)s->num;
	} else if (request == VHOST_SET_VRING_CALL) {
		set_call(s->index, (int)s->num);
	} else {
		assert_int_equal(request, VHOST_VDPA_SET_VRING_ENABLE);
		assert_false(k.status & VIRTIO_CONFIG_S_DRIVER_OK);
		k.ring[s->index].enabled = s->num;
	}
	return 0;
}

static int
on_suspend(bool stand)
{
	if (!(k.backend_set & BIT(stand ? 4 : 5)))
		return refuse(EOPNOTSUPP);
	assert_true(k.status & VIRTIO_CONFIG_S_DRIVER_OK);
	if (stand)
		device_stop();
	else
		device_start();
	k.suspended = stand;
	k.resumes += !stand;
	return 0;
}

static int
answer(unsigned long request, void *arg)
{
	switch (request) {
	case VHOST_VDPA_GET_DEVICE_ID:
		*(uint32_t *)arg = 1;
		return 0;
	case VHOST_SET_OWNER:
		return 0;
	case VHOST_GET_FEATURES:
		*(uint64_t *)arg = k.offered;
		return 0;
	case VHOST_SET_FEATURES:
		return on_features(arg);
	case VHOST_GET_BACKEND_FEATURES:
		*(uint64_t *)arg = k.backend;
		return 0;
	case VHOST_SET_BACKEND_FEATURES:
		k.backend_set = *(uint64_t *)arg;
		return k.backend_set & ~k.backend ? refuse(EOPNOTSUPP) : 0;
	case VHOST_VDPA_GET_IOVA_RANGE:
		*(struct vhost_vdpa_iova_range *)arg = k.range;
		return 0;
	case VHOST_VDPA_GET_VRING_NUM:
		*(uint16_t *)arg = RING_MAX;
		return 0;
	case VHOST_VDPA_GET_VQS_COUNT:
		*(uint32_t *)arg = 2;
		return 0;
	case VHOST_VDPA_GET_CONFIG_SIZE:
		*(uint32_t *)arg = sizeof(struct virtio_net_config);
		return 0;
	case VHOST_VDPA_GET_STATUS:
		*(uint8_t *)arg = k.status | (k.needs_reset ? CHARDEV_NEEDS_RESET : 0);
		return 0;
	case VHOST_VDPA_SET_STATUS:
		return on_status(arg);
	case VHOST_VDPA_SUSPEND:
	case VDPA_RESUME:
		return on_suspend(request == VHOST_VDPA_SUSPEND);
	default:
		return on_ring(request, arg);
	}
}

/** Whether this request is the one that is to fail. */
static bool
fails(unsigned long request)
{
	if (k.request != request || k.nth == 0 || --k.nth != 0)
		return false;
	k.failed = true;
	return true;
}

static int
model_ioctl(int fd, unsigned long request, void *arg)
{
	int ret, error;

	while (request == VHOST_VDPA_SET_STATUS && *(uint8_t *)arg == 0 && atomic_load(&slow))
		usleep(1000);
	pthread_mutex_lock(&lock);
	ret = fails(request) ? refuse(k.error) : answer(request, arg);
	error = errno;
	pthread_mutex_unlock(&lock);
	errno = error;
	return ret;
}

static ssize_t
model_write(int fd, const void *buf, size_t len)
{
	const struct vhost_msg_v2 *m = buf;
	ssize_t ret = (ssize_t)len;

	pthread_mutex_lock(&lock);
	if (fails(WRITE))
		ret = refuse(k.error);
	else if (m->iotlb.type == VHOST_IOTLB_BATCH_END)
		k.batches++;
	else if (m->iotlb.type == VHOST_IOTLB_UPDATE) {
		assert_int_equal((m->iotlb.iova | m->iotlb.size | m->iotlb.uaddr) % 4096, 0);
		k.region = m->iotlb;
		k.updates++;
	}
	pthread_mutex_unlock(&lock);
	return ret;
}

static int
model_open(const char *path)
{
	int fd;

	assert_string_equal(path, PATH);
	pthread_mutex_lock(&lock);
	device_stop();
	k.status = 0;
	k.opens++;
	if (fails(OPEN))
		fd = refuse(k.error);
	else
		fd = k.gone ? refuse(ENOENT) : eventfd(0, EFD_CLOEXEC);
	pthread_mutex_unlock(&lock);
	return fd;
}

static bool
model_there(const char *path)
{
	bool there;

	pthread_mutex_lock(&lock);
	there = !k.gone;
	pthread_mutex_unlock(&lock);
	return there;
}

const struct chardev_sys model = {model_open, model_ioctl, model_write, model_there};

void
fail_at(const struct failure *f)
{
	pthread_mutex_lock(&lock);
	k.request = f->request;
	k.nth = f->nth;
	k.error = EIO;
	k.failed = false;
	pthread_mutex_unlock(&lock);
}

bool
has_failed(void)
{
	bool yes;

	pthread_mutex_lock(&lock);
	yes = k.failed;
	pthread_mutex_unlock(&lock);
	return yes;
}
