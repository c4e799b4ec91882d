/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost_user/handover.h"

#include <string.h>

#define HEADER_LEN ((uint32_t)sizeof(struct vhu_header))

enum { CONN_MAIN, CONN_CHANNEL, CONN_NUM };

/* Later versions may append to these. */
struct session_data {
	uint64_t protocol_features;
	uint64_t messages, refused, unknown, misses;
	uint64_t connects;
	uint32_t bells, zero;
	uint32_t base[VDEV_QUEUES_MAX];
};

/** The received part of a message, whose bytes follow. */
struct conn_data {
	uint32_t which;
	uint32_t got;
};

/** A message to be sent; its payload follows. */
struct out_data {
	uint32_t which;
	uint32_t sent; /* bytes of header and payload that the peer has */
	struct vhu_header header;
	uint32_t zero;
};

/** Of post-copy migrations that have ended. */
struct paged_data {
	uint64_t wanted, arrived, stalls, stalled_us, longest_us;
};

/* --- the predecessor --- */

/* A version that does not know it goes on without. */
static void
put_paged(const struct vhu_session *s, struct blob *b)
{
	const struct pager_counters *c = &s->paged;
	const struct blob_record r = {VHU_HAND_PAGED, 0, sizeof(struct paged_data), 0};
	const struct paged_data x = {c->wanted, c->arrived, c->stalls, c->stalled_us,
				     c->longest_us};

	if (c->wanted != 0 || c->arrived != 0)
		blob_put_record(b, &r, &x);
}

static void
put_session(const struct vhu_session *s, uint64_t connects, struct blob *b)
{
	struct session_data x = {
		.protocol_features = s->protocol_features,
		.messages = s->count.messages,
		.refused = s->count.refused,
		.unknown = s->count.unknown,
		.misses = s->count.misses,
		.connects = connects,
		.bells = s->bells.unanswered,
	};
	const struct blob_record r = {VHU_HAND_SESSION, BLOB_MUST_KNOW, sizeof(x),
				      vhu_conn_is_open(&s->conn)};

	memcpy(x.base, s->base, sizeof(x.base));
	blob_put_fds(b, &r, &x, &s->conn.src.fd);
}

static void
put_message(const struct vhu_conn *c, uint32_t which, uint32_t i, struct blob *b)
{
	const struct vhu_out *o = &c->out[(c->out_head + i) % CONN_OUT_MAX];
	uint8_t data[sizeof(struct out_data) + CONN_OUT_PAYLOAD];
	struct out_data x = {which, i == 0 ? c->out_sent : 0, o->header, 0};
	/* the descriptors of a message go with its first byte */
	struct blob_record r = {VHU_HAND_OUT, BLOB_MUST_KNOW, sizeof(x) + o->header.size,
				x.sent == 0 ? (uint8_t)o->fds.n : 0};

	memcpy(data, &x, sizeof(x));
	memcpy(data + sizeof(x), o->payload, o->header.size);
	blob_put_fds(b, &r, data, o->fds.fd);
}

static void
put_conn(const struct vhu_conn *c, uint32_t which, struct blob *b)
{
	uint8_t data[sizeof(struct conn_data) + sizeof(c->in)];
	struct conn_data x = {which, c->in_got};
	struct blob_record r = {VHU_HAND_CONN, BLOB_MUST_KNOW, sizeof(x) + c->in_got, 0};
	int fds[1 + VHU_FDS_MAX];
	uint32_t i;

	if (!vhu_conn_is_open(c))
		return;
	if (which != CONN_MAIN)
		fds[r.nfds++] = c->src.fd;
	for (i = 0; i < c->in_fds.n; i++)
		fds[r.nfds++] = c->in_fds.fd[i];
	memcpy(data, &x, sizeof(x));
	memcpy(data + sizeof(x), &c->in, c->in_got);
	blob_put_fds(b, &r, data, fds);
	for (i = 0; i < c->out_n; i++)
		put_message(c, which, i, b);
}

void
vhu_session_hand_over(const struct vhu_session *s, uint64_t connects, struct blob *b)
{
	put_session(s, connects, b);
	put_conn(&s->conn, CONN_MAIN, b);
	put_conn(&s->req, CONN_CHANNEL, b);
	put_paged(s, b);
}

/* --- the successor --- */

