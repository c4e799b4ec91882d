/* SPDX-License-Identifier: BSD-3-Clause */
/* Guest memory maps: what is accepted, what is shared, what is found where. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "gmem/file.h"
#include "gmem/gmem.h"

#define PAGE UINT64_C(4096)
#define FILE_PAGES 64
#define MB (UINT64_C(1) << 20)

static struct gmem_fault fault;
static int fd; /* FILE_PAGES pages; page n starts with the byte n */

static int
group_setup(void **state)
{
	uint8_t i;

	fd = memfd_create("test_gmem", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, FILE_PAGES * PAGE) < 0)
		return -1;
	for (i = 0; i < FILE_PAGES; i++)
		if (pwrite(fd, &i, 1, i * (off_t)PAGE) != 1)
			return -1;
	return 0;
}

static int
group_teardown(void **state)
{
	return close(fd);
}

/* gmem_add() in place; the old map is put. NULL when it was refused: the old map is kept. */
static const char *
add(struct gmem **m, uint64_t gpa, uint64_t size, uint64_t uva, uint64_t offset)
{
	const struct gmem_desc d = {gpa, size, uva, offset};
	const char *why = "accepted";
	struct gmem *n = gmem_add(*m, &d, fd, &fault, &why);

	if (n == NULL)
		return why;
	gmem_put(*m);
	*m = n;
	return NULL;
}

/* How many lines of /proc/self/maps name our file. */
static unsigned int
mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned int n = 0;
	char line[512];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		n += strstr(line, "memfd:test_gmem") != NULL;
	fclose(f);
	return n;
}

static void
test_regions_are_sorted_and_found(void **state)
{
	struct gmem *m = gmem_new();

	assert_null(add(&m, 8 * MB, 4 * PAGE, 108 * MB, 8 * PAGE));
	assert_null(add(&m, 0, 8 * PAGE, 300 * MB, 0));
	assert_null(add(&m, 4 * MB, 2 * PAGE, 104 * MB, 20 * PAGE));
	assert_int_equal(m->n, 3);
	assert_true(m->r[0].gpa == 0 && m->r[1].gpa == 4 * MB && m->r[2].gpa == 8 * MB);
	assert_int_equal(m->r[0].hva[3 * PAGE], 3);
	assert_int_equal(m->r[1].hva[0], 20);
	assert_int_equal(m->r[2].hva[PAGE], 9);

	assert_ptr_equal(gmem_find(m, 0), &m->r[0]);
	assert_ptr_equal(gmem_find(m, 8 * PAGE - 1), &m->r[0]);
	assert_null(gmem_find(m, 8 * PAGE));
	assert_null(gmem_find(m, 4 * MB - 1));
	assert_ptr_equal(gmem_find(m, 4 * MB), &m->r[1]);
	assert_null(gmem_find(m, 8 * MB + 4 * PAGE));
	assert_null(gmem_find(m, UINT64_MAX));
	assert_ptr_equal(gmem_find_uva(m, 104 * MB + 1), &m->r[1]);
	assert_ptr_equal(gmem_find_uva(m, 300 * MB), &m->r[0]);
	assert_null(gmem_find_uva(m, 0));
	gmem_put(m);
	assert_int_equal(mappings(), 0);
}

