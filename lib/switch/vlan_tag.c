/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: workers. */
#include "switch/vlan_tag.h"

#include <string.h>

#include <linux/virtio_net.h>

#include <rte_byteorder.h>

#include "pkt/copy.h"

#define MACS_LEN (2 * RTE_ETHER_ADDR_LEN)

/* Move the places behind the tag that the virtio-net header names. False: it cannot. */
static bool
shift(struct pkt_vnet *v, int by)
{
	if ((v->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0) {
		if (v->csum_start + by < RTE_ETHER_HDR_LEN || v->csum_start + by > UINT16_MAX)
			return false;
		v->csum_start = (uint16_t)(v->csum_start + by);
	}
	/* only a hint: 0 is no worse than one that is out of range */
	if (v->hdr_len + by > 0 && v->hdr_len + by <= UINT16_MAX && v->hdr_len != 0)
		v->hdr_len = (uint16_t)(v->hdr_len + by);
	else
		v->hdr_len = 0;
	return true;
}

bool
vlan_pop(struct pkt *p, uint16_t *tci)
{
	uint8_t b[VLAN_TAGGED_LEN];
	struct pkt_cursor c;
	uint16_t word;

	if (p->len < sizeof(b) || !shift(&p->vnet, -(int)RTE_VLAN_HLEN))
		return false;
	/* once: the sender may change it any time */
	pkt_cursor_init(&c, p);
	pkt_copy_next(&c, b, sizeof(b));
	memcpy(&word, b + RTE_ETHER_HDR_LEN, sizeof(word));
	*tci = rte_be_to_cpu_16(word);
	memcpy(&p->eth.ether_type, b + RTE_ETHER_HDR_LEN + sizeof(word), sizeof(word));
	pkt_advance(p, RTE_VLAN_HLEN);
	p->len -= RTE_VLAN_HLEN;
	return true;
}

bool
vlan_push(struct pkt *view, const struct pkt *p, uint8_t *header, uint16_t tci,
	  struct pkt_batch *batch)
{
	const uint16_t tag[2] = {RTE_BE16(RTE_ETHER_TYPE_VLAN), rte_cpu_to_be_16(tci)};
	struct pkt_seg *segs = &batch->segs[batch->nsegs];
	struct pkt rest = *p;

	if (batch->nsegs + rest.nsegs > PKT_SEGS_MAX)
		return false;
	batch->nsegs = (uint16_t)(batch->nsegs + rest.nsegs);
	memcpy(header, p->eth_bytes, MACS_LEN);
	memcpy(header + MACS_LEN, tag, sizeof(tag));
	memcpy(header + MACS_LEN + sizeof(tag), &p->eth.ether_type, sizeof(p->eth.ether_type));
	/* the Ethernet header as the sender has it in memory is not looked at again */
	pkt_advance(&rest, RTE_ETHER_HDR_LEN);
	segs[0] = (struct pkt_seg){rest.data, rest.data_len};
	memcpy(segs + 1, rest.segs, (rest.nsegs - 1u) * sizeof(*segs));
	*view = *p;
	view->mbuf = NULL;
	view->data = header;
	view->data_len = VLAN_TAGGED_LEN;
	view->len = p->len + RTE_VLAN_HLEN;
	view->segs = segs;
	view->nsegs = rest.nsegs + 1;
	memcpy(view->eth_bytes, header, RTE_ETHER_HDR_LEN);
	return shift(&view->vnet, RTE_VLAN_HLEN);
}
