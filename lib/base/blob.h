/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * State as bytes: a growing buffer, and typed records in it.
 *
 * A record is its type, flags and length, little-endian, and its data, padded to
 * 8 bytes. A reader skips a type it does not know unless the record is flagged
 * as one it has to; what it reads is untrusted. One thread at a time.
 */
#ifndef BASE_BLOB_H
#define BASE_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOB_MUST_KNOW 1u /* record flag: a reader that does not know the type cannot go on */

/** A growing buffer. Zero-initialised is empty. */
struct blob {
	uint8_t *data;
	size_t len, room;
	bool failed; /* no memory: the contents are useless */
};

/** A record as it is read, in host order. */
struct blob_record {
	uint16_t type;
	uint16_t flags; /* BLOB_* */
	uint32_t len;   /* of the data, without padding */
};

/** Append bytes. Out of memory sets b->failed and makes later calls do nothing. */
void blob_put(struct blob *b, const void *data, size_t len);

/** Append a record. */
void blob_put_record(struct blob *b, const struct blob_record *r, const void *data);

/** Free the buffer; it is empty again. */
void blob_free(struct blob *b);

/**
 * The data of the record at @p *pos <= @p len of @p p; moves @p pos behind it. NULL: it does not
 * fit into what is there.
 */
const uint8_t *blob_next(const uint8_t *p, size_t len, size_t *pos, struct blob_record *r);

#endif
