/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame.h"

#include <stdlib.h>
#include <string.h>

#include <linux/virtio_net.h>

#define HEADERS_MAX 1200 /* more than all headers of a frame together */

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

	if (f->routed)
		return frame_sum(f->dst, f->ip6 ? 16 : 4, frame_sum(f->src, f->ip6 ? 16 : 4, sum));
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

/* --- routes --- */

static void
random_bytes(uint8_t *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		b[i] = (uint8_t)random();
}

/* A routing header of the type at @p b: returns its length. Its route ends at f->dst. */
static uint32_t
build_list(struct frame *f, uint8_t *b, uint8_t type)
{
	uint32_t n = type == 2 ? 1 : 1 + frame_rnd(4);

	b[1] = (uint8_t)(2 * n);
	b[2] = type;
	b[3] = (uint8_t)frame_rnd(n + 1);
	if (b[3] != 0) {
		memcpy(f->dst, b + 8 + (n - 1) * 16, 16);
		f->prefix = 0;
	}
	return 8 + 16 * n;
}

static uint32_t
build_compressed(struct frame *f, uint8_t *b)
{
	uint32_t n = 1 + frame_rnd(4), cmpri = frame_rnd(16), cmpre = frame_rnd(16);
	uint32_t len = (n - 1) * (16 - cmpri) + 16 - cmpre, pad = (8 - len % 8) % 8;

	b[1] = (uint8_t)((len + pad) / 8);
	b[2] = 3;
	b[3] = (uint8_t)frame_rnd(n + 1);
	b[4] = (uint8_t)(cmpri << 4 | cmpre);
	b[5] = (uint8_t)(pad << 4);
	for (uint32_t i = cmpre; i < 16 && b[3] != 0; i++)
		f->dst[i] = b[8 + len - 16 + i];
	if (b[3] != 0)
		f->prefix = RTE_MIN(f->prefix, cmpre);
	return 8 + len + pad;
}

static uint32_t
build_segments(struct frame *f, uint8_t *b)
{
	uint32_t n = 1 + frame_rnd(4), tlvs = 8 * frame_rnd(3);

	b[1] = (uint8_t)((16 * n + tlvs) / 8);
	b[2] = 4;
	b[3] = (uint8_t)frame_rnd(n + 2); /* n: the first one is in the header only */
	if (b[3] > n)
		b[3] = 0;
	b[4] = (uint8_t)(n - 1);
	if (b[3] != 0) {
		memcpy(f->dst, b + 8, 16);
		f->prefix = 0;
	}
	return 8 + 16 * n + tlvs;
}

/* The home address behind padding: one option, or several of a byte. */
static uint32_t
build_home(struct frame *f, uint8_t *b)
{
	uint32_t off = 2 + frame_rnd(13);

	b[1] = 3;
	memset(b + 2, 0, 30);
	if (off >= 4 && frame_rnd(2) != 0) {
		b[2] = 1;
		b[3] = (uint8_t)(off - 4);
	}
	b[off] = 0xc9;
	b[off + 1] = 16;
	random_bytes(f->src, sizeof(f->src));
	memcpy(b + off + 2, f->src, sizeof(f->src));
	f->home = true;
	return 32;
}

static uint32_t
build_padding(uint8_t *b)
{
	uint32_t units = frame_rnd(4);

	b[1] = (uint8_t)units;
	b[2] = 1;
	b[3] = (uint8_t)(4 + 8 * units);
	return 8 + 8 * units;
}

enum ext { HOP, PAD, HOME, LIST0, LIST2, COMPRESSED, SEGMENTS, AUTH, ATOMIC, EXTS };
static const uint8_t ext_protos[EXTS] = {0, 60, 60, 43, 43, 43, 43, 51, 44};

