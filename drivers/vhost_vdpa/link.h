/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A vhost-vdpa device that runs: opened, with rings and buffers of our own, driven by us.
 *
 * One file in memory has the rings and buffers of all queues; it is mapped once here and once for
 * the device, at an address of its own (IOVA). link_open() and link_close() may wait for the kernel
 * and are called in a lane; between them control reads it, and the workers that own its queues use
 * their struct vqd.
 */
#ifndef VHOST_VDPA_LINK_H
#define VHOST_VDPA_LINK_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vdpa/kernel/chardev.h"
#include "virtq/driver.h"

#define LINK_PAIRS_MAX 16
#define LINK_RING_MAX 512    /* entries */
#define LINK_ANSWER_MS 10000 /* how long the device may take for a command */
#define LINK_FEW_MAX 96

struct link_config {
	const char *path;
	bool packed;                   /* rings, where the device has them */
	uint32_t pairs;                /* queue pairs at most, 1 to LINK_PAIRS_MAX */
	uint32_t answer_ms;            /* 0: LINK_ANSWER_MS */
	const struct chardev_sys *sys; /* NULL: the kernel */
};

/** The device's word about itself, which may change. */
struct link_said {
	struct virtio_net_config config;
	uint8_t status;
};

/** One queue: what a worker needs of it. */
struct link_queue {
	struct vqd vqd;
	int kick_fd, call_fd; /* call_fd: readable when the device has interrupted */
};

struct link {
	struct chardev dev;
	uint64_t features;
	uint32_t pairs;         /* that run */
	char few[LINK_FEW_MAX]; /* reason why they are fewer than were wanted; "": they are not */
	bool refused;           /* by the device, which then runs none */
	bool runs;
	bool apart; /* the control queue has an address space of its own */
	bool mergeable;
	uint32_t frame_max; /* longest frame a buffer for transmission has room for */
	int memfd;
	uint8_t *mem;
	size_t size;
	struct link_queue queue[2 * LINK_PAIRS_MAX]; /* as virtio numbers them: 0 receives */
	struct link_queue ctrl; /* with more than one pair: its last queue. [lane] until it runs */
	int config_fd;          /* readable when the configuration has changed */
	struct link_said said;  /* [ctl] once it runs */
	struct link_said fresh; /* [lane] read last */
};

/** NULL with a sentence in @p err. */
struct link *link_open(const struct link_config *cfg, char *err, size_t errlen);

/** Reset the device, free. NULL is fine. */
void link_close(struct link *l);

/** Read configuration and status again. 0 or -errno; -EIO: the device needs a reset. In a lane. */
int link_read_config(struct link *l);

/** Use what was read last. No lane has the link meanwhile. */
void link_take_config(struct link *l);

/** By the configuration taken last. */
bool link_is_up(const struct link *l);

#endif
