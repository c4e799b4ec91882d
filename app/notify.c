/* SPDX-License-Identifier: BSD-3-Clause */
#include "notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <bsd/string.h>
#include <rte_common.h>

#define PERIOD_MAX_MS 60000

static void
notify_send(const char *text)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	socklen_t len;
	int fd;

	if (path == NULL || (path[0] != '/' && path[0] != '@') ||
	    strlcpy(addr.sun_path, path, sizeof(addr.sun_path)) >= sizeof(addr.sun_path))
		return;
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (path[0] == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	/* nothing to be done when the manager does not listen */
	(void)!sendto(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
		      (const struct sockaddr *)&addr, len);
	close(fd);
}

static void
on_watchdog(struct ev_timer *t)
{
	struct notify *n = container_of(t, struct notify, watchdog);

	notify_send("WATCHDOG=1");
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
	n->loop = loop;
	n->watchdog.cb = on_watchdog;
	n->period_ms = watchdog_period();
	if (n->period_ms != 0)
		ev_timer_arm(loop, &n->watchdog, n->period_ms);
	notify_send("READY=1");
}

void
notify_stopping(struct notify *n)
{
	ev_timer_cancel(&n->watchdog);
	notify_send("STOPPING=1");
}
