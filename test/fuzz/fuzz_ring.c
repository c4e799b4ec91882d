/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device side of a virtqueue against guest memory that is the fuzzer's
 * input. The first bytes choose format, features and size; then come calls,
 * with changes of memory between them; the rest is memory: descriptors, rings
 * and buffers. The address sanitizer watches the ends of both regions, the
 * checks below watch what the switch would be told.
 */
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "gmem/dirty.h"
#include "gmem/iotlb.h"
#include "pkt/copy.h"
#include "virtq/net.h"
#include "virtq/vq.h"
#include "fuzz/fuzz.h"

#define REGION 0x8000u /* bytes of each of the two regions; the first begins at guest address 0 */
#define SIZE_MAX_LOG2 6
#define AT_DRIVER 0x400u
#define AT_DEVICE 0x600u
#define LOG_BYTES (2 * REGION / 4096 / 8 + 1)

struct input {
	const uint8_t *p;
	size_t left;
};

/* Addresses of indirect tables, and their descriptors in all. */
#define AT_TABLE 0x1000u
#define TABLE_DESCS 64u

/** State of a run. The ring is in the first region, with its end right before a redzone. */
struct run {
	uint8_t *region[2];
	struct gmem *gmem;
	struct iotlb *tlb;
	struct dirty log;
	uint8_t log_map[LOG_BYTES];
	struct vq_mem mem;
	struct vq_host host;
	struct gmem_fault fault;
	struct vq vq;
};

static struct pkt_batch batch;
static uint8_t copy[PKT_LEN_MAX];

static uint8_t
take8(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->p++;
}

static uint16_t
take16(struct input *in)
{
	uint16_t lo = take8(in);

	return lo | take8(in) << 8;
}

static void
attention(const struct vq_host *host, struct vq *vq)
{
	CHECK(atomic_load(&vq->attention) != 0);
}

/** Bits of @p choice to features that change the datapath. */
static uint64_t
choose_features(uint8_t choice, enum vq_layout layout)
{
	static const uint8_t bits[] = {
		VIRTIO_NET_F_MRG_RXBUF, VIRTIO_RING_F_INDIRECT_DESC, VIRTIO_RING_F_EVENT_IDX,
		VIRTIO_NET_F_CSUM,      VIRTIO_NET_F_GUEST_CSUM,     VIRTIO_F_NOTIFY_ON_EMPTY,
		VIRTIO_F_IN_ORDER,      VIRTIO_F_VERSION_1,
	};
	uint64_t f = 0;
	size_t i;

	for (i = 0; i < RTE_DIM(bits); i++)
		f |= (uint64_t)(choice >> i & 1) << bits[i];
	if (layout == VQ_SPLIT_SWAP)
		f &= UINT32_MAX;
	if (layout == VQ_PACKED)
		f |= 1ull << VIRTIO_F_RING_PACKED | 1ull << VIRTIO_F_VERSION_1;
	return f;
}

static void
make_memory(struct run *r)
{
	static uint16_t by_uva[] = {0, 1};
	int i;

	r->gmem = calloc(1, sizeof(*r->gmem) + 2 * sizeof(r->gmem->r[0]));
	CHECK(r->gmem != NULL);
	r->gmem->n = 2;
	r->gmem->by_uva = by_uva;
	for (i = 0; i < 2; i++) {
		r->region[i] = aligned_alloc(16, REGION);
		CHECK(r->region[i] != NULL);
		memset(r->region[i], 0, REGION);
		r->gmem->r[i] = (struct gmem_region){.gpa = i * REGION,
						     .size = REGION,
						     .uva = 0x100000 + i * 2 * REGION,
						     .hva = r->region[i]};
	}
	r->mem.gmem = r->gmem;
}

/** The full instances: a log, and translations of the first region only. */
static void
make_full(struct run *r, bool log, bool tlb)
{
	const struct iotlb_entry e = {.size = REGION, .uva = 0x100000, .perm = IOTLB_RW};
	struct iotlb *empty;

	r->log = (struct dirty){.map = r->log_map, .pages = 2 * REGION / 4096};
	if (log)
		r->mem.log = &r->log;
	if (!tlb)
		return;
	empty = iotlb_new();
	r->tlb = iotlb_update(empty, &e);
	iotlb_free(empty);
	r->mem.tlb = r->tlb;
}

