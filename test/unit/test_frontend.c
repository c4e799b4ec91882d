/* SPDX-License-Identifier: BSD-3-Clause */
/* The vhost-user front-end: sessions with our back-end, whose device echoes, and with a bad one. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "gmem/gm.h"
#include "owner.h"
#include "peer.h"
#include "vhost_user/backend.h"
#include "vhost_user/vhf.h"
#include "virtq/net.h"

#define TIMEOUT_MS 60000 /* of messages; a busy machine answers late */
#define GPA 0x100000000ull
#define RING 64
#define BUF_LEN 256
#define PROTOCOL                                                                 \
	(VHU_PF(MQ) | VHU_PF(REPLY_ACK) | VHU_PF(STATUS) | VHU_PF(BACKEND_REQ) | \
	 VHU_PF(CROSS_ENDIAN) | VHU_PF(LOG_SHMFD))

static char dir[] = "/tmp/test_frontend.XXXXXX";
static char path[64];

static int
group_setup(void **state)
{
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/sock", dir);
	return 0;
}

static int
group_teardown(void **state)
{
	return rmdir(dir);
}

/* --- the back-end: its own thread is control and worker at once --- */

struct echo {
	struct owner o;
	struct transport *b;
	pthread_t thread;
	atomic_bool stop;
	struct pkt_batch batch;
};

static void
echo_pair(struct echo *e, uint32_t p)
{
	struct pkt *list[PKT_BATCH_MAX];
	struct pktq *in, *out;

	if (e->o.rx[p] == NULL || e->o.tx[p] == NULL)
		return;
	in = &e->o.rx[p]->q;
	out = &e->o.tx[p]->q;
	e->batch.max = PKT_BATCH_MAX;
	if (pktq_ops(in)->rx(in, &e->batch) == 0)
		return;
	for (uint16_t i = 0; i < e->batch.n; i++)
		list[i] = &e->batch.pkt[i];
	pktq_ops(out)->tx(out, list, e->batch.n);
	pktq_ops(in)->rx_done(in, &e->batch);
}

static void *
echo_thread(void *arg)
{
	struct echo *e = arg;

	while (!atomic_load(&e->stop)) {
		ev_run_once(e->o.loop, 1);
		for (uint32_t p = 0; p < OWNER_PAIRS; p++)
			echo_pair(e, p);
		vdev_attention(e->o.d);
	}
	return NULL;
}

static struct echo *
echo_start(bool client)
{
	struct echo *e = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL(sizeof(*e), 64ul));
	struct vhu_config cfg = {.path = path,
				 .client = client,
				 .owner = (uid_t)-1,
				 .group = (gid_t)-1};
	char err[128];

	memset(e, 0, sizeof(*e));
	owner_init(&e->o, NULL);
	vdev_disconnect(e->o.d);
	cfg.loop = e->o.loop;
	cfg.dev = e->o.d;
	e->b = vhu_backend_new(&cfg, err, sizeof(err));
	assert_non_null(e->b);
	assert_int_equal(pthread_create(&e->thread, NULL, echo_thread, e), 0);
	return e;
}

static void
echo_stop(struct echo *e)
{
	atomic_store(&e->stop, true);
	pthread_join(e->thread, NULL);
	e->b->ops->free(e->b);
	owner_fini(&e->o);
	free(e);
}

/* --- a guest with one queue pair --- */

struct guest {
	struct vhf f;
	struct gm mem;
	struct vqd rx, tx;
	struct vhu_frontend_ring ring[2];
	uint64_t sent, got;
};

static uint64_t
features_of(enum vq_layout layout)
{
	return layout == VQ_SPLIT_SWAP ? 0
				       : F(VERSION_1) | (layout == VQ_PACKED ? F(RING_PACKED) : 0);
}

