/* SPDX-License-Identifier: BSD-3-Clause */
/* The main loop of vqgen: one thread sends and receives for all guests. */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_pause.h>

#include "vqgen.h"

#define SLICE_S 0.002
#define ALIVE_CHECK_S 0.05
#define IDLE_S 0.05 /* nothing arrived for so long: the back-end has forwarded all it had */
#define DRAIN_MAX_S 2.0

struct gen {
	struct options o;
	struct port port[PORTS_MAX];
	struct stream stream[PORTS_MAX];
	uint32_t nstreams;
	struct migration *migration; /* of the first port, or NULL */
	uint32_t seen[PORTS_MAX];    /* announcements that arrived at a port */
	bool count_only;             /* frames need not be looked at */
	double hz;
	uint64_t start, budget_base;
	uint64_t sent, sent_bytes, received, received_bytes; /* running totals */
	uint64_t slice_end, slice_start, slice_received;
	uint64_t arrived;      /* when the last frame came */
	uint64_t given_up;     /* frames that are not waited for any more */
	uint64_t gap, longest; /* without a frame: since the last progress line, and before it */
	double *slice;
	uint32_t nslices, slices_max;
	struct results r;
};

static volatile sig_atomic_t stop;   /* at once */
static volatile sig_atomic_t enough; /* of the run: what is on its way is waited for */
static volatile sig_atomic_t asked;  /* for a progress line */

static void
on_signal(int sig)
{
	if (sig == SIGUSR1) {
		asked = 1;
		return;
	}
	stop = sig == SIGINT;
	enough = 1;
}

static uint64_t
cycles(const struct gen *g, double seconds)
{
	return (uint64_t)(g->hz * seconds);
}

/* --- set-up --- */

static void
stream_add(struct gen *g, uint32_t from, uint32_t to)
{
	struct stream *s = &g->stream[g->nstreams];

	*s = (struct stream){
		.id = (uint16_t)g->nstreams++,
		.from = &g->port[from],
		.to = &g->port[to],
		.seq = calloc(g->o.flows, sizeof(*s->seq)),
	};
	for (uint32_t q = 0; q < g->o.pairs; q++)
		s->next_flow[q] = q;
	if (g->o.mode == MODE_VERIFY)
		s->check = calloc(g->o.flows, sizeof(*s->check));
}

static void
streams_make(struct gen *g)
{
	const uint32_t n = g->o.nports;

	for (uint32_t i = 0; i < n; i++) {
		if (g->o.pattern == PATTERN_RING)
			stream_add(g, i, (i + 1) % n);
		else if (g->o.pattern == PATTERN_ALL_TO_ONE && i != 0)
			stream_add(g, i, 0);
		else if (g->o.pattern == PATTERN_PAIR && i % 2 == 0)
			stream_add(g, i, i + 1);
		else if (g->o.pattern == PATTERN_PAIR && g->o.bidir)
			stream_add(g, i, i - 1);
	}
}

static void
pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0) {
		perror("vqgen: --cpu");
		exit(1);
	}
}

/* --- receiving --- */

static void
rx_announce(void *ctx, struct port *p, const struct rx_frame *f)
{
	struct gen *g = ctx;

	if (frame_is_announce(f->frame, f->len))
		g->seen[p->id]++;
}

static void
rx_verify(struct gen *g, struct port *p, const struct rx_frame *f, const struct tag *t)
{
	struct check *c = &g->r.check;
	const struct stream *s;

	if (!f->header_ok)
		c->bad_header++;
	if (t->stream >= g->nstreams || t->flow >= g->o.flows ||
	    !frame_intact(f->frame, f->len, t, &g->stream[t->stream], &g->o)) {
		c->corrupt++;
		return;
	}
	s = &g->stream[t->stream];
	if (s->to == p)
		check_sequence(c, &s->check[t->flow], t->seq);
	else
		c->stray++;
}

