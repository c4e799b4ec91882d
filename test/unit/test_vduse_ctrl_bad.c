/* SPDX-License-Identifier: BSD-3-Clause */
/* A VDUSE device's control queue and drivers that break it; address spaces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "gmem/sigbus.h"
#include "vduse/kernel.h"
#include "vduse_ctrl_driver.h"

static uint16_t
link_status(void)
{
	return vk.config.status;
}

/* --- hostile drivers --- */

struct bad {
	const char *what;
	uint64_t features;
	void (*do_it)(void);
};

static uint16_t *
u16_at(uint64_t at)
{
	return (uint16_t *)(void *)(cvq_mem + at);
}

static void
raw_desc(uint32_t slot, uint64_t addr, uint32_t len, uint16_t a, uint16_t b)
{
	uint8_t *d = cvq_mem + RING_AT(CVQ) + slot * 16u;
	const uint16_t last[] = {a, b};

	memcpy(d, &addr, 8);
	memcpy(d + 8, &len, 4);
	memcpy(d + 12, last, 4);
}

static void
avail(uint16_t head, uint16_t idx)
{
	*u16_at(RING_AT(CVQ) + RING_DRIVER_OFF + 4) = head;
	*u16_at(RING_AT(CVQ) + RING_DRIVER_OFF + 2) = idx;
}

static void
too_many(void)
{
	avail(0, RING + 1);
}

static void
head_outside(void)
{
	avail(RING, 1);
}

static void
next_outside(void)
{
	raw_desc(0, cvq_mem_at + HEAD_AT, 2, 1, RING);
	avail(0, 1);
}

static void
loop(void)
{
	raw_desc(0, cvq_mem_at + HEAD_AT, 2, 1, 1);
	raw_desc(1, cvq_mem_at + HEAD_AT, 2, 1, 0);
	avail(0, 1);
}

static void
no_answer(void)
{
	raw_desc(0, cvq_mem_at + HEAD_AT, 4, 0, 0);
	avail(0, 1);
}

static void
no_command(void)
{
	raw_desc(0, cvq_mem_at + ACK_AT, 1, 2, 0);
	avail(0, 1);
}

static void
answer_first(void)
{
	raw_desc(0, cvq_mem_at + ACK_AT, 1, 1 | 2, 1);
	raw_desc(1, cvq_mem_at + HEAD_AT, 4, 0, 0);
	avail(0, 1);
}

static void
wraps(void)
{
	raw_desc(0, UINT64_MAX - 1, 4, 1, 1);
	raw_desc(1, cvq_mem_at + ACK_AT, 1, 2, 0);
	avail(0, 1);
}

static void
table_not_negotiated(void)
{
	raw_desc(0, cvq_mem_at + TABLE_AT, 32, 4, 0);
	avail(0, 1);
}

static void
table_of(uint32_t len, uint16_t flags)
{
	raw_desc(0, cvq_mem_at + TABLE_AT, len, flags, 0);
	avail(0, 1);
}

static void
table_empty(void)
{
	table_of(0, 4);
}

static void
table_odd(void)
{
	table_of(17, 4);
}

static void
table_long(void)
{
	table_of(UINT32_MAX & ~15u, 4);
}

static void
table_longer_than_ring(void)
{
	table_of(16 * (RING + 1), 4);
}

static void
table_goes_on(void)
{
	table_of(32, 4 | 1);
}

static void
table_in_table(void)
{
	const uint16_t flags = 4;

	memset(cvq_mem + TABLE_AT, 0, 32);
	memcpy(cvq_mem + TABLE_AT + 12, &flags, 2);
	table_of(32, 4);
}

static void
table_loop(void)
{
	const uint16_t flags = 1;

	memset(cvq_mem + TABLE_AT, 0, 32);
	memcpy(cvq_mem + TABLE_AT + 12, &flags, 2);
	table_of(32, 4);
}

static void
table_wraps(void)
{
	raw_desc(0, UINT64_MAX - 15, 32, 4, 0);
	avail(0, 1);
}

/* packed: descriptors of the first round */
#define AVAIL 0x80

static void
packed_loop(void)
{
	for (uint32_t i = 0; i < RING; i++)
		raw_desc(i, cvq_mem_at + HEAD_AT, 1, 0, AVAIL | 1);
}

static void
packed_no_answer(void)
{
	raw_desc(0, cvq_mem_at + HEAD_AT, 4, 0, AVAIL);
}

