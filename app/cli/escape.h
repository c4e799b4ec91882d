/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any text as an argument of a command. A command line ends at '#' and at a
 * newline, and blanks separate its words; in an argument "\xHH" stands for the
 * byte with that number and "\\" for a backslash, every other backslash for itself.
 */
#ifndef APP_CLI_ESCAPE_H
#define APP_CLI_ESCAPE_H

#include <stdbool.h>
#include <stdio.h>

/** Print @p text so that it is one argument. */
void cli_escape(FILE *out, const char *text);

/** Undo it in place. False: a NUL would be in it. */
bool cli_unescape(char *text);

#endif