static void
rx_frame(void *ctx, struct port *p, const struct rx_frame *f)
{
	struct gen *g = ctx;
	struct tag t = {0};

	if (g->o.mode != MODE_STATIC && !frame_parse(f->frame, f->len, &t, &g->o)) {
		/* late announcements are no fault */
		if (!frame_is_announce(f->frame, f->len))
			g->r.check.stray++;
		return;
	}
	g->received++;
	g->received_bytes += f->len;
	p->reached = true;
	if (g->o.mode == MODE_VERIFY)
		rx_verify(g, p, f, &t);
	else if (g->o.mode == MODE_LATENCY)
		latency_add(&g->r, rte_rdtsc() - t.tsc);
}

static uint32_t
receive_all(struct gen *g, rx_fn fn)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < g->o.nports; i++)
		for (uint32_t q = 0; q < g->o.pairs && !g->port[i].silent; q++)
			n += queue_recv(&g->port[i], &g->port[i].rx[q], fn, g);
	return n;
}

static uint32_t
receive(struct gen *g)
{
	uint32_t n = 0;

	if (!g->count_only)
		return receive_all(g, rx_frame);
	for (uint32_t i = 0; i < g->o.nports; i++)
		for (uint32_t q = 0; q < g->o.pairs && !g->port[i].silent; q++)
			n += queue_recv_count(&g->port[i].rx[q], &g->received_bytes);
	g->received += n;
	return n;
}

/** Receive until nothing came for IDLE_S. */
static void
drain(struct gen *g, rx_fn fn)
{
	uint64_t now = rte_rdtsc(), last = now;
	/* what comes from elsewhere may never end */
	uint64_t limit = now + cycles(g, g->o.blind ? IDLE_S : DRAIN_MAX_S);

	while (now - last < cycles(g, IDLE_S) && now < limit && !stop) {
		if (fn != NULL ? receive_all(g, fn) : receive(g))
			last = now;
		now = rte_rdtsc();
	}
}

/* --- before the traffic: a path, and addresses --- */

static bool
announce(struct gen *g, struct port *p, uint32_t mac)
{
	struct queue *q = &p->tx[mac % g->o.pairs];
	uint32_t len;

	if (queue_room(q) == 0)
		return false;
	len = p->hdr_len + frame_announce(queue_buf(q, 0), p->hdr_len, p->id, mac);
	queue_send(q, &len, 1);
	return true;
}

static bool
path_ready(const struct gen *g)
{
	for (uint32_t i = 0; i < g->nstreams; i++)
		if (g->seen[g->stream[i].to->id] == 0)
			return false;
	return true;
}

/** A back-end may need a while after the last message: try until something arrives everywhere. */
static void
await_path(struct gen *g)
{
	const uint64_t limit = rte_rdtsc() + cycles(g, g->o.timeout_ms / 1000.0);

	while (!path_ready(g)) {
		if (rte_rdtsc() > limit || stop) {
			fprintf(stderr, "vqgen: no frame comes through\n");
			exit(1);
		}
		for (uint32_t i = 0; i < g->o.nports; i++)
			announce(g, &g->port[i], 0);
		for (uint64_t t = rte_rdtsc(); rte_rdtsc() - t < cycles(g, 0.002);)
			receive_all(g, rx_announce);
	}
}

static void
learn(struct gen *g)
{
	const double gap = g->hz / g->o.learn_rate;
	double due = (double)rte_rdtsc();

	for (uint32_t mac = 0; mac < g->o.macs; mac++) {
		for (uint32_t i = 0; i < g->o.nports && !stop; i++) {
			while ((double)rte_rdtsc() < due || !announce(g, &g->port[i], mac))
				if (receive_all(g, rx_announce) == 0 && stop)
					return;
			due += gap;
		}
	}
}

/** Buffers of a queue that are ours. A back-end without a processor returns the last ones late. */
static uint32_t
await_room(struct gen *g, struct queue *q)
{
	const uint64_t limit = rte_rdtsc() + cycles(g, g->o.timeout_ms / 1000.0);
	uint32_t n;

	while ((n = queue_room(q)) != q->nbufs && rte_rdtsc() < limit && !stop)
		receive_all(g, rx_announce);
	return n;
}

