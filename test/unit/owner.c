/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/lane.h"
#include "owner.h"

static void
on_publish(struct vdev *d)
{
	struct owner *o = d->cfg.ctx;
	uint32_t p;

	o->publishes++;
	for (p = 0; p < OWNER_PAIRS; p++) {
		o->rx[p] = vdev_rx_queue(d, p, &o->rx_enabled[p]);
		o->tx[p] = vdev_tx_queue(d, p, &o->tx_enabled[p]);
	}
}

static void
on_grace(struct vdev *d)
{
	struct owner *o = d->cfg.ctx;

	o->graces++;
}

static void
on_wake(struct vdev *d)
{
	struct owner *o = d->cfg.ctx;

	o->wakes++;
}

static void
on_rarp(struct vdev *d, const uint8_t mac[6])
{
	struct owner *o = d->cfg.ctx;

	o->rarps++;
	memcpy(o->mac, mac, sizeof(o->mac));
}

static bool
on_miss(struct transport *t, uint64_t iova, uint32_t perm)
{
	struct owner *o = container_of(t, struct owner, transport);

	if (o->deaf)
		return false;
	o->misses++;
	o->miss_iova = iova;
	o->miss_perm = perm;
	return true;
}

const struct vdev_ops owner_ops = {
	.publish = on_publish,
	.grace = on_grace,
	.wake = on_wake,
	.rarp = on_rarp,
};

static enum vdev_space
space(const struct transport *t, uint64_t features)
{
	return (features & F(ACCESS_PLATFORM)) ? VDEV_SPACE_IOVA : VDEV_SPACE_FRONTEND;
}

static const struct transport_ops owner_transport = {
	.name = "test",
	.space = space,
	.translate = on_miss,
};

void
owner_connect(struct owner *o)
{
	o->transport.ops = &owner_transport;
	vdev_connect(o->d, &o->transport);
}

static void
new_device(struct owner *o, const char *state_path)
{
	const struct vdev_config cfg = {
		.name = "test",
		.queue_pairs = OWNER_PAIRS,
		.features = vdev_features_all(),
		.state_path = state_path,
		.loop = o->loop,
		.ops = &owner_ops,
		.ctx = o,
	};

	o->d = vdev_new(&cfg);
	assert(o->d != NULL);
	owner_connect(o);
}

void
owner_init(struct owner *o, const char *state_path)
{
	*o = (struct owner){.loop = ev_loop_new()};
	assert(o->loop != NULL);
	o->memfd = memfd_create("guest", MFD_CLOEXEC);
	if (o->memfd < 0 || ftruncate(o->memfd, OWNER_MEM) != 0)
		abort();
	o->mem = mmap(NULL, OWNER_MEM, PROT_READ | PROT_WRITE, MAP_SHARED, o->memfd, 0);
	assert(o->mem != MAP_FAILED);
	new_device(o, state_path);
}

void
owner_restart(struct owner *o, const char *state_path)
{
	vdev_free(o->d, true);
	ev_run_once(o->loop, 0);
	new_device(o, state_path);
}

void
owner_fini(struct owner *o)
{
	vdev_free(o->d, false);
	ev_run_once(o->loop, 0);
	ev_loop_free(o->loop);
	munmap(o->mem, OWNER_MEM);
	close(o->memfd);
}

struct gmem_desc
owner_region(uint64_t offset, uint64_t size)
{
	return (struct gmem_desc){
		.gpa = OWNER_GPA + offset,
		.size = size,
		.uva = OWNER_UVA + offset,
		.mmap_offset = offset,
	};
}

void
owner_give_memory(struct owner *o)
{
	const struct gmem_desc desc = owner_region(0, OWNER_MEM);
	struct gmem *none = gmem_new();
	const char *why = NULL;
	struct gmem *m = gmem_add(none, &desc, o->memfd, &o->d->fault, &why);

	gmem_put(none);
	assert(m != NULL);
	if (vdev_set_mem(o->d, m) != 0)
		abort();
	vdev_sync(o->d);
}

static enum vq_layout
layout(const struct owner *o)
{
	return (o->d->features & F(RING_PACKED)) ? VQ_PACKED : VQ_SPLIT;
}

int
owner_set_base(struct owner *o, uint32_t i, uint32_t word)
{
	const struct vq_state state = vq_state_from_word(layout(o), word);

	return vdev_vq_set_state(o->d, i, &state);
}

