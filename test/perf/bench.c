/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_eal.h>

#include "base/ev.h"
#include "switch/fdb.h"
#include "switch/poll.h"
#include "switch/publish.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"

void
bench_eal(const char *name, const char *mb)
{
	const char *const arg[] = {name,
				   "--no-huge",
				   "--no-shconf",
				   "--no-pci",
				   "--no-telemetry",
				   "--log-level",
				   "error",
				   "-m",
				   mb,
				   "-l",
				   "0"};
	char *args[RTE_DIM(arg)]; /* EAL changes their order */

	for (uint32_t i = 0; i < RTE_DIM(arg); i++) {
		args[i] = strdup(arg[i]);
		if (args[i] == NULL)
			errx(1, "no memory");
	}
	if (rte_eal_init(RTE_DIM(args), args) < 0)
		errx(1, "no EAL");
}

struct worker *
bench_switch(struct sw *sw, uint32_t addresses, struct rte_mempool *mp)
{
	const struct fdb_config fdb = {.limit = addresses, .ageing_s = 300};
	struct worker *w = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*w));

	if (mp == NULL || w == NULL || sw_init(sw, 1, &fdb, mp, ev_loop_new()) != 0)
		errx(1, "no memory");
	memset(w, 0, sizeof(*w));
	w->ctl = &sw->dp;
	w->mp = mp;
	return w;
}

void
bench_start(struct sw *sw)
{
	sw_start(sw, true);
	sw_publish(sw);
	dp_online(&sw->dp, 0);
}

static int
order(const void *x, const void *y)
{
	const double *a = x, *b = y;

	return (*a > *b) - (*a < *b);
}

void
bench_sort(double *cycles, uint32_t n)
{
	qsort(cycles, n, sizeof(cycles[0]), order);
}
