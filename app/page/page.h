/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The files of the page that the metrics listener serves to browsers: those of this folder, which
 * embed.py makes part of the program. Immutable; any thread.
 */
#ifndef APP_PAGE_PAGE_H
#define APP_PAGE_PAGE_H

#include <stddef.h>

struct page_file {
	const char *path; /* "/page.js"; of the page itself "/" */
	const char *type; /* media type */
	const unsigned char *data;
	size_t len;
};

/** Ends with a path of NULL. */
extern const struct page_file page_files[];

#endif
