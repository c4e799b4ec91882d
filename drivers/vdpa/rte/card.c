/* SPDX-License-Identifier: BSD-3-Clause */
/* rte_vdpa devices: found, their capabilities, and their sockets in librte_vhost. */
#include "vdpa/rte/card.h"

#include <bsd/string.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_vdpa.h>
#include <rte_vhost.h>

#include "vhost_user/wire.h"

#define STATS_MAX 32 /* of a queue */

static struct card cards[CARDS_MAX];
static atomic_uint ncards; /* librte_vhost's thread looks devices up */

/** Of this process alone, in DPDK's own directory. */
static bool
socket_path(struct card *c, const char *name)
{
	return (size_t)snprintf(c->path, sizeof(c->path), "%s/vdpa-%d-%s",
				rte_eal_get_runtime_dir(), (int)getpid(), name) < sizeof(c->path);
}

struct card *
card_at(uint32_t i)
{
	return i < atomic_load_explicit(&ncards, memory_order_acquire) ? &cards[i] : NULL;
}

struct card *
card_named(const char *name)
{
	uint32_t i, n = atomic_load_explicit(&ncards, memory_order_relaxed);

	for (i = 0; i < n; i++)
		if (strcmp(cards[i].name, name) == 0)
			return &cards[i];
	if (n == CARDS_MAX || strlcpy(cards[n].name, name, VDPA_NAME_MAX) >= VDPA_NAME_MAX ||
	    !socket_path(&cards[n], name))
		return NULL;
	atomic_store_explicit(&ncards, n + 1, memory_order_release);
	return &cards[n];
}

void
card_discover(void)
{
	struct rte_dev_iterator it;
	struct rte_device *dev;

	RTE_DEV_FOREACH(dev, "class=vdpa", &it)
	(void)card_named(rte_dev_name(dev));
}

/* --- librte_vhost's thread --- */

static struct card *
card_of(int vid)
{
	char path[CARD_PATH_MAX];
	struct card *c;
	uint32_t i;

	if (rte_vhost_get_ifname(vid, path, sizeof(path)) != 0)
		return NULL;
	for (i = 0; (c = card_at(i)) != NULL && strcmp(c->path, path) != 0; i++)
		;
	return c;
}

static int
on_connection(int vid)
{
	struct card *c = card_of(vid);

	if (c != NULL)
		atomic_fetch_add(&c->sessions, 1);
	return 0;
}

static void
on_end(int vid)
{
	struct card *c = card_of(vid);

	if (c != NULL)
		atomic_fetch_sub(&c->sessions, 1);
}

/**
 * The device is configured next, on this thread. mlx5 returns -rte_errno when memory cannot be
 * locked: with 0 there it takes that for success and follows a null pointer.
 */
static int
on_device(int vid)
{
	rte_errno = EIO;
	return 0;
}

static const struct rte_vhost_device_ops callbacks = {
	.new_device = on_device,
	.new_connection = on_connection,
	.destroy_connection = on_end,
};

/* --- control --- */

static bool
read_caps(struct card *c)
{
	uint64_t features;
	uint32_t pairs;

	if (rte_vhost_driver_get_features(c->path, &features) != 0 ||
	    rte_vhost_driver_get_queue_num(c->path, &pairs) != 0)
		return false;
	/*
	 * Not packed rings: mlx5 of DPDK 22.11 offers them and does not set their addresses.
	 * Software logs writes.
	 */
	c->caps = (struct engine_caps){
		.features = features &
			    ~(VDEV_F(RING_PACKED) | VDEV_F(ACCESS_PLATFORM) | VDEV_F(LOG_ALL)),
		.formats = 1u << VDEV_MODERN | 1u << VDEV_LEGACY_LE,
		.queue_pairs = pairs,
		.regions = VHU_MEM_TABLE_MAX,
		.pins = true,
		.ipc_lock = true,
	};
	return true;
}

