/* SPDX-License-Identifier: BSD-3-Clause */
/* The dirty-page log: the right bits, none outside the map, none lost to a concurrent reader. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "gmem/dirty.h"
#include "gmem/gmem.h"
#include "gmem/sigbus.h"

#define PAGE UINT64_C(4096)
#define LOG_BYTES 64

static struct gmem_fault fault;
static int fd;
static struct dirty *d;

static int
setup(void **state)
{
	const char *why = NULL;

	fd = memfd_create("log", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 2 * PAGE) < 0)
		return -1;
	d = dirty_new(fd, PAGE, LOG_BYTES, &fault, &why);
	return d == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	dirty_free(d);
	return close(fd);
}

/* Exactly the pages [first, last] are marked; clears them. */
static void
expect_pages(uint64_t first, uint64_t last)
{
	uint64_t i;

	for (i = 0; i < d->pages; i++)
		assert_int_equal(d->map[i / 8] >> (i % 8) & 1, i >= first && i <= last);
	memset(d->map, 0, LOG_BYTES);
}

static void
test_marks_every_page_touched(void **state)
{
	dirty_mark(d, 3 * PAGE, 1);
	expect_pages(3, 3);
	dirty_mark(d, 3 * PAGE + 4095, 2);
	expect_pages(3, 4);
	dirty_mark(d, 7 * PAGE, PAGE);
	expect_pages(7, 7);
	dirty_mark(d, 7 * PAGE + 1, 4 * PAGE);
	expect_pages(7, 11);
	dirty_mark(d, 5 * PAGE, 0);
	expect_pages(1, 0);
}

static void
test_bits_go_to_the_peers_file(void **state)
{
	uint8_t b = 0;

	dirty_mark(d, 9 * PAGE, 1);
	assert_int_equal(pread(fd, &b, 1, PAGE + 1), 1);
	assert_int_equal(b, 2);
}

static void
test_nothing_outside_the_map(void **state)
{
	uint64_t end = d->pages * PAGE;
	uint8_t after = 0xff;

	assert_int_equal(d->pages, LOG_BYTES * 8);
	dirty_mark(d, end - 1, 1);
	expect_pages(d->pages - 1, d->pages - 1);
	dirty_mark(d, end, PAGE);
	dirty_mark(d, UINT64_MAX, 1);
	dirty_mark(d, UINT64_MAX, 2); /* wraps */
	dirty_mark_page(d, d->pages);
	dirty_mark_page(d, UINT64_MAX);
	expect_pages(1, 0);
	dirty_mark(d, end - PAGE, UINT64_C(1) << 62); /* and not for ever */
	expect_pages(d->pages - 1, d->pages - 1);
	assert_int_equal(pread(fd, &after, 1, (off_t)(PAGE + LOG_BYTES)), 1);
	assert_int_equal(after, 0);
}

static void
test_bad_logs_are_refused(void **state)
{
	const char *why = NULL;

	assert_null(dirty_new(fd, 0, 0, &fault, &why));
	assert_string_equal(why, "size is 0 or offset + size wraps");
	assert_null(dirty_new(fd, UINT64_MAX, 2, &fault, &why));
	assert_string_equal(why, "size is 0 or offset + size wraps");
	assert_null(dirty_new(fd, PAGE, PAGE + 1, &fault, &why));
	assert_string_equal(why, "the file is shorter than offset + size");
	dirty_free(NULL);
}

static void
test_truncated_log_costs_its_owner_only(void **state)
{
	assert_int_equal(sigbus_install(), 0); /* not in setup(): cmocka has its own handler */
	fault.dead = false;
	assert_int_equal(ftruncate(fd, 0), 0);
	dirty_mark(d, 0, PAGE);
	assert_true(fault.dead);
}

#define CLEARS 500000

static atomic_bool stop;

static void *
marker(void *arg)
{
	const uint64_t *page = arg;

	do
		dirty_mark_page(d, *page);
	while (!atomic_load_explicit(&stop, memory_order_relaxed));
	return NULL;
}

/* Two markers and a reader that clears share one byte: clearing one bit must not lose another. */
static void
test_marking_is_atomic(void **state)
{
	uint64_t page[2] = {16, 17};
	unsigned int i, lost = 0;
	pthread_t t[2];

	d->map[2] |= 1u << 7;
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&t[i], NULL, marker, &page[i]), 0);
	for (i = 0; i < CLEARS; i++) {
		lost += (__atomic_fetch_and(&d->map[2], (uint8_t)~0x10, __ATOMIC_RELAXED) & 0x80) ==
			0;
		lost += (__atomic_fetch_or(&d->map[2], 0x10, __ATOMIC_RELAXED) & 0x10) != 0;
	}
	atomic_store(&stop, true);
	for (i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(lost, 0);
	assert_int_equal(d->map[2], 0x80 | 0x10 | 3);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		T(test_marks_every_page_touched),
		T(test_bits_go_to_the_peers_file),
		T(test_nothing_outside_the_map),
		T(test_bad_logs_are_refused),
		T(test_truncated_log_costs_its_owner_only),
		T(test_marking_is_atomic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
