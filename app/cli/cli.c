/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <bsd/string.h>

#include <cmdline.h>
#include <cmdline_rdline.h>

#include "app.h"
#include "ctl.h"
#include "kept_config.h"
#include "base/ev.h"
#include "base/log.h"
#include "complete.h"
#include "explain.h"
#include "syntax.h"
#include "wait.h"

#define CLI_LINE_MAX 8192 /* librte_cmdline takes an argument of 4095 */
#define TYPED_MAX 4096
#define CTRL_C 0x03
#define FILE_PAUSE_MS 20 /* between two looks whether the next line may be read */
#define FILES_MAX 8      /* a file that loads itself comes to an end */
#define FILE_BYTES_MAX (4u << 20)

/** A row of a table together with the interpreter it runs in. */
struct bound {
	struct cli *cli;
	const struct cli_row *row;
};

struct cli {
	struct app *app;
	cmdline_parse_ctx_t *grammar; /* ends with NULL */
	struct bound *bound;
	struct explain *mistyped; /* NULL under the name of testpmd, whose answers are fixed */
	struct cmdline *batch;    /* for commands that do not come from the prompt */
	struct cmdline *prompt;   /* NULL: none */
	bool raw;                 /* the terminal was changed */
	struct termios cooked;    /* what it was */
	struct ev_source input;
	struct ev_timer file_input; /* standard input that epoll cannot watch */
	FILE *out;                  /* where the current command writes */
	bool failed;                /* a command of the current line has */
	unsigned int depth;         /* files being executed, one from within the other */
	struct wait *may_wait;      /* the current command; NULL: it must not */
	struct wait wait;           /* of the prompt */
	char typed[TYPED_MAX];      /* while a command at the prompt waits */
	size_t ntyped;
	bool ended; /* there is no more input */
	struct log_limit log_limit;
};

static const struct cli_section *const sections[] = {
	&cli_control,   &cli_display,  &cli_config,  &cli_ports,  &cli_offload, &cli_switching,
	&cli_workers,   &cli_vlans,    &cli_tunnels, &cli_limits, &cli_guards,  &cli_acls,
	&cli_conntrack, &cli_snooping, &cli_mirrors, &cli_sflow,  &cli_states,  &cli_json,
	&cli_dpdk,      &cli_vdpa,     &cli_upgrade, &cli_events,
};

/* --- running a command --- */

/* Commands that leave the configuration as it is need not have it compared. */
static bool
only_looks(const struct cli_row *row)
{
	static const char *const words[] = {"show ", "dump", "help", "wait ", "why ", "save "};

	for (size_t i = 0; i < RTE_DIM(words); i++)
		if (strncmp(row->syntax, words[i], strlen(words[i])) == 0)
			return true;
	return false;
}

static void
run(void *parsed, struct cmdline *cl, void *data)
{
	struct bound *b = data;
	struct cmd c = {
		.app = b->cli->app,
		.cli = b->cli,
		.out = b->cli->out,
		.row = b->row,
		.words = parsed,
	};

	b->row->fn(&c);
	fflush(c.out);
	/* no prompt as long as the command is not done */
	if (wait_active(&b->cli->wait) && b->cli->prompt == cl)
		cmdline_set_prompt(cl, "");
	b->cli->failed |= c.failed;
	if (!only_looks(b->row))
		kept_config_touch(c.app->kept);
}

struct wait *
cmd_wait(struct cmd *c)
{
	if (c->cli->may_wait == NULL)
		cmd_fail(c, "A file of commands cannot wait\n");
	return c->cli->may_wait;
}

struct wait *
cmd_parts(struct cmd *c)
{
	struct wait *w = c->cli->may_wait;

	return w != NULL && w->client != NULL ? w : NULL;
}

void
cmd_print(struct cmd *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(c->out, fmt, ap);
	va_end(ap);
}

void
cmd_fail(struct cmd *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(c->out, fmt, ap);
	va_end(ap);
	c->failed = true;
}

void
cmd_result(struct cmd *c, int ret)
{
	if (ret != 0)
		cmd_fail(c, "Refused: %s\n", strerror(-ret));
}

bool
cmd_must_stop(struct cmd *c, const char *text)
{
	bool refused = c->app->testpmd && c->app->sw.forwarding;

	if (refused)
		cmd_fail(c, "%s\n", text);
	return refused;
}

void
cmd_bad_argument(struct cmd *c, const char *given, const char *expected)
{
	if (c->app->testpmd)
		cmd_fail(c, "Bad arguments\n");
	else
		cmd_fail(c, "Bad arguments: '%s': expected %s\n", given, expected);
}

