/* SPDX-License-Identifier: BSD-3-Clause */
/* split_swap.c with a dirty log. */
#include "virtq/fmt.h"

static const struct vq_fmt FMT = {.packed = false, .swap = VQ_SWAP_BE, .full = true};

#include "virtq/body.h"

VQ_INSTANCE(vq_split_swap_full);
