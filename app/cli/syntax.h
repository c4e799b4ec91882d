/* SPDX-License-Identifier: BSD-3-Clause */
/* From the syntax of a command table row to the tokens of librte_cmdline. */
#ifndef APP_CLI_SYNTAX_H
#define APP_CLI_SYNTAX_H

#include "cli.h"

/**
 * Compile one row; @p data is handed to the handler @p f.
 * NULL when out of memory; aborts on a malformed syntax.
 */
cmdline_parse_inst_t *cli_compile(const struct cli_row *row,
				  void (*f)(void *parsed, struct cmdline *cl, void *data),
				  void *data);
void cli_compiled_free(cmdline_parse_inst_t *inst);

#endif
