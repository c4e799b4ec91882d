/* SPDX-License-Identifier: BSD-3-Clause */
#include <bsd/string.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "vhost_user/socket.h"

#define BACKLOG 8

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
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

int
vhu_socket_connect(const char *path)
{
	struct sockaddr_un sa;
	int fd, ret = address(path, &sa);

	if (ret != 0)
		return ret;
	fd = new_socket();
	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	ret = -errno; /* EAGAIN: its backlog is full, as good as not there */
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
	fd = vhu_socket_connect(path);
	*why = "is in use by another process";
	if (fd >= 0)
		close(fd);
	if (fd >= 0 || fd == -EAGAIN)
		return -EADDRINUSE;
	*why = "is stale and cannot be removed";
	return fd == -ECONNREFUSED && unlink(path) == 0 ? 0 : -EACCES;
}

/** Rights are set between bind() and listen(): nobody can connect before. 0 or -errno. */
static int
set_access(const char *path, const struct vhu_socket_access *a)
{
	if ((a->owner != (uid_t)-1 || a->group != (gid_t)-1) &&
	    lchown(path, a->owner, a->group) != 0)
		return -errno;
	return chmod(path, a->mode) == 0 ? 0 : -errno;
}

int
vhu_socket_listen(const char *path, const struct vhu_socket_access *access, char *err,
		  size_t errlen)
{
	const char *why = "path is too long";
	struct sockaddr_un sa;
	int fd = -1, ret = address(path, &sa);

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
	if (ret == 0)
		return fd;
	snprintf(err, errlen, "socket %s %s: %s", path, why, strerror(-ret));
	if (fd >= 0)
		close(fd);
	return -1;
}
