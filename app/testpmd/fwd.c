/* SPDX-License-Identifier: BSD-3-Clause */
#include "fwd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <rte_lcore.h>

#include "app.h"
#include "list.h"
#include "show/show.h"
#include "switch/modes.h"
#include "switch/publish.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"

/* --- ports, queues, streams --- */

uint16_t
fwd_ports(const struct app *app, uint16_t *list)
{
	const struct sw *s = &app->sw;
	uint16_t n = 0;

	for (uint16_t i = 0; s->listed && i < s->nlist; i++)
		if (s->port[s->list[i]] != NULL)
			list[n++] = s->list[i];
	for (uint16_t id = 0; !s->listed && id < s->nports; id++)
		if (s->port[id] != NULL)
			list[n++] = id;
	return n;
}

/* Queues testpmd would use on @p p: as many as configured, if there are. */
static uint16_t
queues_of(const struct app *app, const struct port *p, bool tx)
{
	uint32_t wanted = tx ? app->opt.txq : app->opt.rxq;

	return (uint16_t)RTE_MIN(wanted, port_queue_count(p, tx));
}

static uint16_t
peer_index(const struct app *app, uint16_t i, uint16_t n)
{
	switch (app->sw.topology) {
	case SW_PAIRED:
		return (i ^ 1) < n ? i ^ 1 : i;
	case SW_CHAINED:
		return (uint16_t)((i + 1) % n);
	case SW_LOOP:
		break;
	}
	return i;
}

/* Peers of ports that are not joined are by their places among these. */
static void
find_peers(const struct app *app, const uint16_t *list, uint16_t n, const struct port **peer)
{
	uint16_t at[DP_PORTS_MAX], nfree = 0;

	for (uint16_t i = 0; i < n; i++) {
		const struct port *p = app->sw.port[list[i]];

		peer[i] = p->partner != NULL ? p->partner : p;
		if (!p->joined)
			at[nfree++] = i;
	}
	for (uint16_t i = 0; i < nfree; i++)
		peer[at[i]] = app->sw.port[list[at[peer_index(app, i, nfree)]]];
}

uint16_t
fwd_stream_queues(const struct app *app, const struct port *p)
{
	return RTE_MIN(queues_of(app, p, false), queues_of(app, p, true));
}

/* First queue of all ports, then the second ... */
void
fwd_list_streams(const struct app *app, struct fwd_streams *out)
{
	const uint16_t *list = out->ports;
	const struct port *peer[DP_PORTS_MAX];
	uint16_t most = 0;
	uint32_t total = 0;

	out->nports = fwd_ports(app, out->ports);
	out->n = 0;
	find_peers(app, list, out->nports, peer);
	for (uint16_t i = 0; i < out->nports; i++) {
		uint16_t q = fwd_stream_queues(app, app->sw.port[list[i]]);

		total += q;
		most = RTE_MAX(most, q);
	}
	out->s = calloc(total + 1, sizeof(*out->s));
	for (uint16_t q = 0; out->s != NULL && q < most; q++) {
		for (uint16_t i = 0; i < out->nports; i++) {
			struct port *p = app->sw.port[list[i]];

			if (q < fwd_stream_queues(app, p))
				out->s[out->n++] = (struct fwd_stream){p, peer[i], q};
		}
	}
}

static uint32_t
cores_used(const struct app *app, const struct fwd_streams *s)
{
	return RTE_MIN(app->fwd->nb_cores, s->n);
}

/* --- what is configured --- */

static void
warn_odd(struct app *app, uint16_t nports, FILE *out)
{
	if (app->sw.topology != SW_PAIRED || nports % 2 == 0 || app->fwd->warned_odd)
		return;
	app->fwd->warned_odd = true;
	if (app->testpmd)
		fputs("\nWarning! port-topology=paired and odd forward ports number, the last port "
		      "will pair with itself.\n\n",
		      out);
}

void
fwd_setup(struct app *app, FILE *out)
{
	uint16_t list[DP_PORTS_MAX];

	app->fwd->shown = app->fwd->mode;
	warn_odd(app, fwd_ports(app, list), out);
}

/* Under testpmd's name a running mode is what it was at "start". */
static bool
frozen(const struct app *app)
{
	return app->testpmd && app->sw.forwarding;
}

