/* SPDX-License-Identifier: BSD-3-Clause */
#include "kept_config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bsd/string.h>

#include "app.h"
#include "base/heir.h"
#include "base/log.h"
#include "base/spare.h"
#include "device.h"
#include "show/running_config.h"
#include "switch/sw_ports.h"

#define FILE_MAX (64u << 20)
#define HEAD_MAX 80 /* the first line of the file, with its NUL */
#define FNV_BASIS 2166136261u
#define SHORT_NS 1000000  /* of CPU time: a configuration that is kept with each command */
#define REST_PER_WRITE 20 /* one of a thousand ports takes a twentieth of control's time at most */

struct kept_config {
	struct app *app;
	char path[PATH_MAX];
	int lock;           /* of the state directory's file of settings */
	bool on;            /* the configuration is complete: changes are kept */
	uint32_t arguments; /* fingerprints of the command line, ... */
	uint32_t file;      /* ... and of the command file as it was last run or saved */
	char *text;         /* as it is on disk; NULL: none */
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

/* Fill @p fd, which is closed, and give it the name @p path instead of @p temp. */
static int
replace(int fd, const char *temp, const char *path, const char *text)
{
	int ret = write_all(fd, text, strlen(text));

	close(fd);
	if (ret == 0 && rename(temp, path) < 0)
		ret = -errno;
	if (ret < 0)
		unlink(temp);
	return ret;
}

/* A regular file without a NUL in it; NULL: there is none, or another kind. */
static char *
read_all(const char *path, int flags, uid_t owner)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags);
	struct stat st;
	char *text = NULL;
	ssize_t n = -1;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size < FILE_MAX &&
	    (owner == (uid_t)-1 || st.st_uid == owner))
		text = calloc(1, (size_t)st.st_size + 1);
	if (text != NULL)
		n = read(fd, text, (size_t)st.st_size);
	close(fd);
	if (n >= 0 && n == st.st_size && strlen(text) == (size_t)n)
		return text;
	free(text);
	return NULL;
}

/* --- on the disk, too --- */

/* A file and its folder. The disk is waited for by a thread of its own. */
struct flush {
	int file, dir;
};

static void *
flush_run(void *arg)
{
	struct flush *f = arg;

	if (fsync(f->file) < 0 || (f->dir >= 0 && fsync(f->dir) < 0 && errno != EINVAL))
		log_err(NULL, "the saved configuration may not outlive a loss of power: %s",
			strerror(errno));
	close(f->file);
	if (f->dir >= 0)
		close(f->dir);
	free(f);
	return NULL;
}

