/* SPDX-License-Identifier: BSD-3-Clause */
#include "mock_vdpa.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_vdpa.h>
#include <rte_vhost.h>

struct mock_vdpa mock;

/* Not among DPDK's installed headers; the order is that of 22.11 to 24.11. */
struct rte_vdpa_dev_ops {
	int (*get_queue_num)(struct rte_vdpa_device *dev, uint32_t *n);
	int (*get_features)(struct rte_vdpa_device *dev, uint64_t *f);
	int (*get_protocol_features)(struct rte_vdpa_device *dev, uint64_t *f);
	int (*dev_conf)(int vid);
	int (*dev_close)(int vid);
	int (*dev_cleanup)(int vid);
	int (*set_vring_state)(int vid, int vring, int state);
	int (*set_features)(int vid);
	int (*migration_done)(int vid);
	int (*get_vfio_group_fd)(int vid);
	int (*get_vfio_device_fd)(int vid);
	int (*get_notify_area)(int vid, int qid, uint64_t *offset, uint64_t *size);
	int (*get_stats_names)(struct rte_vdpa_device *dev, struct rte_vdpa_stat_name *names,
			       unsigned int size);
	int (*get_stats)(struct rte_vdpa_device *dev, int qid, struct rte_vdpa_stat *stats,
			 unsigned int n);
	void *rest[5];
};

struct rte_device {
	TAILQ_ENTRY(rte_device) next;
	const char *name;
	const char *bus_info;
	const void *driver;
	const void *bus;
	int numa_node;
	void *devargs;
};

struct rte_vdpa_device *rte_vdpa_register_device(struct rte_device *dev,
						 struct rte_vdpa_dev_ops *ops);
void rte_vdpa_unregister_device(struct rte_vdpa_device *dev);
int rte_vhost_host_notifier_ctrl(int vid, uint16_t qid, bool enable);

static struct rte_vdpa_device *registered;

static struct {
	int vid;
	struct rte_vhost_vring ring[2];
	uint16_t next[2];
	struct rte_vhost_memory *mem;
	pthread_t thread;
	atomic_bool stop;
	bool runs;
} hw;

static void *
at(uint64_t gpa)
{
	uint32_t i;

	for (i = 0; i < hw.mem->nregions; i++) {
		const struct rte_vhost_mem_region *r = &hw.mem->regions[i];

		if (gpa - r->guest_phys_addr < r->size)
			return (void *)(uintptr_t)(r->host_user_addr + gpa - r->guest_phys_addr);
	}
	abort();
}

/** The next chain's only buffer; its head in @p head. */
static struct vring_desc *
next_chain(int i, uint16_t *head)
{
	struct rte_vhost_vring *v = &hw.ring[i];

	if (__atomic_load_n(&v->avail->idx, __ATOMIC_ACQUIRE) == hw.next[i])
		return NULL;
	*head = v->avail->ring[hw.next[i] % v->size];
	return &v->desc[*head];
}

static void
use(int i, uint16_t head, uint32_t len)
{
	struct rte_vhost_vring *v = &hw.ring[i];

	v->used->ring[hw.next[i]++ % v->size] = (struct vring_used_elem){head, len};
	__atomic_store_n(&v->used->idx, hw.next[i], __ATOMIC_RELEASE);
}

static bool
move_one(void)
{
	struct vring_desc *in, *out;
	uint16_t tx, rx;

	out = next_chain(1, &tx);
	in = out != NULL ? next_chain(0, &rx) : NULL;
	if (in == NULL)
		return false;
	memcpy(at(in->addr), at(out->addr), out->len);
	use(0, rx, out->len);
	use(1, tx, 0);
	atomic_fetch_add(&mock.moved, 1);
	return true;
}

/** The doorbell of each ring is memory of the device: any will do. */
static void
name_doorbells(void)
{
	for (uint16_t i = 0; i < 2; i++)
		atomic_fetch_add(rte_vhost_host_notifier_ctrl(hw.vid, i, true) == 0
					 ? &mock.doorbells
					 : &mock.doorbell_errors,
				 1);
}

static void *
hw_run(void *arg)
{
	if (atomic_load(&mock.has_doorbells))
		name_doorbells();
	while (!atomic_load(&hw.stop)) {
		struct pollfd p[2] = {{hw.ring[0].kickfd, POLLIN, 0},
				      {hw.ring[1].kickfd, POLLIN, 0}};
		eventfd_t n;

		if (atomic_load(&mock.dead)) {
			usleep(1000);
			continue;
		}
		while (move_one())
			;
		if (poll(p, 2, 1) > 0)
			for (int i = 0; i < 2; i++)
				if (p[i].revents & POLLIN)
					(void)eventfd_read(p[i].fd, &n);
	}
	return NULL;
}

