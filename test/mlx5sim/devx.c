/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands to firmware: capabilities, and objects made, changed, asked and ended. */
#include "bits.h"
#include "card.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* bits of a command or an answer */
#define OPCODE 0, 16
#define TYPE 0x30, 16 /* of a general object; what a query is about */
#define STATUS 0, 8
#define SYNDROME 0x20, 32
#define OBJECT_ID 0x40, 32
#define NUMBER 0x48, 24

#define OP_QUERY_CAPS 0x100
#define OP_MODIFY_RQT 0x917
#define TYPE_VIRTQ 0x0d
#define TYPE_COUNTERS 0x1c
#define BODY 0x80 /* bits before it */

#define BAD_PARAMETER 3

static int
refuse(void *out, size_t outlen)
{
	if (outlen >= 8) {
		put(out, STATUS, BAD_PARAMETER);
		put(out, SYNDROME, 0x51a);
	}
	errno = EREMOTEIO;
	return EREMOTEIO;
}

/* --- capabilities --- */

#define CAPS_VIRTIO 0x27 /* of this moment */
#define CAPS_GENERAL 0x01

static void
general_caps(void *out)
{
	put(out, BODY + 0x393, 5, 9); /* RQTs of 512 entries */
	put(out, BODY + 0x400, 64, UINT64_C(1) << TYPE_VIRTQ | UINT64_C(1) << TYPE_COUNTERS);
}

static void
virtio_caps(void *out)
{
	static const uint16_t flags[] = {2 /* VERSION_1 */, 5 /* CSUM */, 6 /* GUEST_CSUM */};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		put(out, BODY + flags[i], 1, 1);
	put(out, BODY + 0x10, 8, 3); /* without events, and by queue pairs */
	put(out, BODY + 0x18, 8, 1); /* split rings */
	put(out, BODY + 0x88, 24, QUEUES_MAX);
	for (uint32_t i = 0; i < 3; i++) { /* memory for firmware: so much an entry, so much more */
		put(out, BODY + 0x100 + 0x40 * i, 32, 64);
		put(out, BODY + 0x120 + 0x40 * i, 32, PAGE);
	}
}

int
mlx5dv_devx_general_cmd(struct ibv_context *context, const void *in, size_t inlen, void *out,
			size_t outlen)
{
	const uint64_t what = get(in, TYPE);

	if (get(in, OPCODE) != OP_QUERY_CAPS || outlen < 0x110 ||
	    (what != CAPS_GENERAL && what != CAPS_VIRTIO))
		return refuse(out, outlen);
	if (what == CAPS_GENERAL)
		general_caps(out);
	else
		virtio_caps(out);
	return 0;
}

/* --- objects made --- */

static int
make_key(struct object *o, const void *in, size_t inlen)
{
	const uint8_t *klm = (const uint8_t *)in + 0x110;
	struct key *k = &o->key;

	k->start = get(in, BODY + 0x80, 64);
	k->len = get(in, BODY + 0xc0, 64);
	k->log = (uint32_t)get(in, BODY + 0x1db, 5);
	k->n = (uint32_t)((inlen - 0x110) / 16);
	k->klm = calloc(k->n, sizeof(*k->klm));
	for (uint32_t i = 0; k->klm != NULL && i < k->n; i++)
		k->klm[i] = (struct klm){.len = (uint32_t)get(klm + 16 * i, 0, 32),
					 .key = (uint32_t)get(klm + 16 * i, 32, 32),
					 .address = get(klm + 16 * i, 64, 64)};
	return k->klm != NULL ? 0 : -1;
}

static int
make_cq(struct object *o, const void *in, size_t inlen)
{
	o->cq.doorbell = (struct record){.umem = (uint32_t)get(in, BODY + 0x20, 32),
					 .offset = get(in, BODY + 0x1c0, 64)};
	o->cq.ring =
		(struct record){.umem = (uint32_t)get(in, 0x2c0, 32), .offset = get(in, 0x280, 64)};
	o->cq.fresh = true;
	return 0;
}

#define QP_CONTEXT 0xc0