static void
test_maps_share_mappings(void **state)
{
	const struct gmem_desc gone = {4 * MB, 2 * PAGE, 104 * MB, 0};
	const struct gmem_desc no[] = {
		{4 * MB, PAGE, 104 * MB, 0},
		{4 * MB, 2 * PAGE, 105 * MB, 0},
		{4 * MB + PAGE, 2 * PAGE, 104 * MB, 0},
		{MB, 2 * PAGE, 104 * MB, 0},
	};
	struct gmem *m = gmem_new(), *old, *shrunk;
	unsigned int i;

	assert_null(add(&m, 0, PAGE, 100 * MB, 0));
	assert_null(add(&m, 4 * MB, 2 * PAGE, 104 * MB, 20 * PAGE));
	old = gmem_ref(m);
	assert_null(add(&m, 8 * MB, PAGE, 108 * MB, 40 * PAGE));
	assert_int_equal(mappings(), 3);
	assert_int_equal(old->n, 2);
	assert_ptr_equal(old->r[1].hva, m->r[1].hva);

	for (i = 0; i < RTE_DIM(no); i++)
		assert_null(gmem_remove(m, &no[i]));
	shrunk = gmem_remove(m, &gone);
	assert_non_null(shrunk);
	assert_int_equal(shrunk->n, 2);
	assert_int_equal(shrunk->r[1].hva[0], 40);
	assert_null(gmem_find(shrunk, 4 * MB));

	gmem_put(m);
	assert_int_equal(mappings(), 3); /* old still has the removed region */
	assert_int_equal(old->r[1].hva[0], 20);
	gmem_put(old);
	assert_int_equal(mappings(), 2);
	assert_int_equal(shrunk->r[0].hva[0], 0);
	gmem_put(shrunk);
	assert_int_equal(mappings(), 0);
	gmem_put(NULL);
}

/* QEMU before 8.2 does it once per queue pair. */
static void
test_region_added_twice_goes_when_removed_twice(void **state)
{
	const struct gmem_desc d = {MB, 2 * PAGE, 100 * MB, 4 * PAGE};
	const struct gmem_desc elsewhere = {MB, 2 * PAGE, 100 * MB, 6 * PAGE};
	const struct gmem_desc longer = {MB, 3 * PAGE, 100 * MB, 4 * PAGE};
	int other = memfd_create("other", MFD_CLOEXEC);
	struct gmem *m = gmem_new();

	assert_int_equal(ftruncate(other, FILE_PAGES * PAGE), 0);
	assert_false(gmem_add_again(m, &d, fd));
	assert_null(add(&m, d.gpa, d.size, d.uva, d.mmap_offset));
	assert_false(gmem_remove_again(m, &d));
	assert_false(gmem_add_again(m, &elsewhere, fd));
	assert_false(gmem_add_again(m, &longer, fd));
	assert_false(gmem_add_again(m, &d, other));
	assert_true(gmem_add_again(m, &d, fd));
	assert_int_equal(mappings(), 1);
	/* the count moves on with the region */
	assert_null(add(&m, 0, PAGE, 200 * MB, 0));
	assert_true(gmem_remove_again(m, &d));
	assert_false(gmem_remove_again(m, &d));
	assert_non_null(gmem_find(m, MB));
	gmem_put(m);
	close(other);
}

static void
test_bad_regions_are_refused(void **state)
{
	static const struct {
		struct gmem_desc d;
		const char *why;
	} bad[] = {
		{{MB, 0, MB, 0}, "region of size 0"},
		{{-PAGE, 2 * PAGE, MB, 0}, "region wraps around the address space"},
		{{MB, 2 * PAGE, -PAGE, 0}, "region wraps around the address space"},
		{{MB, 2 * PAGE, MB, -PAGE}, "region wraps around the address space"},
		{{MB, UINT64_MAX, MB, 0}, "region wraps around the address space"},
		{{MB + 8, PAGE, MB, 0}, "region addresses and offset differ in page alignment"},
		{{MB, PAGE, MB + 8, 0}, "region addresses and offset differ in page alignment"},
		{{MB, PAGE, MB, 8}, "region addresses and offset differ in page alignment"},
		{{3 * PAGE, PAGE, MB, 0}, "regions overlap in guest-physical addresses"},
		{{0, 5 * PAGE, MB, 0}, "regions overlap in guest-physical addresses"},
		{{0, 64 * PAGE, MB, 0}, "regions overlap in guest-physical addresses"},
		{{5 * PAGE, PAGE, MB, 0}, "regions overlap in guest-physical addresses"},
		{{MB, PAGE, 101 * MB, 0}, "regions overlap in front-end addresses"},
		{{MB, PAGE, 100 * MB + PAGE, 0}, "regions overlap in front-end addresses"},
		{{MB, 2 * PAGE, 99 * MB + 255 * PAGE, 0}, "regions overlap in front-end addresses"},
		{{MB, PAGE, MB, FILE_PAGES * PAGE}, "the file is shorter than offset + size"},
		{{MB, PAGE + 1, MB, 63 * PAGE}, "the file is shorter than offset + size"},
		{{200 * MB, GMEM_BYTES_MAX, 200 * MB, 0}, "too much memory"},
		{{200 * MB, UINT64_C(1) << 63, 200 * MB, 0}, "too much memory"},
	};
	struct gmem *m = gmem_new();
	unsigned int i;

	assert_null(add(&m, 3 * PAGE, 3 * PAGE, 100 * MB, 0));
	assert_null(add(&m, 64 * MB, PAGE, 101 * MB, 0));
	for (i = 0; i < RTE_DIM(bad); i++) {
		const struct gmem_desc *d = &bad[i].d;

		print_message("case %u\n", i);
		assert_string_equal(add(&m, d->gpa, d->size, d->uva, d->mmap_offset), bad[i].why);
	}
	assert_int_equal(mappings(), 2);
	/* what only touches its neighbours is fine, and so is an end at the top */
	assert_null(add(&m, 6 * PAGE, PAGE, 100 * MB + 3 * PAGE, 0));
	assert_null(add(&m, 2 * PAGE, PAGE, 100 * MB - PAGE, 0));
	assert_null(add(&m, -PAGE, PAGE, -PAGE, 63 * PAGE));
	assert_ptr_equal(gmem_find(m, UINT64_MAX), &m->r[4]);
	gmem_put(m);
}

