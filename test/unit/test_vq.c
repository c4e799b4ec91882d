/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtqueue, device side: what control does with it, and notifications of both kinds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "ring.h"
#include "base/irq.h"

#define EVENT_IDX RING_F(VIRTIO_RING_F_EVENT_IDX)
#define PACKED (RING_F(VIRTIO_F_RING_PACKED) | RING_MODERN)

static void
check_takes_what_the_spec_allows(void **state)
{
	assert_null(vq_check(VQ_SPLIT, 1, 0));
	assert_null(vq_check(VQ_SPLIT, 32768, RING_MODERN));
	assert_null(vq_check(VQ_SPLIT_SWAP, 256, 0));
	assert_null(vq_check(VQ_PACKED, 1, PACKED));
	assert_null(vq_check(VQ_PACKED, 32767, PACKED));
	assert_non_null(vq_check(VQ_SPLIT, 0, 0));
	assert_non_null(vq_check(VQ_SPLIT, 65536, 0));
	assert_non_null(vq_check(VQ_SPLIT, 100, 0));
	assert_non_null(vq_check(VQ_PACKED, 32769, PACKED));
	assert_non_null(vq_check(VQ_SPLIT, 256, PACKED));
	assert_non_null(vq_check(VQ_PACKED, 256, RING_MODERN));
	assert_non_null(vq_check(VQ_PACKED, 256, RING_F(VIRTIO_F_RING_PACKED)));
	assert_non_null(vq_check(VQ_SPLIT_SWAP, 256, RING_MODERN));
	assert_non_null(vq_check(VQ_SPLIT_SWAP, 256, PACKED));
}

static void
extent_counts_event_words(void **state)
{
	struct vq_extent e = vq_extent(VQ_SPLIT, 256, 0);

	assert_int_equal(e.desc, 4096);
	assert_int_equal(e.driver, 4 + 512);
	assert_int_equal(e.device, 4 + 2048);
	e = vq_extent(VQ_SPLIT, 256, EVENT_IDX);
	assert_int_equal(e.driver, 6 + 512);
	assert_int_equal(e.device, 6 + 2048);
	e = vq_extent(VQ_PACKED, 100, PACKED | EVENT_IDX);
	assert_int_equal(e.desc, 1600);
	assert_int_equal(e.driver, 4);
	assert_int_equal(e.device, 4);
}

static void
base_keeps_all_32_bits_of_a_packed_ring(void **state)
{
	const struct vq_state s = {.avail = 5, .used = 3, .avail_wrap = false, .used_wrap = true};
	uint32_t base = vq_state_to_word(VQ_PACKED, &s);
	struct vq_state t = vq_state_from_word(VQ_PACKED, base);

	assert_int_equal(base, 0x80030005);
	assert_int_equal(t.avail, 5);
	assert_int_equal(t.used, 3);
	assert_false(t.avail_wrap);
	assert_true(t.used_wrap);
	/* a front-end that knows the lower half only */
	t = vq_state_from_word(VQ_PACKED, 0x8000);
	assert_int_equal(t.used, 0);
	assert_true(t.avail_wrap);
	assert_true(t.used_wrap);
	t = vq_state_from_word(VQ_SPLIT, 0xfff0);
	assert_int_equal(t.avail, 0xfff0);
	assert_int_equal(vq_state_to_word(VQ_SPLIT, &t), 0xfff0);
}

static void
start_refuses_positions_beyond_the_ring(void **state)
{
	struct ring r;

	ring_prepare(&r, VQ_PACKED, 8, 0, false);
	r.setup.state.avail = 8;
	assert_int_equal(vq_start(&r.vq, &r.setup), -EINVAL);
	r.setup.state.avail = 7;
	r.setup.size = 0;
	assert_int_equal(vq_start(&r.vq, &r.setup), -EINVAL);
	ring_fini(&r);
}

static void
features_become_properties(void **state)
{
	const uint64_t f = RING_F(VIRTIO_NET_F_GUEST_CSUM) | RING_F(VIRTIO_NET_F_GUEST_TSO6) |
			   RING_F(VIRTIO_NET_F_GUEST_USO4);
	struct ring r;

	ring_prepare(&r, VQ_SPLIT, 8, f, true);
	r.setup.mtu = 1500;
	assert_int_equal(vq_start(&r.vq, &r.setup), 0);
	assert_int_equal(r.vq.q.offloads,
			 PKT_NEED_CSUM | PKT_NEED_EXT | PKT_NEED_TSO6 | PKT_NEED_USO4);
	assert_int_equal(r.vq.q.max_len, 1518);
	assert_int_equal(r.vq.hdr_len, 10);
	ring_fini(&r);
}

static void
used_idx_is_read_in_guest_order(void **state)
{
	const uint8_t device[4] = {0, 0, 0x12, 0x34};

	assert_int_equal(vq_split_used_idx(VQ_SPLIT, device), 0x3412);
	assert_int_equal(vq_split_used_idx(VQ_SPLIT_SWAP, device), 0x1234);
}

