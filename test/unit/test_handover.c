/* SPDX-License-Identifier: BSD-3-Clause */
/* A session and its device go on in another process; records that are damaged do no harm. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/heir.h"
#include "pkt/legend.h"
#include "vdev/handover.h"
#include "vhost_user/handover.h"
#include "wire.h"

#define MODERN (F(VERSION_1) | F(PROTOCOL_FEATURES))
#define PACKED (MODERN | F(RING_PACKED))
#define TYPE_LEGEND 1
#define TYPE_END 2 /* as the program has one */
#define SENT 5
#define POLLS 5000

static struct wire from, to;

static int
setup(void **state)
{
	wire_init(&from, WIRE_ALL);
	wire_init(&to, 0);
	return 0;
}

static int
teardown(void **state)
{
	wire_fini(&from);
	wire_fini(&to);
	return 0;
}

/** The records of the first session, whose rings stop. */
static void
hand_over(struct blob *b)
{
	legend_put(b, TYPE_LEGEND);
	vdev_hand_stop(from.o.d);
	owner_ops.publish(from.o.d);
	vhu_session_hand_over(&from.s, 7, b);
	vdev_hand_over(from.o.d, b);
	hand_put(b, TYPE_END, "", 0);
	assert_false(b->failed);
}

/** Have the second session take them. NULL: it has taken all; else the reason. */
static const char *
take_over(struct blob *b)
{
	static struct legend legend;
	struct blob_reader reader = {.blob = b};
	struct hand_record h = {.reader = &reader, .legend = &legend};
	const char *why = NULL;
	uint64_t connects;
	bool ended = false;
	int fd = -1;

	legend.n = 0;
	while (why == NULL && (h.data = blob_read(&reader, &h.r)) != NULL) {
		if (h.r.type == TYPE_LEGEND)
			why = legend_read(&legend, h.data, h.r.len) ? NULL : "legend";
		else if (h.r.type == TYPE_END)
			ended = true;
		else if (h.r.type == VHU_HAND_SESSION)
			why = vhu_session_take_over(&to.s, &h, &connects, &fd);
		else if (h.r.type >= TRANSPORT_HAND_FIRST)
			why = vhu_conns_take_over(&to.s, &h);
		else
			why = vdev_take_over(to.o.d, &h);
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	return why != NULL || (ended && blob_at_end(&reader)) ? why : "damaged";
}

/** Traffic goes on at the position of the ring, and counters go on. */
static void
goes_on(uint64_t features)
{
	struct blob b = {0};
	struct vqd drv;
	uint32_t i;

	wire_start(&from, features);
	owner_driver(&from.o, 1, 256, &drv);
	for (i = 0; i < SENT; i++)
		assert_int_equal(owner_transmit(&from.o, 0, &drv), 1);
	hand_over(&b);
	assert_null(take_over(&b));
	blob_free(&b);
	vdev_sync(to.o.d);
	assert_non_null(to.o.rx[0]);
	assert_true(to.o.rx_enabled[0]);
	assert_int_equal(to.o.d->features, features);
	for (i = 0; i < SENT; i++)
		assert_int_equal(owner_transmit(&to.o, 0, &drv), 1);
	assert_int_equal(to.o.d->q[1].vq->q.stats.frames, 2 * SENT);
	vqd_fini(&drv);
}

static void
test_split(void **state)
{
	goes_on(MODERN);
}

static void
test_packed(void **state)
{
	goes_on(PACKED);
}

/* A successor that fails leaves rings that go on where they stood. */
static void
test_resumed(void **state)
{
	struct blob b = {0};
	struct vqd drv;
	uint32_t i;

	wire_start(&from, PACKED);
	owner_driver(&from.o, 1, 256, &drv);
	for (i = 0; i < SENT; i++)
		assert_int_equal(owner_transmit(&from.o, 0, &drv), 1);
	hand_over(&b);
	blob_free(&b);
	assert_null(from.o.rx[0]);
	vdev_sync(from.o.d);
	for (i = 0; i < SENT; i++)
		assert_int_equal(owner_transmit(&from.o, 0, &drv), 1);
	vqd_fini(&drv);
}

/* The first half of a message was read by one process, the second half is by the other. */
static void
test_half_message(void **state)
{
	const struct vhu_header h = {VHU_GET_FEATURES, VHU_VERSION, 0};
	const uint8_t *p = (const uint8_t *)&h;
	struct vhu_msg reply;
	struct blob b = {0};

	assert_int_equal(send(from.peer, p, 5, 0), 5);
	ev_run_once(from.o.loop, 0);
	assert_int_equal(from.s.conn.in_got, 5);
	hand_over(&b);
	assert_null(take_over(&b));
	blob_free(&b);
	assert_int_equal(to.s.conn.in_got, 5);
	assert_int_equal(send(to.peer, p + 5, sizeof(h) - 5, 0), sizeof(h) - 5);
	ev_run_once(to.o.loop, 100);
	assert_int_equal(recv(to.peer, &reply, sizeof(reply), 0), sizeof(h) + 8);
	assert_int_equal(reply.header.request, VHU_GET_FEATURES);
}

/* No counter goes back: those of post-copy migrations that have ended, either. */
static void
test_postcopy_counters(void **state)
{
	const struct pager_counters c = {.wanted = 5,
					 .arrived = 6,
					 .stalls = 2,
					 .stalled_us = 70,
					 .longest_us = 30};
	struct blob b = {0};

	from.s.paged = c;
	hand_over(&b);
	assert_null(take_over(&b));
	blob_free(&b);
	assert_memory_equal(&to.s.paged, &c, sizeof(c));
}

/* A front-end that takes its memory back costs its own port, and no other the upgrade. */
static void
test_withdrawn(void **state)
{
	struct blob b = {0};

	wire_start(&from, PACKED);
	hand_over(&b);
	assert_int_equal(ftruncate(from.o.memfd, 0), 0);
	assert_null(take_over(&b));
	blob_free(&b);
	vdev_sync(to.o.d);
	assert_null(to.o.rx[0]);
	assert_null(to.o.tx[0]);
	assert_true(atomic_load(&to.o.d->fault.dead));
	vdev_attention(to.o.d);
	assert_true(to.o.d->fault_seen);
}

/** A copy with descriptors of its own. */
static void
copy(const struct blob *b, struct blob *c)
{
	uint32_t i;

	*c = (struct blob){0};
	blob_put(c, b->data, b->len);
	c->fd = calloc(b->nfds + 1, sizeof(int));
	c->nfds = c->fd_room = b->nfds;
	for (i = 0; i < b->nfds; i++)
		c->fd[i] = fcntl(b->fd[i], F_DUPFD_CLOEXEC, 0);
}

/* Cut off anywhere it is refused: without a part of a device no ring may start. */
static void
test_truncated(void **state)
{
	struct blob b = {0}, c;
	size_t len;

	wire_start(&from, PACKED);
	hand_over(&b);
	for (len = 0; len < b.len; len += 8) {
		copy(&b, &c);
		c.len = len;
		assert_non_null(take_over(&c));
		blob_free(&c);
		wire_fini(&to);
		wire_init(&to, 0);
	}
	blob_free(&b);
}

/* Any byte may be wrong: it is refused or means something else, and no access is out of bounds. */
static void
test_damaged(void **state)
{
	static const uint8_t masks[] = {0x01, 0x80, 0xff};
	struct blob b = {0}, c;
	size_t at;

	wire_start(&from, PACKED);
	hand_over(&b);
	for (at = 0; at < b.len; at++) {
		copy(&b, &c);
		c.data[at] ^= masks[at % 3];
		if (take_over(&c) == NULL)
			vdev_sync(to.o.d);
		blob_free(&c);
		wire_fini(&to);
		wire_init(&to, 0);
	}
	blob_free(&b);
}

/** A copy in which record number @p which comes twice. */
static void
doubled(const struct blob *b, uint32_t which, struct blob *c)
{
	struct blob_reader reader = {.blob = (struct blob *)(uintptr_t)b};
	struct blob_record r;
	const uint8_t *data;
	uint32_t i = 0;

	*c = (struct blob){0};
	while ((data = blob_read(&reader, &r)) != NULL) {
		const int *fds = b->fd + reader.fds - r.nfds;

		blob_put_fds(c, &r, data, fds);
		if (i++ == which)
			blob_put_fds(c, &r, data, fds);
	}
	assert_false(c->failed);
}

/* A record that comes twice is refused, or the second one is the fact; no descriptor is lost. */
static void
test_doubled(void **state)
{
	const struct vhu_header half = {VHU_SET_VRING_CALL, VHU_VERSION, 8};
	struct blob_record r;
	struct blob b = {0}, c;
	struct blob_reader reader = {.blob = &b};
	uint32_t before, records = 0, i, polls, refused = 0;
	int pair[2], fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	wire_start(&from, PACKED);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(vhu_open_channel(&from.s, pair[0]), 0);
	memcpy(&from.s.conn.in, &half, sizeof(half));
	from.s.conn.in_got = sizeof(half);
	from.s.conn.in_fds.fd[from.s.conn.in_fds.n++] = fd;
	hand_over(&b);
	while (blob_read(&reader, &r) != NULL)
		records++;
	before = open_fds();
	for (i = 0; i < records; i++) {
		wire_fini(&to);
		wire_init(&to, 0);
		doubled(&b, i, &c);
		refused += take_over(&c) != NULL;
		blob_free(&c);
		wire_fini(&to);
		wire_init(&to, 0);
		for (polls = 0; open_fds() != before && polls < POLLS; polls++)
			usleep(1000); /* the lane closes some */
		assert_int_equal(open_fds(), before);
	}
	assert_true(refused > 0);
	close(pair[1]);
	blob_free(&b);
}

/* Counters of another version go to those of the same name; others are left out. */
static void
test_legend(void **state)
{
	static const char names[] = "rx_runt\0frames\0no_such_thing";
	static const uint64_t values[] = {3, 4, 5};
	struct pktq_stats s = {.frames = 10};
	struct legend l;

	assert_true(legend_read(&l, names, sizeof(names)));
	assert_int_equal(l.n, 3);
	assert_true(legend_add(&l, values, sizeof(values), &s));
	assert_int_equal(s.frames, 14);
	assert_int_equal(s.drop[DROP_RX_RUNT], 3);
	assert_false(legend_add(&l, values, sizeof(values) - 8, &s));
	assert_false(legend_read(&l, names, sizeof(names) - 1));
	assert_false(legend_read(&l, names, 0));
}

/* A descriptor is found by its name, once. */
static void
test_heir(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), got;
	struct blob b = {0};
	struct blob_reader reader = {.blob = &b};
	struct blob_record r;
	const uint8_t *name;

	heir_note("/some/path", fd);
	heir_save(&b, 3);
	heir_forget(fd);
	heir_save(&b, 3);
	assert_int_equal(b.nfds, 1);
	name = blob_read(&reader, &r);
	assert_non_null(name);
	assert_true(heir_load(&reader, name, r.len));
	assert_false(heir_load(&reader, name, r.len));
	assert_int_equal(heir_take("/other/path"), -1);
	got = heir_take("/some/path");
	assert_true(got >= 0);
	assert_int_equal(heir_take("/some/path"), -1);
	close(got);
	close(fd);
	blob_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_split, setup, teardown),
		cmocka_unit_test_setup_teardown(test_packed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_resumed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_half_message, setup, teardown),
		cmocka_unit_test_setup_teardown(test_postcopy_counters, setup, teardown),
		cmocka_unit_test_setup_teardown(test_withdrawn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_doubled, setup, teardown),
		cmocka_unit_test_setup_teardown(test_truncated, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
		cmocka_unit_test(test_legend),
		cmocka_unit_test(test_heir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
