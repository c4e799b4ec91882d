/* SPDX-License-Identifier: BSD-3-Clause */
#include "wait.h"

#include "app.h"

#define LOOK_MS 20
#define SECOND_NS UINT64_C(1000000000)

void
wait_drop(struct wait *w)
{
	ev_timer_cancel(&w->timer);
	w->app = NULL;
}

static void
finish(struct wait *w, bool ok)
{
	wait_drop(w);
	fflush(w->out);
	w->done(w, ok);
}

static void
show_dot(struct wait *w, uint64_t now)
{
	if (!w->dots || now - w->dot_ns < SECOND_NS)
		return;
	w->dot_ns = now;
	fputc('.', w->out);
	fflush(w->out);
}

/* The dots are a line of their own. */
static void
end_dots(const struct wait *w)
{
	if (w->dots && w->dot_ns != w->start_ns)
		fputc('\n', w->out);
}

static void
look(struct ev_timer *t)
{
	struct wait *w = container_of(t, struct wait, timer);
	const struct port *p = app_port(w->app, w->port);
	uint64_t now = ev_now_ns();
	bool there = p != NULL && p == w->p;

	if (there && p->ops->link_up(p) == w->up) {
		end_dots(w);
		fprintf(w->out, "Port %u is %s\n", w->port, w->up ? "up" : "down");
		finish(w, true);
	} else if (!there) {
		end_dots(w);
		fprintf(w->out, "Port %u is gone\n", w->port);
		finish(w, false);
	} else if (w->seconds != 0 && now - w->start_ns >= w->seconds * SECOND_NS) {
		end_dots(w);
		fprintf(w->out, "Port %u is %s after %u s\n", w->port, w->up ? "down" : "up",
			w->seconds);
		finish(w, false);
	} else {
		show_dot(w, now);
		ev_timer_arm(w->app->loop, t, LOOK_MS);
	}
}

void
wait_start(struct wait *w, struct app *app, uint16_t id, bool up, uint32_t seconds)
{
	w->app = app;
	w->port = id;
	w->p = app_port(app, id);
	w->up = up;
	w->seconds = seconds;
	w->start_ns = w->dot_ns = ev_now_ns();
	w->timer.cb = look;
	ev_timer_arm(app->loop, &w->timer, 0);
}

void
wait_cancel(struct wait *w)
{
	end_dots(w);
	fputs("Interrupted\n", w->out);
	finish(w, false);
}
