/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The message table and its interpreter.
 *
 * A message is checked against its row before its handler sees it: length, number of descriptors,
 * negotiated features, ring index. A handler checks only the rest.
 */
#include <errno.h>
#include <string.h>

#include <rte_common.h>

#include "vhost_user/session.h"

#define SIZE(n) .size_min = (n), .size_max = (n)
#define SIZE_RANGE(min, max) .size_min = (min), .size_max = (max)
#define FDS(min, max) .fds_min = (min), .fds_max = (max)
#define U64 SIZE(sizeof(uint64_t))
#define STATE SIZE(sizeof(struct vhu_vring_state)), .ring = VHU_RING_INDEX
#define WORD U64, .ring = VHU_RING_WORD, FDS(0, 1)
#define IOTLB_SIZE_MIN 26 /* without the padding at its end */
#define CONFIG_SIZE_MIN 12

static bool
always(const struct vhu_session *s, const struct vhu_msg *m)
{
	return true;
}

static bool
resets(const struct vhu_session *s, const struct vhu_msg *m)
{
	return m->payload.u64 == 0;
}

static bool
changes_features(const struct vhu_session *s, const struct vhu_msg *m)
{
	return ((m->payload.u64 ^ s->dev->features) & ~VDEV_F(PROTOCOL_FEATURES)) != 0;
}

