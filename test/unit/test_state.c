/* SPDX-License-Identifier: BSD-3-Clause */
/* Port states: every (state, request) pair against a written-out table. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "vdev/state.h"

#define ER -EINVAL
#define ST VDEV_STATE_STOP
#define RU VDEV_STATE_RUNNING
#define SC VDEV_STATE_STOP_COPY
#define RE VDEV_STATE_RESUMING
#define RP VDEV_STATE_RUNNING_P2P
#define PC VDEV_STATE_PRE_COPY
#define PP VDEV_STATE_PRE_COPY_P2P

/* clang-format off */
/*
 * next[from][to]: the first arc. Columns: ERROR STOP RUNNING STOP_COPY RESUMING RUNNING_P2P
 * PRE_COPY PRE_COPY_P2P
 */
static const int next[VDEV_STATE_NUM][VDEV_STATE_NUM] = {
	[VDEV_STATE_ERROR]        = { ER, ER, ER, ER, ER, ER, ER, ER },
	[VDEV_STATE_STOP]         = { ER, ST, RP, SC, RE, RP, RP, RP },
	[VDEV_STATE_RUNNING]      = { ER, RP, RU, RP, RP, RP, PC, RP },
	[VDEV_STATE_STOP_COPY]    = { ER, ST, ST, SC, ST, ST, ER, ER },
	[VDEV_STATE_RESUMING]     = { ER, ST, ST, ST, RE, ST, ST, ST },
	[VDEV_STATE_RUNNING_P2P]  = { ER, ST, RU, ST, ST, RP, RU, PP },
	[VDEV_STATE_PRE_COPY]     = { ER, RU, RU, PP, RU, RU, PC, PP },
	[VDEV_STATE_PRE_COPY_P2P] = { ER, RP, RP, SC, RP, RP, PC, PP },
};
/* clang-format on */

static void
every_pair(void **ctx)
{
	(void)ctx;
	for (int from = 0; from < VDEV_STATE_NUM; from++) {
		for (int to = 0; to < VDEV_STATE_NUM; to++) {
			int got = vdev_state_next(from, to);

			if (got != next[from][to])
				fail_msg("%s -> %s: got %d, want %d", vdev_state_name(from),
					 vdev_state_name(to), got, next[from][to]);
		}
	}
	assert_int_equal(vdev_state_next(VDEV_STATE_NUM, RU), -EINVAL);
	assert_int_equal(vdev_state_next(RU, VDEV_STATE_NUM), -EINVAL);
}

/*
 * Following the arcs arrives, and nothing but the ends saves - unless a pre-copy is being finished.
 */
static void
paths_arrive(void **ctx)
{
	(void)ctx;
	for (int from = 0; from < VDEV_STATE_NUM; from++) {
		for (int to = 0; to < VDEV_STATE_NUM; to++) {
			int s = from, steps = 0;

			if (next[from][to] < 0)
				continue;
			while (s != to) {
				s = vdev_state_next(s, to);
				assert_true(s > 0 && ++steps <= 5);
				if (s != to && !((from == PC || from == PP) && to == SC))
					assert_false(s == SC || s == PC || s == PP || s == RE);
			}
		}
	}
}

static void
names(void **ctx)
{
	(void)ctx;
	for (int s = 0; s < VDEV_STATE_NUM; s++)
		assert_int_equal(vdev_state_parse(vdev_state_name(s)), s);
	assert_int_equal(vdev_state_parse("runing"), -EINVAL);
	assert_string_equal(vdev_state_name(VDEV_STATE_NUM), "?");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pair),
		cmocka_unit_test(paths_arrive),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
