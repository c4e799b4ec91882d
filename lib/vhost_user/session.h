/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A front-end's session and the message table: the negotiated features, the messages allowed in
 * each state, and their handlers. Inside lib/vhost_user, and for tests that speak the protocol
 * without a socket. Control thread only.
 *
 * A handler returns 0 or -errno and may set session.why to say more. A refused
 * message has had no effect. Whether the session survives a refusal follows
 * from the reason alone (see vhu_dispatch()).
 */
#ifndef VHOST_USER_SESSION_H
#define VHOST_USER_SESSION_H

#include <stdio.h>

#include "base/blob.h"
#include "gmem/pager.h"
#include "vdev/save.h"
#include "vdev/transport.h"
#include "vdev/vdev.h"
#include "vhost_user/bell.h"
#include "vhost_user/conn.h"
#include "vhost_user/wire.h"

#define VHU_HISTORY 32

/** One message and its result. */
struct vhu_event {
	uint64_t when_ns;
	uint32_t request;
	uint32_t size;
	uint32_t nfds;
	int verdict;     /* 0 or -errno */
	uint64_t word;   /* first eight bytes of the payload: index and value, or a feature word */
	const char *why; /* static, NULL: accepted */
};

enum vhu_transfer_state {
	VHU_TRANSFER_NONE,
	VHU_TRANSFER_ACTIVE,
	VHU_TRANSFER_COMPLETE,
	VHU_TRANSFER_FAILED,
};

/** The device's state on its way through a pipe. */
struct vhu_transfer {
	enum vhu_transfer_state state;
	bool load;
	struct ev_source src; /* our own descriptor of the pipe, -1 when it is through */
	struct blob blob;
	size_t done; /* bytes written */
};

/** Post-copy: the front-end brings pages of guest memory as they are needed. */
struct vhu_postcopy {
	struct pager *pager; /* NULL: not begun */
	bool advised, listening;
	struct gmem *mapping; /* a table that the pager is about to map; NULL: none */
	struct gmem
		*unacked; /* it is mapped, and the front-end has yet to say that it knows where */
	const char *why;  /* the reason against the table in a message, static; NULL: none */
};

struct vhu_counters {
	uint64_t messages;
	uint64_t refused; /* messages not accepted, unknown ones included */
	uint64_t unknown;
	uint64_t misses; /* IOTLB misses we sent */
};

/**
 * [ctl] Zero-initialised apart from transport.ops, dev, loop and extra is a valid session without a
 * connection.
 */
struct vhu_session {
	struct transport transport; /* first member */
	struct vdev *dev;
	struct ev_loop *loop;
	uint64_t extra; /* protocol features offered by option, VHU_PF_OPTIONAL */
	struct vhu_conn conn;
	struct vhu_conn req;    /* the channel for our own requests */
	struct vhu_bells bells; /* named on it */
	uint64_t protocol_features;
	uint32_t base[VDEV_QUEUES_MAX]; /* as stated last, see vhu_bases_again() */
	struct vhu_transfer transfer;
	struct vhu_postcopy postcopy;
	struct pager_counters paged; /* of those that have ended */
	const char *why;             /* a handler's reason for a refusal, static */
	int reply_fd;                /* a handler's descriptor for its answer, -1: none */
	uint64_t result;             /* the reply of VHU_RESULT after a success */
	bool answers; /* a handler has left its answer in the message, though its row has none */
	struct vhu_counters count;
	struct vhu_event history[VHU_HISTORY];
	uint64_t events;       /* ever recorded; the last VHU_HISTORY are kept */
	struct record *record; /* the owner's, of its port; NULL: none */
};

static inline struct vhu_session *
vhu_session_of(const struct transport *t)
{
	return (struct vhu_session *)(uintptr_t)t;
}

/** Offered to every front-end. */
#define VHU_PF_ALWAYS                                                                          \
	(VHU_PF(MQ) | VHU_PF(LOG_SHMFD) | VHU_PF(RARP) | VHU_PF(REPLY_ACK) | VHU_PF(NET_MTU) | \
	 VHU_PF(BACKEND_REQ) | VHU_PF(CROSS_ENDIAN) | VHU_PF(BACKEND_SEND_FD) |                \
	 VHU_PF(INFLIGHT_SHMFD) | VHU_PF(RESET_DEVICE) | VHU_PF(CONFIGURE_MEM_SLOTS) |         \
	 VHU_PF(STATUS))

/** Offered by option: front-ends disagree about these bits, or warn about them for a net device. */
#define VHU_PF_OPTIONAL                                                            \
	(VHU_PF(CONFIG) | VHU_PF(DEVICE_STATE) | VHU_PF(GET_VRING_BASE_INFLIGHT) | \
	 VHU_PF(GPA_ADDRESSES) | VHU_PF(PAGEFAULT))

#define VHU_PF_FORMATS (VHU_PF(FORMAT_LEGACY_LE) | VHU_PF(FORMAT_LEGACY_BE) | VHU_PF(FORMAT_MODERN))

/** The reply of GET_PROTOCOL_FEATURES at present. */
uint64_t vhu_offered(const struct vhu_session *s);

/** How a message is answered. */
enum vhu_reply {
	VHU_ACK,    /* not, unless NEED_REPLY asks for a u64: 0 or an errno */
	VHU_ANSWER, /* always: the handler leaves it in the message */
	VHU_RESULT, /* always: a u64, session.result or an errno */
};

