/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtqueue, driver side: in-order batches, and devices that lie. The model tests do the rest. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "virtq/driver.h"
#include "virtq/fmt.h"

#define SIZE 8
#define BUF_LEN 100
#define F(bit) (1ull << (bit))

/* The device is this test: it writes used elements by hand, in host order (little-endian). */
struct ring {
	struct vqd d;
	uint8_t desc[SIZE * 16] __attribute__((aligned(16)));
	uint8_t driver[64] __attribute__((aligned(16)));
	uint8_t device[128] __attribute__((aligned(16)));
	uint8_t table[SIZE * 2 * 16] __attribute__((aligned(16)));
	uint8_t bufs[SIZE * 128];
	uint16_t used; /* split: index, packed: slot */
	bool wrap;
};

static const struct vq_fmt le = {.swap = VQ_SWAP_LE};

static void
ring_init(struct ring *r, enum vq_layout layout, uint64_t features)
{
	const struct vqd_setup s = {
		.layout = layout,
		.size = SIZE,
		.features = features,
		.desc = r->desc,
		.driver = r->driver,
		.device = r->device,
		.indirect = r->table,
		.indirect_max = 2,
		.kick_fd = -1,
		.state = {.avail_wrap = true, .used_wrap = true},
	};

	memset(r, 0, sizeof(*r));
	r->wrap = true;
	assert_int_equal(vqd_init(&r->d, &s), 0);
}

static void
ring_net(struct ring *r, bool rx)
{
	const struct vqd_net n = {.hva = r->bufs,
				  .addr = 0x1000,
				  .stride = 128,
				  .buf_len = BUF_LEN,
				  .rx = rx};

	assert_int_equal(vqd_net_init(&r->d, &n), 0);
}

/** One used element; @p n chains of one descriptor become used by it. */
static void
device_uses(struct ring *r, uint32_t id, uint32_t len, uint16_t n)
{
	const uint16_t done = PACKED_F_AVAIL | PACKED_F_USED;

	if (r->d.layout == VQ_PACKED) {
		struct packed_desc *d = (struct packed_desc *)r->desc + r->used;

		d->id = vq16_make(le, (uint16_t)id);
		d->len = vq32_make(le, len);
		d->flags = vq16_make(le, r->wrap ? done : 0);
		r->used += n;
		r->wrap ^= r->used >= SIZE;
		r->used %= SIZE;
	} else {
		struct split_used *u = (struct split_used *)r->device;

		u->ring[r->used % SIZE] =
			(struct split_used_elem){vq32_make(le, id), vq32_make(le, len)};
		r->used += n;
		u->idx = vq16_make(le, r->used);
	}
}

static void
add(struct ring *r, uint16_t nin, uint64_t user_data)
{
	const struct vqd_buf b = {0x1000, BUF_LEN};
	const struct vqd_chain c = {.buf = &b, .nout = !nin, .nin = nin, .user_data = user_data};

	assert_int_equal(vqd_add(&r->d, &c), 0);
	vqd_publish(&r->d);
}

static uint64_t
features_of(enum vq_layout layout)
{
	return F(VIRTIO_F_VERSION_1) | (layout == VQ_PACKED ? F(VIRTIO_F_RING_PACKED) : 0);
}

static enum vq_layout layouts[] = {VQ_SPLIT, VQ_PACKED};

static void
in_order_batch_is_one_used_element(void **state)
{
	const enum vq_layout layout = *(enum vq_layout *)*state;
	uint64_t user_data, next = 0, added = 0;
	uint32_t len;
	struct ring r;

	ring_init(&r, layout, features_of(layout) | F(VIRTIO_F_IN_ORDER));
	for (int pass = 0; pass < 10; pass++) {
		for (int i = 0; i < 5; i++)
			add(&r, 1, added++);
		/* ids go round the ring like the descriptors */
		device_uses(&r, (added - 2) % SIZE, 7, 4);
		for (int i = 0; i < 4; i++) {
			assert_true(vqd_pending(&r.d));
			assert_true(vqd_get(&r.d, &user_data, &len));
			assert_int_equal(user_data, next++);
			/* the ones before the last are full, by definition */
			assert_int_equal(len, i < 3 ? BUF_LEN : 7);
		}
		assert_false(vqd_get(&r.d, &user_data, &len));
		device_uses(&r, (added - 1) % SIZE, 9, 1);
		assert_true(vqd_get(&r.d, &user_data, &len));
		assert_int_equal(user_data, next++);
		assert_int_equal(len, 9);
		assert_int_equal(r.d.outstanding, 0);
	}
	vqd_fini(&r.d);
}

static void
in_order_batch_of_net_buffers(void **state)
{
	const enum vq_layout layout = *(enum vq_layout *)*state;
	struct vqd_net_frame f[SIZE];
	struct ring r;

	ring_init(&r, layout, features_of(layout) | F(VIRTIO_F_IN_ORDER));
	ring_net(&r, true);
	for (uint32_t pass = 0; pass < 10; pass++) {
		vqd_net_refill(&r.d, 6);
		device_uses(&r, (pass * 6 + 5) % SIZE, 20, 6);
		/* in two goes: the rest of the batch is remembered */
		assert_int_equal(vqd_net_recv(&r.d, f, 4), 4);
		assert_int_equal(f[3].len, BUF_LEN);
		assert_int_equal(vqd_net_recv(&r.d, f, SIZE), 2);
		assert_int_equal(f[0].len, BUF_LEN);
		assert_int_equal(f[1].len, 20);
		assert_int_equal(f[1].id, (pass * 6 + 5) % SIZE);
	}
	vqd_fini(&r.d);
}

