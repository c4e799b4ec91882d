/* SPDX-License-Identifier: BSD-3-Clause */
/* A peer truncates what we have mapped: its mapping ends, the process does not. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>

#include "gmem/file.h"
#include "gmem/gmem.h"
#include "gmem/sigbus.h"

#define PAGE 4096u
#define PAGES 16u

static int
memfd_of(size_t len)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	return fd;
}

static struct gmem_file *
map(int fd, uint64_t offset, uint64_t size, struct gmem_fault *fault, uint8_t **data)
{
	const char *why = NULL;
	struct gmem_file *f;

	/* here and not in a setup function: cmocka has its own handler in each test */
	assert_int_equal(sigbus_install(), 0);
	f = gmem_file_map(fd, offset, size, fault, data, &why);
	assert_non_null(f);
	memset(*data, 0xaa, size);
	return f;
}

static void
test_read_after_truncation_is_zero(void **state)
{
	struct gmem_fault fault = {0};
	int fd = memfd_of(PAGES * PAGE);
	struct gmem_file *f;
	volatile uint8_t *p;
	uint8_t *data;

	f = map(fd, 0, PAGES * PAGE, &fault, &data);
	p = data;
	assert_int_equal(ftruncate(fd, 4 * PAGE), 0);
	assert_int_equal(p[4 * PAGE - 1], 0xaa); /* still in the file */
	assert_false(fault.dead);
	assert_int_equal(p[9 * PAGE + 5], 0);
	assert_true(fault.dead);
	p[PAGES * PAGE - 1] = 7; /* a write goes on as well */
	assert_int_equal(p[PAGES * PAGE - 1], 7);
	p[0] = 1; /* and what the file still has stays shared with it */
	assert_int_equal(pread(fd, data + 1, 1, 0), 1);
	assert_int_equal(p[1], 1);
	gmem_file_put(f);
	close(fd);
}

/* Mappings from @p data on for @p len bytes; a sanitizer has others of its own. */
static size_t
mappings(const uint8_t *data, size_t len)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	uintptr_t begin, end;
	char line[512];
	size_t n = 0;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps) != NULL)
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &begin, &end) == 2)
			n += begin < (uintptr_t)data + len && end > (uintptr_t)data;
	fclose(maps);
	return n;
}

/* Thousands of pages of a truncated file are touched; the mappings of a process are few. */
static void
touch_every_second(uint32_t pages, int step)
{
	struct gmem_fault fault = {0};
	int fd = memfd_of((size_t)pages * PAGE);
	struct gmem_file *f;
	volatile uint8_t *p;
	uint8_t *data;
	uint32_t i;

	f = map(fd, 0, (uint64_t)pages * PAGE, &fault, &data);
	p = data;
	assert_int_equal(ftruncate(fd, PAGE), 0);
	for (i = 0; i < pages / 2 - 1; i++)
		assert_int_equal(p[(step > 0 ? 2 * i + 2 : pages - 2 * i - 1) * (size_t)PAGE], 0);
	assert_int_equal(p[0], 0xaa);
	assert_true(mappings(data, (size_t)pages * PAGE) <= 3);
	gmem_file_put(f);
	close(fd);
}

static void
test_many_faults_make_few_mappings(void **state)
{
	touch_every_second(8192, 1);
	touch_every_second(8192, -1);
}

static void
test_only_the_owner_is_marked(void **state)
{
	struct gmem_fault fa = {0}, fb = {0};
	int a = memfd_of(PAGES * PAGE), b = memfd_of(PAGES * PAGE);
	struct gmem_file *ma, *mb;
	uint8_t *da, *db;

	ma = map(a, 0, PAGES * PAGE, &fa, &da);
	mb = map(b, PAGE, 2 * PAGE, &fb, &db);
	assert_int_equal(ftruncate(b, 0), 0);
	assert_int_equal(((volatile uint8_t *)db)[0], 0);
	assert_true(fb.dead);
	assert_false(fa.dead);
	gmem_file_put(mb);
	/* its table entry serves another mapping now */
	close(b);
	b = memfd_of(PAGE);
	fb.dead = false;
	mb = map(b, 0, PAGE, &fb, &db);
	assert_int_equal(ftruncate(a, 0), 0);
	assert_int_equal(((volatile uint8_t *)da)[PAGE], 0);
	assert_true(fa.dead);
	assert_false(fb.dead);
	gmem_file_put(ma);
	gmem_file_put(mb);
	close(a);
	close(b);
}

/* How a child that runs @p fn ends: its signal, or 0 less its exit status. */
static int
signal_of_child(void (*fn)(void))
{
	struct rlimit no_core = {0, 0};
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		if (sigbus_install() == 0)
			fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static void
touch_unguarded(void)
{
	int fd = memfd_of(PAGE);
	volatile uint8_t *p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);

	if (ftruncate(fd, 0) == 0)
		(void)p[0];
}

/* Three pages beyond the end of their file; only the one in the middle is guarded. */
static void
touch_neighbour(size_t page)
{
	struct gmem_fault fault = {0};
	int fd = memfd_of(PAGE);
	uint8_t *p = mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, fd, 0);

	if (sigbus_guard(p + 2 * PAGE, PAGE, PAGE, &fault) == 0)
		(void)((volatile uint8_t *)p)[page * PAGE];
}

static void
touch_below_guarded(void)
{
	touch_neighbour(1);
}

static void
touch_above_guarded(void)
{
	touch_neighbour(3);
}

