/* SPDX-License-Identifier: BSD-3-Clause */
/* The lines kept of the log: numbered, in order, the last ones only, cut where too long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <rte_log.h>

#include "base/log_tail.h"

static void
test_lines(void **state)
{
	uint64_t at = log_tail_end(), first = at;
	struct log_tail_line l;

	assert_false(log_tail_next(&at, &l));
	log_tail_add(RTE_LOG_ERR, "vhost0", "one");
	log_tail_add(RTE_LOG_INFO, NULL, "two");
	assert_true(log_tail_next(&at, &l));
	assert_int_equal(l.number, first);
	assert_int_equal(l.level, RTE_LOG_ERR);
	assert_string_equal(l.tag, "vhost0");
	assert_string_equal(l.text, "one");
	assert_true(log_tail_next(&at, &l));
	assert_string_equal(l.tag, "");
	assert_string_equal(l.text, "two");
	assert_false(log_tail_next(&at, &l));
	assert_int_equal(at, log_tail_end());
}

static void
test_only_the_last(void **state)
{
	uint64_t at = log_tail_end(), first = at;
	struct log_tail_line l;
	unsigned int n = 0;
	char text[16];

	for (unsigned int i = 0; i < LOG_TAIL_LINES + 5; i++) {
		snprintf(text, sizeof(text), "%u", i);
		log_tail_add(RTE_LOG_INFO, "p", text);
	}
	for (; log_tail_next(&at, &l); n++) {
		snprintf(text, sizeof(text), "%u", n + 5);
		assert_string_equal(l.text, text);
		assert_int_equal(l.number, first + 5 + n);
	}
	assert_int_equal(n, LOG_TAIL_LINES);
}

static void
test_long(void **state)
{
	uint64_t at = log_tail_end();
	struct log_tail_line l;
	char text[1000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_tail_add(RTE_LOG_INFO, text, text);
	assert_true(log_tail_next(&at, &l));
	assert_int_equal(strlen(l.tag), sizeof(l.tag) - 1);
	assert_int_equal(strlen(l.text), sizeof(l.text) - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_only_the_last),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
