/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands about workers: what they poll, and how busy they are. */
#include <inttypes.h>

#include <rte_common.h>
#include <rte_cycles.h>

#include "app.h"
#include "balancer.h"
#include "base/counter.h"
#include "cli.h"
#include "device.h"
#include "nodes.h"
#include "show/running_config.h"
#include "switch/poll.h"
#include "switch/sw_ports.h"

#define NS_PER_SECOND UINT64_C(1000000000)

/* --- what they do --- */

static void
print_worker(struct cmd *c, uint32_t i, const struct dp_worker *polls)
{
	const struct worker *w = c->app->worker[i];
	const char *state = atomic_load(&c->app->sw.dp.worker[i].asleep) ? "asleep" : "awake";
	uint64_t all = counter_read(&w->iterations), frames = counter_read(&w->frames);

	cmd_print(c, "%-6u %-5u %-6s %14" PRIu64 " %5.1f%% %14" PRIu64 " %10.1f %10" PRIu64 " ", i,
		  w->lcore, state, all,
		  all == 0 ? 0.0 : (double)counter_read(&w->busy_iterations) / (double)all * 100,
		  frames,
		  frames == 0 ? 0.0 : (double)counter_read(&w->busy_cycles) / (double)frames,
		  counter_read(&w->sleeps));
	for (uint32_t q = 0; q < polls->n; q++)
		cmd_print(c, " %u/%u", polls->poll[q].port->id, polls->poll[q].q->index);
	cmd_print(c, "\n");
}

static void
print_stages(struct cmd *c, uint32_t i)
{
	static const char *const names[] = {
		[STAGE_POLL] = "poll", [STAGE_RX] = "rx", [STAGE_LOOKUP] = "lookup",
		[STAGE_COPY] = "copy", [STAGE_TX] = "tx", [STAGE_NOTIFY] = "notify",
	};
	const struct worker *w = c->app->worker[i];
	uint64_t frames = counter_read(&w->stage_frames);

	static_assert(RTE_DIM(names) == STAGE_NUM, "every stage has a name");
	if (!atomic_load(&w->timed))
		return;
	cmd_print(c, "Worker %u, cycles per frame:", i);
	for (uint32_t s = 0; s < STAGE_NUM; s++)
		cmd_print(c, " %s %.1f", names[s],
			  frames == 0 ? 0.0 : (double)counter_read(&w->stage[s]) / (double)frames);
	cmd_print(c, "\n");
}

static void
print_abandoned(struct cmd *c, uint32_t i)
{
	uint64_t n = counter_read(&c->app->worker[i]->abandoned);

	if (n != 0)
		cmd_print(c,
			  "Worker %u has not sent %" PRIu64 " frames to all receivers, since their "
			  "queue stopped or went to another worker\n",
			  i, n);
}

static void
print_longest(struct cmd *c)
{
	const double us = (double)US_PER_S / (double)rte_get_tsc_hz(); /* of a cycle */

	cmd_print(c, "Longest poll iteration:");
	for (uint32_t i = 0; i < c->app->nworkers; i++)
		cmd_print(c, "%s worker %u %.1f us", i == 0 ? "" : ",", i,
			  (double)counter_read(&c->app->worker[i]->longest) * us);
	cmd_print(c, "\n");
}

static void
print_advice(struct cmd *c)
{
	const struct sw *s = &c->app->sw;
	char buf[256];

	for (uint16_t i = 0; i < s->nports; i++) {
		const char *said = s->port[i] != NULL
					   ? nodes_advice(c->app, s->port[i], buf, sizeof(buf))
					   : NULL;

		if (said != NULL)
			cmd_print(c, "Port %u could be faster: %s\n", i, said);
	}
}

static void
print_balancer(struct cmd *c)
{
	const struct balancer_report r = balancer_report(c->app);
	const struct balancer_move *m = &r.last;

	if (r.period_s == 0)
		return;
	cmd_print(c, "Rebalanced every %u s: %" PRIu64 " queues moved", r.period_s, r.moves);
	if (r.moves != 0)
		cmd_print(c, ", the last one %" PRIu64 " s ago: %u/%u from worker %u to worker %u",
			  (ev_now_ns() - m->when_ns) / NS_PER_SECOND, m->port, m->index, m->from,
			  m->to);
	cmd_print(c, "\n");
}

