/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: control, workers and the writer of the file. */
#include "switch/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bsd/string.h>
#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "base/ev.h"
#include "pkt/offload.h"
#include "switch/port.h"

#define RING_SIZE 8192 /* frames on their way to the file */
#define ROOM_MIN 128u
#define ROOM_MAX 2048u
#define WRITE_BURST 64
#define FILE_BUFFER 65536
#define NAP_US 2000 /* of the writer */

/** What a worker notes about a frame, in the private area of its mbuf. */
struct note {
	uint64_t tsc;
	uint32_t len;
	uint16_t port, queue;
	enum pcapng_direction way;
};

struct capture {
	/* [fixed] */
	uint32_t snaplen;
	uint64_t count;
	struct rte_mempool *mp;
	struct rte_ring *ring; /* several workers to one writer */
	uint64_t start_tsc, start_ns;
	struct ev_loop *loop; /* NULL: nobody is told when it is done */
	void (*done)(void *arg);
	void *arg;
	uint16_t nnames;
	char (*name)[PORT_NAME_MAX]; /* of the ports there were at the start */
	pthread_t thread;

	/* [atomic] */
	atomic_bool stop; /* control: write what is left and end */
	atomic_uint_fast64_t frames, bytes;
	atomic_int error;
	atomic_uint_fast64_t lost[DP_PORTS_MAX]; /* written by workers only when it happens */

	/* the writer's, until it has ended */
	FILE *file;
	bool full; /* count is reached or writing failed: the rest is thrown away */
	bool told; /* work was posted; control clears it */
	uint32_t ninterfaces;
	uint32_t interface[DP_PORTS_MAX]; /* plus one; 0: not in the file yet */
	uint64_t written[DP_PORTS_MAX];

	/* [ctl] */
	struct ev_work work;
	bool stopped;
};

/* --- workers --- */

static struct rte_mbuf *
copy_frame(const struct capture *c, const struct pkt *p)
{
	struct pkt first = *p;

	first.len = RTE_MIN(p->len, c->snaplen);
	return pkt_to_mbuf(c->mp, &first);
}

void
capture_frames(struct capture *c, uint16_t port, uint16_t queue, enum pcapng_direction way,
	       struct pkt *const *pkts, uint16_t n)
{
	uint64_t tsc = rte_get_tsc_cycles();
	struct rte_mbuf *m[PKT_BATCH_MAX];
	uint16_t k = 0, sent;

	for (uint16_t i = 0; i < n; i++) {
		struct note *note;

		m[k] = copy_frame(c, pkts[i]);
		if (unlikely(m[k] == NULL))
			break;
		note = rte_mbuf_to_priv(m[k++]);
		*note = (struct note){tsc, pkts[i]->len, port, queue, way};
	}
	sent = (uint16_t)rte_ring_mp_enqueue_burst(c->ring, (void **)m, k, NULL);
	rte_pktmbuf_free_bulk(m + sent, k - sent);
	if (unlikely(sent < n))
		atomic_fetch_add_explicit(&c->lost[port], n - sent, memory_order_relaxed);
}

/* --- the writer --- */

static uint64_t
time_of(const struct capture *c, uint64_t tsc)
{
	uint64_t hz = rte_get_tsc_hz(), d = tsc - c->start_tsc;

	return c->start_ns + d / hz * NS_PER_S + d % hz * NS_PER_S / hz;
}

static bool
add_interface(struct capture *c, uint16_t port)
{
	const char *description = port < c->nnames ? c->name[port] : NULL;
	char name[16];

	snprintf(name, sizeof(name), "port%u", port);
	c->interface[port] = ++c->ninterfaces;
	return pcapng_interface(c->file, name, description, c->snaplen);
}

static bool
write_frame(struct capture *c, struct rte_mbuf *m)
{
	const struct note *note = rte_mbuf_to_priv(m);
	struct pcapng_frame frame = {
		.time_ns = time_of(c, note->tsc),
		.len = note->len,
		.queue = note->queue,
		.direction = note->way,
	};

	if (c->interface[note->port] == 0 && !add_interface(c, note->port))
		return false;
	frame.interface = c->interface[note->port] - 1;
	if (!pcapng_packet(c->file, &frame, m))
		return false;
	c->written[note->port]++;
	atomic_fetch_add_explicit(&c->bytes, note->len, memory_order_relaxed);
	return atomic_fetch_add_explicit(&c->frames, 1, memory_order_relaxed) + 1 != c->count;
}

/* Nothing more is written; control may want to know. */
static void
give_up(struct capture *c)
{
	c->full = true;
	if (ferror(c->file))
		atomic_store(&c->error, errno != 0 ? errno : EIO);
	if (c->loop == NULL)
		return;
	c->told = true;
	ev_post(c->loop, &c->work);
}

/* False: there was nothing to write. */
static bool
write_some(struct capture *c)
{
	struct rte_mbuf *m[WRITE_BURST] = {NULL};
	uint32_t n = rte_ring_sc_dequeue_burst(c->ring, (void **)m, WRITE_BURST, NULL);

	for (uint32_t i = 0; i < n && !c->full; i++)
		if (!write_frame(c, m[i]))
			give_up(c);
	rte_pktmbuf_free_bulk(m, n);
	return n != 0;
}

