/* SPDX-License-Identifier: BSD-3-Clause */
/* "set" of what testpmd has, too. */
#include "app.h"

static void
cmd_set_fwd(struct cmd *c)
{
	c->app->sw.mode = fwd_mode_by_name(cmd_str(c, 2));
	cmd_print(c, "Set %s packet forwarding mode\n", cmd_str(c, 2));
	sw_publish(&c->app->sw);
}

static const struct cli_row rows[] = {
	{"set fwd (switch)", cmd_set_fwd, "Set packet forwarding mode."},
};

const struct cli_section cli_config = {
	.name = "config",
	.title = "Configuration:",
	.summary = "Configuration information.",
	.rows = rows,
	.n = RTE_DIM(rows),
};
