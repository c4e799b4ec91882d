/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest in this process: memory, both sides of its queues, random framing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "model.h"
#include "virtq/vq.h"

#define GUEST_GPA 0x40000000ull
#define IOVA_BASE 0x7000000000ull
#define PAGE 4096ull
#define TABLE_MAX AREA_PARTS

static bool
has_iommu(const struct model_guest *g)
{
	return VQ_HAS(g->cfg.features, VIRTIO_F_ACCESS_PLATFORM);
}

/* --- memory as the device is told about it --- */

uint64_t
model_addr_base(const struct model_guest *g)
{
	return has_iommu(g) ? IOVA_BASE : GUEST_GPA;
}

/** Our address of the device's @p addr, and how many bytes are contiguous there. */
static uint8_t *
locate(const struct model_guest *g, uint64_t addr, uint32_t len, uint32_t *got)
{
	uint64_t off = addr - model_addr_base(g);

	*got = len;
	if (!has_iommu(g))
		return g->mem.hva + off;
	*got = RTE_MIN(len, (uint32_t)(PAGE - off % PAGE));
	return g->mem.hva + g->page_of[off / PAGE] * PAGE + off % PAGE;
}

/* Access to guest memory by the address the device has for it. */
static void
model_write(struct model_guest *g, uint64_t addr, const void *src, uint32_t len)
{
	uint8_t *p;

	for (uint32_t n; len > 0; addr += n, src = (const uint8_t *)src + n, len -= n) {
		p = locate(g, addr, len, &n);
		memcpy(p, src, n);
	}
}

static void
model_read(const struct model_guest *g, uint64_t addr, void *dst, uint32_t len)
{
	const uint8_t *p;

	for (uint32_t n; len > 0; addr += n, dst = (uint8_t *)dst + n, len -= n) {
		p = locate(g, addr, len, &n);
		memcpy(dst, p, n);
	}
}

/** The pages behind the areas in random order, so that nothing contiguous stays so. */
static void
shuffle_pages(struct model_guest *g)
{
	const uint32_t n = (uint32_t)(g->mem.size / PAGE);

	for (uint32_t i = 0; i < n; i++)
		g->page_of[i] = i;
	for (uint32_t i = (uint32_t)g->first_area_page; has_iommu(g) && i < n; i++) {
		uint32_t j = i + rng_below(&g->rng, n - i), t = g->page_of[i];

		g->page_of[i] = g->page_of[j];
		g->page_of[j] = t;
	}
}

/** Two regions that are adjacent for the guest and not for the device: buffers cross the border. */
static void
map_memory(struct model_guest *g)
{
	const uint64_t half = RTE_ALIGN_FLOOR(g->mem.size / 2, PAGE);
	const struct gmem_desc d[2] = {
		{GUEST_GPA, half, (uintptr_t)g->mem.hva, 0},
		{GUEST_GPA + half, g->mem.size - half, (uintptr_t)g->mem.hva + half, half},
	};
	struct gmem *m[3] = {gmem_new()};
	const char *why = NULL;

	for (int i = 0; i < 2; i++) {
		m[i + 1] = gmem_add(m[i], &d[i], g->mem.fd, &g->fault, &why);
		assert_non_null(m[i + 1]);
		gmem_put(m[i]);
	}
	g->gmem = m[2];
	g->space.gmem = g->gmem;
	if (has_iommu(g))
		g->space.tlb = iotlb_new();
}

static void
map_log(struct model_guest *g)
{
	const char *why = NULL;

	if (!g->cfg.log)
		return;
	g->log_len = RTE_ALIGN_CEIL((GUEST_GPA + g->mem.size) / PAGE / 8, PAGE);
	g->log_fd = memfd_create("log", MFD_CLOEXEC);
	assert_int_equal(ftruncate(g->log_fd, (off_t)g->log_len), 0);
	g->log_bits = mmap(NULL, g->log_len, PROT_READ | PROT_WRITE, MAP_SHARED, g->log_fd, 0);
	assert_ptr_not_equal(g->log_bits, MAP_FAILED);
	g->log = dirty_new(g->log_fd, 0, g->log_len, &g->fault, &why);
	assert_non_null(g->log);
	g->space.log = g->log;
}

