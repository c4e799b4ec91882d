/* SPDX-License-Identifier: BSD-3-Clause */
/* Handing the running switch over to another process. */
#include <sys/socket.h>
#include <unistd.h>

#include "app.h"
#include "cli.h"
#include "handover.h"
#include "upgrade.h"
#include "wait.h"

/* The successor gets the memory of all guests: only who could start the switch may have that. */
static bool
is_owner(struct cmd *c, const struct wait *w)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (w->client != NULL &&
	    getsockopt(*w->client, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	    (peer.uid == 0 || peer.uid == geteuid()))
		return true;
	cmd_fail(c, "Refused: only the user the switch runs as, and root, may do that through the "
		    "control socket\n");
	return false;
}

static enum wait_end
look_upgrade(struct wait *w)
{
	bool done;

	if (upgrade_result(w->app, &done) == NULL)
		return WAIT_ON;
	return done ? WAIT_DONE : WAIT_GONE;
}

static void
say_upgrade(const struct wait *w, enum wait_end end)
{
	bool done;
	const char *result = upgrade_result(w->app, &done);

	if (end == WAIT_ON || result == NULL)
		fputs("The upgrade goes on\n", w->out);
	else
		fprintf(w->out, "%s: %s\n", done ? "Upgraded" : "Not upgraded", result);
}

static void
end_upgrade(struct wait *w)
{
	upgrade_unwait(w->app, w);
}

static const struct wait_kind wait_upgrade = {
	.look = look_upgrade,
	.say = say_upgrade,
	.end = end_upgrade,
};

static void
upgrade(struct cmd *c, const char *program)
{
	char err[HANDOVER_LINE_MAX];
	struct wait *w = cmd_wait(c);

	if (w == NULL || !is_owner(c, w))
		return;
	if (upgrade_start(c->app, program, w, err, sizeof(err)))
		wait_start(w, c->app, &wait_upgrade, WAIT_FOREVER);
	else
		cmd_fail(c, "Not upgraded: %s\n", err);
}

static void
cmd_upgrade(struct cmd *c)
{
	upgrade(c, NULL);
}

static void
cmd_upgrade_to(struct cmd *c)
{
	upgrade(c, c->words->rest);
}

static void
cmd_take_over(struct cmd *c)
{
	struct wait *w = cmd_wait(c);
	char err[HANDOVER_LINE_MAX];
	int sock;

	if (w == NULL || !is_owner(c, w))
		return;
	sock = w->passed != NULL ? *w->passed : -1;
	if (sock < 0) {
		cmd_fail(c, "Refused: it goes to a process that passes a socket with the command, "
			    "as \"vqswitch --upgrade-from\" does\n");
		return;
	}
	*w->passed = -1;
	if (!upgrade_serve(c->app, (uint32_t)cmd_num(c, 2), sock, err, sizeof(err)))
		cmd_fail(c, "%s\n", err);
}

static const struct cli_row rows[] = {
	{"upgrade", cmd_upgrade,
	 "Start the program anew and hand everything over to it; guests notice nothing."},
	{"upgrade (path)", cmd_upgrade_to, "The same to another program, such as a newer version."},
	{"take over (version)", cmd_take_over,
	 "Asked by a process with --upgrade-from, which passes a socket: hand over to it."},
};

const struct cli_section cli_upgrade = {
	.name = "upgrade",
	.title = "Upgrade:",
	.summary = "Go on in another process.",
	.rows = rows,
	.n = RTE_DIM(rows),
};
