/* SPDX-License-Identifier: BSD-3-Clause */
/* packed_plain.c behind an IOMMU or with a dirty log. */
#include "virtq/fmt.h"

static const struct vq_fmt FMT = {.packed = true, .swap = VQ_SWAP_LE, .full = true};

#include "virtq/body.h"

VQ_INSTANCE(vq_packed_full);
