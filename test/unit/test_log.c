/* SPDX-License-Identifier: BSD-3-Clause */
/* Tagged lines as they reach the log stream, and the limit on lines a peer can cause. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/ev.h"
#include "base/log.h"

#define SECOND UINT64_C(1000000000)

static char *text;
static size_t text_len;
static FILE *stream;

static int
setup(void **state)
{
	stream = open_memstream(&text, &text_len);
	if (stream == NULL)
		return -1;
	rte_openlog_stream(stream);
	return 0;
}

static int
teardown(void **state)
{
	log_limit_end();
	rte_openlog_stream(NULL);
	fclose(stream);
	free(text);
	return 0;
}

static const char *
logged(void)
{
	fflush(stream);
	return text;
}

static void
test_line_names_its_object(void **state)
{
	log_info("port vhost0", "queue %d started", 3);
	log_warn(NULL, "no hugepages");
	assert_string_equal(logged(), "vqswitch: port vhost0: queue 3 started\n"
				      "vqswitch: no hugepages\n");
}

static void
test_default_level_hides_debug_only(void **state)
{
	assert_int_equal(rte_log_get_level((uint32_t)vqs_logtype), RTE_LOG_INFO);
	log_debug("a", "hidden");
	log_info("a", "shown");
	assert_string_equal(logged(), "vqswitch: a: shown\n");
}

static void
test_peer_cannot_forge_a_line(void **state)
{
	log_info("port a\nb", "x\r\ny\033[31m");
	assert_string_equal(logged(), "vqswitch: port a?b: x??y?[31m\n");
}

static void
test_long_line_is_cut(void **state)
{
	char big[5000];

	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	log_info(big, "%s", big);
	log_info("tag", "%s", big);
	assert_int_equal(strlen(logged()), 2 * (strlen("vqswitch: ") + 1023 + 1));
	assert_int_equal(text[text_len - 1], '\n');
}

static void
test_limit_burst_then_one_per_second(void **state)
{
	struct log_limit l = {0};
	uint32_t n = 99;
	int i;

	for (i = 0; i < LOG_LIMIT_BURST; i++) {
		assert_true(log_limit_pass(&l, &n));
		assert_int_equal(n, 0);
	}
	for (i = 0; i < 7; i++)
		assert_false(log_limit_pass(&l, &n));
	l.refill_ns -= SECOND; /* a second later */
	assert_true(log_limit_pass(&l, &n));
	assert_int_equal(n, 7);
	assert_false(log_limit_pass(&l, &n));
	l.refill_ns -= SECOND;
	assert_true(log_limit_pass(&l, &n));
	assert_int_equal(n, 1);
}

static void
test_limit_saves_up_no_more_than_a_burst(void **state)
{
	struct log_limit l = {0};
	uint32_t n, passed = 0;
	int i;

	assert_true(log_limit_pass(&l, &n));
	l.refill_ns = 1; /* as long ago as the machine is up */
	for (i = 0; i < 100; i++)
		passed += log_limit_pass(&l, &n);
	assert_in_range(passed, LOG_LIMIT_BURST, LOG_LIMIT_BURST + 1); /* + 1: a second may pass */
}

static void
test_peer_lines_say_what_was_left_out(void **state)
{
	struct log_limit l = {.refill_ns = ev_now_ns(), .tokens = 1};
	int i;

	for (i = 0; i < 4; i++)
		log_peer(&l, "port p", "bad chain %d", i);
	l.refill_ns -= SECOND;
	log_peer(&l, "port p", "bad chain %d", i);
	assert_string_equal(logged(), "vqswitch: port p: bad chain 0\n"
				      "vqswitch: port p: 3 similar lines suppressed\n"
				      "vqswitch: port p: bad chain 4\n");
}

static void
flood(struct log_limit *l, const char *tag, int n)
{
	while (n-- > 0)
		log_peer(l, tag, "x");
}

/* A flood that has ended is told of though no other line follows, once, and its bucket has gone. */
static void
test_end_of_a_flood_is_told(void **state)
{
	struct log_limit l = {.refill_ns = ev_now_ns()};
	uint64_t start = ev_now_ns();

	flood(&l, "port p", 5);
	log_tell_owed(start);
	assert_string_equal(logged(), "");
	l = (struct log_limit){.refill_ns = ev_now_ns(), .tokens = 1}; /* another port's */
	flood(&l, "port q", 3);
	log_tell_owed(ev_now_ns() + 3 * SECOND);
	log_tell_owed(ev_now_ns() + 9 * SECOND);
	assert_string_equal(logged(), "vqswitch: port q: x\n"
				      "vqswitch: port p: 5 similar lines suppressed\n"
				      "vqswitch: port q: 2 similar lines suppressed\n");
}

