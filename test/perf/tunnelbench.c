/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cost of a tunnel: frames go from a guest to a network device, and from one to a guest, plain
 * and in VXLAN, through the switch's own poll iteration. The guest's queues and the device frames
 * come from are made of memory that does not change, the device they go to is net_null.
 *
 *     tunnelbench [-s bytes] [-b burst] [-n iterations] [-r rounds] [-6] [case ...]
 *
 * The cases take turns, a slice each. Prints TSC cycles a frame: the median of the slices and the
 * least. With -r 0 nothing is timed: one slice, for counts of instructions (test/perf/tunnelcost).
 */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

#include "bench.h"
#include "ethdev/ethdev.h"
#include "pkt/copy.h"
#include "pkt/mbuf.h"
#include "switch/fdb.h"
#include "switch/poll.h"
#include "switch/port_kind.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"
#include "vxlan/demux.h"
#include "vxlan/vtep.h"

#define DOMAIN 5 /* of the guests with a VNI; those without are in the device's */
#define VNI 100
#define MTU 9000
#define MBUFS 4096
#define ROUNDS_MAX 1000
#define FRAME_MAX 2000

/** A port of memory: sends the same frames whenever it is on, and takes what comes. */
struct memory_port {
	struct port port;
	struct pktq rx, tx;
	bool on;
	struct rte_mbuf *mbuf[PKT_BATCH_MAX]; /* what it sends, NULL: frame */
	uint8_t *frame;
	uint8_t sink[FRAME_MAX + 64];
};

enum { GUEST_PLAIN, GUEST_VNI, SOURCE_PLAIN, SOURCE_VXLAN, PORTS };

static const char *const port_names[PORTS] = {"guest", "guest-vni", "source", "source-vxlan"};

static const struct bench_case {
	const char *name;
	uint8_t from;
} cases[] = {
	{"out-plain", GUEST_PLAIN},
	{"out-vxlan", GUEST_VNI},
	{"in-plain", SOURCE_PLAIN},
	{"in-vxlan", SOURCE_VXLAN},
};

static struct {
	uint32_t len, burst, iterations, rounds;
	bool ip6;
} opt = {.len = 64, .burst = 32, .iterations = 1000, .rounds = 100};

static struct memory_port ports[PORTS];
static struct rte_mempool *mp;
static struct sw sw;
static struct worker *w;
static double cycles[RTE_DIM(cases)][ROUNDS_MAX];

/* --- ports of memory --- */

static struct memory_port *
of_queue(const struct pktq *q)
{
	for (uint32_t i = 0; i < PORTS; i++)
		if (ports[i].port.id == q->port)
			return &ports[i];
	abort();
}

static uint16_t
memory_rx(struct pktq *q, struct pkt_batch *b)
{
	struct memory_port *f = of_queue(q);

	b->n = b->nsegs = b->ndone = 0;
	if (!f->on)
		return 0;
	for (uint16_t i = 0; i < opt.burst; i++) {
		struct pkt *p = &b->pkt[i];

		if (f->mbuf[i] != NULL) {
			pkt_from_mbuf(p, f->mbuf[i], b->segs, 0);
		} else {
			*p = (struct pkt){.data = f->frame,
					  .len = opt.len,
					  .data_len = opt.len,
					  .nsegs = 1};
			memcpy(p->eth_bytes, f->frame, RTE_ETHER_HDR_LEN);
		}
		pktq_count(&q->stats, p);
	}
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
	struct memory_port *f = of_queue(q);

	counter_add(&q->stats.offered, n);
	for (uint16_t i = 0; i < n; i++) {
		pkt_copy(pkts[i], f->sink);
		pktq_count(&q->stats, pkts[i]);
	}
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

	out->discard[0] = false;
	out->rx[out->nrx++] = &f->rx;
	out->tx[out->ntx++] = &f->tx;
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
make_port(struct memory_port *f, const char *name)
{
	f->port.ops = &memory_port_ops;
	snprintf(f->port.name, sizeof(f->port.name), "%s", name);
	if (sw_port_add(&sw, &f->port) != 0)
		errx(1, "no port %s", name);
	f->rx.port = f->tx.port = f->port.id;
	f->rx.event_fd = f->tx.event_fd = -1;
	atomic_init(&f->rx.ops, &memory_ops);
	atomic_init(&f->tx.ops, &memory_ops);
}

/* --- frames --- */

static struct rte_ether_addr
mac_of(uint8_t host)
{
	return (struct rte_ether_addr){{2, 0, 0, 0, 0, host}};
}

/* A UDP datagram from host @p src to host @p dst. */
static uint8_t *
make_frame(uint8_t src, uint8_t dst)
{
	uint8_t *b = calloc(1, FRAME_MAX);
	struct rte_ether_hdr eth = {.src_addr = mac_of(src),
				    .dst_addr = mac_of(dst),
				    .ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4)};
	struct rte_ipv4_hdr ip = {.version_ihl = RTE_IPV4_VHL_DEF,
				  .total_length =
					  rte_cpu_to_be_16((uint16_t)(opt.len - RTE_ETHER_HDR_LEN)),
				  .time_to_live = 64,
				  .next_proto_id = IPPROTO_UDP,
				  .src_addr = rte_cpu_to_be_32(0x0a000000u + src),
				  .dst_addr = rte_cpu_to_be_32(0x0a000000u + dst)};
	struct rte_udp_hdr udp = {.src_port = RTE_BE16(1000), .dst_port = RTE_BE16(2000)};

	if (b == NULL)
		errx(1, "no memory");
	udp.dgram_len = rte_cpu_to_be_16((uint16_t)(opt.len - sizeof(eth) - sizeof(ip)));
	memcpy(b, &eth, sizeof(eth));
	memcpy(b + sizeof(eth), &ip, sizeof(ip));
	memcpy(b + sizeof(eth) + sizeof(ip), &udp, sizeof(udp));
	return b;
}

