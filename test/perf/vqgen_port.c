/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest of vqgen: session, memory, queues. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/ev.h"
#include "vqgen.h"

#define BIT(n) (1ull << (n))
#define PORT_GPA 0x100000000ull /* where a guest's memory starts */
#define INDIRECT_ENTRIES 2
#define CHAIN_MAX 64

#define OFFLOADS                                                                               \
	(BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) | \
	 BIT(VIRTIO_NET_F_GUEST_TSO4))

static void __attribute__((noreturn)) port_die(const struct port *p, const char *what, int err)
{
	fprintf(stderr, "vqgen: port %u: %s: %s\n", p->id, what,
		p->vhf->err[0] != '\0' ? p->vhf->err : strerror(-err));
	exit(1);
}

static uint64_t
features_wanted(const struct options *o)
{
	return (o->legacy ? 0 : BIT(VIRTIO_F_VERSION_1)) |
	       (o->layout == VQ_PACKED ? BIT(VIRTIO_F_RING_PACKED) : 0) |
	       (o->in_order ? BIT(VIRTIO_F_IN_ORDER) : 0) |
	       (o->event_idx ? BIT(VIRTIO_RING_F_EVENT_IDX) : 0) |
	       (o->indirect ? BIT(VIRTIO_RING_F_INDIRECT_DESC) : 0) |
	       (o->mergeable ? BIT(VIRTIO_NET_F_MRG_RXBUF) : 0) |
	       (o->pairs > 1 ? BIT(VIRTIO_NET_F_MQ) : 0) | (o->tso ? OFFLOADS : 0);
}

static uint32_t
frame_size_max(const struct options *o)
{
	uint32_t max = FRAME_MIN;

	for (uint32_t i = 0; i < o->nsizes; i++)
		max = RTE_MAX(max, o->size[i]);
	return max;
}

/** An odd number of cache lines: the buffers' first lines spread over all sets of the cache. */
static uint32_t
stride_of(uint32_t buf_len)
{
	return RTE_ALIGN_CEIL(buf_len, 128u) + 64;
}

static uint32_t
rx_buf_len(const struct port *p, const struct options *o)
{
	if (o->rx_buf != 0)
		return o->rx_buf;
	return o->mergeable ? 2048 : RTE_ALIGN_CEIL(p->hdr_len + frame_size_max(o), 64u);
}

static void
ring_alloc(struct port *p, struct queue *q, const struct options *o, struct vqd_setup *s)
{
	const struct vq_extent len = vq_extent(o->layout, o->ring, p->vhf->s.features);
	const size_t page = 4096;

	*s = (struct vqd_setup){
		.layout = o->layout,
		.size = o->ring,
		.features = p->vhf->s.features,
		.desc = gm_alloc(&p->mem, len.desc, page),
		.driver = gm_alloc(&p->mem, len.driver, page),
		.device = gm_alloc(&p->mem, len.device, page),
		.kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		.state = {.avail_wrap = o->layout == VQ_PACKED,
			  .used_wrap = o->layout == VQ_PACKED},
	};
	if (o->indirect) {
		s->indirect_max = INDIRECT_ENTRIES;
		s->indirect = gm_alloc(&p->mem, 16ul * o->ring * INDIRECT_ENTRIES, page);
		s->indirect_addr = gm_gpa(&p->mem, s->indirect);
	}
	q->ring = (struct vhu_frontend_ring){
		.big_endian = o->layout == VQ_SPLIT_SWAP &&
			      !VQ_HAS(p->vhf->s.features, VIRTIO_F_VERSION_1),
		.size = o->ring,
		.desc = (uintptr_t)s->desc,
		.driver = (uintptr_t)s->driver,
		.device = (uintptr_t)s->device,
		.kick_fd = s->kick_fd,
		.call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		.err_fd = -1,
	};
}

static void
bufs_alloc(struct port *p, struct queue *q, uint32_t n, uint32_t buf_len)
{
	const uint32_t stride = stride_of(buf_len);

	q->nbufs = n;
	q->net = (struct vqd_net){
		.hva = gm_alloc(&p->mem, (size_t)n * stride, 4096),
		.stride = stride,
		.buf_len = buf_len,
		.hdr_len = p->hdr_len,
	};
	q->net.addr = gm_gpa(&p->mem, q->net.hva);
}

static void
chains_init(struct queue *q, uint32_t seg)
{
	q->chains = true;
	q->seg = seg;
	q->room = q->nbufs;
	q->fifo = calloc(q->nbufs, sizeof(*q->fifo));
	for (uint32_t i = 0; i < q->nbufs; i++)
		q->fifo[i] = i;
}