static void
guest_ring(struct guest *g, struct vqd *d, uint32_t i, enum vq_layout layout)
{
	const struct vq_extent e = vq_extent(layout, RING, g->f.s.features);
	const bool wrap = layout == VQ_PACKED;
	const struct vqd_setup s = {
		.layout = layout,
		.size = RING,
		.features = g->f.s.features,
		.desc = gm_alloc(&g->mem, e.desc, 4096),
		.driver = gm_alloc(&g->mem, e.driver, 4096),
		.device = gm_alloc(&g->mem, e.device, 4096),
		.kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		.state = {.avail_wrap = wrap, .used_wrap = wrap},
	};
	struct vqd_net n = {
		.hva = gm_alloc(&g->mem, (size_t)RING * BUF_LEN, 4096),
		.stride = BUF_LEN,
		.buf_len = BUF_LEN,
		.hdr_len = net_hdr_len(g->f.s.features),
		.rx = i == 0,
	};

	assert_int_equal(vqd_init(d, &s), 0);
	n.addr = gm_gpa(&g->mem, n.hva);
	assert_int_equal(vqd_net_init(d, &n), 0);
	g->ring[i] = (struct vhu_frontend_ring){layout == VQ_SPLIT_SWAP,
						RING,
						vqd_resume_base(d),
						(uintptr_t)s.desc,
						(uintptr_t)s.driver,
						(uintptr_t)s.device,
						0,
						false,
						s.kick_fd,
						-1,
						-1};
}

static int
guest_negotiate(struct guest *g, uint64_t features, uint64_t protocol)
{
	const struct vhu_frontend_wish wish = {.required = features,
					       .protocol_features = protocol,
					       .queue_pairs = 1};

	return vhf_negotiate(&g->f, &wish);
}

static int
guest_open(struct guest *g, bool server)
{
	const struct vhf_config cfg = {path, server, TIMEOUT_MS};

	*g = (struct guest){0};
	return vhf_open(&g->f, &cfg);
}

static void
guest_announce_memory(struct guest *g)
{
	const uint64_t half = g->mem.size / 2, uva = (uintptr_t)g->mem.hva;
	const struct vhu_mem_region r[2] = {{GPA, half, uva, 0},
					    {GPA + half, half, uva + half, half}};
	const int fds[2] = {g->mem.fd, g->mem.fd};

	assert_int_equal(vhf_set_mem(&g->f, r, fds, 2), 0);
}

static void
guest_start_rings(struct guest *g)
{
	g->ring[0].base = vqd_resume_base(&g->rx);
	g->ring[1].base = vqd_resume_base(&g->tx);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(vhf_ring_start(&g->f, i, &g->ring[i]), 0);
		assert_int_equal(vhf_ring_enable(&g->f, i, true), 0);
	}
	vqd_kick(&g->rx);
	vqd_kick(&g->tx);
}

static void
guest_start(struct guest *g, enum vq_layout layout)
{
	assert_int_equal(gm_init(&g->mem, GPA, 4u << 20, false), 0);
	guest_ring(g, &g->rx, 0, layout);
	guest_ring(g, &g->tx, 1, layout);
	vqd_net_refill(&g->rx, RING);
	guest_announce_memory(g);
	guest_start_rings(g);
	assert_int_equal(vhf_set_status(&g->f, 0xf), 0);
}

static void
guest_end(struct guest *g)
{
	vhf_close(&g->f);
	vqd_fini(&g->rx);
	vqd_fini(&g->tx);
	close(g->ring[0].kick_fd);
	close(g->ring[1].kick_fd);
	gm_fini(&g->mem);
}

