/* SPDX-License-Identifier: BSD-3-Clause */
/* IOTLB tables: cutting, limits, and random operations against one word per address. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gmem/iotlb.h"

static void
update(struct iotlb **t, uint64_t iova, uint64_t size, uint64_t uva, uint32_t perm)
{
	const struct iotlb_entry e = {iova, size, uva, perm};
	struct iotlb *n = iotlb_update(*t, &e);

	assert_non_null(n);
	iotlb_free(*t);
	*t = n;
}

static void
invalidate(struct iotlb **t, uint64_t iova, uint64_t size)
{
	struct iotlb *n = iotlb_invalidate(*t, iova, size);

	assert_non_null(n);
	iotlb_free(*t);
	*t = n;
}

static void
expect(const struct iotlb *t, uint64_t iova, uint64_t len, uint64_t uva, uint64_t got)
{
	uint64_t u = 0, g = 0;

	assert_true(iotlb_translate(t, iova, len, IOTLB_RO, &u, &g));
	assert_int_equal(u, uva);
	assert_int_equal(g, got);
}

static void
expect_miss(const struct iotlb *t, uint64_t iova, uint32_t perm)
{
	uint64_t u, g;

	assert_false(iotlb_translate(t, iova, 1, perm, &u, &g));
}

static void
test_translate(void **state)
{
	struct iotlb *t = iotlb_new();

	expect_miss(t, 0, IOTLB_RO);
	update(&t, 0x1000, 0x1000, 0x70000, IOTLB_RO);
	update(&t, 0x3000, 0x2000, 0x90000, IOTLB_RW);
	expect(t, 0x1000, 0x1000, 0x70000, 0x1000);
	expect(t, 0x1ff0, 0x1000, 0x70ff0, 0x10);
	expect(t, 0x4fff, 1, 0x91fff, 1);
	expect_miss(t, 0xfff, IOTLB_RO);
	expect_miss(t, 0x2000, IOTLB_RO);
	expect_miss(t, 0x5000, IOTLB_RO);
	expect_miss(t, UINT64_MAX, IOTLB_RO);
	expect_miss(t, 0x1000, IOTLB_WO);
	expect_miss(t, 0x1000, IOTLB_RW);
	iotlb_free(t);
}

static void
test_update_cuts_what_it_overlaps(void **state)
{
	struct iotlb *t = iotlb_new();

	update(&t, 0x1000, 0x3000, 0x100000, IOTLB_RW);
	update(&t, 0x2000, 0x1000, 0x900000, IOTLB_RW);
	assert_int_equal(t->n, 3);
	expect(t, 0x1000, 0x9000, 0x100000, 0x1000);
	expect(t, 0x2000, 0x9000, 0x900000, 0x1000);
	expect(t, 0x3000, 0x9000, 0x102000, 0x1000);
	update(&t, 0x1800, 0x2000, 0x500000, IOTLB_RW); /* cuts two, swallows one */
	assert_int_equal(t->n, 3);
	expect(t, 0x1000, 0x9000, 0x100000, 0x800);
	expect(t, 0x1800, 0x9000, 0x500000, 0x2000);
	expect(t, 0x3800, 0x9000, 0x102800, 0x800);
	update(&t, 0, UINT64_MAX, 1, IOTLB_RO);
	assert_int_equal(t->n, 1);
	iotlb_free(t);
}

static void
test_invalidate_at_the_ends(void **state)
{
	struct iotlb *t = iotlb_new();

	update(&t, 0, 0x1000, 0x1000, IOTLB_RW);
	update(&t, -UINT64_C(0x1000), 0x1000, 0x9000, IOTLB_RW);
	expect(t, UINT64_MAX, 1, 0x9fff, 1);
	invalidate(&t, 0x1000, -UINT64_C(0x1001)); /* all but one byte between and beyond */
	assert_int_equal(t->n, 2);
	expect(t, UINT64_MAX, 1, 0x9fff, 1);
	expect_miss(t, UINT64_MAX - 1, IOTLB_RO);
	invalidate(&t, 0x800, 0);
	assert_int_equal(t->n, 1);
	expect(t, 0, 0x1000, 0x1000, 0x800);
	invalidate(&t, 0, 0); /* 2^64 bytes */
	assert_int_equal(t->n, 0);
	invalidate(&t, 0, 0x1000);
	assert_int_equal(t->n, 0);
	iotlb_free(t);
}

static void
test_bad_updates(void **state)
{
	static const struct iotlb_entry bad[] = {
		{0, 0, 0, IOTLB_RW},
		{UINT64_MAX, 2, 0, IOTLB_RW},
		{0, 2, UINT64_MAX, IOTLB_RW},
		{0, 1, 0, 0},
		{0, 1, 0, 4},
		{0, 1, 0, IOTLB_RW | 8},
	};
	struct iotlb *t = iotlb_new();
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		errno = 0;
		assert_null(iotlb_update(t, &bad[i]));
		assert_int_equal(errno, EINVAL);
	}
	iotlb_free(t);
}