/* clang-format off: a table */
static const struct vhu_row row[] = {
	[VHU_GET_FEATURES] = {.handle = vhu_get_features, .reply = VHU_ANSWER},
	[VHU_SET_FEATURES] = {.handle = vhu_set_features, U64, .stops = changes_features},
	[VHU_SET_OWNER] = {.handle = vhu_set_owner},
	[VHU_RESET_OWNER] = {.handle = vhu_reset_owner, .stops = always},
	/* without regions it is the acknowledgement of one, in post-copy */
	[VHU_SET_MEM_TABLE] = {.handle = vhu_set_mem_table,
			       .stops = always,
			       .waits = vhu_postcopy_maps,
			       FDS(0, VHU_MEM_TABLE_MAX),
			       SIZE_RANGE(sizeof(uint64_t), sizeof(struct vhu_mem_table))},
	[VHU_SET_LOG_BASE] = {.handle = vhu_set_log_base,
			      SIZE(sizeof(struct vhu_log)),
			      FDS(1, 1),
			      .needs = VHU_PF(LOG_SHMFD),
			      .reply = VHU_ANSWER},
	[VHU_SET_LOG_FD] = {.handle = vhu_set_log_fd, SIZE_RANGE(0, 8), FDS(0, 1)},
	[VHU_SET_VRING_NUM] = {.handle = vhu_set_vring_num, STATE, .pause = true},
	[VHU_SET_VRING_ADDR] = {.handle = vhu_set_vring_addr,
				SIZE(sizeof(struct vhu_vring_addr)),
				.ring = VHU_RING_INDEX,
				.pause = true},
	[VHU_SET_VRING_BASE] = {.handle = vhu_set_vring_base, STATE, .pause = true},
	[VHU_GET_VRING_BASE] = {.handle = vhu_get_vring_base,
				STATE,
				.pause = true,
				.reply = VHU_ANSWER},
	[VHU_SET_VRING_KICK] = {.handle = vhu_set_vring_kick,
				WORD,
				.pause = true,
				.verify = vhu_vring_started},
	[VHU_SET_VRING_CALL] = {.handle = vhu_set_vring_call, WORD},
	[VHU_SET_VRING_ERR] = {.handle = vhu_set_vring_err, WORD},
	[VHU_GET_PROTOCOL_FEATURES] = {.handle = vhu_get_protocol_features, .reply = VHU_ANSWER},
	[VHU_SET_PROTOCOL_FEATURES] = {.handle = vhu_set_protocol_features, U64},
	[VHU_GET_QUEUE_NUM] = {.handle = vhu_get_queue_num,
			       .needs = VHU_PF(MQ),
			       .reply = VHU_ANSWER},
	[VHU_SET_VRING_ENABLE] = {.handle = vhu_set_vring_enable, STATE},
	[VHU_SEND_RARP] = {.handle = vhu_send_rarp, U64, .needs = VHU_PF(RARP)},
	[VHU_NET_SET_MTU] = {.handle = vhu_set_mtu, U64, .needs = VHU_PF(NET_MTU), .pause = true},
	[VHU_SET_BACKEND_REQ_FD] = {.handle = vhu_set_backend_req_fd,
				    FDS(1, 1),
				    .needs = VHU_PF(BACKEND_REQ)},
	[VHU_IOTLB_MSG] = {.handle = vhu_iotlb_msg,
			   SIZE_RANGE(IOTLB_SIZE_MIN, sizeof(struct vhu_iotlb)),
			   .reply = VHU_RESULT},
	[VHU_SET_VRING_ENDIAN] = {.handle = vhu_set_vring_endian,
				  STATE,
				  .needs = VHU_PF(CROSS_ENDIAN)},
	[VHU_GET_CONFIG] = {.handle = vhu_get_config,
			    .needs = VHU_PF(CONFIG),
			    .reply = VHU_ANSWER,
			    SIZE_RANGE(CONFIG_SIZE_MIN, sizeof(struct vhu_config_msg))},
	[VHU_SET_CONFIG] = {.handle = vhu_set_config,
			    .needs = VHU_PF(CONFIG),
			    SIZE_RANGE(CONFIG_SIZE_MIN, sizeof(struct vhu_config_msg))},
	[VHU_POSTCOPY_ADVISE] = {.handle = vhu_postcopy_advise,
				 .waits = vhu_postcopy_starts,
				 .needs = VHU_PF(PAGEFAULT),
				 .reply = VHU_ANSWER},
	[VHU_POSTCOPY_LISTEN] = {.handle = vhu_postcopy_listen, .needs = VHU_PF(PAGEFAULT)},
	[VHU_POSTCOPY_END] = {.handle = vhu_postcopy_end,
			      .needs = VHU_PF(PAGEFAULT),
			      .reply = VHU_RESULT},
	[VHU_GET_INFLIGHT_FD] = {.handle = vhu_get_inflight_fd,
				 .needs = VHU_PF(INFLIGHT_SHMFD),
				 SIZE_RANGE(VHU_INFLIGHT_SIZE_MIN, sizeof(struct vhu_inflight)),
				 .reply = VHU_ANSWER},
	[VHU_SET_INFLIGHT_FD] = {.handle = vhu_set_inflight_fd,
				 .needs = VHU_PF(INFLIGHT_SHMFD),
				 SIZE_RANGE(VHU_INFLIGHT_SIZE_MIN, sizeof(struct vhu_inflight)),
				 FDS(1, 1)},
	[VHU_RESET_DEVICE] = {.handle = vhu_reset_device,
			      .needs = VHU_PF(RESET_DEVICE),
			      .pause = true},
	[VHU_GET_MAX_MEM_SLOTS] = {.handle = vhu_get_max_mem_slots,
				   .needs = VHU_PF(CONFIGURE_MEM_SLOTS),
				   .reply = VHU_ANSWER},
	[VHU_ADD_MEM_REG] = {.handle = vhu_add_mem_reg,
			     .stops = always,
			     SIZE(sizeof(struct vhu_mem_single)),
			     FDS(1, 1),
			     .needs = VHU_PF(CONFIGURE_MEM_SLOTS)},
	/* older front-ends send the descriptor again; it is ignored */
	[VHU_REM_MEM_REG] = {.handle = vhu_rem_mem_reg,
			     .stops = always,
			     SIZE(sizeof(struct vhu_mem_single)),
			     FDS(0, 1),
			     .needs = VHU_PF(CONFIGURE_MEM_SLOTS)},
	[VHU_SET_STATUS] = {.handle = vhu_set_status,
			    U64,
			    .needs = VHU_PF(STATUS),
			    .stops = resets},
	[VHU_GET_STATUS] = {.handle = vhu_get_status, .needs = VHU_PF(STATUS), .reply = VHU_ANSWER},
	[VHU_SET_DEVICE_STATE_FD] = {.handle = vhu_set_device_state_fd,
				     FDS(1, 1),
				     SIZE(sizeof(struct vhu_device_state)),
				     .needs = VHU_PF(DEVICE_STATE),
				     .reply = VHU_RESULT},
	[VHU_CHECK_DEVICE_STATE] = {.handle = vhu_check_device_state,
				    .needs = VHU_PF(DEVICE_STATE),
				    .reply = VHU_RESULT},
};
/* clang-format on */
static_assert(RTE_DIM(row) == VHU_REQUEST_NUM, "the table has a row for every request");

