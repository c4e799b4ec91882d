/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An ethdev port goes on in another process (app/upgrade.h).
 *
 * Two processes cannot have one device. So the successor's port has a null device, which stands in
 * for its own while settings are made; in the stop the predecessor closes the device, and the
 * successor opens it and gives it the settings it had. A tap is not closed, since the kernel would
 * take the interface down and forget its routes: the predecessor gives its queues back, and its end
 * closes them. If no process takes over, the predecessor opens its device again.
 *
 * Internal to drivers/ethdev; control thread.
 */
#ifndef ETHDEV_HANDOVER_H
#define ETHDEV_HANDOVER_H

#include "switch/handover.h"

struct ethdev_closed;

/** Free what @p c has, which is empty then. */
void ethdev_closed_free(struct ethdev_closed *c);

extern const struct port_handover_ops ethdev_handover;

#endif
