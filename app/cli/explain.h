/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mistyped lines: a last command of the grammar that takes what no other command
 * does and tells the wrong word and the words expected in its place. librte_cmdline
 * alone says "Bad arguments". Control thread.
 */
#ifndef APP_CLI_EXPLAIN_H
#define APP_CLI_EXPLAIN_H

#include <stdio.h>

#include <cmdline_parse.h>

struct explain;

/**
 * For a grammar that ends with NULL and whose last command explain_inst() becomes. @p f is called
 * with @p data for a mistyped line. NULL: out of memory.
 */
struct explain *explain_new(cmdline_parse_ctx_t *grammar,
			    void (*f)(void *parsed, struct cmdline *cl, void *data), void *data);
cmdline_parse_inst_t *explain_inst(struct explain *x);
void explain_free(struct explain *x);

/** Write a line about the one that @p f was called for. */
void explain_print(const struct explain *x, FILE *out);

#endif
