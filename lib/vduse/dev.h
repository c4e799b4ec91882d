/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside lib/vduse: one device, its requests and its memory. Control thread, but where it says. */
#ifndef VDUSE_DEV_H
#define VDUSE_DEV_H

#include <linux/vduse.h>
#include <linux/virtio_net.h>
#include <net/if.h>

#include "base/ev.h"
#include "base/record_format.h"
#include "vdev/vdev.h"
#include "vduse/control.h"
#include "vduse/gate.h"
#include "vduse/vduse.h"

#define VDUSE_QUEUES_MAX (2 * VDEV_QUEUE_PAIRS_MAX + 1) /* the last is the control queue */
#define VDUSE_HISTORY 32
#define VDUSE_MISSES_MAX 64
#define VDUSE_SPACES 2 /* address spaces the rings may be moved between */
#define VDUSE_DATA 0   /* group of the data queues */
#define VDUSE_CTRL 1   /* group of the control queue */
#define VDUSE_GROUPS 2
#define VDUSE_POLL_MS 100 /* how often rings are asked whether they are ready */

#define VDUSE_NETNS_MAX 64

struct vduse_bus;
struct vduse_wait;

/** One request and its result. */
struct vduse_event {
	uint64_t when_ns;
	uint32_t type;
	uint64_t word;   /* status, queue, first IOVA */
	const char *why; /* static text; NULL: accepted */
};

struct vduse_queue {
	struct vduse *v;
	uint32_t index;
	bool loaded;               /* the device knows what is in @c info */
	struct vduse_vq_info info; /* as the device was told last; ready: it may run */
};

/** [ctl] */
struct vduse {
	struct transport transport; /* first member */
	const struct vduse_sys *sys;
	struct ev_loop *loop;
	struct vdev *dev;
	char path[sizeof(VDUSE_DIR) + VDUSE_NAME_MAX];
	const char *name; /* in path */
	enum vduse_attach attach;
	char ifname[IFNAMSIZ], netns[VDUSE_NETNS_MAX]; /* of its interface; "": none */
	bool closed;             /* a rehearsal, or a predecessor's still: there is no node */
	bool asleep;             /* between two processes: the kernel is told nothing */
	int fd;                  /* the device node; -1: it broke, or is not open */
	struct vduse_gate *gate; /* reads its requests */
	/* as the device was made: pairs, and whether there is a control queue behind them */
	uint32_t pairs;
	bool control;
	const char
		*few; /* why there are fewer pairs than wanted, static text; NULL: there are not */
	struct vduse_queue q[VDUSE_QUEUES_MAX];
	struct vduse_ctrl ctrl;
	bool started;                /* DRIVER_OK was seen */
	bool suspended;              /* by the driver: no ring is ready until a reset */
	bool resuming;               /* a predecessor's rings are being started */
	uint32_t asid[VDUSE_GROUPS]; /* the address space of each group of rings */
	uint64_t told;               /* VDUSE_K_F_*: the kernel asks us about these */
	bool leaves;                 /* the device is to go with the port */
	bool adopted; /* found started: the driver may be about to say DRIVER_OK, or have said it */
	struct ev_timer poll;            /* while started: rings' readiness, config space */
	uint64_t miss[VDUSE_MISSES_MAX]; /* IOVAs that a ring waits for */
	uint32_t nmisses;
	struct ev_timer resolve;         /* at once, when there are misses */
	struct virtio_net_config config; /* as the kernel has it */
	bool config_irq_due;
	struct vduse_wait *wait; /* for a device of the same name to be gone; NULL: for none */
	struct vduse_bus *bus;   /* work on the vdpa bus that goes on; NULL: none */
	bool on_bus;             /* this process put it there, or found it there */
	char end[64];            /* the driver's end: its interface, its node; "": not known */
	bool groups;             /* version 1 of the API, with groups of rings */
	uint64_t starts, requests, refused, regions;
	uint64_t late;          /* requests that gates before this one answered without control */
	uint64_t remade;        /* requests until it was made anew last, and 1; 0: never */
	const char *last_error; /* static text */
	char bus_error
		[400]; /* reason for which the device is not there, or not attached; "": none */
	struct vduse_event history[VDUSE_HISTORY];
	uint64_t events;
	struct record *record; /* the owner's, of its port; NULL: none */
};

static inline struct vduse *
vduse_of(const struct transport *t)
{
	return (struct vduse *)(uintptr_t)t;
}

/** Queues of the device. */
static inline uint32_t
vduse_nqueues(const struct vduse *v)
{
	return 2 * v->pairs + v->control;
}

