/* SPDX-License-Identifier: BSD-3-Clause */
/* From the syntax of a command table row to the tokens of librte_cmdline. */
#ifndef APP_CLI_SYNTAX_H
#define APP_CLI_SYNTAX_H

#include "cli.h"

/**
 * Compile one row; @p data is handed to the handler @p f. Ports can be named by the names they have
 * in @p app.
 * NULL when out of memory; aborts on a malformed syntax.
 */
cmdline_parse_inst_t *cli_compile(const struct app *app, const struct cli_row *row,
				  void (*f)(void *parsed, struct cmdline *cl, void *data),
				  void *data);
void cli_compiled_free(cmdline_parse_inst_t *inst);

#endif
