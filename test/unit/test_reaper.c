/* SPDX-License-Identifier: BSD-3-Clause */
/* Large mappings go in portions, and control does other things in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>

#include "base/ev.h"
#include "gmem/gmem.h"
#include "gmem/reaper.h"

#define PAGE UINT64_C(4096)
#define PORTION (REAPER_PAGES * PAGE)
#define NAME "test_reaper"

static struct gmem_fault fault;

/* Bytes of our file that are mapped. */
static uint64_t
mapped(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long from, to;
	uint64_t sum = 0;
	char line[512];

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps) != NULL)
		if (strstr(line, NAME " (deleted)") != NULL &&
		    sscanf(line, "%lx-%lx", &from, &to) == 2)
			sum += to - from;
	fclose(maps);
	return sum;
}

/* A map of one region of @p size bytes, all of it touched. */
static struct gmem *
map_of(uint64_t size)
{
	const struct gmem_desc d = {.gpa = 0x100000, .size = size, .uva = 0x100000};
	int fd = memfd_create(NAME, MFD_CLOEXEC);
	struct gmem *none = gmem_new(), *m;
	const char *why;
	uint64_t i;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	m = gmem_add(none, &d, fd, &fault, &why);
	assert_non_null(m);
	for (i = 0; i < size; i += PAGE)
		m->r[0].hva[i] = 1;
	gmem_put(none);
	close(fd);
	return m;
}

static unsigned int others;

static void
on_other(struct ev_source *src, uint32_t events)
{
	others++;
}

/* A round of the loop unmaps one portion, and serves who else is waiting. */
static void
unmap_all(struct ev_loop *loop, uint64_t left)
{
	while (left > 0) {
		uint64_t least = left > PORTION ? left - PORTION : 0;
		unsigned int before = others;

		ev_run_once(loop, -1);
		left = mapped();
		assert_true(left >= least);
		assert_int_equal(others, before + 1);
	}
}

static void
test_in_portions(void **state)
{
	struct ev_source other = {.fd = eventfd(1, EFD_CLOEXEC), .cb = on_other};
	struct ev_loop *loop = ev_loop_new();
	struct gmem *a = map_of(8 * PORTION), *b = map_of(2 * PORTION + PAGE);

	assert_int_equal(ev_add(loop, &other, EPOLLIN), 0);
	reaper_init(loop);
	gmem_put(a);
	gmem_put(b);
	assert_int_equal(mapped(), 10 * PORTION + PAGE);
	unmap_all(loop, mapped());
	reaper_fini();
	ev_loop_free(loop);
	close(other.fd);
}

/* Nothing is left behind when the loop ends, and without one nothing waits for it. */
static void
test_all_at_the_end(void **state)
{
	struct ev_loop *loop = ev_loop_new();
	struct gmem *a = map_of(4 * PORTION), *b = map_of(4 * PORTION);

	reaper_init(loop);
	gmem_put(a);
	ev_run_once(loop, -1);
	assert_int_equal(mapped(), 7 * PORTION);
	reaper_fini();
	assert_int_equal(mapped(), 4 * PORTION);
	gmem_put(b);
	assert_int_equal(mapped(), 0);
	ev_loop_free(loop);
}

/* A lost region is not guarded any more, though it is still mapped: its place is not taken. */
static void
test_new_mappings_meanwhile(void **state)
{
	struct ev_loop *loop = ev_loop_new();
	struct gmem *m[8];
	uint64_t i;

	reaper_init(loop);
	for (i = 0; i < RTE_DIM(m); i++) {
		m[i] = map_of(2 * PORTION);
		gmem_put(m[i]);
	}
	assert_int_equal(mapped(), 2 * RTE_DIM(m) * PORTION);
	for (i = 0; i < 2 * RTE_DIM(m); i++)
		ev_run_once(loop, -1);
	assert_int_equal(mapped(), 0);
	reaper_fini();
	ev_loop_free(loop);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_portions),
		cmocka_unit_test(test_all_at_the_end),
		cmocka_unit_test(test_new_mappings_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
