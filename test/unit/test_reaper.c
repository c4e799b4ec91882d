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

/* The time that passes from one look at the clock to the next, of which portions have REAPER_NS. */
static uint64_t step = REAPER_NS;

uint64_t __wrap_ev_now_ns(void);

uint64_t
__wrap_ev_now_ns(void)
{
	static uint64_t now;

	return now += step;
}

/* No memory is here: more addresses than a sanitizer or an emulator can map in a short time. */
static uint8_t *const vast = (uint8_t *)(UINT64_C(1) << 60);
static size_t vast_unmapped;

int __real_munmap(void *p, size_t len);
int __wrap_munmap(void *p, size_t len);

int
__wrap_munmap(void *p, size_t len)
{
	if ((uint8_t *)p < vast)
		return __real_munmap(p, len);
	vast_unmapped += len;
	return 0;
}

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

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	m = gmem_add(none, &d, fd, &fault, &why);
	assert_non_null(m);
	gmem_put(none);
	close(fd);
	for (uint64_t i = 0; i < size; i += PAGE)
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
	assert_int_equal(unmap_all(loop), 11);
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
	for (i = 0; i < 2 * RTE_DIM(m) && mapped() > 0; i++)
		ev_run_once(loop, -1);
	assert_int_equal(mapped(), 0);
	reaper_fini();
	ev_loop_free(loop);
}

/* A portion without pages costs next to nothing: a round has as many as there is time for. */
static void
test_rounds_end_by_the_clock(void **state)
{
	static const struct {
		unsigned int fit, rounds; /* portions in REAPER_NS; for 64 of them */
	} rows[] = {{1, 64}, {4, 16}, {50, 2}, {REAPER_NS, 1}};
	const struct reaper_mapping m = {.base = vast,
					 .len = 64 * PORTION,
					 .page_size = PAGE,
					 .fd = -1};
	struct ev_loop *loop = ev_loop_new();

	reaper_init(loop);
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		unsigned int rounds;

		step = REAPER_NS / rows[i].fit;
		vast_unmapped = 0;
		reaper_unmap(&m);
		for (rounds = 0; vast_unmapped < m.len; rounds++)
			ev_run_once(loop, -1);
		assert_int_equal(rounds, rows[i].rounds);
	}
	step = REAPER_NS;
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
	struct reaper_mapping large = {
		.base = vast,
		.len = 4 * REAPER_DEBT_BYTES,
		.page_size = REAPER_DEBT_BYTES / REAPER_PAGES,
		.fd = memfd_create(NAME, MFD_CLOEXEC),
		.lane = irq_group_lane(g),
	};

	fault.lane = large.lane;
	sem_init(&s.go, 0, 0);
	lane_submit(fault.lane, &s.job);
	reaper_init(loop);
	gmem_put(map_of(2 * PORTION));
	reaper_unmap(&large);
	/* both files, and one for each REAPER_DEBT_BYTES */
	assert_int_equal(lane_closing(fault.lane), 2 + 4);
	while (lane_closing(fault.lane) > 2)
		ev_run_once(loop, -1);
	assert_int_equal(mapped(), 0);
	assert_int_equal(held(), 2);
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
		cmocka_unit_test(test_rounds_end_by_the_clock),
		cmocka_unit_test(test_file_ends_in_its_lane),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