static void
queue_open(struct port *p, struct queue *q, bool rx, const struct options *o)
{
	const uint32_t tx_len = p->hdr_len + frame_size_max(o);
	uint32_t per_chain = 1;
	struct vqd_setup s;
	int ret;

	ring_alloc(p, q, o, &s);
	ret = vqd_init(&q->d, &s);
	if (ret != 0)
		port_die(p, "queue", ret);
	q->hdr_len = p->hdr_len;
	if (!rx && o->tx_seg != 0)
		per_chain = (tx_len + o->tx_seg - 1) / o->tx_seg;
	if (per_chain > RTE_MIN(o->ring, (uint32_t)CHAIN_MAX))
		port_die(p, "--tx-seg too small for the frames", -EINVAL);
	bufs_alloc(p, q, o->ring / per_chain, rx ? rx_buf_len(p, o) : tx_len);
	if (!rx && o->tx_seg != 0) {
		chains_init(q, o->tx_seg);
		return;
	}
	q->net.rx = rx;
	q->net.indirect = !rx && o->indirect;
	q->net.hdr_alone = !rx && o->hdr_alone;
	ret = vqd_net_init(&q->d, &q->net);
	if (ret != 0)
		port_die(p, "buffers", ret);
	if (rx) {
		q->assembly = malloc(FRAME_MAX + UINT16_MAX);
		vqd_net_refill(&q->d, (uint16_t)o->ring);
	}
}

static uint64_t
memory_needed(const struct port *p, const struct options *o)
{
	const uint64_t bufs =
		stride_of(rx_buf_len(p, o)) + stride_of(p->hdr_len + frame_size_max(o));

	/* rings and tables are at most 64 bytes an entry; rounding is less than 128 KiB */
	return o->pairs * (o->ring * (bufs + 2 * 64) + (128 << 10));
}

int
port_announce_memory(struct port *p, struct vhf *v, int fd)
{
	const struct vhu_mem_region r = {p->mem.gpa, p->mem.size, (uintptr_t)p->mem.hva, 0};

	return vhf_set_mem(v, &r, &fd, 1);
}

static struct queue *
ring_queue(struct port *p, uint32_t i)
{
	return i % 2 == 0 ? &p->rx[i / 2] : &p->tx[i / 2];
}

/** The log is to show the used ring, or the descriptors. */
static void
ring_logs(struct port *p, struct queue *q, bool on)
{
	q->ring.log = on;
	q->ring.log_gpa = gm_gpa(&p->mem, q->d.layout == VQ_PACKED ? q->d.desc : q->d.device);
}

static int
rings_enable(struct port *p, const struct options *o)
{
	int ret = 0;

	for (uint32_t i = 0; i < 2 * o->pairs && ret == 0; i++) {
		ret = vhf_ring_enable(p->vhf, i, true);
		vqd_kick(&ring_queue(p, i)->d);
	}
	return ret;
}

int
port_start(struct port *p, const struct options *o)
{
	int ret = 0;

	for (uint32_t i = 0; i < 2 * o->pairs && ret == 0; i++) {
		ring_logs(p, ring_queue(p, i), p->log != NULL);
		ret = vhf_ring_start(p->vhf, i, &ring_queue(p, i)->ring);
	}
	/* QEMU, too, tells of the log at the end, and enables rings after it */
	if (ret == 0 && p->log != NULL)
		ret = vhf_set_log(p->vhf, p->log->fd, 0, p->log->size);
	if (ret == 0)
		ret = rings_enable(p, o);
	if (ret == 0)
		ret = vhf_set_status(p->vhf, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
						     VIRTIO_CONFIG_S_FEATURES_OK |
						     VIRTIO_CONFIG_S_DRIVER_OK);
	return ret;
}

int
port_stop(struct port *p, const struct options *o)
{
	int ret = 0;

	for (uint32_t i = 0; i < 2 * o->pairs && ret == 0; i++) {
		struct queue *q = ring_queue(p, i);

		ret = vhf_ring_stop(p->vhf, i, &q->ring, &q->ring.base);
	}
	return ret;
}

/** The address of each ring once more, with or without the flag. */
static int
rings_log(struct port *p, const struct options *o, bool on)
{
	int ret = 0;

	for (uint32_t i = 0; i < 2 * o->pairs && ret == 0; i++) {
		struct queue *q = ring_queue(p, i);
		struct vhu_msg m = {
			.header = {.request = VHU_SET_VRING_ADDR, .size = sizeof(m.payload.addr)}};

		ring_logs(p, q, on);
		m.payload.addr = (struct vhu_vring_addr){
			.index = i,
			.flags = on ? VHU_VRING_F_LOG : 0,
			.desc = q->ring.desc,
			.used = q->ring.device,
			.avail = q->ring.driver,
			.log = q->ring.log_gpa,
		};
		ret = vhf_request(p->vhf, &m, NULL, 0);
	}
	return ret;
}

