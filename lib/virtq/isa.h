/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Instruction sets of the ring code. A program built for any machine (-Dmachine=portable) has the
 * same source compiled for wider vectors, too, and chooses by the CPU when it starts; a program
 * built for its own machine has one set only.
 */
#ifndef VIRTQ_ISA_H
#define VIRTQ_ISA_H

#include <stdbool.h>
#include <stdint.h>

enum vq_isa {
	VQ_ISA_BASE, /* the instruction set of the rest of the program; always available */
	VQ_ISA_V3,   /* x86-64-v3: AVX2 */
	VQ_ISA_V4,   /* x86-64-v4: AVX-512 */
	VQ_ISA_NUM
};

/** "base", "x86-64-v3" or "x86-64-v4". */
const char *vq_isa_name(enum vq_isa isa);

/** Whether this program has it and this CPU can run it. */
bool vq_isa_usable(enum vq_isa isa);

/** The widest usable one with vectors of at most @p bits, see rte_vect_get_max_simd_bitwidth(). */
enum vq_isa vq_isa_best(uint32_t bits);

/** Queues started from now on run @p isa, which is usable. Control, before workers run. */
void vq_isa_use(enum vq_isa isa);

#endif
