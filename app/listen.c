/* SPDX-License-Identifier: BSD-3-Clause */
#include "listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <bsd/string.h>

#define STREAM (SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK)

/* --- unix sockets --- */

/* Whether somebody answers at @p addr; a socket file nobody listens on is left over. */
static bool
in_use(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, STREAM, 0);
	bool used;

	if (fd < 0)
		return false;
	used = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno == EAGAIN;
	close(fd);
	return used;
}

static int
make_room(const struct sockaddr_un *addr)
{
	struct stat st;

	if (lstat(addr->sun_path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	if (in_use(addr))
		return -EADDRINUSE;
	return unlink(addr->sun_path) == 0 ? 0 : -errno;
}

int
listen_unix(const char *path, mode_t mode, int backlog)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, ret;

	if (strlcpy(addr.sun_path, path, sizeof(addr.sun_path)) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	ret = make_room(&addr);
	if (ret < 0)
		return ret;
	fd = socket(AF_UNIX, STREAM, 0);
	if (fd < 0)
		return -errno;
	/* fchmod() before bind() decides the file's mode: nobody gets in between the two calls */
	if (fchmod(fd, mode) == 0 && bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0 &&
	    chmod(path, mode) == 0 && listen(fd, backlog) == 0)
		return fd;
	ret = -errno;
	close(fd);
	return ret;
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
bind_loopback(const struct addrinfo *ai, int backlog)
{
	int fd, ret, one = 1;

	if (!is_loopback(ai->ai_addr))
		return -EPERM;
	fd = socket(ai->ai_family, STREAM, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
	    bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, backlog) == 0)
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
listen_loopback(const char *text, int backlog)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
	};
	struct addrinfo *ai;
	const char *port;
	char host[64];
	int fd;

	if (!split(text, host, sizeof(host), &port) || getaddrinfo(host, port, &hints, &ai) != 0)
		return -EINVAL;
	fd = bind_loopback(ai, backlog);
	freeaddrinfo(ai);
	return fd;
}
