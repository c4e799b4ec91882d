/* SPDX-License-Identifier: BSD-3-Clause */
#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_common.h>

#include "base/heir.h"
#include "base/sock.h"
#include "base/spare.h"

#define BACKLOG 32
#define STREAM (SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC)
#define REST_MS 100
#define LINKS_MAX 40 /* of a path, as many as the kernel follows */

/* --- unix sockets --- */

static int
address(const char *path, struct sockaddr_un *sa)
{
	*sa = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlcpy(sa->sun_path, path, sizeof(sa->sun_path)) >= sizeof(sa->sun_path))
		return -ENAMETOOLONG;
	return 0;
}

static int
new_socket(void)
{
	int fd = socket(AF_UNIX, STREAM, 0);

	return fd < 0 ? -errno : fd;
}

/** A path on the way to the file it leads to. */
struct walk {
	int at;                                 /* folder that was reached; AT_FDCWD: none yet */
	bool top;                               /* none yet of a path that begins with "/" */
	char rest[PATH_MAX], scratch[PATH_MAX]; /* what is left of the path */
	int links;                              /* that were followed */
};

/** @p fd is the folder now. */
static void
enter(struct walk *w, int fd)
{
	if (w->at >= 0)
		close(w->at);
	w->at = fd;
	w->top = false;
}

/** From where a path begins, which is the rest then. */
static int
begin(struct walk *w, const char *path)
{
	if (strlcpy(w->rest, path, sizeof(w->rest)) >= sizeof(w->rest))
		return -ENAMETOOLONG;
	if (path[0] != '/')
		return 0;
	enter(w, AT_FDCWD);
	w->top = true;
	return 0;
}

/** The next name of the rest, which has it no more; "": there is none. False: no file has it. */
static bool
take_name(struct walk *w, char name[NAME_MAX + 2])
{
	size_t slashes = strspn(w->rest, "/"), len = strcspn(w->rest + slashes, "/");

	if (len > NAME_MAX)
		return false;
	snprintf(name, NAME_MAX + 2, "%s%.*s", w->top ? "/" : "", (int)len, w->rest + slashes);
	memmove(w->rest, w->rest + slashes + len, strlen(w->rest + slashes + len) + 1);
	return true;
}

/** The path that link @p fd holds, and the rest behind it, is the rest. */
static int
follow(struct walk *w, int fd)
{
	ssize_t n = readlinkat(fd, "", w->scratch, sizeof(w->scratch) - 1);

	if (n < 0)
		return -errno;
	w->scratch[n] = '\0';
	if (strlcat(w->scratch, w->rest, sizeof(w->scratch)) >= sizeof(w->scratch))
		return -ENAMETOOLONG;
	return ++w->links > LINKS_MAX ? -ELOOP : begin(w, w->scratch);
}

/** Links of procfs stand for files, not for paths; the kernel alone makes them. */
static bool
is_magic(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

/** One name further: the file that the path leads to, -EAGAIN: there is more of it, or -errno. */
static int
step(struct walk *w)
{
	char name[NAME_MAX + 2];
	struct stat st;
	int ret, fd;

	if (!take_name(w, name))
		return -ENAMETOOLONG;
	fd = openat(w->at, name[0] == '\0' ? "." : name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) != 0) {
		ret = -errno;
		close(fd);
		return ret;
	}
	if (S_ISLNK(st.st_mode) && is_magic(fd)) {
		close(fd);
		fd = openat(w->at, name, O_PATH | O_CLOEXEC);
	} else if (S_ISLNK(st.st_mode)) {
		ret = st.st_uid == 0 || st.st_uid == geteuid() ? follow(w, fd) : -ELOOP;
		close(fd);
		return ret == 0 ? -EAGAIN : ret;
	}
	if (fd < 0)
		return -errno;
	if (w->rest[strspn(w->rest, "/")] == '\0')
		return fd;
	enter(w, fd);
	return -EAGAIN;
}

/**
 * The file of a socket, which cannot become another one meanwhile. A front-end may be able to write
 * to the folder of its socket, or to one above it, and put a link to another guest's there, to
 * which this process may connect and the front-end may not: only links of its own user and of root
 * are followed. Each is looked at: one of an operator's may lead to such a folder.
 */
static int
open_file(const char *path)
{
	struct walk w = {.at = AT_FDCWD};
	int ret = path[0] == '\0' ? -ENOENT : begin(&w, path);

	if (ret == 0)
		do
			ret = step(&w);
		while (ret == -EAGAIN);
	if (w.at >= 0)
		close(w.at);
	return ret;
}

/* 0 or -errno. EAGAIN: its backlog is full; treated as not listening. */
static int
connect_file(int fd, int file)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d", file);
	return connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 ? 0 : -errno;
}