void
fwd_set_mode(struct app *app, const struct fwd_mode *mode)
{
	app->fwd->mode = mode;
	if (frozen(app))
		return;
	app->sw.mode = mode;
	sw_publish(&app->sw);
}

void
fwd_set_frame(struct app *app, const uint32_t *len, uint32_t n)
{
	struct options *o = &app->opt;

	memmove(o->txpkts, len, n * sizeof(*len));
	o->ntxpkts = n;
	app->sw.gen.nsegs = (uint16_t)n;
	for (uint32_t i = 0; i < n; i++)
		app->sw.gen.len[i] = (uint16_t)RTE_MIN(len[i], (uint32_t)UINT16_MAX);
	sw_publish(&app->sw);
}

static void
show_text(const char *text)
{
	fputs(text, stdout);
	fflush(stdout);
}

void
fwd_set_watch(struct app *app)
{
	/* by verbosity; more than 3 is as 3 */
	static const uint32_t show[] = {0, WATCH_SHOW_RX, WATCH_SHOW_TX,
					WATCH_SHOW_RX | WATCH_SHOW_TX};
	const struct fwd *f = app->fwd;
	struct watch w = {
		.flags = show[RTE_MIN(f->verbose, RTE_DIM(show) - 1u)],
		.retry_num = f->retry_num,
		.retry_us = f->retry_us,
		.log = app->sw.watch.log,
	};

	if (w.flags != 0 && w.log == NULL)
		w.log = watch_log_new(app->loop, show_text);
	if (w.log == NULL)
		w.flags = 0;
	if (app->opt.record_burst_stats)
		w.flags |= WATCH_BURSTS;
	if (f->retry)
		w.flags |= WATCH_RETRY;
	app->sw.watch = w;
	sw_publish(&app->sw);
}

void
fwd_set_burst(struct app *app, uint32_t burst)
{
	/* testpmd takes 0, too; nothing would ever be received */
	uint16_t size = burst == 0 ? 1 : (uint16_t)RTE_MIN(burst, (uint32_t)PKT_BATCH_MAX);

	app->fwd->burst = burst;
	for (uint32_t i = 0; i < app->nworkers; i++)
		atomic_store_explicit(&app->worker[i]->burst, size, memory_order_relaxed);
}

void
fwd_set_cores(struct app *app, uint32_t n)
{
	app->fwd->nb_cores = n;
	app->sw.nactive = n;
	memcpy(app->sw.active, app->fwd->core, sizeof(app->sw.active));
	sw_publish(&app->sw);
}

/* The worker on an lcore; -1 after saying why there is none. */
static int
find_worker(const struct app *app, uint32_t lcore, FILE *out)
{
	for (uint32_t i = 0; i < app->nworkers; i++)
		if (app->worker[i]->lcore == lcore)
			return (int)i;
	if (lcore == rte_get_main_lcore())
		fprintf(out,
			"lcore %u cannot be masked on for running packet forwarding, which is the "
			"main lcore and reserved for command line parsing only\n",
			lcore);
	else
		fprintf(out, "lcore %u not enabled\n", lcore);
	return -1;
}

int
fwd_list_cores(struct app *app, const uint32_t *lcores, uint32_t n, FILE *out)
{
	uint8_t core[DP_WORKERS_MAX];

	for (uint32_t i = 0; i < n; i++) {
		int worker = find_worker(app, lcores[i], out);

		/* all differ, so one of too many is none */
		if (worker < 0 || i == app->nworkers)
			return -EINVAL;
		core[i] = (uint8_t)worker;
	}
	if (n == 0)
		return -EINVAL;
	memcpy(app->fwd->core, core, n);
	app->fwd->ncores = n;
	fwd_set_cores(app, n);
	return 0;
}

static void
use_all_cores(struct app *app)
{
	for (uint32_t i = 0; i < app->nworkers; i++)
		app->fwd->core[i] = (uint8_t)i;
	app->fwd->ncores = app->nworkers;
}

