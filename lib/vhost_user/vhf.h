/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vhost-user front-end (vhost_user/frontend.h) for programs without an event
 * loop, so that one with driver-side rings (virtq/driver.h) can be a guest of any
 * vhost-user switch.
 *
 * Each function runs a loop of the session's own until its operation has ended,
 * at most timeout_ms for each answer. Not thread safe; one owner. The usual order:
 *
 *     vhf_open  vhf_negotiate  vhf_set_mem  vhf_ring_start...  vhf_ring_enable...  vhf_set_status
 *     vhf_ring_stop...  vhf_close
 *
 * After a lost connection vhf_reopen() and the same again; the rings carry on
 * from vhf_ring.base (vqd_resume_base()).
 *
 * Functions return 0 or -errno: -EPROTO for an answer that is not vhost-user,
 * -ETIMEDOUT, -EREMOTEIO when the back-end refused, -ECONNRESET when it left.
 * vhf.err then says what happened in a sentence.
 */
#ifndef VHOST_USER_VHF_H
#define VHOST_USER_VHF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vhost_user/frontend.h"

#define VHF_REQUESTS_MAX 64 /* of the back-end, kept until they are taken; then the channel waits */

struct vhf_config {
	const char *path; /* unix socket; copied */
	bool server;      /* listen and wait for the back-end, instead of connecting */
	int timeout_ms;   /* for the peer to appear, and for each answer */
};

struct vhf {
	struct vhu_frontend s; /* the session */
	struct ev_loop *loop;  /* NULL: never opened */
	int listen_fd;         /* server role, -1: none */
	int timeout_ms;
	bool server;
	char path[108];
	struct vhu_msg *requests; /* of the back-end, oldest first */
	uint32_t nrequests;
	bool ended; /* the operation that is waited for */
	int ret;
	struct vhu_msg *reply; /* where its reply goes; NULL: nowhere */
	char err[160];
};

/** Connect or accept. */
int vhf_open(struct vhf *f, const struct vhf_config *cfg);

/** Drop the connection, if there still is one, and wait for the next. */
int vhf_reopen(struct vhf *f);

/** Drop the connection; in the server role remove the socket. Harmless when not open. */
void vhf_close(struct vhf *f);

/**
 * Features, protocol features, queue number, owner, back-end channel: up to and including
 * SET_FEATURES.
 */
int vhf_negotiate(struct vhf *f, const struct vhu_frontend_wish *wish);

/**
 * Announce all memory: as a table, or slot by slot when the back-end has slots. fds[i] backs r[i].
 */
int vhf_set_mem(struct vhf *f, const struct vhu_mem_region *r, const int *fds, uint32_t n);

/** Configure and start ring @p i: everything up to its kick and call descriptors. */
int vhf_ring_start(struct vhf *f, uint32_t i, const struct vhu_frontend_ring *r);
int vhf_ring_enable(struct vhf *f, uint32_t i, bool on);

/** Stop ring @p i and learn where it stands. @p r as it was started. */
int vhf_ring_stop(struct vhf *f, uint32_t i, const struct vhu_frontend_ring *r, uint32_t *base);

/** virtio device status; nothing happens when the back-end does not take it. */
int vhf_set_status(struct vhf *f, uint8_t status);

/**
 * Dirty log in [offset, offset + size) of @p fd; logging starts with VHU_F_LOG_ALL in
 * vhf_set_features().
 */
int vhf_set_log(struct vhf *f, int fd, uint64_t offset, uint64_t size);
int vhf_set_features(struct vhf *f, uint64_t features);

/** Answer or revoke translations (VHU_IOTLB_UPDATE, VHU_IOTLB_INVALIDATE). */
int vhf_iotlb(struct vhf *f, const struct vhu_iotlb *m);

/**
 * Take one request of the back-end, which was acknowledged if asked. -EAGAIN: none within
 * @p timeout_ms.
 */
int vhf_backend_request(struct vhf *f, struct vhu_msg *m, int timeout_ms);

/** Any message; an acknowledgement, if the back-end gives them, replaces @p m. */
int vhf_request(struct vhf *f, struct vhu_msg *m, const int *fds, uint32_t nfds);

#endif