static void
packed_answer_first(void)
{
	raw_desc(0, cvq_mem_at + ACK_AT, 1, 0, AVAIL | 2 | 1);
	raw_desc(1, cvq_mem_at + HEAD_AT, 4, 0, AVAIL);
}

static void
packed_table_in_table(void)
{
	const uint16_t flags = 4;

	memset(cvq_mem + TABLE_AT, 0, 32);
	memcpy(cvq_mem + TABLE_AT + 14, &flags, 2);
	raw_desc(0, cvq_mem_at + TABLE_AT, 32, 0, AVAIL | 4);
}

static void
packed_table_late(void)
{
	raw_desc(0, cvq_mem_at + HEAD_AT, 2, 0, AVAIL | 1);
	raw_desc(1, cvq_mem_at + TABLE_AT, 32, 0, AVAIL | 4);
}

static void
packed_table_not_negotiated(void)
{
	raw_desc(0, cvq_mem_at + TABLE_AT, 32, 0, AVAIL | 4);
}

static const struct bad bads[] = {
	{"more available than the ring is long", 0, too_many},
	{"a head outside the ring", 0, head_outside},
	{"a descriptor outside the ring", 0, next_outside},
	{"a loop", 0, loop},
	{"no room for an answer", 0, no_answer},
	{"no command", 0, no_command},
	{"the answer before the command", 0, answer_first},
	{"a buffer that wraps", 0, wraps},
	{"a table that was not negotiated", 0, table_not_negotiated},
	{"an empty table", INDIRECT, table_empty},
	{"half an entry in a table", INDIRECT, table_odd},
	{"a table of 4 GiB", INDIRECT, table_long},
	{"a table longer than the ring", INDIRECT, table_longer_than_ring},
	{"a table that is not the last", INDIRECT, table_goes_on},
	{"a table in a table", INDIRECT, table_in_table},
	{"a loop in a table", INDIRECT, table_loop},
	{"a table that wraps", INDIRECT, table_wraps},
	{"packed: a loop", F(RING_PACKED), packed_loop},
	{"packed: no room for an answer", F(RING_PACKED), packed_no_answer},
	{"packed: the answer before the command", F(RING_PACKED), packed_answer_first},
	{"packed: a table in a table", F(RING_PACKED) | INDIRECT, packed_table_in_table},
	{"packed: a table behind a buffer", F(RING_PACKED) | INDIRECT, packed_table_late},
	{"packed: a table that was not negotiated", F(RING_PACKED), packed_table_not_negotiated},
};

/** The device needs a reset, and data goes on until then. */
static void
check_broken(const char *what, uint64_t features)
{
	struct transport_info info;

	for (int i = 0; i < 2000 && !(vdev_get_status(vk_owner.d) & VDEV_STATUS_NEEDS_RESET); i++)
		ev_run_once(vk_owner.loop, 10);
	if (!(vdev_get_status(vk_owner.d) & VDEV_STATUS_NEEDS_RESET))
		fail_msg("%s", what);
	assert_true(vk_both_run());
	vk_transport->ops->info(vk_transport, &info);
	assert_string_equal(info.last_error, info.no_carrier);
	assert_string_equal(cvq_fact("vduse_control_queue")->text, info.no_carrier);
	cvq_rest(3);
	assert_int_equal(link_status() & VIRTIO_NET_S_LINK_UP, 0);
	/* a kick has no effect, and a ring that is ready again none */
	cvq_kick();
	cvq_rest(3);
	cvq_start(features | MULTI);
	assert_int_equal(vdev_get_status(vk_owner.d), STARTED);
	cvq_rest(3);
	assert_int_equal(link_status() & VIRTIO_NET_S_LINK_UP, VIRTIO_NET_S_LINK_UP);
	assert_int_equal(cvq_set_pairs(2), VIRTIO_NET_OK);
	assert_int_equal(cvq_pairs_used(), 2);
}

static void
a_broken_ring_needs_a_reset(void **state)
{
	for (size_t i = 0; i < RTE_DIM(bads); i++) {
		cvq_start_multi(bads[i].features);
		assert_int_equal(cvq_set_pairs(1), VIRTIO_NET_OK);
		cvq_start(bads[i].features | MULTI);
		bads[i].do_it();
		cvq_kick();
		check_broken(bads[i].what, bads[i].features);
		vk_kill_switch();
		vk.exists = false;
	}
	cvq_start_multi(0);
}

