/* SPDX-License-Identifier: BSD-3-Clause */
/* Counters of ports: show port stats|xstats. */
#include "show.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "counters.h"

void
show_valid_ports(const struct app *app, FILE *out)
{
	fputs("The valid ports array is [", out);
	for (uint16_t id = 0; id < app->sw.nports; id++) {
		if (app->sw.port[id] != NULL)
			fprintf(out, " %u", id);
	}
	fputs(" ]\n", out);
}

/* --- show port stats --- */

static uint64_t
per_second(uint64_t n, uint64_t ns)
{
	return ns == 0 ? 0 : (uint64_t)((double)n / (double)ns * 1e9);
}

static void
print_rates(struct baseline *shown, const struct port *p, FILE *out)
{
	uint64_t ns = shown->ns == 0 ? 0 : ev_now_ns() - shown->ns;
	struct port_stats s;

	baseline_stats(shown, p, &s);
	fprintf(out,
		"\n  Throughput (since last show)\n"
		"  Rx-pps: %12" PRIu64 "          Rx-bps: %12" PRIu64 "\n"
		"  Tx-pps: %12" PRIu64 "          Tx-bps: %12" PRIu64 "\n",
		per_second(s.rx.frames - counters_rx_errors(&s.rx), ns),
		per_second(s.rx.bytes, ns) * 8, per_second(s.tx.frames, ns),
		per_second(s.tx.bytes, ns) * 8);
	baseline_take_sum(shown, p);
}

void
show_port_stats(struct app *app, const struct port *p, FILE *out)
{
	struct port_stats s;
	uint64_t errors;

	port_get_stats(p, &s);
	errors = counters_rx_errors(&s.rx);
	s.rx.frames -= errors;
	fprintf(out,
		"\n  ######################## NIC statistics for port %-2u "
		"########################\n",
		p->id);
	fprintf(out,
		"  RX-packets: %-10" PRIu64 " RX-missed: %-10u RX-bytes:  %-" PRIu64 "\n"
		"  RX-errors: %-" PRIu64 "\n"
		"  RX-nombuf:  %-10" PRIu64 "\n"
		"  TX-packets: %-10" PRIu64 " TX-errors: %-10" PRIu64 " TX-bytes:  %-" PRIu64 "\n",
		s.rx.frames, 0u, s.rx.bytes, errors, s.rx.drop[DROP_RX_NO_MEMORY], s.tx.frames,
		counters_tx_drops(&s.tx), s.tx.bytes);
	print_rates(&p->app->shown, p, out);
	fputs("  ############################################################################\n",
	      out);
}

void
show_periodic(struct app *app, FILE *out)
{
	fputs("\033[2J\033[1;1H\nPort statistics ====================================", out);
	for (uint16_t id = 0; id < app->sw.nports; id++) {
		if (app->sw.port[id] != NULL)
			show_port_stats(app, app->sw.port[id], out);
	}
	fflush(out);
}

/* --- show port xstats --- */

static const char *const size_names[PKTQ_SIZE_BINS] = {
	"64", "65_127", "128_255", "256_511", "512_1023", "1024_1518", "1519_max",
};

static void
print_port(const struct port_stats *s, FILE *out)
{
	uint64_t errors = counters_rx_errors(&s->rx);

	fprintf(out,
		"rx_good_packets: %" PRIu64 "\ntx_good_packets: %" PRIu64 "\n"
		"rx_good_bytes: %" PRIu64 "\ntx_good_bytes: %" PRIu64 "\n"
		"rx_missed_errors: 0\nrx_errors: %" PRIu64 "\ntx_errors: %" PRIu64 "\n"
		"rx_mbuf_allocation_errors: %" PRIu64 "\n",
		s->rx.frames - errors, s->tx.frames, s->rx.bytes, s->tx.bytes, errors,
		counters_tx_drops(&s->tx), s->rx.drop[DROP_RX_NO_MEMORY]);
}

static void
print_queue(const struct pktq_stats *s, bool tx, uint16_t q, FILE *out)
{
	const char *dir = tx ? "tx" : "rx";

	fprintf(out, "%s_q%u_packets: %" PRIu64 "\n%s_q%u_bytes: %" PRIu64 "\n", dir, q, s->frames,
		dir, q, s->bytes);
	if (!tx)
		fprintf(out, "%s_q%u_errors: %" PRIu64 "\n", dir, q, counters_rx_errors(s));
}

static void
print_queue_details(const struct pktq_stats *s, bool tx, uint16_t q, FILE *out)
{
	const char *dir = tx ? "tx" : "rx";

	fprintf(out,
		"%s_q%u_good_packets: %" PRIu64 "\n%s_q%u_good_bytes: %" PRIu64 "\n"
		"%s_q%u_multicast_packets: %" PRIu64 "\n%s_q%u_broadcast_packets: %" PRIu64 "\n"
		"%s_q%u_undersize_packets: %" PRIu64 "\n",
		dir, q, s->frames, dir, q, s->bytes, dir, q, s->multicast, dir, q, s->broadcast,
		dir, q, s->drop[DROP_RX_RUNT]);
	for (int i = 0; i < PKTQ_SIZE_BINS; i++)
		fprintf(out, "%s_q%u_size_%s_packets: %" PRIu64 "\n", dir, q, size_names[i],
			s->size[i]);
	fprintf(out, "%s_q%u_guest_notifications: %" PRIu64 "\n", dir, q, s->notified);
}

/* Counters testpmd does not have: enough to see that every frame is accounted for. */
static void
print_queue_accounts(const struct pktq_stats *s, bool tx, uint16_t q, FILE *out)
{
	const char *dir = tx ? "tx" : "rx";

	fprintf(out,
		"%s_q%u_offered_packets: %" PRIu64 "\n%s_q%u_replicated_packets: %" PRIu64 "\n",
		dir, q, s->offered, dir, q, s->replicated);
	for (int r = 0; r < DROP_NUM; r++) {
		if (s->drop[r] != 0)
			fprintf(out, "%s_q%u_drop_%s_packets: %" PRIu64 "\n", dir, q, drop_name(r),
				s->drop[r]);
	}
}

static void
print_xstats(const struct app *app, const struct port *p, FILE *out)
{
	static void (*const parts[])(const struct pktq_stats *, bool, uint16_t, FILE *) = {
		print_queue, print_queue_details,
		print_queue_accounts, /* the last one: testpmd's list is fixed */
	};
	size_t nparts = app->testpmd ? RTE_DIM(parts) - 1 : RTE_DIM(parts);
	struct pktq_stats q;
	struct port_stats s;

	port_get_stats(p, &s);
	fprintf(out, "###### NIC extended statistics for port %-2u\n", p->id);
	print_port(&s, out);
	for (size_t part = 0; part < nparts; part++)
		for (int tx = 0; tx < 2; tx++)
			for (uint16_t i = 0; baseline_queue(&p->cleared, p, tx, i, &q); i++)
				parts[part](&q, tx, i, out);
}

/* The lines that do not end with a 0 alone. */
static void
print_nonzero(const char *text, FILE *out)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "\n") + 1;

		if (len < 4 || strncmp(text + len - 4, ": 0\n", 4) != 0)
			fwrite(text, 1, len, out);
		text += len;
	}
}

void
show_port_xstats(const struct app *app, const struct port *p, FILE *out)
{
	char *text = NULL;
	size_t len;
	FILE *f = app->hide_zero ? open_memstream(&text, &len) : NULL;

	print_xstats(app, p, f != NULL ? f : out);
	if (f == NULL)
		return;
	if (fclose(f) == 0)
		print_nonzero(text, out);
	free(text);
}