/* --- queues --- */

static void
on_attention(const struct vq_host *host, struct vq *vq)
{
	struct model_guest *g = RTE_PTR_SUB(host, offsetof(struct model_guest, host));

	g->broken += !!(atomic_load(&vq->attention) & VQ_ATTN_BROKEN);
}

/** Start of the memory before the areas: the device sees it where we do. */
static void
queue_rings(struct model_guest *g, struct model_queue *q, struct vqd_setup *s)
{
	const struct vq_extent e = vq_extent(g->cfg.layout, g->cfg.size, g->cfg.features);

	*s = (struct vqd_setup){
		.layout = g->cfg.layout,
		.size = g->cfg.size,
		.features = g->cfg.features,
		.desc = gm_alloc(&g->mem, e.desc, PAGE),
		.driver = gm_alloc(&g->mem, e.driver, PAGE),
		.device = gm_alloc(&g->mem, e.device, PAGE),
		.indirect = gm_alloc(&g->mem, 16ul * TABLE_MAX * g->cfg.size, PAGE),
		.indirect_max = TABLE_MAX,
		.kick_fd = -1,
		.state = g->cfg.start,
	};
	s->indirect_addr = gm_gpa(&g->mem, s->indirect) - GUEST_GPA + model_addr_base(g);
	q->ring_gpa[0] = gm_gpa(&g->mem, s->desc);
	q->ring_gpa[1] = gm_gpa(&g->mem, s->driver);
	q->ring_gpa[2] = gm_gpa(&g->mem, s->device);
	assert_int_equal(vqd_init(&q->drv, s), 0);
}

static void
queue_device(struct model_guest *g, struct model_queue *q, const struct vqd_setup *d)
{
	const struct vq_setup s = {
		.layout = d->layout,
		.size = d->size,
		.features = d->features,
		.tx = q == &g->rx,
		.desc = d->desc,
		.driver = d->driver,
		.device = d->device,
		.log_used_gpa = q->ring_gpa[2],
		.desc_gpa = q->ring_gpa[0],
		.device_gpa = q->ring_gpa[2],
		.log_ring = g->cfg.log,
		.kick_fd = -1,
		.state = d->state,
		.mem = &g->space,
		.fault = &g->fault,
		.host = &g->host,
		.mp = g->cfg.mp,
	};

	q->dev = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*q->dev));
	memset(q->dev, 0, sizeof(*q->dev));
	assert_int_equal(vq_start(q->dev, &s), 0);
}

static void
queue_areas(struct model_guest *g, struct model_queue *q, uint32_t len)
{
	q->area_len = RTE_ALIGN_CEIL(len, 64u);
	q->nareas = g->cfg.size;
	q->mem_addr = gm_gpa(&g->mem, gm_alloc(&g->mem, (size_t)q->nareas * q->area_len, 64)) -
		      GUEST_GPA + model_addr_base(g);
	q->area = calloc(q->nareas, sizeof(*q->area));
	q->free = calloc(q->nareas, sizeof(*q->free));
	while (q->nfree < q->nareas) {
		q->free[q->nfree] = q->nfree;
		q->nfree++;
	}
}

static uint32_t
longest_frame(const struct frame_mix *mix)
{
	return RTE_MAX(mix->max_len, mix->tso_len) + NET_HDR_LEN + AREA_PARTS * 16;
}

/** Mergeable buffers vary in size, see model_offer(). */
static uint32_t
longest_buffer(const struct model_cfg *cfg)
{
	const uint32_t times = VQ_HAS(cfg->features, VIRTIO_NET_F_MRG_RXBUF) ? 4 : 1;

	return cfg->rx_len * times + AREA_PARTS * 16;
}

