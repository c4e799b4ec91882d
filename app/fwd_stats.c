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
#include "counters.h"

/** One direction of one queue or port. */
struct fwd_count {
	uint64_t frames, dropped;
};

/* What a mode got to see of a queue, or what left through it; and what did not. */
static struct fwd_count
count_now(const struct pktq *q, bool tx)
{
	const struct pktq_stats *s = &q->stats;
	struct fwd_count c = {.frames = s->frames};

	c.dropped = tx ? counters_tx_drops(s) : counters_rx_errors(s);
	if (!tx)
		c.frames -= c.dropped;
	return c;
}

static struct fwd_count
count_queue(const struct app *app, const struct port *p, bool tx, uint16_t i)
{
	const struct fwd_mark *m = &app->fwd.mark[p->id];
	const struct pktq *q = p->ops->queue(p, tx, i);
	struct fwd_count c = {0};

	if (q == NULL)
		return c;
	c = count_now(q, tx);
	if (i < (tx ? m->ntx : m->nrx)) {
		const struct fwd_count *before = tx ? &m->tx[i] : &m->rx[i];

		c.frames -= before->frames;
		c.dropped -= before->dropped;
	}
	return c;
}

static void
add(struct fwd_count *sum, struct fwd_count c)
{
	sum->frames += c.frames;
	sum->dropped += c.dropped;
}

static struct fwd_count
count_port(const struct app *app, const struct port *p, bool tx)
{
	struct fwd_count sum = {0};

	for (uint16_t i = 0; p->ops->queue(p, tx, i) != NULL; i++)
		add(&sum, count_queue(app, p, tx, i));
	if (tx)
		sum.dropped += app->fwd.mark[p->id].no_queue;
	return sum;
}

/* --- start --- */

static struct fwd_count *
mark_queues(const struct port *p, bool tx, uint16_t *n)
{
	struct fwd_count *c;

	*n = 0;
	while (p->ops->queue(p, tx, *n) != NULL)
		++*n;
	c = calloc(*n + 1u, sizeof(*c));
	if (c == NULL)
		*n = 0;
	for (uint16_t i = 0; i < *n; i++)
		c[i] = count_now(p->ops->queue(p, tx, i), tx);
	return c;
}

static void
mark_port(struct fwd_mark *m, const struct port *p)
{
	free(m->rx);
	free(m->tx);
	m->rx = mark_queues(p, false, &m->nrx);
	m->tx = mark_queues(p, true, &m->ntx);
	m->no_queue = 0;
}

static uint64_t
busy_cycles(const struct app *app)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < app->nworkers; i++)
		n += app->worker[i]->busy_cycles;
	return n;
}

void
fwd_clear_stats(struct app *app)
{
	for (uint16_t id = 0; id < app->sw.nports; id++)
		if (app->sw.port[id] != NULL)
			mark_port(&app->fwd.mark[id], app->sw.port[id]);
	app->fwd.mark_cycles = busy_cycles(app);
}

void
fwd_fini(struct app *app)
{
	for (uint16_t id = 0; id < DP_PORTS_MAX; id++) {
		free(app->fwd.mark[id].rx);
		free(app->fwd.mark[id].tx);
	}
}

/* --- stop --- */

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
}

static void
print_counts(const struct app *app, struct fwd_count rx, struct fwd_count tx, FILE *out)
{
	fprintf(out,
		"  RX-packets: %-14" PRIu64 " RX-dropped: %-14" PRIu64 "RX-total: %-" PRIu64 "\n",
		rx.frames, rx.dropped, rx.frames + rx.dropped);
	if (strcmp(app->fwd.shown->name, "csum") == 0)
		fprintf(out,
			"  Bad-ipcsum: %-14u Bad-l4csum: %-14uBad-outer-l4csum: %-14u\n"
			"  Bad-outer-ipcsum: %-14u\n",
			0u, 0u, 0u, 0u);
	fprintf(out,
		"  TX-packets: %-14" PRIu64 " TX-dropped: %-14" PRIu64 "TX-total: %-" PRIu64 "\n",
		tx.frames, tx.dropped, tx.frames + tx.dropped);
}

static void
print_port(const struct app *app, const struct port *p, struct fwd_count *all, FILE *out)
{
	struct fwd_count rx = count_port(app, p, false), tx = count_port(app, p, true);

	add(&all[0], rx);
	add(&all[1], tx);
	fprintf(out,
		"\n  ---------------------- Forward statistics for port %-2u "
		"----------------------\n",
		p->id);
	print_counts(app, rx, tx, out);
	fputs("  ----------------------------------------------------------------------------\n",
	      out);
}

static void
print_cycles(const struct app *app, uint64_t frames, FILE *out)
{
	uint64_t cycles = busy_cycles(app) - app->fwd.mark_cycles;

	fprintf(out,
		"\n  CPU cycles/packet=%.2f (total cycles=%" PRIu64 " / total %s packets=%" PRIu64
		") at %" PRIu64 " MHz Clock\n",
		frames == 0 ? 0.0 : (double)cycles / (double)frames, cycles,
		strcmp(app->fwd.shown->name, "txonly") == 0 ? "TX" : "RX", frames,
		rte_get_tsc_hz() / 1000000);
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
		print_port(app, app->sw.port[s.ports[i]], all, out);
	fputs("\n  +++++++++++++++ Accumulated forward statistics for all ports+++++++++++++++\n",
	      out);
	print_counts(app, all[0], all[1], out);
	fputs("  ++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++\n",
	      out);
	if (app->opt.record_core_cycles)
		print_cycles(app, RTE_MAX(all[0].frames, all[1].frames), out);
}