struct port *
cmd_port(struct cmd *c, unsigned int word)
{
	struct port *p = app_port(c->app, cmd_num(c, word));

	if (p == NULL)
		cmd_fail(c, "Invalid port %" PRIu64 "\n", cmd_num(c, word));
	return p;
}

struct port *
cmd_settable_port(struct cmd *c, unsigned int word)
{
	struct port *p = cmd_port(c, word);

	if (p == NULL || !p->tunnel)
		return p;
	cmd_fail(c, "Port %u is the end of a tunnel: its settings are those of its VNI\n", p->id);
	return NULL;
}

bool
cmd_each_port(struct cmd *c, unsigned int word, void (*fn)(struct cmd *c, struct port *p))
{
	struct port *p;

	if (cmd_num(c, word) == CLI_PORT_ALL) {
		for (uint16_t id = 0; id < c->app->sw.nports; id++) {
			p = app_port(c->app, id);
			if (p != NULL)
				fn(c, p);
		}
		return true;
	}
	p = cmd_port(c, word);
	if (p != NULL)
		fn(c, p);
	return p != NULL;
}

unsigned int
cmd_choice(const struct cmd *c, unsigned int word, unsigned int n)
{
	const char *s = c->row->syntax, *text = cmd_str(c, word);
	unsigned int i = 0, found = n;
	size_t len;

	while (word-- > 0)
		s = strchr(s, ' ') + 1;
	do {
		len = strcspn(++s, "|)");
		if (strlen(text) == len && memcmp(text, s, len) == 0)
			found = i;
		i++;
		s += len;
	} while (*s == '|');
	RTE_VERIFY(i == n && found < n);
	return found;
}

/* Index of the word that is @p word in @p syntax, or -1. */
static int
find_word(const char *syntax, const char *word)
{
	const char *at = strstr(syntax, word);
	int n = 0;

	for (const char *s = syntax; at != NULL && s < at; s++)
		n += *s == ' ';
	return at != NULL ? n : -1;
}

void
cmd_reply(struct cmd *c)
{
	int word = find_word(c->row->syntax, "(port_id");

	if (word >= 0 && cmd_num(c, (unsigned int)word) != CLI_PORT_ALL &&
	    cmd_port(c, (unsigned int)word) == NULL)
		return;
	for (const char *s = c->row->reply; *s != '\0'; s++) {
		if (*s == '$')
			cmd_print(c, "%" PRIu64, cmd_num(c, (unsigned int)(*++s - '0')));
		else
			fputc(*s, c->out);
	}
}

void
cmd_refuse(struct cmd *c)
{
	c->failed = true;
	cmd_reply(c);
}

/* --- the grammar --- */

static size_t
count_rows(void)
{
	size_t n = 0;

	for (size_t s = 0; s < RTE_DIM(sections); s++)
		n += sections[s]->n;
	return n;
}

static void
run_mistyped(void *parsed, struct cmdline *cl, void *data)
{
	struct cli *cli = data;

	explain_print(cli->mistyped, cli->out);
	fflush(cli->out);
	cli->failed = true;
}

/* The command behind the last row. */
static bool
build_mistyped(struct cli *cli, size_t last)
{
	if (cli->app->testpmd)
		return true;
	cli->mistyped = explain_new(cli->grammar, run_mistyped, cli);
	if (cli->mistyped == NULL)
		return false;
	cli->grammar[last] = explain_inst(cli->mistyped);
	return true;
}

static bool
build_grammar(struct cli *cli)
{
	size_t n = count_rows(), i = 0;

	cli->grammar = calloc(n + 2, sizeof(*cli->grammar));
	cli->bound = calloc(n, sizeof(*cli->bound));
	if (cli->grammar == NULL || cli->bound == NULL)
		return false;
	for (size_t s = 0; s < RTE_DIM(sections); s++) {
		for (size_t r = 0; r < sections[s]->n; r++, i++) {
			cli->bound[i] = (struct bound){cli, &sections[s]->rows[r]};
			cli->grammar[i] =
				cli_compile(cli->app, cli->bound[i].row, run, &cli->bound[i]);
			if (cli->grammar[i] == NULL)
				return false;
		}
	}
	return build_mistyped(cli, i);
}

