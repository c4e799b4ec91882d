/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * A record of the state that a predecessor hands over (app/upgrade.h), being read.
 *
 * Types by their reader: up to 0xff the program, 0x100 the switch, 0x200 a device, 0x300 a
 * transport. Numbers are in host byte order. All that is read is untrusted as far as sizes, indices
 * and numbers go.
 */
#ifndef PKT_HAND_H
#define PKT_HAND_H

#include "base/blob.h"

struct legend;

struct hand_record {
	struct blob_record r;
	const void *data;            /* of r.len bytes, of any alignment */
	struct blob_reader *reader;  /* at it, for its descriptors */
	const struct legend *legend; /* of counters in it */
};

/** Copy the record's first @p len bytes to @p out. False: it is shorter; it may be longer. */
bool hand_get(const struct hand_record *h, void *out, uint32_t len);

/** Append a record that its reader has to know, without descriptors. */
void hand_put(struct blob *b, uint16_t type, const void *data, size_t len);

#endif
