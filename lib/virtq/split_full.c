/* SPDX-License-Identifier: BSD-3-Clause */
/* split_plain.c behind an IOMMU or with a dirty log. */
#include "virtq/fmt.h"

static const struct vq_fmt FMT = {.packed = false, .swap = VQ_SWAP_LE, .full = true};

#include "virtq/body.h"

VQ_INSTANCE(vq_split_full);
