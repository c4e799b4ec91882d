/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost-user front-end: the messages a VMM sends to a back-end, on the control
 * loop. It never blocks; each operation ends with a call of its struct
 * vhu_frontend_done, exactly once, in the order the operations were begun. That
 * call may come before the function that began the operation returns. Control
 * thread only.
 *
 * The usual order:
 *
 *     open  negotiate  set_mem  ring_start...  ring_enable...  set_status
 *     ring_stop...  close
 *
 * A function that begins an operation returns 0, or -errno with a sentence in
 * vhu_frontend.err and then nothing was sent and done is not called: -ENOBUFS when
 * the back-end has not read or answered what was sent before, -ENOTSUP without
 * the protocol feature it needs, -ENOTCONN without a connection.
 *
 * An operation ends with 0, -EREMOTEIO when the back-end refused a message of
 * it, -EPROTO for an answer that is not vhost-user, -ETIMEDOUT, or -ECONNRESET;
 * the last three end the connection, and with it all operations. In a callback
 * the session may be closed but not freed.
 */
#ifndef VHOST_USER_FRONTEND_H
#define VHOST_USER_FRONTEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ev.h"
#include "vhost_user/conn.h"
#include "vhost_user/wire.h"

#define VHU_FRONTEND_CALLS_MAX 64 /* messages on their way */

struct vhu_frontend;

/** How an operation ends. */
struct vhu_frontend_done {
	/** reply: the answer to the operation's last message, if there is one. fn may be NULL. */
	void (*fn)(struct vhu_frontend *f, void *ctx, int ret, const struct vhu_msg *reply);
	void *ctx;
};

struct vhu_frontend_ops {
	/** A request on the back-end's channel. Returns what acknowledges it: 0 or an errno. */
	uint64_t (*request)(struct vhu_frontend *f, struct vhu_msg *m, struct vhu_fds *fds);
	/** The connection is over by itself and every operation has ended. -errno. */
	void (*closed)(struct vhu_frontend *f, int error);
};

/** The program's wishes; the result of the negotiation is in struct vhu_frontend. */
struct vhu_frontend_wish {
	uint64_t features;          /* virtio features and VHU_F_* bits */
	uint64_t required;          /* of these, the ones it requires */
	uint64_t protocol_features; /* VHU_PF() */
	uint32_t queue_pairs;
};

/** A message whose answer is waited for. */
struct vhu_frontend_call {
	uint32_t request;
	uint8_t kind; /* of answer */
	bool more;    /* the operation goes on with the next message */
	struct vhu_frontend_done done;
};

/** [ctl] */
struct vhu_frontend {
	struct vhu_conn conn;
	struct vhu_conn backend; /* this side of the back-end's request channel */
	struct ev_loop *loop;
	const struct vhu_frontend_ops *ops;
	void *ctx; /* the owner's */
	uint32_t timeout_ms;
	struct ev_timer deadline; /* of the oldest message's answer */
	struct vhu_frontend_call call[VHU_FRONTEND_CALLS_MAX];
	uint32_t first, ncalls;
	int failed; /* by an earlier message of the operation that is answered now */
	struct vhu_frontend_wish wish;
	struct vhu_frontend_done negotiated;
	uint32_t step;              /* of negotiation */
	uint64_t offered, features; /* virtio features */
	uint64_t protocol_offered, protocol_features;
	uint64_t max_queue_pairs; /* 1 without MQ */
	uint64_t max_mem_slots;
	char err[160]; /* the reason of the last failure */
};

/** One ring as the back-end is told about it. */
struct vhu_frontend_ring {
	bool big_endian; /* a legacy guest's, which the back-end cannot know */
	uint32_t size;
	uint32_t base;
	uint64_t desc, driver, device; /* our addresses, or IOVAs with ACCESS_PLATFORM */
	uint64_t log_gpa;              /* of the used ring */
	bool log;
	int kick_fd, call_fd, err_fd; /* -1: none; stay the caller's */
};

struct vhu_frontend_config {
	struct ev_loop *loop;
	uint32_t timeout_ms; /* for each answer */
	const struct vhu_frontend_ops *ops;
	void *ctx;
};

/** Begin a session on the connected socket @p fd, which is taken in any case. 0 or -errno. */
int vhu_frontend_open(struct vhu_frontend *f, const struct vhu_frontend_config *cfg, int fd);

/**
 * End the session without ops->closed; operations that have not ended do so with -ECANCELED.
 * Harmless when closed or zero-initialised.
 */
void vhu_frontend_close(struct vhu_frontend *f);

/**
 * Features, protocol features, queue number, back-end channel, owner: up to and including
 * SET_FEATURES. It ends with -ENOTSUP when the back-end lacks what is required.
 */
int vhu_frontend_negotiate(struct vhu_frontend *f, const struct vhu_frontend_wish *wish,
			   struct vhu_frontend_done done);

/** SET_FEATURES again, as for LOG_ALL. */
int vhu_frontend_set_features(struct vhu_frontend *f, uint64_t features,
			      struct vhu_frontend_done done);

/**
 * Announce all memory: SET_MEM_TABLE, or ADD_MEM_REG for each region when the back-end has slots.
 * fds[i] backs r[i] and stays the caller's.
 */
int vhu_frontend_set_mem(struct vhu_frontend *f, const struct vhu_mem_region *r, const int *fds,
			 uint32_t n, struct vhu_frontend_done done);

/** Configure and start ring @p i: everything up to its kick and call descriptors. */
int vhu_frontend_ring_start(struct vhu_frontend *f, uint32_t i, const struct vhu_frontend_ring *r,
			    struct vhu_frontend_done done);

/** SET_VRING_ENABLE; no message is sent where a ring is enabled when it starts. */
int vhu_frontend_ring_enable(struct vhu_frontend *f, uint32_t i, bool on,
			     struct vhu_frontend_done done);

/** GET_VRING_BASE: stop ring @p i. The reply says which ring and where it stands: payload.state. */
int vhu_frontend_ring_stop(struct vhu_frontend *f, uint32_t i, const struct vhu_frontend_ring *r,
			   struct vhu_frontend_done done);

/** SET_STATUS; no message is sent to a back-end without F_STATUS. */
int vhu_frontend_set_status(struct vhu_frontend *f, uint8_t status, struct vhu_frontend_done done);

/** SET_LOG_BASE: the dirty log is [offset, offset + size) of @p fd, which stays the caller's. */
int vhu_frontend_set_log(struct vhu_frontend *f, int fd, const struct vhu_log *log,
			 struct vhu_frontend_done done);

/**
 * Any message of m->header.request and m->header.size; acknowledged where the back-end acknowledges
 * (REPLY_ACK). @p fds stay the caller's.
 */
int vhu_frontend_request(struct vhu_frontend *f, const struct vhu_msg *m, const int *fds,
			 uint32_t nfds, struct vhu_frontend_done done);

/**
 * Ends when the back-end has handled all messages sent so far, whether or not it acknowledges them:
 * GET_FEATURES.
 */
int vhu_frontend_barrier(struct vhu_frontend *f, struct vhu_frontend_done done);

/**
 * Serve this session alone until no operation is under way; blocks for at most @p timeout_ms. For
 * an owner that may not go on before. Not from a callback of the session. 0 or -ETIMEDOUT.
 */
int vhu_frontend_wait(struct vhu_frontend *f, uint32_t timeout_ms);

#endif
