/* SPDX-License-Identifier: BSD-3-Clause */
#include "notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/string.h>
#include <rte_common.h>

#define PERIOD_MAX_MS 60000

/* Opened once: peers can use up the descriptors, and the watchdog must be fed all the same. */
static void
open_socket(struct notify *n)
{
	const char *path = getenv("NOTIFY_SOCKET");

	n->fd = -1;
	n->addr = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (path == NULL || (path[0] != '/' && path[0] != '@') ||
	    strlcpy(n->addr.sun_path, path, sizeof(n->addr.sun_path)) >= sizeof(n->addr.sun_path))
		return;
	n->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (path[0] == '@')
		n->addr.sun_path[0] = '\0';
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

/* Nothing is to be done when the manager does not listen; it may be there again next time. */
static void
notify_send(const struct notify *n, const char *text)
{
	if (n->fd >= 0)
		(void)!sendto(n->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
			      (const struct sockaddr *)&n->addr, n->len);
}

static void
on_watchdog(struct ev_timer *t)
{
	struct notify *n = container_of(t, struct notify, watchdog);

	notify_send(n, "WATCHDOG=1");
	ev_timer_arm(n->loop, t, n->period_ms);
}

/* Half the time the manager allows, 0: no watchdog for us. */
static uint32_t
watchdog_period(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	uint64_t n = usec != NULL ? strtoull(usec, NULL, 10) : 0;

	if (n == 0 || (pid != NULL && strtol(pid, NULL, 10) != getpid()))
		return 0;
	n = RTE_MIN(n / 2000, (uint64_t)PERIOD_MAX_MS);
	return n != 0 ? (uint32_t)n : 1;
}

void
notify_ready(struct notify *n, struct ev_loop *loop)
{
	open_socket(n);
	n->loop = loop;
	n->watchdog.cb = on_watchdog;
	n->period_ms = watchdog_period();
	if (n->period_ms != 0)
		ev_timer_arm(loop, &n->watchdog, n->period_ms);
	notify_send(n, "READY=1");
}

void
notify_main_pid(const struct notify *n, pid_t pid)
{
	char text[32];

	snprintf(text, sizeof(text), "MAINPID=%d", pid);
	notify_send(n, text);
}

void
notify_stopping(struct notify *n)
{
	ev_timer_cancel(&n->watchdog);
	notify_send(n, "STOPPING=1");
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}