static void
cmd_show_worker(struct cmd *c)
{
	struct app *app = c->app;

	cmd_print(c, "%-6s %-5s %-6s %14s %6s %14s %10s %10s  %s\n", "Worker", "Lcore", "State",
		  "Iterations", "Busy", "Frames", "Cycles/pkt", "Sleeps", "Queues (port/queue)");
	for (uint32_t i = 0; i < app->nworkers; i++)
		print_worker(c, i, &dp_live(&app->sw.dp)->worker[i]);
	for (uint32_t i = 0; i < app->nworkers; i++) {
		print_stages(c, i);
		print_abandoned(c, i);
	}
	print_longest(c);
	print_balancer(c);
	print_advice(c);
}

/* A longer iteration at the same time may come first or last: both are true. */
static void
cmd_clear_worker(struct cmd *c)
{
	for (uint32_t i = 0; i < c->app->nworkers; i++)
		counter_set(&c->app->worker[i]->longest, 0);
}

static void
cmd_worker_stages(struct cmd *c)
{
	for (uint32_t i = 0; i < c->app->nworkers; i++)
		worker_time(c->app->worker[i], cmd_on(c, 3));
}

/* --- which queues they poll --- */

static void
place_queue(struct cmd *c, uint64_t worker)
{
	struct port *p = cmd_settable_port(c, 2);
	int ret = p != NULL ? sw_set_rxq_worker(p, cmd_num(c, 4), worker) : 0;

	if (ret == -EINVAL)
		cmd_fail(c, "Refused: queue %" PRIu64 ": a port has %d at most, from 0 on\n",
			 cmd_num(c, 4), DP_QUEUES_MAX);
	else if (ret != 0)
		cmd_fail(c, "Refused: worker %" PRIu64 ": there are %u, from 0 on\n", worker,
			 c->app->nworkers);
}

static void
cmd_rxq_worker(struct cmd *c)
{
	place_queue(c, cmd_num(c, 6));
}

static void
cmd_rxq_any_worker(struct cmd *c)
{
	place_queue(c, SW_ANY_WORKER);
}

static void
cmd_rebalance(struct cmd *c)
{
	int ret = cmd_num(c, 3) > BALANCER_PERIOD_MAX_S
			  ? -EINVAL
			  : balancer_set(c->app, (uint32_t)cmd_num(c, 3));

	if (ret == -EINVAL)
		cmd_fail(c, "Refused: %" PRIu64 " seconds: must be between 0 (never) and %d\n",
			 cmd_num(c, 3), BALANCER_PERIOD_MAX_S);
	else
		cmd_result(c, ret);
}

static void
port_running(const struct app *app, const struct port *p, FILE *out)
{
	for (uint16_t i = 0; i < DP_QUEUES_MAX; i++)
		if (p->wanted[i] != PORT_WORKER_NONE)
			fprintf(out, "set port %u rxq %u worker %u\n", p->id, i, p->wanted[i]);
}

void
workers_running(const struct app *app, FILE *out)
{
	const uint32_t period_s = balancer_report(app).period_s;

	if (app->nworkers > 0 && atomic_load(&app->worker[0]->timed))
		fputs("set worker stages on\n", out);
	running_each_port(app, out, port_running);
	if (period_s != 0)
		fprintf(out, "set worker rebalance %u\n", period_s);
}

static const struct cli_row rows[] = {
	{"show worker", cmd_show_worker,
	 "Show what each worker polls, how busy it is, its longest poll iteration, for which all "
	 "its queues wait, and ports that a worker polls from another NUMA node than that of "
	 "their memory or device."},
	{"clear worker", cmd_clear_worker,
	 "Look for the longest poll iteration from now on. A kernel that gives the worker's CPU to "
	 "another thread makes an iteration long, too."},
	{"set worker stages (on|off)", cmd_worker_stages,
	 "Account what workers spend their cycles on, from 0; \"show worker\" prints it."},
	{"set port (port_id) rxq (queue_id) worker (num)", cmd_rxq_worker,
	 "Have a worker poll a receive queue, the one in which a guest's queue pair of that number "
	 "sends, also one that comes later. Workers have numbers from 0 as in \"show worker\". "
	 "While that worker is not among those that forward (\"set nbcore\", \"set corelist\") "
	 "another one does."},
	{"set port (port_id) rxq (queue_id) worker any", cmd_rxq_any_worker,
	 "Let any worker poll a receive queue, as at first; the one that does goes on."},
	{"set worker rebalance (num)", cmd_rebalance,
	 "Every num seconds (0: never, as at first) have receive queues move from a worker that "
	 "has been busy for more than 60 % of the time to the one with most time left, where that "
	 "makes the busier of the two 10 % less busy at least. Queues given to a worker by \"set "
	 "port (port_id) rxq\" stay."},
};

const struct cli_section cli_workers = {
	.name = "worker",
	.title = "Workers:",
	.summary = "Queues of workers, and how busy these are.",
	.rows = rows,
	.n = RTE_DIM(rows),
};
