/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Guest memory that a device may still write to although it was told to stop, noted by its files: a
 * guest that connects again brings the same ones. Control thread.
 */
#ifndef VDPA_HELD_H
#define VDPA_HELD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "gmem/gmem.h"

struct held_file {
	dev_t dev;
	ino_t ino;
};

struct held {
	struct held_file file[GMEM_SLOTS_MAX];
	uint32_t n;
};

/** Note the files of @p m (NULL: none) in place of those noted before. */
void held_note(struct held *h, const struct gmem *m);

/** Whether a file of @p m (NULL: it has none) is noted. */
bool held_any(const struct held *h, const struct gmem *m);

#endif