/** Send numbered frames and wait until as many as @p want came back, in order. */
static void
guest_echo(struct guest *g, uint64_t send, uint64_t want)
{
	const uint32_t len = g->tx.net.hdr_len + 64;
	struct vqd_net_frame f[RING];
	uint64_t number;
	uint16_t n;

	while (send > 0 || want > 0) {
		if (send > 0 && vqd_net_room(&g->tx) > 0) {
			uint8_t *buf = vqd_net_buf(&g->tx, 0);

			memset(buf, 0, len);
			buf[len - 64] = 2;
			buf[len - 58] = 2;
			memcpy(buf + len - 8, &g->sent, 8);
			vqd_net_send(&g->tx, &len, 1);
			g->sent++;
			send--;
		}
		n = vqd_net_recv(&g->rx, f, RING);
		for (uint16_t i = 0; i < n; i++) {
			assert_int_equal(f[i].len, len);
			memcpy(&number, f[i].data + len - 8, 8);
			assert_int_equal(number, g->got);
			g->got++;
			want--;
		}
		if (n > 0)
			vqd_net_refill(&g->rx, n);
		else
			sched_yield(); /* to the back-end's thread */
	}
}

/* --- tests --- */

static enum vq_layout layouts[] = {VQ_SPLIT, VQ_SPLIT_SWAP, VQ_PACKED};

static void
traffic_with_a_memory_table_and_with_slots(void **state)
{
	const enum vq_layout layout = *(enum vq_layout *)*state;
	struct echo *e = echo_start(false);

	for (int slots = 0; slots < 2; slots++) {
		const uint64_t more = slots ? VHU_PF(CONFIGURE_MEM_SLOTS) : 0;
		struct guest g;
		uint32_t base;

		assert_int_equal(guest_open(&g, false), 0);
		assert_int_equal(guest_negotiate(&g, features_of(layout), PROTOCOL | more), 0);
		assert_true(slots ? g.f.s.max_mem_slots > 8 : g.f.s.max_mem_slots == 8);
		assert_int_equal(g.f.s.max_queue_pairs, OWNER_PAIRS);
		guest_start(&g, layout);
		guest_echo(&g, 1000, 1000);
		assert_int_equal(vhf_ring_stop(&g.f, 1, &g.ring[1], &base), 0);
		vqd_net_room(&g.tx);
		assert_int_equal(base, vqd_resume_base(&g.tx));
		guest_end(&g);
	}
	echo_stop(e);
}

static void
rings_carry_on_with_another_back_end(void **state)
{
	const enum vq_layout layout = *(enum vq_layout *)*state;
	struct echo *e = echo_start(true);
	struct guest g;

	assert_int_equal(guest_open(&g, true), 0);
	assert_int_equal(guest_negotiate(&g, features_of(layout), PROTOCOL), 0);
	guest_start(&g, layout);
	guest_echo(&g, 100, 100);
	for (int i = 0; i < 3; i++) {
		echo_stop(e);
		/* no back-end is there to take these */
		guest_echo(&g, 20, 0);
		e = echo_start(true);
		assert_int_equal(vhf_reopen(&g.f), 0);
		assert_int_equal(guest_negotiate(&g, features_of(layout), PROTOCOL), 0);
		guest_announce_memory(&g);
		guest_start_rings(&g);
		guest_echo(&g, 100, 120);
	}
	guest_end(&g);
	echo_stop(e);
}

/** Answer a miss with all there is around the address: memory, or by our own address a ring. */
static void
answer_miss(struct guest *g, struct vhu_iotlb *i)
{
	const bool buffer = i->iova >= GPA && i->iova < GPA + g->mem.size;
	const uint64_t hva = (uintptr_t)g->mem.hva;

	assert_int_equal(i->type, VHU_IOTLB_MISS);
	*i = (struct vhu_iotlb){
		.type = VHU_IOTLB_UPDATE,
		.iova = buffer ? GPA : hva,
		.size = g->mem.size,
		.uva = hva,
		.perm = 3,
	};
	assert_int_equal(vhf_iotlb(&g->f, i), 0);
}

