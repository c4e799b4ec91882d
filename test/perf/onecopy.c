/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The least a switch between two vhost-user guests can do: ring work, and one
 * copy of each frame.
 *
 *     onecopy [--cpu N] [--sleep] SOCKET SOCKET
 *
 * What it reaches with a given client is the limit for any one-copy server on
 * that machine; compare runs it as "limit". Session, memory and ring positions
 * are those of the switch, the datapath is not: no addresses, no headers looked
 * at, no counters, no chains, no second thread to hand anything over to. It takes
 * split and packed rings with a 12-byte header and each frame in one buffer, and
 * never drops: what finds no buffer stays where it is. Anything else ends it.
 *
 * Where the client is slower, the rate says more about the client: at the end it
 * prints TSC cycles per frame of those iterations that found any. With --sleep it waits
 * for a kick when there is nothing to do: the limit of waking up.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_prefetch.h>

#include "gmem/sigbus.h"
#include "vhost_user/backend.h"
#include "virtq/net.h"

#define GUESTS 2
#define BURST 64u
#define ITERATIONS 1024 /* between two looks at the sockets, and two interrupt decisions */
#define NAP_MS 100
#define HDR_LINE (64 + NET_HDR_LEN)
#define BIT(n) (1ull << (n))

/* As gcc's vectors: one instruction with AVX-512, several without. */
typedef uint16_t line_t __attribute__((vector_size(64), aligned(1), may_alias));

static const struct vq_fmt native = {.swap = VQ_SWAP_LE};

/** A queue, and the only region its addresses may be in. */
struct ring {
	struct vq *vq;
	const struct gmem_region *mem;
};

/** The frames, or the buffers for them, at the head of a ring. */
struct burst {
	uint8_t *data[BURST];
	uint32_t len[BURST];
	uint16_t id[BURST];
};

/** From one guest's transmit ring to the other's receive ring. */
struct path {
	struct ring from, to;
};

struct guest {
	struct vdev *dev;
	struct transport *transport;
};

static struct guest guests[GUESTS];
static struct path paths[GUESTS];
static uint32_t npaths;
static uint64_t frames, busy_cycles;
static struct ev_loop *loop;
static struct ev_source kicks[GUESTS];
static bool sleeps;
static volatile sig_atomic_t stop;

/* --- the copy --- */

/** Receivers of this header format are told how many buffers a frame takes. */
static __rte_always_inline void
copy_short(uint8_t *dst, const uint8_t *src, uint32_t len)
{
	const vq16_t one = vq16_make(native, 1);

	memcpy(dst, src, len);
	memcpy(dst + offsetof(struct net_hdr, num_buffers), &one, sizeof(one));
}

/** Header and frame; the last line overlaps the one before it. */
static __rte_always_inline void
copy(uint8_t *dst, const uint8_t *src, uint32_t len)
{
	line_t first;
	uint32_t at;

	if (unlikely(len < HDR_LINE)) {
		copy_short(dst, src, len);
		return;
	}
	first = *(const line_t *)src;
	first[offsetof(struct net_hdr, num_buffers) / 2] = vq16_make(native, 1).v;
	*(line_t *)dst = first;
#pragma GCC unroll 4
	for (at = 64; at + 64 <= len; at += 64)
		*(line_t *)(dst + at) = *(const line_t *)(src + at);
	*(line_t *)(dst + len - 64) = *(const line_t *)(src + len - 64);
}

static void
copy_burst(const struct burst *to, const struct burst *from, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (unlikely(from->len[i] > to->len[i]))
			errx(1, "a buffer is smaller than a frame");
		copy(to->data[i], from->data[i], from->len[i]);
	}
}

/** The buffer of a descriptor. */
static __rte_always_inline void
burst_add(struct burst *b, uint32_t i, const struct ring *r, uint64_t gpa, uint32_t len,
	  uint16_t id)
{
	const uint64_t at = gpa - r->mem->gpa;

	if (unlikely(at >= r->mem->size || len > r->mem->size - at))
		errx(1, "a buffer is not in the guest's memory");
	b->data[i] = r->mem->hva + at;
	b->len[i] = len;
	b->id[i] = id;
	if (r->vq->tx) {
		rte_prefetch0_write(b->data[i]);
		rte_prefetch0_write(b->data[i] + 64);
	} else {
		rte_prefetch0(b->data[i]);
		rte_prefetch0(b->data[i] + 64);
	}
}

/* --- split rings --- */

static __rte_always_inline uint32_t
split_waiting(struct vq *vq)
{
	const struct split_avail *a = (const struct split_avail *)vq->driver;

	if ((uint16_t)(vq->avail_seen - vq->avail) < BURST)
		vq->avail_seen = vq16_load_acquire(native, &a->idx);
	return (uint16_t)(vq->avail_seen - vq->avail);
}

