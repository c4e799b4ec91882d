/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the ring code alone costs: frames go from one guest's transmit ring to
 * another's receive ring by rx(), tx() and rx_done(), without switch, sockets
 * or threads of the program. The guests are the driver side.
 *
 *     ringbench [-s bytes] [-q ring size] [-b burst] [-m ms] [-c core] [-d core] [case ...]
 *
 * With one core the guests run between the device's iterations: all is in the
 * first-level cache and what is left are instructions. With -d they run on a
 * core of their own, and lines travel. Prints TSC cycles per frame: the median
 * of slices of 2 ms, and the least.
 */
#include <err.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_pause.h>

#include "gmem/dirty.h"
#include "gmem/gm.h"
#include "gmem/iotlb.h"
#include "gmem/sigbus.h"
#include "virtq/driver.h"
#include "virtq/isa.h"
#include "virtq/journal.h"
#include "virtq/net.h"
#include "virtq/vq.h"

#define GPA 0x40000000ull
#define F(bit) (1ull << (bit))
#define MODERN F(VIRTIO_F_VERSION_1)
#define MRG F(VIRTIO_NET_F_MRG_RXBUF)
#define PACKED (F(VIRTIO_F_RING_PACKED) | MODERN)
#define SLICES_MAX 4096
#define TRANSLATED (2u << 20)
#define FRAMES_MIN 1000 /* in a slice, for its figure to mean anything */

struct bench_case {
	const char *name;
	enum vq_layout layout;
	uint64_t features;
	bool indirect;
	bool journal, log, iommu; /* what may be done besides */
};

static const struct bench_case cases[] = {
	{"split", VQ_SPLIT, MODERN | MRG, false},
	{"split-plain", VQ_SPLIT, MODERN, false},
	{"split-legacy", VQ_SPLIT, 0, false},
	{"split-indirect", VQ_SPLIT, MODERN | MRG | F(VIRTIO_RING_F_INDIRECT_DESC), true},
	{"split-event", VQ_SPLIT, MODERN | MRG | F(VIRTIO_RING_F_EVENT_IDX), false},
	{"swap", VQ_SPLIT_SWAP, MRG, false},
	{"packed", VQ_PACKED, PACKED | MRG, false},
	{"packed-inorder", VQ_PACKED, PACKED | MRG | F(VIRTIO_F_IN_ORDER), false},
	{"packed-indirect", VQ_PACKED, PACKED | MRG | F(VIRTIO_RING_F_INDIRECT_DESC), true},
	{"split-journal", VQ_SPLIT, MODERN | MRG, .journal = true},
	{"split-log", VQ_SPLIT, MODERN | MRG, .log = true},
	{"split-iommu", VQ_SPLIT, MODERN | MRG, .iommu = true},
	{"packed-journal", VQ_PACKED, PACKED | MRG, .journal = true},
	{"packed-log", VQ_PACKED, PACKED | MRG, .log = true},
	{"packed-iommu", VQ_PACKED, PACKED | MRG, .iommu = true},
};

static struct {
	uint32_t len, size, burst, ms;
	int core, driver_core;
} opt = {.len = 64, .size = 256, .burst = 32, .ms = 300, .core = 0, .driver_core = -1};

/** One ring with both of its sides. */
struct side {
	struct vq vq;
	struct vqd d;
	struct vq_journal journal;
};

struct bench {
	struct gm gm;
	struct gmem *gmem;
	struct vq_mem mem;
	struct dirty *log; /* NULL: none, as the translations */
	struct iotlb *tlb;
	struct side a, b; /* a transmits, b receives */
	uint32_t lens[PKT_BATCH_MAX];
	struct vqd_net_frame got[PKT_BATCH_MAX];
	atomic_bool stop;
	uint64_t rx, tx, done; /* cycles of the current slice */
	uint64_t frames, bursts;
};

static struct pkt_batch batch;
static uint64_t tsc_hz;

static void
pin(int core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set) != 0)
		errx(1, "no core %d", core);
}

static void
make_memory(struct bench *b)
{
	if (gm_init(&b->gm, GPA, 256u << 20, false) < 0)
		errx(1, "no memory");
	b->gmem = calloc(1, sizeof(*b->gmem) + sizeof(b->gmem->r[0]) + sizeof(uint16_t));
	if (b->gmem == NULL)
		errx(1, "no memory");
	b->gmem->n = 1;
	b->gmem->by_uva = (uint16_t *)&b->gmem->r[1]; /* the only one: 0 */
	b->gmem->r[0] = (struct gmem_region){.gpa = GPA,
					     .size = b->gm.size,
					     .uva = 0x1000,
					     .hva = b->gm.hva};
	b->mem.gmem = b->gmem;
}

/* The dirty log of all of the memory. */
static struct dirty *
make_log(const struct bench *b)
{
	const uint64_t size = ((GPA + b->gm.size) >> DIRTY_PAGE_SHIFT) / 8;
	int fd = memfd_create("log", MFD_CLOEXEC);
	const char *why = "no file";
	static struct gmem_fault fault;
	struct dirty *log = NULL;

	if (fd >= 0 && ftruncate(fd, (off_t)size) == 0)
		log = dirty_new(fd, 0, size, &fault, &why);
	if (log == NULL)
		errx(1, "no dirty log: %s", why);
	return log;
}

