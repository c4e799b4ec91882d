/* SPDX-License-Identifier: BSD-3-Clause */
/* Split ring, little-endian: modern devices, and legacy ones of little-endian guests. */
#include "virtq/fmt.h"

static const struct vq_fmt FMT = {.packed = false, .swap = VQ_SWAP_LE, .full = false};

#include "virtq/body.h"

VQ_INSTANCE(vq_split);
