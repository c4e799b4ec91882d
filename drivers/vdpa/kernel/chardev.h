/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device node /dev/vhost-vdpa-N of the host's kernel: the messages of <linux/vhost.h>.
 *
 * Every function but chardev_is_path() may wait for the device's parent without a bound (VDUSE: a
 * process, which may be this one): it is called in a lane (base/lane.h), never by control. One
 * thread at a time. Each returns 0, or -errno with a sentence in chardev.err.
 *
 * Life cycle: chardev_open(), negotiate, map, ring for each queue, go; chardev_close(), which
 * resets the device and has the kernel forget the memory. Harmless on a zero-initialised one.
 */
#ifndef VDPA_KERNEL_CHARDEV_H
#define VDPA_KERNEL_CHARDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CHARDEV_PREFIX "/dev/vhost-vdpa-"
#define CHARDEV_NEEDS_RESET 0x40u /* of the device status */

/** The kernel's side, which tests replace. All return -1 with errno set on failure. */
struct chardev_sys {
	int (*open)(const char *path);
	int (*ioctl)(int fd, unsigned long request, void *arg);
	ssize_t (*write)(int fd, const void *buf, size_t len);
	/** Whether there is such a node: it goes with the device. NULL: always. */
	bool (*there)(const char *path);
};

struct chardev {
	const struct chardev_sys *sys;
	bool open;
	int fd;
	uint64_t offered, features;
	uint64_t backend; /* VHOST_BACKEND_F_*, as 1 << bit */
	uint64_t iova_first, iova_last;
	uint32_t nqueues, config_size;
	uint32_t ngroups, nspaces; /* groups of rings, and address spaces for them; 1: no choice */
	uint16_t ring_max;         /* entries */
	uint8_t status;
	char err[160];
};

/** Memory of this process's, a shared mapping of a file, as the device is told about it. */
struct chardev_region {
	uint64_t iova, size; /* of whole pages */
	void *at;
};

struct chardev_ring {
	uint32_t size;
	uint32_t base;                 /* packed: both positions with their wrap counters */
	uint64_t desc, driver, device; /* IOVAs */
	int kick_fd, call_fd;          /* eventfds; -1: none */
};

/** Whether @p path names such a node. */
bool chardev_is_path(const char *path);

/** Open and reset it; its capabilities are known then. @p sys NULL: the kernel. */
int chardev_open(struct chardev *c, const char *path, const struct chardev_sys *sys);
void chardev_close(struct chardev *c);

/** @p features of the offer, up to and including FEATURES_OK. */
int chardev_negotiate(struct chardev *c, uint64_t features);

/** More memory for address space @p space; 0: that of all rings that are not set apart. */
int chardev_map(struct chardev *c, uint32_t space, const struct chardev_region *r, uint32_t n);

/**
 * Have ring @p i, before the device starts, see address space @p space and no other. False: the
 * device has no such space, or one of the first @p n rings would go along with it.
 */
bool chardev_set_apart(struct chardev *c, uint32_t i, uint32_t n, uint32_t space);

int chardev_ring(struct chardev *c, uint32_t i, const struct chardev_ring *r);
int chardev_enable(struct chardev *c, uint32_t i, bool on);

/** DRIVER_OK: it works on the rings from now on. */
int chardev_go(struct chardev *c);

/** The eventfd of a ring's interrupts while it runs; -1: none. */
int chardev_call(struct chardev *c, uint32_t i, int fd);

/** Whether chardev_suspend() and chardev_resume() are there. */
bool chardev_can_suspend(const struct chardev *c);
bool chardev_can_resume(const struct chardev *c);

/** All rings stand still until chardev_resume(), and their positions can be read and set. */
int chardev_suspend(struct chardev *c);
int chardev_resume(struct chardev *c);

/** The position of a ring of a suspended device, as chardev_ring.base. */
int chardev_get_base(struct chardev *c, uint32_t i, uint32_t *base);

/** The same ring, of the same addresses, goes on at another position, with these eventfds. */
int chardev_ring_again(struct chardev *c, uint32_t i, const struct chardev_ring *r);

/** Status 0: no ring is used any more. */
int chardev_reset(struct chardev *c);

/** Whether its node is still there: the kernel keeps an open device that it has lost. */
bool chardev_is_there(const struct chardev *c, const char *path);

/** Bytes of the configuration; an eventfd that is written when it changes. */
int chardev_config(struct chardev *c, uint32_t offset, void *buf, uint32_t len);
int chardev_config_call(struct chardev *c, int fd);

/** Read the device status into c->status. */
int chardev_status(struct chardev *c);

#endif