/** Headers in every buffer; the ring is empty and all buffers are ours. */
static void
buffers_fill(struct gen *g)
{
	for (uint32_t i = 0; i < g->nstreams; i++) {
		struct stream *s = &g->stream[i];

		for (uint32_t qi = 0; qi < g->o.pairs; qi++) {
			struct queue *q = &s->from->tx[qi];
			uint32_t n = await_room(g, q);

			if (n != q->nbufs) {
				fprintf(stderr, "vqgen: back-end keeps %u frames of port %u\n",
					q->nbufs - n, s->from->id);
				exit(1);
			}
			for (uint32_t b = 0; b < n; b++) {
				uint32_t size = g->o.size[b % g->o.nsizes];
				uint32_t flow = (qi + b * g->o.pairs) % g->o.flows;

				frame_headers(queue_buf(q, b), s, flow, size, &g->o);
				frame_fill(queue_buf(q, b) + q->hdr_len, size, b, &g->o);
			}
		}
	}
}

/* --- sending --- */

static void
frame_make(const struct gen *g, struct stream *s, uint8_t *buf, uint32_t flow, uint32_t size)
{
	uint8_t *frame = buf + s->from->hdr_len;
	uint64_t tsc = g->o.mode == MODE_LATENCY ? rte_rdtsc() : 0;
	uint32_t seq = s->seq[flow]++;

	if (g->o.mode == MODE_VERIFY) {
		frame_headers(buf, s, flow, size, &g->o);
		frame_fill(frame, size, seq, &g->o);
	} else {
		frame_patch(frame, s, flow, &g->o);
	}
	frame_tag(frame, s, flow, seq, tsc, &g->o);
}

static uint32_t
flow_next(const struct gen *g, struct stream *s, uint32_t qi)
{
	uint32_t flow = s->next_flow[qi];

	s->next_flow[qi] += g->o.pairs;
	if (s->next_flow[qi] >= g->o.flows)
		s->next_flow[qi] = qi;
	return flow;
}

static void
send_burst(struct gen *g, struct stream *s, uint32_t qi, uint32_t max)
{
	struct queue *q = &s->from->tx[qi];
	uint32_t n = RTE_MIN(queue_room(q), max), len[BURST_MAX];

	if (n == 0) {
		g->r.no_room++;
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		uint32_t size = g->o.size[s->next_size];

		s->next_size = s->next_size + 1 == g->o.nsizes ? 0 : s->next_size + 1;
		if (g->o.mode != MODE_STATIC)
			frame_make(g, s, queue_buf(q, i), flow_next(g, s, qi), size);
		len[i] = q->hdr_len + size;
		g->sent_bytes += size;
	}
	queue_send(q, len, n);
	s->sent += n;
	g->sent += n;
}

/** Frames on their way: of those that are missing, neither seen to be lost nor given up. */
static uint64_t
on_their_way(const struct gen *g)
{
	uint64_t missing = g->sent - g->received, gone = RTE_MAX(g->r.check.lost, g->given_up);

	return missing > gone ? missing - gone : 0;
}

/** Frames that may be sent now without exceeding the rate and the window. */
static uint64_t
budget(const struct gen *g, uint64_t now)
{
	uint64_t due, window = UINT64_MAX, away = on_their_way(g);

	if (g->o.window != 0)
		window = away < g->o.window ? g->o.window - away : 0;
	if (g->o.rate == 0)
		return window;
	due = (uint64_t)((double)(now - g->start) / g->hz * g->o.rate);
	return due > g->sent ? RTE_MIN(due - g->sent, window) : 0;
}