/* --- notifications to us --- */

static uint16_t
device_word(struct ring *r, size_t offset)
{
	return vq16_load(ring_fmt(r), (const vq16_t *)((const uint8_t *)r->setup.device + offset));
}

static void
post_one(struct ring *r)
{
	const struct ring_buf b = {RING_BUF(0), 100, 0};

	ring_frame(ring_at(r, RING_BUF(0)), 100, 1);
	memset(ring_at(r, RING_BUF(0)), 0, 12);
	ring_post(r, &b, 1);
}

/** Arm a queue, check the words the driver looks at, and that a chain posted before is noticed. */
static void
arming(enum vq_layout layout, uint64_t features)
{
	const struct pktq_ops *ops;
	struct ring r;

	ring_init(&r, layout, 8, features, false);
	ops = pktq_ops(&r.vq.q);
	assert_false(ops->arm(&r.vq.q));
	if (layout == VQ_PACKED && features & EVENT_IDX) {
		assert_int_equal(device_word(&r, 0), PACKED_WRAP);
		assert_int_equal(device_word(&r, 2), VRING_PACKED_EVENT_FLAG_DESC);
	} else if (layout == VQ_PACKED) {
		assert_int_equal(device_word(&r, 2), VRING_PACKED_EVENT_FLAG_ENABLE);
	} else if (features & EVENT_IDX) {
		assert_int_equal(device_word(&r, 4 + 8 * 8), 0);
	} else {
		assert_int_equal(device_word(&r, 0), 0);
	}
	ops->disarm(&r.vq.q);
	if (layout == VQ_PACKED)
		assert_int_equal(device_word(&r, 2), VRING_PACKED_EVENT_FLAG_DISABLE);
	else if (features & EVENT_IDX)
		assert_int_equal(device_word(&r, 4 + 8 * 8), 0xffff);
	else
		assert_int_equal(device_word(&r, 0), VRING_USED_F_NO_NOTIFY);
	post_one(&r);
	assert_true(ops->arm(&r.vq.q));
	ring_fini(&r);
}

static void
arm_asks_for_notifications(void **state)
{
	enum vq_layout l;

	for (l = VQ_SPLIT; l < VQ_LAYOUT_NUM; l++) {
		arming(l, 0);
		arming(l, EVENT_IDX);
	}
}

/* --- interrupts to the driver --- */

static void
driver_word(struct ring *r, size_t offset, uint16_t x)
{
	vq16_store(ring_fmt(r), (vq16_t *)((uint8_t *)r->setup.driver + offset), x);
}

static unsigned int
interrupts(const struct ring *r)
{
	uint64_t n = 0;

	if (read(irq_eventfd(r->setup.irq), &n, sizeof(n)) < 0)
		return 0;
	return n;
}

/** Let the device take @p n chains, one burst; returns the interrupts it sent. */
static unsigned int
take(struct ring *r, unsigned int n)
{
	static struct pkt_batch batch;
	const struct pktq_ops *ops = pktq_ops(&r->vq.q);
	uint32_t id, len;
	unsigned int i;

	for (i = 0; i < n; i++)
		post_one(r);
	batch.max = PKT_BATCH_MAX;
	assert_int_equal(ops->rx(&r->vq.q, &batch), n);
	ops->rx_done(&r->vq.q, &batch);
	while (ring_used(r, &id, &len))
		;
	return interrupts(r);
}

static void
ring_with_call(struct ring *r, enum vq_layout layout, uint64_t features)
{
	ring_prepare(r, layout, 8, features, false);
	r->setup.irq = irq_of_eventfd(NULL, eventfd(0, EFD_NONBLOCK));
	assert_non_null(r->setup.irq);
	assert_int_equal(vq_start(&r->vq, &r->setup), 0);
}

static void
ring_without_call(struct ring *r)
{
	ring_fini(r);
	irq_free(r->setup.irq);
}

static void
flags_suppress_interrupts(void **state)
{
	enum vq_layout l;
	struct ring r;

	for (l = VQ_SPLIT; l < VQ_LAYOUT_NUM; l++) {
		size_t word = l == VQ_PACKED ? 2 : 0;

		ring_with_call(&r, l, 0);
		assert_int_equal(take(&r, 3), 1); /* one per burst */
		driver_word(&r, word, 1);         /* NO_INTERRUPT and EVENT_FLAG_DISABLE */
		assert_int_equal(take(&r, 2), 0);
		driver_word(&r, word, 0);
		assert_int_equal(take(&r, 1), 1);
		assert_int_equal(r.vq.q.stats.notified, 2);
		ring_without_call(&r);
	}
}