int
port_log_on(struct port *p, const struct options *o, const struct port_log *log)
{
	int ret = vhf_set_log(p->vhf, log->fd, 0, log->size);

	if (ret == 0)
		ret = vhf_set_features(p->vhf, p->vhf->s.features | BIT(VHU_F_LOG_ALL));
	if (ret == 0)
		ret = rings_log(p, o, true);
	if (ret == 0)
		p->log = log;
	return ret;
}

int
port_log_off(struct port *p, const struct options *o)
{
	int ret = vhf_set_features(p->vhf, p->vhf->s.features & ~BIT(VHU_F_LOG_ALL));

	p->log = NULL;
	return ret != 0 ? ret : rings_log(p, o, false);
}

static int
session_start(struct port *p, const struct options *o)
{
	int ret = vhf_set_status(p->vhf, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
						 VIRTIO_CONFIG_S_FEATURES_OK);

	if (ret == 0 && p->log != NULL)
		ret = vhf_set_features(p->vhf, p->vhf->s.features | BIT(VHU_F_LOG_ALL));
	if (ret == 0)
		ret = port_announce_memory(p, p->vhf, p->mem.fd);
	for (uint32_t i = 0; i < 2 * o->pairs; i++)
		ring_queue(p, i)->ring.base = vqd_resume_base(&ring_queue(p, i)->d);
	return ret != 0 ? ret : port_start(p, o);
}

int
port_negotiate(struct vhf *v, const struct options *o)
{
	const struct vhu_frontend_wish wish = {
		.required = features_wanted(o),
		.protocol_features = VHU_PF(MQ) | VHU_PF(REPLY_ACK) | VHU_PF(STATUS) |
				     VHU_PF(CROSS_ENDIAN) |
				     (o->mem_slots ? VHU_PF(CONFIGURE_MEM_SLOTS) : 0) |
				     (o->target != NULL ? VHU_PF(LOG_SHMFD) : 0),
		.queue_pairs = o->pairs,
	};

	return vhf_negotiate(v, &wish);
}

void
port_open(struct port *p, uint32_t id, const struct options *o)
{
	const struct vhf_config cfg = {.path = o->path[id],
				       .server = o->server,
				       .timeout_ms = o->timeout_ms};
	int ret;

	*p = (struct port){.id = id, .vhf = calloc(1, sizeof(*p->vhf))};
	ret = vhf_open(p->vhf, &cfg);
	if (ret == 0)
		ret = port_negotiate(p->vhf, o);
	if (ret != 0)
		port_die(p, "open", ret);
	p->hdr_len = net_hdr_len(p->vhf->s.features);
	ret = gm_init(&p->mem, PORT_GPA, memory_needed(p, o), o->huge);
	if (ret != 0)
		port_die(p, "memory", ret);
	for (uint32_t i = 0; i < o->pairs; i++) {
		queue_open(p, &p->rx[i], true, o);
		queue_open(p, &p->tx[i], false, o);
	}
	ret = session_start(p, o);
	if (ret != 0)
		port_die(p, "start", ret);
}

static void
queue_close(struct queue *q)
{
	vqd_fini(&q->d);
	close(q->ring.kick_fd);
	close(q->ring.call_fd);
	free(q->fifo);
	free(q->assembly);
}

void
port_close(struct port *p, const struct options *o)
{
	uint32_t base;

	/* an orderly end: no back-end touches the memory any more when it goes */
	for (uint32_t i = 0; i < 2 * o->pairs && port_alive(p); i++)
		vhf_ring_stop(p->vhf, i, i % 2 == 0 ? &p->rx[i / 2].ring : &p->tx[i / 2].ring,
			      &base);
	vhf_close(p->vhf);
	free(p->vhf);
	for (uint32_t i = 0; i < o->pairs; i++) {
		queue_close(&p->rx[i]);
		queue_close(&p->tx[i]);
	}
	gm_fini(&p->mem);
}

bool
port_alive(const struct port *p)
{
	struct pollfd pfd = {.fd = p->vhf->s.conn.src.fd, .events = POLLRDHUP};

	return vhu_conn_is_open(&p->vhf->s.conn) && poll(&pfd, 1, 0) == 0;
}

static int
session_resume(struct port *p, const struct options *o, uint64_t features)
{
	int ret = vhf_reopen(p->vhf);

	if (ret == 0)
		ret = port_negotiate(p->vhf, o);
	if (ret != 0)
		return ret;
	if (p->vhf->s.features != (features & ~BIT(VHU_F_LOG_ALL)))
		port_die(p, "back-end came back with other features", -EPROTO);
	return session_start(p, o);
}