static const char *const request_name[] = {
#define X(id, name) [id] = #name,
	VHU_REQUESTS(X)
#undef X
};
static_assert(RTE_DIM(request_name) == VHU_REQUEST_NUM, "every request has a name");

static const char *const protocol_feature_name[64] = {
#define X(bit, name) [bit] = #name,
	VHU_PROTOCOL_FEATURES(X)
#undef X
};

const struct vhu_row *
vhu_row(uint32_t request)
{
	return request < RTE_DIM(row) && row[request].handle != NULL ? &row[request] : NULL;
}

const char *
vhu_request_name(uint32_t request)
{
	return request < RTE_DIM(request_name) && request_name[request] != NULL
		       ? request_name[request]
		       : "?";
}

const char *
vhu_protocol_feature_name(unsigned int bit)
{
	return bit < RTE_DIM(protocol_feature_name) ? protocol_feature_name[bit] : NULL;
}

static uint32_t
ring_of(const struct vhu_row *r, const struct vhu_msg *m)
{
	if (r->ring == VHU_RING_WORD)
		return (uint32_t)(m->payload.u64 & VHU_VRING_INDEX_MASK);
	return m->payload.state.index;
}

/** All checks of the row. */
static int
check(struct vhu_session *s, const struct vhu_row *r, const struct vhu_msg *m,
      const struct vhu_fds *fds)
{
	if (r == NULL)
		return vhu_refuse(s, ENOTSUP, "message not known here");
	if ((r->needs & ~s->protocol_features) != 0)
		return vhu_refuse(s, ENOTSUP, "its protocol feature was not negotiated");
	if (m->header.size < r->size_min || m->header.size > r->size_max)
		return vhu_refuse(s, EBADMSG, "wrong payload size");
	if (fds->n < r->fds_min || fds->n > r->fds_max)
		return vhu_refuse(s, EBADMSG, "wrong number of descriptors");
	if (r->ring != VHU_NO_RING && ring_of(r, m) >= 2 * s->dev->cfg.queue_pairs)
		return vhu_refuse(s, EINVAL, "no such ring");
	return 0;
}

/** Whether it stops rings that run. */
static bool
stops(const struct vhu_session *s, const struct vhu_row *r, const struct vhu_msg *m)
{
	if (r->stops != NULL)
		return r->stops(s, m);
	return r->pause && (r->ring == VHU_NO_RING || vdev_vq_running(s->dev, ring_of(r, m)));
}

static bool
is_request(const struct vhu_msg *m)
{
	return (m->header.flags & VHU_VERSION_MASK) == VHU_VERSION &&
	       !(m->header.flags & VHU_REPLY);
}

static bool
own_work(struct vhu_session *s, const struct vhu_row *r, const struct vhu_msg *m,
	 const struct vhu_fds *fds)
{
	return r->waits != NULL && r->waits(s, m, fds);
}

/**
 * Whether hardware has yet to release rings that the message stops, or work of its own is not
 * done; begin with that.
 */
static bool
must_wait(struct vhu_session *s, const struct vhu_row *r, const struct vhu_msg *m,
	  const struct vhu_fds *fds)
{
	bool wait = r != NULL && is_request(m) && check(s, r, m, fds) == 0 &&
		    ((stops(s, r, m) && !vdev_let_go(s->dev)) || own_work(s, r, m, fds));

	s->why = NULL;
	return wait;
}

static int
carry_out(struct vhu_session *s, const struct vhu_row *r, struct vhu_msg *m, struct vhu_fds *fds)
{
	struct vhu_msg asked;
	int ret;

	if (r->verify != NULL)
		memcpy(&asked, m, sizeof(m->header) + sizeof(m->payload.addr));
	if (r->pause && (r->ring == VHU_NO_RING || vdev_vq_running(s->dev, ring_of(r, m))))
		vdev_pause(s->dev);
	ret = r->handle(s, m, fds);
	vdev_sync(s->dev);
	if (ret == 0 && r->verify != NULL)
		ret = r->verify(s, &asked, fds);
	return ret;
}