static void
send_all(struct gen *g, uint64_t now)
{
	for (uint32_t i = 0; i < g->nstreams; i++) {
		for (uint32_t q = 0; q < g->o.pairs && !g->stream[i].from->silent; q++) {
			uint64_t max = RTE_MIN(budget(g, now), g->o.burst);

			if (max > 0)
				send_burst(g, &g->stream[i], q, (uint32_t)max);
		}
	}
}

/* --- the run --- */

static void
slice_tick(struct gen *g, uint64_t now)
{
	if (now < g->slice_end)
		return;
	if (g->nslices < g->slices_max)
		g->slice[g->nslices++] = (double)(g->received - g->slice_received) * g->hz /
					 (double)(now - g->slice_start);
	g->slice_received = g->received;
	g->slice_start = now;
	g->slice_end = now + cycles(g, SLICE_S);
}

static void
none_reached(struct gen *g)
{
	for (uint32_t i = 0; i < g->o.nports; i++)
		g->port[i].reached = false;
}

static void
interrupted(struct gen *g)
{
	migration_interrupted(g->migration);
	none_reached(g);
}

static bool
all_reached(const struct gen *g)
{
	for (uint32_t i = 0; i < g->nstreams; i++)
		if (!g->stream[i].to->reached)
			return false;
	return true;
}

/** Frames for a guest that is between two back-ends are lost. */
static void
migration_tick(struct gen *g, uint64_t now)
{
	const bool flows = all_reached(g);

	if (g->migration == NULL)
		return;
	if (now - g->arrived > cycles(g, IDLE_S))
		g->given_up = g->sent - g->received;
	if (!migration_step(g->migration, flows))
		return;
	if (flows && migration_done(g->migration))
		enough = 1;
	none_reached(g);
}

static void
gap_tick(struct gen *g, uint64_t now, uint64_t received)
{
	if (g->received == received)
		return;
	g->gap = RTE_MAX(g->gap, now - g->arrived);
	g->arrived = now;
}

/** A line for who asked, with the longest time without a frame since the line before. */
static void
progress(struct gen *g, uint64_t now)
{
	asked = 0;
	g->gap = RTE_MAX(g->gap, now - g->arrived);
	report_progress(&g->r, g->received, (double)g->gap * 1e6 / g->hz);
	g->longest = RTE_MAX(g->longest, g->gap);
	g->gap = 0;
}

/** A back-end that went away: with --reconnect wait for it, else give up. */
static void
alive_check(struct gen *g)
{
	for (uint32_t i = 0; i < g->o.nports; i++) {
		if (port_alive(&g->port[i]))
			continue;
		if (!g->o.reconnect && !g->port[i].ended) {
			fprintf(stderr, "vqgen: port %u: back-end closed the connection\n", i);
			exit(1);
		}
		/* what it had finished is taken first: the rings then stand at what it had not */
		receive(g);
		for (uint32_t q = 0; q < g->o.pairs; q++)
			queue_room(&g->port[i].tx[q]);
		port_reconnect(&g->port[i], &g->o);
		g->port[i].ended = false;
		if (g->migration != NULL)
			interrupted(g);
		g->r.reconnects++;
	}
}

static void
run_until(struct gen *g, uint64_t end)
{
	uint64_t now = rte_rdtsc(), alive = now;

	g->arrived = now;
	while (now < end && !enough) {
		uint64_t received = g->received;

		send_all(g, now);
		if (receive(g) == 0 && g->o.nap_us != 0)
			usleep(g->o.nap_us);
		gap_tick(g, now, received);
		migration_tick(g, now);
		slice_tick(g, now);
		if (unlikely(asked))
			progress(g, now);
		if (unlikely(now - alive > cycles(g, ALIVE_CHECK_S))) {
			alive_check(g);
			alive = now;
		}
		now = rte_rdtsc();
	}
}

