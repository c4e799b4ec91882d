/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "virtq/net.h"
#include "virtq/internal.h"
#include "base/irq.h"
#include "pkt/mbuf.h"

#define VQ_SIZE_MAX 32768

const char *
vq_check(enum vq_layout layout, uint32_t size, uint64_t features)
{
	bool packed = VQ_HAS(features, VIRTIO_F_RING_PACKED);

	if (size == 0 || size > VQ_SIZE_MAX)
		return "ring size is not 1 to 32768";
	if (packed != (layout == VQ_PACKED))
		return "ring layout contradicts the RING_PACKED feature";
	if (packed && !VQ_HAS(features, VIRTIO_F_VERSION_1))
		return "a packed ring needs VERSION_1";
	if (!packed && (size & (size - 1)) != 0)
		return "size of a split ring is not a power of two";
	if (layout == VQ_SPLIT_SWAP && VQ_HAS(features, VIRTIO_F_VERSION_1))
		return "a VERSION_1 ring is little-endian";
	return NULL;
}

struct vq_extent
vq_extent(enum vq_layout layout, uint32_t size, uint64_t features)
{
	uint64_t event = VQ_HAS(features, VIRTIO_RING_F_EVENT_IDX) ? sizeof(vq16_t) : 0;

	if (layout == VQ_PACKED)
		return (struct vq_extent){size * sizeof(struct packed_desc),
					  sizeof(struct packed_event), sizeof(struct packed_event)};
	return (struct vq_extent){
		.desc = size * sizeof(struct split_desc),
		.driver = sizeof(struct split_avail) + size * sizeof(vq16_t) + event,
		.device = sizeof(struct split_used) + size * sizeof(struct split_used_elem) + event,
	};
}

struct vq_extent
vq_alignment(enum vq_layout layout)
{
	if (layout == VQ_PACKED)
		return (struct vq_extent){16, 4, 4};
	return (struct vq_extent){16, 2, 4};
}

uint32_t
vq_state_to_word(enum vq_layout layout, const struct vq_state *s)
{
	uint32_t avail = s->avail | (s->avail_wrap ? PACKED_WRAP : 0);
	uint32_t used = s->used | (s->used_wrap ? PACKED_WRAP : 0);

	return layout == VQ_PACKED ? avail | used << 16 : s->avail;
}

struct vq_state
vq_state_from_word(enum vq_layout layout, uint32_t word)
{
	uint32_t used = word >> 16;

	if (layout != VQ_PACKED)
		return (struct vq_state){.avail = word, .used = word};
	/*
	 * Some front-ends set the lower half only. A used position of 0 with wrap counter 0 is
	 * either the same as the available one, or a whole ring behind it, which no ring at rest
	 * is.
	 */
	if (used == 0)
		used = word;
	return (struct vq_state){
		.avail = word & (PACKED_WRAP - 1),
		.used = used & (PACKED_WRAP - 1),
		.avail_wrap = word & PACKED_WRAP,
		.used_wrap = used & PACKED_WRAP,
	};
}

uint16_t
vq_split_used_idx(enum vq_layout layout, const void *device)
{
	const struct vq_fmt f = {.swap = layout == VQ_SPLIT_SWAP ? VQ_SWAP_BE : VQ_SWAP_LE};

	return vq16_load_acquire(f, &((const struct split_used *)device)->idx);
}

/** The instance for the queue's layout and address space. */
static const struct vq_instance *
vq_instance(const struct vq *vq, const struct vq_mem *mem)
{
	const bool full = mem->tlb != NULL || mem->log != NULL || mem->present != NULL;

	return vq_instance_of(vq->layout, full);
}

static void
vq_set_ops(struct vq *vq, const struct vq_mem *mem)
{
	const struct vq_instance *in = vq_instance(vq, mem);
	const struct pktq_ops *ops = vq->tx ? &in->tx : &in->rx;

	if (vq->suspended) {
		/* chains taken before are given back: until then there is no grace period */
		vq->suspended_ops.rx_done = ops->rx_done;
		ops = &vq->suspended_ops;
	}
	atomic_store_explicit(&vq->q.ops, ops, memory_order_release);
}

