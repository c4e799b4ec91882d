/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: any thread, a table.
 *
 * The table of forwarding modes.
 */
#include "switch/modes.h"

#include <string.h>

/*
 * noisy is io here: what testpmd adds - a queue of delayed frames, random reads of a buffer - is
 * off unless its options ask for it. shared-rxq counts by source there and drops, as rxonly does.
 */
const struct fwd_mode fwd_modes[] = {
	{"switch", forward_switch, NULL, forward_vlan},
	{"io", forward_io, NULL},
	{"mac", forward_mac, NULL},
	{"macswap", forward_macswap, NULL},
	{"flowgen", forward_rxonly, generate_flows},
	{"rxonly", forward_rxonly, NULL},
	{"txonly", NULL, generate_txonly},
	{"csum", forward_csum, NULL},
	{"icmpecho", forward_icmpecho, NULL},
	{"noisy", forward_io, NULL},
	{"5tswap", forward_5tswap, NULL},
	{"shared-rxq", forward_rxonly, NULL},
	{NULL},
};

const struct fwd_mode *
fwd_mode_by_name(const char *name)
{
	for (const struct fwd_mode *m = fwd_modes; m->name != NULL; m++)
		if (strcmp(m->name, name) == 0)
			return m;
	return NULL;
}