static __rte_always_inline void
split_look(const struct ring *r, struct burst *b, uint32_t n)
{
	const struct vq *vq = r->vq;
	const struct split_avail *a = (const struct split_avail *)vq->driver;
	const struct split_desc *table = (const struct split_desc *)vq->desc;
	const struct split_used *u = (const struct split_used *)vq->device;

	for (uint32_t i = 0; i < n; i += 8)
		rte_prefetch0_write(&u->ring[(vq->used + i) & (vq->size - 1)]);
	for (uint32_t i = 0; i < n; i++) {
		const uint16_t id = a->ring[(vq->avail + i) & (vq->size - 1)].v;
		const struct split_desc *d = &table[id];

		if (unlikely(id >= vq->size))
			errx(1, "no such descriptor");
		burst_add(b, i, r, d->addr.v, d->len.v, id);
	}
}

/** Give the first @p n chains of @p b back, @p len (NULL: 0) bytes written to each. */
static __rte_always_inline void
split_give(struct vq *vq, const struct burst *b, const uint32_t *len, uint32_t n)
{
	struct split_used *u = (struct split_used *)vq->device;

	for (uint32_t i = 0; i < n; i++)
		u->ring[(vq->used + i) & (vq->size - 1)] =
			(struct split_used_elem){{b->id[i]}, {len != NULL ? len[i] : 0}};
	vq->avail += n;
	vq->used += n;
	vq16_store_release(native, &u->idx, vq->used);
}

static uint32_t
split_iteration(const struct path *p)
{
	struct vq *from = p->from.vq, *to = p->to.vq;
	struct burst src, dst;
	uint32_t n = RTE_MIN(split_waiting(from), BURST);

	if (n != 0)
		n = RTE_MIN(n, split_waiting(to));
	if (n == 0)
		return 0;
	split_look(&p->from, &src, n);
	split_look(&p->to, &dst, n);
	copy_burst(&dst, &src, n);
	split_give(to, &dst, src.len, n);
	split_give(from, &src, NULL, n);
	return n;
}

/* --- packed rings; a burst ends where the ring does, so that its wrap bits are constants --- */

static __rte_always_inline uint32_t
packed_look(const struct ring *r, struct burst *b, uint32_t max)
{
	const struct vq *vq = r->vq;
	const struct packed_desc *d = (const struct packed_desc *)vq->desc + vq->avail;
	const uint16_t want = vq->avail_wrap ? PACKED_F_AVAIL : PACKED_F_USED;
	const uint32_t most = RTE_MIN(max, vq->size - vq->avail);
	uint32_t n;

	for (n = 0; n < most; n++, d++) {
		const uint16_t flags = vq16_load_acquire(native, &d->flags);

		if ((flags & (PACKED_F_AVAIL | PACKED_F_USED)) != want)
			break;
		burst_add(b, n, r, d->addr.v, d->len.v, d->id.v);
	}
	return n;
}

/** As split_give(); the driver looks at them in order, so the first is written last. */
static __rte_always_inline void
packed_give(struct vq *vq, const struct burst *b, const uint32_t *len, uint32_t n)
{
	const uint16_t wrap = vq->used_wrap ? PACKED_F_AVAIL | PACKED_F_USED : 0;
	struct packed_desc *d = (struct packed_desc *)vq->desc + vq->used;
	const uint64_t flags = (uint64_t)(wrap | (len != NULL ? VRING_DESC_F_WRITE : 0)) << 48;

	for (uint32_t i = n; i-- > 0;)
		__atomic_store_n(&((uint64_t *)&d[i])[1],
				 flags | (uint64_t)b->id[i] << 32 | (len != NULL ? len[i] : 0),
				 __ATOMIC_RELEASE);
	vq->used += n;
	if (vq->used == vq->size) {
		vq->used = 0;
		vq->used_wrap ^= true;
	}
	vq->avail = vq->used;
	vq->avail_wrap = vq->used_wrap;
}

static uint32_t
packed_iteration(const struct path *p)
{
	struct burst src, dst;
	uint32_t n = packed_look(&p->from, &src, BURST);

	if (n != 0)
		n = packed_look(&p->to, &dst, n);
	if (n == 0)
		return 0;
	copy_burst(&dst, &src, n);
	packed_give(p->to.vq, &dst, src.len, n);
	packed_give(p->from.vq, &src, NULL, n);
	return n;
}

/* --- the loop --- */

static uint32_t
iterate(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < npaths; i++)
		n += paths[i].from.vq->layout == VQ_PACKED ? packed_iteration(&paths[i])
							   : split_iteration(&paths[i]);
	return n;
}