void
port_reconnect(struct port *p, const struct options *o)
{
	const uint64_t features = p->vhf->s.features;
	const uint64_t deadline = ev_now_ns() + (uint64_t)o->timeout_ms * 1000000;
	int ret;

	/* it may go away again while we are at it */
	do
		ret = session_resume(p, o, features);
	while (ret == -ECONNRESET && ev_now_ns() < deadline);
	if (ret != 0)
		port_die(p, "reconnect", ret);
}

/* --- sending in chains --- */

static void
chains_reap(struct queue *q)
{
	uint64_t user_data;
	uint32_t len;

	while (vqd_get(&q->d, &user_data, &len)) {
		q->fifo[(q->head + q->room) % q->nbufs] = (uint32_t)user_data;
		q->room++;
	}
}

static void
chain_send(struct queue *q, uint32_t buf, uint32_t len)
{
	const uint64_t addr = q->net.addr + (uint64_t)buf * q->net.stride;
	struct vqd_buf part[CHAIN_MAX];
	struct vqd_chain c = {.buf = part, .user_data = buf};

	for (uint32_t at = 0; at < len; at += q->seg)
		part[c.nout++] = (struct vqd_buf){addr + at, RTE_MIN(q->seg, len - at)};
	/* there are no more buffers than chains that fit the ring */
	if (vqd_add(&q->d, &c) != 0)
		abort();
}

uint32_t
queue_room(struct queue *q)
{
	if (!q->chains)
		return vqd_net_room(&q->d);
	chains_reap(q);
	return q->room;
}

void
queue_send(struct queue *q, const uint32_t *len, uint32_t n)
{
	if (!q->chains) {
		vqd_net_send(&q->d, len, (uint16_t)n);
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		chain_send(q, q->fifo[q->head], len[i]);
		q->head = (q->head + 1) % q->nbufs;
	}
	q->room -= n;
	vqd_flush(&q->d);
}

/* --- receiving --- */

static uint32_t
num_buffers(const struct port *p, const struct queue *q, const uint8_t *buf)
{
	const struct vq_fmt f = {.swap = q->d.layout == VQ_SPLIT_SWAP ? VQ_SWAP_BE : VQ_SWAP_LE};

	if (p->hdr_len < sizeof(struct net_hdr))
		return 1;
	return vq16_get(f, ((const struct net_hdr *)buf)->num_buffers);
}

/** Merged frames are put together in q->assembly. True: @p out is a whole frame. */
static bool
rx_part(struct port *p, struct queue *q, const struct vqd_net_frame *f, struct rx_frame *out)
{
	const bool first = q->parts_left == 0;

	if (first) {
		q->parts = num_buffers(p, q, f->data);
		q->parts_left = RTE_MAX(q->parts, 1u);
		q->have = 0;
	}
	q->parts_left--;
	*out = (struct rx_frame){f->data + p->hdr_len, f->len - p->hdr_len, q->parts == 1};
	if (first && q->parts_left == 0)
		return f->len > p->hdr_len;
	if (q->have + f->len <= FRAME_MAX + UINT16_MAX) {
		memcpy(q->assembly + q->have, f->data, f->len);
		q->have += f->len;
	}
	/* only as many buffers as the frame needs: each but the last is full */
	out->header_ok = VQ_HAS(p->vhf->s.features, VIRTIO_NET_F_MRG_RXBUF) &&
			 (q->parts_left == 0 || f->len == q->net.buf_len);
	out->frame = q->assembly + p->hdr_len;
	out->len = q->have - p->hdr_len;
	return q->parts_left == 0 && q->have > p->hdr_len;
}

uint32_t
queue_recv(struct port *p, struct queue *q, rx_fn fn, void *ctx)
{
	struct vqd_net_frame f[BURST_MAX];
	struct rx_frame frame;
	uint16_t n = vqd_net_recv(&q->d, f, BURST_MAX);

	for (uint16_t i = 0; i < n; i++)
		if (rx_part(p, q, &f[i], &frame))
			fn(ctx, p, &frame);
	if (n > 0)
		vqd_net_refill(&q->d, n);
	return n;
}

uint32_t
queue_recv_count(struct queue *q, uint64_t *bytes)
{
	struct vqd_net_frame f[BURST_MAX];
	uint16_t n = vqd_net_recv(&q->d, f, BURST_MAX);

	for (uint16_t i = 0; i < n; i++)
		*bytes += f[i].len - q->hdr_len;
	if (n > 0)
		vqd_net_refill(&q->d, n);
	return n;
}
