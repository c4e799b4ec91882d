/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vqsctl: give a running vqswitch commands through its control socket.
 *
 * Exit status: 0 every command was carried out, 1 one was refused or failed,
 * 2 usage or no switch to talk to.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/string.h>

#include "decode.h"
#include "vqsctl.h"

static void
usage(FILE *out)
{
	fputs("usage: vqsctl [-s SOCKET] [COMMAND WORD...]\n"
	      "\n"
	      "Give a running vqswitch a command and print its answer; without one, read\n"
	      "commands from standard input, a line each; at a terminal with history, and\n"
	      "TAB completes. 'vqsctl help' lists them.\n"
	      "\n"
	      "'vqsctl capture PORT' writes the frames of a port, or of all, to standard output\n"
	      "as they come: vqsctl capture 0 | wireshark -k -i -\n"
	      "\n"
	      "'vqsctl top [-b] [-n COUNT] [-o ORDER] [SECONDS]' shows rates of ports and the\n"
	      "load of workers, again and again; with -b, or without a terminal, as text. ORDER\n"
	      "is port, name, rx, tx or drops.\n"
	      "\n"
	      "'vqsctl monitor [json]' follows events, a line each.\n"
	      "\n"
	      "'vqsctl report [FILE]' writes an archive for a bug report, without guests' data.\n"
	      "\n"
	      "'vqsctl decode FILE' prints the recording of a port (record=FILE); it needs no "
	      "switch.\n"
	      "\n"
	      "  -s, --socket SOCKET  control socket (default: $VQSWITCH_CONTROL, else that of\n"
	      "                       the switch that runs)\n"
	      "  -c, --complete LINE  print the words that may follow the words of LINE\n"
	      "  -h, --help           this text\n"
	      "  -V, --version        version\n"
	      "\n"
	      "Exit status: 0 done, 1 a command was refused or failed, 2 no switch or bad usage.\n",
	      out);
}

/** Append @p text to @p line. The shell has taken comments away: a '#' belongs to the word. */
static bool
append(char *line, const char *text)
{
	bool fits = true;

	for (; *text != '\0' && fits; text++) {
		const char one[] = {*text, '\0'};

		fits = strlcat(line, *text == '#' ? "\\x23" : one, LINE_LEN_MAX) < LINE_LEN_MAX;
	}
	return fits;
}

#define CAPTURE "capture "

/* "capture PORT ...", which is a command of ours. */
static bool
is_live(const char *line)
{
	static const char *const others[] = {"start", "run", "stop"};
	const char *word = line + strlen(CAPTURE);

	if (strncmp(line, CAPTURE, strlen(CAPTURE)) != 0)
		return false;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strncmp(word, others[i], strlen(others[i])) == 0 &&
		    strchr(" \n", word[strlen(others[i])]) != NULL)
			return false;
	return true;
}

static int
as_live(int fd, const char *line)
{
	const char *rest = line + strlen(CAPTURE);
	char text[LINE_LEN_MAX + 8];

	snprintf(text, sizeof(text), CAPTURE "%s%s", strncmp(rest, "live ", 5) == 0 ? "" : "live ",
		 rest);
	return live(fd, text);
}

static int
command_from_args(int fd, char **words)
{
	char line[LINE_LEN_MAX] = "";

	for (; *words != NULL; words++) {
		if (strchr(*words, '\n') != NULL) {
			fputs("vqsctl: a command is one line\n", stderr);
			return UNUSABLE;
		}
		if (!append(line, *words) || !append(line, words[1] != NULL ? " " : "\n")) {
			fprintf(stderr, "vqsctl: the command is longer than %d bytes\n",
				LINE_LEN_MAX - 1);
			return UNUSABLE;
		}
	}
	if (strncmp(line, "monitor", strlen("monitor")) == 0)
		return follow(fd, line);
	return is_live(line) ? as_live(fd, line) : command(fd, line, stdout);
}

static int
commands_from_input(int fd)
{
	char line[LINE_LEN_MAX];
	int worst = DONE;

	while (fgets(line, sizeof(line) - 1, stdin) != NULL) {
		int status;

		if (strchr(line, '\n') == NULL)
			strlcat(line, "\n", sizeof(line));
		if (strspn(line, " \t\n") == strlen(line))
			continue;
		status = command(fd, line, stdout);
		if (status == UNUSABLE)
			return status;
		if (status > worst)
			worst = status;
	}
	return worst;
}

static int
decode_from_args(char **files)
{
	if (files[0] != NULL && files[1] == NULL)
		return decode(files[0]);
	fputs("usage: vqsctl decode FILE\n", stderr);
	return UNUSABLE;
}

int
main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{"socket", required_argument, NULL, 's'},
		{"complete", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	const char *path = NULL, *to_complete = NULL;
	int opt, fd, status;

	/* "+": options of vqsctl come first, so that a command may contain words with a dash */
	while ((opt = getopt_long(argc, argv, "+s:c:hV", longopts, NULL)) != -1) {
		switch (opt) {
		case 's':
			path = optarg;
			break;
		case 'c':
			to_complete = optarg;
			break;
		case 'h':
			usage(stdout);
			return DONE;
		case 'V':
			puts("vqsctl " VQS_VERSION);
			return DONE;
		default:
			usage(stderr);
			return UNUSABLE;
		}
	}
	signal(SIGPIPE, SIG_IGN); /* a reader that ends is seen by the error */
	if (argv[optind] != NULL && strcmp(argv[optind], "decode") == 0)
		return decode_from_args(argv + optind + 1);
	fd = open_control(path);
	if (fd < 0)
		return UNUSABLE;
	if (to_complete != NULL)
		status = complete(fd, to_complete);
	else if (argv[optind] != NULL && strcmp(argv[optind], "top") == 0)
		status = top(fd, argv + optind);
	else if (argv[optind] != NULL && strcmp(argv[optind], "report") == 0)
		status = report(fd, argv + optind);
	else if (argv[optind] != NULL)
		status = command_from_args(fd, argv + optind);
	else if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		status = prompt(fd);
	else
		status = commands_from_input(fd);
	close(fd);
	return status;
}