int
sock_connect_unix(const char *path)
{
	int fd, ret, file = open_file(path);

	if (file < 0)
		return file;
	fd = new_socket();
	ret = fd < 0 ? fd : connect_file(fd, file);
	close(file);
	if (ret == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return ret;
}

/** Remove the socket file a dead process left. 0, or -errno with @p why. */
static int
remove_stale(const char *path, const char **why)
{
	struct stat st;
	int fd;

	*why = "cannot be looked at";
	if (lstat(path, &st) != 0)
		return errno == ENOENT ? 0 : -errno;
	*why = "exists and is not a socket";
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = sock_connect_unix(path);
	*why = "is in use by another process";
	if (fd >= 0)
		close(fd);
	if (fd >= 0 || fd == -EAGAIN)
		return -EADDRINUSE;
	*why = "is stale and cannot be removed";
	return fd == -ECONNREFUSED && unlink(path) == 0 ? 0 : -EACCES;
}

/** Rights are set between bind() and listen(): no client can connect before. 0 or -errno. */
static int
set_access(const char *path, const struct sock_access *a)
{
	if ((a->owner != (uid_t)-1 || a->group != (gid_t)-1) &&
	    lchown(path, a->owner, a->group) != 0)
		return -errno;
	return chmod(path, a->mode) == 0 ? 0 : -errno;
}

int
sock_listen_unix(const char *path, const struct sock_access *access, char *err, size_t errlen)
{
	const char *why = "path is too long";
	struct sockaddr_un sa;
	int fd = heir_take(path), ret = address(path, &sa);

	if (fd >= 0) {
		heir_note(path, fd);
		return fd;
	}
	if (ret == 0)
		ret = remove_stale(path, &why);
	if (ret == 0) {
		why = "cannot be created";
		fd = new_socket();
		ret = fd < 0 ? fd : 0;
	}
	if (ret == 0 && bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0)
		ret = -errno;
	if (ret == 0) {
		why = "cannot be given its owner, group and mode";
		ret = set_access(path, access);
		if (ret == 0 && listen(fd, BACKLOG) != 0)
			ret = -errno;
		if (ret != 0)
			unlink(path);
	}
	if (ret == 0) {
		heir_note(path, fd);
		return fd;
	}
	snprintf(err, errlen, "socket %s %s: %s", path, why, strerror(-ret));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* --- loopback --- */

static bool
is_loopback(const struct sockaddr *addr)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)addr;
	const struct sockaddr_in *in = (const struct sockaddr_in *)addr;

	if (addr->sa_family == AF_INET)
		return ntohl(in->sin_addr.s_addr) >> 24 == 127;
	return addr->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

static int
bind_loopback(const struct addrinfo *ai)
{
	int fd, ret, one = 1;

	if (!is_loopback(ai->ai_addr))
		return -EPERM;
	fd = socket(ai->ai_family, STREAM, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
	    bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

/* "A:P" or "[A]:P" cut in two. */
static bool
split(const char *text, char *host, size_t hostlen, const char **port)
{
	const char *colon = strrchr(text, ':');
	size_t len;

	if (colon == NULL || colon[1] == '\0')
		return false;
	len = (size_t)(colon - text);
	if (len >= 2 && text[0] == '[' && colon[-1] == ']') {
		text++;
		len -= 2;
	}
	if (len == 0 || len >= hostlen)
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	*port = colon + 1;
	return true;
}

int
sock_listen_loopback(const char *text, char *err, size_t errlen)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
	};
	struct addrinfo *ai;
	const char *port;
	char host[64];
	int fd = heir_take(text);

	if (fd >= 0) {
		heir_note(text, fd);
		return fd;
	}
	if (!split(text, host, sizeof(host), &port) || getaddrinfo(host, port, &hints, &ai) != 0) {
		snprintf(err, errlen, "neither unix:PATH nor ADDRESS:PORT");
		return -1;
	}
	fd = bind_loopback(ai);
	freeaddrinfo(ai);
	if (fd >= 0) {
		heir_note(text, fd);
		return fd;
	}
	snprintf(err, errlen, "%s",
		 fd == -EPERM ? "not an address of this host itself (127.0.0.1, ::1)"
			      : strerror(-fd));
	return -1;
}

/* --- accepting --- */

static bool
out_of_descriptors(int error)
{
	return error == EMFILE || error == ENFILE;
}

/*
 * Accept and close the waiting connection, with a descriptor kept for that. False: even that fails.
 */
static bool
shed(const struct sock_listener *l)
{
	int fd;

	spare_lend();
	fd = accept4(l->src.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	spare_refill();
	return fd >= 0;
}

/* Connections wait for a while. */
static void
rest(struct sock_listener *l)
{
	ev_mod(&l->src, 0);
	ev_timer_arm(l->loop, &l->rest, REST_MS);
}

static void
on_waiting(struct ev_source *src, uint32_t events)
{
	struct sock_listener *l = container_of(src, struct sock_listener, src);
	int fd, error;

	(void)events;
	if (l->full != NULL && l->full(l)) {
		rest(l);
		return;
	}
	fd = accept4(src->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	error = errno;
	if (fd >= 0 && spare_refill()) {
		l->accepted(l, fd);
		return;
	}
	if (fd < 0 && !out_of_descriptors(error))
		return;
	if (fd >= 0) { /* the connection took the last descriptor */
		close(fd);
		spare_refill();
		error = EMFILE;
	}
	log_peer(&l->log_limit, l->tag, "a connection was refused: %s (see ulimit -n)",
		 strerror(error));
	if (fd >= 0 || shed(l))
		return;
	rest(l);
}

static void
on_rested(struct ev_timer *t)
{
	ev_mod(&container_of(t, struct sock_listener, rest)->src, EPOLLIN);
}

int
sock_accept_on(struct sock_listener *l, struct ev_loop *loop, int fd)
{
	int ret;

	l->src = (struct ev_source){.fd = fd, .cb = on_waiting};
	l->rest = (struct ev_timer){.cb = on_rested};
	ret = ev_add(loop, &l->src, EPOLLIN);
	if (ret < 0) {
		heir_forget(fd);
		close(fd);
	} else {
		l->loop = loop;
	}
	return ret;
}

void
sock_listener_own(const struct sock_listener *l)
{
	if (l->loop != NULL)
		(void)listen(l->src.fd, BACKLOG);
}

void
sock_listener_close(struct sock_listener *l)
{
	if (l->loop == NULL)
		return;
	ev_timer_cancel(&l->rest);
	ev_del(&l->src);
	heir_forget(l->src.fd);
	close(l->src.fd);
	l->loop = NULL;
}
