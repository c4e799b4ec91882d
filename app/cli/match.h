/* SPDX-License-Identifier: BSD-3-Clause */
/* A line against a command of librte_cmdline's grammar, word by word. Control thread. */
#ifndef APP_CLI_MATCH_H
#define APP_CLI_MATCH_H

#include <stdbool.h>
#include <stddef.h>

#include <cmdline_parse.h>

/** How far a line agrees with a command. */
struct match {
	unsigned int n;                  /* words */
	size_t at;                       /* offset of the rest */
	cmdline_parse_token_hdr_t *next; /* NULL: the command ends */
};

/** How many blanks @p text begins with. */
size_t match_blanks(const char *text);

/** Whether a line ends at this character, as librte_cmdline sees it. */
bool match_ends_line(char c);

struct match match_command(const cmdline_parse_inst_t *inst, const char *line);

#endif
