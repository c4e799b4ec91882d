/* SPDX-License-Identifier: BSD-3-Clause */
/* Which receive queue moves to which worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "switch/balance.h"

#define LENGTH 1000000

static const uint8_t two[] = {0, 1};

/** Of two workers' queues; busy in percent. */
static struct balance_load
load_of(struct balance_queue *q, uint32_t n, unsigned int busy0, unsigned int busy1)
{
	struct balance_load l = {.length = LENGTH, .nactive = 2, .active = two, .q = q, .n = n};

	l.busy[0] = busy0 * (LENGTH / 100);
	l.busy[1] = busy1 * (LENGTH / 100);
	balance_share(&l);
	return l;
}

/* A worker's cycles are its queues', by frames; without frames no queue's. */
static void
test_share(void **state)
{
	struct balance_queue q[] = {{.worker = 0, .work = 300},
				    {.worker = 0, .work = 100},
				    {.worker = 1, .work = 0}};
	const struct balance_load l = load_of(q, 3, 80, 50);

	assert_int_equal(q[0].cost, LENGTH / 100 * 60);
	assert_int_equal(q[1].cost, LENGTH / 100 * 20);
	assert_int_equal(q[2].cost, 0);
	assert_int_equal(l.busy[0], LENGTH / 100 * 80);
}

/*
 * A queue that was not there when the interval began has the frames of its whole life: it looks as
 * if it had done all the work, and a queue of little work would be moved in place of a busy one.
 */
static void
test_unknown(void **state)
{
	const struct balance_queue before[] = {{.serial = 2, .total = 1000},
					       {.serial = 4, .total = 500}};
	struct balance_queue q[] = {{.worker = 0, .serial = 2, .total = 1060},
				    {.worker = 0, .serial = 3, .total = 1000000},
				    {.worker = 0, .serial = 4, .total = 540}};
	struct balance_load l = {.length = LENGTH, .nactive = 2, .active = two, .q = q, .n = 3};
	const struct balance_queue *moved;
	uint8_t from;

	l.busy[0] = LENGTH;
	balance_since(&l, before, 2);
	assert_int_equal(q[0].work, 60);
	assert_int_equal(q[1].work, 0);
	assert_int_equal(q[2].work, 40);
	balance_share(&l);
	moved = balance_choose(&l, &from);
	assert_non_null(moved);
	assert_int_equal(moved->serial, 2);
	balance_since(&l, NULL, 0);
	assert_int_equal(q[0].work + q[1].work + q[2].work, 0);
}

/* The queue goes that leaves the two most alike, and what it costs goes with it. */
static void
test_best(void **state)
{
	struct balance_queue q[] = {{.index = 0, .worker = 0, .work = 70},
				    {.index = 1, .worker = 0, .work = 20},
				    {.index = 2, .worker = 0, .work = 10},
				    {.index = 3, .worker = 1, .work = 10}};
	struct balance_load l = load_of(q, 4, 100, 50);
	const struct balance_queue *moved;
	uint8_t from;

	moved = balance_choose(&l, &from);
	assert_non_null(moved);
	assert_int_equal(moved->index, 1);
	assert_int_equal(moved->worker, 1);
	assert_int_equal(from, 0);
	assert_int_equal(l.busy[0], LENGTH / 100 * 80);
	assert_int_equal(l.busy[1], LENGTH / 100 * 70);
	/* 80 and 70: nothing makes the busier one 10 % less busy */
	assert_null(balance_choose(&l, &from));
}

/* All that a worker polls may go but one queue: that would only carry the load over. */
static void
test_single(void **state)
{
	struct balance_queue q[] = {{.worker = 0, .work = 1000}};
	struct balance_load l = load_of(q, 1, 100, 0);
	uint8_t from;

	assert_null(balance_choose(&l, &from));
}

static void
test_idle_and_fixed(void **state)
{
	struct balance_queue q[] = {{.worker = 0, .work = 50}, {.worker = 0, .work = 50}};
	struct balance_load l = load_of(q, 2, BALANCE_BUSY_MIN - 1, 0);
	uint8_t from;

	assert_null(balance_choose(&l, &from)); /* there is time left */
	l = load_of(q, 2, BALANCE_BUSY_MIN, 0);
	assert_non_null(balance_choose(&l, &from));
	q[0].worker = q[1].worker = 0;
	q[0].fixed = q[1].fixed = true;
	l = load_of(q, 2, 100, 0);
	assert_null(balance_choose(&l, &from)); /* the operator's choice */
}

/* A worker that does not forward gets nothing, and one worker alone keeps all. */
static void
test_active(void **state)
{
	static const uint8_t one[] = {1}, others[] = {0, 2};
	struct balance_queue q[] = {{.worker = 0, .work = 50}, {.worker = 0, .work = 50}};
	struct balance_load l = load_of(q, 2, 100, 0);
	uint8_t from;

	l.active = one;
	l.nactive = 1;
	assert_null(balance_choose(&l, &from));
	l.active = others;
	l.nactive = 2;
	assert_int_equal(balance_choose(&l, &from)->worker, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_share),          cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_best),           cmocka_unit_test(test_single),
		cmocka_unit_test(test_idle_and_fixed), cmocka_unit_test(test_active),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
