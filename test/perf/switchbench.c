/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cost of the switch between rx() and tx(): pairs of ports made of memory exchange frames
 * through the switch's own poll iteration, with many addresses, several queues a port, many ports
 * or small bursts. No ring, no copy and no other core: what is left are decisions and their tables.
 *
 *     switchbench [-f flows] [-q queue pairs] [-p pairs of ports] [-b burst]
 *                 [-n frames] [-r rounds] [-x extra]
 *
 * Each flow has a source and a destination address of its own, and the packets of each have
 * different ports. Prints TSC cycles a frame: the median of the rounds and the least. With -r 0
 * nothing is timed: one round, for counts of instructions by callgrind. -x has the ports do more
 * than forwarding (extras.c); -x list prints what there is.
 */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

#include "bench.h"
#include "extras.h"
#include "switch/fdb.h"
#include "switch/poll.h"
#include "switch/port.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"
#include "switch/vlan_table.h"

#define PORTS_MAX 129
#define QUEUES_MAX 16
#define FRAMES 256 /* of a queue, one after the other, with different ports */
#define FRAME_LEN 64
#define ROUNDS_MAX 1000

/** One direction of a queue pair. */
struct memory_queue {
	struct pktq q;
	uint32_t flow, frame; /* rx: the next */
	struct memory_port *port;
};

/**
 * A port of memory: the even ones send, the odd ones take what comes. The last one does neither.
 */
struct memory_port {
	struct port port;
	struct memory_queue rx[QUEUES_MAX], tx[QUEUES_MAX];
};

static struct {
	uint32_t flows, queues, pairs, burst, frames, rounds;
	const struct extra *extra; /* NULL: none */
} opt = {.flows = 1, .queues = 1, .pairs = 1, .burst = 32, .frames = 100000, .rounds = 30};

static struct memory_port *ports;
static uint8_t frames[FRAMES][FRAME_LEN];
static struct sw sw;
static struct worker *w;

/* --- ports of memory --- */

/*
 * Address number @p flow of port @p port, its first byte the lowest one: as those of a vendor, the
 * flow in the last bytes.
 */
static inline uint64_t
mac_word(uint16_t port, uint32_t flow)
{
	return 2 | (uint64_t)(uint8_t)port << 8 | (uint64_t)rte_bswap32(flow) << 16;
}

/* By two stores of 8 bytes, as the ring code does: what a later load has to wait for. */
static inline void
put_header(struct pkt *p, uint16_t from, uint32_t flow)
{
	const uint64_t dst = mac_word(from + 1, flow), src = mac_word(from, flow);
	const uint64_t first = rte_cpu_to_le_64(dst | src << 48);
	const uint64_t rest = rte_cpu_to_le_64(src | (uint64_t)RTE_BE16(RTE_ETHER_TYPE_IPV4) << 48);

	pkt_set_eth(p, first, rest); /* as ring code does */
}

static uint16_t
memory_rx(struct pktq *q, struct pkt_batch *b)
{
	struct memory_queue *m = (struct memory_queue *)q;
	uint16_t from = m->port->port.id;

	b->n = b->nsegs = b->ndone = 0;
	if (from % 2 != 0 || from == 2 * opt.pairs)
		return 0;
	for (uint16_t i = 0; i < opt.burst; i++) {
		struct pkt *p = &b->pkt[i];

		p->data = frames[m->frame];
		p->segs = NULL;
		p->mbuf = NULL;
		p->len = p->data_len = FRAME_LEN;
		p->need = 0;
		p->nsegs = 1;
		p->hash = 0;
		p->vnet = (struct pkt_vnet){0};
		put_header(p, from, m->flow);
		m->frame = (m->frame + opt.queues) % FRAMES;
		m->flow += opt.queues;
		if (m->flow >= opt.flows)
			m->flow = q->index % opt.flows;
	}
	counter_add(&q->stats.frames, opt.burst);
	b->n = b->ndone = (uint16_t)opt.burst;
	return b->ndone;
}

