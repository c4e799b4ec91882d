/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program: what it was told, and everything it has running.
 *
 * One struct app, made by main(). All of it belongs to the control thread,
 * which is the main lcore; a worker sees its struct worker, the switch's
 * struct dp_ctl and app.stop, nothing else.
 */
#ifndef APP_APP_H
#define APP_APP_H

#include <limits.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "argv.h"
#include "base/ev.h"
#include "notify.h"
#include "options.h"
#include "switch/worker.h"
#include "switch/port.h"
#include "switch/sw.h"

#define APP_ERR_MAX 1024 /* for a sentence about what is wrong */

struct cli;
struct control_socket;
struct balancer;
struct ctl;
struct events;
struct fwd;
struct kept_config;
struct metrics_http;
struct sflow_agent;
struct successor;
struct upgrade;
struct vxlan;

/** Facts of a port as the clients that follow events were told them last. */
struct app_told {
	bool up, connected, hardware;
	uint64_t features, protocol_features;
};

/** The program's own state of a port, of no use to the switch: port.app. Zeroes: a new port. */
struct app_port {
	struct baseline shown;   /* "show port stats", for the rates */
	struct baseline started; /* "start", for the statistics of "stop" */
	uint64_t no_queue;       /* frames of "start tx_first" that found no queue, since then */
	bool gso;
	bool reconfigure; /* the next "port start" configures it anew */
	struct {
		uint32_t flows, counters; /* samples sent, by kind */
		uint64_t counted_ns;      /* when its counters were sent last; 0: never */
		uint64_t pool_tick;       /* when pool was summed up */
		uint32_t pool;            /* frames that came in, of which some are samples */
	} sflow;
	struct app_told told;
};

struct app {
	/* [fixed] */
	const char *name; /* program name without its directory */
	bool testpmd;     /* called as dpdk-testpmd: its prompt and defaults */
	struct options opt;
	struct argv_split args;
	char state_dir[PATH_MAX]; /* "": none */
	bool eal;                 /* rte_eal_init() has succeeded */
	int argc;                 /* as the program was called */
	char **argv;
	cpu_set_t cpus; /* it may run on, before threads were pinned */

	/* [ctl] */
	struct ev_loop *loop;
	struct ctl *ctl;
	struct sw sw;
	struct rte_mempool *mp;
	struct cli *cli;
	struct control_socket *control;  /* NULL: none */
	struct metrics_http *metrics;    /* NULL: none */
	void (*reload)(struct app *app); /* for SIGHUP */
	struct kept_config *kept;        /* NULL: settings are not kept for a crash */
	struct successor *successor;     /* while it takes over from another process */
	struct upgrade *upgrade;         /* made when first asked for */
	struct notify notify;
	struct events *events;
	struct fwd *fwd;
	struct vxlan *vxlan;
	struct sflow_agent *sflow;
	struct balancer *balancer; /* made when first asked for */
	struct sw_listener listener;
	const struct birth *birth; /* of the port that is being made; NULL: as others */
	uint32_t gso_segsz, gro_flush;
	bool hide_zero; /* "set xstats-hide-zero" */

	/* [fixed] once the workers run */
	uint32_t nworkers;
	struct worker *worker[DP_WORKERS_MAX];

	/* [atomic] */
	atomic_bool stop; /* workers return */
};

static inline const char *
app_prompt(const struct app *app)
{
	return app->testpmd ? "testpmd> " : "vqswitch> ";
}

/** Port @p id, or NULL. */
static inline struct port *
app_port(const struct app *app, uint64_t id)
{
	return id < app->sw.nports ? app->sw.port[id] : NULL;
}

#endif
