/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes down what is said on a session, into a file of the format in base/record_format.h.
 *
 * A record is handed to a lane, whose thread writes it: a slow disk holds up that thread alone, and
 * a full one loses records. Lost ones are counted in the file, once there is room again. The file
 * ends at a limit.
 *
 * Life cycle: record_open(); any of the others; record_close(). The record is freed by the lane
 * when all of it is written. Control thread. All functions but the first do nothing with NULL.
 */
#ifndef BASE_RECORD_H
#define BASE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/record_format.h"

#define RECORD_LIMIT_DEFAULT 16 /* MiB */
#define RECORD_LIMIT_MAX 65536
#define RECORD_WAITING_MAX (1u << 20) /* bytes that wait for the disk */
#define RECORD_SETTLE_MS 500          /* for the last records at the end, if the disk is slow */

struct record;

struct record_config {
	const char *path; /* absolute; copied */
	uint64_t limit;   /* bytes */
	const char *port; /* its name; copied */
	enum record_transport transport;
	uint32_t queues;
	bool later; /* record_start() makes the file: a predecessor may be writing that of now */
};

struct record_info {
	const char *path; /* valid as long as the record */
	uint64_t bytes;   /* of the file, and on their way there */
	uint64_t lost;    /* records */
	bool full;        /* the limit is reached */
	const char *why;  /* nothing is recorded; NULL: it is. Valid as long as the record */
};

/**
 * Make the file, of mode 0600. A recording at the path becomes PATH.1; a file of another kind at
 * either, a symbolic link, or one that another port writes, is an error. NULL with a sentence in
 * @p err. It may wait for the file system.
 */
struct record *record_open(const struct record_config *cfg, char *err, size_t errlen);

/**
 * Make the file now, unless there is one: events before this are not recorded. A failure is logged
 * and is record_info.why from then on. It may wait for the file system.
 */
void record_start(struct record *r);

/** The end, with @p why. Harmless with NULL. Does not wait. */
void record_close(struct record *r, const char *why);

/** A peer has come, over @p sock; -1: not over a socket. */
void record_connect(struct record *r, int sock);

/** It has left. */
void record_disconnect(struct record *r, const char *why);

/** A message, before its descriptors are used. */
struct record_said {
	enum record_channel channel;
	enum record_from from;
	uint32_t request, flags, size;
	const void *payload; /* size bytes; NULL: they are left out */
	const int *fds;      /* stay the caller's */
	uint32_t nfds;
};
void record_message(struct record *r, const struct record_said *said);

/** How the last message of the peer ended: @p error 0, or an errno and why. */
void record_verdict(struct record *r, uint32_t request, int error, const char *why);

/** False: there is none. */
bool record_get_info(const struct record *r, struct record_info *out);

/** Wait until all of all records is in their files, @p timeout_ms at most. At the program's end. */
void record_settle(uint32_t timeout_ms);

#endif