static void
refused(int bad_fd, const char *expect)
{
	const struct gmem_desc d = {0, PAGE, 0, 0};
	struct gmem *m = gmem_new();
	const char *why = NULL;

	assert_null(gmem_add(m, &d, bad_fd, &fault, &why));
	assert_string_equal(why, expect);
	gmem_put(m);
}

static void
test_only_files_in_memory(void **state)
{
	int p[2], ro, exe;

	exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC); /* on a disk */
	assert_true(exe >= 0);
	refused(exe, "the file is not in memory (memfd, tmpfs or hugetlbfs)");
	close(exe);
	assert_int_equal(pipe(p), 0);
	refused(p[0], "the file is not in memory (memfd, tmpfs or hugetlbfs)");
	close(p[0]);
	close(p[1]);
	ro = open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(ro >= 0);
	refused(ro, "the file is not in memory (memfd, tmpfs or hugetlbfs)");
	close(ro);
	refused(-1, "the file is not in memory (memfd, tmpfs or hugetlbfs)");
}

static void
test_read_only_file_is_refused(void **state)
{
	char path[64];
	int ro;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(ro >= 0);
	refused(ro, "mmap failed");
	close(ro);
}

static void
test_slots_are_limited(void **state)
{
	struct gmem *m = gmem_new();
	uint64_t i;

	for (i = 0; i < GMEM_SLOTS_MAX; i++)
		assert_null(add(&m, i * MB, PAGE, i * MB, (i % FILE_PAGES) * PAGE));
	assert_string_equal(add(&m, i * MB, PAGE, i * MB, 0), "more memory regions than slots");
	for (i = 0; i < GMEM_SLOTS_MAX; i++)
		assert_int_equal(*gmem_find(m, i * MB)->hva, i % FILE_PAGES);
	gmem_put(m);
	assert_int_equal(mappings(), 0);
}