/** An owner that promised to ask gets decisions when it asks, polls, arms or stops the queue. */
static void
deferred_decisions_are_made_when_asked_for(void **state)
{
	static struct pkt_batch none;
	const struct pktq_ops *ops;
	enum vq_layout l;
	struct ring r;

	none.max = PKT_BATCH_MAX;
	for (l = VQ_SPLIT; l < VQ_LAYOUT_NUM; l++) {
		ring_with_call(&r, l, 0);
		r.vq.q.can_defer = true;
		ops = pktq_ops(&r.vq.q);
		assert_int_equal(take(&r, 3), 0);
		ops->notify(&r.vq.q);
		assert_int_equal(interrupts(&r), 1);
		ops->notify(&r.vq.q);
		assert_int_equal(interrupts(&r), 0);
		assert_int_equal(take(&r, 1), 0);
		assert_int_equal(ops->rx(&r.vq.q, &none), 0);
		assert_int_equal(interrupts(&r), 1);
		assert_int_equal(take(&r, 1), 0);
		assert_false(ops->arm(&r.vq.q));
		assert_int_equal(interrupts(&r), 1);
		assert_int_equal(take(&r, 1), 0);
		vq_stop(&r.vq);
		assert_int_equal(interrupts(&r), 1);
		ring_without_call(&r);
	}
}

static void
empty_ring_interrupts_a_legacy_driver(void **state)
{
	struct ring r;

	ring_with_call(&r, VQ_SPLIT_SWAP, RING_F(VIRTIO_F_NOTIFY_ON_EMPTY));
	driver_word(&r, 0, VRING_AVAIL_F_NO_INTERRUPT);
	assert_int_equal(take(&r, 1), 1);
	ring_without_call(&r);
}

static void
split_event_index_is_honoured(void **state)
{
	const size_t used_event = 4 + 2 * 8;
	enum vq_layout l;
	struct ring r;

	for (l = VQ_SPLIT; l < VQ_PACKED; l++) {
		ring_with_call(&r, l, EVENT_IDX);
		assert_int_equal(take(&r, 1), 1); /* the first decision errs on the safe side */
		driver_word(&r, used_event, 4);
		assert_int_equal(take(&r, 3), 0); /* used index 4: element 4 is not there yet */
		assert_int_equal(take(&r, 1), 1);
		assert_int_equal(take(&r, 1), 0); /* passed already */
		ring_without_call(&r);
	}
}

static void
packed_event_offset_is_honoured_over_the_wrap(void **state)
{
	struct ring r;

	ring_with_call(&r, VQ_PACKED, EVENT_IDX);
	driver_word(&r, 2, VRING_PACKED_EVENT_FLAG_DESC);
	driver_word(&r, 0, 3 | PACKED_WRAP);
	assert_int_equal(take(&r, 1), 1);
	assert_int_equal(take(&r, 2), 0); /* slots 1 and 2 */
	assert_int_equal(take(&r, 1), 1); /* slot 3 */
	driver_word(&r, 0, 1);            /* slot 1 of the next lap */
	assert_int_equal(take(&r, 4), 0); /* to the end of this one */
	assert_int_equal(take(&r, 1), 0); /* slot 0 */
	assert_int_equal(take(&r, 1), 1); /* slot 1 */
	driver_word(&r, 0, 1 | PACKED_WRAP);
	assert_int_equal(take(&r, 7), 0); /* slots 2..7 and 0 */
	assert_int_equal(take(&r, 8), 1); /* a whole lap */
	ring_without_call(&r);
}

static void
signal_without_an_eventfd_is_nothing(void **state)
{
	struct ring r;

	ring_init(&r, VQ_SPLIT, 8, 0, false);
	vq_signal(&r.vq);
	assert_int_equal(r.vq.q.stats.notified, 0);
	assert_null(vq_set_irq(&r.vq, NULL));
	ring_fini(&r);
}

static void
dead_memory_is_left_alone(void **state)
{
	static struct pkt_batch batch = {.max = PKT_BATCH_MAX};
	struct ring r;

	ring_init(&r, VQ_SPLIT, 8, 0, false);
	post_one(&r);
	atomic_store(&r.fault.dead, true);
	assert_int_equal(pktq_ops(&r.vq.q)->rx(&r.vq.q, &batch), 0);
	assert_int_equal(r.vq.q.stats.frames, 0);
	ring_fini(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(check_takes_what_the_spec_allows),
		cmocka_unit_test(extent_counts_event_words),
		cmocka_unit_test(base_keeps_all_32_bits_of_a_packed_ring),
		cmocka_unit_test(start_refuses_positions_beyond_the_ring),
		cmocka_unit_test(features_become_properties),
		cmocka_unit_test(used_idx_is_read_in_guest_order),
		cmocka_unit_test(arm_asks_for_notifications),
		cmocka_unit_test(flags_suppress_interrupts),
		cmocka_unit_test(deferred_decisions_are_made_when_asked_for),
		cmocka_unit_test(empty_ring_interrupts_a_legacy_driver),
		cmocka_unit_test(split_event_index_is_honoured),
		cmocka_unit_test(packed_event_offset_is_honoured_over_the_wrap),
		cmocka_unit_test(signal_without_an_eventfd_is_nothing),
		cmocka_unit_test(dead_memory_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
