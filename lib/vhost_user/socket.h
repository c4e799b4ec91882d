/* SPDX-License-Identifier: BSD-3-Clause */
/* Unix sockets of the back-end: making them, and getting rid of them. Control thread. */
#ifndef VHOST_USER_SOCKET_H
#define VHOST_USER_SOCKET_H

#include <stddef.h>
#include <sys/types.h>

/** Who may connect. */
struct vhu_socket_access {
	mode_t mode;
	uid_t owner; /* (uid_t)-1: unchanged */
	gid_t group; /* (gid_t)-1: unchanged */
};

/**
 * A listening, non-blocking socket at @p path. The file of a dead process is
 * replaced; a file of another kind, or a socket somebody listens on, is left
 * alone. -1 with a sentence in @p err.
 */
int vhu_socket_listen(const char *path, const struct vhu_socket_access *access, char *err,
		      size_t errlen);

/** Connect without blocking: an open socket, or -errno. */
int vhu_socket_connect(const char *path);

#endif