static bool
start(struct run *r, struct input *in)
{
	enum vq_layout layout = take8(in) % VQ_LAYOUT_NUM;
	uint64_t features = choose_features(take8(in), layout);
	uint8_t how = take8(in);
	uint32_t size = layout == VQ_PACKED ? 1 + how % (1u << SIZE_MAX_LOG2)
					    : 1u << how % (SIZE_MAX_LOG2 + 1);
	struct vq_setup s = {
		.layout = layout,
		.size = size,
		.features = features,
		.tx = how & 0x80,
		.desc = r->region[0],
		.driver = r->region[0] + AT_DRIVER,
		.device = r->region[0] + AT_DEVICE,
		.log_used_gpa = AT_DEVICE,
		.device_gpa = AT_DEVICE,
		.log_ring = true,
		.kick_fd = -1,
		.state = vq_state_from_word(layout, take16(in)),
		.mem = &r->mem,
		.fault = &r->fault,
		.host = &r->host,
	};

	r->host.attention = attention;
	if (how & 0x40)
		make_full(r, how & 0x20, how & 0x10);
	return vq_start(&r->vq, &s) == 0;
}

static bool
in_memory(const struct run *r, const uint8_t *p, uint32_t len)
{
	int i;

	for (i = 0; i < 2; i++)
		if (p >= r->region[i] && len <= REGION && p <= r->region[i] + REGION - len)
			return true;
	return false;
}

/** A view must be all of a frame, and only point into guest memory. */
static void
check_view(const struct run *r, const struct pkt *p)
{
	uint64_t sum = p->data_len;
	uint16_t i;

	CHECK(p->len >= RTE_ETHER_HDR_LEN && p->len <= PKT_LEN_MAX && p->nsegs >= 1);
	CHECK(in_memory(r, p->data, p->data_len));
	for (i = 1; i < p->nsegs; i++) {
		CHECK(in_memory(r, p->segs[i - 1].data, p->segs[i - 1].len));
		sum += p->segs[i - 1].len;
	}
	CHECK(sum == p->len);
	pkt_copy(p, copy);
	CHECK(memcmp(copy, p->eth_bytes, RTE_ETHER_HDR_LEN) == 0);
}

static void
do_rx(struct run *r)
{
	const struct pktq_ops *ops = pktq_ops(&r->vq.q);
	uint16_t i;

	batch.max = PKT_BATCH_MAX;
	CHECK(ops->rx(&r->vq.q, &batch) == batch.ndone);
	CHECK(batch.n <= batch.ndone && batch.ndone <= PKT_BATCH_MAX);
	for (i = 0; i < batch.n; i++)
		check_view(r, &batch.pkt[i]);
	if (batch.ndone > 0)
		ops->rx_done(&r->vq.q, &batch);
}

static void
do_tx(struct run *r, uint32_t len)
{
	static uint8_t bytes[PKT_LEN_MAX];
	struct pkt p[4], *list[RTE_DIM(p)];
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < RTE_DIM(p); i++) {
		p[i] = (struct pkt){.data = bytes, .len = RTE_ETHER_HDR_LEN + len / (i + 1)};
		p[i].data_len = p[i].len;
		p[i].nsegs = 1;
		p[i].vnet.flags = len & 1;
		list[i] = &p[i];
	}
	pktq_ops(&r->vq.q)->tx(&r->vq.q, list, RTE_DIM(p));
	for (i = 0; i < DROP_NUM; i++)
		sum += r->vq.q.stats.drop[i];
	CHECK(r->vq.q.stats.offered == r->vq.q.stats.frames + sum);
}

