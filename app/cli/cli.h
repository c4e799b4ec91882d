/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line interface: one table row per command.
 *
 * A row's syntax is what "help" prints, and the grammar itself:
 *
 *     show port (info|stats|summary|xstats) (port_id|all)
 *
 * A bare word stands for itself, (a|b) for one of several words, and (name) for
 * an argument whose kind is looked up in the table of syntax.c: a number,
 * a port, an address ... librte_cmdline does the rest: parsing, completion,
 * history, the help shown on TAB.
 *
 * Handlers run on the control thread, write to c->out, and return at once; what
 * takes time goes on in a struct wait.
 */
#ifndef APP_CLI_CLI_H
#define APP_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmdline_parse.h>
#include <cmdline_parse_string.h>

#include <jansson.h>
#include <rte_ether.h>

struct app;
struct cli;
struct port;
struct wait;

#define CLI_WORDS_MAX 24
#define CLI_PORT_ALL UINT64_MAX /* no number a port can have */

/** One word of a command line as parsed. */
union cli_word {
	cmdline_fixed_string_t str;
	uint64_t num; /* numbers; ports, CLI_PORT_ALL for "all" */
	struct rte_ether_addr mac;
};

/** A line as librte_cmdline parses it: word i of the command, and the text behind the last one. */
struct cli_words {
	union cli_word w[CLI_WORDS_MAX];
	cmdline_multi_string_t rest;
};

/** A command being executed. */
struct cmd {
	struct app *app;
	struct cli *cli;
	FILE *out;
	const struct cli_row *row;
	const struct cli_words *words;
	bool failed; /* what "vqsctl" exits with */
};

typedef void (*cli_fn)(struct cmd *c);

struct cli_row {
	const char *syntax;
	cli_fn fn;
	const char *help;  /* one or more lines; NULL: not listed by "help" */
	const char *reply; /* of cmd_reply() */
};

/** A group of commands under one heading of "help". */
struct cli_section {
	const char *name;    /* "help NAME" */
	const char *title;   /* heading */
	const char *summary; /* what "help" says about it */
	const struct cli_row *rows;
	size_t n;
};

extern const struct cli_section cli_control, cli_display, cli_config, cli_ports, cli_offload,
	cli_switching, cli_workers, cli_vlans, cli_tunnels, cli_limits, cli_guards, cli_acls,
	cli_conntrack, cli_snooping, cli_mirrors, cli_states, cli_json, cli_dpdk, cli_vdpa,
	cli_sflow, cli_upgrade, cli_events;

/* --- what handlers use --- */

static inline const char *
cmd_str(const struct cmd *c, unsigned int word)
{
	return c->words->w[word].str;
}

static inline uint64_t
cmd_num(const struct cmd *c, unsigned int word)
{
	return c->words->w[word].num;
}

/**
 * Number of word @p word among the @p n alternatives of its row's syntax, "(info|stats)", from 0.
 * Tables of them are in that order.
 */
unsigned int cmd_choice(const struct cmd *c, unsigned int word, unsigned int n);

/** Whether word @p word is the first of two alternatives: "(on|off)", "(up|down)". */
static inline bool
cmd_on(const struct cmd *c, unsigned int word)
{
	return cmd_choice(c, word, 2) == 0;
}

/** Whether word @p word is the one that may stand instead of a text: "(name|all)". */
static inline bool
cmd_instead(const struct cmd *c, unsigned int word)
{
	return cmd_str(c, word)[0] == '\0';
}

