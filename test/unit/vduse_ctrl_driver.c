/* SPDX-License-Identifier: BSD-3-Clause */
#include "vduse_ctrl_driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "vduse/kernel.h"

uint64_t cvq_layouts[4] = {INDIRECT, INDIRECT | EVENT_IDX, F(RING_PACKED) | INDIRECT,
			   F(RING_PACKED) | INDIRECT | EVENT_IDX};
struct vqd cvq;
uint8_t *cvq_mem;
uint64_t cvq_mem_at;

static void
cvq_make_driver_at(uint32_t i, struct vq_state at)
{
	const bool packed = vk.features & F(RING_PACKED);
	const struct vqd_setup s = {
		.layout = packed ? VQ_PACKED : VQ_SPLIT,
		.size = RING,
		.features = vk.features,
		.desc = cvq_mem + RING_AT(i),
		.driver = cvq_mem + RING_AT(i) + RING_DRIVER_OFF,
		.device = cvq_mem + RING_AT(i) + RING_DEVICE_OFF,
		.indirect = cvq_mem + TABLE_AT,
		.indirect_addr = cvq_mem_at + TABLE_AT,
		.indirect_max = 8,
		.kick_fd = -1,
		.state = at,
	};

	assert_int_equal(vqd_init(&cvq, &s), 0);
}

void
cvq_make_driver(uint32_t i)
{
	const bool packed = vk.features & F(RING_PACKED);

	vqd_fini(&cvq);
	cvq_make_driver_at(i, (struct vq_state){.avail_wrap = packed, .used_wrap = packed});
}

void
cvq_start(uint64_t features)
{
	static const uint8_t steps[] = {0, 1, 3, 0xb, STARTED};

	vk.on_bus = true;
	vk_driver_rings(features);
	if (features & MULTI)
		cvq_make_driver(vk_ctrl_index());
	for (size_t i = 0; i < RTE_DIM(steps); i++)
		assert_int_equal(vk_set_status(steps[i]), OK);
}

void
cvq_start_multi(uint64_t features)
{
	vk.pairs = PAIRS;
	vk.takes_ctrl = true;
	vk_shape(vk_owner.d);
	cvq_mem = vk_owner.mem;
	cvq_mem_at = OWNER_GPA;
	vk_transport = vk_make();
	assert_non_null(vk_transport);
	cvq_start(features | MULTI);
}

void
cvq_kick(void)
{
	const uint64_t one = 1;

	assert_int_equal(write(vk.kick_fd, &one, sizeof(one)), sizeof(one));
}

void
cvq_rest(unsigned int rounds)
{
	while (rounds-- > 0)
		ev_run_once(vk_owner.loop, 2);
}

void
cvq_put(uint8_t class, uint8_t cmd, uint16_t n)
{
	cvq_mem[HEAD_AT] = class;
	cvq_mem[HEAD_AT + 1] = cmd;
	cvq_mem[DATA_AT] = (uint8_t)n;
	cvq_mem[DATA_AT + 1] = (uint8_t)(n >> 8);
	cvq_mem[ACK_AT] = NO_ANSWER;
}

const struct vqd_buf cvq_usual[3] = {
	{HEAD_AT, 2},
	{DATA_AT, 2},
	{ACK_AT, 1},
};

void
cvq_add(const struct vqd_buf *part, uint16_t nout, uint16_t nin, bool indirect)
{
	struct vqd_buf b[RING];
	const struct vqd_chain c = {.buf = b, .nout = nout, .nin = nin, .indirect = indirect};

	for (uint16_t i = 0; i < nout + nin; i++)
		b[i] = (struct vqd_buf){cvq_mem_at + part[i].addr, part[i].len};
	assert_int_equal(vqd_add(&cvq, &c), 0);
	vqd_publish(&cvq);
}

bool
cvq_answered(void)
{
	uint64_t data;
	uint32_t len;

	return vqd_get(&cvq, &data, &len);
}

uint8_t
cvq_answer(void)
{
	cvq_kick();
	while (!cvq_answered()) {
		assert_false(cvq.broken);
		ev_run_once(vk_owner.loop, 10);
	}
	return cvq_mem[ACK_AT];
}

uint8_t
cvq_command(uint8_t class, uint8_t cmd, uint16_t n)
{
	cvq_put(class, cmd, n);
	cvq_add(cvq_usual, 2, 1, false);
	return cvq_answer();
}

uint8_t
cvq_set_pairs(uint16_t n)
{
	return cvq_command(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, n);
}

uint32_t
cvq_pairs_used(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < PAIRS; i++)
		n += vk_owner.rx[i] != NULL && vk_owner.rx_enabled[i] && vk_owner.tx[i] != NULL &&
		     vk_owner.tx_enabled[i];
	return n;
}

uint32_t
cvq_ask(uint32_t type, uint64_t a, uint64_t b, uint32_t asid)
{
	struct vduse_dev_request req = {.type = type};
	union vduse_k_body body = {0};

	if (type == VDUSE_UPDATE_IOTLB) {
		body.iova.start = a;
		body.iova.last = b;
		body.iova.asid = asid;
	} else {
		body.group.group = (uint32_t)a;
		body.group.asid = (uint32_t)b;
	}
	memcpy(&req.padding, &body, sizeof(body));
	vk_send(&req);
	return vk_answer_of(&req).result;
}

const struct transport_fact *
cvq_fact(const char *name)
{
	static struct transport_fact f[TRANSPORT_FACTS_MAX];
	uint32_t n = vk_transport->ops->facts(vk_transport, f);

	assert_true(n <= TRANSPORT_FACTS_MAX);
	for (uint32_t i = 0; i < n; i++)
		if (strcmp(f[i].name, name) == 0)
			return &f[i];
	fail_msg("no fact %s", name);
	return NULL;
}

int
cvq_teardown(void **state)
{
	vqd_fini(&cvq);
	memset(&cvq, 0, sizeof(cvq));
	return vk_teardown(state);
}
