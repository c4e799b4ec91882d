/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An engine moves the frames of a device: software (soft.c), or hardware behind it.
 *
 * A device has a list of engines and one of them in charge, which is a derived fact: vdev_sync()
 * takes the first of the list that has no reason against it. When another one comes first the rings
 * stop under the old one and start at the same positions under the new one; only struct vq_state
 * passes between engines. Facts belong to the device; an engine reads them, and starts and stops
 * the rings it is told to.
 *
 * Control thread only. An engine that has threads of its own reaches control by ev_post() and does
 * not access struct vdev.
 */
#ifndef VDEV_ENGINE_H
#define VDEV_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkt/pktq.h"
#include "virtq/vq.h"

struct engine;
struct iotlb;
struct vdev;
struct vdev_queue;

/** The limits of an engine; a device that exceeds one is a reason against it (engine_against()). */
struct engine_caps {
	uint64_t features;    /* negotiated ones; without LOG_ALL it has no dirty log */
	uint32_t formats;     /* 1 << enum vdev_format */
	uint32_t queue_pairs; /* that run at once; 0: the device is not there */
	uint32_t regions;     /* of guest memory; 0: any number */
	bool pins;            /* locks guest memory: all of it counts against RLIMIT_MEMLOCK */
	bool ipc_lock;        /* ... unless the process has CAP_IPC_LOCK */
};

/** An engine whose rings are queues that workers poll has all of these. */
struct engine_polled_ops {
	/** Running @p q, for publication. */
	struct vq *(*queue)(const struct vdev_queue *q);
	/** Counters of stopped @p q, made if it has none yet. NULL: no memory. */
	struct pktq_stats *(*counters)(struct vdev_queue *q);
	/** Running @p q is not touched until resume(). */
	void (*suspend)(struct vdev_queue *q);
	/** Suspended @p q goes on where it was, and sleepers must be woken. */
	void (*resume)(struct vdev_queue *q);
	/** The reports of workers about @p q since the last call: VQ_ATTN_*. */
	uint32_t (*attention)(struct vdev_queue *q);
	/** The reason why the guest's ring is broken, static text, or NULL. */
	const char *(*why)(const struct vdev_queue *q);
	/** Request translations @p q waits for. Whether it can go on: sleepers must be woken. */
	bool (*request_misses)(struct vdev *d, struct vdev_queue *q);
	/**
	 * Translations have arrived: let queues go on that have all they need; with @p again,
	 * queues whose requests were put off make them. Whether sleepers must be woken.
	 */
	bool (*misses_answered)(struct vdev *d, bool again);
	/** Whether running @p q waits for a translation. */
	bool (*waits)(const struct vdev_queue *q);
	/**
	 * The device's translations, of which @p old is true but lacks one, from now on. @p old is
	 * freed when no worker uses it any more, which is not waited for. 0, or -ENOMEM and nothing
	 * changed.
	 */
	int (*translations_added)(struct vdev *d, struct iotlb *old);
	/** Let @p q look at its ring again and request what it misses. Whether it waited. */
	bool (*look_again)(struct vdev_queue *q);
};

struct engine_ops {
	/**
	 * Further reasons against it at present, static text, or NULL: a device it lacks, a ring
	 * it cannot serve, its own failure in vq_start() or commit(). May be NULL.
	 */
	const char *(*check)(const struct engine *e, const struct vdev *d);
	/**
	 * Use the device's memory map, translations and log from now on. When it returns the
	 * previous ones are unused. 0, or -ENOMEM and nothing changed.
	 */
	int (*set_mem)(struct engine *e, struct vdev *d);
	/**
	 * Start @p q at q->state: its format, layout, size and addresses are checked. NULL, or the
	 * reason why it cannot start, static text.
	 */
	const char *(*vq_start)(struct engine *e, struct vdev *d, struct vdev_queue *q);
	/**
	 * Begin to stop all rings. True: no copy from or to the guest is in flight any more,
	 * vq_stop() returns at once. False: not yet, vdev_sync() is called when it is so; check()
	 * has a reason against the engine meanwhile. NULL: vq_stop() does it all.
	 */
	bool (*let_go)(struct engine *e, struct vdev *d);
	/**
	 * A reason why no engine may run rings of @p d, static text, or NULL: the engine's hardware
	 * may still write to them, for an earlier session of the guest. May be NULL.
	 */
	const char *(*holds)(const struct engine *e, const struct vdev *d);
	/**
	 * Stop @p q, which workers do not see, and return its position. When it returns no copy
	 * from or to the guest is in flight, unless let_go() says otherwise.
	 */
	struct vq_state (*vq_stop)(struct engine *e, struct vdev *d, struct vdev_queue *q);
	/** Interrupt the guest of running @p q through q->irq (NULL: not at all) from now on. */
	void (*set_irq)(struct engine *e, struct vdev *d, struct vdev_queue *q);
	/**
	 * All rings that are to run were started: what was begun takes effect, and what has changed
	 * since (vdev_vq_enabled()). Called at the end of each vdev_sync(). May be NULL.
	 */
	void (*commit)(struct engine *e, struct vdev *d);
	/** Counters of @p q under this engine; NULL: it never ran under it. */
	const struct pktq_stats *(*stats)(const struct engine *e, const struct vdev_queue *q);
	/**
	 * What failed may be tried again: the operator says so, or the guest's session has ended.
	 * May be NULL.
	 */
	void (*retry)(struct engine *e, struct vdev *d);
	/** The device ends; none of its rings runs. An engine made for one device frees itself. */
	void (*close)(struct engine *e, struct vdev *d);
	/** NULL: hardware, which moves frames past the workers. */
	const struct engine_polled_ops *polled;
};

/** First member of every engine. [ctl] */
struct engine {
	const struct engine_ops *ops;
	const char *name;        /* "software", or the device's: "sim0", "0000:3b:00.2" */
	struct engine_caps caps; /* may change: vdev_sync() is due then */
};

/** Poll-mode software, for any number of devices; check() never objects. */
extern struct engine soft_engine;

/**
 * What a queue is started with, without its state, by an engine whose rings are of struct vq. The
 * map of its areas is valid while it runs.
 */
void engine_vq_setup(struct vdev *d, const struct vdev_queue *q, struct vq_setup *s);

/**
 * Reason for which @p e may not run @p d at present, static or in @p buf, or NULL: the operator's
 * choice, work of the owner that needs software, a capability it lacks, the result of its check().
 */
const char *engine_against(const struct engine *e, const struct vdev *d, char *buf, size_t len);

#endif
