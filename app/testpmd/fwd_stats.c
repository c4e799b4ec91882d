/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Statistics from "start" to "stop". The counters belong to queues and are
 * never reset; what they were at the start is kept and subtracted.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "app.h"
#include "fwd.h"
#include "show/counters.h"
#include "switch/modes.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"

/** One direction of one queue or port. */
struct fwd_count {
	uint64_t frames, dropped;
	uint64_t bad_ip, bad_l4; /* rx: checksums, in mode csum */
};

/* Since "start": the frames a mode saw of a queue, or that left through it, and the others. */
static struct fwd_count
count_queue(const struct app *app, const struct port *p, bool tx, uint16_t i)
{
	struct pktq_stats s;
	struct fwd_count c;

	baseline_queue(&p->app->started, p, tx, i, &s);
	c = (struct fwd_count){
		.frames = s.frames,
		.bad_ip = s.bad_ip_csum,
		.bad_l4 = s.bad_l4_csum,
		.dropped = tx ? counters_tx_drops(&s) : counters_rx_errors(&s),
	};
	if (!tx)
		c.frames -= c.dropped;
	return c;
}

static void
add(struct fwd_count *sum, struct fwd_count c)
{
	sum->frames += c.frames;
	sum->dropped += c.dropped;
	sum->bad_ip += c.bad_ip;
	sum->bad_l4 += c.bad_l4;
}

static struct fwd_count
count_port(const struct app *app, const struct port *p, bool tx)
{
	struct fwd_count sum = {0};

	for (uint16_t i = 0, n = port_queue_count(p, tx); i < n; i++)
		add(&sum, count_queue(app, p, tx, i));
	if (tx)
		sum.dropped += p->app->no_queue;
	return sum;
}

/* --- start --- */

static uint64_t
busy_cycles(const struct app *app)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < app->nworkers; i++)
		n += counter_read(&app->worker[i]->busy_cycles);
	return n;
}

void
fwd_clear_stats(struct app *app)
{
	for (uint16_t id = 0; id < app->sw.nports; id++) {
		const struct port *p = app->sw.port[id];

		if (p == NULL)
			continue;
		baseline_take(&p->app->started, p);
		p->app->no_queue = 0;
	}
	app->fwd->mark_cycles = busy_cycles(app);
	for (uint32_t i = 0; i < app->nworkers; i++)
		app->fwd->mark_iterations[i] = counter_read(&app->worker[i]->iterations);
	sw_clear_bursts(&app->sw);
}

/* --- stop --- */

/** The usual numbers of frames in a burst, the most frequent first. */
struct often {
	uint64_t times[2];
	int frames[2];
	uint64_t total;
};

static void
find_often(struct often *o, const uint64_t *by_size)
{
	for (int n = 1; n <= PKT_BATCH_MAX; n++) {
		uint64_t times = counter_read(&by_size[n]);

		o->total += times;
		if (times > o->times[0]) {
			o->times[1] = o->times[0];
			o->frames[1] = o->frames[0];
			o->times[0] = times;
			o->frames[0] = n;
		} else if (times > o->times[1]) {
			o->times[1] = times;
			o->frames[1] = n;
		}
	}
}

/*
 * "99% of 0 pkts + 1% of 32 pkts": bursts of no frame, the two most frequent
 * numbers, the others; the last one named makes up for what is rounded off.
 */
static void
print_bursts(const char *direction, uint64_t none, const uint64_t *by_size, FILE *out)
{
	struct often o = {.total = none};
	uint64_t sum = 0;
	int percent = 0;

	find_often(&o, by_size);
	if (o.total == 0)
		return;
	fprintf(out, "  %s-bursts : %" PRIu64 " [", direction, o.total);
	for (int i = -1; i < 2; i++) {
		uint64_t times = i < 0 ? none : o.times[i];
		int part = (int)((double)times / (double)o.total * 100);

		sum += times;
		if (sum == o.total)
			part = 100 - percent;
		percent += part;
		fprintf(out, "%d%% of %d pkts%s", part, i < 0 ? 0 : o.frames[i],
			sum == o.total ? "]\n" : " + ");
		if (sum == o.total)
			return;
	}
	fprintf(out, "%d%% of other]\n", 100 - percent);
}

/* Poll iterations in which the queue's worker found nothing in it. */
static uint64_t
empty_bursts(const struct app *app, const struct port *p, uint16_t queue, const uint64_t *by_size)
{
	uint8_t worker = queue < DP_QUEUES_MAX ? p->placed[queue] : PORT_WORKER_NONE;
	uint64_t all, full = 0;

	if (worker >= app->nworkers)
		return 0;
	all = counter_read(&app->worker[worker]->iterations) - app->fwd->mark_iterations[worker];
	for (int n = 1; n <= PKT_BATCH_MAX; n++)
		full += counter_read(&by_size[n]);
	return all > full ? all - full : 0;
}

