/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The switch's part of a guest's saved state (vdev/save.h): the addresses
 * learned behind its port, MAC and IP addresses, and the port's limits. Control thread.
 */
#ifndef VIRTIO_SAVE_H
#define VIRTIO_SAVE_H

#include "switch/port.h"
#include "vdev/save.h"

#define VIRTIO_SAVE_ADDRESSES 4096 /* most that move with a guest; the others are learned anew */
#define VIRTIO_SAVE_IPS 64         /* IP addresses likewise: as many as a port can have */

/**
 * Addresses that came with a guest. They are learned when its rings run: until then it may still be
 * where it came from, and go on there. Zeroed: none. [ctl]
 */
struct virtio_arrivals {
	struct virtio_list {
		uint32_t len; /* bytes */
		void *data;   /* as saved */
	} macs, ips;
};

void virtio_save(const struct port *p, struct blob *b);

/**
 * Take over one record, addresses to @p a; types and entries that make no sense are skipped. A
 * front-end gains no right by it: an address that is pinned stays, one that may not send, or not
 * with its tag, is not learned, a limit is tightened and never lifted.
 */
void virtio_load(struct port *p, struct virtio_arrivals *a, uint16_t type, const void *data,
		 uint32_t len);

/** Whether there are any. */
bool virtio_arrivals_wait(const struct virtio_arrivals *a);

/** The guest's rings run: it has these addresses here, whether it sends a frame or not. */
void virtio_arrive(struct port *p, struct virtio_arrivals *a);

/** Forget them. */
void virtio_arrivals_clear(struct virtio_arrivals *a);

/** The guest is gone: forget the addresses learned behind the port, and its limits. */
void virtio_leave(struct port *p);

#endif