/* Translations as a guest has them whose kernel maps pages of that size. */
static struct iotlb *
make_translations(const struct bench *b)
{
	struct iotlb *t = iotlb_new();

	for (uint64_t at = 0; t != NULL && at < b->gm.size; at += TRANSLATED) {
		struct iotlb *next =
			iotlb_update(t, &(struct iotlb_entry){.iova = GPA + at,
							      .size = TRANSLATED,
							      .uva = b->gmem->r[0].uva + at,
							      .perm = IOTLB_RW,
							      .serial = IOTLB_KEPT});

		iotlb_free(t);
		t = next;
	}
	if (t == NULL)
		errx(1, "no translations");
	return t;
}

static void
make_side(struct bench *b, struct side *s, const struct bench_case *c, bool guest_receives)
{
	struct vq_extent e = vq_extent(c->layout, opt.size, c->features);
	struct vq_setup v = {
		.layout = c->layout,
		.size = opt.size,
		.features = c->features,
		.tx = guest_receives,
		.desc = gm_alloc(&b->gm, e.desc, 4096),
		.driver = gm_alloc(&b->gm, e.driver, 4096),
		.device = gm_alloc(&b->gm, e.device, 4096),
		.kick_fd = -1,
		.state = {.avail_wrap = true, .used_wrap = true},
		.mem = &b->mem,
		.journal = c->journal ? &s->journal : NULL,
	};
	struct vqd_setup d = {
		.layout = c->layout,
		.size = opt.size,
		.features = c->features,
		.desc = v.desc,
		.driver = v.driver,
		.device = v.device,
		.kick_fd = -1,
		.state = v.state,
	};
	struct vqd_net net = {
		.stride = RTE_ALIGN(opt.len + 128, 2048) + 128,
		.buf_len = RTE_MAX(opt.len + NET_HDR_LEN, 1526u),
		.hdr_len = net_hdr_len(c->features),
		.rx = guest_receives,
		.indirect = c->indirect,
		.hdr_alone = c->indirect,
	};

	if (c->log) {
		v.log_ring = true;
		v.log_used_gpa = v.device_gpa = gm_gpa(&b->gm, v.device);
		v.desc_gpa = gm_gpa(&b->gm, v.desc);
	}
	if (c->layout != VQ_PACKED)
		v.state = d.state = (struct vq_state){0};
	if (c->indirect) {
		d.indirect = gm_alloc(&b->gm, (size_t)opt.size * 2 * 16, 4096);
		d.indirect_addr = gm_gpa(&b->gm, d.indirect);
		d.indirect_max = 2;
	}
	net.hva = gm_alloc(&b->gm, (size_t)opt.size * net.stride, 4096);
	net.addr = gm_gpa(&b->gm, net.hva);
	if (vqd_init(&s->d, &d) < 0 || vq_start(&s->vq, &v) < 0 || vqd_net_init(&s->d, &net) < 0)
		errx(1, "%s: cannot make the ring", c->name);
	vqd_disarm(&s->d);
	s->vq.q.can_defer = true;
	if (guest_receives)
		vqd_net_refill(&s->d, opt.size);
}

/** Guest A makes frames available. */
static void
guest_sends(struct bench *b)
{
	uint16_t n = RTE_MIN(vqd_net_room(&b->a.d), opt.burst);

	if (n > 0)
		vqd_net_send(&b->a.d, b->lens, n);
}

/** Guest B takes frames and gives the buffers back. */
static void
guest_receives(struct bench *b)
{
	uint16_t n = vqd_net_recv(&b->b.d, b->got, PKT_BATCH_MAX);

	if (n > 0)
		vqd_net_refill(&b->b.d, n);
}

static void *
guests(void *arg)
{
	struct bench *b = arg;

	pin(opt.driver_core);
	while (!atomic_load_explicit(&b->stop, memory_order_relaxed)) {
		guest_sends(b);
		guest_receives(b);
	}
	return NULL;
}

/* An iteration that took longer was interrupted by something else on this core: not counted. */
#define ITERATION_MAX 300000

/** One poll iteration of the switch's core. */
static void
device_iteration(struct bench *b)
{
	const struct pktq_ops *in = pktq_ops(&b->a.vq.q), *out = pktq_ops(&b->b.vq.q);
	struct pkt *list[PKT_BATCH_MAX];
	uint16_t i, sent;
	uint64_t t[4];

	t[0] = rte_rdtsc();
	if (in->rx(&b->a.vq.q, &batch) == 0) {
		out->notify(&b->b.vq.q);
		rte_pause();
		return;
	}
	out->notify(&b->b.vq.q); /* as a worker does, see pktq_ops */
	t[1] = rte_rdtsc();
	for (i = 0; i < batch.n; i++)
		list[i] = &batch.pkt[i];
	sent = out->tx(&b->b.vq.q, list, batch.n);
	t[2] = rte_rdtsc();
	in->rx_done(&b->a.vq.q, &batch);
	t[3] = rte_rdtsc();
	if (t[3] - t[0] > ITERATION_MAX)
		return;
	b->frames += sent;
	b->bursts++;
	b->rx += t[1] - t[0];
	b->tx += t[2] - t[1];
	b->done += t[3] - t[2];
}

