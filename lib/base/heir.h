/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors that outlive the process: listening sockets, locked files.
 *
 * Code that opens one under a name, its path, notes it here; a successor that is to go on with the
 * running switch (app/upgrade.h) gets all that are noted, and the same code finds them by name
 * instead of opening anew what its predecessor still has. Control thread only.
 */
#ifndef BASE_HEIR_H
#define BASE_HEIR_H

#include <stdbool.h>
#include <stdint.h>

struct blob;
struct blob_reader;

/** Open descriptor @p fd, which stays the caller's, has that name. Out of memory it has none. */
void heir_note(const char *name, int fd);

/** @p fd is about to be closed. Harmless when it was not noted. */
void heir_forget(int fd);

/** The predecessor's descriptor of that name, the caller's from now on; -1: there is none. */
int heir_take(const char *name);

/** Append a record of @p type for each that is noted, and a duplicate of the descriptor. */
void heir_save(struct blob *b, uint16_t type);

/**
 * Keep descriptor 0 of the present record of @p r under the name of @p len bytes at @p name.
 * False: it is no name, there is no descriptor, or no memory.
 */
bool heir_load(struct blob_reader *r, const void *name, uint32_t len);

/**
 * The predecessor may still go on: what has the names of its descriptors is not to be removed. From
 * heir_load() to heir_close_rest().
 */
bool heir_pending(void);

/** This process has taken over: close those that no code has taken. */
void heir_close_rest(void);

#endif