static void
touch_after_unguard(void)
{
	int fd = memfd_of(PAGE);
	struct gmem_fault fault = {0};
	volatile uint8_t *p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);

	sigbus_guard((void *)(uintptr_t)p, PAGE, PAGE, &fault);
	sigbus_unguard((void *)(uintptr_t)p);
	if (ftruncate(fd, 0) == 0)
		(void)p[0];
}

static void
touch_guarded(void)
{
	int fd = memfd_of(PAGE);
	struct gmem_fault fault = {0};
	uint8_t *data;

	map(fd, 0, PAGE, &fault, &data);
	if (ftruncate(fd, 0) == 0)
		(void)*(volatile uint8_t *)data;
	_exit(fault.dead ? 0 : 1);
}

/* In the place of a fault's address, a sent signal has the sender's pid: in this range. */
static void
send_sigbus(void)
{
	static struct gmem_fault fault;

	sigbus_guard((void *)1, UINT32_MAX, PAGE, &fault);
	kill(getpid(), SIGBUS);
}

#define TOUCHERS 4
#define SHARED_PAGES 4096u

struct toucher {
	pthread_t thread;
	volatile uint8_t *p;
	uint32_t step; /* odd: all pages, in an order of its own */
};

static void *
touch_all(void *arg)
{
	const struct toucher *t = arg;

	for (uint32_t round = 0; round < 4; round++)
		for (uint32_t i = 0; i < SHARED_PAGES; i++)
			__atomic_store_n(&t->p[(size_t)(i * t->step % SHARED_PAGES) * PAGE], 1,
					 __ATOMIC_RELAXED);
	return NULL;
}

/* Threads fault at the same time, while the file is cut and grows again. */
static __rte_unused void
test_faults_of_several_threads(void **state)
{
	struct gmem_fault fault = {0};
	int fd = memfd_of(SHARED_PAGES * PAGE);
	struct toucher t[TOUCHERS];
	struct gmem_file *f;
	uint8_t *data;
	int i;

	f = map(fd, 0, SHARED_PAGES * PAGE, &fault, &data);
	for (i = 0; i < TOUCHERS; i++) {
		t[i] = (struct toucher){.p = data, .step = 2 * (uint32_t)i * 499 + 1};
		assert_int_equal(pthread_create(&t[i].thread, NULL, touch_all, &t[i]), 0);
	}
	for (i = 0; i < 50; i++) {
		assert_int_equal(ftruncate(fd, i % 3 * 64 * (off_t)PAGE), 0);
		assert_int_equal(ftruncate(fd, (off_t)SHARED_PAGES * PAGE), 0);
	}
	assert_int_equal(ftruncate(fd, 0), 0);
	(void)__atomic_load_n((volatile uint8_t *)data, __ATOMIC_RELAXED);
	for (i = 0; i < TOUCHERS; i++)
		pthread_join(t[i].thread, NULL);
	assert_true(fault.dead);
	assert_true(mappings(data, SHARED_PAGES * PAGE) <= 3);
	gmem_file_put(f);
	close(fd);
}

/* The whole process has no room for a mapping more, be it for the rest of a region. */
static void
touch_with_all_mappings_used(void)
{
	struct gmem_fault fault = {0};
	int fd = memfd_of(4 * PAGE), i;
	uint8_t *data;

	map(fd, 0, 4 * PAGE, &fault, &data);
	/* neighbours that differ are not joined to one */
	for (i = 0; mmap(NULL, PAGE, i % 2 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			 0) != MAP_FAILED;
	     i++)
		;
	if (i < 1000 || ftruncate(fd, 0) != 0)
		_exit(1);
	(void)((volatile uint8_t *)data)[2 * PAGE];
	_exit(fault.dead ? 0 : 1);
}

static void
test_no_mapping_left(void **state)
{
	assert_int_equal(signal_of_child(touch_with_all_mappings_used), 0);
}

static void
test_fault_of_our_own_still_kills(void **state)
{
	assert_int_equal(signal_of_child(touch_guarded), 0);
	assert_int_equal(signal_of_child(touch_unguarded), SIGBUS);
	assert_int_equal(signal_of_child(touch_below_guarded), SIGBUS);
	assert_int_equal(signal_of_child(touch_above_guarded), SIGBUS);
	assert_int_equal(signal_of_child(touch_after_unguard), SIGBUS);
	assert_int_equal(signal_of_child(send_sigbus), SIGBUS);
}

static void
test_handler_keeps_errno(void **state)
{
	struct gmem_fault fault = {0};
	volatile int *err = &errno;
	int fd = memfd_of(PAGE);
	struct gmem_file *f;
	uint8_t *data;

	f = map(fd, 0, PAGE, &fault, &data);
	assert_int_equal(ftruncate(fd, 0), 0);
	*err = 4711;
	(void)*(volatile uint8_t *)data;
	assert_int_equal(*err, 4711);
	assert_true(fault.dead);
	gmem_file_put(f);
	close(fd);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_after_truncation_is_zero),
		cmocka_unit_test(test_many_faults_make_few_mappings),
		cmocka_unit_test(test_only_the_owner_is_marked),
#ifndef __SANITIZE_THREAD__ /* to which memory that a handler maps is written without an order */
		cmocka_unit_test(test_faults_of_several_threads),
#endif
		cmocka_unit_test(test_no_mapping_left),
		cmocka_unit_test(test_fault_of_our_own_still_kills),
		cmocka_unit_test(test_handler_keeps_errno),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