static uint64_t
measure_tsc_hz(void)
{
	uint64_t start = rte_rdtsc();

	usleep(20000);
	return (rte_rdtsc() - start) * 50;
}

struct sample {
	double rx, tx, done, total, burst;
};

static int
sample_order(const void *x, const void *y)
{
	const struct sample *a = x, *b = y;

	return (a->total > b->total) - (a->total < b->total);
}

static struct sample
take_slice(struct bench *b)
{
	uint64_t end = rte_rdtsc() + tsc_hz / 500;
	double n;

	b->rx = b->tx = b->done = b->frames = b->bursts = 0;
	while (rte_rdtsc() < end) {
		if (opt.driver_core < 0)
			guest_sends(b);
		device_iteration(b);
		if (opt.driver_core < 0)
			guest_receives(b);
	}
	n = b->frames;
	return (struct sample){b->rx / n, b->tx / n, b->done / n, (b->rx + b->tx + b->done) / n,
			       n / RTE_MAX(b->bursts, 1u)};
}

static void
run(const struct bench_case *c)
{
	static struct sample s[SLICES_MAX];
	struct bench b = {.stop = false};
	uint32_t i, n = RTE_MIN(opt.ms / 2 + 1, (uint32_t)SLICES_MAX);
	uint64_t lost = 0;
	pthread_t thread;

	make_memory(&b);
	b.mem.log = b.log = c->log ? make_log(&b) : NULL;
	b.mem.tlb = b.tlb = c->iommu ? make_translations(&b) : NULL;
	make_side(&b, &b.a, c, false);
	make_side(&b, &b.b, c, true);
	for (i = 0; i < PKT_BATCH_MAX; i++)
		b.lens[i] = opt.len + b.a.vq.hdr_len;
	batch.max = opt.burst;
	if (opt.driver_core >= 0 && pthread_create(&thread, NULL, guests, &b) != 0)
		errx(1, "no thread");
	take_slice(&b); /* warm up */
	for (i = 0; i < n;) {
		s[i] = take_slice(&b);
		if (b.frames < FRAMES_MIN) { /* the guests' core was elsewhere */
			n--;
			continue;
		}
		i++;
	}
	if (n == 0)
		errx(1, "%s: too few frames for a figure", c->name);
	atomic_store(&b.stop, true);
	if (opt.driver_core >= 0)
		pthread_join(thread, NULL);
	qsort(s, n, sizeof(s[0]), sample_order);
	for (i = 0; i < DROP_NUM; i++)
		lost += b.a.vq.q.stats.drop[i] + b.b.vq.q.stats.drop[i];
	printf("%-16s %6u  rx %6.1f  tx %6.1f  done %5.1f  total %6.1f  least %6.1f  burst %4.1f  "
	       "lost "
	       "%lu\n",
	       c->name, opt.len, s[n / 2].rx, s[n / 2].tx, s[n / 2].done, s[n / 2].total,
	       s[0].total, s[n / 2].burst, lost);
	vqd_fini(&b.a.d);
	vqd_fini(&b.b.d);
	dirty_free(b.log);
	iotlb_free(b.tlb);
	free(b.gmem);
	gm_fini(&b.gm);
}

static bool
chosen(const char *name, char *const *names, int n)
{
	int i;

	for (i = 0; i < n; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return n == 0;
}

int
main(int argc, char **argv)
{
	size_t i;
	int c;

	while ((c = getopt(argc, argv, "s:q:b:m:c:d:i:")) != -1) {
		uint32_t v = c == '?' ? 0 : strtoul(optarg, NULL, 0);

		if (c == 's')
			opt.len = v;
		else if (c == 'q')
			opt.size = v;
		else if (c == 'b')
			opt.burst = RTE_MIN(v, (uint32_t)PKT_BATCH_MAX);
		else if (c == 'm')
			opt.ms = v;
		else if (c == 'c')
			opt.core = v;
		else if (c == 'd')
			opt.driver_core = v;
		else if (c == 'i' && v < VQ_ISA_NUM && vq_isa_usable(v))
			vq_isa_use(v);
		else
			errx(2,
			     "usage: ringbench [-s bytes] [-q size] [-b burst] [-m ms] [-c core] "
			     "[-d core] [-i instruction set, 0 to 2] [case ...]");
	}
	pin(opt.core);
	tsc_hz = measure_tsc_hz();
	for (i = 0; i < RTE_DIM(cases); i++)
		if (chosen(cases[i].name, argv + optind, argc - optind))
			run(&cases[i]);
	return 0;
}