/** Set the fields that follow from the negotiated features. */
static void
vq_apply_features(struct vq *vq, uint64_t features, uint32_t mtu)
{
	vq->features = features;
	vq->hdr_len = net_hdr_len(features);
	vq->hdr_mask = net_driver_mask(features);
	vq->mergeable = VQ_HAS(features, VIRTIO_NET_F_MRG_RXBUF);
	vq->indirect = VQ_HAS(features, VIRTIO_RING_F_INDIRECT_DESC);
	vq->event_idx = VQ_HAS(features, VIRTIO_RING_F_EVENT_IDX);
	vq->in_order = VQ_HAS(features, VIRTIO_F_IN_ORDER);
	vq->notify_on_empty =
		VQ_HAS(features, VIRTIO_F_NOTIFY_ON_EMPTY) && !VQ_HAS(features, VIRTIO_F_VERSION_1);
	vq->q.offloads = vq->tx ? net_offloads(features, NET_DRIVER) : 0;
	vq->q.max_len = mtu == 0 ? 0 : mtu + RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN;
	vq->len_max = vq->q.max_len == 0 ? UINT32_MAX : vq->q.max_len;
}

static void
vq_set_state(struct vq *vq, const struct vq_state *s)
{
	vq->avail = s->avail;
	vq->used = s->used;
	vq->avail_wrap = s->avail_wrap;
	vq->used_wrap = s->used_wrap;
	vq->avail_seen = s->avail;
	vq->unsignalled = VQ_UNSIGNALLED_ANY;
	vq->q.deferred = false;
}

static void
vq_set_areas(struct vq *vq, const struct vq_setup *s)
{
	vq->desc = s->desc;
	vq->driver = s->driver;
	vq->device = s->device;
	memcpy(vq->pages, s->pages, sizeof(vq->pages));
	vq->log_used_gpa = s->log_used_gpa;
	vq->desc_gpa = s->desc_gpa;
	vq->device_gpa = s->device_gpa;
	vq->log_ring = s->log_ring;
	vq->hint = 0;
	vq->leased = 0;
	vq->since = vq->since_now = 0;
}

static bool
vq_state_valid(const struct vq_setup *s)
{
	return s->layout != VQ_PACKED || (s->state.avail < s->size && s->state.used < s->size);
}

/* For queues whose memory cannot disappear: in tests, or our own memory. */
static struct gmem_fault no_fault;

/** Whether a buffer for a frame may be out of reach for a while. */
static bool
vq_may_miss(const struct vq_setup *s)
{
	return VQ_HAS(s->features, VIRTIO_F_ACCESS_PLATFORM) || s->mem->present != NULL;
}

int
vq_start(struct vq *vq, const struct vq_setup *s)
{
	if (vq_check(s->layout, s->size, s->features) != NULL || !vq_state_valid(s))
		return -EINVAL;
	if (s->tx && s->mp != NULL && vq_may_miss(s)) {
		vq->backlog = calloc(VQ_BACKLOG_MAX, sizeof(*vq->backlog));
		if (vq->backlog == NULL)
			return -ENOMEM;
	}
	vq->size = s->size;
	vq->layout = s->layout;
	vq->tx = s->tx;
	vq->fault = s->fault != NULL ? s->fault : &no_fault;
	vq->host = s->host;
	vq->journal = s->journal;
	vq->mp = s->mp;
	vq->kept = s->kept;
	vq_set_areas(vq, s);
	vq_apply_features(vq, s->features, s->mtu);
	vq_set_state(vq, &s->state);
	vq->broken = false;
	vq->suspended = false;
	vq->backlog_head = 0;
	vq->q.backlog = 0;
	vq->q.can_backlog = vq->backlog != NULL;
	vq->q.event_fd = s->kick_fd;
	rte_spinlock_init(&vq->q.lock);
	atomic_store(&vq->mem, s->mem);
	vq_set_irq(vq, s->irq);
	atomic_store(&vq->attention, 0);
	vq_miss_over(vq);
	atomic_store(&vq->why, NULL);
	vq_set_ops(vq, s->mem);
	vq_instance(vq, s->mem)->set_notify(vq, false);
	vq_instance(vq, s->mem)->mark(vq);
	return 0;
}