/** Returns the frames of all of them. */
static uint64_t
iterate_some(void)
{
	uint64_t now, last = rte_rdtsc(), before = frames;

	for (uint32_t t = 0; t < ITERATIONS; t++, last = now) {
		uint32_t n = iterate();

		now = rte_rdtsc();
		frames += n;
		busy_cycles += n != 0 ? now - last : 0;
	}
	for (uint32_t i = 0; i < npaths; i++) {
		paths[i].from.vq->q.deferred = paths[i].to.vq->q.deferred = true;
		pktq_notify_deferred(&paths[i].from.vq->q);
		pktq_notify_deferred(&paths[i].to.vq->q);
	}
	return frames - before;
}

/** Wait for a kick, or for a message. */
static void
nap(void)
{
	bool pending = false;

	for (uint32_t i = 0; i < npaths; i++)
		pending |= pktq_ops(&paths[i].from.vq->q)->arm(&paths[i].from.vq->q);
	ev_run_once(loop, pending ? 0 : NAP_MS);
	for (uint32_t i = 0; i < npaths; i++)
		pktq_ops(&paths[i].from.vq->q)->disarm(&paths[i].from.vq->q);
}

static void
on_kick(struct ev_source *src, uint32_t events)
{
	uint64_t count;

	if (read(src->fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		err(1, "kick");
}

static void
watch(struct ev_source *kick, int fd)
{
	kick->fd = fd;
	kick->cb = on_kick;
	if (fd >= 0 && ev_add(loop, kick, EPOLLIN) != 0)
		errx(1, "kick");
}

static bool
ring_open(struct ring *r, struct vq *vq)
{
	const struct gmem *m;

	if (vq == NULL)
		return false;
	m = atomic_load(&vq->mem)->gmem;
	if (m->n != 1)
		errx(1, "a guest's memory is not one region");
	*r = (struct ring){vq, &m->r[0]};
	return true;
}

/* Between two iterations: no thread uses a queue that is not in paths[] any more. */
static void
on_publish(struct vdev *d)
{
	npaths = 0;
	for (uint32_t i = 0; i < GUESTS; i++)
		ev_del(&kicks[i]);
	for (uint32_t i = 0; i < GUESTS; i++) {
		struct path *p = &paths[npaths];

		if (ring_open(&p->from, vdev_rx_queue(guests[i].dev, 0, NULL)) &&
		    ring_open(&p->to, vdev_tx_queue(guests[1 - i].dev, 0, NULL)) &&
		    p->from.vq->layout == p->to.vq->layout)
			watch(&kicks[npaths++], p->from.vq->q.event_fd);
	}
}

static void
on_grace(struct vdev *d)
{
}

static const struct vdev_ops ops = {.publish = on_publish, .grace = on_grace};

static void
guest_open(struct guest *g, const char *path)
{
	const struct vdev_config dev = {
		.name = path,
		.queue_pairs = 1,
		.features = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_RING_PACKED) |
			    BIT(VIRTIO_NET_F_MRG_RXBUF) | VDEV_F(PROTOCOL_FEATURES),
		.loop = loop,
		.ops = &ops,
	};
	struct vhu_config server = {.path = path,
				    .owner = (uid_t)-1,
				    .group = (gid_t)-1,
				    .loop = loop};
	char why[160];

	g->dev = vdev_new(&dev);
	if (g->dev == NULL)
		err(1, "%s", path);
	server.dev = g->dev;
	g->transport = vhu_backend_new(&server, why, sizeof(why));
	if (g->transport == NULL)
		errx(1, "%s", why);
}

static void
on_signal(int sig)
{
	stop = 1;
}

static void
pin(const char *text)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(atoi(text), &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		err(1, "--cpu %s", text);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {{"cpu", required_argument, NULL, 'c'},
						{"sleep", no_argument, NULL, 's'},
						{0}};
	int c;

	loop = ev_loop_new();

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == '?')
			return 1;
		if (c == 'c')
			pin(optarg);
		sleeps |= c == 's';
	}
	if (argc - optind != GUESTS || loop == NULL || sigbus_install() != 0)
		errx(1, "usage: onecopy [--cpu N] [--sleep] SOCKET SOCKET");
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < GUESTS; i++)
		guest_open(&guests[i], argv[optind + i]);
	while (!stop) {
		if (iterate_some() == 0 && (npaths == 0 || sleeps))
			nap();
		else
			ev_run_once(loop, 0);
	}
	printf("result frames=%lu busy_cycles=%.2f\n", frames,
	       frames != 0 ? (double)busy_cycles / (double)frames : 0);
	for (int i = 0; i < GUESTS; i++)
		guests[i].transport->ops->free(guests[i].transport);
	for (int i = 0; i < GUESTS; i++)
		vdev_free(guests[i].dev, false);
	ev_loop_free(loop);
	return 0;
}
