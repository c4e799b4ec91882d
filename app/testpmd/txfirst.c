/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "start tx_first": a burst of generated frames from every port, to set frames
 * circulating between two programs that only reflect them. Control sends them
 * itself, before the workers start: no other thread touches the queues then.
 */
#include "app.h"
#include "fwd.h"
#include "switch/modes.h"

static void
send_frames(struct pktq *q, struct pkt *frame, uint64_t n)
{
	struct pkt *list[PKT_BATCH_MAX];

	for (uint16_t i = 0; i < PKT_BATCH_MAX; i++)
		list[i] = frame;
	while (n > 0) {
		uint16_t m = (uint16_t)RTE_MIN(n, (uint64_t)PKT_BATCH_MAX);

		pktq_ops(q)->tx(q, list, m);
		n -= m;
	}
	pktq_notify_deferred(q);
}

void
fwd_send_first(struct app *app, struct port *p, uint32_t bursts)
{
	const struct dp_port out = {.mac = p->mac, .eth_peer = p->eth_peer};
	struct pktq *rx[DP_QUEUES_MAX], *tx[DP_QUEUES_MAX];
	bool discard[DP_QUEUES_MAX];
	struct port_queues q = {.max = DP_QUEUES_MAX, .rx = rx, .tx = tx, .discard = discard};
	uint64_t n = (uint64_t)bursts * app->fwd->burst;
	uint16_t streams = fwd_stream_queues(app, p);
	struct pkt_seg payload;
	struct pkt_hdrs hdrs;
	struct pkt frame;

	p->ops->queues(p, &q);
	forward_make_frame(&frame, &hdrs, &payload, &app->sw.gen, &out);
	for (uint16_t i = 0; i < q.ntx && i < streams; i++)
		send_frames(tx[i], &frame, n);
	if (q.ntx < streams)
		p->app->no_queue += n * (uint64_t)(streams - q.ntx);
}