const char *
vhu_session_take_over(struct vhu_session *s, const struct hand_record *h, uint64_t *connects,
		      int *fd)
{
	struct session_data x;

	*fd = -1;
	if (!hand_get(h, &x, sizeof(x)))
		return "a session's record is too short";
	/* a format that hardware cannot serve any more is a reason against the rings */
	if (x.protocol_features & ~(vhu_offered(s) | VHU_PF_FORMATS))
		return "a front-end has negotiated protocol features that are not offered here";
	s->protocol_features = x.protocol_features;
	s->count = (struct vhu_counters){x.messages, x.refused, x.unknown, x.misses};
	s->bells.unanswered = x.bells;
	memcpy(s->base, x.base, sizeof(s->base));
	*connects = x.connects;
	*fd = blob_take_fd(h->reader, 0);
	return NULL;
}

static struct vhu_conn *
conn_of(struct vhu_session *s, uint32_t which)
{
	struct vhu_conn *c = which == CONN_MAIN ? &s->conn : &s->req;

	return which < CONN_NUM && vhu_conn_is_open(c) ? c : NULL;
}

/** A part of a message, as its receiver has it before a read: no longer than the message. */
static bool
part_sane(const struct vhu_conn *c, uint32_t got)
{
	return got < HEADER_LEN ||
	       (c->in.header.size <= VHU_PAYLOAD_MAX && got - HEADER_LEN <= c->in.header.size);
}

static const char *
take_conn(struct vhu_session *s, const struct hand_record *h)
{
	struct conn_data x;
	struct vhu_conn *c;
	uint32_t at = 0;

	if (!hand_get(h, &x, sizeof(x)))
		return "a connection's record is too short";
	if (x.which == CONN_CHANNEL && vhu_conn_is_open(&s->req))
		return "two channels for requests";
	if (x.which == CONN_CHANNEL && vhu_open_channel(s, blob_take_fd(h->reader, at++)) != 0)
		return "a channel for requests cannot be watched";
	c = conn_of(s, x.which);
	if (c == NULL || c->in_got != 0 || c->in_fds.n != 0 || x.got > sizeof(c->in) ||
	    h->r.len < sizeof(x) + x.got || h->r.nfds > at + VHU_FDS_MAX)
		return "a connection's record does not fit it";
	memcpy(&c->in, (const uint8_t *)h->data + sizeof(x), x.got);
	if (!part_sane(c, x.got))
		return "a message that was received in part is too long";
	c->in_got = x.got;
	c->in_fds.n = 0;
	while (at < h->r.nfds)
		c->in_fds.fd[c->in_fds.n++] = blob_take_fd(h->reader, at++);
	vhu_conn_resume(c);
	return NULL;
}

static const char *
take_out(struct vhu_session *s, const struct hand_record *h)
{
	struct vhu_out *o;
	struct vhu_conn *c;
	struct out_data x;
	uint32_t i;

	if (!hand_get(h, &x, sizeof(x)))
		return "the record of a message is too short";
	c = conn_of(s, x.which);
	if (c == NULL || c->out_n == CONN_OUT_MAX || x.header.size > CONN_OUT_PAYLOAD ||
	    h->r.len < sizeof(x) + x.header.size || h->r.nfds > VHU_FDS_MAX ||
	    x.sent >= HEADER_LEN + x.header.size || (x.sent != 0 && c->out_n != 0))
		return "a message that is to be sent has an impossible length";
	o = &c->out[(c->out_head + c->out_n++) % CONN_OUT_MAX];
	o->header = x.header;
	memcpy(o->payload, (const uint8_t *)h->data + sizeof(x), x.header.size);
	o->fds.n = 0;
	for (i = 0; i < h->r.nfds; i++)
		o->fds.fd[o->fds.n++] = blob_take_fd(h->reader, i);
	if (c->out_n == 1)
		c->out_sent = x.sent;
	vhu_conn_resume(c);
	return NULL;
}

static const char *
take_paged(struct vhu_session *s, const struct hand_record *h)
{
	struct paged_data x;

	if (!hand_get(h, &x, sizeof(x)))
		return "the counters of post-copy are too short";
	s->paged = (struct pager_counters){.wanted = x.wanted,
					   .arrived = x.arrived,
					   .stalls = x.stalls,
					   .stalled_us = x.stalled_us,
					   .longest_us = x.longest_us};
	return NULL;
}

const char *
vhu_conns_take_over(struct vhu_session *s, const struct hand_record *h)
{
	if (h->r.type == VHU_HAND_CONN)
		return take_conn(s, h);
	if (h->r.type == VHU_HAND_OUT)
		return take_out(s, h);
	if (h->r.type == VHU_HAND_PAGED)
		return take_paged(s, h);
	return (h->r.flags & BLOB_MUST_KNOW) ? "a record about a session is not known here" : NULL;
}