static void
make_mbufs(struct memory_port *f, const struct outer *o)
{
	for (uint32_t i = 0; i < opt.burst; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(mp);

		if (m == NULL)
			errx(1, "no mbufs");
		if (o != NULL) /* devices write frames to where the headroom ends */
			m->data_off += o->len;
		memcpy(rte_pktmbuf_append(m, (uint16_t)opt.len), f->frame, opt.len);
		if (o != NULL)
			outer_put(o, m, 7);
		f->mbuf[i] = m;
	}
}

/* --- the switch --- */

static uint16_t
make_device(void)
{
	const struct ethdev_config one = {0};
	struct port *p;
	uint16_t dev;
	char err[256];

	if (rte_eal_hotplug_add("vdev", "net_null0", "no-rx=1") != 0 ||
	    rte_eth_dev_get_port_by_name("net_null0", &dev) != 0)
		errx(1, "no net_null");
	p = ethdev_port_new(&sw, dev, &one, err, sizeof(err));
	if (p == NULL)
		errx(1, "%s", err);
	return p->id;
}

static struct outer_config
way(const struct evpn_ip *src, const struct evpn_ip *dst)
{
	return (struct outer_config){.src_mac = mac_of(0x41),
				     .dst_mac = mac_of(0x42),
				     .src = *src,
				     .dst = *dst,
				     .vni = VNI,
				     .port = OUTER_VXLAN_PORT,
				     .mtu = MTU};
}

static void
make_tunnel(struct demux *d, const char *below)
{
	struct vtep_config c = {.vni = VNI, .name = "vtep", .below = below, .domain = DOMAIN};
	struct outer *o = aligned_alloc(__alignof__(*o), sizeof(*o));
	struct rte_ether_addr far = mac_of(2);
	struct outer_config out;
	struct evpn_ip local;
	struct outer back;
	struct vtep *v;
	int number;

	evpn_ip_parse(&local, opt.ip6 ? "2001:db8::1" : "192.0.2.1");
	evpn_ip_parse(&c.ip, opt.ip6 ? "2001:db8::2" : "192.0.2.2");
	v = vtep_new(&sw, &c);
	if (v == NULL || o == NULL)
		errx(1, "no VTEP");
	out = way(&local, &c.ip);
	outer_make(o, &out);
	vtep_set_outer(v, o, NULL);
	number = demux_add_local(d, &local, OUTER_VXLAN_PORT);
	demux_add_vni(d, number, VNI);
	demux_add_vtep(d, number, v);
	ports[SOURCE_VXLAN].port.intercept = demux_intercept(d);
	out = way(&c.ip, &local);
	outer_make(&back, &out);
	make_mbufs(&ports[SOURCE_VXLAN], &back);
	fdb_learn(sw.fdb, &far, DOMAIN, v->port.id);
}

