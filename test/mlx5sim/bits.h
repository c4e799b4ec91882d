/* SPDX-License-Identifier: BSD-3-Clause */
/* Fields of firmware commands: big-endian, counted in bits from the most significant one. */
#ifndef MLX5SIM_BITS_H
#define MLX5SIM_BITS_H

#include <stdint.h>

static inline uint64_t
get(const void *p, uint32_t bit, uint32_t width)
{
	const uint8_t *b = p;
	uint64_t v = 0;

	for (uint32_t i = bit; i < bit + width; i++)
		v = v << 1 | (b[i / 8] >> (7 - i % 8) & 1);
	return v;
}

static inline void
put(void *p, uint32_t bit, uint32_t width, uint64_t v)
{
	uint8_t *b = p;

	for (uint32_t i = bit + width; i-- > bit; v >>= 1) {
		uint8_t mask = (uint8_t)(0x80 >> i % 8);

		b[i / 8] = (uint8_t)((b[i / 8] & ~mask) | (v & 1 ? mask : 0));
	}
}

#endif
