/* SPDX-License-Identifier: BSD-3-Clause */
/* Split ring of a legacy big-endian guest. */
#include "virtq/fmt.h"

static const struct vq_fmt FMT = {.packed = false, .swap = VQ_SWAP_BE, .full = false};

#include "virtq/body.h"

VQ_INSTANCE(vq_split_swap);
