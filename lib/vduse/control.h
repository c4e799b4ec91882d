/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control queue of a device (virtio spec 5.1.6.5), device side: ctrl.c, ctrl_ring.c. By it a
 * driver says how many queue pairs it uses, and nothing else: no other class is offered.
 *
 * Control polls it, a few commands at a time, and waits for nothing: memory that the driver has not
 * mapped is looked for again later, and a command whose effect workers have yet to see is answered
 * when they do. Commands are copied before they are looked at, and carried out one after the other,
 * so avail and used position are the same between two of them.
 *
 * The queue has a map of the driver's memory of its own, since it may be in an address space of its
 * own, which data queues do not reach.
 *
 * Life cycle: vduse_ctrl_ready() until vduse_ctrl_forget(), each as often as a driver comes. A ring
 * that is not ready keeps its position. Control thread only.
 */
#ifndef VDUSE_CONTROL_H
#define VDUSE_CONTROL_H

#include <linux/vduse.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/ev.h"
#include "gmem/gmem.h"
#include "virtq/vq.h"

#define VDUSE_CTRL_BATCH 8    /* commands at a time */
#define VDUSE_CTRL_PAUSE_MS 1 /* and then the time until the next */
#define VDUSE_CTRL_HEAD 4u    /* bytes of a command that are looked at: class, command, number */

struct irq;

/** A command of the driver's, copied. */
struct vduse_ctrl_chain {
	uint8_t head[VDUSE_CTRL_HEAD];
	uint64_t len; /* bytes of it in all */
	uint64_t ack; /* IOVA of the byte for the answer */
	bool has_ack; /* the driver gives one */
	uint16_t id;
	uint16_t slots; /* of the ring */
};

/** The result of a look at the ring. */
enum vduse_ctrl_look {
	VDUSE_CTRL_NONE,   /* there is no command */
	VDUSE_CTRL_ONE,    /* it is in the chain */
	VDUSE_CTRL_WAITS,  /* for memory at ctrl->missing */
	VDUSE_CTRL_BROKEN, /* ctrl->why */
};

enum vduse_ctrl_step {
	VDUSE_CTRL_IDLE,
	VDUSE_CTRL_APPLYING, /* workers have yet to see it */
	VDUSE_CTRL_ANSWERS,  /* the answer is due */
};

/** [ctl] */
struct vduse_ctrl {
	bool ready, broken;
	const char *why; /* it is broken, static text */
	/* of the ring, as the driver described it */
	enum vq_layout layout;
	uint32_t size;
	uint64_t features;
	uint64_t desc, driver, device; /* IOVAs */
	struct vq_state at;            /* of the next command; avail and used are the same */
	uint32_t base;                 /* where it began, for the journal */
	bool lost;                     /* a predecessor's position has yet to be found */
	int kick_fd;                   /* owned; -1: none */
	struct irq *irq;               /* owned */
	struct ev_source kick;
	struct ev_timer next;
	uint64_t looked_ns; /* when it was looked at last */
	/* memory */
	struct gmem *mem[VDUSE_ACCESS_RW + 1]; /* by permission; NULL: none is mapped */
	struct gmem_fault fault;
	uint64_t missing;
	bool waits; /* for what is there */
	/* the command that is carried out */
	enum vduse_ctrl_step step;
	struct vduse_ctrl_chain chain;
	uint8_t result; /* VIRTIO_NET_OK, VIRTIO_NET_ERR */
	/* results */
	uint32_t pairs; /* in use */
	uint64_t commands, refused;
};

#endif