static uint32_t
build_ext(struct frame *f, uint8_t *b, enum ext kind)
{
	switch (kind) {
	case LIST0:
		return build_list(f, b, 0);
	case LIST2:
		return build_list(f, b, 2);
	case COMPRESSED:
		return build_compressed(f, b);
	case SEGMENTS:
		return build_segments(f, b);
	case HOME:
		return build_home(f, b);
	case AUTH:
		b[1] = (uint8_t)(1 + frame_rnd(5));
		return (b[1] + 2) * 4u;
	case ATOMIC:
		f->frag_hdr = true;
		frame_put16(b + 2, 0);
		return 8;
	default:
		return build_padding(b);
	}
}

/* IPv6 with a chain of extensions, of any number and order. */
static void
build_chain(struct frame *f)
{
	uint8_t *ip = f->b + f->l2;

	ip[0] = 0x60;
	f->l3 = 40;
	f->next_off = f->l2 + 6;
	memcpy(f->src, ip + 8, 16);
	memcpy(f->dst, ip + 24, 16);
	f->prefix = 16;
	for (uint32_t n = 1 + frame_rnd(6); n > 0; n--) {
		enum ext kind = frame_rnd(EXTS);

		f->b[f->next_off] = ext_protos[kind];
		f->next_off = f->l2 + f->l3;
		f->l3 += build_ext(f, ip + f->l3, kind);
	}
	f->b[f->next_off] = f->tcp ? 6 : 17;
}

/* IPv4 with a route of up to eight addresses between other options. */
static void
build_source_route(struct frame *f)
{
	uint32_t n = 1 + frame_rnd(8), nops = frame_rnd(5);
	uint8_t *ip = f->b + f->l2, *opt;

	memcpy(f->src, ip + 12, 4);
	memcpy(f->dst, ip + 16, 4);
	memset(ip + 20, 1, nops);
	opt = ip + 20 + nops;
	opt[0] = frame_rnd(2) ? 131 : 137;
	opt[1] = (uint8_t)(3 + 4 * n);
	opt[2] = (uint8_t)(4 + 4 * frame_rnd(n + 1));
	f->hops = opt[2] <= opt[1];
	if (f->hops)
		memcpy(f->dst, opt + opt[1] - 4, 4);
	f->prefix = f->hops ? 0 : 4;
	f->l3 = 20 + nops + opt[1];
	memset(ip + f->l3, 0, 3);
	f->l3 = RTE_ALIGN_CEIL(f->l3, 4u);
	ip[0] = (uint8_t)(0x40 | f->l3 / 4);
	frame_put16(ip + 6, 0x4000);
	ip[9] = f->tcp ? 6 : 17;
}

/* --- frames --- */

static void
build(struct frame *f, uint32_t payload, void (*l3)(struct frame *f))
{
	random_bytes(f->b, RTE_MIN(payload + HEADERS_MAX, (uint32_t)sizeof(f->b)));
	f->b[0] &= 0xfe;
	build_l2(f);
	l3(f);
	build_l4(f);
	f->len = f->l2 + f->l3 + f->l4 + payload;
	build_lengths(f);
}

/* A random frame of @p payload bytes; headers are full of random bits where that is legal. */
void
frame_build(struct frame *f, bool ip6, bool tcp, uint32_t payload)
{
	memset(f, 0, sizeof(*f));
	f->ip6 = ip6;
	f->tcp = tcp;
	build(f, payload, build_l3);
}

void
frame_build_routed(struct frame *f, bool ip6, bool tcp, uint32_t payload)
{
	memset(f, 0, sizeof(*f));
	f->ip6 = ip6;
	f->tcp = tcp;
	f->routed = true;
	build(f, payload, ip6 ? build_chain : build_source_route);
}

void
view_make(struct view *v, const struct frame *f)
{
	uint32_t n = 1 + frame_rnd(5), off = 0, len;

	memset(v, 0, sizeof(*v));
	v->p = (struct pkt){.len = f->len, .segs = v->segs, .vnet = f->vnet};
	for (uint32_t i = 0; i < n; i++) {
		/* now and then the headers are in segments, too */
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
