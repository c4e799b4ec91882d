/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames from the network that may be tunnel frames. The input is {place where the frame is split,
 * offload flags, frame}; each fragment lies in memory of its own, as large as it is. A frame taken
 * for a tunnel frame must leave a view that lies within it.
 */
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_net.h>

#include <rte_common.h>

#include "pkt/copy.h"
#include "vxlan/outer.h"
#include "fuzz/fuzz.h"

static uint8_t *
copy_of(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size);

	CHECK(copy != NULL);
	memcpy(copy, data, size);
	return copy;
}

/* All of the view can be read, and it is as long as its fragments are together. */
static void
read_all(const struct pkt *p)
{
	uint32_t len = p->data_len;
	uint8_t *all = malloc(p->len);
	struct pkt_cursor c;

	for (uint16_t i = 0; i + 1 < p->nsegs; i++)
		len += p->segs[i].len;
	CHECK(all != NULL && len == p->len && p->len >= RTE_ETHER_HDR_LEN);
	pkt_cursor_init(&c, p);
	pkt_copy_next(&c, all, p->len);
	CHECK(memcmp(all, p->eth_bytes, RTE_ETHER_HDR_LEN) == 0);
	free(all);
}

static void
receive(struct pkt *p)
{
	uint32_t len = p->len;
	struct outer_in o;

	if (!outer_find(p, &o) || !outer_check(p, &o) || !outer_strip(p, &o))
		return;
	CHECK(o.vni <= OUTER_VNI_MAX && o.len + o.inner_len <= len && p->len == o.inner_len);
	CHECK(p->need == 0 && p->vnet.flags == 0 && p->vnet.gso_type == 0);
	read_all(p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pkt p = {.nsegs = 1};
	struct pkt_seg seg = {0};
	uint8_t *mem[2];
	uint32_t first;

	if (size < 2 + RTE_ETHER_HDR_LEN)
		return 0;
	p.len = (uint32_t)size - 2;
	first = 1 + data[0] % p.len;
	p.vnet.flags = data[1] & VIRTIO_NET_HDR_F_DATA_VALID;
	p.need = data[1] & PKT_NEED_TSO4;
	data += 2;
	memcpy(p.eth_bytes, data, RTE_ETHER_HDR_LEN);
	if (data[-2] == 0 || first == p.len)
		first = p.len;
	p.data = copy_of(data, first);
	p.data_len = first;
	p.segs = &seg;
	if (first < p.len) {
		seg = (struct pkt_seg){copy_of(data + first, p.len - first), p.len - first};
		p.nsegs = 2;
	}
	mem[0] = p.data;
	mem[1] = seg.data;
	receive(&p);
	free(mem[0]);
	free(mem[1]);
	return 0;
}