/**
 * For the recording of the port. Of a message that is not known here, or longer than it may be, the
 * payload is left out: it may hold anything.
 */
static void
note_heard(const struct vhu_session *s, const struct vhu_row *r, const struct vhu_msg *m,
	   const struct vhu_fds *fds)
{
	const bool known = r != NULL && m->header.size <= r->size_max;
	const struct record_said said = {
		.channel = RECORD_MAIN,
		.from = RECORD_FROM_PEER,
		.request = m->header.request,
		.flags = m->header.flags,
		.size = m->header.size,
		.payload = known ? m->payload.bytes : NULL,
		.fds = fds->fd,
		.nfds = fds->n,
	};

	record_message(s->record, &said);
}

static void
record(struct vhu_session *s, const struct vhu_msg *m, const struct vhu_fds *fds)
{
	struct vhu_event *e = &s->history[s->events++ % VHU_HISTORY];

	*e = (struct vhu_event){
		.when_ns = ev_now_ns(),
		.request = m->header.request,
		.size = m->header.size,
		.nfds = fds->n,
	};
	memcpy(&e->word, m->payload.bytes, RTE_MIN(m->header.size, sizeof(e->word)));
	s->count.messages++;
}

static void
judge(struct vhu_session *s, int ret)
{
	struct vhu_event *e = &s->history[(s->events - 1) % VHU_HISTORY];

	e->verdict = ret;
	if (ret != 0)
		e->why = s->why != NULL ? s->why : strerrordesc_np(-ret);
	record_verdict(s->record, e->request, -ret, e->why);
	if (ret == 0)
		return;
	s->count.refused++;
	log_peer(&s->dev->log_limit, s->dev->name, "%s (%u) refused: %s",
		 vhu_request_name(e->request), e->request, e->why);
}

static const char *
judged_why(const struct vhu_session *s)
{
	return s->history[(s->events - 1) % VHU_HISTORY].why;
}

/**
 * A front-end that has its answer relies on the request being in force: it waits for the
 * publication that is due, as do those behind it, and several of them wait for one.
 */
static const char *
send_reply(struct vhu_session *s, struct vhu_msg *m, uint32_t request, int fd)
{
	if (s->dev->unpublished)
		vhu_conn_hold(&s->conn);
	m->header.request = request;
	m->header.flags = VHU_VERSION | VHU_REPLY;
	if (vhu_conn_send(&s->conn, &m->header, &m->payload, fd) != 0)
		return "the peer does not read its replies";
	return NULL;
}

static const char *
send_result(struct vhu_session *s, struct vhu_msg *m, uint32_t request, int ret)
{
	m->payload.u64 = ret != 0 ? (uint64_t)-ret : s->result;
	m->header.size = sizeof(m->payload.u64);
	return send_reply(s, m, request, -1);
}

static bool
tolerable(int ret)
{
	return ret == 0 || ret == -ENOTSUP || ret == -EBUSY || ret == -EPERM;
}

const char *
vhu_dispatch(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	uint32_t request = m->header.request;
	const struct vhu_row *r = vhu_row(request);
	bool need_reply = m->header.flags & VHU_NEED_REPLY;
	enum vhu_reply kind = r != NULL ? r->reply : VHU_ACK;
	int ret;

	s->why = NULL;
	s->reply_fd = -1;
	s->result = 0;
	s->answers = false;
	if (must_wait(s, r, m, fds))
		return vhu_conn_later;
	record(s, m, fds);
	note_heard(s, r, m, fds);
	if (!is_request(m))
		return "not a vhost-user request";
	s->count.unknown += r == NULL;
	ret = check(s, r, m, fds);
	if (ret == 0)
		ret = carry_out(s, r, m, fds);
	judge(s, ret);
	if (kind == VHU_ANSWER || s->answers)
		/* these replies have no field for a refusal, and the front-end waits for one */
		return ret == 0 ? send_reply(s, m, request, s->reply_fd) : judged_why(s);
	if (kind == VHU_RESULT || need_reply)
		return send_result(s, m, request, ret);
	return tolerable(ret) ? NULL : judged_why(s);
}
