/* SPDX-License-Identifier: BSD-3-Clause */
/* Completion for clients of the control socket; the prompt has librte_cmdline's. Control thread. */
#ifndef APP_CLI_COMPLETE_H
#define APP_CLI_COMPLETE_H

#include <stdio.h>

#include <cmdline_parse.h>

/**
 * Write the words that may follow the words of @p line, each on a line of its own: those of the
 * grammar, and those of arguments that have names, such as ports. @p grammar ends with NULL.
 */
void complete_line(cmdline_parse_ctx_t *grammar, const char *line, FILE *out);

#endif