/* Filling a table entry by entry costs its square: only the last few go through the front door. */
/** Whether the entry takes back something of a table with [100, 200) at 1000, read-only. */
static bool
contradicts(uint64_t iova, uint64_t size, uint64_t uva, uint32_t perm)
{
	const struct iotlb_entry e = {iova, size, uva, perm, 0};
	struct iotlb *t = iotlb_new();
	bool yes;

	update(&t, 100, 100, 1000, IOTLB_RO);
	yes = iotlb_contradicts(t, &e);
	iotlb_free(t);
	return yes;
}

static void
test_contradictions(void **state)
{
	(void)state;
	assert_false(contradicts(0, 100, 5000, IOTLB_RW));
	assert_false(contradicts(200, UINT64_MAX - 199, 5000, IOTLB_RW));
	assert_true(contradicts(0, 101, 5000, IOTLB_RW));
	assert_true(contradicts(199, 1, 5000, IOTLB_RW));
	assert_false(contradicts(199, 1, 1099, IOTLB_RO));
	assert_false(contradicts(100, 100, 1000, IOTLB_RW));
	assert_false(contradicts(0, 1000, 900, IOTLB_RW));
	assert_true(contradicts(100, 100, 1000, IOTLB_WO));
	assert_true(contradicts(100, 100, 1001, IOTLB_RO));
}

static void
test_full_table_forgets_another_entry(void **state)
{
	uint32_t i, j, missing;
	struct iotlb *t = malloc(sizeof(*t) + IOTLB_ENTRIES_MAX * sizeof(t->e[0]));

	assert_non_null(t);
	t->n = IOTLB_ENTRIES_MAX - 1;
	for (i = 0; i < t->n; i++)
		t->e[i] = (struct iotlb_entry){i * 0x1000ull, 0x1000, i * 0x1000ull, IOTLB_RW};
	for (j = 0; j < 20; j++, i++) {
		update(&t, i * 0x1000ull, 0x1000, i * 0x1000ull, IOTLB_RW);
		expect(t, i * 0x1000ull, 1, i * 0x1000ull, 1); /* never the new one */
		assert_true(t->n <= IOTLB_ENTRIES_MAX);
	}
	assert_int_equal(t->n, IOTLB_ENTRIES_MAX);
	for (missing = 0, j = 0; j < i; j++) {
		uint64_t u, g;

		missing += !iotlb_translate(t, j * 0x1000ull, 1, IOTLB_RO, &u, &g);
	}
	assert_int_equal(missing, 19);
	iotlb_free(t);
}

#define SPACE 512 /* addresses of the model */

struct model {
	uint64_t uva[SPACE];
	uint32_t perm[SPACE];
};

static void
model_set(struct model *m, uint64_t iova, uint64_t size, uint64_t uva, uint32_t perm)
{
	uint64_t i;

	for (i = 0; i < size && iova + i < SPACE; i++) {
		m->uva[iova + i] = uva + i;
		m->perm[iova + i] = perm;
	}
}

static void
check_shape(const struct iotlb *t)
{
	uint32_t i;

	for (i = 0; i < t->n; i++) {
		assert_true(t->e[i].size != 0);
		assert_true(i == 0 || t->e[i - 1].iova + t->e[i - 1].size <= t->e[i].iova);
	}
}

static void
check_against(const struct iotlb *t, const struct model *m)
{
	uint64_t a, i, u, g;
	uint32_t perm;

	for (a = 0; a < SPACE; a++)
		for (perm = IOTLB_RO; perm <= IOTLB_RW; perm++) {
			bool hit = iotlb_translate(t, a, SPACE, perm, &u, &g);

			assert_int_equal(hit, (m->perm[a] & perm) == perm);
			for (i = 0; hit && i < g; i++) {
				assert_true(a + i < SPACE);
				assert_int_equal(m->uva[a + i], u + i);
				assert_int_equal(m->perm[a + i] & perm, perm);
			}
		}
}

static uint64_t
rnd(uint64_t below)
{
	static uint64_t x = 0x2545f4914f6cdd1d;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x % below;
}

static void
test_random_against_model(void **state)
{
	static struct model m;
	struct iotlb *t = iotlb_new();
	unsigned int step;

	for (step = 0; step < 4000; step++) {
		uint64_t iova = rnd(SPACE), size = 1 + rnd(rnd(8) != 0 ? 24 : SPACE);
		uint64_t uva = rnd(UINT64_C(1) << 48);
		uint32_t perm = 1 + (uint32_t)rnd(3);

		if (rnd(3) == 0) {
			model_set(&m, iova, size, 0, 0);
			invalidate(&t, iova, size);
		} else {
			if (iova + size > SPACE)
				size = SPACE - iova;
			model_set(&m, iova, size, uva, perm);
			update(&t, iova, size, uva, perm);
		}
		check_shape(t);
		if (step % 20 == 0)
			check_against(t, &m);
	}
	check_against(t, &m);
	iotlb_free(t);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_translate),
		cmocka_unit_test(test_update_cuts_what_it_overlaps),
		cmocka_unit_test(test_invalidate_at_the_ends),
		cmocka_unit_test(test_bad_updates),
		cmocka_unit_test(test_contradictions),
		cmocka_unit_test(test_full_table_forgets_another_entry),
		cmocka_unit_test(test_random_against_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
