/* SPDX-License-Identifier: BSD-3-Clause */
#include "enter.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "app.h"
#include "ctl.h"

static struct {
	struct ev_source input;
	struct app *app;
} enter;

static void
on_input(struct ev_source *src, uint32_t events)
{
	char c;

	if (read(src->fd, &c, 1) < 0 && (errno == EAGAIN || errno == EINTR))
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
	return ev_add(app->loop, &enter.input, EPOLLIN);
}

void
enter_unwatch(void)
{
	ev_del(&enter.input);
}
