/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The source of a post-copy migration: a guest's memory is here, and each of its pages goes to the
 * back-end when that asks for it. A thread does so, since a back-end may wait for a page before it
 * answers a message.
 */
#ifndef VQCONFORM_PAGES_H
#define VQCONFORM_PAGES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pages {
	/* fixed once pages_serve() is called */
	int uffd;
	uint64_t address; /* of the back-end's mapping */
	uint8_t *image;
	size_t size, page;
	size_t kept_first, kept_end; /* these bytes do not come */
	atomic_bool *asked;          /* by page */
	pthread_t thread;
};

/** Take the content of @p len bytes of memory out of it: then it has no pages. */
void pages_take(struct pages *p, uint8_t *memory, size_t len);

/** From now on pages come. The descriptor and the address are there. */
void pages_serve(struct pages *p);

/** Whether a page of these bytes has been asked for. */
bool pages_asked(const struct pages *p, size_t first, size_t len);

/** Bring all that have not come. */
void pages_bring_all(const struct pages *p);

#endif
