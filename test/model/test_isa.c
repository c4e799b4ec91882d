/* SPDX-License-Identifier: BSD-3-Clause */
/* Which instruction set the ring code is taken from; test_model_frames runs each of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "virtq/internal.h"
#include "virtq/isa.h"

static void
base_needs_no_vectors(void **state)
{
	assert_true(vq_isa_usable(VQ_ISA_BASE));
	assert_int_equal(vq_isa_best(0), VQ_ISA_BASE);
	assert_int_equal(vq_isa_best(128), VQ_ISA_BASE);
	assert_string_equal(vq_isa_name(VQ_ISA_BASE), "base");
}

/** The widest of the usable ones, and never one that is wider than allowed. */
static void
width_is_respected(void **state)
{
	const enum vq_isa v3 = vq_isa_usable(VQ_ISA_V3) ? VQ_ISA_V3 : VQ_ISA_BASE;
	const enum vq_isa v4 = vq_isa_usable(VQ_ISA_V4) ? VQ_ISA_V4 : v3;

	assert_int_equal(vq_isa_best(255), VQ_ISA_BASE);
	assert_int_equal(vq_isa_best(256), v3);
	assert_int_equal(vq_isa_best(511), v3);
	assert_int_equal(vq_isa_best(512), v4);
	assert_int_equal(vq_isa_best(UINT32_MAX), v4);
}

/** Each has code of its own for each kind of ring. */
static void
every_usable_one_is_whole(void **state)
{
	const struct vq_instance *seen[VQ_ISA_NUM * VQ_LAYOUT_NUM * 2];
	size_t n = 0;

	for (enum vq_isa isa = VQ_ISA_BASE; isa < VQ_ISA_NUM; isa++) {
		if (!vq_isa_usable(isa))
			continue;
		vq_isa_use(isa);
		for (unsigned int i = 0; i < VQ_LAYOUT_NUM * 2; i++) {
			seen[n] = vq_instance_of(i / 2, i % 2);
			assert_non_null(seen[n]);
			for (size_t k = 0; k < n; k++)
				assert_ptr_not_equal(seen[k], seen[n]);
			n++;
		}
	}
	vq_isa_use(VQ_ISA_BASE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base_needs_no_vectors),
		cmocka_unit_test(width_is_respected),
		cmocka_unit_test(every_usable_one_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