static void
test_region_added_twice_is_removed_twice(void **state)
{
	const struct gmem_desc d = {MB, 4 * PAGE, 100 * MB, PAGE};
	struct gmem_desc other_offset = d, larger = d;
	struct gmem *m = gmem_new(), *n;
	int other = memfd_create("other", MFD_CLOEXEC);

	assert_true(other >= 0);
	assert_int_equal(ftruncate(other, FILE_PAGES * PAGE), 0);
	other_offset.mmap_offset += PAGE;
	larger.size += PAGE;
	assert_false(gmem_add_again(m, &d, fd));
	assert_null(add(&m, d.gpa, d.size, d.uva, d.mmap_offset));
	assert_false(gmem_add_again(m, &larger, fd));
	assert_false(gmem_add_again(m, &other_offset, fd));
	assert_false(gmem_add_again(m, &d, other));
	assert_false(gmem_remove_again(m, &d));

	assert_true(gmem_add_again(m, &d, fd));
	assert_int_equal(m->n, 1);
	/* the count goes along into the next map */
	assert_null(add(&m, 2 * MB, PAGE, 200 * MB, 0));
	assert_false(gmem_remove_again(m, &larger));
	assert_true(gmem_remove_again(m, &d));
	assert_false(gmem_remove_again(m, &d));
	assert_non_null(gmem_find(m, MB));
	n = gmem_remove(m, &d);
	assert_non_null(n);
	assert_null(gmem_find(n, MB));
	gmem_put(m);
	gmem_put(n);
	close(other);
	assert_int_equal(mappings(), 0);
}

static void
test_offset_need_not_be_page_aligned(void **state)
{
	struct gmem *m = gmem_new();

	assert_null(add(&m, 5 * PAGE - 100, 200, MB - 100, 3 * PAGE - 100));
	assert_int_equal(m->r[0].hva[100], 3);
	assert_int_equal((uintptr_t)m->r[0].hva % PAGE, PAGE - 100);
	gmem_put(m);
}

/* Another component that maps the memory gets our own descriptor of it and the same bytes. */
static void
test_descriptor_for_others(void **state)
{
	struct gmem *m = gmem_new();
	uint64_t offset = 0;
	uint8_t byte = 0;
	int ours;

	assert_null(add(&m, 4 * MB, 2 * PAGE, 104 * MB, 20 * PAGE));
	ours = gmem_file_fd(m->r[0].file, m->r[0].hva + PAGE, &offset);
	assert_int_equal(offset, 21 * PAGE);
	assert_int_not_equal(ours, fd);
	assert_int_equal(pread(ours, &byte, 1, (off_t)offset), 1);
	assert_int_equal(byte, 21);
	gmem_put(m);
	assert_int_equal(fcntl(ours, F_GETFD), -1);
}

static void
test_uva_ranges(void **state)
{
	struct gmem *m = gmem_new();
	uint64_t gpa = 0;

	assert_null(add(&m, MB, 4 * PAGE, 100 * MB, 0));
	assert_null(add(&m, MB + 4 * PAGE, PAGE, 100 * MB + 4 * PAGE, 10 * PAGE));
	assert_ptr_equal(gmem_uva_to_hva(m, 100 * MB + 8, 4 * PAGE - 8, &gpa), m->r[0].hva + 8);
	assert_int_equal(gpa, MB + 8);
	assert_ptr_equal(gmem_uva_to_hva(m, 100 * MB, 1, NULL), m->r[0].hva);
	assert_null(gmem_uva_to_hva(m, 100 * MB, 0, NULL));
	assert_null(gmem_uva_to_hva(m, 100 * MB - 1, 2, NULL));
	assert_null(gmem_uva_to_hva(m, 100 * MB + 4 * PAGE, PAGE + 1, NULL));
	assert_null(gmem_uva_to_hva(m, 100 * MB, UINT64_MAX, NULL));
	/* into the neighbour only when it follows in our address space, too */
	if (m->r[0].hva + 4 * PAGE == m->r[1].hva)
		assert_ptr_equal(gmem_uva_to_hva(m, 100 * MB, 5 * PAGE, NULL), m->r[0].hva);
	else
		assert_null(gmem_uva_to_hva(m, 100 * MB, 5 * PAGE, NULL));
	gmem_put(m);
}

/* In the front-end's address space regions lie in an order of their own. */
static void
test_uva_in_any_order(void **state)
{
	struct gmem *m = gmem_new();
	uint64_t i, j;

	for (i = 0; i < FILE_PAGES; i++) {
		uint64_t uva = MB + (i * 37 % FILE_PAGES) * 2 * PAGE;

		assert_null(add(&m, MB + i * PAGE, PAGE, uva, i * PAGE));
		for (j = 0; j <= i; j++) {
			uva = m->r[j].uva;
			assert_ptr_equal(gmem_find_uva(m, uva), &m->r[j]);
			assert_ptr_equal(gmem_find_uva(m, uva + PAGE - 1), &m->r[j]);
			assert_null(gmem_find_uva(m, uva + PAGE));
			assert_null(gmem_find_uva(m, uva - 1));
		}
	}
	gmem_put(m);
}