static void
memory_rx_done(struct pktq *q, struct pkt_batch *b)
{
	b->ndone = 0;
}

static uint16_t
memory_tx(struct pktq *q, struct pkt *const *pkts, uint16_t n)
{
	counter_add(&q->stats.offered, n);
	counter_add(&q->stats.frames, n);
	return n;
}

static const struct pktq_ops memory_ops = {
	.rx = memory_rx,
	.rx_done = memory_rx_done,
	.tx = memory_tx,
};

static void
memory_queues(struct port *p, struct port_queues *out)
{
	struct memory_port *f = (struct memory_port *)p;

	for (uint32_t i = 0; i < opt.queues; i++) {
		out->discard[i] = false;
		out->rx[out->nrx++] = &f->rx[i].q;
		out->tx[out->ntx++] = &f->tx[i].q;
	}
}

static void
memory_close(struct port *p)
{
}

static const struct port_ops memory_port_ops = {
	.kind = "memory",
	.queues = memory_queues,
	.close = memory_close,
};

static void
make_queue(struct memory_queue *m, struct memory_port *f, uint16_t index)
{
	m->port = f;
	m->q.port = f->port.id;
	m->q.index = index;
	m->q.event_fd = -1;
	m->flow = index % opt.flows;
	m->frame = index;
	atomic_init(&m->q.ops, &memory_ops);
}

static void
make_port(struct memory_port *f, uint32_t number)
{
	f->port.ops = &memory_port_ops;
	f->port.domain = (uint16_t)(number / 2);
	snprintf(f->port.name, sizeof(f->port.name), "memory%u", number);
	if (sw_port_add(&sw, &f->port) != 0)
		errx(1, "no port %u", number);
	for (uint16_t i = 0; i < opt.queues; i++) {
		make_queue(&f->rx[i], f, i);
		make_queue(&f->tx[i], f, i);
	}
}

/* --- the switch --- */

static void
make_frames(void)
{
	const struct rte_ipv4_hdr ip = {.version_ihl = RTE_IPV4_VHL_DEF,
					.total_length = RTE_BE16(FRAME_LEN - RTE_ETHER_HDR_LEN),
					.time_to_live = 64,
					.next_proto_id = IPPROTO_UDP,
					.src_addr = RTE_BE32(0x0a000001),
					.dst_addr = RTE_BE32(0x0a000002)};

	for (uint32_t i = 0; i < FRAMES; i++) {
		struct rte_udp_hdr udp = {.src_port = rte_cpu_to_be_16((uint16_t)(1024 + i)),
					  .dst_port = RTE_BE16(9)};

		memcpy(frames[i] + RTE_ETHER_HDR_LEN, &ip, sizeof(ip));
		memcpy(frames[i] + RTE_ETHER_HDR_LEN + sizeof(ip), &udp, sizeof(udp));
	}
}

/* The FID of frames that @p p sends. */
static uint16_t
fid_of(const struct port *p)
{
	uint16_t fid = p->domain;

	if (p->vlan.on && vlan_fid(&sw, p->domain, p->vlan.native, &fid) != 0)
		errx(1, "no VLAN %u", p->vlan.native);
	return fid;
}

static void
learn_all(void)
{
	for (uint32_t i = 0; i < 2 * opt.pairs; i++)
		for (uint32_t k = 0; k < opt.flows; k++) {
			const uint64_t word = rte_cpu_to_le_64(mac_word(ports[i].port.id, k));
			struct rte_ether_addr a;

			memcpy(a.addr_bytes, &word, sizeof(a.addr_bytes));
			if (!fdb_learn(sw.fdb, &a, fid_of(&ports[i].port), ports[i].port.id))
				errx(1, "no room for address %u", k);
		}
}

static void
apply_extra(void)
{
	for (uint32_t i = 0; opt.extra != NULL && i < 2 * opt.pairs; i += 2)
		opt.extra->apply(&(struct extra_pair){.from = &ports[i].port,
						      .to = &ports[i + 1].port,
						      .spare = &ports[2 * opt.pairs].port,
						      .w = w});
}

