/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of forwarding modes.
 */
#include <string.h>

#include "switch/forward.h"

const struct fwd_mode fwd_modes[] = {
	{"switch", forward_switch, NULL},
	{NULL, NULL, NULL},
};

const struct fwd_mode *
fwd_mode_by_name(const char *name)
{
	for (const struct fwd_mode *m = fwd_modes; m->name != NULL; m++)
		if (strcmp(m->name, name) == 0)
			return m;
	return NULL;
}
