/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames from the network that may be tunnel frames. The input is {place where the frame is split,
 * offload flags, frame}; each fragment lies in memory of its own, as large as it is. A frame taken
 * for a tunnel frame must leave a view that lies within it. The shorter way for usual frames
 * (vxlan/plain.h) must say of them what the other one says, and take no others.
 */
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_net.h>

#include <rte_common.h>

#include "pkt/copy.h"
#include "vxlan/outer.h"
#include "vxlan/plain.h"
#include "fuzz/frame.h"

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

/* The bits of a header that no key has. */
static void
invert_other_bits(uint8_t *header)
{
	const uint8_t *mask = (const uint8_t *)&plain_mask;

	for (uint32_t i = RTE_ETHER_HDR_LEN; i < sizeof(struct plain); i++)
		header[i] ^= (uint8_t)~mask[i];
}

static bool
has_same_ends(const struct outer_in *a, const struct outer_in *b)
{
	return evpn_ip_equal(&a->src, &b->src) && evpn_ip_equal(&a->dst, &b->dst) &&
	       a->vni == b->vni && a->port == b->port;
}

/* All headers with its key are plain, too, and have its ends. */
static void
check_key(const struct pkt *p, const struct plain *h)
{
	struct outer_in own, other;
	uint8_t bytes[sizeof(*h) + RTE_ETHER_HDR_LEN]; /* as plain_header() has seen to */
	const struct plain *copy = (const struct plain *)bytes;
	struct plain_key key, same;

	memcpy(bytes, h, sizeof(bytes));
	plain_key_of(h, &key);
	plain_outer(h, &own);
	invert_other_bits(bytes);
	CHECK(plain_has_key(h, &key) && plain_has_key(copy, &key) && plain_check(p, copy));
	plain_key_of(copy, &same);
	CHECK(key.sum % UINT16_MAX == same.sum % UINT16_MAX);
	plain_outer(copy, &other);
	CHECK(has_same_ends(&own, &other));
}

static bool
is_same_view(const struct pkt *a, const struct pkt *b)
{
	return a->data == b->data && a->data_len == b->data_len && a->len == b->len &&
	       a->nsegs == b->nsegs && a->need == b->need && a->hash == b->hash &&
	       memcmp(a->eth_bytes, b->eth_bytes, RTE_ETHER_HDR_LEN) == 0 &&
	       memcmp(&a->vnet, &b->vnet, sizeof(a->vnet)) == 0;
}

/* The shorter way, before the other one has changed the frame. */
static void
receive_plain(const struct pkt *p)
{
	const struct plain *h = plain_header(p);
	struct pkt shorter = *p, longer = *p;
	struct outer_in o, ends;
	struct plain_key key;
	uint8_t *before;
	uint32_t len;

	if (!plain_fits(p) || !plain_check(p, h))
		return;
	check_key(p, h);
	plain_key_of(h, &key);
	len = plain_inner_len(p, h, &key);
	CHECK(outer_find(p, &o) && outer_check(p, &o) == (len != 0));
	if (len == 0)
		return;
	plain_outer(h, &ends);
	CHECK(has_same_ends(&o, &ends));
	before = fuzz_copy(p->data, p->data_len);
	plain_strip(&shorter, len);
	CHECK(outer_strip(&longer, &o) && is_same_view(&shorter, &longer));
	CHECK(memcmp(before, p->data, p->data_len) == 0);
	free(before);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_frame f;
	struct pkt_seg seg;
	struct pkt p;

	if (size < 2 + RTE_ETHER_HDR_LEN)
		return 0;
	f = fuzz_frame_new(&p, &seg, data[0], data + 2, (uint32_t)size - 2);
	p.hash = 1;
	p.vnet.flags = data[1] & VIRTIO_NET_HDR_F_DATA_VALID;
	p.need = data[1] & PKT_NEED_TSO4;
	receive_plain(&p);
	receive(&p);
	fuzz_frame_free(&f);
	return 0;
}