static int
make_qp(struct object *o, const void *in, size_t inlen)
{
	o->qp.cq = (uint32_t)get(in, QP_CONTEXT + 0x4e8, 24);
	o->qp.doorbell = (struct record){.umem = (uint32_t)get(in, QP_CONTEXT + 0x720, 32),
					 .offset = get(in, QP_CONTEXT + 0x500, 64)};
	return 0;
}

static int
make_tir(struct object *o, const void *in, size_t inlen)
{
	o->refers = (uint32_t)get(in, 0x100 + 0x108, 24);
	return 0;
}

static int
make_rqt(struct object *o, const void *in, size_t inlen)
{
	uint32_t n = (uint32_t)get(in, 0x100 + 0xd0, 16);

	if (n > RQT_MAX || inlen < 0x110 + 4 * n)
		return -1;
	for (uint32_t i = 0; i < n; i++)
		o->rqt.entry[i] = (uint32_t)get(in, 0x100 + 0x780 + 32 * i, 32) & 0xffffff;
	o->rqt.n = n;
	return 0;
}

#define VIRTIO 0x280 /* bits before a virtqueue's virtio part */

static int
make_virtq(struct object *o, const void *in, size_t inlen)
{
	struct virtq *q = &o->virtq;
	uint64_t room;

	q->tx_csum = get(in, BODY + 0x82, 1);
	q->avail = (uint16_t)get(in, BODY + 0x140, 16);
	q->used = (uint16_t)get(in, BODY + 0x150, 16);
	q->event_mode = (uint8_t)get(in, VIRTIO + 0xd, 3);
	q->index = (uint16_t)get(in, VIRTIO + 0x10, 16);
	q->version_1 = get(in, VIRTIO + 0x21, 1);
	q->event_qp = (uint32_t)get(in, VIRTIO + 0x28, 24);
	q->size = (uint16_t)get(in, VIRTIO + 0x50, 16);
	q->desc_gpa = get(in, VIRTIO + 0x80, 64);
	q->used_gpa = get(in, VIRTIO + 0xc0, 64);
	q->avail_gpa = get(in, VIRTIO + 0x100, 64);
	q->key = (uint32_t)get(in, VIRTIO + 0x140, 32);
	q->counters = (uint32_t)get(in, VIRTIO + 0x300, 32);
	return q->size != 0 && key_at(q->key, q->desc_gpa, &room) != NULL ? 0 : -1;
}

static int
make_plain(struct object *o, const void *in, size_t inlen)
{
	return 0;
}

/** The kind of object a command makes, and the name by which it is made to fail. */
static const struct maker {
	uint16_t opcode, type;
	enum kind kind;
	const char *call;
	int (*make)(struct object *o, const void *in, size_t inlen);
} makers[] = {
	{0x200, 0, KIND_KEY, "mkey", make_key},
	{0x400, 0, KIND_CQ, "cq", make_cq},
	{0x500, 0, KIND_QP, "qp", make_qp},
	{0x816, 0, KIND_TD, "td", make_plain},
	{0x900, 0, KIND_TIR, "tir", make_tir},
	{0x912, 0, KIND_TIS, "tis", make_plain},
	{0x916, 0, KIND_RQT, "rqt", make_rqt},
	{0xa00, TYPE_VIRTQ, KIND_VIRTQ, "virtq", make_virtq},
	{0xa00, TYPE_COUNTERS, KIND_COUNTERS, "counters", make_plain},
};

static const struct maker *
maker_of(const void *in)
{
	for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++)
		if (makers[i].opcode == get(in, OPCODE) &&
		    (makers[i].opcode != 0xa00 || makers[i].type == get(in, TYPE)))
			return &makers[i];
	return NULL;
}

static struct object *
make(struct card *c, const struct maker *m, const void *in, size_t inlen)
{
	struct object *o = order_fails(c, m->call) ? NULL : object_new(c, m->kind);

	if (o != NULL && m->make(o, in, inlen) != 0) {
		object_free(o);
		return NULL;
	}
	return o;
}

