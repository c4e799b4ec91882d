/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost-user back-end of one virtio-net device: the socket, the connection,
 * the message table. Control thread only.
 *
 * Server role: listens at the path, serves one front-end at a time and refuses
 * a second one at once. Client role: connects to the path and keeps trying;
 * neither side needs to be started first.
 *
 * Everything that arrives is untrusted: sizes, fds and the state a message
 * needs are columns of the message table and checked before its handler runs.
 * A bad message costs at most this connection.
 */
#ifndef VHOST_USER_BACKEND_H
#define VHOST_USER_BACKEND_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/ev.h"
#include "base/record.h"
#include "vdev/transport.h"
#include "vdev/vdev.h"

/*
 * Protocol features that are offered only by option: QEMU warns about CONFIG for
 * net, and the bits of DEVICE_STATE (19) and GPA_ADDRESSES (21) have been in use
 * for other things, by dpdk-vhost-vfe and rust-vmm up to 0.16.
 */
#define VHU_OPTION_CONFIG 0x1u
#define VHU_OPTION_DEVICE_STATE 0x2u
#define VHU_OPTION_BASE_INFLIGHT 0x4u
#define VHU_OPTION_GPA_ADDRESSES 0x8u
#define VHU_OPTION_POSTCOPY 0x10u /* PAGEFAULT, in place of memory slots */

struct vhu_config {
	const char *path; /* unix socket; copied */
	bool client;      /* connect instead of listen */
	bool closed;      /* neither: no front-end ever comes */
	bool later;       /* a client connects in the loop only: it may get a session before */
	mode_t mode;      /* of a listening socket, 0: 0600 */
	uid_t owner;      /* (uid_t)-1: unchanged */
	gid_t group;      /* (gid_t)-1: unchanged */
	uint32_t options; /* VHU_OPTION_* */
	struct ev_loop *loop;
	struct vdev *dev;
	struct record *record; /* of what is said, the caller's; NULL: none */
};

/**
 * Start serving. A stale socket file of a dead process is replaced; one a process listens on, or a
 * file of another kind, is an error. NULL on failure with a sentence in @p err. Its end removes our
 * socket file.
 */
struct transport *vhu_backend_new(const struct vhu_config *cfg, char *err, size_t errlen);

/** Its functions for the device and the port. */
extern const struct transport_ops vhu_transport_ops;

#endif
