/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of connections by itself: two buckets for a key, what makes room for what, keys that
 * are added by several threads at a time, and slots that change while others look.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>

#include "switch/ct_table.h"
#include "switch/ct_worker.h"

#define WORKERS 3
#define KEYS 400
#define ROUNDS 20000

static struct ct *table;

/* All words of a key follow from its number. */
static struct ct_key
key_of(uint32_t n)
{
	struct ct_key k;

	for (uint32_t i = 0; i < CT_KEY_WORDS; i++)
		k.word[i] = (uint64_t)n * (i + 1);
	return k;
}

static enum ct_added
add(uint32_t n, enum ct_state s)
{
	const struct ct_key k = key_of(n);
	uint64_t word = ct_with_state(0, s);
	uint32_t slot;

	return ct_add(table, &k, ct_hash(&k), &word, 100, &slot);
}

static bool
is_known(uint32_t n)
{
	const struct ct_key k = key_of(n);
	uint64_t word;

	return ct_find(table, &k, ct_hash(&k), &word) != CT_NO_SLOT;
}

static void
set_clock(uint32_t now)
{
	atomic_store(&ct_common.now, now);
}

static void
test_half_full(void **state)
{
	/* as many as it was made for find room in two buckets */
	for (uint32_t i = 1; i <= 4096; i++)
		assert_int_equal(add(i, CT_ESTABLISHED), CT_ADDED);
	assert_int_equal(atomic_load(&table->n), 4096);
	for (uint32_t i = 1; i <= 4096; i++)
		assert_true(is_known(i));
	assert_false(is_known(5000));
	assert_int_equal(add(7, CT_NEW), CT_KNOWN);
	assert_int_equal(add(5000, CT_NEW), CT_FULL);
}

/* The time of an entry is over at once for all who look, whenever its slot is cleared. */
static void
test_time(void **state)
{
	add(1, CT_ESTABLISHED);
	set_clock(1099);
	assert_true(is_known(1));
	set_clock(1100);
	assert_false(is_known(1));
	assert_int_equal(add(1, CT_NEW), CT_ADDED);
	assert_int_equal(atomic_load(&table->n), 1);
	set_clock(UINT32_MAX); /* it goes round */
	add(2, CT_NEW);
	set_clock(98);
	assert_true(is_known(2));
	set_clock(99);
	assert_false(is_known(2));
}

static void
test_room(void **state)
{
	uint32_t known = 0;

	atomic_store(&table->limit, 0);
	assert_int_equal(add(1, CT_NEW), CT_FULL);
	atomic_store(&table->limit, 4096);
	for (uint32_t i = 1; i <= 20000; i++)
		add(i, CT_NEW);
	assert_in_range(atomic_load(&table->n), 4000, 4096);
	/* new ones make room for new ones, if there are any in their buckets */
	for (uint32_t i = 19901; i <= 20000; i++)
		known += is_known(i);
	assert_in_range(known, 80, 100);
}

/* A share may be much less than a table was made for: what may go is anywhere in it. */
static void
test_share(void **state)
{
	uint32_t full = 0, added = 0;

	atomic_store(&table->limit, 128);
	for (uint32_t i = 1; i <= 128; i++)
		assert_int_equal(add(i, CT_NEW), CT_ADDED);
	for (uint32_t i = 129; i <= 1128; i++) {
		full += add(i, CT_NEW) == CT_FULL;
		assert_in_range(atomic_load(&table->n), 1, 128);
	}
	assert_in_range(full, 0, 250);
	/* time is over for all, and no control has been here yet */
	set_clock(2000);
	for (uint32_t i = 2001; i <= 6000; i++)
		added += add(i, CT_ESTABLISHED) == CT_ADDED;
	assert_int_equal(added, 128);
	assert_int_equal(atomic_load(&table->n), 128);
	/* those in use stay, and all slots are looked at once a second only */
	for (uint32_t i = 7000; i < 7100; i++)
		assert_int_equal(add(i, CT_NEW), CT_FULL);
	assert_int_equal(atomic_load(&table->in_vain), (table->mask + 1) * CT_WAYS);
}

/* --- several threads --- */

static atomic_bool go;

/* Each adds, changes and removes all keys; what it finds is never another's. */
static void *
work(void *arg)
{
	const uint32_t worker = (uint32_t)(uintptr_t)arg;
	struct ct_packet c = {.kind = CT_PACKET, .proto = 17};
	uint32_t seed = worker * 7919 + 1;

	while (!atomic_load(&go))
		;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint64_t word;
		uint32_t slot;

		seed = seed * 1664525u + 1013904223u;
		c.key = key_of(1 + (seed >> 8) % KEYS);
		ct_expect(table, &c);
		if (!ct_known(table, worker, &c, seed >> 31 ? ACL_IN : ACL_OUT))
			ct_open(table, worker, &c, ACL_IN);
		slot = ct_find(table, &c.key, c.hash, &word);
		if ((seed >> 28 & 3) == 0 && slot != CT_NO_SLOT)
			ct_remove(table, slot, word);
	}
	return NULL;
}

static void
check_slots(void)
{
	uint32_t slots = (table->mask + 1) * CT_WAYS, n = 0;
	static uint32_t seen[KEYS + 1];
	struct ct_key k, expected;

	memset(seen, 0, sizeof(seen));
	for (uint32_t i = 0; i < slots; i++) {
		uint64_t w = atomic_load(&table->word[i]);

		assert_int_not_equal(ct_state_of(w), CT_BUSY);
		if (ct_state_of(w) == CT_FREE)
			continue;
		n++;
		assert_true(ct_read_key(table, i, w, &k));
		assert_in_range(k.word[0], 1, KEYS);
		expected = key_of((uint32_t)k.word[0]);
		assert_memory_equal(&k, &expected, sizeof(k));
		assert_int_equal(seen[k.word[0]]++, 0);
	}
	assert_int_equal(atomic_load(&table->n), n);
}

static void
test_threads(void **state)
{
	pthread_t t[WORKERS];

	atomic_store(&table->limit, KEYS / 2);
	atomic_store(&go, false);
	for (uintptr_t i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, work, (void *)i), 0);
	atomic_store(&go, true);
	for (uint32_t i = 0; i < WORKERS; i++)
		pthread_join(t[i], NULL);
	check_slots();
}

static int
setup(void **state)
{
	set_clock(1000);
	for (int t = 0; t < CT_TIMEOUTS; t++)
		atomic_store(&ct_common.timeout[t], 100);
	table = ct_new(4096, WORKERS);
	return table == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	ct_free(table);
	return 0;
}

#define EACH(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_half_full), EACH(test_time),    EACH(test_room),
		EACH(test_share),     EACH(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
