/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver of a VDUSE device's control queue, for tests with the model of the kernel. */
#ifndef TEST_VDUSE_CTRL_DRIVER_H
#define TEST_VDUSE_CTRL_DRIVER_H

#include "vduse_model.h"

#define OK VDUSE_REQ_RESULT_OK
#define FAILED VDUSE_REQ_RESULT_FAILED
#define PAIRS VK_PAIRS_MAX
#define CVQ (2u * PAIRS) /* its index */
#define MULTI (F(NET_MQ) | 1u << VIRTIO_NET_F_CTRL_VQ)
#define INDIRECT (UINT64_C(1) << 28)
#define EVENT_IDX (UINT64_C(1) << 29)
#define NO_ANSWER 0xee

/* A command's parts in the guest's memory, each on lines of their own. */
#define HEAD_AT BUF_AT(0)
#define DATA_AT (HEAD_AT + 64)
#define ACK_AT (HEAD_AT + 128)
#define TABLE_AT BUF_AT(2)

extern struct vqd cvq;
extern uint8_t *cvq_mem;    /* of its address space, as the driver sees it */
extern uint64_t cvq_mem_at; /* and the device */
extern const struct vqd_buf cvq_usual[3];

/** Its ring @p i as a driver leaves it before it starts the device. */
void cvq_make_driver(uint32_t i);

/** Rings as the driver described them; it starts. */
void cvq_start(uint64_t features);

/** A device of several pairs, and a driver that has started it and has its control queue. */
void cvq_start_multi(uint64_t features);

void cvq_kick(void);
void cvq_rest(unsigned int rounds);

/** The parts of a command, without an answer. */
void cvq_put(uint8_t class, uint8_t cmd, uint16_t n);

/** Make it available; @p nout of @p part are read. */
void cvq_add(const struct vqd_buf *part, uint16_t nout, uint16_t nin, bool indirect);

/** Whether it has come back. */
bool cvq_answered(void);

/** The answer to all that is available. */
uint8_t cvq_answer(void);

/** Both, of the usual shape. */
uint8_t cvq_command(uint8_t class, uint8_t cmd, uint16_t n);
uint8_t cvq_set_pairs(uint16_t n);

/** Pairs that workers use. */
uint32_t cvq_pairs_used(void);

/** A request of newer kernels: its result. */
uint32_t cvq_ask(uint32_t type, uint64_t a, uint64_t b, uint32_t asid);

const struct transport_fact *cvq_fact(const char *name);

/* For cmocka: a test, and one for each layout of rings, whose features are its state. */
extern uint64_t cvq_layouts[4];
int cvq_teardown(void **state);

#define TEST(f) cmocka_unit_test_setup_teardown(f, vk_setup, cvq_teardown)
#define WITH(f, l) \
	cmocka_unit_test_prestate_setup_teardown(f, vk_setup, cvq_teardown, &cvq_layouts[l])
#define EACH(f) WITH(f, 0), WITH(f, 1), WITH(f, 2), WITH(f, 3)

#endif
