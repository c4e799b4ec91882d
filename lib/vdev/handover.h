/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device and its rings as records, for a process that goes on with them in place of this one
 * (app/upgrade.h): guest memory, eventfds and the dirty log as descriptors, all else as numbers.
 *
 * Unlike saved state (save.h) it is for the same host and the same peer: facts are in host byte
 * order, and addresses are the front-end's. All that is read is untrusted as far
 * as sizes, indices and numbers go. Control thread only.
 *
 * Predecessor: vdev_hand_stop(), a publication, vdev_hand_over(); then it is gone, or goes on by
 * vdev_sync(). Successor: the transport has called vdev_connect(), if it has a peer;
 * vdev_take_over() for each record; vdev_sync().
 */
#ifndef VDEV_HANDOVER_H
#define VDEV_HANDOVER_H

#include "pkt/hand.h"

struct vdev;

/** Record types of a device, from here to before the end. */
#define VDEV_HAND_FIRST 0x200
#define VDEV_HAND_END 0x300

/** Rings are to be taken from the workers, with the publication the caller makes. */
void vdev_hand_stop(struct vdev *d);

/** Stop all rings and append the device's records. They run again with vdev_sync(). */
void vdev_hand_over(struct vdev *d, struct blob *b);

/** Interrupt the guest for every ring that runs. */
void vdev_interrupt(struct vdev *d);

/**
 * Record what a record says. NULL, or the reason for which it cannot be taken (static text); the
 * device is of no use then. Types it does not know are ignored: the caller looks at their flag.
 */
const char *vdev_take_over(struct vdev *d, const struct hand_record *h);

#endif
