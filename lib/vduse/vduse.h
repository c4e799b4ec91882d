/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VDUSE: a virtio-net device of the host's own kernel, as a transport of the device model.
 *
 * The device node /dev/vduse/NAME is made, or found when a predecessor left it. The kernel attaches
 * a driver to the device over its vdpa bus: virtio_vdpa (a network interface of the host) or
 * vhost_vdpa (a virtual machine, a container). Control thread only.
 *
 * Life cycle: vduse_new() until transport->ops->free(), which takes the device off the vdpa bus if
 * vduse_new() was told to put it there, and destroys it unless it is on the bus still. The device
 * of a process that is killed stays, with its driver, for a successor of the same name.
 */
#ifndef VDUSE_VDUSE_H
#define VDUSE_VDUSE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vdev/transport.h"

#define VDUSE_DIR "/dev/vduse/"
#define VDUSE_RING_SIZE 1024 /* entries a driver may give a ring at most */

struct ev_loop;
struct vdev;

/** The driver that the device gets on the vdpa bus. */
enum vduse_attach {
	VDUSE_ATTACH_VIRTIO, /* virtio_vdpa */
	VDUSE_ATTACH_VHOST,  /* vhost_vdpa */
	VDUSE_ATTACH_NONE,   /* by another program: vdpa(8) */
};

/** The kernel's side, which tests replace. The first two return -1 with errno set on failure. */
struct vduse_sys {
	int (*open)(const char *path);
	int (*ioctl)(int fd, unsigned long request, void *arg);
	/*
	 * Put a device on the vdpa bus, or take it off; returns when its driver has come, or left.
	 * 0 or -errno. Any thread but control's.
	 */
	int (*bus)(const char *name, bool on);
	const char *sysfs; /* the bus there: "/sys/bus/vdpa" */
	/* how long a request may wait for control; NULL: VDUSE_ANSWER_MS */
	const atomic_uint *answer_ms;
};

struct vduse_config {
	const char *path; /* VDUSE_DIR and a name */
	enum vduse_attach attach;
	const char *ifname; /* name of the interface with VDUSE_ATTACH_VIRTIO; "": the kernel's */
	const char *netns; /* network namespace it is moved to, as ip-netns(8) names it; "": none */
	bool closed;       /* a rehearsal: the kernel is told nothing of the device */
	bool later;        /* a predecessor has it, and hands it over (vdev/handover.h) */
	struct ev_loop *loop;
	struct vdev *dev;            /* of one queue pair, offering vduse_features() at most */
	const struct vduse_sys *sys; /* NULL: the kernel */
	struct record *record;       /* of what is said, the caller's; NULL: none */
};

/** Whether @p path names a VDUSE device. */
bool vduse_is_path(const char *path);

/** Of @p features those that a VDUSE device may offer, and those it has to. */
uint64_t vduse_features(uint64_t features);

/** NULL with a sentence in @p err that says what is missing. */
struct transport *vduse_new(const struct vduse_config *cfg, char *err, size_t errlen);

/** Whether devices whose ports were closed are still being taken off the bus. */
bool vduse_is_removing(void);

#endif
