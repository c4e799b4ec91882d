/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The position of a packed ring, read from the ring: a driver and a device of the test's own write
 * it, and after each of their steps it is asked for.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "virtq/fmt.h"
#include "virtq/internal.h"
#include "virtq/journal.h"

#define SIZE_MAX_HERE 64
#define INDIRECT (UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC)
#define IN_ORDER (UINT64_C(1) << VIRTIO_F_IN_ORDER)

struct place {
	uint32_t at;
	bool wrap;
};

static const struct vq_fmt little = {.packed = true, .swap = VQ_SWAP_LE};
static struct packed_desc desc[SIZE_MAX_HERE];
static struct vq_setup setup;
static struct place driver, device, reclaimed; /* next slots to fill, to use, to take back */
static uint32_t slots[SIZE_MAX_HERE];          /* of the buffer with that id; 0: it is free */
static uint16_t free_ids[SIZE_MAX_HERE];
static uint32_t nfree, room, used;

/** The same sequence in each run. */
static uint32_t
next_random(void)
{
	static uint32_t x = 2463534242u;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

static void
begin(uint32_t size, uint64_t features)
{
	memset(desc, 0, sizeof(desc));
	memset(slots, 0, sizeof(slots));
	setup = (struct vq_setup){.layout = VQ_PACKED,
				  .size = size,
				  .features = features,
				  .desc = desc};
	driver = device = reclaimed = (struct place){0, true};
	nfree = room = size;
	used = 0;
	for (uint32_t i = 0; i < size; i++)
		free_ids[i] = (uint16_t)(size - 1 - i);
}

static void
step(struct place *p, uint32_t n)
{
	p->at += n;
	if (p->at >= setup.size) {
		p->at -= setup.size;
		p->wrap = !p->wrap;
	}
}

static bool
same(struct place a, struct place b)
{
	return a.at == b.at && a.wrap == b.wrap;
}

/** A buffer of @p n slots, with the id that was given back last, as Linux takes it. */
static bool
make_available(uint32_t n)
{
	struct place p = driver;
	uint16_t id, first = 0;

	if (n > room || nfree == 0)
		return false;
	id = free_ids[--nfree];
	for (uint32_t i = 0; i < n; i++) {
		const uint16_t flags = (p.wrap ? PACKED_F_AVAIL : PACKED_F_USED) |
				       (i + 1 < n ? VRING_DESC_F_NEXT : 0);

		desc[p.at].addr = vq64_make(little, 0x1000 + i);
		desc[p.at].len = vq32_make(little, 100);
		desc[p.at].id = vq16_make(little, id);
		if (i == 0)
			first = flags;
		else
			desc[p.at].flags = vq16_make(little, flags);
		step(&p, 1);
	}
	desc[driver.at].flags = vq16_make(little, first);
	driver = p;
	slots[id] = n;
	room -= n;
	return true;
}

static bool
use(void)
{
	struct place last = device;
	uint16_t id;

	if (same(device, driver))
		return false;
	while (vq16_get(little, desc[last.at].flags) & VRING_DESC_F_NEXT)
		step(&last, 1);
	id = vq16_get(little, desc[last.at].id);
	desc[device.at].id = vq16_make(little, id);
	desc[device.at].len = vq32_make(little, 0);
	desc[device.at].flags = vq16_make(little, device.wrap ? PACKED_F_BOTH : 0);
	step(&device, slots[id]);
	used++;
	return true;
}

static bool
take_back(void)
{
	uint16_t id;

	if (same(reclaimed, device))
		return false;
	id = vq16_get(little, desc[reclaimed.at].id);
	step(&reclaimed, slots[id]);
	room += slots[id];
	slots[id] = 0;
	free_ids[nfree++] = id;
	return true;
}

/** Whether it is found; then it is the right one. */
static bool
find(void)
{
	struct vq_state s;

	if (!vq_packed_find(&setup, &s))
		return false;
	assert_int_equal(s.avail, device.at);
	assert_int_equal(s.used, device.at);
	assert_int_equal(s.avail_wrap, device.wrap);
	assert_int_equal(s.used_wrap, device.wrap);
	return true;
}

struct habit {
	uint32_t size, longest, outstanding;
	uint64_t features;
};

/** One step of any of the three. */
static void
live(const struct habit *h)
{
	switch (next_random() % 3) {
	case 0:
		if (h->size - room < h->outstanding)
			make_available(1 + next_random() % h->longest);
		break;
	case 1:
		use();
		break;
	default:
		take_back();
	}
}

/**
 * Each position at which a ring with buffers of one slot is idle, and from the third buffer on each
 * one if drivers use tables.
 */
static void
rings_of_single_slots_tell(void **state)
{
	static const struct habit habits[] = {
		{16, 1, 16, 0},       {16, 1, 1, 0},        {16, 1, 2, 0},         {7, 1, 7, 0},
		{64, 1, 1, INDIRECT}, {64, 1, 3, INDIRECT}, {64, 1, 64, INDIRECT}, {1, 1, 1, 0},
	};

	for (size_t i = 0; i < RTE_DIM(habits); i++) {
		const struct habit *h = &habits[i];

		begin(h->size, h->features);
		for (uint32_t n = 0; n < 20000; n++) {
			const bool found = find();

			if (same(device, driver) || ((h->features & INDIRECT) && used > 1))
				assert_true(found);
			live(h);
		}
		assert_true(used > 4 * h->size);
	}
}

/** Longer buffers leave slots behind that look available: no wrong position is told. */
static void
rings_of_long_buffers_do_not_mislead(void **state)
{
	static const struct habit habits[] = {
		{16, 2, 16, 0}, {16, 3, 4, 0}, {64, 2, 2, 0}, {64, 5, 64, 0}, {64, 2, 1, 0},
	};
	uint32_t found = 0;

	for (size_t i = 0; i < RTE_DIM(habits); i++) {
		begin(habits[i].size, habits[i].features);
		for (uint32_t n = 0; n < 20000; n++) {
			found += find();
			live(&habits[i]);
		}
	}
	assert_true(found > 0);
}

/** With IN_ORDER one used descriptor may stand for several buffers. */
static void
in_order_rings_tell_nothing(void **state)
{
	begin(16, IN_ORDER);
	for (int i = 0; i < 40; i++) {
		assert_false(find());
		assert_true(make_available(1) && use() && take_back());
	}
}

/** A hostile driver writes any flags: it is found or not, and nothing is read beyond the ring. */
static void
any_flags_do(void **state)
{
	struct packed_desc *d = malloc(SIZE_MAX_HERE * sizeof(*d));
	struct vq_state s;
	uint32_t found = 0;

	assert_non_null(d);
	for (int n = 0; n < 20000; n++) {
		setup = (struct vq_setup){.layout = VQ_PACKED,
					  .size = 1 + next_random() % 5,
					  .desc = d};
		/* at the end of what may be read */
		setup.desc = d + SIZE_MAX_HERE - setup.size;
		for (uint32_t i = 0; i < SIZE_MAX_HERE; i++)
			d[i] = (struct packed_desc){
				.id = vq16_make(little, (uint16_t)(next_random() % 2)),
				.flags = vq16_make(little, (uint16_t)next_random()),
			};
		if (vq_packed_find(&setup, &s)) {
			assert_in_range(s.avail, 0, setup.size - 1);
			found++;
		}
	}
	assert_true(found > 0);
	free(d);
}

/** A ring that hardware had is looked at, until it is given back or set up anew. */
static void
the_journal_knows_of_hardware(void **state)
{
	const struct vq_journal_key key = {.desc_uva = 1, .size = 16},
				    other = {.desc_uva = 2, .size = 16};
	struct vq_journal j = {0};
	struct vq_setup s;

	begin(16, INDIRECT);
	for (int i = 0; i < 20; i++)
		assert_true(make_available(1) && use() && take_back());
	s = setup;
	assert_int_equal(vq_journal_recover(&j, &key, &s), VQ_JOURNAL_SILENT);
	vq_journal_hardware(&j, &key);
	assert_true(vq_journal_needed(&j));
	assert_false(j.running); /* older programs have nothing to go on by */
	assert_int_equal(vq_journal_recover(&j, &key, &s), VQ_JOURNAL_POSITION);
	assert_int_equal(s.state.avail, device.at);
	assert_int_equal(vq_journal_recover(&j, &other, &s), VQ_JOURNAL_SILENT);
	/* two slots of a buffer that was used: not known */
	assert_true(make_available(2) && use() && make_available(1) && use());
	assert_int_equal(vq_journal_recover(&j, &key, &s), VQ_JOURNAL_LOST);
	/* the driver sets it up anew */
	begin(16, INDIRECT);
	assert_int_equal(vq_journal_recover(&j, &key, &s), VQ_JOURNAL_SILENT);
	/* it comes back to software, or ends */
	vq_journal_start(&j, &key, &(struct vq_state){3, 3, true, true});
	assert_true(j.running && !j.pending);
	vq_journal_hardware(&j, &key);
	vq_journal_stop(&j);
	assert_false(vq_journal_needed(&j));
	assert_int_equal(vq_journal_recover(&j, &key, &s), VQ_JOURNAL_SILENT);
}

static atomic_bool over;

/** A driver in the midst of a buffer: the ring is in order, and is not, many times. */
static void *
write_flags(void *arg)
{
	while (!atomic_load(&over)) {
		vq16_store_release(little, &desc[5].flags, PACKED_F_AVAIL);
		for (int i = 0; i < 10; i++)
			(void)atomic_load(&over);
		vq16_store_release(little, &desc[5].flags, 0);
	}
	return NULL;
}

/** Under a driver that writes, a ring that hardware had never starts where it was set up. */
static void
a_writing_driver_does_not_mislead(void **state)
{
	const struct vq_journal_key key = {.desc_uva = 1, .size = 16};
	struct vq_journal j = {0};
	struct vq_setup s;
	pthread_t t;

	begin(16, INDIRECT);
	for (int i = 0; i < 3; i++)
		assert_true(make_available(1) && use() && take_back());
	s = setup;
	vq_journal_hardware(&j, &key);
	assert_int_equal(pthread_create(&t, NULL, write_flags, NULL), 0);
	for (int i = 0; i < 100000; i++) {
		const enum vq_journal_word word = vq_journal_recover(&j, &key, &s);

		assert_int_not_equal(word, VQ_JOURNAL_SILENT);
		if (word == VQ_JOURNAL_POSITION)
			assert_int_equal(s.state.avail, 3);
	}
	atomic_store(&over, true);
	pthread_join(t, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rings_of_single_slots_tell),
		cmocka_unit_test(rings_of_long_buffers_do_not_mislead),
		cmocka_unit_test(in_order_rings_tell_nothing),
		cmocka_unit_test(any_flags_do),
		cmocka_unit_test(the_journal_knows_of_hardware),
		cmocka_unit_test(a_writing_driver_does_not_mislead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
