/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * State as bytes and descriptors: a growing buffer, and typed records in it.
 *
 * A record is 8 bytes, little-endian - type (2), flags (1), number of descriptors (1), length (4) -
 * and its data, padded to 8 bytes. Its descriptors follow those of the record before it in a list
 * beside the bytes. A reader skips a type it does not know unless the record is flagged as one it
 * has to know; all that it reads is untrusted.
 *
 * blob_send() moves a blob over a connected unix stream socket, blob_receive() is the other end.
 * They wait for the peer up to a deadline, so they are for a process that may wait; the rest never
 * blocks. One thread at a time.
 */
#ifndef BASE_BLOB_H
#define BASE_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOB_MUST_KNOW 1u /* record flag: a reader that does not know the type refuses the blob */

#define BLOB_RECORD_FDS 253 /* descriptors of one record: what one message of a socket carries */
#define BLOB_FDS_MAX 65536  /* of a whole blob */

/** A growing buffer; zero-initialised, it is empty. */
struct blob {
	uint8_t *data;
	size_t len, room;
	int *fd; /* owned */
	uint32_t nfds, fd_room;
	bool failed; /* no memory, no descriptor or a record too large: unusable, ... */
	int error;   /* ... and which, -errno; 0: -ENOMEM */
};

/** A record as it is read, in host order. */
struct blob_record {
	uint16_t type;
	uint8_t flags; /* BLOB_*; unknown ones are ignored */
	uint32_t len;  /* of the data, without padding */
	uint8_t nfds;  /* descriptors */
};

/** Append bytes. Out of memory sets b->failed and makes later calls do nothing. */
void blob_put(struct blob *b, const void *data, size_t len);

/** Append a record without descriptors; r->nfds is ignored. */
void blob_put_record(struct blob *b, const struct blob_record *r, const void *data);

/**
 * Append a record with r->nfds <= BLOB_RECORD_FDS descriptors. They stay the caller's: the blob
 * has duplicates.
 */
void blob_put_fds(struct blob *b, const struct blob_record *r, const void *data, const int *fds);

/** Free the buffer and close its descriptors; it is empty again. */
void blob_free(struct blob *b);

/**
 * The data of the record at @p *pos <= @p len of @p p, bytes without descriptors; moves @p pos
 * behind it. NULL: it does not fit into what is there, or it has descriptors.
 */
const uint8_t *blob_next(const uint8_t *p, size_t len, size_t *pos, struct blob_record *r);

/** Reads the records of a blob, which it does not own. {.blob = b} is at the first one. */
struct blob_reader {
	struct blob *blob;
	size_t pos;
	uint32_t fds;    /* of the records read so far */
	uint32_t record; /* descriptors of the present record */
};

/**
 * The data of the next record, or NULL: at the end (r->blob has been read as a whole) or malformed;
 * blob_at_end() tells which.
 */
const uint8_t *blob_read(struct blob_reader *reader, struct blob_record *r);

/** Whether all records and all descriptors of the blob were read. */
bool blob_at_end(const struct blob_reader *reader);

/** Descriptor @p i of the present record, the caller's from now on; -1: none, or taken already. */
int blob_take_fd(struct blob_reader *reader, uint32_t i);

/** Send @p b, whole. 0 or -errno: -ETIMEDOUT after @p timeout_ms, -EPIPE; then only a part was. */
int blob_send(int sock, const struct blob *b, uint32_t timeout_ms);

/**
 * Receive into @p b, which is empty. 0 or -errno, and @p b is empty again: -ETIMEDOUT after
 * @p timeout_ms, -ECONNRESET, -EPROTO: it is not what blob_send() sends, -EFBIG: longer than
 * @p max bytes, -EMFILE: descriptors were lost since no more can be open, -ENOMEM.
 */
int blob_receive(int sock, struct blob *b, size_t max, uint32_t timeout_ms);

#endif
