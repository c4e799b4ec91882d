/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data format of a guest: every combination of format bit, VERSION_1,
 * SET_VRING_ENDIAN and policy, as a table and over the wire. The rules are in
 * doc/format-bits.md.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "wire.h"

/* Verdicts: M modern, L and B legacy; b: against the format bit, p: against the policy. */
enum { NONE = 0, MOD = 1 << VDEV_MODERN, LE = 1 << VDEV_LEGACY_LE, BE = 1 << VDEV_LEGACY_BE };
enum { UNSAID, SAID_LE, SAID_BE };

static const struct combination {
	uint32_t bit;
	bool version_1;
	int endian;
	const char verdict[VDEV_POLICY_NUM + 1]; /* any, modern-only, legacy-le, legacy-be, auto */
} all[] = {
	{NONE, true, UNSAID, "MMppM"},   {NONE, true, SAID_LE, "MMppM"},
	{NONE, true, SAID_BE, "MMppM"},  {NONE, false, UNSAID, "LpLBL"},
	{NONE, false, SAID_LE, "LpLpL"}, {NONE, false, SAID_BE, "BppBB"},
	{MOD, true, UNSAID, "MMppM"},    {MOD, true, SAID_LE, "MMppM"},
	{MOD, true, SAID_BE, "MMppM"},   {MOD, false, UNSAID, "bbbbb"},
	{MOD, false, SAID_LE, "bbbbb"},  {MOD, false, SAID_BE, "bbbbb"},
	{LE, true, UNSAID, "bbbbb"},     {LE, true, SAID_LE, "bbbbb"},
	{LE, true, SAID_BE, "bbbbb"},    {LE, false, UNSAID, "LpLpL"},
	{LE, false, SAID_LE, "LpLpL"},   {LE, false, SAID_BE, "bbbbb"},
	{BE, true, UNSAID, "bbbbb"},     {BE, true, SAID_LE, "bbbbb"},
	{BE, true, SAID_BE, "bbbbb"},    {BE, false, UNSAID, "BppBB"},
	{BE, false, SAID_LE, "bbbbb"},   {BE, false, SAID_BE, "BppBB"},
};
static_assert(RTE_DIM(all) == 4 * 2 * 3, "every combination");

static const char letter[] = {[VDEV_MODERN] = 'M', [VDEV_LEGACY_LE] = 'L', [VDEV_LEGACY_BE] = 'B'};
static const enum vq_layout layout[] = {
	[VDEV_MODERN] = VQ_SPLIT,
	[VDEV_LEGACY_LE] = VQ_SPLIT,
	[VDEV_LEGACY_BE] = VQ_SPLIT_SWAP,
};

/* Which verdict a reason belongs to. */
static char
refusal(const char *why)
{
	if (strstr(why, "format bit") != NULL)
		return 'b';
	return strstr(why, "policy") != NULL || strstr(why, "forced") != NULL ? 'p' : '?';
}

static void
complain(const struct combination *c, int policy, char got)
{
	fail_msg("bit %u version_1 %d endian %d policy %s: %c, expected %c", c->bit, c->version_1,
		 c->endian, vdev_policy_name(policy), got, c->verdict[policy]);
}

static void
test_every_combination(void **state)
{
	size_t i;
	int p;

	for (i = 0; i < RTE_DIM(all); i++) {
		for (p = 0; p < VDEV_POLICY_NUM; p++) {
			const struct vdev_format_facts f = {
				.features = all[i].version_1 ? F(VERSION_1) : 0,
				.needed = all[i].bit,
				.endian_set = all[i].endian != UNSAID,
				.big_endian = all[i].endian == SAID_BE,
				.policy = p,
			};
			struct vdev_format_verdict v = vdev_format_decide(&f);
			char got = v.refused != NULL ? refusal(v.refused) : letter[v.format];

			if (got != all[i].verdict[p])
				complain(&all[i], p, got);
			assert_true(v.refused != NULL || v.how != NULL);
		}
	}
}

static uint64_t
wire_bit(uint32_t formats)
{
	return (formats & MOD ? VHU_PF(FORMAT_MODERN) : 0) |
	       (formats & LE ? VHU_PF(FORMAT_LEGACY_LE) : 0) |
	       (formats & BE ? VHU_PF(FORMAT_LEGACY_BE) : 0);
}

