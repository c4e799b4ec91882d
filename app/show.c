/* SPDX-License-Identifier: BSD-3-Clause */
#include "show.h"

#include <inttypes.h>

#include <rte_ether.h>

#include "app.h"

static uint16_t
queue_count(const struct port *p, bool tx)
{
	uint16_t n = 0;

	while (p->ops->queue(p, tx, n) != NULL)
		n++;
	return n;
}

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

/* --- show port info --- */

static void
print_queues(const struct app *app, const struct port *p, bool tx, FILE *out)
{
	uint16_t have = queue_count(p, tx);
	uint32_t configured = tx ? app->opt.txq : app->opt.rxq;
	const char *dir = tx ? "TX" : "RX";

	fprintf(out,
		"Current number of %s queues: %u\n"
		"Max possible %s queues: %u\n"
		"Max possible number of %sDs per queue: 65535\n"
		"Min possible number of %sDs per queue: 0\n"
		"%sDs number alignment: 1\n",
		dir, configured == OPT_UNSET ? have : configured, dir, have, dir, dir, dir);
}

static void
print_link(const struct port *p, FILE *out)
{
	fprintf(out,
		"Link status: %s\n"
		"Link speed: 10 Gbps\n"
		"Link duplex: full-duplex\n"
		"Autoneg status: Off\n"
		"MTU: %u\n"
		"Promiscuous mode: enabled\n"
		"Allmulticast mode: enabled\n",
		p->ops->link_up(p) ? "up" : "down", p->mtu);
}

static void
print_fixed(FILE *out)
{
	fputs("Maximum number of MAC addresses: 1\n"
	      "Maximum number of MAC addresses of hash filtering: 0\n"
	      "VLAN offload: \n"
	      "  strip off, filter off, extend off, qinq strip off\n"
	      "No RSS offload flow type is supported.\n"
	      "Minimum size of RX buffer: 0\n"
	      "Maximum configurable length of RX packet: 4294967295\n"
	      "Maximum configurable size of LRO aggregated packet: 0\n",
	      out);
}

void
show_port_info(const struct app *app, const struct port *p, FILE *out)
{
	fprintf(out, "\n********************* Infos for port %-2u *********************\n", p->id);
	fprintf(out, "MAC address: " RTE_ETHER_ADDR_PRT_FMT "\n", RTE_ETHER_ADDR_BYTES(&p->mac));
	fprintf(out, "Device name: %s\nDriver name: net_%s\nFirmware-version: not available\n",
		p->name, p->ops->kind);
	if (p->ops == &vhost_port_ops)
		fprintf(out, "Devargs: %s\n", vhost_port_devargs(p)->text);
	fputs("Connect to socket: 0\nmemory allocation on the socket: 0\n", out);
	print_link(p, out);
	print_fixed(out);
	print_queues(app, p, false, out);
	print_queues(app, p, true, out);
	fputs("Max segment number per packet: 65535\n"
	      "Max segment number per MTU/TSO: 65535\n"
	      "Device capabilities: 0x0( )\n"
	      "Device error handling mode: none\n",
	      out);
	if (!app->testpmd && p->ops->show != NULL)
		p->ops->show(p, out);
}

/* --- show port summary --- */

void
show_port_summary_head(const struct app *app, FILE *out)
{
	uint16_t n = 0;

	for (uint16_t id = 0; id < app->sw.nports; id++)
		n += app->sw.port[id] != NULL;
	fprintf(out, "Number of available ports: %u\n", n);
	fprintf(out, "%-4s %-17s %-12s %-14s %-8s %s\n", "Port", "MAC Address", "Name", "Driver",
		"Status", "Link");
}

void
show_port_summary(const struct port *p, FILE *out)
{
	char driver[32];

	snprintf(driver, sizeof(driver), "net_%s", p->ops->kind);
	fprintf(out, "%-4u " RTE_ETHER_ADDR_PRT_FMT " %-12s %-14s %-8s %s\n", p->id,
		RTE_ETHER_ADDR_BYTES(&p->mac), p->name, driver, p->ops->link_up(p) ? "up" : "down",
		"10 Gbps");
}

/* --- show port stats --- */

static uint64_t
sum_drops(const struct pktq_stats *s, enum drop_reason first, enum drop_reason last)
{
	uint64_t n = 0;

	for (int r = first; r <= (int)last; r++)
		n += s->drop[r];
	return n;
}

static uint64_t
per_second(uint64_t now, uint64_t before, uint64_t ns)
{
	/* after "clear" the counter is below what it was */
	return ns == 0 || now < before ? 0 : (uint64_t)((double)(now - before) / (double)ns * 1e9);
}