static void
print_stream_bursts(const struct app *app, const struct fwd_stream *st, FILE *out)
{
	const struct watch_queues *rx = st->rx->bursts, *tx = st->tx->bursts;

	if (!app->opt.record_burst_stats)
		return;
	if (rx != NULL && st->queue < rx->n)
		print_bursts("RX", empty_bursts(app, st->rx, st->queue, rx->q[st->queue].rx),
			     rx->q[st->queue].rx, out);
	if (tx != NULL && st->queue < tx->n)
		print_bursts("TX", counter_read(&tx->q[st->queue].tx[0]), tx->q[st->queue].tx, out);
}

static void
print_stream(const struct app *app, const struct fwd_stream *st, FILE *out)
{
	struct fwd_count rx = count_queue(app, st->rx, false, st->queue);
	struct fwd_count tx = count_queue(app, st->tx, true, st->queue);

	if (rx.frames == 0 && tx.frames == 0 && tx.dropped == 0)
		return;
	fprintf(out,
		"\n  ------- Forward Stats for RX Port=%2u/Queue=%2u -> TX Port=%2u/Queue=%2u "
		"-------\n"
		"  RX-packets: %-14" PRIu64 " TX-packets: %-14" PRIu64 " TX-dropped: %-14" PRIu64
		"\n",
		st->rx->id, st->queue, st->tx->id, st->queue, rx.frames, tx.frames, tx.dropped);
	print_stream_bursts(app, st, out);
}

static void
print_counts(const struct app *app, struct fwd_count rx, struct fwd_count tx, FILE *out)
{
	fprintf(out,
		"  RX-packets: %-14" PRIu64 " RX-dropped: %-14" PRIu64 "RX-total: %-" PRIu64 "\n",
		rx.frames, rx.dropped, rx.frames + rx.dropped);
	if (app->fwd->shown->forward == forward_csum)
		fprintf(out,
			"  Bad-ipcsum: %-14" PRIu64 " Bad-l4csum: %-14" PRIu64
			"Bad-outer-l4csum: %-14u\n"
			"  Bad-outer-ipcsum: %-14u\n",
			rx.bad_ip, rx.bad_l4, 0u, 0u);
	fprintf(out,
		"  TX-packets: %-14" PRIu64 " TX-dropped: %-14" PRIu64 "TX-total: %-" PRIu64 "\n",
		tx.frames, tx.dropped, tx.frames + tx.dropped);
}

static void
print_port(const struct app *app, const struct fwd_streams *s, const struct port *p,
	   struct fwd_count *all, FILE *out)
{
	const struct fwd_stream own = {p, p, 0};
	struct fwd_count rx = count_port(app, p, false), tx = count_port(app, p, true);

	add(&all[0], rx);
	add(&all[1], tx);
	fprintf(out,
		"\n  ---------------------- Forward statistics for port %-2u "
		"----------------------\n",
		p->id);
	print_counts(app, rx, tx, out);
	if (s->n <= s->nports) /* the streams are not shown one by one */
		print_stream_bursts(app, &own, out);
	fputs("  ----------------------------------------------------------------------------\n",
	      out);
}

static void
print_cycles(const struct app *app, uint64_t frames, FILE *out)
{
	uint64_t cycles = busy_cycles(app) - app->fwd->mark_cycles;

	fprintf(out,
		"\n  CPU cycles/packet=%.2f (total cycles=%" PRIu64 " / total %s packets=%" PRIu64
		") at %" PRIu64 " MHz Clock\n",
		frames == 0 ? 0.0 : (double)cycles / (double)frames, cycles, app->fwd->shown->name,
		frames, rte_get_tsc_hz() / 1000000);
}

void
fwd_show_stats(const struct app *app, FILE *out)
{
	struct fwd_count all[2] = {0}; /* rx, tx */
	struct fwd_streams s;

	fwd_list_streams(app, &s);
	for (uint32_t i = 0; s.n > s.nports && i < s.n; i++)
		print_stream(app, &s.s[i], out);
	free(s.s);
	for (uint16_t i = 0; i < s.nports; i++)
		print_port(app, &s, app->sw.port[s.ports[i]], all, out);
	fputs("\n  +++++++++++++++ Accumulated forward statistics for all ports+++++++++++++++\n",
	      out);
	print_counts(app, all[0], all[1], out);
	fputs("  ++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++\n",
	      out);
	if (app->opt.record_core_cycles)
		print_cycles(app, RTE_MAX(all[0].frames, all[1].frames), out);
}
