/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device node /dev/vhost-vdpa-N that moves the frames of a guest: one session at a time.
 *
 * A session begins with node_prepare(): the node is opened, and the device told features and
 * memory. node_start() gives it the rings, node_stop() takes them back, node_end() ends the
 * session. Each is done in a lane, since the kernel may wait for the device; node.changed is called
 * when one is done, and node.phase says what came of it. A device that can be suspended and
 * resumed keeps its session when it stops; another one is closed.
 *
 * Made when first named, never freed. Control thread; members marked [job] are the lane's while the
 * node is busy.
 */
#ifndef VDPA_KERNEL_NODE_H
#define VDPA_KERNEL_NODE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/ev.h"
#include "base/lane.h"
#include "vdpa/held.h"
#include "vdpa/kernel/chardev.h"
#include "vdpa/vdpa.h"

#define NODE_RINGS 2 /* more need the device's control queue, which is not the guest's */

/** In this order: from NODE_STARTING on the device may use the guest's rings. */
enum node_phase {
	NODE_SHUT,
	NODE_PROBING, /* its capabilities are read */
	NODE_PREPARING,
	NODE_PREPARED,
	NODE_ENDING, /* without having rings */
	NODE_STARTING,
	NODE_RUNS,
	NODE_STOPPING,
};

/** The positions of the rings after a stop, where the rings themselves do not tell them. */
enum node_position {
	NODE_UNTOUCHED, /* as they were at the start */
	NODE_KNOWN,     /* node.base has them */
	NODE_LOST,
};

/** The limits of a device; caps is all 0 as long as they are unknown or it is not there. */
struct node_limits {
	struct engine_caps caps;
	uint64_t iova_first, iova_last;
	uint16_t ring_max; /* entries */
};

struct node {
	char path[VDPA_NAME_MAX]; /* [fixed] */
	enum node_phase phase;
	bool busy;              /* a job is in the lane, or its result is posted */
	bool stop_due, end_due; /* asked for while it was busy */
	int result;             /* of the last job: 0 or -errno */
	char err[160];          /* of the last job that failed, a sentence */
	struct node_limits limits;
	struct node_limits fresh; /* [job] */
	const void *owner;        /* whose session it is; NULL: there is none */
	struct gmem *gmem;        /* a reference, of the session. No thread of ours accesses it */
	struct held held;         /* guest memory of a session that is to stop */
	enum node_position found; /* [job] */
	bool suspended;           /* [job] it has rings that stand still */
	/* [job] what is asked of it */
	uint64_t features;                    /* of the guest */
	struct chardev_ring ring[NODE_RINGS]; /* with eventfds of its own; -1: none */
	uint32_t base[NODE_RINGS];
	int call_fd[NODE_RINGS]; /* for node_calls(); -1: none */
	struct chardev dev;
	int (*work)(struct node *n);
	struct lane lane;
	struct lane_job job;
	struct ev_work done;
	struct ev_loop *loop;            /* NULL: the process ends. Set under a lock jobs take */
	void (*changed)(struct node *n); /* a job is done. Not called from within a call */
	STAILQ_ENTRY(node) entry;
};

/** The system calls that nodes are opened with, for tests; NULL: the kernel's. */
extern const struct chardev_sys *node_sys;

/** The node of this path, made if need be; NULL: out of memory. */
struct node *node_named(const char *path, struct ev_loop *loop, void (*changed)(struct node *n));

/** The node after @p n of those that were named, NULL: the first or none. */
struct node *node_next(const struct node *n);

/** Read the capabilities of a node that is shut. */
void node_probe(struct node *n);

/** Begin a session with guest memory @p m of a node that is shut. */
void node_prepare(struct node *n, const void *owner, struct gmem *m, uint64_t features);

/**
 * A prepared node takes over: @p ring as chardev_ring(); eventfds stay the caller's. False: there
 * is no descriptor for them.
 */
bool node_start(struct node *n, const struct chardev_ring *ring);

/** Look whether one that runs is still there and well; a failure is node.result. */
void node_look(struct node *n);

/** One that runs interrupts the guest through these from now on. False: as node_start(). */
bool node_calls(struct node *n, const int *call_fd);

/** Stop, also one that starts; the session may go on. */
void node_stop(struct node *n);

/** Stop and end the session. Harmless on a node that is shut. */
void node_end(struct node *n);

/** node_end() by an owner that ends itself. */
void node_leave(struct node *n);

/** Whether it is to stop and has not yet. */
bool node_stops(const struct node *n);

/** No job reaches control any more. The end of the process ends the session. */
void node_fini(struct node *n);

#endif
