/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors kept for peers that are served already.
 *
 * A message whose descriptors find no room in the process is lost with them: a running
 * guest that only exchanges an eventfd would lose its session because others have used
 * up the limit of open files. So some descriptors are kept. They are given back to the
 * kernel before a message is read and taken again when it was handled; when that fails,
 * the message has used more descriptors than it gave back, and its session has to go.
 *
 * Until the limit is near, no descriptor is kept; only the distance is looked at. Control thread.
 */
#ifndef BASE_SPARE_H
#define BASE_SPARE_H

#include <stdbool.h>

/** Keep descriptors from now on, under the limit there is. Not called: none is kept. */
void spare_init(void);

/** Before descriptors may come. */
void spare_lend(void);

/** Afterwards. False: the limit is reached, not all could be taken back. */
bool spare_refill(void);

#endif
