/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads a recording (base/record_format.h), which may be cut off or hostile: whatever is not as it
 * should be ends the reading with a sentence. Any thread; a reader has one at a time.
 */
#ifndef BASE_RECORDING_H
#define BASE_RECORDING_H

#include <stddef.h>
#include <stdint.h>

#include "base/record_format.h"

/** A record in the byte order of the host. */
struct recording_event {
	enum record_type type;
	uint64_t when_ns; /* 0 in RECORD_BEGIN */
	union {
		struct record_begin begin;
		struct record_connect connect;
		struct record_message message;
		struct record_verdict verdict;
		struct record_lost lost;
	} u;
	struct record_fd fd[RECORD_FDS_MAX]; /* of a message */
	const uint8_t *payload;         /* of a message: u.message.size bytes; NULL: left out */
	char text[RECORD_TEXT_MAX + 1]; /* of those that have one; "" else */
};

/** The bytes of a recording, the caller's. */
struct recording {
	const uint8_t *data;
	size_t len;
	size_t at; /* of the next record */
};

/** Begin with @p len bytes of @p data. NULL, or a sentence: no recording. */
const char *recording_begin(struct recording *r, const uint8_t *data, size_t len);

/**
 * The next event. 1: it is in @p e; 0: there is no more; -1, with a sentence in *why: the rest
 * cannot be read. Records of other types are skipped where they may be.
 */
int recording_next(struct recording *r, struct recording_event *e, const char **why);

/** A whole regular file in memory, to be freed. NULL with a sentence in @p err. */
uint8_t *recording_load(const char *path, size_t *len, char *err, size_t errlen);

#endif