/** Write to the command's output. */
void cmd_print(struct cmd *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** The same, and the command has failed. */
void cmd_fail(struct cmd *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** The command has failed if @p ret is -errno: "Refused: " and its text. */
void cmd_result(struct cmd *c, int ret);

/**
 * Under the name of testpmd some settings wait for "stop": true, and the command has failed with
 * line @p text, while frames are forwarded there.
 */
bool cmd_must_stop(struct cmd *c, const char *text);

/** Print a JSON value and release it; NULL: out of memory, the command has failed. */
void cmd_json(struct cmd *c, json_t *value);

/** The same for what @p fn reports of the port at @p word, or of each, in an array, for "all". */
void cmd_json_ports(struct cmd *c, unsigned int word,
		    json_t *(*fn)(struct cmd *c, const struct port *p));

/**
 * The command has failed: @p given, which the grammar lets through, is none of what is @p expected.
 * Under the name of testpmd that is said in its words.
 */
void cmd_bad_argument(struct cmd *c, const char *given, const char *expected);

/** The port a command names at @p word; NULL after "Invalid port N" was written. */
struct port *cmd_port(struct cmd *c, unsigned int word);

/**
 * The same for a command that sets something. The end of a tunnel is refused, too: its settings are
 * its VNI's, and "show config" has the VNI only.
 */
struct port *cmd_settable_port(struct cmd *c, unsigned int word);

/** Call @p fn for the port at @p word, or for each when it says "all". False: no such port. */
bool cmd_each_port(struct cmd *c, unsigned int word, void (*fn)(struct cmd *c, struct port *p));

/**
 * A handler for what has one answer here: writes row->reply, $N standing for the
 * number at word N. A port the syntax names must exist.
 */
void cmd_reply(struct cmd *c);

/** The same, and the command has failed. */
void cmd_refuse(struct cmd *c);

/**
 * What the command may go on with after its handler has returned (wait_start());
 * NULL after a refusal was written: a command file is executed in one go.
 */
struct wait *cmd_wait(struct cmd *c);

/**
 * The same for what a client of the control socket is told in parts; NULL: it is told at once, at
 * the prompt or in a file.
 */
struct wait *cmd_parts(struct cmd *c);

/* --- the interpreter --- */

/** Build the grammar. NULL when out of memory; a row that cannot be parsed is a bug and aborts. */
struct cli *cli_new(struct app *app);
void cli_free(struct cli *cli);

/**
 * Prompt on standard input and output, inside the event loop. The terminal is
 * put into raw mode and restored by cli_free(); input typed ahead is kept. The
 * end of the input ends the program like "quit". 0 or -errno.
 */
int cli_prompt(struct cli *cli);

/** The words that may follow those of @p line, each on a line of @p out. */
void cli_complete(const struct cli *cli, const char *line, FILE *out);

/** Execute one command line, output to @p out. False: not understood, or it failed. */
bool cli_run_line(struct cli *cli, const char *line, FILE *out);

/**
 * The same for a client that can wait: with wait_active(@p wait) on return the command
 * goes on and wait->done tells how it ended. @p out and @p wait are kept until then.
 */
bool cli_run_waiting(struct cli *cli, const char *line, FILE *out, struct wait *wait);

/**
 * Execute the commands in @p path, output to @p out: of a file those it has now, whatever is
 * written to it meanwhile; of a pipe all. 0 or -errno: it cannot be read, has more than 4 MiB, is a
 * device, or a command was not understood or failed (-EINVAL; the others are done).
 */
int cli_run_file(struct cli *cli, const char *path, FILE *out);

/** The same while the switch runs, of a regular file only: no peer waits for a pipe's writer. */
int cli_load(struct cli *cli, const char *path, FILE *out);

/** The same with @p text, which was read from @p path. */
int cli_run_text(struct cli *cli, const char *text, const char *path, FILE *out);

/** The work of "quit": no further input is read and the loop ends. */
void cli_quit(struct cli *cli);

/** Every command as a page of documentation. Needs no interpreter, nor EAL. */
void cli_print_reference(FILE *out);

/** Name of the i-th section of the help, NULL past the last one. */
const char *cli_section_name(size_t i);

/** Print "help" for one section, or the list of sections (NULL). */
void cli_help(const struct cli *cli, FILE *out, const char *section);

#endif
