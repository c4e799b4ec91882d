/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory of tries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <rte_malloc.h>

#include "eal.h"
#include "switch/acl.h"
#include "switch/acl_trie.h"

#define HEAP_MB 64
#define LISTS 12

static uint32_t seed = 1;

static uint32_t
any(uint32_t n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % n;
}

static void
any_range(struct acl_ports *p)
{
	uint16_t a = (uint16_t)any(1 << 16), b = (uint16_t)any(1 << 16);

	*p = (struct acl_ports){.given = true, .from = RTE_MIN(a, b), .to = RTE_MAX(a, b)};
}

/* Prefixes within each other, and ranges that overlap: the tries of these are the largest. */
static struct acl *
make_nested(void)
{
	struct acl_config *c = calloc(1, sizeof(*c));
	struct acl *a;

	c->n = ACL_RULES_MAX;
	for (uint32_t i = 0; i < c->n; i++) {
		struct acl_rule *r = &c->rule[i];

		*r = (struct acl_rule){.seq = i + 1,
				       .not4 = true,
				       .has_src = true,
				       .has_dst = true};
		r->src = (struct ip_prefix){.ip6 = true, .len = (uint8_t)(1 + any(128))};
		r->dst = (struct ip_prefix){.ip6 = true, .len = (uint8_t)(1 + any(128))};
		any_range(&r->sport);
		any_range(&r->dport);
	}
	a = acl_new(c, 1);
	free(c);
	assert_non_null(a);
	acl_trie_make(a);
	acl_trie_settle();
	return a;
}

static struct rte_malloc_socket_stats
heap(void)
{
	struct rte_malloc_socket_stats st;

	assert_int_equal(rte_malloc_get_socket_stats(0, &st), 0);
	return st;
}

static bool
has_trie(struct acl *a)
{
	return atomic_load(&a->table[ACL_IP6].trie) != NULL;
}

/* Lists that are dear leave memory to others, and what they had is there again when they go. */
static void
test_budget(void **state)
{
	const size_t before = heap().heap_allocsz_bytes;
	struct acl *a[LISTS];
	uint32_t tries = 0;

	for (uint32_t i = 0; i < LISTS; i++) {
		a[i] = make_nested();
		tries += has_trie(a[i]);
		assert_in_range(acl_charged(), 0, heap().heap_totalsz_bytes / ACL_TRIES_PART);
		assert_in_range(heap().heap_allocsz_bytes, 0,
				before + heap().heap_totalsz_bytes / ACL_TRIES_PART);
	}
	assert_in_range(tries, 1, LISTS - 1);
	for (uint32_t i = 0; i < LISTS; i++)
		acl_free(a[i]);
	assert_int_equal(acl_charged(), 0);
	a[0] = make_nested();
	assert_true(has_trie(a[0]));
	acl_free(a[0]);
}

static int
setup(void **state)
{
	return eal_start("0", HEAP_MB) == 0 ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_budget)};

	return cmocka_run_group_tests(tests, setup, NULL);
}