static int
conf(int vid)
{
	atomic_fetch_add(&mock.confs, 1);
	if (atomic_load(&mock.fail_conf) > 0) {
		atomic_fetch_sub(&mock.fail_conf, 1);
		return -1;
	}
	hw.vid = vid;
	if (rte_vhost_get_mem_table(vid, &hw.mem) != 0)
		return -1;
	for (uint16_t i = 0; i < 2; i++) {
		uint16_t avail, used;

		if (rte_vhost_get_vhost_vring(vid, i, &hw.ring[i]) != 0 ||
		    rte_vhost_get_vring_base(vid, i, &avail, &used) != 0)
			return -1;
		hw.next[i] = avail;
	}
	if (atomic_exchange(&mock.fail_late, false)) {
		eventfd_t n;

		for (int i = 0; i < 2; i++) {
			struct pollfd p = {hw.ring[i].kickfd, POLLIN, 0};

			if (poll(&p, 1, 10000) > 0)
				(void)eventfd_read(p.fd, &n);
		}
		free(hw.mem);
		return -1;
	}
	atomic_store(&hw.stop, false);
	hw.runs = true;
	return pthread_create(&hw.thread, NULL, hw_run, NULL);
}

static int
stop(int vid)
{
	if (!hw.runs)
		return 0;
	atomic_fetch_add(&mock.stops, 1);
	while (atomic_load(&mock.goes_on))
		usleep(1000);
	atomic_store(&hw.stop, true);
	pthread_join(hw.thread, NULL);
	hw.runs = false;
	for (uint16_t i = 0; i < 2; i++) {
		uint16_t n = atomic_load(&mock.wrong_base) ? 0 : hw.next[i];

		rte_vhost_set_vring_base(vid, i, n, n);
	}
	free(hw.mem);
	atomic_fetch_add(&mock.closes, 1);
	return 0;
}

static int
queues(struct rte_vdpa_device *dev, uint32_t *n)
{
	*n = 1;
	return 0;
}

static int
features(struct rte_vdpa_device *dev, uint64_t *f)
{
	*f = 1ull << 32 | 1ull << 30 | 1ull << 27; /* VERSION_1, protocol features, ANY_LAYOUT */
	return 0;
}

/** As mlx5's: no REPLY_ACK. */
static int
protocol(struct rte_vdpa_device *dev, uint64_t *f)
{
	*f = 0x10c33;
	return 0;
}

static int
nothing(int vid)
{
	return 0;
}

static int
accept_features(int vid)
{
	usleep(atomic_load(&mock.slow_ms) * 1000);
	return 0;
}

static int
ring_state(int vid, int vring, int state)
{
	return 0;
}

static int
device_fd(int vid)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("doorbells", MFD_CLOEXEC);
	return fd;
}

static int
doorbell_area(int vid, int qid, uint64_t *offset, uint64_t *size)
{
	*offset = 4096 * (uint64_t)qid;
	*size = 4096;
	return 0;
}

static int
stats_names(struct rte_vdpa_device *dev, struct rte_vdpa_stat_name *names, unsigned int size)
{
	static const char *const all[] = {"received_descriptors", "completed_descriptors"};

	for (unsigned int i = 0; i < 2 && i < size; i++)
		snprintf(names[i].name, sizeof(names[i].name), "%s", all[i]);
	return 2;
}

/** As mlx5's: none of a queue that never ran. */
static int
stats(struct rte_vdpa_device *dev, int qid, struct rte_vdpa_stat *s, unsigned int n)
{
	if (atomic_load(&mock.confs) == 0 || qid > 1) {
		atomic_fetch_add(&mock.refused_stats, 1);
		return -EINVAL;
	}
	for (unsigned int i = 0; i < 2 && i < n; i++)
		s[i] = (struct rte_vdpa_stat){.id = i, .value = atomic_load(&mock.moved)};
	return n < 2 ? (int)n : 2;
}

int
mock_vdpa_register(void)
{
	static struct rte_device dev = {.name = MOCK_NAME, .bus_info = ""};
	static struct rte_vdpa_dev_ops ops = {
		.get_queue_num = queues,
		.get_features = features,
		.get_protocol_features = protocol,
		.dev_conf = conf,
		.dev_close = stop,
		.dev_cleanup = nothing,
		.set_vring_state = ring_state,
		.set_features = accept_features,
		.migration_done = nothing,
		.get_vfio_device_fd = device_fd,
		.get_notify_area = doorbell_area,
		.get_stats_names = stats_names,
		.get_stats = stats,
	};

	registered = rte_vdpa_register_device(&dev, &ops);
	return registered != NULL ? 0 : -1;
}

void
mock_vdpa_unregister(void)
{
	rte_vdpa_unregister_device(registered);
}