static void
print_rates(struct show_rate *r, const struct port_stats *s, FILE *out)
{
	uint64_t now = ev_now_ns();
	uint64_t ns = r->ns == 0 ? 0 : now - r->ns;

	fprintf(out,
		"\n  Throughput (since last show)\n"
		"  Rx-pps: %12" PRIu64 "          Rx-bps: %12" PRIu64 "\n"
		"  Tx-pps: %12" PRIu64 "          Tx-bps: %12" PRIu64 "\n",
		per_second(s->rx.frames, r->rx, ns), per_second(s->rx.bytes, r->rx_bytes, ns) * 8,
		per_second(s->tx.frames, r->tx, ns), per_second(s->tx.bytes, r->tx_bytes, ns) * 8);
	*r = (struct show_rate){now, s->rx.frames, s->tx.frames, s->rx.bytes, s->tx.bytes};
}

void
show_port_stats(struct app *app, const struct port *p, FILE *out)
{
	struct port_stats s;

	port_get_stats(p, &s);
	fprintf(out,
		"\n  ######################## NIC statistics for port %-2u "
		"########################\n",
		p->id);
	fprintf(out,
		"  RX-packets: %-10" PRIu64 " RX-missed: %-10u RX-bytes:  %-" PRIu64 "\n"
		"  RX-errors: %-" PRIu64 "\n"
		"  RX-nombuf:  %-10" PRIu64 "\n"
		"  TX-packets: %-10" PRIu64 " TX-errors: %-10" PRIu64 " TX-bytes:  %-" PRIu64 "\n",
		s.rx.frames, 0u, s.rx.bytes, sum_drops(&s.rx, DROP_RX_BAD_CHAIN, DROP_RX_TOO_LONG),
		s.rx.drop[DROP_RX_NO_MEMORY], s.tx.frames,
		sum_drops(&s.tx, DROP_TX_NO_BUFFER, DROP_TX_NO_MEMORY), s.tx.bytes);
	print_rates(&app->rate[p->id], &s, out);
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
print_queue_xstats(const struct pktq_stats *s, const char *dir, uint16_t q, FILE *out)
{
	fprintf(out,
		"%s_q%u_good_packets: %" PRIu64 "\n%s_q%u_good_bytes: %" PRIu64 "\n"
		"%s_q%u_multicast_packets: %" PRIu64 "\n%s_q%u_broadcast_packets: %" PRIu64 "\n"
		"%s_q%u_undersize_packets: 0\n",
		dir, q, s->frames, dir, q, s->bytes, dir, q, s->multicast, dir, q, s->broadcast,
		dir, q);
	for (int i = 0; i < PKTQ_SIZE_BINS; i++)
		fprintf(out, "%s_q%u_size_%s_packets: %" PRIu64 "\n", dir, q, size_names[i],
			s->size[i]);
	fprintf(out, "%s_q%u_guest_notifications: %" PRIu64 "\n", dir, q, s->notified);
}

/* What testpmd does not have: enough to see that every frame is accounted for. */
static void
print_queue_accounts(const struct pktq_stats *s, const char *dir, uint16_t q, FILE *out)
{
	fprintf(out, "%s_q%u_offered_packets: %" PRIu64 "\n", dir, q, s->offered);
	fprintf(out, "%s_q%u_replicated_packets: %" PRIu64 "\n", dir, q, s->replicated);
	for (int r = 0; r < DROP_NUM; r++) {
		if (s->drop[r] != 0)
			fprintf(out, "%s_q%u_drop_%s_packets: %" PRIu64 "\n", dir, q, drop_name(r),
				s->drop[r]);
	}
}

static void
print_port_xstats(const struct port_stats *s, FILE *out)
{
	fprintf(out,
		"rx_good_packets: %" PRIu64 "\ntx_good_packets: %" PRIu64 "\n"
		"rx_good_bytes: %" PRIu64 "\ntx_good_bytes: %" PRIu64 "\n"
		"rx_missed_errors: 0\nrx_errors: %" PRIu64 "\ntx_errors: %" PRIu64 "\n"
		"rx_mbuf_allocation_errors: %" PRIu64 "\n",
		s->rx.frames, s->tx.frames, s->rx.bytes, s->tx.bytes,
		sum_drops(&s->rx, DROP_RX_BAD_CHAIN, DROP_RX_TOO_LONG),
		sum_drops(&s->tx, DROP_TX_NO_BUFFER, DROP_TX_NO_MEMORY),
		s->rx.drop[DROP_RX_NO_MEMORY]);
}

void
show_port_xstats(const struct app *app, const struct port *p, FILE *out)
{
	const struct pktq *q;
	struct port_stats s;

	port_get_stats(p, &s);
	fprintf(out, "###### NIC extended statistics for port %-2u\n", p->id);
	print_port_xstats(&s, out);
	for (int tx = 0; tx < 2; tx++) {
		for (uint16_t i = 0; (q = p->ops->queue(p, tx, i)) != NULL; i++) {
			print_queue_xstats(&q->stats, tx ? "tx" : "rx", i, out);
			if (!app->testpmd)
				print_queue_accounts(&q->stats, tx ? "tx" : "rx", i, out);
		}
	}
}