/* Hosts 1 are guests', hosts 2 behind the device or the tunnel. */
static void
make_switch(void)
{
	struct rte_ether_addr near = mac_of(1), far = mac_of(2);
	uint16_t device;

	mp = rte_pktmbuf_pool_create("pool", MBUFS, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				     SOCKET_ID_ANY);
	w = bench_switch(&sw, 1024, mp);
	device = make_device();
	for (uint32_t i = 0; i < PORTS; i++) {
		make_port(&ports[i], port_names[i]);
		ports[i].frame = i < SOURCE_PLAIN ? make_frame(1, 2) : make_frame(2, 1);
	}
	make_mbufs(&ports[SOURCE_PLAIN], NULL);
	ports[GUEST_VNI].port.domain = DOMAIN;
	fdb_learn(sw.fdb, &near, 0, ports[GUEST_PLAIN].port.id);
	fdb_learn(sw.fdb, &near, DOMAIN, ports[GUEST_VNI].port.id);
	/* host 2 is behind the device, also where its frames come from another port */
	ports[SOURCE_PLAIN].port.no_learning = true;
	fdb_learn(sw.fdb, &far, 0, device);
	make_tunnel(demux_new(2), sw.port[device]->name);
	bench_start(&sw);
}

/* --- measuring --- */

static uint64_t
slice(const struct bench_case *c)
{
	struct memory_port *f = &ports[c->from];
	uint64_t start;

	f->on = true;
	start = rte_rdtsc();
	for (uint32_t i = 0; i < opt.iterations; i++)
		worker_poll(w, dp_live(&sw.dp));
	start = rte_rdtsc() - start;
	f->on = false;
	return start;
}

/* Every frame came out where it should. */
static void
check(const struct bench_case *c, uint64_t before)
{
	const struct pktq *q = &ports[c->from].rx;
	uint64_t want = (uint64_t)opt.iterations * opt.burst, lost = 0;

	for (uint32_t i = 0; i < DROP_NUM; i++)
		lost += q->stats.drop[i];
	if (q->stats.frames - before != want || lost != 0)
		errx(1, "%s: %" PRIu64 " of %" PRIu64 " frames, %" PRIu64 " dropped", c->name,
		     q->stats.frames - before, want, lost);
}

static void
run_round(char *const *names, int n, uint32_t round)
{
	for (uint32_t i = 0; i < RTE_DIM(cases); i++) {
		uint64_t before = ports[cases[i].from].rx.stats.frames, t;
		bool chosen = n == 0;

		for (int k = 0; k < n; k++)
			chosen |= strcmp(names[k], cases[i].name) == 0;
		if (!chosen)
			continue;
		t = slice(&cases[i]);
		check(&cases[i], before);
		cycles[i][round] = (double)t / opt.iterations / opt.burst;
	}
}

static void
report(void)
{
	for (uint32_t i = 0; i < RTE_DIM(cases); i++) {
		bench_sort(cycles[i], opt.rounds);
		if (cycles[i][0] != 0)
			printf("%-10s %5u  median %6.1f  least %6.1f\n", cases[i].name, opt.len,
			       cycles[i][opt.rounds / 2], cycles[i][0]);
	}
}

static void
parse(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "s:b:n:r:6")) != -1) {
		uint32_t v = optarg != NULL ? (uint32_t)strtoul(optarg, NULL, 0) : 0;

		if (c == 's' && v >= 60 && v <= FRAME_MAX)
			opt.len = v;
		else if (c == 'b' && v > 0 && v <= PKT_BATCH_MAX)
			opt.burst = v;
		else if (c == 'n' && v > 0)
			opt.iterations = v;
		else if (c == 'r' && v <= ROUNDS_MAX)
			opt.rounds = v;
		else if (c == '6')
			opt.ip6 = true;
		else
			errx(2, "usage: tunnelbench [-s bytes] [-b burst] [-n iterations] "
				"[-r rounds] [-6] [case ...]");
	}
}

int
main(int argc, char **argv)
{
	parse(argc, argv);
	bench_eal("tunnelbench", "256");
	make_switch();
	run_round(argv + optind, argc - optind, 0); /* or all of it */
	for (uint32_t i = 0; i < opt.rounds; i++)
		run_round(argv + optind, argc - optind, i);
	if (opt.rounds != 0)
		report();
	return 0;
}