struct cli *
cli_new(struct app *app)
{
	struct cli *cli = calloc(1, sizeof(*cli));

	if (cli == NULL)
		return NULL;
	cli->app = app;
	cli->out = stdout;
	cli->input.fd = STDIN_FILENO;
	if (build_grammar(cli))
		cli->batch = cmdline_new(cli->grammar, "", -1, -1);
	if (cli->batch == NULL) {
		cli_free(cli);
		return NULL;
	}
	return cli;
}

void
cli_free(struct cli *cli)
{
	ev_del(&cli->input);
	ev_timer_cancel(&cli->file_input);
	wait_drop(&cli->wait);
	cmdline_free(cli->prompt);
	if (cli->raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &cli->cooked);
	cmdline_free(cli->batch);
	for (size_t i = 0; i < count_rows() && cli->grammar != NULL; i++)
		if (cli->grammar[i] != NULL)
			cli_compiled_free(cli->grammar[i]);
	explain_free(cli->mistyped);
	free(cli->grammar);
	free(cli->bound);
	free(cli);
}

/* --- where commands come from --- */

void
cli_quit(struct cli *cli)
{
	if (cli->prompt != NULL)
		cmdline_quit(cli->prompt);
	ctl_quit(cli->app);
}

/*
 * While a command waits, what is typed is kept; ^C ends the waiting, and is not
 * for the command that was typed behind it.
 */
static int
take(struct cli *cli, char c)
{
	if (!wait_active(&cli->wait))
		return cmdline_in(cli->prompt, &c, 1);
	if (c == CTRL_C)
		wait_cancel(&cli->wait);
	else if (cli->ntyped < TYPED_MAX)
		cli->typed[cli->ntyped++] = c;
	return 0;
}

/* The prompt comes back, and what was typed meanwhile is obeyed. */
static void
on_waited(struct wait *w, bool ok)
{
	struct cli *cli = container_of(w, struct cli, wait);
	size_t i = 0;

	cmdline_set_prompt(cli->prompt, app_prompt(cli->app));
	rdline_newline(cmdline_get_rdline(cli->prompt), app_prompt(cli->app));
	while (i < cli->ntyped && !wait_active(w))
		if (cmdline_in(cli->prompt, &cli->typed[i++], 1) < 0)
			break;
	cli->ntyped -= i;
	memmove(cli->typed, cli->typed + i, cli->ntyped);
	if (cli->ended && !wait_active(w))
		cli_quit(cli);
}

/*
 * One byte at a time, so that input behind "quit" is left to the program that
 * reads the terminal next. False: the input has ended.
 */
static bool
read_input(struct cli *cli)
{
	char c;
	ssize_t n = read(cli->input.fd, &c, 1);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	return n == 1 && take(cli, c) >= 0;
}

static void
on_input(struct ev_source *src, uint32_t events)
{
	struct cli *cli = container_of(src, struct cli, input);

	if (read_input(cli))
		return;
	ev_del(src);
	cli->ended = true;
	if (!wait_active(&cli->wait))
		cli_quit(cli);
}

/* A file or /dev/null: always readable, and refused by epoll for it. */
static void
on_file_input(struct ev_timer *t)
{
	struct cli *cli = container_of(t, struct cli, file_input);

	if (wait_active(&cli->wait))
		ev_timer_arm(cli->app->loop, t, FILE_PAUSE_MS);
	else if (read_input(cli))
		ev_timer_arm(cli->app->loop, t, 0);
	else
		cli_quit(cli);
}

/*
 * Input is echoed by the line editor when it consumes it. Input typed ahead
 * stays (TCSANOW), and output is left alone: lines end with CR LF.
 */
static void
make_raw(struct cli *cli)
{
	struct termios t;

	if (tcgetattr(STDIN_FILENO, &cli->cooked) != 0)
		return; /* not a terminal */
	t = cli->cooked;
	t.c_lflag &= (tcflag_t) ~(ICANON | ECHO | ISIG);
	cli->raw = tcsetattr(STDIN_FILENO, TCSANOW, &t) == 0;
}

int
cli_prompt(struct cli *cli)
{
	int ret;

	/* before the prompt is seen: what is typed then must not be echoed by the terminal */
	make_raw(cli);
	cli->prompt = cmdline_new(cli->grammar, app_prompt(cli->app), STDIN_FILENO, STDOUT_FILENO);
	if (cli->prompt == NULL)
		return -ENOMEM;
	cli->wait = (struct wait){.out = stdout, .seen = true, .done = on_waited};
	cli->may_wait = &cli->wait;
	cli->input.cb = on_input;
	cli->file_input.cb = on_file_input;
	ret = ev_add(cli->app->loop, &cli->input, EPOLLIN);
	if (ret != -EPERM)
		return ret;
	ev_timer_arm(cli->app->loop, &cli->file_input, 0);
	return 0;
}

