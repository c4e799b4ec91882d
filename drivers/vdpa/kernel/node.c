/* SPDX-License-Identifier: BSD-3-Clause */
#include "vdpa/kernel/node.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/string.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <rte_common.h>

#include "gmem/gmem.h"

/* Features of the guest that say nothing to the device. */
#define NOT_TOLD                                                          \
	(VDEV_F(PROTOCOL_FEATURES) | UINT64_C(1) << VIRTIO_F_ANY_LAYOUT | \
	 UINT64_C(1) << VIRTIO_NET_F_GUEST_ANNOUNCE)

const struct chardev_sys *node_sys;

static STAILQ_HEAD(, node) nodes = STAILQ_HEAD_INITIALIZER(nodes);

/* Of node.loop: control sets it, jobs post under it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* --- jobs --- */

static void
read_limits(struct node *n)
{
	uint64_t mine = vdev_features_all() & ~(VDEV_F(LOG_ALL) | VDEV_F(ACCESS_PLATFORM) |
						VDEV_F(NET_MQ) | VDEV_F(RING_PACKED));

	/* a packed ring does not tell its position to one who takes it back */
	if (chardev_can_suspend(&n->dev))
		mine |= VDEV_F(RING_PACKED);
	n->fresh = (struct node_limits){
		.caps = {.features = (n->dev.offered & mine) | NOT_TOLD,
			 .formats = 1u << VDEV_MODERN,
			 .queue_pairs = NODE_RINGS / 2},
		.iova_first = n->dev.iova_first,
		.iova_last = n->dev.iova_last,
		.ring_max = n->dev.ring_max,
	};
}

static int
open_node(struct node *n)
{
	int ret = chardev_open(&n->dev, n->path, node_sys);

	if (ret == 0)
		read_limits(n);
	else if (ret == -ENOENT || ret == -ENODEV || ret == -ENXIO)
		n->fresh = (struct node_limits){0};
	return ret;
}

static int
work_probe(struct node *n)
{
	int ret = open_node(n);

	chardev_close(&n->dev);
	return ret;
}

static int
map_memory(struct node *n)
{
	struct chardev_region r[GMEM_SLOTS_MAX];
	uint32_t i;

	for (i = 0; i < n->gmem->n; i++)
		r[i] = (struct chardev_region){n->gmem->r[i].gpa, n->gmem->r[i].size,
					       n->gmem->r[i].hva};
	return chardev_map(&n->dev, 0, r, i);
}

/** IOVAs, which are guest-physical addresses here, are the device's affair. */
static int
negotiate(struct node *n)
{
	uint64_t told = n->features & ~NOT_TOLD;

	if (told & ~n->dev.offered) {
		strlcpy(n->dev.err, "its features have changed", sizeof(n->dev.err));
		return -EINVAL;
	}
	return chardev_negotiate(&n->dev, told | (n->dev.offered & VDEV_F(ACCESS_PLATFORM)));
}

static int
work_prepare(struct node *n)
{
	int ret = open_node(n);

	if (ret == 0)
		ret = negotiate(n);
	if (ret == 0)
		ret = map_memory(n);
	n->suspended = false;
	if (ret != 0)
		chardev_close(&n->dev);
	return ret;
}

/** Reset and close: closing resets, too, if the kernel refuses the first. */
static void
let_go(struct node *n)
{
	if (n->dev.open)
		(void)chardev_reset(&n->dev);
	chardev_close(&n->dev);
	n->suspended = false;
}

static int
give_rings(struct node *n)
{
	uint32_t i;
	int ret = 0;

	for (i = 0; i < NODE_RINGS && ret == 0; i++)
		ret = chardev_ring(&n->dev, i, &n->ring[i]);
	/* a server of VDUSE is not told of later ones */
	for (i = 0; i < NODE_RINGS && ret == 0; i++)
		ret = chardev_enable(&n->dev, i, true);
	return ret;
}

static int
give_positions(struct node *n)
{
	uint32_t i;
	int ret = 0;

	for (i = 0; i < NODE_RINGS && ret == 0; i++)
		ret = chardev_ring_again(&n->dev, i, &n->ring[i]);
	return ret;
}