/** Groups that queues of the device are in. */
static inline uint32_t
vduse_ngroups(const struct vduse *v)
{
	return v->control ? VDUSE_GROUPS : 1;
}

/** Data queues that the driver can use: of those that did not take MQ there is one pair. */
static inline uint32_t
vduse_data_queues(const struct vduse *v)
{
	return (v->dev->features & VDEV_F(NET_MQ)) ? 2 * v->pairs : 2;
}

/** The control queue follows them (virtio spec 5.1.2); it may not be there. */
static inline uint32_t
vduse_ctrl_index(const struct vduse *v)
{
	return vduse_data_queues(v);
}

/** Whether the driver has taken it. */
static inline bool
vduse_has_ctrl(const struct vduse *v)
{
	return v->control && (v->dev->features & (UINT64_C(1) << VIRTIO_NET_F_CTRL_VQ));
}

/** Queues that the driver can use, from the first on. */
static inline uint32_t
vduse_used_queues(const struct vduse *v)
{
	return vduse_data_queues(v) + vduse_has_ctrl(v);
}

static inline bool
vduse_is_ctrl(const struct vduse *v, uint32_t i)
{
	return vduse_has_ctrl(v) && i == vduse_ctrl_index(v);
}

/** The address space of the control queue: of the group of the queue it is. */
static inline uint32_t
vduse_ctrl_asid(const struct vduse *v)
{
	return v->asid[vduse_ctrl_index(v) == 2 * v->pairs ? VDUSE_CTRL : VDUSE_DATA];
}

/* --- dev.c: the device node --- */

/* Why there are fewer queue pairs than wanted. */
extern const char vduse_few_refused[], vduse_few_made[];

/**
 * It has @p pairs, and a control queue or none; @p few: why, if that is fewer than wanted. False:
 * no device of this port has.
 */
bool vduse_set_shape(struct vduse *v, uint32_t pairs, bool control, const char *few);

/** The same for one that is there: the kernel knows how many queues. */
bool vduse_find_shape(struct vduse *v);

/** The position of a ring by the word of the kernel. */
struct vq_state vduse_state_of(const struct vduse *v, const struct vduse_vq_info *info);

/** Why a driver's features cannot be served by such a device, or NULL. Any thread. */
const char *vduse_features_why(uint64_t features);

/**
 * Open the node, and make the device before unless it is on the vdpa bus. *adopted: it is. 0 or
 * -errno.
 */
int vduse_open(struct vduse *v, bool *adopted, char *err, size_t errlen);

/** Close it, and destroy the device unless it is on the bus: then it stays for a successor. */
void vduse_close(struct vduse *v);

/** 0 or -errno: EBUSY: it is on the bus, or its node is open. Any thread. */
int vduse_destroy(const struct vduse_sys *sys, const char *name);

/** Tell the kernel the config space if it differs, and the driver that it does. */
void vduse_config_update(struct vduse *v);

/**
 * Give the device what the kernel knows of the ring if it is ready, and take a ring back that is
 * not any more. Whether anything changed.
 */
bool vduse_queue_load(struct vduse *v, uint32_t i);

/** Have the ring interrupt by the node. 0 or -errno. */
int vduse_queue_set_irq(struct vduse_queue *q);

/** Whether the kernel knows of the ring what the device was told. */
bool vduse_queue_same(const struct vduse *v, uint32_t i);

/** The same as vduse_queue_load() for a ring that @p info describes. */
bool vduse_queue_set(struct vduse *v, const struct vduse_vq_info *info);

/** Record what the kernel says; @p fd comes along, -1: none. */
void vduse_record_fact(const struct vduse *v, enum record_kernel_fact fact, const void *data,
		       uint32_t size, int fd);

/** The device does not know the rings any more. */
void vduse_queues_forget(struct vduse *v);

/* --- mem.c: memory on demand --- */

/** struct transport_ops.translate */
bool vduse_translate(struct transport *t, uint64_t iova, uint32_t perm);

/** Start what can run, with all memory it takes. */
void vduse_sync(struct vduse *v);

/** Forget [start, last]; when it returns no worker uses such memory. 0 or -errno. */
int vduse_mem_flush(struct vduse *v, uint64_t start, uint64_t last);

/**
 * The map of @p m that is of its permission (NULL: none), with the region of address space @p asid
 * that @p iova is in. No change: the driver has not mapped it, or it cannot be used.
 */
void vduse_mem_extend(struct vduse *v, uint32_t asid, uint64_t iova,
		      struct gmem *m[VDUSE_ACCESS_RW + 1], struct gmem_fault *fault);

