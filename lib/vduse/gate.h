/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The thread that reads a device's requests.
 *
 * A driver waits in the kernel until a request is answered, and the kernel gives a device up for
 * good after 30 s. So no request depends on how long workers hold what control wants to take back,
 * or on anything else that control may wait for: the gate hands each request to control's loop and
 * writes control's answer; when there is none after VDUSE_ANSWER_MS it gives one by itself. Control
 * carries such a request out all the same, later and in its turn.
 *
 * Life cycle: vduse_gate_open(), which reads nothing yet, vduse_gate_go() until vduse_gate_park(),
 * as often as it is handed over in vain, until vduse_gate_close(), all by control; requests that
 * were not answered then are the successor's. Requests on their way keep what they need.
 */
#ifndef VDUSE_GATE_H
#define VDUSE_GATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define VDUSE_ANSWER_MS 100

struct vduse;
struct vduse_dev_request;
struct vduse_gate;

/** The facts by which a request is answered without control. */
struct vduse_late {
	uint64_t offered;        /* features */
	uint64_t negotiated;     /* as the kernel has them now */
	uint32_t queues, groups; /* that the device has */
	bool busy;               /* workers may be using the driver's memory */
	bool owes;               /* a request before this one waits for control */
};

/**
 * Whether a request that control has had no time for is granted. It is when it needs nothing of
 * workers: what asks them to release rings or memory fails, unless they have neither. A start is
 * granted unless workers may still be using the memory of the driver before: the rings start later.
 * Any thread.
 */
bool vduse_late_granted(const struct vduse_late *f, const struct vduse_dev_request *req);

/** A gate for the node of @p v, which is open: parked. NULL: no memory, or no thread. */
struct vduse_gate *vduse_gate_open(struct vduse *v, uint64_t offered);

/** Read requests from now on. NULL is fine. */
void vduse_gate_go(struct vduse_gate *g);

/**
 * Read no more. All that was read has been carried out and answered when it returns; what comes
 * stays in the kernel. NULL is fine.
 */
void vduse_gate_park(struct vduse_gate *g);

/** Whether workers may be using the driver's memory from now on. */
void vduse_gate_busy(struct vduse_gate *g, bool busy);

/** Requests that were answered without control. */
uint64_t vduse_gate_late(const struct vduse_gate *g);

/** NULL is fine. The node stays open. */
void vduse_gate_close(struct vduse_gate *g);

#endif