/* A session that says it all and starts ring 1; what became of it. */
static char
negotiate(struct wire *w, const struct combination *c, int policy)
{
	const uint64_t at = OWNER_UVA;
	const struct vhu_vring_addr a = {1, 0, at, at + RING_DEVICE_OFF, at + RING_DRIVER_OFF, 0};
	const struct vdev_queue *q = &w->o.d->q[1];
	uint64_t ret;

	wire_reconnect(w, VHU_PF_ALWAYS | wire_bit(c->bit));
	vdev_set_policy(w->o.d, policy);
	assert_int_equal(wire_ask_u64(w, VHU_SET_FEATURES,
				      F(PROTOCOL_FEATURES) | (c->version_1 ? F(VERSION_1) : 0)),
			 0);
	wire_give_memory(w);
	assert_int_equal(wire_ask_state(w, VHU_SET_VRING_NUM, 1, 256), 0);
	if (c->endian != UNSAID)
		assert_int_equal(wire_ask_state(w, VHU_SET_VRING_ENDIAN, 1, c->endian == SAID_BE),
				 0);
	assert_int_equal(wire_ask(w, VHU_SET_VRING_ADDR, &a, sizeof(a)), 0);
	ret = wire_ask_u64(w, VHU_SET_VRING_KICK, 1 | VHU_VRING_NOFD);
	assert_int_equal(ret, q->running ? 0 : EPERM);
	if (!q->running)
		return refusal(wire_why(w));
	assert_non_null(w->o.rx[0]);
	assert_int_equal(w->o.rx[0]->layout, layout[q->format]);
	assert_int_equal(w->o.rx[0]->hdr_len, q->format == VDEV_MODERN ? 12 : 10);
	return letter[q->format];
}

static void
test_every_combination_on_the_wire(void **state)
{
	struct wire w;
	size_t i;
	int p;

	wire_init(&w, 0);
	for (i = 0; i < RTE_DIM(all); i++) {
		for (p = 0; p < VDEV_POLICY_NUM; p++) {
			char got;

			vdev_set_policy(w.o.d, VDEV_POLICY_ANY);
			got = negotiate(&w, &all[i], p);
			if (got != all[i].verdict[p])
				complain(&all[i], p, got);
		}
	}
	wire_fini(&w);
}

/* The query says what the port can serve, the ack must be among it and one at most. */
static void
test_query_and_ack(void **state)
{
	static const uint32_t allowed[VDEV_POLICY_NUM] = {MOD | LE | BE, MOD, LE, BE,
							  MOD | LE | BE};
	struct wire w;
	uint32_t acked;
	int p;

	wire_init(&w, VHU_PF_ALWAYS);
	for (p = 0; p < VDEV_POLICY_NUM; p++) {
		vdev_set_policy(w.o.d, p);
		assert_int_equal(vhu_offered(&w.s) & VHU_PF_FORMATS, wire_bit(allowed[p]));
		for (acked = 0; acked < 8; acked++) {
			bool fine = (acked & ~allowed[p]) == 0 && (acked & (acked - 1)) == 0;

			assert_int_equal(wire_ask_u64(&w, VHU_SET_PROTOCOL_FEATURES,
						      VHU_PF_ALWAYS | wire_bit(acked)),
					 fine ? 0 : EINVAL);
			if (fine)
				assert_int_equal(w.o.d->formats_needed, acked);
		}
	}
	wire_fini(&w);
}

/* A forced legacy port takes VERSION_1 and its company out of the offer. */
static void
test_policy_and_features(void **state)
{
	static const bool modern[VDEV_POLICY_NUM] = {true, true, false, false, true};
	uint64_t every = vdev_features_all();
	int p;

	for (p = 0; p < VDEV_POLICY_NUM; p++)
		assert_int_equal(vdev_policy_features(p, every),
				 modern[p] ? every : every & UINT32_MAX);
}

static void
test_words(void **state)
{
	enum vdev_policy p = VDEV_POLICY_ANY;
	int i;

	for (i = 0; i < VDEV_POLICY_NUM; i++) {
		assert_true(vdev_policy_parse(vdev_policy_name(i), &p));
		assert_int_equal(p, i);
	}
	assert_false(vdev_policy_parse("", &p));
	assert_false(vdev_policy_parse("modern", &p));
	assert_string_equal(vdev_format_name(VDEV_LEGACY_BE), "legacy-be");
}

/* Below 32 bits everything goes; above, VERSION_1 must be with it. */
static void
test_impossible_features(void **state)
{
	unsigned int bit;

	for (bit = 0; bit < 64; bit++) {
		bool fine = bit <= 32;

		assert_int_equal(vdev_features_check(1ull << bit) == NULL, fine);
		assert_null(vdev_features_check(1ull << bit | F(VERSION_1)));
	}
	assert_null(vdev_features_check(0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_combination),
		cmocka_unit_test(test_every_combination_on_the_wire),
		cmocka_unit_test(test_query_and_ack),
		cmocka_unit_test(test_policy_and_features),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_impossible_features),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