void
fwd_set_ports(struct app *app, const uint16_t *list, uint16_t n, FILE *out)
{
	uint16_t before[DP_PORTS_MAX], nbefore = fwd_ports(app, before);

	if (n != nbefore)
		fprintf(out,
			"previous number of forwarding ports %u - changed to number of configured "
			"ports %u\n",
			nbefore, n);
	sw_list_ports(&app->sw, list, n);
	fwd_setup(app, out);
	sw_publish(&app->sw);
}

struct rte_ether_addr
fwd_default_peer(const struct port *p)
{
	return (struct rte_ether_addr){{2, 0, 0, 0, (uint8_t)(p->id >> 8), (uint8_t)p->id}};
}

void
fwd_port_added(struct app *app, struct port *p)
{
	p->eth_peer = fwd_default_peer(p);
	if (app->sw.listed)
		app->sw.list[app->sw.nlist++] = p->id;
}

void
fwd_port_removed(struct app *app, struct port *p)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < app->sw.nlist; i++)
		if (app->sw.list[i] != p->id)
			app->sw.list[kept++] = app->sw.list[i];
	app->sw.nlist = kept;
}

/* --- show --- */

static void
print_streams(const struct app *app, const struct fwd_streams *s, uint32_t cores, FILE *out)
{
	uint32_t next = 0;

	for (uint32_t c = 0; c < cores; c++) {
		uint32_t lcore = app->worker[app->fwd->core[c]]->lcore;
		uint32_t n = s->n / cores + (c >= cores - s->n % cores);

		fprintf(out, "Logical Core %u (socket %u) forwards packets on %u streams:", lcore,
			rte_lcore_to_socket_id(lcore), n);
		for (; n > 0; n--, next++) {
			const struct fwd_stream *st = &s->s[next];

			fprintf(out,
				"\n  RX P=%u/Q=%u (socket 0) -> TX P=%u/Q=%u (socket 0) "
				"peer=" RTE_ETHER_ADDR_PRT_FMT,
				st->rx->id, st->queue, st->tx->id, st->queue,
				RTE_ETHER_ADDR_BYTES(&st->tx->eth_peer));
		}
		fputc('\n', out);
	}
}

void
fwd_show_config(struct app *app, FILE *out)
{
	const struct fwd *f = app->fwd;
	struct fwd_streams s;

	fwd_list_streams(app, &s);
	fprintf(out,
		"%s packet forwarding%s - ports=%u - cores=%u - streams=%u - NUMA support enabled, "
		"MP allocation mode: native\n",
		f->shown->name, f->retry ? " with retry" : "", s.nports, cores_used(app, &s), s.n);
	if (f->retry)
		fprintf(out, "TX retry num: %u, delay between TX retries: %uus\n", f->retry_num,
			f->retry_us);
	print_streams(app, &s, cores_used(app, &s), out);
	fputc('\n', out);
	free(s.s);
}

static void
show_port_rxtx(const struct app *app, const struct port *p, FILE *out)
{
	const struct options *o = &app->opt;

	fprintf(out,
		"  port %u: RX queue number: %u Tx queue number: %u\n"
		"    Rx offloads=0x%" PRIx64 " Tx offloads=0x%" PRIx64 "\n"
		"    RX queue: 0\n"
		"      RX desc=%u - RX free threshold=%u\n"
		"      RX threshold registers: pthresh=0 hthresh=0  wthresh=0\n"
		"      RX Offloads=0x%" PRIx64 "\n"
		"    TX queue: 0\n"
		"      TX desc=%u - TX free threshold=%u\n"
		"      TX threshold registers: pthresh=0 hthresh=0  wthresh=0\n"
		"      TX offloads=0x%" PRIx64 " - TX RS bit threshold=%u\n",
		p->id, queues_of(app, p, false), queues_of(app, p, true), o->rx_offloads,
		o->tx_offloads, o->rxd, o->rxfreet, o->rx_offloads, o->txd, o->txfreet,
		o->tx_offloads, o->txrst);
}

static uint32_t
txpkts_total(const struct options *o)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < o->ntxpkts; i++)
		n += o->txpkts[i];
	return n;
}