/* --- ctrl_ring.c: the two layouts --- */

/** The next command. */
enum vduse_ctrl_look vduse_ctrl_look(struct vduse *v, struct vduse_ctrl_chain *out);

/** Whether the ring has the answer, and the position is behind the command. False: it waits. */
bool vduse_ctrl_answer(struct vduse *v, const struct vduse_ctrl_chain *c, uint8_t result);

/** Ask for a kick. Whether a command has come meanwhile. */
bool vduse_ctrl_arm(struct vduse *v);

/** The key of its ring's entry in the journal. */
struct vq_journal_key vduse_ctrl_key(const struct vduse *v);

/**
 * Find the position of a ring that a predecessor left, unless that was done. False: its memory is
 * not there, and no command may be looked at.
 */
bool vduse_ctrl_find(struct vduse *v);

/** Have a successor find the position from here on. */
void vduse_ctrl_log_position(struct vduse *v);

/* --- ctrl.c --- */

/** Its ring begins, or goes on, as @p info says: @p another, not the one that was described. */
void vduse_ctrl_ready(struct vduse *v, const struct vduse_vq_info *info, bool another);

/** It goes on in this process, or in this one after all. */
void vduse_ctrl_go_on(struct vduse *v);

/** It stands still, and keeps its position. */
void vduse_ctrl_unready(struct vduse *v);

/** There is no driver any more. */
void vduse_ctrl_forget(struct vduse *v);

/** Look at it now, as at a kick. */
void vduse_ctrl_kick(struct vduse *v);

/** Workers see all that the device was told. */
void vduse_ctrl_published(struct vduse *v);

/** Some of the memory in its address space is not what it was. */
void vduse_ctrl_flush(struct vduse *v);

/** Use the first @p n queue pairs, of a driver that takes several. */
void vduse_ctrl_use_pairs(struct vduse *v, uint32_t n);

/** A word for display. */
const char *vduse_ctrl_state(const struct vduse *v);

/* --- transport.c --- */

/** A gate for the node, which is open. NULL: no memory, or no thread. */
struct vduse_gate *vduse_gate_of(struct vduse *v);

/** Requests that were answered without control. */
uint64_t vduse_late(const struct vduse *v);

/** A device of the same name is gone: make this one. */
void vduse_begin_late(struct vduse *v);

/** The last error of a device after that. */
extern const char vduse_given_up[];

/** The kernel has given the device up. */
void vduse_broken(struct vduse *v);

/* --- msg.c: requests --- */

/** Carry out a request; its answer in @p resp, whose request_id is set. */
void vduse_handle(struct vduse *v, const struct vduse_dev_request *req,
		  struct vduse_dev_response *resp);

/** The kernel has the answer to a request. */
void vduse_answered(struct vduse *v);

/** Carry on with a driver that a predecessor left running, if there is one. Static text or NULL. */
const char *vduse_adopt(struct vduse *v);

const char *vduse_request_name(uint32_t type);

/** Note what a successor has to know of the device. */
void vduse_note(const struct vduse *v);

/** While it is started: look at rings and config space now and then. */
void vduse_poll(struct vduse *v);

/* --- handover.c: struct transport_ops, for a process that goes on in place of this one --- */

const char *vduse_busy(const struct transport *t);
void vduse_hand_stop(struct transport *t);
void vduse_hand_over(const struct transport *t, struct blob *b);
const char *vduse_take_over(struct transport *t, const struct hand_record *h);
void vduse_hand_run(struct transport *t);

/* --- bus.c: the vdpa bus --- */

/** struct vduse_sys.bus of the kernel. */
int vduse_bus_request(const char *name, bool on);

/** Work that waits for the driver, which waits for us: in a thread of its own. 0 or -errno. */
int vduse_bus_attach(struct vduse *v);

/** Give up waiting for work that may be under way. */
void vduse_bus_abandon(struct vduse *v);

/** Give it to another thread, which is to finish it. NULL: there is none. */
struct vduse_bus *vduse_bus_take(struct vduse *v);

/** Wait for it and free it. NULL is fine. That thread. */
void vduse_bus_finish(struct vduse_bus *b);

/* --- removal.c: the end of a device --- */

/**
 * Have a thread take the device off the bus, answer its requests meanwhile and destroy it. The
 * node, v->fd, is the thread's.
 */
void vduse_remove(struct vduse *v);

/**
 * Whether a device of the same name is being removed: vduse_begin_late() is called when that has
 * ended.
 */
bool vduse_wait_for_removal(struct vduse *v);

/** Not any more. */
void vduse_wait_no_more(struct vduse *v);

#endif