static int
compare_double(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
measure(struct gen *g)
{
	uint64_t t0, tx, txb, rx, rxb;

	g->start = rte_rdtsc();
	run_until(g, g->start + cycles(g, g->o.warmup));
	memset(g->r.latency, 0, sizeof(g->r.latency));
	g->r.latency_n = 0;
	g->nslices = 0;
	g->gap = g->longest = 0;
	tx = g->sent;
	txb = g->sent_bytes;
	rx = g->received;
	rxb = g->received_bytes;
	t0 = rte_rdtsc();
	run_until(g, t0 + cycles(g, g->o.duration));
	g->r.gap_us = (double)RTE_MAX(g->gap, g->longest) * 1e6 / g->hz;
	g->r.seconds = (double)(rte_rdtsc() - t0) / g->hz;
	g->r.tx_frames = g->sent - tx;
	g->r.tx_bytes = g->sent_bytes - txb;
	g->r.rx_frames = g->received - rx;
	g->r.rx_bytes = g->received_bytes - rxb;
	drain(g, NULL);
}

static void
finish(struct gen *g)
{
	g->r.tsc_hz = g->hz;
	g->r.all_sent = g->sent;
	g->r.all_received = g->received;
	if (g->nslices > 0) {
		qsort(g->slice, g->nslices, sizeof(*g->slice), compare_double);
		g->r.slice_p90 = g->slice[g->nslices * 9 / 10];
	}
	for (uint32_t i = 0; i < g->nstreams && g->o.mode == MODE_VERIFY; i++)
		for (uint32_t f = 0; f < g->o.flows; f++)
			check_finish(&g->r.check, &g->stream[i].check[f], g->stream[i].seq[f]);
	for (uint32_t i = 0; i < g->o.nports; i++)
		for (uint32_t q = 0; q < g->o.pairs; q++)
			g->r.kicks += g->port[i].tx[q].d.kicks + g->port[i].rx[q].d.kicks;
}

static void
gen_free(struct gen *g)
{
	migration_free(g->migration);
	for (uint32_t i = 0; i < g->o.nports; i++)
		port_close(&g->port[i], &g->o);
	for (uint32_t i = 0; i < g->nstreams; i++) {
		free(g->stream[i].seq);
		free(g->stream[i].check);
	}
	free(g->slice);
}

static void
gen_open(struct gen *g)
{
	uint32_t largest = 0;

	pin(g->o.cpu);
	g->hz = tsc_calibrate();
	for (uint32_t i = 0; i < g->o.nsizes; i++)
		largest = RTE_MAX(largest, g->o.size[i]);
	for (uint32_t i = 0; i < g->o.nports; i++)
		port_open(&g->port[i], i, &g->o);
	streams_make(g);
	g->migration = migration_new(&g->port[0], &g->o);
	if (g->o.mode == MODE_STATIC && g->o.flows > g->port[0].tx[0].nbufs * g->o.pairs) {
		fprintf(stderr, "vqgen: more flows than buffers, mode touch\n");
		g->o.mode = MODE_TOUCH;
	}
	g->count_only = g->o.mode == MODE_STATIC &&
			largest + g->port[0].hdr_len <= g->port[0].rx[0].net.buf_len;
	g->slices_max = (uint32_t)((g->o.warmup + g->o.duration) / SLICE_S) + 1;
	g->slice = calloc(g->slices_max, sizeof(*g->slice));
}

int
main(int argc, char **argv)
{
	static struct gen g;
	const struct check *c = &g.r.check;
	bool bad;

	options_parse(&g.o, argc, argv);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	signal(SIGUSR1, on_signal);
	signal(SIGPIPE, SIG_IGN);
	gen_open(&g);
	if (!g.o.blind)
		await_path(&g);
	if (g.o.learn)
		learn(&g);
	drain(&g, rx_announce);
	buffers_fill(&g);
	printf("frames come through\n");
	fflush(stdout);
	measure(&g);
	finish(&g);
	report(&g.o, &g.r);
	if (g.migration != NULL)
		migration_report(g.migration);
	bad = c->duplicated + c->reordered + c->late + c->corrupt + c->bad_header != 0 ||
	      (g.migration != NULL && migration_differed(g.migration));
	gen_free(&g);
	return bad ? 2 : 0;
}