static void
misses_are_answered_over_the_channel(void **state)
{
	struct echo *e = echo_start(false);
	struct vqd_net_frame f[RING];
	unsigned int misses = 0;
	struct vhu_msg m;
	struct guest g;

	assert_int_equal(guest_open(&g, false), 0);
	assert_int_equal(guest_negotiate(&g, F(VERSION_1) | F(ACCESS_PLATFORM), PROTOCOL), 0);
	guest_start(&g, VQ_SPLIT);
	guest_echo(&g, 10, 0);
	while (vhf_backend_request(&g.f, &m, misses < 2 ? TIMEOUT_MS : 200) == 0) {
		assert_int_equal(m.header.request, VHU_BACKEND_IOTLB_MSG);
		answer_miss(&g, &m.payload.iotlb);
		misses++;
	}
	assert_true(misses >= 2);
	/* this device cannot keep frames that miss; now it does not have to */
	vqd_net_refill(&g.rx, vqd_net_recv(&g.rx, f, RING));
	g.got = g.sent;
	guest_echo(&g, 100, 100);
	guest_end(&g);
	echo_stop(e);
}

static void
dirty_log_is_given(void **state)
{
	struct echo *e = echo_start(false);
	int fd = memfd_create("log", MFD_CLOEXEC);
	uint8_t page, bits[4096];
	uint64_t marks = 0;
	struct guest g;

	assert_int_equal(ftruncate(fd, (GPA + (4 << 20)) / 4096 / 8), 0);
	assert_int_equal(guest_open(&g, false), 0);
	assert_int_equal(guest_negotiate(&g, F(VERSION_1), PROTOCOL), 0);
	guest_start(&g, VQ_SPLIT);
	assert_int_equal(vhf_set_log(&g.f, fd, 0, (GPA + (4 << 20)) / 4096 / 8), 0);
	assert_int_equal(vhf_set_features(&g.f, g.f.s.features | 1ull << VHU_F_LOG_ALL), 0);
	guest_echo(&g, 10, 10);
	memset(bits, 0, sizeof(bits));
	assert_true(pread(fd, bits, sizeof(bits), GPA / 4096 / 8) > 0);
	for (size_t i = 0; i < sizeof(bits); i++)
		for (page = bits[i]; page != 0; page &= page - 1)
			marks++;
	assert_true(marks > 0);
	guest_end(&g);
	close(fd);
	echo_stop(e);
}

static void
says_why_a_session_cannot_be(void **state)
{
	struct echo *e = echo_start(false);
	const struct vhu_frontend_wish wish = {.queue_pairs = 100, .protocol_features = PROTOCOL};
	struct guest g;

	assert_int_equal(guest_open(&g, false), 0);
	assert_int_equal(guest_negotiate(&g, 1ull << 59, PROTOCOL), -ENOTSUP);
	assert_non_null(strstr(g.f.err, "does not offer"));
	assert_int_equal(vhf_reopen(&g.f), 0);
	assert_int_equal(vhf_negotiate(&g.f, &wish), -ENOTSUP);
	assert_non_null(strstr(g.f.err, "queue pairs"));
	assert_int_equal(vhf_reopen(&g.f), 0);
	assert_int_equal(guest_negotiate(&g, F(VERSION_1), PROTOCOL), 0);
	/* no ring is empty */
	assert_int_equal(vhf_ring_start(&g.f, 0,
					&(struct vhu_frontend_ring){.size = 0, .kick_fd = -1}),
			 -EREMOTEIO);
	assert_non_null(strstr(g.f.err, "SET_VRING_NUM"));
	vhf_close(&g.f);
	echo_stop(e);
}

/* --- a back-end that does not behave --- */

