/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The datapath of a virtqueue, device side. An instance is a file that defines
 * FMT, its constant format, includes this one and names the result with
 * VQ_INSTANCE(). Everything that depends on the format is decided when it is
 * compiled.
 */
#ifndef VIRTQ_BODY_H
#define VIRTQ_BODY_H

#include "virtq/ring.h"

#include "virtq/chain.h"

#include "virtq/publish.h"

#include "virtq/rx.h"

#include "virtq/tx.h"

/* The suffix of names built for one instruction set, see isa.h. */
#ifndef VQ_ISA
#define VQ_ISA
#endif
#define VQ_PASTE(name, isa) name##isa
#define VQ_NAME(name, isa) VQ_PASTE(name, isa)

#define VQ_INSTANCE(name)                                                              \
	const struct vq_instance VQ_NAME(name, VQ_ISA) = {                             \
		.rx = {.rx = rx_burst,                                                 \
		       .rx_done = rx_release,                                          \
		       .arm = publish_arm,                                             \
		       .disarm = publish_disarm,                                       \
		       .notify = publish_deferred},                                    \
		.tx = {.tx = tx_burst, .flush = tx_flush, .notify = publish_deferred}, \
		.set_notify = publish_set_notify,                                      \
		.mark = publish_mark,                                                  \
	}

#endif