/** DPDK makes its directory for files it shares with other processes: without any it is missing. */
static void
make_room(const struct card *c)
{
	char path[CARD_PATH_MAX];

	strlcpy(path, c->path, sizeof(path));
	for (char *at = strchr(path + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
		*at = '\0';
		(void)mkdir(path, 0700);
		*at = '/';
	}
	unlink(c->path);
}

static bool
serve(struct card *c, struct rte_vdpa_device *dev)
{
	make_room(c);
	if (rte_vhost_driver_register(c->path, 0) != 0)
		return false;
	if (rte_vhost_driver_callback_register(c->path, &callbacks) == 0 &&
	    rte_vhost_driver_attach_vdpa_device(c->path, dev) == 0 && read_caps(c) &&
	    rte_vhost_driver_start(c->path) == 0)
		return true;
	rte_vhost_driver_unregister(c->path);
	c->caps = (struct engine_caps){0};
	return false;
}

bool
card_serve(struct card *c, const char **why)
{
	struct rte_vdpa_device *dev = rte_vdpa_find_device_by_name(c->name);

	*why = NULL;
	if (c->leaves)
		*why = "it is being detached";
	else if (dev == NULL || (c->dev != NULL && c->dev != dev))
		*why = "there is no such rte_vdpa device";
	else if (c->dev == NULL && !serve(c, dev))
		*why = "DPDK cannot serve its socket";
	else
		c->dev = dev;
	return *why == NULL;
}

void
card_hold_memory(struct card *c, const struct gmem *m)
{
	held_note(&c->held, m);
}

void
card_free_memory(struct card *c)
{
	held_note(&c->held, NULL);
}

bool
card_holds(struct card *c, const struct gmem *m)
{
	if (c->held.n != 0 && atomic_load(&c->sessions) == 0)
		card_free_memory(c);
	return held_any(&c->held, m);
}

void
card_withdraw(struct card *c)
{
	if (c->dev == NULL)
		return;
	/* ends its sessions, without a callback for them */
	rte_vhost_driver_unregister(c->path);
	c->dev = NULL;
	c->caps = (struct engine_caps){0};
	memset(c->ran, 0, sizeof(c->ran));
	atomic_store(&c->sessions, 0);
}

/** Of one queue. */
static uint32_t
queue_counters(const struct card *c, uint16_t queue, const struct rte_vdpa_stat_name *names,
	       uint32_t n, struct vdpa_counter *out)
{
	struct rte_vdpa_stat v[STATS_MAX];
	int i, got = rte_vdpa_get_stats(c->dev, queue, v, n);

	for (i = 0; i < got; i++) {
		strlcpy(out[i].name, v[i].id < n ? names[v[i].id].name : "?", sizeof(out[i].name));
		out[i].queue = queue;
		out[i].value = v[i].value;
	}
	return got > 0 ? (uint32_t)got : 0;
}

uint32_t
card_counters(const struct card *c, struct vdpa_counter *out)
{
	struct rte_vdpa_stat_name names[STATS_MAX];
	int n = rte_vdpa_get_stats_names(c->dev, names, STATS_MAX);
	uint32_t i, at = 0;

	if (n <= 0 || n > STATS_MAX)
		return 0;
	/* drivers complain in the log when asked for a queue that they have not run */
	for (i = 0; i < VDEV_QUEUES_MAX && at + (uint32_t)n <= VDPA_COUNTERS_MAX; i++)
		if (c->ran[i])
			at += queue_counters(c, (uint16_t)i, names, (uint32_t)n, out + at);
	return at;
}

/* --- devices come and go --- */

int
card_attach(const char *devargs, char *err, size_t errlen)
{
	struct rte_devargs da;
	int ret = rte_devargs_parse(&da, devargs);

	if (ret == 0) {
		ret = rte_dev_probe(devargs);
		rte_devargs_reset(&da);
	}
	if (ret < 0 && ret != -EEXIST) {
		snprintf(err, errlen, "%.512s: %s", devargs,
			 ret == -EFAULT ? "no such device, or no driver for it" : strerror(-ret));
		return -ENODEV;
	}
	if (rte_vdpa_find_device_by_name(da.name) != NULL) {
		struct card *c = card_named(da.name);

		if (c != NULL)
			c->leaves = false;
		return c != NULL ? 0 : -ENOMEM;
	}
	snprintf(err, errlen,
		 "%.512s: it is no vDPA device (mlx5 makes one of a PCI device with ,class=vdpa)",
		 devargs);
	return -ENODEV;
}

/** Whether the same device is a port: it would go with it. */
static bool
is_a_port(const struct rte_device *dev)
{
	uint16_t id;

	RTE_ETH_FOREACH_DEV_OF(id, dev)
	return true;
	return false;
}

int
card_detach(struct card *c, char *err, size_t errlen)
{
	struct rte_device *dev = rte_vdpa_get_rte_device(c->dev);
	int ret;

	if (dev == NULL || is_a_port(dev)) {
		snprintf(err, errlen, "%s: a port is of the same device: detach that first",
			 c->name);
		return -EBUSY;
	}
	card_withdraw(c);
	ret = rte_dev_remove(dev);
	if (ret < 0)
		snprintf(err, errlen, "%s: its driver does not release it: %s", c->name,
			 strerror(-ret));
	return ret;
}