static int
listener(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(sa.sun_path, path, strlen(path));
	assert_int_equal(bind(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void
bad_answers_end_the_session(void **state)
{
	const struct {
		struct vhu_header h;
		int want;
	} answers[] = {
		{{VHU_GET_FEATURES, VHU_VERSION | VHU_REPLY, 4}, -EPROTO},
		{{VHU_GET_FEATURES, VHU_VERSION, 8}, -EPROTO},
		{{VHU_SET_FEATURES, VHU_VERSION | VHU_REPLY, 8}, -EPROTO},
		{{VHU_GET_FEATURES, VHU_VERSION | VHU_REPLY, 1u << 20}, -EPROTO},
		{{VHU_GET_FEATURES, VHU_VERSION | VHU_REPLY, 64}, -ECONNRESET}, /* cut short */
	};
	const uint8_t payload[8] = {0};
	const struct vhu_frontend_wish wish = {.queue_pairs = 1};
	int srv = listener();

	for (size_t i = 0; i < RTE_DIM(answers); i++) {
		struct guest g;
		int fd;

		assert_int_equal(guest_open(&g, false), 0);
		fd = accept(srv, NULL, NULL);
		peer_write(fd, &answers[i].h, sizeof(answers[i].h), NULL, 0);
		peer_write(fd, payload, sizeof(payload), NULL, 0);
		shutdown(fd, SHUT_WR);
		assert_int_equal(vhf_negotiate(&g.f, &wish), answers[i].want);
		assert_true(g.f.err[0] != '\0');
		vhf_close(&g.f);
		close(fd);
	}
	close(srv);
	unlink(path);
}

static void
silence_is_not_waited_for_too_long(void **state)
{
	const struct vhf_config cfg = {path, false, 50};
	const struct vhu_frontend_wish wish = {.queue_pairs = 1};
	int srv;
	struct vhf f;

	assert_int_equal(vhf_open(&f, &cfg), -ENOENT);
	srv = listener();
	assert_int_equal(vhf_reopen(&f), 0);
	assert_int_equal(vhf_negotiate(&f, &wish), -ETIMEDOUT);
	vhf_close(&f);
	close(srv);
	unlink(path);
}

/* --- the asynchronous session, against what the test itself answers --- */

struct session {
	struct vhu_frontend f;
	struct ev_loop *loop;
	int peer;
	int ended[16]; /* results in the order operations ended */
	uint32_t n, closed;
	int error;
};

static void
note_end(struct vhu_frontend *f, void *ctx, int ret, const struct vhu_msg *reply)
{
	struct session *s = f->ctx;

	assert_true(s->n < RTE_DIM(s->ended));
	assert_int_equal((uintptr_t)ctx, s->n); /* numbered as they were begun */
	s->ended[s->n++] = ret;
}

static void
note_closed(struct vhu_frontend *f, int error)
{
	struct session *s = f->ctx;

	s->closed++;
	s->error = error;
}

static uint64_t
note_request(struct vhu_frontend *f, struct vhu_msg *m, struct vhu_fds *fds)
{
	return 0;
}

static void
session_open(struct session *s, uint64_t protocol, uint32_t timeout_ms)
{
	static const struct vhu_frontend_ops ops = {note_request, note_closed};
	struct vhu_frontend_config cfg = {.timeout_ms = timeout_ms, .ops = &ops, .ctx = s};
	int pair[2];

	*s = (struct session){.loop = ev_loop_new()};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	cfg.loop = s->loop;
	s->peer = pair[1];
	assert_int_equal(vhu_frontend_open(&s->f, &cfg, pair[0]), 0);
	s->f.protocol_features = protocol;
}

static void
session_end(struct session *s)
{
	vhu_frontend_close(&s->f);
	close(s->peer);
	ev_loop_free(s->loop);
}

static struct vhu_frontend_done
ends_as(uintptr_t number)
{
	return (struct vhu_frontend_done){.fn = note_end, .ctx = (void *)number};
}

static void
answer(struct session *s, uint32_t request, uint64_t word)
{
	const struct vhu_header h = {request, VHU_VERSION | VHU_REPLY, sizeof(word)};

	peer_write(s->peer, &h, sizeof(h), NULL, 0);
	peer_write(s->peer, &word, sizeof(word), NULL, 0);
	ev_run_once(s->loop, 1000);
}

static const struct vhu_frontend_ring no_fds = {.size = 8,
						.kick_fd = -1,
						.call_fd = -1,
						.err_fd = -1};

static void
an_operation_ends_with_its_last_message(void **state)
{
	static const uint32_t requests[] = {VHU_SET_VRING_NUM, VHU_SET_VRING_BASE,
					    VHU_SET_VRING_ADDR, VHU_SET_VRING_CALL,
					    VHU_SET_VRING_KICK};
	struct session s;
	size_t i;

	session_open(&s, VHU_PF(REPLY_ACK) | VHU_PF(STATUS), 5000);
	s.f.features = 1ull << VHU_F_PROTOCOL_FEATURES;
	assert_int_equal(vhu_frontend_ring_start(&s.f, 0, &no_fds, ends_as(0)), 0);
	assert_int_equal(vhu_frontend_ring_enable(&s.f, 0, true, ends_as(1)), 0);
	assert_int_equal(vhu_frontend_set_status(&s.f, 15, ends_as(2)), 0);
	for (i = 0; i < RTE_DIM(requests); i++) {
		assert_int_equal(s.n, 0);
		answer(&s, requests[i], i == 2 ? EINVAL : 0);
	}
	/* refused in the middle: the operation failed, those after it did not */
	assert_int_equal(s.n, 1);
	assert_int_equal(s.ended[0], -EREMOTEIO);
	assert_non_null(strstr(s.f.err, "SET_VRING_ADDR"));
	answer(&s, VHU_SET_VRING_ENABLE, 0);
	answer(&s, VHU_SET_STATUS, 0);
	assert_int_equal(s.n, 3);
	assert_int_equal(s.ended[1], 0);
	assert_int_equal(s.ended[2], 0);
	session_end(&s);
	assert_int_equal(s.closed, 0);
}

static void
without_acknowledgements_a_barrier_tells(void **state)
{
	struct session s;

	session_open(&s, VHU_PF(STATUS), 5000);
	assert_int_equal(vhu_frontend_ring_start(&s.f, 0, &no_fds, ends_as(0)), 0);
	assert_int_equal(s.n, 1);
	assert_int_equal(vhu_frontend_barrier(&s.f, ends_as(1)), 0);
	assert_int_equal(vhu_frontend_set_status(&s.f, 15, ends_as(2)), 0);
	assert_int_equal(s.n, 1); /* in order: not before the barrier */
	answer(&s, VHU_GET_FEATURES, 1);
	assert_int_equal(s.n, 3);
	session_end(&s);
}

static void
all_operations_end_with_the_connection(void **state)
{
	/* the back-end leaves, answers nonsense, says nothing; the owner closes */
	static const int want[] = {-ECONNRESET, -EPROTO, -ETIMEDOUT, -ECANCELED};
	struct session s;

	for (uint32_t how = 0; how < RTE_DIM(want); how++) {
		session_open(&s, VHU_PF(REPLY_ACK), how == 2 ? 20 : 5000);
		assert_int_equal(vhu_frontend_barrier(&s.f, ends_as(0)), 0);
		assert_int_equal(vhu_frontend_ring_start(&s.f, 0, &no_fds, ends_as(1)), 0);
		if (how == 0)
			shutdown(s.peer, SHUT_WR);
		if (how == 1)
			answer(&s, VHU_SET_STATUS, 0);
		if (how == 3)
			vhu_frontend_close(&s.f);
		while (s.n < 2)
			ev_run_once(s.loop, 1000);
		assert_int_equal(s.ended[0], want[how]);
		assert_int_equal(s.ended[1], want[how]);
		assert_int_equal(s.closed, how != 3);
		assert_true(how == 3 || s.error == want[how]);
		assert_true(s.f.err[0] != '\0');
		assert_int_equal(vhu_frontend_barrier(&s.f, ends_as(2)), -ENOTCONN);
		session_end(&s);
	}
}

/** A back-end that answers what it is asked, from a thread of its own. */
static void *
answer_two(void *arg)
{
	const struct vhu_header h = {VHU_GET_FEATURES, VHU_VERSION | VHU_REPLY, 8};
	const uint64_t word = 1;
	struct session *s = arg;
	uint8_t question[12];

	for (int i = 0; i < 2; i++) {
		if (recv(s->peer, question, sizeof(question), MSG_WAITALL) != sizeof(question))
			break;
		peer_write(s->peer, &h, sizeof(h), NULL, 0);
		peer_write(s->peer, &word, sizeof(word), NULL, 0);
	}
	return NULL;
}

static void
an_owner_may_wait_without_the_loop(void **state)
{
	struct session s;
	pthread_t thread;

	session_open(&s, 0, 60000);
	assert_int_equal(vhu_frontend_wait(&s.f, 0), 0); /* for nothing */
	assert_int_equal(vhu_frontend_barrier(&s.f, ends_as(0)), 0);
	assert_int_equal(vhu_frontend_barrier(&s.f, ends_as(1)), 0);
	assert_int_equal(vhu_frontend_wait(&s.f, 1), -ETIMEDOUT);
	assert_int_equal(s.n, 0);
	fcntl(s.peer, F_SETFL, 0); /* the thread waits */
	assert_int_equal(pthread_create(&thread, NULL, answer_two, &s), 0);
	assert_int_equal(vhu_frontend_wait(&s.f, 60000), 0);
	pthread_join(thread, NULL);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.ended[1], 0);
	/* the end of the connection is an end, too */
	assert_int_equal(vhu_frontend_barrier(&s.f, ends_as(2)), 0);
	shutdown(s.peer, SHUT_WR);
	assert_int_equal(vhu_frontend_wait(&s.f, 60000), 0);
	assert_int_equal(s.ended[2], -ECONNRESET);
	assert_int_equal(s.closed, 1);
	session_end(&s);
}

static void
a_back_end_that_does_not_keep_up_is_not_flooded(void **state)
{
	struct session s;
	uint32_t begun = 0;
	int ret;

	session_open(&s, VHU_PF(REPLY_ACK), 5000);
	do
		ret = vhu_frontend_ring_start(&s.f, begun, &no_fds, (struct vhu_frontend_done){0});
	while (ret == 0 && ++begun < 1000);
	assert_int_equal(ret, -ENOBUFS);
	assert_int_equal(s.f.ncalls, begun * 5); /* nothing of the one that was refused */
	session_end(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(traffic_with_a_memory_table_and_with_slots, &layouts[0]),
		cmocka_unit_test_prestate(traffic_with_a_memory_table_and_with_slots, &layouts[1]),
		cmocka_unit_test_prestate(traffic_with_a_memory_table_and_with_slots, &layouts[2]),
		cmocka_unit_test_prestate(rings_carry_on_with_another_back_end, &layouts[0]),
		cmocka_unit_test_prestate(rings_carry_on_with_another_back_end, &layouts[1]),
		cmocka_unit_test_prestate(rings_carry_on_with_another_back_end, &layouts[2]),
		cmocka_unit_test(misses_are_answered_over_the_channel),
		cmocka_unit_test(dirty_log_is_given),
		cmocka_unit_test(says_why_a_session_cannot_be),
		cmocka_unit_test(bad_answers_end_the_session),
		cmocka_unit_test(silence_is_not_waited_for_too_long),
		cmocka_unit_test(an_operation_ends_with_its_last_message),
		cmocka_unit_test(without_acknowledgements_a_barrier_tells),
		cmocka_unit_test(all_operations_end_with_the_connection),
		cmocka_unit_test(an_owner_may_wait_without_the_loop),
		cmocka_unit_test(a_back_end_that_does_not_keep_up_is_not_flooded),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
