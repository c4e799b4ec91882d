/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands and answers on the control socket, see control_socket.h of the switch. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vqsctl.h"

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

int
read_answer(int fd, FILE *out)
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
		fwrite(buf, 1, nul != NULL ? (size_t)(nul - buf) : (size_t)n, out);
		/* what goes on, such as events, is read while it does */
		if (fflush(out) != 0)
			return UNUSABLE;
		if (nul != NULL && nul + 1 < buf + n)
			return nul[1] == '0' ? DONE : REFUSED;
		text = nul == NULL;
	}
}

static int
ask(int fd, const char *line, FILE *out)
{
	if (send_all(fd, line, strlen(line)))
		return read_answer(fd, out);
	fprintf(stderr, "vqsctl: %s\n", strerror(errno));
	return UNUSABLE;
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
} paths[] = {{"load", 1}, {"save config", 2}, {"capture start", 3}, {"capture run", 3}};

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

char *
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