/* Regions at made-up addresses: where mmap() puts the real ones is not ours to choose. */
static void
test_uva_range_over_adjacent_regions(void **state)
{
	static uint16_t by_uva[] = {0, 1, 2};
	static uint8_t mem[4 * 4096];
	struct gmem *m = calloc(1, sizeof(*m) + 3 * sizeof(m->r[0]));

	assert_non_null(m);
	m->n = 3;
	m->by_uva = by_uva;
	m->r[0] = (struct gmem_region){.gpa = 0, .size = PAGE, .uva = MB, .hva = mem};
	m->r[1] = (struct gmem_region){PAGE, PAGE, MB + PAGE, mem + PAGE, NULL, 1};
	m->r[2] = (struct gmem_region){9 * PAGE, PAGE, MB + 2 * PAGE, mem + 2 * PAGE, NULL, 1};
	assert_ptr_equal(gmem_uva_to_hva(m, MB + 1, 2 * PAGE - 1, NULL), mem + 1);
	assert_null(gmem_uva_to_hva(m, MB + 1, 2 * PAGE, NULL)); /* a gap in gpa */
	m->r[2].gpa = 2 * PAGE;
	assert_ptr_equal(gmem_uva_to_hva(m, MB + 1, 3 * PAGE - 1, NULL), mem + 1);
	assert_null(gmem_uva_to_hva(m, MB + 1, 3 * PAGE, NULL));
	m->r[2].hva = mem + 3 * PAGE;
	assert_null(gmem_uva_to_hva(m, MB + 1, 2 * PAGE, NULL)); /* a gap in hva */
	free(m);
}

static void
test_translate(void **state)
{
	struct gmem *m = gmem_new();
	uint32_t hint = 12345;
	uint64_t got = 0;

	assert_null(gmem_translate(m, 0, 1, &hint, &got));
	assert_null(add(&m, MB, 2 * PAGE, 100 * MB, 0));
	assert_null(add(&m, 2 * MB, 2 * PAGE, 200 * MB, 8 * PAGE));
	assert_ptr_equal(gmem_translate(m, 2 * MB + 5, 100, &hint, &got), m->r[1].hva + 5);
	assert_int_equal(got, 100);
	assert_int_equal(hint, 1);
	assert_ptr_equal(gmem_translate(m, MB + PAGE, 2 * PAGE, &hint, &got), m->r[0].hva + PAGE);
	assert_int_equal(got, PAGE);
	assert_int_equal(hint, 0);
	assert_ptr_equal(gmem_translate(m, MB, UINT64_MAX, &hint, &got), m->r[0].hva);
	assert_int_equal(got, 2 * PAGE);
	assert_null(gmem_translate(m, MB + 2 * PAGE, 1, &hint, &got));
	assert_null(gmem_translate(m, 0, 1, &hint, &got));
	gmem_put(m);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_regions_are_sorted_and_found),
		cmocka_unit_test(test_maps_share_mappings),
		cmocka_unit_test(test_region_added_twice_goes_when_removed_twice),
		cmocka_unit_test(test_bad_regions_are_refused),
		cmocka_unit_test(test_only_files_in_memory),
		cmocka_unit_test(test_read_only_file_is_refused),
		cmocka_unit_test(test_slots_are_limited),
		cmocka_unit_test(test_region_added_twice_is_removed_twice),
		cmocka_unit_test(test_offset_need_not_be_page_aligned),
		cmocka_unit_test(test_descriptor_for_others),
		cmocka_unit_test(test_uva_ranges),
		cmocka_unit_test(test_uva_in_any_order),
		cmocka_unit_test(test_uva_range_over_adjacent_regions),
		cmocka_unit_test(test_translate),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
