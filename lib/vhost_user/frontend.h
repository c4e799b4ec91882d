/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost-user front-end: what a VMM says to a back-end, so that a program with
 * driver-side rings (virtq/driver.h) can be a guest of any vhost-user switch.
 *
 * A session is synchronous: each call sends its message and, where the protocol
 * lets it be asked for, waits for the answer, at most timeout_ms. Not thread
 * safe; one owner. The usual order:
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
#ifndef VHOST_USER_FRONTEND_H
#define VHOST_USER_FRONTEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtq/driver.h"
#include "vhost_user/wire.h"

struct vhf_config {
	const char *path; /* unix socket; copied */
	bool server;      /* listen and wait for the back-end, instead of connecting */
	int timeout_ms;   /* for the peer to appear, and for each answer */
};

/** What the program would like; what it gets is in struct vhf. */
struct vhf_wish {
	uint64_t features;          /* virtio features and VHU_F_* bits */
	uint64_t required;          /* of these, the ones it cannot do without */
	uint64_t protocol_features; /* VHU_PF() */
	uint32_t queue_pairs;
};

struct vhf {
	int fd;         /* connection, -1: none */
	int listen_fd;  /* server role, -1: none */
	int backend_fd; /* our end of the back-end's request channel, -1: not negotiated */
	int timeout_ms;
	bool server;
	char path[108];
	uint64_t offered, features; /* virtio features */
	uint64_t protocol_offered, protocol_features;
	uint64_t max_queue_pairs; /* 1 without MQ */
	uint64_t max_mem_slots;
	char err[160];
};

/** One ring as the back-end is told about it. */
struct vhf_ring {
	enum vq_layout layout;
	uint32_t size;
	uint32_t base;
	uint64_t desc, driver, device; /* our addresses, or IOVAs with ACCESS_PLATFORM */
	uint64_t log_gpa;              /* of the used ring */
	bool log;
	int kick_fd, call_fd, err_fd; /* -1: none; stay the caller's */
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
int vhf_negotiate(struct vhf *f, const struct vhf_wish *wish);

/**
 * Announce all memory: as a table, or slot by slot when the back-end has slots. fds[i] backs r[i].
 */
int vhf_set_mem(struct vhf *f, const struct vhu_mem_region *r, const int *fds, uint32_t n);

/** Add or remove one slot; needs CONFIGURE_MEM_SLOTS. */
int vhf_add_mem(struct vhf *f, const struct vhu_mem_region *r, int fd);
int vhf_remove_mem(struct vhf *f, const struct vhu_mem_region *r);

/** Configure and start ring @p i: everything up to its kick and call descriptors. */
int vhf_ring_start(struct vhf *f, uint32_t i, const struct vhf_ring *r);
int vhf_ring_enable(struct vhf *f, uint32_t i, bool on);

/** Stop ring @p i and learn where it stands. @p r as it was started. */
int vhf_ring_stop(struct vhf *f, uint32_t i, const struct vhf_ring *r, uint32_t *base);

/** virtio device status; nothing happens when the back-end does not want to know it. */
int vhf_set_status(struct vhf *f, uint8_t status);
int vhf_get_status(struct vhf *f, uint8_t *status);

/**
 * Dirty log in [offset, offset + size) of @p fd; logging starts with VHU_F_LOG_ALL in
 * vhf_set_features().
 */
int vhf_set_log(struct vhf *f, int fd, uint64_t offset, uint64_t size);
int vhf_set_features(struct vhf *f, uint64_t features);

/** Answer or revoke translations (VHU_IOTLB_UPDATE, VHU_IOTLB_INVALIDATE). */
int vhf_iotlb(struct vhf *f, const struct vhu_iotlb *m);

/**
 * Take one request of the back-end from its channel and acknowledge it if asked. -EAGAIN: none
 * within @p timeout_ms.
 */
int vhf_backend_request(struct vhf *f, struct vhu_msg *m, int timeout_ms);

/**
 * Any message: sends m->header.request with m->header.size bytes of payload, and
 * waits for an acknowledgement if the back-end gives them. For tests.
 */
int vhf_request(struct vhf *f, struct vhu_msg *m, const int *fds, uint32_t nfds);

/** Any message that has a reply: it replaces @p m. */
int vhf_query(struct vhf *f, struct vhu_msg *m);

#endif