struct vq_state
vq_stop(struct vq *vq)
{
	pktq_notify_deferred(&vq->q);
	pktq_drop(&vq->q, DROP_TX_IOTLB, vq->q.backlog);
	vq_backlog_free(vq, vq->q.backlog);
	free(vq->backlog);
	vq->backlog = NULL;
	vq_set_irq(vq, NULL);
	return (struct vq_state){vq->avail, vq->used, vq->avail_wrap, vq->used_wrap};
}

/* --- while the ring must not be touched --- */

static uint16_t
suspended_rx(struct pktq *q, struct pkt_batch *b)
{
	(void)q;
	b->n = b->ndone = b->nsegs = 0;
	return 0;
}

static uint16_t
suspended_tx(struct pktq *q, struct pkt *const *pkts, uint16_t n)
{
	counter_add(&q->stats.offered, n);
	return vq_backlog_add((struct vq *)q, pkts, n);
}

static bool
suspended_arm(struct pktq *q)
{
	(void)q;
	return false;
}

static void
suspended_deferred(struct pktq *q)
{
	q->deferred = false; /* vq_resume() has the driver notified */
}

static void
suspended_nothing(struct pktq *q)
{
	(void)q;
}

static const struct pktq_ops suspended_ops = {
	.rx = suspended_rx,
	.tx = suspended_tx,
	.arm = suspended_arm,
	.disarm = suspended_nothing,
	.notify = suspended_deferred,
	.flush = suspended_nothing,
};

void
vq_suspend(struct vq *vq)
{
	vq->suspended_ops = suspended_ops;
	vq->suspended = true;
	vq_set_ops(vq, vq_mem(vq));
	atomic_store(&vq->q.waits, true);
}

void
vq_resume(struct vq *vq)
{
	vq->suspended = false;
	vq_set_ops(vq, vq_mem(vq));
	vq_miss_over(vq);
}

bool
vq_miss_over(struct vq *vq)
{
	atomic_store_explicit(&vq->misses, 0, memory_order_release);
	return !vq->suspended && atomic_exchange(&vq->q.waits, false); /* [W] */
}

const struct vq_mem *
vq_swap_mem(struct vq *vq, const struct vq_mem *mem)
{
	const struct vq_mem *old = atomic_exchange(&vq->mem, mem);

	vq_set_ops(vq, mem);
	if (mem->log != NULL && old->log != mem->log)
		vq_instance(vq, mem)->mark(vq);
	return old;
}

struct irq *
vq_set_irq(struct vq *vq, struct irq *irq)
{
	return atomic_exchange_explicit(&vq->irq, irq, memory_order_acq_rel);
}

void
vq_signal(struct vq *vq)
{
	struct irq *irq = atomic_load_explicit(&vq->irq, memory_order_acquire);

	if (irq_raise(irq))
		counter_add(&vq->q.stats.notified, 1);
}

/* --- requests of workers to control --- */

static void
vq_attention(struct vq *vq, uint32_t what)
{
	uint32_t before = atomic_fetch_or(&vq->attention, what);

	if (before == 0 && vq->host != NULL)
		vq->host->attention(vq->host, vq);
}

void
vq_break(struct vq *vq, const char *why)
{
	if (vq->broken)
		return;
	vq->broken = true;
	atomic_store(&vq->why, why);
	vq_attention(vq, VQ_ATTN_BROKEN);
}

void
vq_ask(struct vq *vq, uint32_t n)
{
	atomic_store(&vq->misses, n);
	atomic_store(&vq->q.waits, true);
	vq_attention(vq, VQ_ATTN_MISS);
}

/* --- backlog of frames that wait for a translation: a ring that starts at backlog_head --- */

