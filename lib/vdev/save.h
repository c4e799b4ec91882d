/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device's state as bytes, for a migration: the facts its next host cannot learn from the guest's
 * memory or the front-end.
 *
 * A header (magic, version, length, checksum) and records (base/blob.h);
 * everything is checked before anything is applied. Types from VDEV_SAVE_OWNER on are the owner's
 * (vdev_ops.save and load): addresses, limits. Control thread only.
 */
#ifndef VDEV_SAVE_H
#define VDEV_SAVE_H

#include <stddef.h>
#include <stdint.h>

struct blob;
struct vdev;

#define VDEV_SAVE_MAX (4u << 20) /* longest state that is read */
#define VDEV_SAVE_OWNER 0x100    /* first record type of the owner */

/** The state of a stopped device into @p b, which is empty. 0 or -ENOMEM. */
int vdev_save(struct vdev *d, struct blob *b);

/**
 * Take over a saved state. -EINVAL with @p why (static text), and nothing
 * changed, when it is damaged, of another version or not for such a device.
 */
int vdev_load(struct vdev *d, const void *data, size_t len, const char **why);

#endif
