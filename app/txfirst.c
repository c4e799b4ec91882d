/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "start tx_first": a burst of generated frames from every port, to set frames
 * circulating between two programs that only reflect them. Control sends them
 * itself, before the workers start: nobody else touches the queues then.
 */
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "app.h"

#define FRAME_MAX 65536
#define HEADERS (RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv4_hdr) + sizeof(struct rte_udp_hdr))

/* testpmd's: the benchmarking network and the discard port */
#define SRC_IP RTE_IPV4(198, 18, 0, 1)
#define DST_IP RTE_IPV4(198, 18, 0, 2)
#define UDP_PORT 9

static uint32_t
frame_len(const struct options *o)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < o->ntxpkts; i++)
		n += o->txpkts[i];
	n = RTE_MAX(n, (uint32_t)HEADERS);
	return RTE_MIN(n, (uint32_t)FRAME_MAX);
}

static void
fill_frame(uint8_t *frame, uint32_t len, const struct port *p)
{
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)frame;
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(eth + 1);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);

	eth->dst_addr = p->eth_peer;
	eth->src_addr = p->mac;
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16((uint16_t)(len - sizeof(*eth))),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = RTE_BE32(SRC_IP),
		.dst_addr = RTE_BE32(DST_IP),
	};
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	*udp = (struct rte_udp_hdr){
		.src_port = RTE_BE16(UDP_PORT),
		.dst_port = RTE_BE16(UDP_PORT),
		.dgram_len = rte_cpu_to_be_16((uint16_t)(len - sizeof(*eth) - sizeof(*ip))),
	};
}

/* Views on one frame, as often as a burst needs it. */
static void
fill_views(struct pkt *pkts, struct pkt **list, uint8_t *frame, uint32_t len)
{
	for (uint16_t i = 0; i < PKT_BATCH_MAX; i++) {
		pkts[i] = (struct pkt){.data = frame, .len = len, .data_len = len, .nsegs = 1};
		memcpy(pkts[i].eth_bytes, frame, sizeof(pkts[i].eth_bytes));
		list[i] = &pkts[i];
	}
}

static void
send_frames(struct pktq *q, struct pkt *const *list, uint64_t n)
{
	while (n > 0) {
		uint16_t m = (uint16_t)RTE_MIN(n, (uint64_t)PKT_BATCH_MAX);

		pktq_ops(q)->tx(q, list, m);
		n -= m;
	}
}

void
fwd_send_first(struct app *app, struct port *p, uint32_t bursts)
{
	static uint8_t frame[FRAME_MAX]; /* control's */
	struct pkt pkts[PKT_BATCH_MAX], *list[PKT_BATCH_MAX];
	struct pktq *rx[DP_QUEUES_MAX], *tx[DP_QUEUES_MAX];
	bool discard[DP_QUEUES_MAX];
	struct port_queues q = {.max = DP_QUEUES_MAX, .rx = rx, .tx = tx, .discard = discard};
	uint64_t n = (uint64_t)bursts * app->fwd.burst;
	uint16_t streams = RTE_MIN(fwd_queues(app, p, false), fwd_queues(app, p, true));

	p->ops->queues(p, &q);
	fill_frame(frame, frame_len(&app->opt), p);
	fill_views(pkts, list, frame, frame_len(&app->opt));
	for (uint16_t i = 0; i < q.ntx && i < streams; i++)
		send_frames(tx[i], list, n);
	if (q.ntx < streams)
		app->fwd.mark[p->id].no_queue += n * (uint64_t)(streams - q.ntx);
}
