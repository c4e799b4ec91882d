/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors kept for peers that are served already.
 *
 * A message whose descriptors find no room in the process is lost with them: a running
 * guest that only exchanges an eventfd would lose its session because others have used
 * up the limit of open files. So some descriptors are kept. They are given back to the
 * kernel before a message is read and taken again when it was handled; when that fails,
 * the message has used more descriptors than it gave back, and its session has to go. Some may be
 * missing before, for what others do: no session that uses none pays for that.
 *
 * They are open from the beginning, since the limit may be lowered at any time, and stay open
 * until it is near; only the distance is looked at. Control thread.
 */
#ifndef BASE_SPARE_H
#define BASE_SPARE_H

#include <stdbool.h>
#include <stdint.h>

/** Keep descriptors from now on, under the limit there is. Not called: none is kept. */
void spare_init(void);

/** Before descriptors may come. */
void spare_lend(void);

/** Afterwards: open what is missing. False: the limit is reached, not all are open. */
bool spare_refill(void);

/** After spare_refill(): whether there are as many as before spare_lend(). */
bool spare_repaid(void);

/** How many there were then. */
uint32_t spare_had(void);

/** How many there are. */
uint32_t spare_count(void);

/** How many are missing, lent or taken by anything else. */
uint32_t spare_missing(void);

#endif