void
fwd_show_rxtx(const struct app *app, FILE *out)
{
	const struct fwd *f = app->fwd;
	uint16_t list[DP_PORTS_MAX], n = fwd_ports(app, list);

	fprintf(out, "  %s packet forwarding%s packets/burst=%u\n", f->mode->name,
		f->retry ? " with retry" : "", f->burst);
	if (f->mode->generate != NULL)
		fprintf(out, "  packet len=%u - nb packet segments=%u\n", txpkts_total(&app->opt),
			app->opt.ntxpkts);
	fprintf(out, "  nb forwarding cores=%u - nb forwarding ports=%u\n", f->nb_cores, n);
	for (uint16_t i = 0; i < n; i++)
		show_port_rxtx(app, app->sw.port[list[i]], out);
}

void
fwd_show_cores(const struct app *app, FILE *out)
{
	fputs("List of forwarding lcores:", out);
	for (uint32_t i = 0; i < app->fwd->nb_cores; i++)
		fprintf(out, " %2u", app->worker[app->fwd->core[i]]->lcore);
	fputc('\n', out);
}

/* --- start and stop --- */

static bool
all_started(const struct app *app)
{
	uint16_t list[DP_PORTS_MAX], n = fwd_ports(app, list);

	for (uint16_t i = 0; i < n; i++)
		if (!app->sw.port[list[i]]->started)
			return false;
	return true;
}

static void
send_first(struct app *app, uint32_t bursts)
{
	uint16_t list[DP_PORTS_MAX], n = fwd_ports(app, list);

	for (uint16_t i = 0; i < n; i++)
		fwd_send_first(app, app->sw.port[list[i]], bursts);
}

void
fwd_start(struct app *app, uint32_t first, FILE *out)
{
	if (app->testpmd && !all_started(app)) {
		fputs("Not all ports were started\n", out);
		return;
	}
	if (app->sw.forwarding) {
		fputs("Packet forwarding already started\n", out);
		return;
	}
	fwd_setup(app, out);
	fwd_show_config(app, out);
	fwd_show_rxtx(app, out);
	fwd_clear_stats(app);
	app->sw.mode = app->fwd->mode;
	sw_publish(&app->sw);
	if (first > 0)
		send_first(app, first);
	sw_start(&app->sw, true);
}

void
fwd_stop(struct app *app, FILE *out)
{
	if (!app->sw.forwarding) {
		fputs("Packet forwarding not started\n", out);
		return;
	}
	fputs("Telling cores to stop...\nWaiting for lcores to finish...\n", out);
	sw_start(&app->sw, false);
	if (app->sw.watch.log != NULL)
		watch_log_drain(app->sw.watch.log);
	fwd_show_stats(app, out);
	fputs("\nDone.\n", out);
}

/* --- what the command line says --- */

static int
list_from_option(struct app *app, uint16_t *list, char *err, size_t errlen)
{
	const struct list_kind ports = {.max = UINT16_MAX, .ranges = true, .names = &app->sw};
	uint32_t ids[DP_PORTS_MAX];
	int n = list_parse(app->opt.portlist, &ports, ids, DP_PORTS_MAX);

	for (int i = 0; i < n; i++) {
		if (app_port(app, ids[i]) == NULL) {
			snprintf(err, errlen, "--portlist=%.512s: invalid port %u",
				 app->opt.portlist, ids[i]);
			return -EINVAL;
		}
		list[i] = (uint16_t)ids[i];
		for (int j = 0; j < i; j++) {
			if (list[j] == list[i]) {
				snprintf(err, errlen, "--portlist=%.512s: port %u twice",
					 app->opt.portlist, ids[i]);
				return -EINVAL;
			}
		}
	}
	if (n < 0)
		snprintf(err, errlen,
			 "--portlist=%.512s: expected ports by number or name, such as "
			 "0,4-7,net_vhost9",
			 app->opt.portlist);
	return n;
}

static int
list_from_mask(const struct app *app, uint16_t *list)
{
	int n = 0;

	for (uint16_t id = 0; id < 64; id++)
		if (app->opt.portmask >> id & 1 && app_port(app, id) != NULL)
			list[n++] = id;
	return n;
}

