/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands and answers on the control socket, see control_socket.h of the switch. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vqsctl.h"

#define ROOM 65536u /* for the next part of an answer */

bool
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

/** An answer as it arrives: text, a NUL byte, the status. */
struct answer {
	bool closed; /* by the switch, before its end */
	char *data;
	size_t len, size;
	size_t text;  /* of it, bytes before the NUL */
	size_t shown; /* bytes that have been written */
	size_t most;  /* bytes that may wait to be written before more are taken */
};

static bool
is_whole(const struct answer *a)
{
	return a->len > a->text + 1;
}

/* Take what has arrived. False: there is no more, or no memory. */
static bool
take(struct answer *a, int fd)
{
	size_t size = a->len + ROOM;
	char *data = size > a->size ? realloc(a->data, 2 * size) : a->data;
	const char *nul;
	ssize_t n;

	if (data == NULL)
		return false;
	a->size = size > a->size ? 2 * size : a->size;
	a->data = data;
	n = recv(fd, data + a->len, ROOM, 0);
	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0) {
		a->closed = true;
		return false;
	}
	nul = memchr(data + a->text, '\0', a->len - a->text + (size_t)n);
	a->len += (size_t)n;
	a->text = nul != NULL ? (size_t)(nul - data) : a->len;
	return true;
}

/* Bytes that were written take no memory: an answer such as events has no end. */
static void
forget_shown(struct answer *a)
{
	if (a->shown <= a->len / 2)
		return;
	memmove(a->data, a->data + a->shown, a->len - a->shown);
	a->len -= a->shown;
	a->text -= a->shown;
	a->shown = 0;
}

/* Wait, and read or write: the switch gives a client that does not read little time. */
static bool
go_on(struct answer *a, int fd, int out)
{
	size_t most = a->text - a->shown;
	struct pollfd p[] = {{.fd = most < a->most ? fd : -1, .events = POLLIN},
			     {.fd = most > 0 ? out : -1, .events = POLLOUT}};
	ssize_t n;

	if (poll(p, 2, -1) < 0)
		return errno == EINTR;
	if (p[0].revents != 0 && !take(a, fd))
		return false;
	if (p[1].revents == 0)
		return true;
	n = write(out, a->data + a->shown, most < PIPE_BUF ? most : PIPE_BUF);
	a->shown += n > 0 ? (size_t)n : 0;
	forget_shown(a);
	return n >= 0 || errno == EINTR || errno == EAGAIN;
}

static int
read_some(int fd, FILE *out, size_t most, bool *closed)
{
	struct answer a = {.most = most};
	int status = UNUSABLE;

	fflush(out);
	while (!is_whole(&a) && go_on(&a, fd, fileno(out)))
		;
	if (is_whole(&a))
		status = a.data[a.text + 1] == '0' ? DONE : REFUSED;
	if (a.data != NULL)
		fwrite(a.data + a.shown, 1, a.text - a.shown, out);
	if (fflush(out) != 0)
		status = UNUSABLE;
	free(a.data);
	*closed = a.closed;
	return status;
}

int
read_or_closed(int fd, FILE *out, bool *closed)
{
	return read_some(fd, out, ROOM, closed);
}

int
read_answer(int fd, FILE *out)
{
	bool closed;
	int status = read_some(fd, out, SIZE_MAX, &closed);

	if (closed)
		fputs("vqsctl: the switch closed the connection\n", stderr);
	return status;
}

static int
ask(int fd, const char *line, FILE *out)
{
	/* a switch that has too many clients says so, and closes */
	if (send_all(fd, line, strlen(line)) || errno == EPIPE)
		return read_answer(fd, out);
	fprintf(stderr, "vqsctl: %s\n", strerror(errno));
	return UNUSABLE;
}

char *
answer_to(int fd, const char *line)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	int status = out != NULL ? ask(fd, line, out) : UNUSABLE;

	if (out != NULL)
		fclose(out);
	if (status == DONE)
		return text;
	free(text);
	return NULL;
}

/* --- paths --- */

/** Commands with a path: that many words are in front of it. */
static const struct {
	const char *words;
	unsigned int n;
} paths[] = {{"load", 1},
	     {"save config", 2},
	     {"capture start", 3},
	     {"capture run", 3},
	     {"upgrade", 1}};

#define BLANKS " \t"

/* The offset of word @p n of a line. */
static size_t
word_at(const char *line, unsigned int n)
{
	size_t at = strspn(line, BLANKS);

	while (n-- > 0) {
		at += strcspn(line + at, BLANKS);
		at += strspn(line + at, BLANKS);
	}
	return at;
}

/* Whether the first words of a line are those. */
static bool
begins(const char *line, const char *words)
{
	for (line += word_at(line, 0); *words != '\0'; words += *words == ' ') {
		size_t len = strcspn(words, " ");

		if (strncmp(line, words, len) != 0 || strcspn(line, BLANKS "\n") != len)
			return false;
		words += len;
		line += word_at(line, 1);
	}
	return true;
}

/* The offset of a relative path in a line, 0: there is none. */
static size_t
relative_path(const char *line)
{
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		size_t at = word_at(line, paths[i].n);

		if (begins(line, paths[i].words))
			return strchr("/#\n", line[at]) == NULL ? at : 0; /* a NUL is one, too */
	}
	return 0;
}

/* As a command has it: bytes that mean something there are \xHH. */
static void
write_escaped(FILE *out, const char *path)
{
	for (; *path != '\0'; path++) {
		if (strchr(" \t\n#\\", *path) != NULL)
			fprintf(out, "\\x%02x", (unsigned char)*path);
		else
			fputc(*path, out);
	}
}

/*
 * A copy of a command, to be freed, in which the path of a command that has one is absolute: a
 * relative one is the user's, not the switch's. NULL: no memory.
 */
static char *
with_absolute_path(const char *line)
{
	size_t at = relative_path(line), len;
	char cwd[PATH_MAX], *text = NULL;
	FILE *out;

	if (at == 0 || getcwd(cwd, sizeof(cwd)) == NULL)
		return strdup(line);
	out = open_memstream(&text, &len);
	if (out == NULL)
		return NULL;
	fwrite(line, 1, at, out);
	write_escaped(out, cwd);
	fputc('/', out);
	fputs(line + at, out);
	return fclose(out) == 0 ? text : NULL;
}

int
command(int fd, const char *line, FILE *out)
{
	char *sent = with_absolute_path(line);
	int status;

	if (sent == NULL) {
		fputs("vqsctl: out of memory\n", stderr);
		return UNUSABLE;
	}
	status = ask(fd, sent, out);
	free(sent);
	return status;
}

/* --- completion --- */

int
complete(int fd, const char *line)
{
	char text[LINE_LEN_MAX];

	if (strchr(line, '\n') != NULL ||
	    (size_t)snprintf(text, sizeof(text), "\t%s\n", line) >= sizeof(text))
		return UNUSABLE;
	return ask(fd, text, stdout);
}