static void
rings_that_cannot_be_are_broken(void **state)
{
	static const struct {
		uint32_t num;
		uint64_t off; /* of an address */
	} rows[] = {{0, 0},
		    {3, 0},
		    {2 * VDUSE_RING_SIZE, 0},
		    {UINT32_MAX, 0},
		    {RING, 1},
		    {RING, 2},
		    {RING, UINT64_MAX - OWNER_GPA - RING_AT(CVQ) - 15}};

	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		vk.pairs = PAIRS;
		vk.takes_ctrl = true;
		vk_shape(vk_owner.d);
		vk_transport = vk_make();
		assert_non_null(vk_transport);
		vk_driver_rings(MULTI);
		vk.vq[CVQ].num = rows[i].num;
		vk.vq[CVQ].desc_addr += rows[i].off;
		for (size_t s = 0; s < 4; s++)
			assert_int_equal(vk_set_status("\1\3\13\17"[s]), OK);
		if (!(vdev_get_status(vk_owner.d) & VDEV_STATUS_NEEDS_RESET))
			fail_msg("row %zu", i);
		assert_true(vk_both_run());
		assert_int_equal(vk_set_status(0), OK);
		vk_kill_switch();
		vk.exists = false;
	}
	cvq_start_multi(0);
}

/* --- address spaces --- */

/** Memory of its own, which data queues do not reach. */
static void
make_apart(void)
{
	vk.apart_fd = memfd_create("apart", MFD_CLOEXEC);
	assert_int_equal(ftruncate(vk.apart_fd, OWNER_MEM), 0);
	cvq_mem = mmap(NULL, OWNER_MEM, PROT_READ | PROT_WRITE, MAP_SHARED, vk.apart_fd, 0);
	assert_ptr_not_equal(cvq_mem, MAP_FAILED);
	cvq_mem_at = VK_APART;
	vk.apart = true;
}

static void
describe_apart(uint64_t features)
{
	vk_driver_rings(features | MULTI);
	vk.vq[CVQ].desc_addr += VK_APART - OWNER_GPA;
	vk.vq[CVQ].driver_addr += VK_APART - OWNER_GPA;
	vk.vq[CVQ].device_addr += VK_APART - OWNER_GPA;
}

static void
start_apart(uint64_t features)
{
	vk.version = 1;
	vk.pairs = PAIRS;
	vk.takes_ctrl = true;
	vk_shape(vk_owner.d);
	vk_transport = vk_make();
	assert_non_null(vk_transport);
	vk.on_bus = true;
	describe_apart(features);
	cvq_make_driver(CVQ);
	assert_int_equal(vk_set_status(0), OK);
	assert_int_equal(cvq_ask(VDUSE_K_SET_VQ_GROUP_ASID, 1, 1, 0), OK);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(vk_set_status("\1\3\13\17"[i]), OK);
}

static void
end_apart(void)
{
	munmap(cvq_mem, OWNER_MEM);
	close(vk.apart_fd);
	vk.apart_fd = -1;
}

static void
it_lives_in_an_address_space_of_its_own(void **state)
{
	const uint64_t features = *(uint64_t *)*state;

	for (int old = 0; old < 2; old++) {
		vk.old_entry = old;
		make_apart();
		start_apart(features);
		assert_true(vk_both_run());
		assert_int_equal(cvq_fact("vduse_control_address_space")->number, 1);
		assert_int_equal(cvq_fact("vduse_address_space")->number, 0);
		assert_int_equal(cvq_set_pairs(2), VIRTIO_NET_OK);
		assert_int_equal(cvq_pairs_used(), 2);
		/* what becomes of one space is nothing to the other */
		assert_int_equal(cvq_ask(VDUSE_UPDATE_IOTLB, 0, UINT64_MAX, 1), OK);
		cvq_rest(3);
		assert_int_equal(vk.asid_asked, 1);
		const unsigned int given = vk.fds_given;
		assert_int_equal(cvq_ask(VDUSE_UPDATE_IOTLB, 0, UINT64_MAX, 0), OK);
		cvq_rest(3);
		assert_int_equal(vk.fds_given, given + 1);
		assert_int_equal(cvq_set_pairs(3), VIRTIO_NET_OK);
		/* a successor finds it there */
		vk_kill_switch();
		vk_transport = vk_make();
		assert_non_null(vk_transport);
		assert_int_equal(cvq_pairs_used(), 3);
		assert_int_equal(cvq_fact("vduse_control_address_space")->number, 1);
		assert_int_equal(cvq_set_pairs(1), VIRTIO_NET_OK);
		assert_int_equal(cvq_pairs_used(), 1);
		/* and a reset ends it */
		assert_int_equal(vk_set_status(0), OK);
		assert_int_equal(cvq_fact("vduse_control_address_space")->number, 0);
		end_apart();
		vk_kill_switch();
		vk.exists = false;
	}
	vk.apart = false;
	cvq_start_multi(0);
}