struct model_guest *
model_new(const struct model_cfg *cfg, uint64_t seed)
{
	struct model_guest *g = calloc(1, sizeof(*g));
	const uint32_t tx_len = longest_frame(&cfg->mix), rx_len = longest_buffer(cfg);
	const struct vq_extent e = vq_extent(cfg->layout, cfg->size, cfg->features);
	struct vqd_setup tx, rx;

	g->cfg = *cfg;
	g->rng = rng_seed(seed);
	g->log_fd = -1;
	g->host.attention = on_attention;
	assert_int_equal(gm_init(&g->mem, GUEST_GPA,
				 2 * (e.desc + e.driver + e.device + 16ul * TABLE_MAX * cfg->size) +
					 (uint64_t)cfg->size * (tx_len + rx_len + 128) + 32 * PAGE,
				 false),
			 0);
	map_memory(g);
	map_log(g);
	queue_rings(g, &g->tx, &tx);
	queue_rings(g, &g->rx, &rx);
	gm_alloc(&g->mem, 0, PAGE);
	g->first_area_page = g->mem.used / PAGE;
	g->page_of = calloc(g->mem.size / PAGE, sizeof(*g->page_of));
	shuffle_pages(g);
	queue_areas(g, &g->tx, tx_len);
	queue_areas(g, &g->rx, rx_len);
	queue_device(g, &g->tx, &tx);
	queue_device(g, &g->rx, &rx);
	return g;
}

static void
queue_free(struct model_queue *q)
{
	vqd_fini(&q->drv);
	vq_stop(q->dev);
	free(q->dev);
	free(q->area);
	free(q->free);
}

void
model_free(struct model_guest *g)
{
	queue_free(&g->tx);
	queue_free(&g->rx);
	gmem_put(g->gmem);
	iotlb_free((struct iotlb *)(uintptr_t)g->space.tlb);
	if (g->log != NULL) {
		dirty_free(g->log);
		munmap(g->log_bits, g->log_len);
		close(g->log_fd);
	}
	gm_fini(&g->mem);
	free(g->page_of);
	free(g);
}

/** A start position: anywhere, and more often than by chance where something wraps. */
static struct vq_state
state_random(struct rng *r, const struct model_cfg *cfg)
{
	struct vq_state s = {0};

	if (cfg->layout != VQ_PACKED) {
		s.avail = rng_one_in(r, 2) ? (uint16_t)(0 - rng_below(r, 300))
					   : (uint16_t)rng_next(r);
	} else {
		s.avail = (uint16_t)(rng_one_in(r, 2) ? cfg->size - 1 : rng_below(r, cfg->size));
		s.avail_wrap = rng_one_in(r, 2);
	}
	s.used = s.avail;
	s.used_wrap = s.avail_wrap;
	return s;
}

struct model_cfg
model_cfg_random(struct rng *r, enum vq_layout layout)
{
	const bool modern = layout == VQ_PACKED || (layout == VQ_SPLIT && !rng_one_in(r, 3));
	struct model_cfg c = {.layout = layout};

	c.size = layout == VQ_PACKED ? 1 + rng_below(r, 600) : 1u << rng_below(r, 10);
	c.features = F(VIRTIO_F_ANY_LAYOUT) | (rng_one_in(r, 2) ? F(VIRTIO_RING_F_EVENT_IDX) : 0) |
		     (rng_one_in(r, 2) ? F(VIRTIO_RING_F_INDIRECT_DESC) : 0) |
		     (rng_one_in(r, 2) ? F(VIRTIO_NET_F_MRG_RXBUF) : 0);
	if (modern)
		c.features |= F(VIRTIO_F_VERSION_1) |
			      (layout == VQ_PACKED ? F(VIRTIO_F_RING_PACKED) : 0) |
			      (rng_one_in(r, 2) ? F(VIRTIO_F_IN_ORDER) : 0);
	c.in_tables = VQ_HAS(c.features, VIRTIO_RING_F_INDIRECT_DESC);
	c.plain = rng_one_in(r, 4);
	c.start = state_random(r, &c);
	c.mix.max_len = rng_one_in(r, 8) ? 9000 : 1514;
	/* what the longest frame needs where a frame takes one buffer */
	c.rx_len = VQ_HAS(c.features, VIRTIO_NET_F_MRG_RXBUF) ? 64 + rng_below(r, 2000) : 9000 + 64;
	return c;
}

/* --- chains --- */

