/* SPDX-License-Identifier: BSD-3-Clause */
/* Packed ring; always modern, so always little-endian. */
#include "virtq/fmt.h"

static const struct vq_fmt FMT = {.packed = true, .swap = VQ_SWAP_LE, .full = false};

#include "virtq/body.h"

VQ_INSTANCE(vq_packed);