int
owner_stop(struct owner *o, uint32_t i, uint32_t *word)
{
	struct vq_state state = {0};
	int ret = vdev_vq_stop(o->d, i, &state);

	*word = vq_state_to_word(layout(o), &state);
	return ret;
}

int
owner_kick(struct owner *o, uint32_t i, int fd)
{
	int ret = vdev_vq_set_kick(o->d, i, fd);

	return ret == 0 ? vdev_vq_set_ready(o->d, i) : ret;
}

void
owner_start_ring(struct owner *o, uint32_t i, uint32_t size, uint32_t base)
{
	uint64_t at = OWNER_UVA + RING_AT(i);

	vdev_pause(o->d);
	vdev_vq_set_num(o->d, i, size);
	owner_set_base(o, i, base);
	vdev_vq_set_addr(o->d, i, at, at + RING_DRIVER_OFF, at + RING_DEVICE_OFF, 0, 0);
	owner_kick(o, i, -1);
	vdev_vq_set_enable(o->d, i, true);
	vdev_sync(o->d);
}

void
owner_start(struct owner *o, uint64_t features, uint32_t size)
{
	uint32_t base = (features & F(RING_PACKED)) ? 0x80008000u : 0;

	if (vdev_set_features(o->d, features) != 0)
		abort();
	vdev_use_enable(o->d, features & F(PROTOCOL_FEATURES));
	owner_give_memory(o);
	owner_start_ring(o, 0, size, base);
	owner_start_ring(o, 1, size, base);
}

void
owner_driver(struct owner *o, uint32_t i, uint32_t size, struct vqd *drv)
{
	bool packed = o->d->features & F(RING_PACKED);
	const struct vqd_setup s = {
		.layout = packed ? VQ_PACKED : VQ_SPLIT,
		.size = size,
		.features = o->d->features,
		.desc = o->mem + RING_AT(i),
		.driver = o->mem + RING_AT(i) + RING_DRIVER_OFF,
		.device = o->mem + RING_AT(i) + RING_DEVICE_OFF,
		.kick_fd = -1,
		.state = {.avail_wrap = packed, .used_wrap = packed},
	};

	if (vqd_init(drv, &s) != 0)
		abort();
}

unsigned int
owner_transmit(struct owner *o, uint32_t pair, struct vqd *drv)
{
	static struct pkt_batch batch;
	const struct vqd_buf buf = {OWNER_GPA + BUF_AT(0), 76};
	const struct vqd_chain chain = {.buf = &buf, .nout = 1};
	struct pktq *q = &o->rx[pair]->q;
	uint64_t user_data;
	uint16_t n;
	uint32_t len;

	memset(o->mem + BUF_AT(0), 0, 76);
	if (vqd_add(drv, &chain) != 0)
		abort();
	vqd_publish(drv);
	memset(&batch, 0, offsetof(struct pkt_batch, pkt));
	batch.max = PKT_BATCH_MAX;
	n = pktq_ops(q)->rx(q, &batch);
	pktq_ops(q)->rx_done(q, &batch);
	return vqd_get(drv, &user_data, &len) ? n : 0;
}

unsigned int
owner_receive(struct owner *o, uint32_t pair, struct vqd *drv)
{
	const struct vqd_buf buf = {OWNER_GPA + BUF_AT(1), 1600};
	const struct vqd_chain chain = {.buf = &buf, .nin = 1};
	struct pktq *q = &o->tx[pair]->q;
	uint8_t frame[64] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5};
	struct pkt p = {.data = frame, .data_len = sizeof(frame), .len = sizeof(frame), .nsegs = 1};
	struct pkt *const list[] = {&p};
	uint64_t user_data;
	uint16_t n;
	uint32_t len;

	memcpy(p.eth_bytes, frame, sizeof(p.eth_bytes));
	if (vqd_add(drv, &chain) != 0)
		abort();
	vqd_publish(drv);
	n = pktq_ops(q)->tx(q, list, 1);
	return vqd_get(drv, &user_data, &len) && len > sizeof(frame) ? n : 0;
}

unsigned int
open_fds(void)
{
	unsigned int n = 0;
	DIR *dir;

	/* interrupts left to a lane close their descriptors there */
	while (!lane_all_idle())
		usleep(1000);
	dir = opendir("/proc/self/fd");
	assert(dir != NULL);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}
