/* SPDX-License-Identifier: BSD-3-Clause */
#include "eal.h"

#include <stdio.h>

#include <rte_common.h>
#include <rte_eal.h>

int
eal_start(const char *lcores, uint32_t megabytes)
{
	/* EAL keeps pointers to its arguments and writes to the array */
	static char args[][24] = {"test",
				  "--no-huge",
				  "--no-shconf",
				  "--no-pci",
				  "--no-telemetry",
				  "--log-level",
				  "error",
				  "-m",
				  "",
				  "-l",
				  ""};
	static char *argv[RTE_DIM(args) + 1];

	snprintf(args[8], sizeof(args[8]), "%u", megabytes);
	snprintf(args[10], sizeof(args[10]), "%s", lcores);
	for (uint32_t i = 0; i < RTE_DIM(args); i++)
		argv[i] = args[i];
	return rte_eal_init(RTE_DIM(args), argv) < 0 ? -1 : 0;
}