struct mlx5dv_devx_obj *
mlx5dv_devx_obj_create(struct ibv_context *context, const void *in, size_t inlen, void *out,
		       size_t outlen)
{
	const struct maker *m = maker_of(in);
	struct object *o;

	card_lock();
	o = m != NULL ? make(card_of(context), m, in, inlen) : NULL;
	card_unlock();
	memset(out, 0, outlen);
	if (o == NULL)
		refuse(out, outlen);
	else
		put(out, OBJECT_ID, o->id); /* the same place as a number of 24 bits */
	return (void *)o;
}

int
mlx5dv_devx_obj_destroy(struct mlx5dv_devx_obj *obj)
{
	card_lock();
	object_free((void *)obj);
	card_unlock();
	return 0;
}

/* --- objects changed --- */

#define SELECT_STATE 1

static int
modify_virtq(struct object *o, const void *in)
{
	uint64_t select = get(in, BODY, 64);

	if (o->kind != KIND_VIRTQ || select & ~(uint64_t)SELECT_STATE)
		return -1;
	if (select & SELECT_STATE)
		o->virtq.state = (enum state)get(in, BODY + 0x9c, 4);
	return 0;
}

static int
qp_init(struct object *o, const void *in)
{
	return 0;
}

static int
qp_rtr(struct object *o, const void *in)
{
	o->qp.remote = (uint32_t)get(in, QP_CONTEXT + 0xa8, 24);
	return 0;
}

static int
qp_rts(struct object *o, const void *in)
{
	o->qp.ready = true;
	return 0;
}

static int
qp_reset(struct object *o, const void *in)
{
	o->qp.ready = false;
	o->qp.posted = 0;
	return 0;
}

static int
modify_rqt(struct object *o, const void *in)
{
	return make_rqt(o, in, SIZE_MAX);
}

static const struct {
	uint16_t opcode;
	const char *call;
	int (*modify)(struct object *o, const void *in);
} modifiers[] = {
	{0x502, "rst2init", qp_init},      {0x503, "init2rtr", qp_rtr},
	{0x504, "rtr2rts", qp_rts},        {0x50a, "2rst", qp_reset},
	{0x917, "modify_rqt", modify_rqt}, {0xa01, "modify_virtq", modify_virtq},
};

int
mlx5dv_devx_obj_modify(struct mlx5dv_devx_obj *obj, const void *in, size_t inlen, void *out,
		       size_t outlen)
{
	struct object *o = (void *)obj;
	int ret = -1;

	card_lock();
	for (size_t i = 0; i < sizeof(modifiers) / sizeof(modifiers[0]); i++)
		if (modifiers[i].opcode == get(in, OPCODE))
			ret = order_fails(o->card, modifiers[i].call) ? -1
								      : modifiers[i].modify(o, in);
	card_unlock();
	memset(out, 0, outlen);
	return ret == 0 ? 0 : refuse(out, outlen);
}

/* --- objects asked --- */

/** The position as firmware may tell it: what it has fetched ahead. */
static uint16_t
told_avail(const struct card *c, const struct virtq *q)
{
	uint64_t room;
	const uint8_t *avail = key_at(q->key, q->avail_gpa, &room);
	uint16_t index;

	if (!c->fetched || avail == NULL)
		return q->avail;
	memcpy(&index, avail + 2, 2);
	return index;
}

static void
tell_virtq(const struct object *o, void *out)
{
	put(out, BODY + 0x9c, 4, o->virtq.state);
	put(out, BODY + 0x140, 16, told_avail(o->card, &o->virtq));
	put(out, BODY + 0x150, 16, o->virtq.used);
	put(out, VIRTIO + 0x178, 8, o->virtq.error);
}

static void
tell_counters(const struct object *o, void *out)
{
	put(out, BODY + 0x80, 64, o->counters.received);
	put(out, BODY + 0xc0, 64, o->counters.completed);
	put(out, BODY + 0x120, 32, o->counters.bad);
	put(out, BODY + 0x140, 32, o->counters.chain);
	put(out, BODY + 0x160, 32, o->counters.invalid);
}

