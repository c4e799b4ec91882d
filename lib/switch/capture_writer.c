/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: the writer of a capture, a thread of its own.
 *
 * From the ring to the file.
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "switch/capture_ring.h"

#define WRITE_BURST 64
#define NAP_US 2000
#define READER_MS 50     /* between two looks whether to wait for the reader of a stream any more */
#define STOP_NS NS_PER_S /* for all that is left when the capture is to stop: control waits */

/* --- streams, whose reader may be slow or stop to read --- */

/* False: the capture ends, and what the reader has not taken by then it does not get. */
static bool
wait_reader(struct capture *c)
{
	struct pollfd p = {.fd = c->stream, .events = POLLOUT};
	bool last = atomic_load(&c->stop);

	if (last && c->until_ns == 0)
		c->until_ns = ev_now_ns() + STOP_NS;
	if (last && ev_now_ns() >= c->until_ns)
		return false;
	return poll(&p, 1, READER_MS) > 0 || !last;
}

ssize_t
capture_stream_write(void *arg, const char *data, size_t len)
{
	struct capture *c = arg;
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(c->stream, data + done, len - done);

		if (n > 0)
			done += (size_t)n;
		else if (errno != EINTR && (errno != EAGAIN || !wait_reader(c)))
			break;
	}
	return done == len ? (ssize_t)len : 0; /* 0: an error, see errno */
}

int
capture_stream_close(void *arg)
{
	return close(((const struct capture *)arg)->stream);
}

/* --- from the ring to the file --- */

static uint64_t
time_of(const struct capture *c, uint64_t tsc)
{
	uint64_t hz = rte_get_tsc_hz(), d = tsc - c->start_tsc;

	return c->start_ns + d / hz * NS_PER_S + d % hz * NS_PER_S / hz;
}

static bool
add_interface(struct capture *c, struct capture_port *p)
{
	char name[16];

	snprintf(name, sizeof(name), "port%u", p->id);
	p->interface = ++c->ninterfaces;
	return pcapng_interface(c->file, name, p->name, c->snaplen);
}

static bool
write_frame(struct capture *c, struct rte_mbuf *m)
{
	const struct capture_note *note = rte_mbuf_to_priv(m);
	struct capture_port *p = note->port;
	struct pcapng_frame frame = {
		.time_ns = time_of(c, note->tsc),
		.len = note->len,
		.queue = note->queue,
		.direction = note->way,
	};

	if (p->interface == 0 && !add_interface(c, p))
		return false;
	frame.interface = p->interface - 1;
	if (!pcapng_packet(c->file, &frame, m))
		return false;
	p->written++;
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
	const struct capture_port *p;

	STAILQ_FOREACH (p, &c->ports, entry) {
		uint64_t lost = atomic_load(&p->lost);

		/* after a failure each would wait for the reader once more */
		if (p->interface != 0 && !ferror(c->file))
			pcapng_statistics(c->file, p->interface - 1, now, p->written + lost, lost);
	}
	if (fclose(c->file) != 0 && atomic_load(&c->error) == 0)
		atomic_store(&c->error, errno);
}

void *
capture_writer(void *arg)
{
	struct capture *c = arg;
	bool stop;

	do {
		/* before the ring is looked at: nothing is put into it afterwards */
		stop = atomic_load(&c->stop);
		while (write_some(c))
			;
		if (!stop) {
			fflush(c->file); /* for programs that read along */
			usleep(NAP_US);
		}
	} while (!stop);
	if (c->paused)
		fflush(c->file);
	else
		write_end(c);
	return NULL;
}