static struct vq_backlog_frame *
backlog_at(const struct vq *vq, uint16_t i)
{
	return &vq->backlog[(vq->backlog_head + i) % VQ_BACKLOG_MAX];
}

/* Under the queue's lock, if it is shared; the worker that flushes it looks without. */
static void
backlog_resize(struct vq *vq, int by)
{
	__atomic_store_n(&vq->q.backlog, (uint16_t)(vq->q.backlog + by), __ATOMIC_RELAXED);
}

/** Count @p n more mbufs of the device's. False: they are too many. */
static bool
backlog_take(struct vq *vq, uint32_t n)
{
	if (vq->kept == NULL)
		return true;
	if (atomic_fetch_add(vq->kept, n) + n <= vq->mp->size / VQ_BACKLOG_PART)
		return true;
	atomic_fetch_sub(vq->kept, n);
	return false;
}

static enum drop_reason
backlog_add_one(struct vq *vq, const struct pkt *p)
{
	struct rte_mbuf *m;

	if (vq->backlog == NULL || vq->q.backlog == VQ_BACKLOG_MAX)
		return DROP_TX_IOTLB;
	m = pkt_to_mbuf(vq->mp, p);
	if (m == NULL)
		return DROP_TX_NO_MEMORY;
	if (!backlog_take(vq, m->nb_segs)) {
		rte_pktmbuf_free(m);
		return DROP_TX_IOTLB;
	}
	*backlog_at(vq, vq->q.backlog) = (struct vq_backlog_frame){m, p->vnet, p->need};
	backlog_resize(vq, 1);
	return DROP_NUM;
}

/*
 * The first frames were kept. Another worker flushes the queue: it stays awake while it sees frames
 * and no wait, and control wakes it when the wait is over. That may have been before there was a
 * frame to see. [W] pairs with vq_miss_over(): it ends the wait with a full barrier, then control
 * wakes workers. So either the wait is over here, or that worker is woken later and sees them.
 */
static void
backlog_begun(struct vq *vq)
{
	uint32_t work = vq->q.work;

	atomic_thread_fence(memory_order_seq_cst); /* [W] */
	if (atomic_load_explicit(&vq->q.waits, memory_order_relaxed))
		return;
	pktq_ops(&vq->q)->flush(&vq->q);
	vq->q.work += work;
}

uint16_t
vq_backlog_add(struct vq *vq, struct pkt *const *pkts, uint16_t n)
{
	const bool begins = vq->q.backlog == 0;
	uint16_t i, kept = 0;

	if (vq->kept != NULL && vq->mp != NULL &&
	    rte_mempool_avail_count(vq->mp) < vq->mp->size / VQ_BACKLOG_LEAVES) {
		pktq_drop(&vq->q, DROP_TX_IOTLB, n);
		return 0;
	}
	for (i = 0; i < n; i++) {
		enum drop_reason why = backlog_add_one(vq, pkts[i]);

		if (why == DROP_NUM)
			kept++;
		else
			pktq_drop(&vq->q, why, 1);
	}
	if (vq->q.shared && begins && kept > 0)
		backlog_begun(vq);
	return kept;
}

bool
vq_backlog_view(const struct vq *vq, uint16_t i, struct pkt *p, struct pkt_seg *segs,
		uint16_t nsegs)
{
	const struct vq_backlog_frame *h = backlog_at(vq, i);

	if (!pkt_from_mbuf(p, h->m, segs, nsegs))
		return false;
	p->vnet = h->vnet;
	p->need = h->need;
	return true;
}

void
vq_backlog_free(struct vq *vq, uint16_t n)
{
	uint16_t i;

	for (i = 0; i < n; i++) {
		struct rte_mbuf *m = backlog_at(vq, i)->m;

		if (vq->kept != NULL)
			atomic_fetch_sub(vq->kept, m->nb_segs);
		rte_pktmbuf_free(m);
	}
	vq->backlog_head = (vq->backlog_head + n) % VQ_BACKLOG_MAX;
	backlog_resize(vq, -n);
}
