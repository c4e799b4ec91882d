/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames that can be told from others and from each other: EtherType for experiments, the number of
 * the check's process, a sequence number, and bytes that depend on both. A peer that loops frames
 * may exchange the addresses.
 */
#ifndef VQCONFORM_FRAME_H
#define VQCONFORM_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#define FRAME_MIN 60u
#define FRAME_MAX 1514u
#define FRAME_PROBE UINT32_MAX /* sequence number of those that may get lost */

/** Write frame @p seq of @p len bytes from side @p from, 0 or 1, to the other one. */
void frame_make(uint8_t *to, uint32_t len, unsigned int from, uint32_t seq);

/** Whether these bytes are a frame of this process at all, damaged or not; @p seq: its number. */
bool frame_is_ours(const uint8_t *frame, uint32_t len, uint32_t *seq);

/** The first byte that is not as it was made; @p len: none. */
uint32_t frame_damage(const uint8_t *frame, uint32_t len, uint32_t seq);

#endif
