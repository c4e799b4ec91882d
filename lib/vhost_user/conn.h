/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One vhost-user connection: whole messages out of a hostile byte stream, and
 * back. Never blocks. Control thread only.
 *
 * A message may arrive in any number of parts but has CONN_DEADLINE_MS from its first byte to its
 * last; what is sent waits in a bounded queue as long. A peer that breaks a limit is disconnected,
 * unless this process was late itself. The descriptors of a message are owned by a struct vhu_fds,
 * and those its handler does not take are closed afterwards.
 *
 * A peer decides how long it takes to close a descriptor: all are closed in a lane; while
 * CONN_CLOSING_MAX wait there, nothing is read from the connection.
 *
 * Life cycle: vhu_conn_open(); ops->message for each message until either ops->closed (once; the
 * peer left or was disconnected) or vhu_conn_close(). Then it may be opened again.
 */
#ifndef VHOST_USER_CONN_H
#define VHOST_USER_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ev.h"
#include "base/lane.h"
#include "base/record.h"
#include "vhost_user/wire.h"

#define CONN_DEADLINE_MS 2000
#define CONN_OUT_MAX 32      /* messages waiting to be sent */
#define CONN_OUT_PAYLOAD 512 /* longest payload we send */
#define CONN_BURST 16        /* messages handled before other connections are served, */
#define CONN_BURST_US 500    /* or as many as begin in so long a time */
#define CONN_CLOSING_MAX 32  /* descriptors in the lane at which it is not read */
#define CONN_CLOSING_MS 10   /* after which it is looked at again */
#define CONN_OWES_FEW 4      /* spare ones that another thread may have taken for a moment */
#define CONN_OWES_LOOKS 200  /* for them, every CONN_CLOSING_MS */
#define CONN_LATER_MS 2      /* after which a message that could not be handled is tried again */

/** Descriptors in transit. Each one has exactly one owner: this, until it is taken. */
struct vhu_fds {
	uint32_t n;          /* as received */
	int fd[VHU_FDS_MAX]; /* -1: taken */
};

/** Make descriptor @p i the caller's; -1 when there is no such. */
int vhu_fds_take(struct vhu_fds *f, uint32_t i);

/**
 * Whether what the kernel calls @p fd begins with @p kind, as "pipe:[" does. Never asks a file
 * system: files begin with a slash.
 */
bool vhu_fd_is(int fd, const char *kind);

/**
 * Close socket @p fd: in lane @p l (NULL: here), if there are unread messages, since they may have
 * descriptors, which the kernel closes with it. The peer is told at once.
 */
void vhu_socket_close(struct lane *l, int fd);

/** Close descriptors of our own. */
void vhu_fds_close(struct vhu_fds *f);

struct vhu_conn;

/** The result of vhu_conn_ops.message() for a message that is to be handed over again later. */
extern const char vhu_conn_later[];

struct vhu_conn_ops {
	/**
	 * A whole message. NULL, or the reason for which the connection ends: static text. May call
	 * vhu_conn_close(). vhu_conn_later: neither the message nor its descriptors were touched.
	 * It is handed over again after CONN_LATER_MS, and nothing is read meanwhile.
	 */
	const char *(*message)(struct vhu_conn *c, struct vhu_msg *m, struct vhu_fds *fds);
	/** The connection is over; its descriptor is closed already. */
	void (*closed)(struct vhu_conn *c, const char *why);
};

/** A message waiting to be sent. */
struct vhu_out {
	struct vhu_header header;
	uint8_t payload[CONN_OUT_PAYLOAD];
	struct vhu_fds fds; /* owned until sent or dropped */
};

struct vhu_conn {
	struct ev_source src; /* src.fd: -1 when closed */
	struct ev_loop *loop;
	const struct vhu_conn_ops *ops;
	void *ctx;
	struct vhu_msg in;
	uint32_t in_got; /* bytes of header and payload received */
	struct vhu_fds in_fds;
	struct ev_timer in_deadline;
	struct vhu_out out[CONN_OUT_MAX];
	uint32_t out_head, out_n;
	uint32_t out_sent; /* bytes of the first one */
	bool holding;      /* from vhu_conn_hold() on, */
	uint32_t out_held; /* so many of them, the last ones, are not sent yet */
	struct ev_timer out_deadline;
	int error;         /* reason of its end, when ops->closed is called: -errno */
	bool patient;      /* set by the owner: messages may wait to be sent without a deadline */
	struct lane *lane; /* set by the owner, who keeps it: descriptors are closed there */
	/* set by the owner, who keeps it: what is sent is recorded; NULL: not */
	struct record *record;
	enum record_channel channel;
	struct ev_timer idle; /* armed: nothing is read, src is not watched */
	uint32_t owes;        /* until there are so many spare descriptors again; 0: it used none */
	uint32_t looks;       /* for those, in vain */
};

/** Zero-initialised or closed before. Takes @p fd in any case. 0 or -errno. */
int vhu_conn_open(struct vhu_conn *c, struct ev_loop *loop, int fd, const struct vhu_conn_ops *ops,
		  void *ctx);

/**
 * Go on with a part of a message or with messages to be sent that were put into @p c after it was
 * opened: another process had received the one, and not yet sent the others.
 */
void vhu_conn_resume(struct vhu_conn *c);

/** Close a descriptor that came from the peer of @p c, which may be closed, in its lane. */
void vhu_conn_discard(const struct vhu_conn *c, int fd);

/** Close without telling the owner. Harmless when closed or zero-initialised. */
void vhu_conn_close(struct vhu_conn *c);

bool vhu_conn_is_open(const struct vhu_conn *c);

/** Whether the peer has closed its end, which conn->ops->closed may not have been told yet. */
bool vhu_conn_left(const struct vhu_conn *c);

/** Open, and nothing is waiting to be sent: the peer reads. */
bool vhu_conn_idle(const struct vhu_conn *c);

/**
 * Send a message of header and h->size bytes of @p payload, with @p fd (-1:
 * none), which is taken in any case. 0, or -ENOBUFS when the peer does not read.
 */
int vhu_conn_send(struct vhu_conn *c, const struct vhu_header *h, const void *payload, int fd);

/** The same with any number of descriptors; @p fds is empty afterwards. */
int vhu_conn_send_fds(struct vhu_conn *c, const struct vhu_header *h, const void *payload,
		      struct vhu_fds *fds);

/**
 * Messages sent from now on wait for vhu_conn_release(), in their order behind those that wait for
 * the peer, and in the same room. Harmless when closed, as is the other.
 */
void vhu_conn_hold(struct vhu_conn *c);
void vhu_conn_release(struct vhu_conn *c);

/** How many messages vhu_conn_send() takes before the peer reads one; 0 when closed. */
uint32_t vhu_conn_room(const struct vhu_conn *c);

#endif
