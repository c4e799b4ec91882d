/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which switch is meant. One that runs has its control socket at a default place, or, if it is
 * root's or the caller's, where its command line says.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <bsd/string.h>

#include "vqsctl.h"

#define CANDIDATES_MAX 64
#define CMDLINE_MAX 65536

/** A switch that may run. */
struct candidate {
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int fd; /* -1: it does not answer */
	int err;
};

struct candidates {
	unsigned int n;
	struct candidate list[CANDIDATES_MAX];
};

/** Its descriptor, or -1 with errno. */
int
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

/* Once, whatever names a path has. */
static void
add(struct candidates *c, const char *path)
{
	struct candidate *new = &c->list[c->n];
	char real[PATH_MAX];

	if (realpath(path, real) == NULL || c->n == CANDIDATES_MAX ||
	    strlcpy(new->path, real, sizeof(new->path)) >= sizeof(new->path))
		return;
	for (unsigned int i = 0; i < c->n; i++)
		if (strcmp(c->list[i].path, real) == 0)
			return;
	c->n++;
}

static void
add_matching(struct candidates *c, const char *pattern)
{
	glob_t found;

	if (glob(pattern, 0, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		add(c, found.gl_pathv[i]);
	globfree(&found);
}

/* A file of /proc, with a NUL behind it; its length, 0: there is none. */
static size_t
read_proc(const char *dir, const char *name, char *text, size_t size)
{
	char path[PATH_MAX];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, size - 1);
		close(fd);
	}
	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/* The value of an option, behind '=' or as the next word; NULL: @p word is another one. */
static const char *
value_of(const char *word, const char *end, const char *option)
{
	size_t len = strlen(option);
	const char *next = word + strlen(word) + 1;

	if (strncmp(word, option, len) != 0)
		return NULL;
	if (word[len] == '=')
		return word + len + 1;
	return word[len] == '\0' && next < end ? next : NULL;
}

/* A path that process @p dir has, relative to its working directory. */
static void
add_of_process(struct candidates *c, const char *dir, const char *path, const char *behind)
{
	char cwd[PATH_MAX] = "", text[PATH_MAX], whole[PATH_MAX];
	ssize_t n;

	snprintf(text, sizeof(text), "%s/cwd", dir);
	n = path[0] != '/' ? readlink(text, cwd, sizeof(cwd) - 2) : 0;
	if (n > 0)
		strlcat(cwd, "/", sizeof(cwd));
	if ((size_t)snprintf(whole, sizeof(whole), "%.*s%s%s", PATH_MAX / 2, cwd, path, behind) <
	    sizeof(whole))
		add(c, whole);
}

/* Others may give a process of theirs the name and options of a switch, and lie in wait. */
static bool
is_trusted(const char *dir)
{
	struct stat st;

	return stat(dir, &st) == 0 && (st.st_uid == 0 || st.st_uid == geteuid());
}

/* The control socket of a process, if it is a switch. */
static void
add_process(struct candidates *c, const char *dir)
{
	static const char *const names[] = {"vqswitch\n", "dpdk-testpmd\n", "testpmd\n"};
	static char line[CMDLINE_MAX];
	const char *control = NULL, *state = NULL, *end;
	bool is_switch = false;

	if (!is_trusted(dir))
		return;
	read_proc(dir, "comm", line, sizeof(line));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		is_switch |= strcmp(line, names[i]) == 0;
	if (!is_switch)
		return;
	end = line + read_proc(dir, "cmdline", line, sizeof(line));
	for (const char *word = line; word < end; word += strlen(word) + 1) {
		const char *value = value_of(word, end, "--control");

		control = value != NULL ? value : control;
		value = value_of(word, end, "--state-dir");
		state = value != NULL ? value : state;
	}
	if (control != NULL)
		add_of_process(c, dir, control, "");
	else if (state != NULL)
		add_of_process(c, dir, state, "/control");
}

static void
find(struct candidates *c)
{
	const char *run = getenv("XDG_RUNTIME_DIR");
	char pattern[PATH_MAX];
	glob_t found;

	add_matching(c, "/run/vqswitch*/control");
	if (run != NULL) {
		snprintf(pattern, sizeof(pattern), "%s/vqswitch*/control", run);
		add_matching(c, pattern);
	}
	if (glob("/proc/[0-9]*", 0, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		add_process(c, found.gl_pathv[i]);
	globfree(&found);
}

/* --- the one that is meant --- */

static int
pid_of(int fd)
{
	struct ucred cred = {0};
	socklen_t len = sizeof(cred);

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	return cred.pid;
}

/* Connect to all; the number of those that answer, and the last of them. */
static unsigned int
try_all(struct candidates *c, int *fd)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < c->n; i++) {
		c->list[i].fd = connect_to(c->list[i].path);
		c->list[i].err = errno;
		if (c->list[i].fd < 0)
			continue;
		*fd = c->list[i].fd;
		n++;
	}
	return n;
}

static int
say_none(const struct candidates *c)
{
	fputs("vqsctl: no switch answers\n", stderr);
	for (unsigned int i = 0; i < c->n; i++)
		fprintf(stderr, "  %s: %s\n", c->list[i].path, strerror(c->list[i].err));
	if (c->n == 0)
		fputs("  none runs with a control socket that you may see; name it with -s\n",
		      stderr);
	return -1;
}

static int
say_several(const struct candidates *c)
{
	fputs("vqsctl: several switches run; choose one with -s or $VQSWITCH_CONTROL:\n", stderr);
	for (unsigned int i = 0; i < c->n; i++) {
		if (c->list[i].fd < 0)
			continue;
		fprintf(stderr, "  vqsctl -s %s    (process %d)\n", c->list[i].path,
			pid_of(c->list[i].fd));
		close(c->list[i].fd);
	}
	return -1;
}

int
open_control(const char *wanted)
{
	struct candidates c = {0};
	unsigned int n;
	int fd = -1;

	if (wanted == NULL)
		wanted = getenv("VQSWITCH_CONTROL");
	if (wanted != NULL) {
		fd = connect_to(wanted);
		if (fd < 0)
			fprintf(stderr, "vqsctl: %s: %s\n", wanted, strerror(errno));
		return fd;
	}
	find(&c);
	n = try_all(&c, &fd);
	if (n == 0)
		return say_none(&c);
	return n == 1 ? fd : say_several(&c);
}
