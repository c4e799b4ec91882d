/* SPDX-License-Identifier: BSD-3-Clause */
#include "kept_config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "app.h"
#include "base/log.h"
#include "device.h"
#include "show/running_config.h"

#define FILE_MAX (64u << 20)
#define SHORT_NS 1000000  /* of CPU time: a configuration that is kept with each command */
#define REST_PER_WRITE 20 /* one of a thousand ports takes a twentieth of control's time at most */

struct kept_config {
	struct app *app;
	char path[PATH_MAX];
	int lock;       /* of the state directory's file of settings */
	uint32_t start; /* fingerprint of the command line and the command file */
	char *text;     /* as it is on disk; NULL: none */
	struct ev_timer timer;
	uint64_t not_before; /* ev_now_ns() of the next look */
	struct log_limit log_limit;
};

/* --- a file, whole or not at all --- */

static int
write_all(int fd, const char *text, size_t len)
{
	ssize_t n;

	for (size_t at = 0; at < len; at += (size_t)n) {
		n = write(fd, text + at, len - at);
		if (n < 0)
			return -errno;
	}
	return 0;
}

/* The directory entry must not be lost with the power either. */
static int
sync_dir(const char *path)
{
	char dir[PATH_MAX];
	const char *end = strrchr(path, '/');
	int fd, ret;

	snprintf(dir, sizeof(dir), "%.*s/", end != NULL ? (int)(end - path) : 1,
		 end != NULL ? path : ".");
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = fsync(fd) < 0 && errno != EINVAL ? -errno : 0;
	close(fd);
	return ret;
}

/* @p durable: after a loss of power, too, for which the disk is waited for. */
static int
replace(const char *path, const char *text, bool durable)
{
	char temp[PATH_MAX];
	struct stat old;
	mode_t mode = stat(path, &old) == 0 ? old.st_mode & 0777 : 0640;
	int fd, ret;

	if (snprintf(temp, sizeof(temp), "%s.XXXXXX", path) >= (int)sizeof(temp))
		return -ENAMETOOLONG;
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = write_all(fd, text, strlen(text));
	if (ret == 0 && (fchmod(fd, mode) < 0 || (durable && fsync(fd) < 0)))
		ret = -errno;
	close(fd);
	if (ret == 0 && rename(temp, path) < 0)
		ret = -errno;
	if (ret < 0)
		unlink(temp);
	return ret == 0 && durable ? sync_dir(path) : ret;
}

/* A file of ours, without a NUL in it; NULL: there is none, or errno. */
static char *
read_all(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	char *text = NULL;
	ssize_t n = -1;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size < FILE_MAX)
		text = calloc(1, (size_t)st.st_size + 1);
	if (text != NULL)
		n = read(fd, text, (size_t)st.st_size);
	close(fd);
	if (n >= 0 && n == st.st_size && strlen(text) == (size_t)n)
		return text;
	free(text);
	errno = EBADMSG;
	return NULL;
}

/* --- the configuration as text --- */

/* NULL: no memory. */
static char *
configuration(const struct app *app)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		return NULL;
	running_print(app, f);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

int
config_save(const struct app *app, const char *path)
{
	char *text = configuration(app);
	int ret = text != NULL ? replace(path, text, true) : -ENOMEM;

	free(text);
	return ret;
}

/* --- keeping it --- */

/* Byte by byte: DPDK's hashes read whole words, past the end of a string. */
static uint32_t
fnv1a(const char *text, size_t len, uint32_t hash)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)text[i]) * 16777619u;
	return hash;
}

static uint32_t
fingerprint(const struct app *app, int argc, char **argv)
{
	char *file = app->opt.cmdline_file != NULL ? read_all(app->opt.cmdline_file) : NULL;
	uint32_t hash = 2166136261u;

	for (int i = 0; i < argc; i++)
		hash = fnv1a(argv[i], strlen(argv[i]) + 1, hash);
	if (file != NULL)
		hash = fnv1a(file, strlen(file), hash);
	free(file);
	return hash;
}

static void
heading(const struct kept_config *k, char *out, size_t outlen)
{
	snprintf(out, outlen, "# for the command line %08" PRIx32 "\n", k->start);
}