static void
make_switch(void)
{
	w = bench_switch(&sw, 2 * opt.pairs * opt.flows + 1024,
			 rte_pktmbuf_pool_create("pool", 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
						 SOCKET_ID_ANY));
	ports = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*ports) * PORTS_MAX);
	if (ports == NULL)
		errx(1, "no memory");
	memset(ports, 0, sizeof(*ports) * PORTS_MAX);
	make_frames();
	for (uint32_t i = 0; i < 2 * opt.pairs + 1; i++)
		make_port(&ports[i], i);
	apply_extra();
	learn_all();
	bench_start(&sw);
}

/* --- measuring --- */

static uint64_t
sent(void)
{
	uint64_t n = 0;

	for (uint32_t i = 1; i < 2 * opt.pairs; i += 2)
		for (uint32_t k = 0; k < opt.queues; k++)
			n += ports[i].tx[k].q.stats.frames;
	return n;
}

/** Cycles of a frame. */
static double
run_round(void)
{
	const uint64_t before = sent(), taken = w->frames;
	uint64_t start = rte_rdtsc();

	while (w->frames - taken < opt.frames)
		worker_end_poll(w, worker_poll(w, dp_live(&sw.dp)));
	start = rte_rdtsc() - start;
	if (sent() - before != w->frames - taken)
		errx(1, "%" PRIu64 " of %" PRIu64 " frames came out", sent() - before,
		     w->frames - taken);
	return (double)start / (double)(w->frames - taken);
}

static void
measure(void)
{
	static double cycles[ROUNDS_MAX];

	run_round();
	for (uint32_t i = 0; i < opt.rounds; i++)
		cycles[i] = run_round();
	if (opt.rounds == 0)
		return;
	bench_sort(cycles, opt.rounds);
	printf("flows %7u  queues %2u  pairs %2u  burst %2u  %-11s  median %6.1f  least %6.1f\n",
	       opt.flows, opt.queues, opt.pairs, opt.burst,
	       opt.extra == NULL ? "none" : opt.extra->name, cycles[opt.rounds / 2], cycles[0]);
}

static void __attribute__((noreturn)) usage(void)
{
	errx(2, "usage: switchbench [-f flows] [-q queue pairs] [-p pairs of ports] [-b burst] "
		"[-n frames] [-r rounds] [-x extra]");
}

static void
parse_extra(const char *name)
{
	if (strcmp(name, "list") == 0) {
		extra_list(stdout);
		exit(0);
	}
	opt.extra = extra_find(name);
	if (opt.extra == NULL)
		errx(2, "no extra %s; -x list prints those there are", name);
}

static void
parse(int argc, char **argv)
{
	static const struct {
		char letter;
		uint32_t *to, least, most;
	} numbers[] = {
		{'f', &opt.flows, 1, 1 << 21},
		{'q', &opt.queues, 1, QUEUES_MAX},
		{'p', &opt.pairs, 1, (PORTS_MAX - 1) / 2},
		{'b', &opt.burst, 1, PKT_BATCH_MAX},
		{'n', &opt.frames, 1, UINT32_MAX},
		{'r', &opt.rounds, 0, ROUNDS_MAX},
	};
	int c;

	while ((c = getopt(argc, argv, "f:q:p:b:n:r:x:")) != -1) {
		bool found = c == 'x';

		if (found)
			parse_extra(optarg);
		for (uint32_t i = 0; i < RTE_DIM(numbers); i++) {
			unsigned long v;

			if (c != numbers[i].letter)
				continue;
			v = strtoul(optarg, NULL, 0);
			found = v >= numbers[i].least && v <= numbers[i].most;
			*numbers[i].to = (uint32_t)v;
		}
		if (!found)
			usage();
	}
}

int
main(int argc, char **argv)
{
	parse(argc, argv);
	bench_eal("switchbench", "512");
	make_switch();
	measure();
	return 0;
}
