/* SPDX-License-Identifier: BSD-3-Clause */
/* The other side of a userfaultfd, as vqreplay plays it. */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "gmem/pager_uffd.h"
#include "../../app/vqreplay/pages.h"

#define PAGES 100u /* more than come at once */

static uint8_t *memory;
static size_t page;

static void *
touch(void *arg)
{
	uintptr_t sum = 0;

	for (uint32_t i = 0; i < PAGES; i++)
		sum += *(volatile uint8_t *)&memory[i * page];
	return (void *)sum;
}

/** Memory without pages, of which faults are told to @p uffd. */
static void
watch_memory(int uffd)
{
	struct uffdio_register reg = {.mode = UFFDIO_REGISTER_MODE_MISSING};
	int fd = memfd_create("memory", MFD_CLOEXEC);

	page = (size_t)getpagesize();
	assert_int_equal(ftruncate(fd, (off_t)(PAGES * page)), 0);
	memory = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	close(fd);
	reg.range = (struct uffdio_range){(uintptr_t)memory, PAGES * page};
	assert_int_equal(ioctl(uffd, UFFDIO_REGISTER, &reg), 0);
}

static void
test_pages_come(void **state)
{
	struct pollfd p = {.events = POLLIN};
	uint32_t done = 0;
	int uffd = -1, fd, n;
	const char *why;
	pthread_t thread;
	void *sum;

	fd = pager_uffd_open(&why);
	if (fd < 0)
		skip();
	watch_memory(fd);
	assert_true(pages_take(&uffd, fd));
	assert_int_equal(uffd, fd);
	assert_int_equal(pages_bring(uffd), 0);
	assert_int_equal(pthread_create(&thread, NULL, touch, NULL), 0);
	for (p.fd = uffd; done < PAGES; done += (uint32_t)n) {
		assert_int_equal(poll(&p, 1, 60000), 1);
		n = pages_bring(uffd);
		assert_true(n >= 0);
	}
	assert_int_equal(pthread_join(thread, &sum), 0);
	assert_null(sum);
	assert_int_equal(done, PAGES);
	munmap(memory, PAGES * page);
	close(uffd);
}

static void
test_others_are_left_alone(void **state)
{
	int taken = -1, fd = eventfd(1, EFD_CLOEXEC);

	assert_false(pages_take(&taken, fd));
	assert_int_equal(taken, -1);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	close(fd);
	assert_int_equal(pages_bring(fd), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages_come),
		cmocka_unit_test(test_others_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
