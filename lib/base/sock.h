/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stream sockets, close-on-exec and non-blocking: listening, connecting, accepting.
 *
 * At the limit of open files a connection that waits cannot be accepted, and the event loop would
 * report it again and again: a listener then accepts it with a spare descriptor (base/spare.h) and
 * closes it, or, when even that fails, stops accepting for a while.
 *
 * Control thread.
 */
#ifndef BASE_SOCK_H
#define BASE_SOCK_H

#include <stddef.h>
#include <sys/types.h>

#include "base/ev.h"
#include "base/log.h"

/** Owner, group and mode of a socket file: the users that may connect. */
struct sock_access {
	mode_t mode;
	uid_t owner; /* (uid_t)-1: unchanged */
	gid_t group; /* (gid_t)-1: unchanged */
};

/**
 * A listening socket at @p path. The file of a dead process is replaced; a file of another kind, or
 * a socket a process listens on, is left alone, unless that process has handed it over (heir.h).
 * -1 with a sentence in @p err.
 */
int sock_listen_unix(const char *path, const struct sock_access *access, char *err, size_t errlen);

/**
 * A listening socket at "ADDRESS:PORT" or "[ADDRESS]:PORT" of this host itself. -1 with a sentence
 * in @p err.
 */
int sock_listen_loopback(const char *text, char *err, size_t errlen);

/**
 * Connect to the unix socket at @p path without blocking: an open socket, or -errno. -ELOOP: it is
 * a symbolic link of another user than root and this process's.
 */
int sock_connect_unix(const char *path);

/** Accepts connections. Zero-initialised: not listening. */
struct sock_listener {
	/** A new connection; the callee owns @p fd. */
	void (*accepted)(struct sock_listener *l, int fd);
	/** Whether connections are to wait for now; it is asked again. May be NULL: never. */
	bool (*full)(const struct sock_listener *l);
	const char *tag; /* of log lines; NULL: the program */
	/* set by sock_accept_on() */
	struct ev_source src;
	struct ev_timer rest;
	struct ev_loop *loop; /* NULL: not listening */
	struct log_limit log_limit;
};

/** Accept from @p fd, which the listener then owns; accepted and tag are set. 0 or -errno. */
int sock_accept_on(struct sock_listener *l, struct ev_loop *loop, int fd);

/**
 * Clients that connect from now on are told that this process listens (SO_PEERCRED), not the one
 * that opened the socket.
 */
void sock_listener_own(const struct sock_listener *l);

/** Stop and close; harmless when not listening. */
void sock_listener_close(struct sock_listener *l);

#endif
