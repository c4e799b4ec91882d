/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers as people write them, and what strtoul() would take for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/parse.h"
#include "base/text.h"

static void
whole(void **state)
{
	static const struct {
		const char *text;
		int base;
		uint64_t min, max;
		bool good;
		uint64_t value;
	} cases[] = {
		{"0", 10, 0, 9, true, 0},
		{"9", 10, 0, 9, true, 9},
		{"10", 10, 0, 9, false, 0},
		{"1", 10, 2, 9, false, 0},
		{"", 10, 0, 9, false, 0},
		{" 1", 10, 0, 9, false, 0},
		{"1 ", 10, 0, 9, false, 0},
		{"+1", 10, 0, 9, false, 0},
		{"-1", 10, 0, UINT64_MAX, false, 0},
		{" -18446744073709551615", 10, 0, UINT64_MAX, false, 0},
		{"18446744073709551615", 10, 0, UINT64_MAX, true, UINT64_MAX},
		{"18446744073709551616", 10, 0, UINT64_MAX, false, 0},
		{"0x10", 10, 0, 99, false, 0},
		{"0x10", 0, 0, 99, true, 16},
		{"0x", 0, 0, 99, false, 0},
		{"ff", 16, 0, 255, true, 255},
		{"0xff", 16, 0, 255, true, 255},
		{"0777", 8, 1, 0777, true, 0777},
		{"0800", 8, 1, 0777, false, 0},
	};
	uint64_t v;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(parse_whole(cases[i].text, cases[i].base, cases[i].min,
					     cases[i].max, &v),
				 cases[i].good);
		if (cases[i].good)
			assert_int_equal(v, cases[i].value);
	}
}

static void
ranges(void **state)
{
	static const struct {
		const char *text;
		bool good;
		uint64_t first, last;
		char next;
	} cases[] = {
		{"5", true, 5, 5, '\0'},    {"5-7,9", true, 5, 7, ','},
		{"5-5", true, 5, 5, '\0'},  {"7-5", false, 0, 0, 0},
		{"5-", false, 0, 0, 0},     {"-5", false, 0, 0, 0},
		{"5--7", false, 0, 0, 0},   {"0-7", false, 0, 0, 0},
		{"5-100", false, 0, 0, 0},  {"5- 7", false, 0, 0, 0},
		{"", false, 0, 0, 0},       {"99-99", true, 99, 99, '\0'},
		{"1-2-3", true, 1, 2, '-'},
	};
	uint64_t first, last;
	const char *end;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(parse_range(cases[i].text, 1, 99, &first, &last, &end),
				 cases[i].good);
		if (!cases[i].good)
			continue;
		assert_int_equal(first, cases[i].first);
		assert_int_equal(last, cases[i].last);
		assert_int_equal(*end, cases[i].next);
	}
}

static void
shown(void **state)
{
	char buf[16];

	/* bytes beyond ASCII are letters of other alphabets */
	assert_string_equal(text_shown("/run/a b#\xc3\xa9", buf, sizeof(buf)), "/run/a b#\xc3\xa9");
	assert_string_equal(text_shown("", buf, sizeof(buf)), "");
	assert_string_equal(text_shown("a\n\x1b[1m\x7f", buf, sizeof(buf)), "a\\x0a\\x1b[1m");
	assert_string_equal(text_ascii("a\n\xc3\xa9", buf, sizeof(buf)), "a\\x0a\\xc3\\xa9");
	assert_string_equal(text_shown("abcdefghijklmnop\n", buf, sizeof(buf)), "abcdefghijkl");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),
		cmocka_unit_test(ranges),
		cmocka_unit_test(shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