static void
keep(struct kept_config *k)
{
	char *text = configuration(k->app), *all = NULL, head[64];
	int ret = 0;

	heading(k, head, sizeof(head));
	if (text == NULL || asprintf(&all, "%s%s", head, text) < 0)
		ret = -ENOMEM;
	free(text);
	if (ret == 0 && k->text != NULL && strcmp(all, k->text) == 0) {
		free(all);
		return;
	}
	if (ret == 0)
		ret = replace(k->path, all, false);
	if (ret < 0) {
		log_peer(&k->log_limit, NULL, "%s: settings would be lost in a crash: %s", k->path,
			 strerror(-ret));
		free(all);
		return;
	}
	free(k->text);
	k->text = all;
}

/* Of this thread: a busy machine makes nothing more costly. */
static uint64_t
cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void
look(struct kept_config *k)
{
	uint64_t took = cpu_ns();

	keep(k);
	took = cpu_ns() - took;
	k->not_before = took < SHORT_NS ? 0 : ev_now_ns() + took * REST_PER_WRITE;
}

static void
on_timer(struct ev_timer *t)
{
	look(container_of(t, struct kept_config, timer));
}

void
kept_config_touch(struct kept_config *k)
{
	uint64_t now = ev_now_ns();

	if (k == NULL || k->timer.loop != NULL)
		return;
	if (k->not_before <= now)
		look(k); /* at once: the command's answer then says that it outlives a crash */
	else
		ev_timer_arm(k->app->loop, &k->timer, (uint32_t)((k->not_before - now) / 1000000));
}

/* --- bringing it back --- */

/* Whether the line that ends at a newline in @p line is one of @p text. */
static bool
has_line(const char *text, const char *line, size_t len)
{
	for (const char *at = strstr(text, line); at != NULL; at = strstr(at + len, line))
		if (at == text || at[-1] == '\n')
			return true;
	return false;
}

/* A port of the command line that was taken away, or made anew with other arguments. */
static void
close_others(struct app *app, const char *kept)
{
	char *now = configuration(app), *line, *rest = now;
	unsigned int id;

	while ((line = strsep(&rest, "\n")) != NULL) {
		char *whole;

		if (sscanf(line, "port add %u ", &id) != 1 || asprintf(&whole, "%s\n", line) < 0)
			continue;
		if (!has_line(kept, whole, strlen(whole)) && app_port(app, id) != NULL)
			app_close_port(app, app_port(app, id));
		free(whole);
	}
	free(now);
}

const char *
kept_config_found(struct app *app)
{
	struct kept_config *k = app->kept;
	char head[64];

	if (k == NULL || k->text == NULL)
		return NULL;
	heading(k, head, sizeof(head));
	if (strncmp(k->text, head, strlen(head)) != 0) {
		log_warn(NULL, "%s: of another command line or command file, not restored",
			 k->path);
		return NULL;
	}
	close_others(app, k->text);
	return k->path;
}

/* --- life --- */

/* The kernel drops the lock with the process, also in a crash. */
static int
lock_directory(const char *dir)
{
	char path[PATH_MAX];
	int fd;

	if (snprintf(path, sizeof(path), "%s/running.lock", dir) >= (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

void
kept_config_open(struct app *app, int argc, char **argv)
{
	struct kept_config *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return;
	k->lock = lock_directory(app->state_dir);
	if (k->lock < 0 || snprintf(k->path, sizeof(k->path), "%s/running.vqs", app->state_dir) >=
				   (int)sizeof(k->path)) {
		log_info(NULL, "%s: settings are not kept for a crash: %s", app->state_dir,
			 errno == EWOULDBLOCK ? "another switch has the directory"
					      : strerror(errno));
		if (k->lock >= 0)
			close(k->lock);
		free(k);
		return;
	}
	k->app = app;
	k->start = fingerprint(app, argc, argv);
	k->timer.cb = on_timer;
	k->text = read_all(k->path);
	app->kept = k;
}

void
kept_config_forget(struct kept_config *k)
{
	if (k == NULL)
		return;
	ev_timer_cancel(&k->timer);
	unlink(k->path);
}

void
kept_config_free(struct kept_config *k)
{
	if (k == NULL)
		return;
	ev_timer_cancel(&k->timer);
	close(k->lock);
	free(k->text);
	free(k);
}