static void
groups_and_spaces_that_are_not_are_refused(void **state)
{
	vk.version = 1;
	vk.interface = VDUSE_K_F_QUEUE_READY;
	cvq_start_multi(0);
	assert_int_equal(cvq_ask(VDUSE_K_SET_VQ_GROUP_ASID, 2, 0, 0), FAILED);
	assert_int_equal(cvq_ask(VDUSE_K_SET_VQ_GROUP_ASID, UINT32_MAX, 0, 0), FAILED);
	assert_int_equal(cvq_ask(VDUSE_K_SET_VQ_GROUP_ASID, 1, 2, 0), FAILED);
	assert_int_equal(cvq_ask(VDUSE_K_SET_VQ_READY, CVQ + 1, 1, 0), FAILED);
	assert_int_equal(cvq_ask(VDUSE_K_SET_VQ_READY, UINT32_MAX, 1, 0), FAILED);
	assert_int_equal(cvq_ask(VDUSE_UPDATE_IOTLB, 2, 1, 1), FAILED);
	assert_int_equal(cvq_set_pairs(2), VIRTIO_NET_OK);
}

/** Memory that may be read alone gets no answer, and what may be written alone is not read. */
static void
permissions_hold(void **state)
{
	static const uint8_t less[] = {VDUSE_ACCESS_RO, VDUSE_ACCESS_WO};
	uint64_t before;

	make_apart();
	start_apart(*(uint64_t *)*state);
	for (size_t i = 0; i < RTE_DIM(less); i++) {
		assert_int_equal(cvq_set_pairs(1), VIRTIO_NET_OK);
		before = cvq_fact("vduse_control_commands")->number;
		vk.perm = less[i];
		assert_int_equal(cvq_ask(VDUSE_UPDATE_IOTLB, 0, UINT64_MAX, 1), OK);
		cvq_put(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 2);
		cvq_add(cvq_usual, 2, 1, false);
		cvq_kick();
		cvq_rest(100);
		assert_false(cvq_answered());
		assert_int_equal(cvq_mem[ACK_AT], NO_ANSWER);
		assert_string_equal(cvq_fact("vduse_control_queue")->text,
				    "waits for memory that the driver has not mapped");
		assert_int_equal(cvq_fact("vduse_control_commands")->number,
				 before + (less[i] == VDUSE_ACCESS_RO));
		vk.perm = 0;
		assert_int_equal(cvq_ask(VDUSE_UPDATE_IOTLB, 0, UINT64_MAX, 1), OK);
		assert_int_equal(cvq_answer(), VIRTIO_NET_OK);
		assert_int_equal(cvq_pairs_used(), 2);
	}
	assert_int_equal(vk_set_status(0), OK);
	end_apart();
	vk.apart = false;
}

/** Its file, which is the driver's, is cut off. */
static void
a_truncated_file_breaks_it_alone(void **state)
{
	assert_int_equal(sigbus_install(), 0);
	make_apart();
	start_apart(*(uint64_t *)*state);
	assert_int_equal(cvq_set_pairs(2), VIRTIO_NET_OK);
	assert_int_equal(ftruncate(vk.apart_fd, 0), 0);
	cvq_kick();
	while (!(vdev_get_status(vk_owner.d) & VDEV_STATUS_NEEDS_RESET))
		ev_run_once(vk_owner.loop, 10);
	assert_true(vk_both_run());
	assert_int_equal(cvq_pairs_used(), 2);
	assert_int_equal(vk_set_status(0), OK);
	munmap(cvq_mem, OWNER_MEM);
	close(vk.apart_fd);
	vk.apart = false;
	cvq_start_multi(*(uint64_t *)*state);
	assert_int_equal(cvq_set_pairs(3), VIRTIO_NET_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_broken_ring_needs_a_reset),
		TEST(rings_that_cannot_be_are_broken),
		EACH(it_lives_in_an_address_space_of_its_own),
		TEST(groups_and_spaces_that_are_not_are_refused),
		EACH(permissions_hold),
		EACH(a_truncated_file_breaks_it_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
