/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame.h"

#include <stdlib.h>
#include <string.h>

#include <linux/virtio_net.h>

#define HEADERS_MAX 300 /* more than all headers of a frame together */

uint32_t
frame_rnd(uint32_t n)
{
	return (uint32_t)random() % n;
}

void
frame_put16(uint8_t *b, uint32_t v)
{
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

uint32_t
frame_get16(const uint8_t *b)
{
	return (uint32_t)b[0] << 8 | b[1];
}

void
frame_put32(uint8_t *b, uint32_t v)
{
	frame_put16(b, v >> 16);
	frame_put16(b + 2, v & 0xffff);
}

uint32_t
frame_get32(const uint8_t *b)
{
	return frame_get16(b) << 16 | frame_get16(b + 2);
}

uint32_t
frame_sum(const uint8_t *b, uint32_t len, uint32_t sum)
{
	for (uint32_t i = 0; i < len; i++) {
		sum += (i & 1) != 0 ? b[i] : (uint32_t)b[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

uint32_t
frame_pseudo_sum(const struct frame *f, const uint8_t *b, uint32_t l4_len)
{
	uint32_t sum = (f->tcp ? 6 : 17) + (l4_len >> 16) + (l4_len & 0xffff);
	const uint8_t *ip = b + f->l2;

	return f->ip6 ? frame_sum(ip + 8, 32, sum) : frame_sum(ip + 12, 8, sum);
}

static void
build_l2(struct frame *f)
{
	uint32_t tags = frame_rnd(3), type = f->ip6 ? 0x86dd : 0x0800;

	f->l2 = 12;
	for (uint32_t i = 0; i < tags; i++) {
		frame_put16(f->b + f->l2, i + 1 == tags ? 0x8100 : 0x88a8);
		frame_put16(f->b + f->l2 + 2, frame_rnd(4096));
		f->l2 += 4;
	}
	frame_put16(f->b + f->l2, type);
	f->l2 += 2;
}

static void
build_l3(struct frame *f)
{
	uint8_t *ip = f->b + f->l2;
	uint8_t proto = f->tcp ? 6 : 17;

	if (!f->ip6) {
		f->l3 = 20 + 4 * frame_rnd(11);
		ip[0] = (uint8_t)(0x40 | f->l3 / 4);
		frame_put16(ip + 6, 0x4000);
		ip[9] = proto;
		return;
	}
	ip[0] = 0x60;
	f->l3 = 40;
	f->next_off = f->l2 + 6;
	for (uint32_t exts = frame_rnd(3); exts > 0; exts--) {
		uint32_t units = frame_rnd(3);

		f->b[f->next_off] = exts == 2 ? 0 : 60; /* hop-by-hop, destination options */
		f->next_off = f->l2 + f->l3;
		f->b[f->next_off + 1] = (uint8_t)units;
		f->l3 += 8 + units * 8;
	}
	f->b[f->next_off] = proto;
}

static void
build_l4(struct frame *f)
{
	uint8_t *l4 = f->b + f->l2 + f->l3;

	f->l4 = f->tcp ? 20 + 4 * frame_rnd(11) : 8;
	if (f->tcp)
		l4[12] = (uint8_t)(f->l4 / 4 << 4);
	f->vnet.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	f->vnet.csum_start = (uint16_t)(f->l2 + f->l3);
	f->vnet.csum_offset = f->tcp ? 16 : 6;
	f->vnet.hdr_len = (uint16_t)(f->l2 + f->l3 + f->l4);
}

/* Lengths (those of a 64 KiB frame do not fit) and the pseudo header's sum. */
static void
build_lengths(struct frame *f)
{
	uint8_t *ip = f->b + f->l2, *l4 = ip + f->l3;
	uint32_t l4_len = f->len - f->l2 - f->l3;

	if (f->ip6)
		frame_put16(ip + 4, (f->len - f->l2 - 40) & 0xffff);
	else
		frame_put16(ip + 2, (f->len - f->l2) & 0xffff);
	if (!f->tcp)
		frame_put16(l4 + 4, l4_len & 0xffff);
	frame_put16(l4 + f->vnet.csum_offset, frame_pseudo_sum(f, f->b, l4_len));
}

/* A random frame of @p payload bytes; headers are full of random bits where that is legal. */
void
frame_build(struct frame *f, bool ip6, bool tcp, uint32_t payload)
{
	memset(f, 0, sizeof(*f));
	for (uint32_t i = 0; i < RTE_MIN(payload + HEADERS_MAX, sizeof(f->b)); i++)
		f->b[i] = (uint8_t)random();
	f->b[0] &= 0xfe;
	f->ip6 = ip6;
	f->tcp = tcp;
	build_l2(f);
	build_l3(f);
	build_l4(f);
	f->len = f->l2 + f->l3 + f->l4 + payload;
	build_lengths(f);
}

void
view_make(struct view *v, const struct frame *f)
{
	uint32_t n = 1 + frame_rnd(5), off = 0, len;

	memset(v, 0, sizeof(*v));
	v->p = (struct pkt){.len = f->len, .segs = v->segs, .vnet = f->vnet};
	for (uint32_t i = 0; i < n; i++) {
		/* now and then the headers are in pieces, too */
		len = i + 1 == n ? f->len - off
				 : frame_rnd(RTE_MIN(f->len - off, frame_rnd(2) ? 60u : 60000u));
		v->mem[i] = malloc(len != 0 ? len : 1);
		memcpy(v->mem[i], f->b + off, len);
		off += len;
		if (i == 0) {
			v->p.data = v->mem[i];
			v->p.data_len = len;
		} else {
			v->segs[i - 1] = (struct pkt_seg){v->mem[i], len};
		}
	}
	v->p.nsegs = (uint16_t)n;
	memcpy(v->p.eth_bytes, f->b, sizeof(v->p.eth_bytes));
}

void
view_free(struct view *v)
{
	for (uint32_t i = 0; i < RTE_DIM(v->mem); i++)
		free(v->mem[i]);
}

uint32_t
view_flatten(const struct pkt *p, uint8_t *b)
{
	uint32_t n = p->data_len;

	memcpy(b, p->data, p->data_len);
	for (uint16_t i = 0; i + 1 < p->nsegs; i++) {
		memcpy(b + n, p->segs[i].data, p->segs[i].len);
		n += p->segs[i].len;
	}
	memcpy(b, p->eth_bytes, RTE_MIN(n, sizeof(p->eth_bytes)));
	return n;
}
