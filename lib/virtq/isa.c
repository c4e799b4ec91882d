/* SPDX-License-Identifier: BSD-3-Clause */
#include <stddef.h>

#include "virtq/internal.h"
#include "virtq/isa.h"

/* [layout][full] */
#define INSTANCES(isa)                                                             \
	{                                                                          \
		[VQ_SPLIT] = {&vq_split##isa, &vq_split_full##isa},                \
		[VQ_SPLIT_SWAP] = {&vq_split_swap##isa, &vq_split_swap_full##isa}, \
		[VQ_PACKED] = {&vq_packed##isa, &vq_packed_full##isa},             \
	}

static const struct vq_instance *const instances[VQ_ISA_NUM][VQ_LAYOUT_NUM][2] = {
	[VQ_ISA_BASE] = INSTANCES(),
#ifdef VQ_ISAS
	[VQ_ISA_V3] = INSTANCES(_v3),
	[VQ_ISA_V4] = INSTANCES(_v4),
#endif
};

static const struct {
	const char *name;
	uint32_t bits;
} isas[VQ_ISA_NUM] = {
	[VQ_ISA_BASE] = {"base", 0},
	[VQ_ISA_V3] = {"x86-64-v3", 256},
	[VQ_ISA_V4] = {"x86-64-v4", 512},
};

static enum vq_isa used = VQ_ISA_BASE; /* [ctl] */

const char *
vq_isa_name(enum vq_isa isa)
{
	return isas[isa].name;
}

/** Whether CPU and kernel have all extensions the compiler may use. */
static bool
supported(enum vq_isa isa)
{
#ifdef VQ_ISAS
	bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
		  __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
		  __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("sse4.2");
	bool v4 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
		  __builtin_cpu_supports("avx512vl");

	return isa == VQ_ISA_V3 ? v3 : v3 && v4;
#else
	return false;
#endif
}

bool
vq_isa_usable(enum vq_isa isa)
{
	return isa == VQ_ISA_BASE || supported(isa);
}

enum vq_isa
vq_isa_best(uint32_t bits)
{
	enum vq_isa isa = VQ_ISA_NUM - 1;

	while (isa > VQ_ISA_BASE && (isas[isa].bits > bits || !vq_isa_usable(isa)))
		isa--;
	return isa;
}

void
vq_isa_use(enum vq_isa isa)
{
	used = isa;
}

const struct vq_instance *
vq_instance_of(enum vq_layout layout, bool full)
{
	return instances[used][layout][full];
}