int
mlx5dv_devx_obj_query(struct mlx5dv_devx_obj *obj, const void *in, size_t inlen, void *out,
		      size_t outlen)
{
	const struct object *o = (const void *)obj;
	int ret = -1;

	memset(out, 0, outlen);
	card_lock();
	if (o->kind == KIND_VIRTQ && outlen >= 0x80 && !order_fails(o->card, "query_virtq")) {
		tell_virtq(o, out);
		ret = 0;
	} else if (o->kind == KIND_COUNTERS && outlen >= 0x40 &&
		   !order_fails(o->card, "query_counters")) {
		tell_counters(o, out);
		ret = 0;
	}
	card_unlock();
	return ret == 0 ? 0 : refuse(out, outlen);
}

/* --- the driver's memory --- */

struct mlx5dv_devx_umem *
mlx5dv_devx_umem_reg(struct ibv_context *context, void *addr, size_t size, uint32_t access)
{
	struct card *c = card_of(context);
	struct object *o;

	card_lock();
	o = order_fails(c, "umem") ? NULL : object_new(c, KIND_UMEM);
	if (o != NULL) {
		o->umem.dv.umem_id = o->id;
		o->umem.at = addr;
		o->umem.len = size;
	}
	card_unlock();
	if (o == NULL)
		errno = ENOMEM;
	return o != NULL ? &o->umem.dv : NULL;
}

int
mlx5dv_devx_umem_dereg(struct mlx5dv_devx_umem *u)
{
	card_lock();
	object_free(container_of(u, struct object, umem.dv));
	card_unlock();
	return 0;
}

/* --- events --- */

int
mlx5dv_devx_query_eqn(struct ibv_context *context, uint32_t vector, uint32_t *eqn)
{
	*eqn = 0;
	return 0;
}

struct mlx5dv_devx_event_channel *
mlx5dv_devx_create_event_channel(struct ibv_context *context,
				 enum mlx5dv_devx_create_event_channel_flags flags)
{
	struct channel *ch = calloc(1, sizeof(*ch));
	int fd[2];

	if (ch == NULL || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) != 0) {
		free(ch);
		return NULL;
	}
	ch->dv.fd = fd[0];
	ch->in = fd[1];
	ch->plain = flags & MLX5DV_DEVX_CREATE_EVENT_CHANNEL_FLAGS_OMIT_EV_DATA;
	return &ch->dv;
}

/** Its subscriptions end with it. */
void
mlx5dv_devx_destroy_event_channel(struct mlx5dv_devx_event_channel *dv)
{
	struct channel *ch = container_of(dv, struct channel, dv);
	struct object *o;

	card_lock();
	for (uint32_t i = 1; i < OBJECTS_MAX; i++) {
		if ((o = object_at(i, KIND_CQ)) != NULL && o->cq.channel == ch)
			o->cq.channel = NULL;
		if ((o = object_at(i, KIND_VIRTQ)) != NULL && o->virtq.channel == ch)
			o->virtq.channel = NULL;
	}
	card_unlock();
	close(ch->dv.fd);
	close(ch->in);
	free(ch);
}

int
mlx5dv_devx_subscribe_devx_event(struct mlx5dv_devx_event_channel *dv, struct mlx5dv_devx_obj *obj,
				 uint16_t size, uint16_t events[], uint64_t cookie)
{
	struct channel *ch = container_of(dv, struct channel, dv);
	struct object *o = (void *)obj;
	int ret = 0;

	card_lock();
	if (order_fails(o->card, "subscribe")) {
		ret = -1;
	} else if (o->kind == KIND_CQ) {
		o->cq.channel = ch;
		o->cq.cookie = cookie;
	} else if (o->kind == KIND_VIRTQ) {
		o->virtq.channel = ch;
		o->virtq.cookie = cookie;
	}
	card_unlock();
	if (ret != 0)
		errno = EIO;
	return ret;
}

/** The thread that waits here may be cancelled: it has no lock. */
ssize_t
mlx5dv_devx_get_event(struct mlx5dv_devx_event_channel *dv, struct mlx5dv_devx_async_event_hdr *to,
		      size_t size)
{
	return read(dv->fd, to, size);
}
