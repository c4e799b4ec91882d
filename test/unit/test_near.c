/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * On which NUMA node guest memory is, by what the kernel answers, and what an operator is told of a
 * worker on another one. The nodes are made up: most machines have one.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "gmem/gmem.h"
#include "gmem/node.h"
#include "switch/near.h"
#include "switch/port.h"

#define PAGE 4096u
#define PAGES 96u

/* --- memory --- */

static void
answers(void **state)
{
	static const int one[] = {1, 1, 1, 1}, most[] = {1, 0, 1, 1}, spread[] = {1, 0, 1, 0};
	static const int few[] = {-ENOENT, 2, -EFAULT, -ENOENT}, none[] = {-ENOENT, -ENOENT};

	assert_int_equal(gmem_node_of(one, 4), 1);
	assert_int_equal(gmem_node_of(most, 4), 1);
	assert_int_equal(gmem_node_of(most, 3), GMEM_NODE_NONE);
	assert_int_equal(gmem_node_of(spread, 4), GMEM_NODE_NONE);
	assert_int_equal(gmem_node_of(few, 4), 2);
	assert_int_equal(gmem_node_of(none, 2), GMEM_NODE_NONE);
	assert_int_equal(gmem_node_of(none, 0), GMEM_NODE_NONE);
}

static struct gmem_fault fault;

/* Two regions of a file, one behind the other. */
static struct gmem *
make_map(int fd)
{
	static const struct gmem_desc d[] = {
		{.size = 2 * PAGE},
		{.gpa = 1 << 20,
		 .size = (PAGES - 2) * PAGE,
		 .uva = 1 << 20,
		 .mmap_offset = 2 * PAGE},
	};
	struct gmem *m = gmem_new(), *n;
	const char *why;

	for (size_t i = 0; i < 2; i++) {
		n = gmem_add(m, &d[i], fd, &fault, &why);
		assert_non_null(n);
		gmem_put(m);
		m = n;
	}
	return m;
}

/* All of the map is asked about, no byte twice, none outside, and none is touched. */
static void
sample(void **state)
{
	int fd = memfd_create("near", MFD_CLOEXEC);
	const void *page[GMEM_NODE_PAGES];
	struct gmem *m, *empty = gmem_new();
	uint32_t second = 0;

	assert_int_equal(ftruncate(fd, PAGES * PAGE), 0);
	m = make_map(fd);
	assert_int_equal(gmem_node_sample(empty, page, 3), 3);
	assert_int_equal(gmem_node_sample(m, page, 0), GMEM_NODE_PAGES);
	assert_ptr_equal(page[0], m->r[0].hva);
	for (uint32_t i = 1; i < GMEM_NODE_PAGES; i++) {
		const uint8_t *p = page[i], *base = m->r[second].hva;

		if (p < base || p >= base + m->r[second].size)
			base = m->r[++second].hva;
		assert_int_equal(second, p >= m->r[1].hva && p < m->r[1].hva + m->r[1].size);
		assert_true(p >= base && p < base + m->r[second].size);
		assert_true(p != page[i - 1]);
	}
	assert_int_equal(second, 1);
	assert_int_equal(gmem_node_sample(m, page, GMEM_NODE_PAGES), GMEM_NODE_PAGES);
	/* no page is there: the kernel knows of no node, and it stays so */
	for (int i = 0; i < 2; i++)
		assert_int_equal(gmem_node(m, NULL, 0), GMEM_NODE_NONE);
	gmem_put(m);
	gmem_put(empty);
	close(fd);
}

/* A kernel that tells of one page of this process tells of guest memory. */
static void
kernel(void **state)
{
	int fd = memfd_create("near", MFD_CLOEXEC), status = -1;
	void *own = &status;
	struct gmem *m;

	assert_int_equal(ftruncate(fd, PAGES * PAGE), 0);
	m = make_map(fd);
	if (syscall(SYS_move_pages, 0, 1ul, &own, NULL, &status, 0) == 0 && status >= 0) {
		const void *used[] = {m->r[1].hva};

		memset(m->r[1].hva, 1, 1);
		assert_true(gmem_node(m, used, 1) >= 0);
	}
	gmem_put(m);
	close(fd);
}

/* --- advice --- */

static const int nodes[] = {0, 0, 1, -1};

static const char *
advice(const struct port *p, int other, const char *what, uint32_t nworkers)
{
	const struct near_nodes n = {.worker = nodes,
				     .nworkers = nworkers,
				     .other = other,
				     .what = what};
	static char buf[256];

	return near_advice(p, &n, buf, sizeof(buf));
}

static void
workers(void **state)
{
	struct port p = {.id = 7};

	memset(p.owner, PORT_WORKER_NONE, sizeof(p.owner));
	assert_null(advice(&p, 1, "the device", 4)); /* polled by none */
	p.owner[0] = 2;
	p.owner[3] = 3; /* whose node is not known */
	assert_null(advice(&p, 1, "the device", 4));
	assert_null(advice(&p, -1, NULL, 4));
	assert_null(advice(&p, 0, NULL, 4));
	assert_string_equal(advice(&p, 0, "the guest's memory", 4),
			    "worker 2 polls queue 0 from NUMA node 1, the guest's memory is on "
			    "node "
			    "0: worker 0 is there (\"set port 7 rxq 0 worker 0\")");
	p.owner[0] = PORT_WORKER_NONE;
	p.owner[1] = p.owner[2] = 1;
	assert_string_equal(advice(&p, 1, "the device", 4),
			    "worker 1 polls queue 1 from NUMA node 0, the device is on node 1 (2 "
			    "queues are far): worker 2 is there (\"set port 7 rxq 1 worker 2\")");
	assert_string_equal(advice(&p, 1, "the device", 2),
			    "worker 1 polls queue 1 from NUMA node 0, the device is on node 1 (2 "
			    "queues are far): no worker is there (EAL's option -l)");
	p.owner[1] = 200; /* no such worker */
	p.owner[2] = PORT_WORKER_NONE;
	assert_null(advice(&p, 1, "the device", 4));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(sample),
		cmocka_unit_test(kernel),
		cmocka_unit_test(workers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
