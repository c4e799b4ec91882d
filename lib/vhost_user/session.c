/* SPDX-License-Identifier: BSD-3-Clause */
/* A session's end. */
#include "vhost_user/session.h"

void
vhu_session_reset(struct vhu_session *s)
{
	vhu_conn_close(&s->conn);
	vhu_conn_close(&s->req);
	vhu_bells_reset(&s->bells);
	vhu_transfer_stop(&s->transfer);
	vhu_postcopy_stop(s);
	s->protocol_features = 0;
}