static int
look(struct node *n)
{
	int ret = chardev_status(&n->dev);

	if (ret != 0)
		return ret;
	if (!chardev_is_there(&n->dev, n->path)) {
		strlcpy(n->dev.err, "the device is gone", sizeof(n->dev.err));
		return -ENODEV;
	}
	if (!(n->dev.status & (CHARDEV_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED)) &&
	    (n->dev.status & VIRTIO_CONFIG_S_DRIVER_OK))
		return 0;
	strlcpy(n->dev.err, "the device says that it needs a reset", sizeof(n->dev.err));
	return -EIO;
}

static int
work_start(struct node *n)
{
	const bool again = n->suspended;
	int ret = again ? give_positions(n) : give_rings(n);

	n->found = NODE_UNTOUCHED;
	if (ret == 0) {
		n->found = NODE_LOST;
		ret = again ? chardev_resume(&n->dev) : chardev_go(&n->dev);
	}
	n->suspended = false;
	if (ret == 0)
		ret = look(n);
	if (ret != 0)
		let_go(n);
	return ret;
}

static int
work_look(struct node *n)
{
	return look(n);
}

static int
work_calls(struct node *n)
{
	uint32_t i;
	int ret = 0;

	for (i = 0; i < NODE_RINGS && ret == 0; i++)
		ret = chardev_call(&n->dev, i, n->call_fd[i]);
	return ret;
}

static bool
stand_still(struct node *n)
{
	uint32_t i;
	int ret = chardev_can_suspend(&n->dev) ? chardev_suspend(&n->dev) : -EOPNOTSUPP;

	for (i = 0; i < NODE_RINGS && ret == 0; i++)
		ret = chardev_get_base(&n->dev, i, &n->base[i]);
	return ret == 0;
}

static int
work_stop(struct node *n)
{
	if (stand_still(n)) {
		n->found = NODE_KNOWN;
		n->suspended = chardev_can_resume(&n->dev);
	}
	if (!n->suspended)
		let_go(n);
	return 0;
}

static int
work_end(struct node *n)
{
	let_go(n);
	return 0;
}

/* --- the lane --- */

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void
run(struct lane_job *j)
{
	struct node *n = container_of(j, struct node, job);

	n->result = n->work(n);
	for (uint32_t i = 0; i < NODE_RINGS; i++) {
		close_fd(&n->ring[i].kick_fd);
		close_fd(&n->ring[i].call_fd);
		close_fd(&n->call_fd[i]);
	}
	pthread_mutex_lock(&lock);
	if (n->loop != NULL)
		ev_post(n->loop, &n->done);
	pthread_mutex_unlock(&lock);
}

static void
submit(struct node *n, enum node_phase phase, int (*work)(struct node *n))
{
	n->phase = phase;
	n->busy = true;
	n->work = work;
	n->job.fn = run;
	lane_submit(&n->lane, &n->job);
}

/** The phase a job leads to. */
static enum node_phase
phase_after(const struct node *n)
{
	static const enum node_phase well[] = {
		[NODE_PROBING] = NODE_SHUT, [NODE_PREPARING] = NODE_PREPARED,
		[NODE_ENDING] = NODE_SHUT,  [NODE_STARTING] = NODE_RUNS,
		[NODE_RUNS] = NODE_RUNS,    [NODE_STOPPING] = NODE_SHUT,
	};

	if (n->phase == NODE_STOPPING && n->suspended)
		return NODE_PREPARED;
	/* it has the rings until they are taken back, also if it cannot be asked how it is */
	if (n->result != 0 && n->phase != NODE_RUNS)
		return NODE_SHUT;
	return well[n->phase];
}

static void
forget_session(struct node *n)
{
	gmem_put(n->gmem);
	n->gmem = NULL;
	n->owner = NULL;
}

static void
on_done(struct ev_work *w)
{
	struct node *n = container_of(w, struct node, done);

	n->busy = false;
	n->limits = n->fresh;
	if (n->result != 0)
		strlcpy(n->err, n->dev.err, sizeof(n->err));
	n->phase = phase_after(n);
	if (n->phase < NODE_RUNS)
		n->stop_due = false;
	if (n->phase < NODE_STARTING)
		held_note(&n->held, NULL);
	if (n->phase == NODE_SHUT)
		n->end_due = false;
	n->changed(n);
	if (n->busy)
		return;
	if (n->phase == NODE_SHUT)
		forget_session(n);
	else if (n->end_due)
		node_end(n);
	else if (n->stop_due)
		node_stop(n);
}

