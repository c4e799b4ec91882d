/* SPDX-License-Identifier: BSD-3-Clause */
#include "enter.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "app.h"
#include "ctl.h"

static struct {
	struct ev_source input;
	struct app *app;
} enter;

/*
 * In the background the terminal's input is that of another process, and reading it would stop this
 * one with all its ports (SIGTTIN). A terminal that is not the session's own has no background.
 */
static bool
is_foreground(int fd)
{
	pid_t group = tcgetpgrp(fd);

	return group < 0 || group == getpgrp();
}

static void
on_input(struct ev_source *src, uint32_t events)
{
	ssize_t n;
	char c;

	if ((events & EPOLLHUP) == 0 && !is_foreground(src->fd))
		return;
	do
		n = read(src->fd, &c, 1);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return;
	ev_del(src);
	ctl_quit(enter.app);
}

int
enter_watch(struct app *app)
{
	if (!isatty(STDIN_FILENO))
		return 0;
	puts("Press enter to exit");
	fflush(stdout);
	enter.app = app;
	enter.input = (struct ev_source){.fd = STDIN_FILENO, .cb = on_input};
	/* edges: input that others leave unread is looked at once */
	return ev_add(app->loop, &enter.input, EPOLLIN | EPOLLET);
}

void
enter_unwatch(void)
{
	ev_del(&enter.input);
}