static void
write_end(struct capture *c)
{
	uint64_t now = time_of(c, rte_get_tsc_cycles());

	for (uint16_t p = 0; p < DP_PORTS_MAX; p++) {
		uint64_t lost = atomic_load(&c->lost[p]);

		if (c->interface[p] != 0)
			pcapng_statistics(c->file, c->interface[p] - 1, now, c->written[p] + lost,
					  lost);
	}
	if (fclose(c->file) != 0 && atomic_load(&c->error) == 0)
		atomic_store(&c->error, errno);
}

static void *
writer(void *arg)
{
	struct capture *c = arg;
	bool stop;

	do {
		/* before the ring is looked at: nothing is put into it afterwards */
		stop = atomic_load(&c->stop);
		while (write_some(c))
			;
		if (!stop) {
			fflush(c->file); /* for who reads along */
			usleep(NAP_US);
		}
	} while (!stop);
	write_end(c);
	return NULL;
}

/* --- control --- */

static void
capture_free(struct capture *c)
{
	rte_ring_free(c->ring);
	rte_mempool_free(c->mp);
	free(c->name);
	free(c);
}

/* Posted by the writer. It may have been stopped before this is called. */
static void
on_done(struct ev_work *work)
{
	struct capture *c = container_of(work, struct capture, work);

	c->told = false;
	if (c->stopped)
		capture_free(c);
	else
		c->done(c->arg);
}

static int
open_file(struct capture *c, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0600);
	struct stat st;
	int err;

	if (fd < 0)
		return -errno;
	/* a pipe nobody reads would hold the writer, and whoever stops it, for ever */
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		err = EINVAL;
	else
		err = ftruncate(fd, 0) != 0 ? errno : 0;
	if (err == 0) {
		c->file = fdopen(fd, "w");
		if (c->file != NULL)
			return setvbuf(c->file, NULL, _IOFBF, FILE_BUFFER);
		err = errno;
	}
	close(fd);
	return -err;
}

static int
make_ring(struct capture *c)
{
	uint32_t room = RTE_MIN(c->snaplen, ROOM_MAX);
	static unsigned int serial;
	char name[32];

	snprintf(name, sizeof(name), "capture%u", serial++);
	c->ring = rte_ring_create(name, RING_SIZE, SOCKET_ID_ANY, RING_F_SC_DEQ);
	if (c->ring == NULL)
		return -rte_errno;
	/* with little memory, rather a small buffer than none */
	for (uint32_t n = RING_SIZE - 1; c->mp == NULL && n >= RING_SIZE / 16 - 1; n /= 2)
		c->mp = rte_pktmbuf_pool_create(name, n, 0, RTE_ALIGN_CEIL(sizeof(struct note), 8),
						(uint16_t)(RTE_PKTMBUF_HEADROOM +
							   RTE_MAX(room, ROOM_MIN)),
						SOCKET_ID_ANY);
	return c->mp != NULL ? 0 : -rte_errno;
}

static int
note_names(struct capture *c, const struct sw *s)
{
	c->nnames = s->nports;
	c->name = calloc(s->nports + 1u, sizeof(*c->name));
	if (c->name == NULL)
		return -ENOMEM;
	for (uint16_t i = 0; i < s->nports; i++)
		if (s->port[i] != NULL)
			strlcpy(c->name[i], s->port[i]->name, sizeof(c->name[i]));
	return 0;
}

static void
note_time(struct capture *c)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	c->start_tsc = rte_get_tsc_cycles();
	c->start_ns = (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static int
start_writer(struct capture *c)
{
	if (!pcapng_begin(c->file) || fflush(c->file) != 0)
		return -errno;
	return -pthread_create(&c->thread, NULL, writer, c);
}

int
capture_start(struct capture **out, const struct sw *s, const struct capture_config *cfg)
{
	struct capture *c = calloc(1, sizeof(*c));
	int ret;

	if (c == NULL)
		return -ENOMEM;
	c->snaplen = cfg->snaplen;
	c->count = cfg->count;
	c->loop = s->loop;
	c->done = cfg->done;
	c->arg = cfg->arg;
	c->work.fn = on_done;
	note_time(c);
	ret = note_names(c, s);
	if (ret == 0)
		ret = make_ring(c);
	if (ret == 0)
		ret = open_file(c, cfg->path);
	if (ret == 0)
		ret = start_writer(c);
	if (ret == 0) {
		*out = c;
		return 0;
	}
	if (c->file != NULL)
		fclose(c->file);
	capture_free(c);
	return ret;
}

void
capture_get_stats(const struct capture *c, struct capture_stats *out)
{
	*out = (struct capture_stats){
		.frames = atomic_load_explicit(&c->frames, memory_order_relaxed),
		.bytes = atomic_load_explicit(&c->bytes, memory_order_relaxed),
		.error = atomic_load_explicit(&c->error, memory_order_relaxed),
	};
	for (uint16_t p = 0; p < DP_PORTS_MAX; p++)
		out->lost += atomic_load_explicit(&c->lost[p], memory_order_relaxed);
}

void
capture_stop(struct capture *c, struct capture_stats *out)
{
	atomic_store(&c->stop, true);
	pthread_join(c->thread, NULL);
	capture_get_stats(c, out);
	c->stopped = true;
	if (!c->told)
		capture_free(c);
	/* else on_done() does, which was posted */
}