/** Cut @p len bytes of area @p id in up to @p max parts, gaps between them. */
static void
area_cut(struct model_guest *g, struct model_queue *q, uint32_t id, uint32_t len, uint32_t max)
{
	struct model_area *a = &q->area[id];
	uint64_t addr = q->mem_addr + (uint64_t)id * q->area_len;
	uint32_t n;

	a->nparts = 0;
	while (len > 0) {
		n = len;
		if (a->nparts + 1u < max && !rng_one_in(&g->rng, 3))
			n = rng_one_in(&g->rng, 2) ? 1 + rng_below(&g->rng, RTE_MIN(len, 20u))
						   : 1 + rng_below(&g->rng, len);
		a->part[a->nparts++] = (struct vqd_buf){addr, n};
		addr += n + rng_below(&g->rng, 16);
		len -= n;
	}
}

/** Make the area a chain in the ring; -ENOSPC when there is no room. */
static int
area_add(struct model_guest *g, struct model_queue *q, uint32_t id)
{
	struct model_area *a = &q->area[id];
	const struct vqd_chain c = {
		.buf = a->part,
		.nout = q == &g->tx ? a->nparts : 0,
		.nin = q == &g->rx ? a->nparts : 0,
		.indirect = g->cfg.in_tables && rng_one_in(&g->rng, 2),
		.user_data = id,
	};

	return vqd_add(&q->drv, &c);
}

static uint32_t
parts_max(struct model_guest *g)
{
	/* a chain is no longer than the queue, through a table or not */
	return g->cfg.plain ? 1 : RTE_MIN(g->cfg.size, (uint32_t)AREA_PARTS);
}

/** Copy between the parts of an area and a buffer: the byte stream of the chain. */
static uint32_t
area_copy(struct model_guest *g, const struct model_area *a, uint8_t *buf, uint32_t len, bool out)
{
	uint32_t done = 0;

	for (uint16_t i = 0; i < a->nparts && done < len; i++) {
		uint32_t n = RTE_MIN(a->part[i].len, len - done);

		if (out)
			model_write(g, a->part[i].addr, buf + done, n);
		else
			model_read(g, a->part[i].addr, buf + done, n);
		done += n;
	}
	return done;
}

static struct vq_fmt
fmt_of(const struct model_guest *g)
{
	return (struct vq_fmt){.swap = g->cfg.layout == VQ_SPLIT_SWAP ? VQ_SWAP_BE : VQ_SWAP_LE};
}

bool
model_send(struct model_guest *g, const struct model_frame *f)
{
	static uint8_t stream[FRAME_MAX_LEN + NET_HDR_LEN];
	const uint16_t hdr_len = net_hdr_len(g->cfg.features);
	const struct vq_fmt fmt = fmt_of(g);
	const struct net_hdr h = {
		.flags = f->vnet.flags,
		.gso_type = f->vnet.gso_type,
		.hdr_len = vq16_make(fmt, f->vnet.hdr_len),
		.gso_size = vq16_make(fmt, f->vnet.gso_size),
		.csum_start = vq16_make(fmt, f->vnet.csum_start),
		.csum_offset = vq16_make(fmt, f->vnet.csum_offset),
	};
	struct model_queue *q = &g->tx;
	uint32_t id;

	if (q->nfree == 0)
		return false;
	id = q->free[q->nfree - 1];
	memcpy(stream, &h, hdr_len);
	memcpy(stream + hdr_len, f->b, f->len);
	area_cut(g, q, id, hdr_len + f->len, parts_max(g));
	area_copy(g, &q->area[id], stream, hdr_len + f->len, true);
	if (area_add(g, q, id) != 0)
		return false;
	q->nfree--;
	g->sent++;
	g->sent_bytes += f->len;
	return true;
}

uint32_t
model_reap(struct model_guest *g)
{
	struct model_queue *q = &g->tx;
	uint32_t len, n = 0;
	uint64_t id;

	for (; vqd_get(&q->drv, &id, &len); n++)
		q->free[q->nfree++] = (uint32_t)id;
	assert_false(q->drv.broken);
	return n;
}

bool
model_offer(struct model_guest *g)
{
	const bool merge = VQ_HAS(g->cfg.features, VIRTIO_NET_F_MRG_RXBUF);
	struct model_queue *q = &g->rx;
	uint32_t id, len = g->cfg.rx_len;

	if (q->nfree == 0)
		return false;
	id = q->free[q->nfree - 1];
	if (merge)
		len += rng_below(&g->rng, 3 * len);
	area_cut(g, q, id, len, parts_max(g));
	if (area_add(g, q, id) != 0)
		return false;
	q->nfree--;
	return true;
}