static void
keep(struct lane *l)
{
}

/* --- for engines --- */

struct node *
node_next(const struct node *n)
{
	return n == NULL ? STAILQ_FIRST(&nodes) : STAILQ_NEXT(n, entry);
}

struct node *
node_named(const char *path, struct ev_loop *loop, void (*changed)(struct node *n))
{
	struct node *n;

	STAILQ_FOREACH (n, &nodes, entry)
		if (strcmp(n->path, path) == 0)
			break;
	if (n == NULL) {
		n = calloc(1, sizeof(*n));
		if (n == NULL)
			return NULL;
		strlcpy(n->path, path, sizeof(n->path));
		lane_init(&n->lane, keep);
		n->done.fn = on_done;
		for (uint32_t i = 0; i < NODE_RINGS; i++)
			n->ring[i].kick_fd = n->ring[i].call_fd = n->call_fd[i] = -1;
		STAILQ_INSERT_TAIL(&nodes, n, entry);
	}
	n->changed = changed;
	pthread_mutex_lock(&lock);
	n->loop = loop;
	pthread_mutex_unlock(&lock);
	return n;
}

void
node_probe(struct node *n)
{
	if (!n->busy && n->phase == NODE_SHUT && n->loop != NULL)
		submit(n, NODE_PROBING, work_probe);
}

void
node_prepare(struct node *n, const void *owner, struct gmem *m, uint64_t features)
{
	n->owner = owner;
	n->gmem = gmem_ref(m);
	n->features = features;
	submit(n, NODE_PREPARING, work_prepare);
}

/** A descriptor of the lane's own: control may close its own meanwhile. -1: none. */
static bool
copy_fd(int fd, int *out)
{
	*out = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;
	return fd < 0 || *out >= 0;
}

bool
node_start(struct node *n, const struct chardev_ring *ring)
{
	bool whole = true;
	uint32_t i;

	n->found = NODE_UNTOUCHED;
	for (i = 0; i < NODE_RINGS; i++) {
		n->ring[i] = ring[i];
		whole &= copy_fd(ring[i].kick_fd, &n->ring[i].kick_fd);
		whole &= copy_fd(ring[i].call_fd, &n->ring[i].call_fd);
	}
	if (whole) {
		submit(n, NODE_STARTING, work_start);
		return true;
	}
	for (i = 0; i < NODE_RINGS; i++) {
		close_fd(&n->ring[i].kick_fd);
		close_fd(&n->ring[i].call_fd);
	}
	return false;
}

void
node_look(struct node *n)
{
	if (!n->busy && n->phase == NODE_RUNS)
		submit(n, NODE_RUNS, work_look);
}

bool
node_calls(struct node *n, const int *call_fd)
{
	bool whole = true;
	uint32_t i;

	for (i = 0; i < NODE_RINGS; i++)
		whole &= copy_fd(call_fd[i], &n->call_fd[i]);
	submit(n, NODE_RUNS, work_calls);
	return whole;
}

void
node_stop(struct node *n)
{
	if (n->phase < NODE_STARTING || n->phase == NODE_STOPPING)
		return;
	held_note(&n->held, n->gmem);
	if (n->busy)
		n->stop_due = true;
	else
		submit(n, NODE_STOPPING, work_stop);
}

void
node_end(struct node *n)
{
	if (n->phase == NODE_SHUT || n->phase == NODE_PROBING || n->phase == NODE_ENDING)
		return;
	n->end_due = true;
	if (n->phase >= NODE_STARTING)
		node_stop(n);
	else if (!n->busy)
		submit(n, NODE_ENDING, work_end);
}

void
node_leave(struct node *n)
{
	node_end(n);
	n->owner = NULL;
}

bool
node_stops(const struct node *n)
{
	return n->held.n != 0 && n->phase >= NODE_STARTING;
}

void
node_fini(struct node *n)
{
	pthread_mutex_lock(&lock);
	n->loop = NULL;
	pthread_mutex_unlock(&lock);
}
