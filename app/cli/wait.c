/* SPDX-License-Identifier: BSD-3-Clause */
#include "wait.h"

#include <string.h>

#include <rte_common.h>

#include "app.h"

#define LOOK_MS 20
#define SECOND_NS UINT64_C(1000000000)
#define PROGRESS_LEN 80

uint64_t
wait_seconds(const struct wait *w)
{
	return (ev_now_ns() - w->start_ns) / SECOND_NS;
}

static void
finish(struct wait *w, bool ok)
{
	ev_timer_cancel(&w->timer);
	w->app = NULL;
	fflush(w->out);
	w->done(w, ok);
}

static void
show_progress(struct wait *w, uint64_t now)
{
	char line[PROGRESS_LEN];

	if (!w->seen || w->kind->talks || now - w->shown_ns < SECOND_NS)
		return;
	w->shown_ns = now;
	if (w->kind->progress == NULL) {
		fputc('.', w->out);
	} else {
		/* over the line before */
		w->kind->progress(w, line, sizeof(line));
		w->width = RTE_MAX(w->width, (int)strlen(line));
		fprintf(w->out, "\r%-*s", w->width, line);
	}
	fflush(w->out);
}

/* Progress shown meanwhile is a line of its own. */
static void
end_progress(const struct wait *w)
{
	if (w->seen && w->shown_ns != w->start_ns)
		fputc('\n', w->out);
}

static void
conclude(struct wait *w, enum wait_end end)
{
	end_progress(w);
	w->kind->say(w, end);
	finish(w, end == WAIT_DONE);
}

static void
look(struct ev_timer *t)
{
	struct wait *w = container_of(t, struct wait, timer);
	enum wait_end end = w->kind->look(w);

	if (end == WAIT_ON && wait_seconds(w) >= w->seconds)
		end = WAIT_LATE;
	if (end != WAIT_ON) {
		conclude(w, end);
		return;
	}
	show_progress(w, ev_now_ns());
	ev_timer_arm(w->app->loop, t, w->kind->busy ? 0 : LOOK_MS);
}

void
wait_start(struct wait *w, struct app *app, const struct wait_kind *kind, uint64_t seconds)
{
	w->app = app;
	w->kind = kind;
	w->seconds = seconds;
	w->start_ns = w->shown_ns = ev_now_ns();
	w->width = 0;
	w->timer.cb = look;
	ev_timer_arm(app->loop, &w->timer, 0);
}

void
wait_look(struct wait *w)
{
	look(&w->timer);
}

void
wait_cancel(struct wait *w)
{
	if (w->kind->end != NULL) {
		w->kind->end(w);
		conclude(w, w->kind->look(w));
		return;
	}
	end_progress(w);
	fputs("Interrupted\n", w->out);
	finish(w, false);
}

void
wait_drop(struct wait *w)
{
	ev_timer_cancel(&w->timer);
	if (wait_active(w) && w->kind->end != NULL)
		w->kind->end(w);
	w->app = NULL;
}
