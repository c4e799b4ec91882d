/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counting and copying bursts: the fast ways against the obvious ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "frame.h"
#include "pkt/copy.h"
#include "pkt/pktq.h"

#define ROUNDS 5000
#define COPY_MAX 700
#define EDGE 64

/* A burst of one size, of one size but for a frame, or of any. */
static void
make_sizes(uint32_t *len, uint16_t n)
{
	uint32_t kind = frame_rnd(3), one = frame_rnd(1600);

	for (uint16_t i = 0; i < n; i++)
		len[i] = kind == 2 ? frame_rnd(70000) : one;
	if (kind == 1 && n > 0)
		len[frame_rnd(n)] = frame_rnd(1600);
}

static void
test_count_sizes(void **state)
{
	struct pktq_stats fast = {0}, plain = {0};
	uint32_t len[PKT_BATCH_MAX], copy[PKT_BATCH_MAX];

	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint16_t n = (uint16_t)frame_rnd(PKT_BATCH_MAX + 1);

		make_sizes(len, n);
		memset(copy, 0xff, sizeof(copy));
		memcpy(copy, len, n * sizeof(len[0]));
		pktq_count_sizes(&fast, copy, n);
		for (uint16_t i = 0; i < n; i++) {
			plain.bytes += len[i];
			plain.size[pktq_size_bin(len[i])]++;
		}
		assert_memory_equal(&fast, &plain, sizeof(plain));
	}
}

/* Every length at every alignment of both sides, and not a byte beyond. */
static void
test_copy_bytes(void **state)
{
	static uint8_t src[COPY_MAX + 2 * EDGE], dst[COPY_MAX + 2 * EDGE];

	for (size_t i = 0; i < sizeof(src); i++)
		src[i] = (uint8_t)(i % 251 + 1);
	for (uint32_t n = 0; n < COPY_MAX; n++) {
		uint32_t from = frame_rnd(EDGE), to = frame_rnd(EDGE);

		memset(dst, 0, sizeof(dst));
		pkt_copy_bytes(dst + to, src + from, n);
		assert_memory_equal(dst + to, src + from, n);
		for (uint32_t i = 0; i < sizeof(dst); i++)
			if (i < to || i >= to + n)
				assert_int_equal(dst[i], 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_count_sizes),
		cmocka_unit_test(test_copy_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