/* Lines are told of once: at the end of their flood or with the line behind it. */
static void
test_told_once(void **state)
{
	struct log_limit l = {.refill_ns = ev_now_ns()};

	flood(&l, "a", 5);
	log_tell_owed(ev_now_ns() + 3 * SECOND);
	flood(&l, "a", 2);
	l.refill_ns -= SECOND;
	flood(&l, "a", 1);
	log_tell_owed(ev_now_ns() + 3 * SECOND);
	flood(&l, "a", 1);
	log_tell_owed(ev_now_ns() + 3 * SECOND);
	l.refill_ns -= SECOND;
	flood(&l, "a", 1);
	assert_string_equal(logged(), "vqswitch: a: 5 similar lines suppressed\n"
				      "vqswitch: a: 2 similar lines suppressed\n"
				      "vqswitch: a: x\n"
				      "vqswitch: a: 1 similar lines suppressed\n"
				      "vqswitch: a: x\n");
}

/* More floods than there is room for: the numbers of some come with their next lines. */
static void
test_many_floods(void **state)
{
	static struct log_limit l[1000];
	uint32_t told = 0;

	for (int i = 0; i < 1000; i++) {
		l[i] = (struct log_limit){.refill_ns = ev_now_ns()};
		flood(&l[i], "many", 3);
	}
	log_tell_owed(ev_now_ns() + 3 * SECOND);
	for (int i = 0; i < 1000; i++) {
		l[i].refill_ns -= SECOND;
		flood(&l[i], "many", 1);
	}
	for (const char *s = logged(); (s = strstr(s, "3 similar")) != NULL; s++)
		told++;
	assert_int_equal(told, 1000);
}

static uint32_t
count(const char *what)
{
	uint32_t n = 0;

	for (const char *s = logged(); (s = strstr(s, what)) != NULL; s++)
		n++;
	return n;
}

/** A guest can have a library say something again and again; the operator wants to see it once. */
static void
test_lines_of_dpdk_pass_buckets(void **state)
{
	const int a = rte_log_register("lib.a"), b = rte_log_register("lib.b");
	uint32_t shown;

	assert_int_equal(log_limit_dpdk(), 0);
	rte_log_set_level((uint32_t)a, RTE_LOG_DEBUG);
	for (uint32_t i = 0; i < 1000; i++) {
		rte_log(RTE_LOG_ERR, (uint32_t)a, "A: line %u\n", i);
		rte_log(RTE_LOG_DEBUG, (uint32_t)a, "DEBUG: line %u\n", i);
		log_info(NULL, "own %u", i);
	}
	rte_log(RTE_LOG_INFO, (uint32_t)b, "B: line\n");
	assert_in_range(count("A: line"), LOG_LIMIT_BURST, LOG_LIMIT_BURST + 10); /* seconds */
	assert_int_equal(count("B: line"), 1);
	assert_int_equal(count("DEBUG: line"), 1000);
	assert_int_equal(count("own"), 1000);
	usleep(1100000); /* a token more, or some: what is over is used up */
	for (uint32_t i = 0; i < 2 * LOG_LIMIT_BURST; i++)
		rte_log(RTE_LOG_ERR, (uint32_t)a, "A: line\n");
	assert_true(count("lines as the next one suppressed\nA: line\n") > 0);
	log_tell_owed(ev_now_ns() + 3 * SECOND);
	shown = count("A: line\n");
	for (uint32_t i = 0; i < 100; i++)
		rte_log(RTE_LOG_ERR, (uint32_t)a, "A: line\n");
	log_tell_owed(ev_now_ns() + 3 * SECOND);
	/* unless a second began meanwhile, and let one through */
	if (count("A: line\n") == shown)
		assert_int_equal(count("vqswitch: DPDK: 100 similar lines suppressed\n"), 1);
}

/** A name in them may be a peer's, too. */
static void
test_lines_of_dpdk_cannot_drive_a_terminal(void **state)
{
	const int type = rte_log_register("lib.c");

	assert_int_equal(log_limit_dpdk(), 0);
	rte_log(RTE_LOG_ERR, (uint32_t)type, "C:\tsocket a\033[2J\rb\x7f\n");
	assert_string_equal(logged(), "C:\tsocket a?[2J?b?\n");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		T(test_line_names_its_object),
		T(test_default_level_hides_debug_only),
		T(test_peer_cannot_forge_a_line),
		T(test_long_line_is_cut),
		T(test_limit_burst_then_one_per_second),
		T(test_limit_saves_up_no_more_than_a_burst),
		T(test_peer_lines_say_what_was_left_out),
		T(test_end_of_a_flood_is_told),
		T(test_told_once),
		T(test_many_floods),
		T(test_lines_of_dpdk_pass_buckets),
		T(test_lines_of_dpdk_cannot_drive_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
