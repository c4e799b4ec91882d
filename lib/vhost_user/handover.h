/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A session as records, for a process that goes on with it (app/upgrade.h): connections with the
 * parts of messages that were read and written, and what was negotiated. All that is read is
 * untrusted as far as sizes and numbers go. The last messages (history) are not among them.
 * Control thread.
 */
#ifndef VHOST_USER_HANDOVER_H
#define VHOST_USER_HANDOVER_H

#include "vdev/handover.h"
#include "vhost_user/session.h"

/* Types are for ever: a number that is no longer used stays unused. */
enum {
	VHU_HAND_SESSION = TRANSPORT_HAND_FIRST, /* comes first */
	VHU_HAND_CONN,
	VHU_HAND_OUT,
	VHU_HAND_PAGED,
	VHU_HAND_END,
};

/** Append the records of @p s, which has had @p connects connections. */
void vhu_session_hand_over(const struct vhu_session *s, uint64_t connects, struct blob *b);

/**
 * The session's own record: numbers to @p s and @p connects, and the connection, if there is one,
 * to @p fd, the caller's from then on (-1: none). NULL, or the reason against it (static text).
 */
const char *vhu_session_take_over(struct vhu_session *s, const struct hand_record *h,
				  uint64_t *connects, int *fd);

/** Another record of it, after s->conn was opened. NULL, or the reason against it (static text). */
const char *vhu_conns_take_over(struct vhu_session *s, const struct hand_record *h);

#endif
