/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stream sockets the program listens on for its administrators: close-on-exec,
 * non-blocking. Control thread.
 */
#ifndef APP_LISTEN_H
#define APP_LISTEN_H

#include <stdint.h>
#include <sys/types.h>

/**
 * At @p path with permissions @p mode. A socket file nobody listens on any more
 * is replaced, anything else is not. A descriptor or -errno: -ENAMETOOLONG,
 * -EADDRINUSE, -EEXIST...
 */
int listen_unix(const char *path, mode_t mode, int backlog);

/**
 * At "ADDRESS:PORT" or "[ADDRESS]:PORT" of this host itself. A descriptor or
 * -errno; -EINVAL: no such form, -EPERM: not a loopback address.
 */
int listen_loopback(const char *text, int backlog);

#endif
