/* SPDX-License-Identifier: BSD-3-Clause */
/* Large mappings go in portions, their files elsewhere; control does other things in between. */
#include <semaphore.h>
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
#include "base/irq.h"
#include "base/lane.h"
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

/* A map of one region of @p size bytes. */
static struct gmem *
map_empty(uint64_t size)
{
	const struct gmem_desc d = {.gpa = 0x100000, .size = size, .uva = 0x100000};
	int fd = memfd_create(NAME, MFD_CLOEXEC);
	struct gmem *none = gmem_new(), *m;
	const char *why;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	m = gmem_add(none, &d, fd, &fault, &why);
	assert_non_null(m);
	gmem_put(none);
	close(fd);
	return m;
}

/* The same, all of it touched. */
static struct gmem *
map_of(uint64_t size)
{
	struct gmem *m = map_empty(size);
	uint64_t i;

	for (i = 0; i < size; i += PAGE)
		m->r[0].hva[i] = 1;
	return m;
}

static unsigned int others;

static void
on_other(struct ev_source *src, uint32_t events)
{
	others++;
}

/* Each round of the loop unmaps something, and serves who else is waiting. Returns the rounds. */
static unsigned int
unmap_all(struct ev_loop *loop)
{
	uint64_t left = mapped();
	unsigned int rounds;

	for (rounds = 0; left > 0; rounds++) {
		unsigned int before = others;
		uint64_t had = left;

		ev_run_once(loop, -1);
		left = mapped();
		assert_true(left < had);
		assert_int_equal(others, before + 1);
	}
	return rounds;
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
	/* 20,000 pages are more than a round's work on any machine */
	assert_true(unmap_all(loop) > 1);
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
	assert_in_range(mapped(), 4 * PORTION, 7 * PORTION);
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
	for (i = 0; i < 2 * RTE_DIM(m) && mapped() > 0; i++)
		ev_run_once(loop, -1);
	assert_int_equal(mapped(), 0);
	reaper_fini();
	ev_loop_free(loop);
}

/* A portion without pages costs next to nothing: many are unmapped in a round. */
static void
test_empty_portions(void **state)
{
	struct ev_loop *loop = ev_loop_new();
	const uint64_t portions = 8192;
	unsigned int rounds;

	reaper_init(loop);
	gmem_put(map_empty(portions * PORTION));
	for (rounds = 0; mapped() > 0; rounds++)
		ev_run_once(loop, -1);
	assert_true(rounds < portions / 2);
	reaper_fini();
	ev_loop_free(loop);
}

/* --- the end of the file --- */

struct stopper {
	struct lane_job job; /* first member */
	sem_t go;
};

static void
stop(struct lane_job *j)
{
	sem_wait(&((struct stopper *)j)->go);
}

/* Descriptors of our file. */
static unsigned int
held(void)
{
	char link[64], name[64];
	unsigned int n = 0;

	for (int fd = 0; fd < 256; fd++) {
		ssize_t len;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		len = readlink(link, name, sizeof(name) - 1);
		name[len > 0 ? len : 0] = '\0';
		n += strstr(name, NAME) != NULL;
	}
	return n;
}

/* The last use of a file frees its pages, for as long as it takes: not on control. */
static void
test_file_ends_in_its_lane(void **state)
{
	struct stopper s = {.job.fn = stop};
	struct irq_group *g = irq_group_new();
	struct ev_loop *loop = ev_loop_new();

	fault.lane = irq_group_lane(g);
	sem_init(&s.go, 0, 0);
	lane_submit(fault.lane, &s.job);
	reaper_init(loop);
	gmem_put(map_of(2 * PORTION));
	gmem_put(map_empty(4 * REAPER_DEBT_BYTES));
	/* both files, and one for each REAPER_DEBT_BYTES */
	assert_int_equal(lane_closing(fault.lane), 2 + 4);
	while (mapped() > 0)
		ev_run_once(loop, -1);
	assert_int_equal(held(), 2);
	assert_int_equal(lane_closing(fault.lane), 2);
	sem_post(&s.go);
	while (!lane_all_idle())
		usleep(1000);
	assert_int_equal(held(), 0);
	assert_int_equal(lane_closing(fault.lane), 0);
	reaper_fini();
	fault.lane = NULL;
	irq_group_free(g);
	ev_loop_free(loop);
	sem_destroy(&s.go);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_portions),
		cmocka_unit_test(test_all_at_the_end),
		cmocka_unit_test(test_new_mappings_meanwhile),
		cmocka_unit_test(test_empty_portions),
		cmocka_unit_test(test_file_ends_in_its_lane),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
