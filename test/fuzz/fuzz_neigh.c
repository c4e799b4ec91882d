/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ARP and neighbour discovery in frames of a guest. The input is {place where the frame is split,
 * frame}; each fragment lies in memory of its own, as large as it is. Answers are well formed: they
 * are read as what they are.
 */
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "vxlan/neigh_msg.h"
#include "fuzz/frame.h"

/* The answer to @p m says where its target is, and asks for nothing. */
static void
answer(struct pkt_hdrs *h, const struct neigh_msg *m)
{
	static struct pkt_hdrs again;
	struct evpn_neigh n = {.mac = {{2, 0, 0, 0, 0, 1}}, .router = true};
	struct neigh_msg said;
	struct pkt out;

	neigh_msg_answer(h, m, &n, &out);
	CHECK(neigh_msg_maybe(&out) && neigh_msg_read(&again, &out, &said));
	CHECK(evpn_ip_equal(&said.ip, &m->target) && rte_is_same_ether_addr(&said.mac, &n.mac));
	CHECK(!evpn_ip_is_set(&said.target));
	CHECK(said.router == (m->target.len == 16 ? NEIGH_ROUTER_YES : NEIGH_ROUTER_UNSAID));
	CHECK(rte_is_same_ether_addr(&out.eth.dst_addr, &m->mac));
}

static void
receive(const struct pkt *p)
{
	static struct pkt_hdrs h;
	struct neigh_msg m;

	if (!neigh_msg_maybe(p) || !neigh_msg_read(&h, p, &m))
		return;
	CHECK(evpn_ip_is_set(&m.ip) || evpn_ip_is_set(&m.target));
	CHECK(!evpn_ip_is_set(&m.ip) || evpn_ip_is_host(&m.ip));
	if (!evpn_ip_is_set(&m.target))
		return;
	CHECK(evpn_ip_is_host(&m.target) && m.ip.len == m.target.len);
	answer(&h, &m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_frame f;
	struct pkt_seg seg;
	struct pkt p;

	if (size < 1 + RTE_ETHER_HDR_LEN)
		return 0;
	f = fuzz_frame_new(&p, &seg, data[0], data + 1, (uint32_t)size - 1);
	p.need = PKT_NEED_CSUM;
	receive(&p);
	fuzz_frame_free(&f);
	return 0;
}