static void
net_buffers_may_come_back_in_any_order(void **state)
{
	const enum vq_layout layout = *(enum vq_layout *)*state;
	const uint32_t len[3] = {50, 60, 70};
	struct ring r;

	ring_init(&r, layout, features_of(layout));
	ring_net(&r, false);
	assert_int_equal(vqd_net_room(&r.d), SIZE);
	vqd_net_send(&r.d, len, 3);
	assert_int_equal(vqd_net_room(&r.d), SIZE - 3);
	device_uses(&r, 2, 0, 1);
	device_uses(&r, 0, 0, 1);
	device_uses(&r, 1, 0, 1);
	assert_int_equal(vqd_net_room(&r.d), SIZE);
	/* five that were never used, then the three as they came back */
	assert_ptr_equal(vqd_net_buf(&r.d, 0), r.bufs + 3 * 128);
	assert_ptr_equal(vqd_net_buf(&r.d, 5), r.bufs + 2 * 128);
	assert_ptr_equal(vqd_net_buf(&r.d, 6), r.bufs);
	assert_ptr_equal(vqd_net_buf(&r.d, 7), r.bufs + 128);
	vqd_fini(&r.d);
}

/** The device's answer about a ring with one chain of BUF_LEN writable bytes, id 0. */
static const struct lie {
	uint32_t id, len;
	uint16_t n;
	bool split_only;
} lies[] = {
	{.id = 1, .n = 1},                     /* a chain it was not given */
	{.id = SIZE, .n = 1},                  /* beyond the ring */
	{.id = 0, .n = 2, .split_only = true}, /* more than it was given */
	{.id = 0, .len = BUF_LEN + 1, .n = 1},
};

static void
lies_break_the_queue_and_nothing_else(void **state)
{
	const enum vq_layout layout = *(enum vq_layout *)*state;

	for (size_t i = 0; i < RTE_DIM(lies); i++) {
		uint64_t user_data;
		uint32_t len;
		struct ring r;

		if (lies[i].split_only && layout == VQ_PACKED)
			continue;
		ring_init(&r, layout, features_of(layout));
		add(&r, 1, 0);
		device_uses(&r, lies[i].id, lies[i].len, lies[i].n);
		assert_false(vqd_get(&r.d, &user_data, &len));
		assert_true(r.d.broken);
		assert_non_null(r.d.why);
		assert_false(vqd_pending(&r.d));
		vqd_fini(&r.d);
	}
}

static void
lies_break_a_net_queue(void **state)
{
	const enum vq_layout layout = *(enum vq_layout *)*state;

	for (size_t i = 1; i < RTE_DIM(lies); i++) {
		struct vqd_net_frame f[SIZE];
		struct ring r;

		if (lies[i].split_only && layout == VQ_PACKED)
			continue;
		ring_init(&r, layout, features_of(layout));
		ring_net(&r, true);
		vqd_net_refill(&r.d, 1);
		device_uses(&r, lies[i].id, lies[i].len, lies[i].n);
		assert_int_equal(vqd_net_recv(&r.d, f, SIZE), 0);
		assert_true(r.d.broken);
		vqd_fini(&r.d);
	}
}

static void
chain_is_refused_when_it_cannot_be(void **state)
{
	const enum vq_layout layout = *(enum vq_layout *)*state;
	const struct vqd_buf b[SIZE + 1] = {{0x1000, 1}};
	struct vqd_chain c = {.buf = b, .nout = SIZE + 1};
	struct ring r;

	ring_init(&r, layout, features_of(layout));
	assert_int_equal(vqd_add(&r.d, &c), -EINVAL);
	c.nout = 0;
	assert_int_equal(vqd_add(&r.d, &c), -EINVAL);
	c.nout = 3;
	c.indirect = true;
	assert_int_equal(vqd_add(&r.d, &c), -EINVAL); /* tables have two entries */
	c.indirect = false;
	assert_int_equal(vqd_add(&r.d, &c), 0);
	assert_int_equal(vqd_add(&r.d, &c), 0);
	assert_int_equal(vqd_add(&r.d, &c), -ENOSPC);
	vqd_fini(&r.d);
}

int
main(void)
{
	static const struct {
		const char *name;
		CMUnitTestFunction fn;
	} kinds[] = {
		{"in_order_batch_is_one_used_element", in_order_batch_is_one_used_element},
		{"in_order_batch_of_net_buffers", in_order_batch_of_net_buffers},
		{"net_buffers_may_come_back_in_any_order", net_buffers_may_come_back_in_any_order},
		{"lies_break_the_queue_and_nothing_else", lies_break_the_queue_and_nothing_else},
		{"lies_break_a_net_queue", lies_break_a_net_queue},
		{"chain_is_refused_when_it_cannot_be", chain_is_refused_when_it_cannot_be},
	};
	struct CMUnitTest tests[RTE_DIM(kinds) * RTE_DIM(layouts)] = {0};

	for (size_t i = 0; i < RTE_DIM(tests); i++) {
		tests[i].name = kinds[i / RTE_DIM(layouts)].name;
		tests[i].test_func = kinds[i / RTE_DIM(layouts)].fn;
		tests[i].initial_state = &layouts[i % RTE_DIM(layouts)];
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