static void
flush_soon(const char *path)
{
	struct flush *f = malloc(sizeof(*f));
	char dir[PATH_MAX];
	pthread_t thread;

	if (f == NULL)
		return;
	strlcpy(dir, path, sizeof(dir));
	f->file = open(path, O_RDONLY | O_CLOEXEC);
	f->dir = open(dirname(dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->file >= 0 && pthread_create(&thread, NULL, flush_run, f) == 0) {
		pthread_detach(thread);
		return;
	}
	if (f->file >= 0)
		close(f->file);
	if (f->dir >= 0)
		close(f->dir);
	free(f);
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

/* A new file beside @p path, with the mode and, where that is allowed, the owner of the old one. */
static int
file_beside(const char *path, char temp[PATH_MAX])
{
	static struct log_limit limit; /* a client may save again and again */
	struct stat old;
	bool is_new = stat(path, &old) < 0;
	int fd;

	if (!is_new && !S_ISREG(old.st_mode))
		return -EINVAL;
	if (snprintf(temp, PATH_MAX, "%s.XXXXXX", path) >= PATH_MAX)
		return -ENAMETOOLONG;
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!is_new && fchown(fd, old.st_uid, old.st_gid) < 0)
		log_peer_info(&limit, NULL, "%s: its owner cannot be kept: %s", path,
			      strerror(errno));
	if (fchmod(fd, is_new ? 0640 : old.st_mode & 0777) == 0)
		return fd;
	close(fd);
	unlink(temp);
	return -EPERM;
}

int
config_save(const struct app *app, const char *path)
{
	char temp[PATH_MAX], real[PATH_MAX], *text;
	int ret, fd;

	/* what a link leads to is replaced, not the link */
	if (realpath(path, real) != NULL)
		path = real;
	text = configuration(app);
	spare_lend();
	fd = text != NULL ? file_beside(path, temp) : -ENOMEM;
	ret = fd >= 0 ? replace(fd, temp, path, text) : fd;
	free(text);
	if (ret == 0)
		flush_soon(path);
	spare_refill();
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
hash_arguments(int argc, char **argv)
{
	uint32_t hash = FNV_BASIS;

	/* the same of a process that has taken over, perhaps as another program, and a "--" more */
	for (int i = 1; i < argc; i++) {
		int words = argv_upgrade_from(argc, argv, i);

		if (words == 0 && strcmp(argv[i], "--") != 0)
			hash = fnv1a(argv[i], strlen(argv[i]) + 1, hash);
		i += RTE_MAX(words - 1, 0);
	}
	return hash;
}

static uint32_t
hash_file(const struct app *app)
{
	const char *path = app->opt.cmdline_file;
	char *text = path != NULL ? read_all(path, 0, (uid_t)-1) : NULL;
	uint32_t hash = text != NULL ? fnv1a(text, strlen(text), FNV_BASIS) : 0;

	free(text);
	return hash;
}

static void
heading(const struct kept_config *k, char *out, size_t outlen)
{
	snprintf(out, outlen, "# for the command line %08" PRIx32 " and its file %08" PRIx32 "\n",
		 k->arguments, k->file);
}

static void
keep(struct kept_config *k)
{
	char *text = configuration(k->app), *all = NULL, head[HEAD_MAX], temp[PATH_MAX];
	int ret = 0, fd;

	heading(k, head, sizeof(head));
	if (text == NULL || asprintf(&all, "%s%s", head, text) < 0)
		ret = -ENOMEM;
	free(text);
	if (ret == 0 && k->text != NULL && strcmp(all, k->text) == 0) {
		free(all);
		return;
	}
	/* one name, which the lock makes ours: a crash leaves no more than that behind */
	if (ret == 0 && snprintf(temp, sizeof(temp), "%s.new", k->path) >= (int)sizeof(temp))
		ret = -ENAMETOOLONG;
	if (ret == 0) {
		unlink(temp);
		spare_lend(); /* peers can use up the descriptors */
		fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
		ret = fd < 0 ? -errno : replace(fd, temp, k->path, all);
		spare_refill();
	}
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

	if (k == NULL || !k->on || k->timer.loop != NULL)
		return;
	if (k->not_before <= now)
		look(k); /* at once: the command's answer then says that it outlives a crash */
	else
		ev_timer_arm(k->app->loop, &k->timer, (uint32_t)((k->not_before - now) / 1000000));
}

/* --- bringing it back --- */

/* Step over @p word and the number behind it. */
static bool
skip_number(const char **at, const char *word, unsigned long *number)
{
	size_t len = strlen(word);
	char *end;

	if (strncmp(*at, word, len) != 0)
		return false;
	*number = strtoul(*at + len, &end, 10);
	if (*end != ' ')
		return false;
	*at = end + 1;
	return true;
}

/*
 * The device in a line that adds a port, and the port's number; NULL: it adds none. In which domain
 * and VLAN it begins does not matter.
 */
static const char *
device_added(const char *line, unsigned long *id)
{
	unsigned long place;

	if (!skip_number(&line, "port add ", id))
		return NULL;
	if (skip_number(&line, "domain ", &place))
		skip_number(&line, "vlan ", &place);
	return line;
}

/* Whether @p text, whose lines end at newlines, adds that device as that port. */
static bool
adds(const char *text, const char *device, unsigned long id)
{
	size_t len = strlen(device);

	for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
		const char *other;
		unsigned long n;

		line += *line == '\n';
		other = device_added(line, &n);
		if (other != NULL && n == id && strncmp(other, device, len) == 0 &&
		    other[len] == '\n')
			return true;
	}
	return false;
}

/* A port of the command line that was taken away, or made anew with other arguments. */
static void
close_others(struct app *app, const char *kept)
{
	char *now = configuration(app), *line, *rest = now;

	while ((line = strsep(&rest, "\n")) != NULL) {
		unsigned long id;
		const char *device = device_added(line, &id);

		if (device != NULL && !adds(kept, device, id) && app_port(app, id) != NULL)
			sw_port_remove(&app->sw, app_port(app, id));
	}
	free(now);
}

const char *
kept_config_found(struct app *app, const char **path)
{
	struct kept_config *k = app->kept;
	char head[HEAD_MAX];

	if (k == NULL || k->text == NULL)
		return NULL;
	heading(k, head, sizeof(head));
	if (strncmp(k->text, head, strlen(head)) != 0) {
		log_warn(NULL, "%s: of another command line or command file, not restored",
			 k->path);
		return NULL;
	}
	close_others(app, k->text);
	*path = k->path;
	return k->text;
}

void
kept_config_begin(struct kept_config *k)
{
	if (k == NULL)
		return;
	if (k->app->opt.no_keep) {
		kept_config_forget(k);
		return;
	}
	k->on = true;
	look(k);
}

void
kept_config_file_changed(struct kept_config *k)
{
	if (k == NULL)
		return;
	k->file = hash_file(k->app);
	kept_config_touch(k);
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
	fd = heir_take(path); /* locked, by the predecessor for both */
	if (fd < 0)
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
		close(fd);
		return -1;
	}
	if (fd >= 0)
		heir_note(path, fd);
	return fd;
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
	heir_forget(k->lock);
	close(k->lock);
	free(k->text);
	free(k);
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
		if (k->lock >= 0) {
			heir_forget(k->lock);
			close(k->lock);
		}
		free(k);
		return;
	}
	k->app = app;
	if (app->opt.no_keep && heir_pending()) {
		app->kept = k; /* the predecessor's, which may go on: kept_config_begin() */
		return;
	}
	if (app->opt.no_keep) {
		/* nor is what a run before has kept to come back later */
		kept_config_forget(k);
		kept_config_free(k);
		return;
	}
	k->arguments = hash_arguments(argc, argv);
	k->file = hash_file(app);
	k->timer.cb = on_timer;
	k->text = read_all(k->path, O_NOFOLLOW, geteuid());
	app->kept = k;
}