/** The place of the ring index in a message. */
enum vhu_ring {
	VHU_NO_RING,
	VHU_RING_INDEX, /* the first 32 bits */
	VHU_RING_WORD,  /* bits 0-7 of a u64 */
};

typedef int vhu_handler(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds);

/** One row of the table: all checks that need no knowledge of the message. */
struct vhu_row {
	const char *name;
	vhu_handler *handle; /* NULL: known, not served */
	uint16_t size_min, size_max;
	uint8_t fds_min, fds_max;
	enum vhu_ring ring; /* its index is checked */
	bool pause; /* that ring (VHU_NO_RING: all) is taken from the workers while it is handled */
	/* whether it stops rings, which hardware has to release first; NULL: where it pauses */
	bool (*stops)(const struct vhu_session *s, const struct vhu_msg *m);
	/* whether it waits for something of ours; asked again until it does not. NULL: never */
	bool (*waits)(struct vhu_session *s, const struct vhu_msg *m, const struct vhu_fds *fds);
	enum vhu_reply reply;
	uint64_t needs; /* protocol features, all of them negotiated */
	/* asked after vdev_sync(): whether it took effect. A no is reported, the session goes on */
	vhu_handler *verify;
};

/** The row of a request, or NULL when there is none. */
const struct vhu_row *vhu_row(uint32_t request);

/** "SET_OWNER", "?" */
const char *vhu_request_name(uint32_t request);
const char *vhu_protocol_feature_name(unsigned int bit);

/**
 * Check and carry out one message, answer it on s->conn.
 *
 * Refused with -ENOTSUP, -EBUSY or -EPERM (unknown here, not at this time, not
 * allowed) the session goes on. Any other refusal ends it, unless the front-end
 * asked for a reply and so can be told.
 *
 * @return NULL, or the reason for which the connection ends; static text; or vhu_conn_later
 */
const char *vhu_dispatch(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds);

/** Forget what was negotiated and close both channels. History and counters stay. */
void vhu_session_reset(struct vhu_session *s);

/** Open s->req, which is closed, on @p fd, which is taken in any case. 0 or -errno. */
int vhu_open_channel(struct vhu_session *s, int fd);

/** Protocol features and the last messages, for "show port N negotiation". */
void vhu_session_show(const struct vhu_session *s, FILE *out);

/* The device's requests to the front-end, over s->req: see struct transport_ops, and bell.h. */
bool vhu_send_miss(struct transport *t, uint64_t iova, uint32_t perm);
void vhu_send_config_change(struct transport *t);

/**
 * Other features were negotiated: read the front-end's bases again, since their format differs
 * between split and packed rings.
 */
void vhu_bases_again(struct vhu_session *s);

/** Refuse with a reason: return vhu_refuse(s, EINVAL, "..."). */
static inline int
vhu_refuse(struct vhu_session *s, int err, const char *why)
{
	s->why = why;
	return -err;
}

/* handlers, by the file they are in */
vhu_handler vhu_get_features, vhu_set_features, vhu_set_owner, vhu_reset_owner, /* msg_session.c */
	vhu_get_protocol_features, vhu_set_protocol_features, vhu_get_queue_num, vhu_send_rarp,
	vhu_set_mtu;
vhu_handler vhu_set_mem_table, vhu_get_max_mem_slots, vhu_add_mem_reg,
	vhu_rem_mem_reg, /* msg_mem.c */
	vhu_set_log_base, vhu_set_log_fd;
vhu_handler vhu_set_vring_num, vhu_set_vring_addr, vhu_set_vring_base,
	vhu_get_vring_base, /* msg_vring.c */
	vhu_set_vring_kick, vhu_set_vring_call, vhu_set_vring_err, vhu_set_vring_enable,
	vhu_set_vring_endian, vhu_vring_started;
vhu_handler vhu_set_backend_req_fd, vhu_iotlb_msg; /* msg_iotlb.c */
vhu_handler vhu_reset_device, vhu_set_status, vhu_get_status, vhu_get_config,
	vhu_set_config;                                                 /* msg_status.c */
vhu_handler vhu_get_inflight_fd, vhu_set_inflight_fd;                   /* msg_inflight.c */
vhu_handler vhu_set_device_state_fd, vhu_check_device_state;            /* msg_state.c */
vhu_handler vhu_postcopy_advise, vhu_postcopy_listen, vhu_postcopy_end; /* msg_postcopy.c */

/** The map a table describes. NULL with the reason in session.why. */
struct gmem *vhu_table_map(struct vhu_session *s, const struct vhu_msg *m,
			   const struct vhu_fds *fds);

/* --- msg_postcopy.c --- */

/** The reason for which post-copy is not offered, static text; NULL: it can be. */
const char *vhu_postcopy_unavailable(const struct vhu_session *s);

/** Counters of all post-copies of the port, as transport_ops.facts; none without the option. */
uint32_t vhu_postcopy_facts(const struct vhu_session *s, struct transport_fact *out);

/** ADVISE waits until the pager runs, a table until the pager has it mapped. */
bool vhu_postcopy_starts(struct vhu_session *s, const struct vhu_msg *m, const struct vhu_fds *fds);
bool vhu_postcopy_maps(struct vhu_session *s, const struct vhu_msg *m, const struct vhu_fds *fds);

/** A table, or the acknowledgement of one, while listening. As a handler. */
int vhu_postcopy_table(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds);

/** The end of a session: forget it all. */
void vhu_postcopy_stop(struct vhu_session *s);

/** Break off a transfer, if there is one. */
void vhu_transfer_stop(struct vhu_transfer *t);

#endif