/** A descriptor that may well be good: the input says how good. */
static void
plausible(struct run *r, struct input *in, uint8_t *at, bool ring)
{
	uint16_t avail = !ring ? 0 : r->vq.avail_wrap ? PACKED_F_AVAIL : PACKED_F_USED;
	const struct vq_fmt f = {.swap = r->vq.layout == VQ_SPLIT_SWAP};
	uint16_t addr = take16(in), len = take16(in), next = take8(in) % r->vq.size;
	uint8_t flags = take8(in);
	struct split_desc d;

	if (flags & VRING_DESC_F_INDIRECT) {
		addr = AT_TABLE + addr % TABLE_DESCS * sizeof(d);
		len = flags & 0x10 ? len : len % 8 * sizeof(d);
	}
	if (!(flags & 0x20)) /* else the wrong direction */
		flags = (flags & ~VRING_DESC_F_WRITE) | (r->vq.tx ? VRING_DESC_F_WRITE : 0);
	d = (struct split_desc){vq64_make(f, addr), vq32_make(f, flags & 0x40 ? len : len % 2000),
				vq16_make(f, flags & 7), vq16_make(f, next)};
	if (r->vq.layout == VQ_PACKED) /* {id, flags} instead of {flags, next} */
		d = (struct split_desc){d.addr, d.len, {next}, {(flags & 7) | avail}};
	memcpy(at, &d, sizeof(d));
}

/** Rings and tables of plausible descriptors, all made available. */
static void
make_ring(struct run *r, struct input *in)
{
	const struct vq_fmt f = {.swap = r->vq.layout == VQ_SPLIT_SWAP};
	struct split_avail *a = (struct split_avail *)(r->region[0] + AT_DRIVER);
	uint32_t i;

	for (i = 0; i < r->vq.size; i++) {
		plausible(r, in, r->region[0] + i * sizeof(struct split_desc), true);
		if (r->vq.layout != VQ_PACKED)
			a->ring[i] = vq16_make(f, take8(in) % r->vq.size);
	}
	if (r->vq.layout != VQ_PACKED)
		a->idx = vq16_make(f, r->vq.avail + r->vq.size);
	for (i = 0; i < TABLE_DESCS; i++)
		plausible(r, in, r->region[0] + AT_TABLE + i * sizeof(struct split_desc), false);
}

static void
call(struct run *r, uint16_t len)
{
	if (r->vq.tx)
		do_tx(r, len);
	else
		do_rx(r);
}

/** One call, or one change the guest makes between two. */
static void
step(struct run *r, struct input *in)
{
	const struct pktq_ops *ops = pktq_ops(&r->vq.q);
	uint8_t what = take8(in);
	uint16_t arg = take16(in);

	switch (what % 4) {
	case 0:
		call(r, arg);
		break;
	case 1: /* anywhere in the rings */
		r->region[0][arg % 0x1000] = take8(in);
		break;
	case 2: /* the available index, or a packed descriptor's flags */
		if (r->vq.layout == VQ_PACKED)
			r->region[0][arg % r->vq.size * 16 + 14 + (arg >> 15)] = take8(in);
		else
			r->region[0][AT_DRIVER + 2 + (arg >> 15)] += 1 + arg % 8;
		break;
	default:
		if (ops->arm != NULL && arg & 1)
			ops->arm(&r->vq.q);
		else if (ops->disarm != NULL)
			ops->disarm(&r->vq.q);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	static struct run r;
	uint8_t nsteps;
	struct input calls;

	memset(&r, 0, sizeof(r));
	make_memory(&r);
	if (start(&r, &in)) {
		nsteps = take8(&in) % 32;
		calls = in;
		calls.left = RTE_MIN(in.left, nsteps * 4u);
		in.p += calls.left;
		in.left -= calls.left;
		if (nsteps & 1)
			make_ring(&r, &in);
		else
			memcpy(r.region[0], in.p, RTE_MIN(in.left, REGION));
		call(&r, 100);
		while (calls.left > 0)
			step(&r, &calls);
		vq_stop(&r.vq);
	}
	iotlb_free(r.tlb);
	free(r.region[0]);
	free(r.region[1]);
	free(r.gmem);
	return 0;
}
