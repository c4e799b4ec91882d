/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The end of a device whose port was closed for good: taken off the vdpa bus, and destroyed.
 *
 * The bus releases a device when its driver has left it, and drivers ask the device while they
 * leave. Two threads for each device do that: one waits for the bus, the other answers the driver.
 * They know nothing but their copies. A port that is made meanwhile for a device of the same name
 * is told when they are done.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include <bsd/string.h>

#include <rte_common.h>

#include "vduse/dev.h"

#define ANSWER_MS 10    /* how often it is looked whether the bus is done */
#define DESTROY_MS 5000 /* others may have the node open so long, such as an interrupt's thread */
#define AGAIN_MS 20

struct removal {
	LIST_ENTRY(removal) entry;
	SLIST_HEAD(, vduse_wait) waits;
	/* [fixed] */
	const struct vduse_sys *sys;
	struct vduse_bus *attaching; /* NULL: that has ended */
	int fd;                      /* its thread's: the node; -1: it broke */
	bool on_bus;
	char name[VDUSE_NAME_MAX];
	/* [atomic] */
	atomic_bool off; /* the bus has released it */
};

/** A port that waits. In the list of a removal until it is posted. */
struct vduse_wait {
	struct ev_work work; /* first member */
	SLIST_ENTRY(vduse_wait) entry;
	struct removal *removal; /* under the lock; NULL: it has ended */
	struct ev_loop *loop;    /* [fixed] */
	struct vduse *v;         /* [ctl] NULL: not any more */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, removal) removals = LIST_HEAD_INITIALIZER(removals);

/* --- its threads --- */

static void *
take_off(void *arg)
{
	struct removal *r = arg;

	/* what is not on the bus yet cannot be taken off it */
	vduse_bus_finish(r->attaching);
	if (r->on_bus)
		r->sys->bus(r->name, false);
	atomic_store(&r->off, true);
	return NULL;
}

/** No ring runs, no memory is mapped: a driver that leaves may do so, and none starts. */
static bool
is_granted(const struct vduse_dev_request *req)
{
	const struct vduse_late nothing = {.queues = VDUSE_QUEUES_MAX, .groups = VDUSE_GROUPS};

	if (req->type == VDUSE_SET_STATUS)
		return !(req->s.status & VIRTIO_CONFIG_S_DRIVER_OK);
	return vduse_late_granted(&nothing, req);
}

static void
close_node(struct removal *r)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
}

/** A node that is of no use any more is readable all the time: it is closed. */
static void
answer(struct removal *r)
{
	struct pollfd p = {.fd = r->fd, .events = POLLIN};
	struct vduse_dev_request req;
	struct vduse_dev_response resp;
	ssize_t n;

	if (poll(&p, 1, ANSWER_MS) <= 0)
		return;
	n = read(r->fd, &req, sizeof(req));
	if (n < 0 && (errno == EAGAIN || errno == EINTR) && !(p.revents & POLLERR))
		return;
	if (n != sizeof(req)) {
		close_node(r);
		return;
	}
	resp = (struct vduse_dev_response){
		.request_id = req.request_id,
		.result = is_granted(&req) ? VDUSE_REQ_RESULT_OK : VDUSE_REQ_RESULT_FAILED,
	};
	if (write(r->fd, &resp, sizeof(resp)) != sizeof(resp))
		return; /* its driver has given up */
}

static void
destroy(const struct removal *r)
{
	const struct timespec pause = {.tv_nsec = AGAIN_MS * 1000000};

	for (int ms = 0; ms < DESTROY_MS; ms += AGAIN_MS) {
		if (vduse_destroy(r->sys, r->name) != -EBUSY)
			return;
		nanosleep(&pause, NULL);
	}
}

/** Tell those that wait. */
static void
end(struct removal *r)
{
	struct vduse_wait *w;

	close_node(r);
	pthread_mutex_lock(&lock);
	LIST_REMOVE(r, entry);
	while ((w = SLIST_FIRST(&r->waits)) != NULL) {
		SLIST_REMOVE_HEAD(&r->waits, entry);
		w->removal = NULL;
		ev_post(w->loop, &w->work);
	}
	pthread_mutex_unlock(&lock);
	free(r);
}

static void *
removal_main(void *arg)
{
	struct removal *r = arg;
	pthread_t thread;

	if (pthread_create(&thread, NULL, take_off, r) == 0) {
		while (!atomic_load(&r->off))
			answer(r);
		pthread_join(thread, NULL);
	}
	close_node(r);
	destroy(r);
	end(r);
	return NULL;
}

/* --- control --- */

void
vduse_remove(struct vduse *v)
{
	struct removal *r = calloc(1, sizeof(*r));
	pthread_t thread;

	if (r == NULL)
		return;
	SLIST_INIT(&r->waits);
	r->sys = v->sys;
	r->fd = v->fd;
	r->on_bus = v->bus != NULL || v->on_bus;
	r->attaching = vduse_bus_take(v);
	strlcpy(r->name, v->name, sizeof(r->name));
	pthread_mutex_lock(&lock);
	LIST_INSERT_HEAD(&removals, r, entry);
	pthread_mutex_unlock(&lock);
	v->fd = -1;
	v->closed = true; /* for its port */
	if (pthread_create(&thread, NULL, removal_main, r) == 0)
		pthread_detach(thread);
	else
		end(r); /* it stays, for a port of the same name */
}

static void
on_end(struct ev_work *w)
{
	struct vduse_wait *wait = (struct vduse_wait *)w;
	struct vduse *v = wait->v;

	free(wait);
	if (v == NULL)
		return;
	v->wait = NULL;
	vduse_begin_late(v);
}

static struct removal *
removal_of(const char *name)
{
	struct removal *r;

	LIST_FOREACH (r, &removals, entry) {
		if (strcmp(r->name, name) == 0)
			return r;
	}
	return NULL;
}

bool
vduse_is_removing(void)
{
	bool some;

	pthread_mutex_lock(&lock);
	some = !LIST_EMPTY(&removals);
	pthread_mutex_unlock(&lock);
	return some;
}

bool
vduse_wait_for_removal(struct vduse *v)
{
	struct vduse_wait *w = calloc(1, sizeof(*w));
	struct removal *r;

	if (w == NULL)
		return false;
	pthread_mutex_lock(&lock);
	r = removal_of(v->name);
	*w = (struct vduse_wait){.work.fn = on_end, .removal = r, .loop = v->loop, .v = v};
	if (r != NULL)
		SLIST_INSERT_HEAD(&r->waits, w, entry);
	pthread_mutex_unlock(&lock);
	if (r == NULL) {
		free(w);
		return false;
	}
	v->wait = w;
	return true;
}

void
vduse_wait_no_more(struct vduse *v)
{
	struct vduse_wait *w = v->wait;
	bool posted;

	if (w == NULL)
		return;
	v->wait = NULL;
	w->v = NULL;
	pthread_mutex_lock(&lock);
	posted = w->removal == NULL;
	if (!posted)
		SLIST_REMOVE(&w->removal->waits, w, vduse_wait, entry);
	pthread_mutex_unlock(&lock);
	if (!posted)
		free(w); /* else its post in the loop does */
}