/** The next used receive buffer behind what is in @p buf; its length, 0: there is none. */
static uint32_t
receive_part(struct model_guest *g, uint8_t *buf, uint32_t room)
{
	struct model_queue *q = &g->rx;
	uint32_t len = 0;
	uint64_t id;

	if (!vqd_get(&q->drv, &id, &len)) {
		assert_false(q->drv.broken);
		return 0;
	}
	assert_true(len > 0 && len <= room);
	assert_int_equal(area_copy(g, &q->area[id], buf, len, false), len);
	q->free[q->nfree++] = (uint32_t)id;
	return len;
}

bool
model_receive(struct model_guest *g, struct model_frame *f)
{
	static uint8_t stream[FRAME_MAX_LEN + NET_HDR_LEN];
	const uint16_t hdr_len = net_hdr_len(g->cfg.features);
	const struct vq_fmt fmt = fmt_of(g);
	uint32_t n, len = receive_part(g, stream, sizeof(stream));
	struct net_hdr h = {.num_buffers = vq16_make(fmt, 1)};
	uint16_t parts;

	if (len == 0)
		return false;
	assert_true(len > hdr_len);
	memcpy(&h, stream, hdr_len);
	parts = vq16_get(fmt, h.num_buffers);
	assert_true(parts == 1 || (parts > 1 && VQ_HAS(g->cfg.features, VIRTIO_NET_F_MRG_RXBUF)));
	for (uint16_t i = 1; i < parts; i++) {
		/* all buffers of a frame become visible together */
		n = receive_part(g, stream + len, sizeof(stream) - len);
		assert_true(n > 0);
		len += n;
	}
	f->len = len - hdr_len;
	f->vnet = (struct pkt_vnet){
		.flags = h.flags,
		.gso_type = h.gso_type,
		.hdr_len = vq16_get(fmt, h.hdr_len),
		.gso_size = vq16_get(fmt, h.gso_size),
		.csum_start = vq16_get(fmt, h.csum_start),
		.csum_offset = vq16_get(fmt, h.csum_offset),
	};
	memcpy(f->b, stream + hdr_len, f->len);
	g->got++;
	g->got_bytes += f->len;
	return true;
}

/* --- the device --- */

uint16_t
model_forward(struct model_guest *from, struct model_guest *to, uint16_t max)
{
	static struct pkt_batch batch;
	struct pktq *in = &from->tx.dev->q, *out = &to->rx.dev->q;
	struct pkt *list[PKT_BATCH_MAX];
	uint16_t consumed;

	if (out->backlog != 0)
		pktq_ops(out)->flush(out);
	batch.max = max;
	consumed = pktq_ops(in)->rx(in, &batch);
	if (consumed == 0)
		return 0;
	for (uint16_t i = 0; i < batch.n; i++)
		list[i] = &batch.pkt[i];
	in->stats.offered += batch.n;
	if (batch.n != 0)
		pktq_ops(out)->tx(out, list, batch.n);
	pktq_ops(in)->rx_done(in, &batch);
	assert_int_equal(from->broken, 0);
	assert_int_equal(to->broken, 0);
	return consumed;
}

static uint64_t
drops(const struct pktq_stats *s, enum drop_reason first, enum drop_reason end)
{
	uint64_t sum = 0;

	for (int r = first; r < (int)end; r++)
		sum += s->drop[r];
	return sum;
}

void
model_check_counters(const struct model_guest *from, const struct model_guest *to)
{
	const struct pktq_stats *in = &from->tx.dev->q.stats, *out = &to->rx.dev->q.stats;

	assert_int_equal(in->frames,
			 in->offered - in->replicated + drops(in, 0, DROP_TX_NO_BUFFER));
	assert_int_equal(drops(in, DROP_TX_NO_BUFFER, DROP_NUM), 0);
	assert_int_equal(out->offered, in->offered);
	assert_int_equal(out->offered, out->frames + drops(out, DROP_TX_NO_BUFFER, DROP_NUM) +
					       to->rx.dev->q.backlog);
	assert_int_equal(drops(out, 0, DROP_TX_NO_BUFFER), 0);
}
