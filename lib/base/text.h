/* SPDX-License-Identifier: BSD-3-Clause */
/* Texts of a user's, such as paths, in lines for people. Any thread. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stddef.h>

#define TEXT_SHOWN_MAX 4096 /* bytes enough for a path or a device argument */

/**
 * @p text with "\xHH" in place of each byte that would break a line or drive a terminal: @p text
 * itself if there is none, else @p buf of @p len bytes, in which a longer text is cut.
 */
const char *text_shown(const char *text, char *buf, size_t len);

/** The same, and in place of each byte beyond ASCII: for readers that take UTF-8 only. */
const char *text_ascii(const char *text, char *buf, size_t len);

#endif
