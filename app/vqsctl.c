/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vqsctl: give a running vqswitch commands through its control socket.
 *
 * Exit status: 0 every command was carried out, 1 one was refused or failed,
 * 2 usage or no switch to talk to.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <bsd/string.h>

#define LINE_LEN_MAX 4096

enum { DONE = 0, REFUSED = 1, UNUSABLE = 2 };

static void
usage(FILE *out)
{
	fputs("usage: vqsctl [-s SOCKET] [COMMAND WORD...]\n"
	      "\n"
	      "Give a running vqswitch a command and print its answer; without one, read\n"
	      "commands from standard input, a line each. 'vqsctl help' lists them.\n"
	      "\n"
	      "  -s, --socket SOCKET  control socket (default: $VQSWITCH_CONTROL, else\n"
	      "                       /run/vqswitch/control, else\n"
	      "                       $XDG_RUNTIME_DIR/vqswitch/control)\n"
	      "  -h, --help           this text\n"
	      "  -V, --version        version\n"
	      "\n"
	      "Exit status: 0 done, 1 a command was refused or failed, 2 no switch or bad usage.\n",
	      out);
}

static int
connect_to(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd;

	if (strlcpy(addr.sun_path, path, sizeof(addr.sun_path)) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int err = errno;

		close(fd);
		errno = err;
		fd = -1;
	}
	return fd;
}

/* The socket the user named, or the first of the default places that answers. */
static int
open_control(const char *wanted)
{
	const char *run = getenv("XDG_RUNTIME_DIR");
	char user_path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int fd;

	if (wanted == NULL)
		wanted = getenv("VQSWITCH_CONTROL");
	if (wanted != NULL) {
		fd = connect_to(wanted);
		if (fd < 0)
			fprintf(stderr, "vqsctl: %s: %s\n", wanted, strerror(errno));
		return fd;
	}
	fd = connect_to("/run/vqswitch/control");
	if (fd >= 0)
		return fd;
	if (run != NULL) {
		snprintf(user_path, sizeof(user_path), "%s/vqswitch/control", run);
		fd = connect_to(user_path);
		if (fd >= 0)
			return fd;
	}
	fprintf(stderr,
		"vqsctl: no switch answers at /run/vqswitch/control: %s; "
		"name its socket with -s\n",
		strerror(errno));
	return -1;
}

static bool
send_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

/* Print the answer to one command; its status, or UNUSABLE when the switch went away. */
static int
print_answer(int fd)
{
	char buf[65536];
	bool text = true; /* before the NUL */

	for (;;) {
		ssize_t n = recv(fd, buf, text ? sizeof(buf) : 1, 0);
		const char *nul;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			fputs("vqsctl: the switch closed the connection\n", stderr);
			return UNUSABLE;
		}
		if (!text)
			return buf[0] == '0' ? DONE : REFUSED;
		nul = memchr(buf, '\0', (size_t)n);
		fwrite(buf, 1, nul != NULL ? (size_t)(nul - buf) : (size_t)n, stdout);
		if (nul != NULL && nul + 1 < buf + n)
			return nul[1] == '0' ? DONE : REFUSED;
		text = nul == NULL;
	}
}

static int
command(int fd, const char *line)
{
	int status;

	if (!send_all(fd, line, strlen(line))) {
		fprintf(stderr, "vqsctl: %s\n", strerror(errno));
		return UNUSABLE;
	}
	status = print_answer(fd);
	fflush(stdout);
	return status;
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
	return command(fd, line);
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
		status = command(fd, line);
		if (status == UNUSABLE)
			return status;
		if (status > worst)
			worst = status;
	}
	return worst;
}

int
main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{"socket", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	const char *path = NULL;
	int opt, fd, status;

	/* "+": options of vqsctl come first, so that a command may contain words with a dash */
	while ((opt = getopt_long(argc, argv, "+s:hV", longopts, NULL)) != -1) {
		switch (opt) {
		case 's':
			path = optarg;
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
	fd = open_control(path);
	if (fd < 0)
		return UNUSABLE;
	status = argv[optind] != NULL ? command_from_args(fd, argv + optind)
				      : commands_from_input(fd);
	close(fd);
	return status;
}
