/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The service manager's notification protocol, sd_notify(3): a datagram to the
 * socket named by $NOTIFY_SOCKET. Without a service manager nothing happens.
 *
 * Control thread. The watchdog is fed from the event loop, so that a control
 * thread that is stuck gets the service restarted.
 */
#ifndef APP_NOTIFY_H
#define APP_NOTIFY_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/ev.h"

struct notify {
	struct ev_timer watchdog;
	struct ev_loop *loop;
	uint32_t period_ms;
	int fd; /* -1: no service manager */
	struct sockaddr_un addr;
	socklen_t len;
};

/** "READY=1", and feed the watchdog if $WATCHDOG_USEC asks for it. */
void notify_ready(struct notify *n, struct ev_loop *loop);

/** "MAINPID=": process @p pid is the service from now on. */
void notify_main_pid(const struct notify *n, pid_t pid);

/** "STOPPING=1". */
void notify_stopping(struct notify *n);

#endif
