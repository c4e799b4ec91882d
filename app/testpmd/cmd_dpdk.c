/* SPDX-License-Identifier: BSD-3-Clause */
/* DPDK's facts about itself, and commands for hardware that is not there. */
#include <string.h>

#include <rte_devargs.h>
#include <rte_log.h>
#include <rte_memory.h>
#include <rte_memzone.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include "app.h"
#include "cli/cli.h"

static void
cmd_dump(struct cmd *c)
{
	static void (*const dump[])(FILE * f) = {
		rte_dump_physmem_layout, rte_memzone_dump, rte_mempool_list_dump,
		rte_ring_list_dump,      rte_devargs_dump, rte_log_dump,
	};

	dump[cmd_choice(c, 0, RTE_DIM(dump))](c->out);
}

#define NO_FLOWS                                                                       \
	"port_flow_complain(): Caught PMD error type 1 (cause unspecified): Function " \
	"not implemented: Function not implemented\n"

static const struct cli_row rows[] = {
	{"(dump_physmem|dump_memzone|dump_mempool|dump_ring|dump_devargs|dump_log_types)", cmd_dump,
	 "Dump DPDK's memory layout, memory zones, pools, rings, device arguments or log types."},
	{"flow (create|validate) (port_id) (ident)", cmd_refuse,
	 "Create or validate a flow rule: no port takes any.", NO_FLOWS},
	{"flow (list|flush) (port_id)", cmd_reply, "List or forget flow rules: there are none.",
	 ""},
	{"rx_vxlan_port (add|rm) (num) (port_id)", cmd_refuse,
	 "Add or remove an UDP port for VXLAN packet filter on a port: no port filters.",
	 "udp tunneling add error: (Operation not supported)\n"},
};

const struct cli_section cli_dpdk = {
	.name = "dpdk",
	.title = "DPDK:",
	.summary = "Facts DPDK has about itself, and commands that need hardware.",
	.rows = rows,
	.n = RTE_DIM(rows),
};
