/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Views: all that "show ... json" prints which may be large, and what the page of the metrics
 * listener asks for. A view is made in parts, an item or a port at a time: ten thousands of
 * addresses are megabytes, and other clients wait. Each part is of one moment; ports and addresses
 * may come and go between parts. Control thread.
 */
#ifndef APP_SHOW_VIEW_H
#define APP_SHOW_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct app;
struct view;

/**
 * Begin the view that @p words name, those between "show" and "json" with '/' between them:
 * "port/stats/all", "port/3/negotiation", "fdb". Ports are numbers or "all". NULL with errno:
 * ENOENT (no such view, or port), ENOMEM. Ends with view_free().
 */
struct view *view_new(struct app *app, const char *words);
void view_free(struct view *v); /* NULL is fine */

/** The next bytes of it, @p max at most, to @p buf. Returns how many, 0: the end, -1: no memory. */
ssize_t view_read(struct view *v, char *buf, size_t max);

#endif