static const char *
parse_error(int status)
{
	switch (status) {
	case CMDLINE_PARSE_AMBIGUOUS:
		return "Ambiguous command";
	case CMDLINE_PARSE_NOMATCH:
		return "Command not found";
	case CMDLINE_PARSE_BAD_ARGS:
		return "Bad arguments";
	}
	return NULL;
}

/** Its length without the end of the line; -1: more is behind that, which would not be run. */
static int
line_len(const char *line)
{
	const size_t len = strcspn(line, "\r\n"), end = strspn(line + len, "\r\n");

	return line[len + end] == '\0' ? (int)len : -1;
}

bool
cli_run_waiting(struct cli *cli, const char *line, FILE *out, struct wait *wait)
{
	struct wait *may_wait = cli->may_wait;
	char text[CLI_LINE_MAX];
	const int len = line_len(line);
	FILE *before = cli->out;
	const char *err;

	if (len < 0) {
		fputs("Bad arguments: there is a carriage return within the line\n", out);
		return false;
	}
	/* librte_cmdline wants the newline */
	if ((size_t)snprintf(text, sizeof(text), "%.*s\n", len, line) >= sizeof(text)) {
		fputs("Line too long\n", out);
		return false;
	}
	cli->out = out;
	cli->may_wait = wait;
	cli->failed = false;
	err = parse_error(cmdline_parse(cli->batch, text));
	cli->out = before;
	cli->may_wait = may_wait;
	if (err != NULL)
		fprintf(out, "%s\n", err);
	return err == NULL && !cli->failed;
}

void
cli_complete(const struct cli *cli, const char *line, FILE *out)
{
	complete_line(cli->grammar, line, out);
}

bool
cli_run_line(struct cli *cli, const char *line, FILE *out)
{
	return cli_run_waiting(cli, line, out, NULL);
}

/*
 * A line without its end. One that is too long, or has a NUL in it, is cut where nothing can be
 * made of it: it is refused as a whole, and so are no parts of it executed.
 */
static bool
read_line(FILE *f, char *line, size_t size)
{
	char *text = NULL;
	size_t room = 0;
	ssize_t n = getline(&text, &room, f);

	if (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	if (n >= 0 && (strlen(text) != (size_t)n || strlcpy(line, text, size) >= size))
		strlcpy(line, "(a line that is too long or not text)", size);
	free(text);
	return n >= 0;
}

static int
run_lines(struct cli *cli, FILE *f, const char *path, FILE *out)
{
	char line[CLI_LINE_MAX];
	int ret = 0;

	cli->depth++;
	for (unsigned int n = 1; read_line(f, line, sizeof(line)); n++) {
		if (cli_run_line(cli, line, out))
			continue;
		if (!cli->app->opt.check)
			log_peer(&cli->log_limit, NULL, "%s:%u: failed: %s", path, n, line);
		if (out != stdout || cli->app->opt.check)
			fprintf(out, "%s:%u: failed: %s\n", path, n, line);
		ret = -EINVAL;
	}
	if (ferror(f)) { /* a directory, a disk that fails */
		ret = -errno;
		fprintf(out, "%s cannot be read: %s\n", path, strerror(errno));
	}
	cli->depth--;
	fclose(f);
	return ret;
}

static int
run_text(struct cli *cli, const char *text, size_t len, const char *path, FILE *out)
{
	FILE *f;

	if (len == 0)
		return 0;
	f = fmemopen((void *)(uintptr_t)text, len, "r");
	return f != NULL ? run_lines(cli, f, path, out) : -errno;
}

/* The file as it is now: one that grows meanwhile, as a capture may, would have no end. */
static int
run_snapshot(struct cli *cli, FILE *f, size_t size, const char *path, FILE *out)
{
	char *text = malloc(size + 1);
	size_t n = text != NULL ? fread(text, 1, size, f) : 0;
	int ret = text == NULL ? -ENOMEM : ferror(f) ? -EIO : 0;

	if (ret == 0)
		ret = run_text(cli, text, n, path, out);
	else
		fprintf(out, "%s cannot be read: %s\n", path, strerror(-ret));
	free(text);
	fclose(f);
	return ret;
}

static int
refuse_file(FILE *f, const char *path, int err, FILE *out)
{
	fprintf(out, "Failed to create file based cmdline context: %s\n", path);
	if (err == EFBIG)
		fprintf(out, "%s has more than %u bytes\n", path, FILE_BYTES_MAX);
	else if (err == EINVAL)
		fprintf(out, "%s is not a regular file\n", path);
	else
		fprintf(out, "%s cannot be read: %s\n", path, strerror(err));
	if (f != NULL)
		fclose(f);
	return -err;
}

int
cli_run_file(struct cli *cli, const char *path, FILE *out)
{
	FILE *f = cli->depth < FILES_MAX ? fopen(path, "re") : NULL;
	struct stat st;

	if (f == NULL || fstat(fileno(f), &st) < 0)
		return refuse_file(f, path, cli->depth < FILES_MAX ? errno : ELOOP, out);
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) /* without an end, or of no use */
		return refuse_file(f, path, EINVAL, out);
	if (!S_ISREG(st.st_mode))
		return run_lines(cli, f, path, out);
	if (st.st_size > FILE_BYTES_MAX)
		return refuse_file(f, path, EFBIG, out);
	return run_snapshot(cli, f, (size_t)st.st_size, path, out);
}