static int
init_ports(struct app *app, char *err, size_t errlen)
{
	uint16_t list[DP_PORTS_MAX], have = fwd_ports(app, list);
	int n = 0;

	if (app->opt.nb_ports > have) {
		snprintf(err, errlen, "--nb-ports=%u: there are %u", app->opt.nb_ports, have);
		return -EINVAL;
	}
	if (app->opt.portlist != NULL)
		n = list_from_option(app, list, err, errlen);
	else if (app->opt.portmask != 0)
		n = list_from_mask(app, list);
	else if (app->opt.nb_ports != 0)
		n = (int)app->opt.nb_ports;
	if (n <= 0)
		return n;
	sw_list_ports(&app->sw, list, (uint16_t)n);
	return 0;
}

static int
check_queues(const struct app *app, bool tx, char *err, size_t errlen)
{
	uint32_t wanted = tx ? app->opt.txq : app->opt.rxq;

	for (uint16_t id = 0; wanted != OPT_UNSET && id < app->sw.nports; id++) {
		const struct port *p = app->sw.port[id];

		if (p == NULL || queues_of(app, p, tx) == wanted)
			continue;
		snprintf(err, errlen,
			 "input %s (%u) can't be greater than max_%s_queues (%u) of port %u",
			 tx ? "txq" : "rxq", wanted, tx ? "tx" : "rx", queues_of(app, p, tx), id);
		return -EINVAL;
	}
	return 0;
}

static int
init_mode(struct app *app, char *err, size_t errlen)
{
	const char *name = app->opt.forward_mode;

	app->fwd->mode = app->sw.mode;
	if (app->testpmd && fwd_mode_by_name("io") != NULL)
		app->fwd->mode = fwd_mode_by_name("io");
	if (name != NULL && fwd_mode_by_name(name) == NULL) {
		snprintf(err, errlen, "--forward-mode=%.512s: no such mode", name);
		return -EINVAL;
	}
	if (name != NULL)
		app->fwd->mode = fwd_mode_by_name(name);
	app->fwd->shown = app->fwd->mode;
	app->sw.mode = app->fwd->mode;
	return 0;
}

static int
init_cores(struct app *app, char *err, size_t errlen)
{
	const struct options *o = &app->opt;
	uint32_t lcores[64], n = 0;
	FILE *out = fmemopen(err, errlen, "w");
	int ret = 0;

	use_all_cores(app);
	for (uint32_t i = 0; i < 64; i++)
		if (o->coremask >> i & 1)
			lcores[n++] = i;
	if (out == NULL)
		return -ENOMEM;
	if (n != 0)
		ret = fwd_list_cores(app, lcores, n, out);
	fclose(out);
	err[strcspn(err, "\n")] = '\0';
	if (ret == 0 && o->nb_cores > app->fwd->ncores) {
		snprintf(err, errlen, "--nb-cores=%u: there are %u", o->nb_cores, app->fwd->ncores);
		return -EINVAL;
	}
	if (o->nb_cores != 0 || n == 0)
		fwd_set_cores(app, o->nb_cores != 0 ? o->nb_cores
				   : app->testpmd   ? 1
						    : app->fwd->ncores);
	return ret;
}

int
fwd_init(struct app *app, char *err, size_t errlen)
{
	const struct options *o = &app->opt;

	app->fwd->txsplit = "off";
	app->gso_segsz = RTE_ETHER_MAX_LEN - RTE_ETHER_CRC_LEN;
	app->gro_flush = 1;
	app->fwd->retry_num = 64;
	app->fwd->retry_us = 1;
	app->fwd->no_link_check = o->disable_link_check;
	app->sw.topology = o->topology;
	for (uint32_t i = 0; i < o->npeers; i++) {
		struct port *p = app_port(app, o->peer[i].port);

		if (p != NULL)
			p->eth_peer = o->peer[i].mac;
	}
	if (init_mode(app, err, errlen) < 0 || init_ports(app, err, errlen) < 0 ||
	    check_queues(app, false, err, errlen) < 0 || check_queues(app, true, err, errlen) < 0)
		return -EINVAL;
	app->sw.gen.flow = o->tx_flow;
	app->sw.gen.many = o->txonly_multi_flow;
	app->sw.gen.flows = o->flowgen_flows;
	fwd_set_frame(app, o->txpkts, o->ntxpkts);
	fwd_set_burst(app, o->burst);
	fwd_set_watch(app);
	return init_cores(app, err, errlen);
}