/* A pipe may have no writer, or one that does nothing: all would wait for it. */
int
cli_load(struct cli *cli, const char *path, FILE *out)
{
	int fd = cli->depth < FILES_MAX ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
	FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
	struct stat st;

	if (f == NULL && fd >= 0)
		close(fd);
	if (f == NULL || fstat(fd, &st) < 0)
		return refuse_file(f, path, cli->depth < FILES_MAX ? errno : ELOOP, out);
	if (S_ISDIR(st.st_mode))
		return refuse_file(f, path, EISDIR, out);
	if (!S_ISREG(st.st_mode))
		return refuse_file(f, path, EINVAL, out);
	if (st.st_size > FILE_BYTES_MAX)
		return refuse_file(f, path, EFBIG, out);
	return run_snapshot(cli, f, (size_t)st.st_size, path, out);
}

int
cli_run_text(struct cli *cli, const char *text, const char *path, FILE *out)
{
	return run_text(cli, text, strlen(text), path, out);
}

/* --- help --- */

const char *
cli_section_name(size_t i)
{
	return i < RTE_DIM(sections) ? sections[i]->name : NULL;
}

static void
help_section(FILE *out, const struct cli_section *s)
{
	fprintf(out, "\n%s\n", s->title);
	for (size_t i = 0; s->title[i] != '\0'; i++)
		fputc('-', out);
	fputs("\n\n", out);
	for (size_t r = 0; r < s->n; r++) {
		if (s->rows[r].help != NULL)
			fprintf(out, "%s\n    %s\n\n", s->rows[r].syntax, s->rows[r].help);
	}
}

void
cli_help(const struct cli *cli, FILE *out, const char *section)
{
	bool all = section != NULL && strcmp(section, "all") == 0;

	if (section == NULL)
		fputs("\nHelp is available for the following sections:\n\n", out);
	for (size_t s = 0; s < RTE_DIM(sections); s++) {
		if (section == NULL)
			fprintf(out, "    help %-27s: %s\n", sections[s]->name,
				sections[s]->summary);
		else if (all || strcmp(section, sections[s]->name) == 0)
			help_section(out, sections[s]);
	}
	if (section == NULL)
		fprintf(out, "    help %-27s: All of the above sections.\n\n", "all");
}

void
cli_print_reference(FILE *out)
{
	fputs("# Commands\n\n"
	      "At the prompt, in a command file (`--cmdline-file`, `load`) and through `vqsctl`.\n"
	      "Printed by `vqswitch -- --print-commands` from the tables in `app/*/cmd_*.c`.\n\n"
	      "A line ends at `#`, and blanks separate words. In a name, a path or a device "
	      "argument `\\xHH` stands for the byte with that number (`\\x23` for `#`, `\\x20` for "
	      "a blank) and `\\\\` for a backslash; `show config` prints them like that.\n\n"
	      "A `port_id` is a port's number or its name (`net_vhost0`), which TAB completes; a "
	      "list of ports has numbers, ranges and names, such as `0,4-7,net_tap0`.\n",
	      out);
	for (size_t s = 0; s < RTE_DIM(sections); s++) {
		const struct cli_section *sec = sections[s];

		fprintf(out, "\n## %.*s\n\n", (int)strcspn(sec->title, ":"), sec->title);
		for (size_t r = 0; r < sec->n; r++)
			fprintf(out, "- `%s`\n  %s\n", sec->rows[r].syntax, sec->rows[r].help);
	}
}
