/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control, workers and the writer, by the groups of fields.
 *
 * A capture inside. Internal to lib/switch.
 */
#ifndef SWITCH_CAPTURE_RING_H
#define SWITCH_CAPTURE_RING_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/queue.h>

#include "base/ev.h"
#include "switch/pcapng.h"

struct rte_mempool;
struct rte_ring;

#define CAPTURE_NAME_MAX 64 /* of a port */

/** A port in a capture, made by control; it stays until the capture is freed. */
struct capture_port {
	/* [fixed] */
	struct capture *capture;
	uint16_t id;
	char name[CAPTURE_NAME_MAX];
	/* [atomic] written by workers, only when it happens */
	atomic_uint_fast64_t lost;
	/* the writer's, until it has ended */
	uint32_t interface; /* of the file, plus one; 0: it has none yet */
	uint64_t written;
	/* [ctl] */
	STAILQ_ENTRY(capture_port) entry;
};

/** A worker's notes about a frame, in the private area of its mbuf. */
struct capture_note {
	uint64_t tsc;
	struct capture_port *port;
	uint32_t len;
	uint16_t queue;
	enum pcapng_direction way;
};

struct capture {
	/* [fixed] */
	uint32_t snaplen;
	uint64_t count;
	struct rte_mempool *mp;
	struct rte_ring *ring; /* several workers to one writer */
	uint64_t start_tsc, start_ns;
	struct ev_loop *loop; /* NULL: done() is not called */
	void (*done)(void *arg);
	void *arg;
	pthread_t thread;

	/* [atomic] */
	atomic_bool stop; /* control: write what is left and end */
	atomic_uint_fast64_t frames, bytes;
	atomic_int error;

	/* the writer's, until it has ended */
	FILE *file;
	int stream; /* the pipe or socket it writes to, which does not block; -1: a plain file */
	uint64_t until_ns; /* its reader is waited for after the stop; 0: that has not begun */
	bool full;         /* count is reached or writing failed: the rest is thrown away */
	bool told;         /* work was posted; control clears it */
	uint32_t ninterfaces;

	/* [ctl]; the writer's once it has been told to stop: control waits for it then */
	STAILQ_HEAD(, capture_port) ports;

	/* [ctl] */
	struct ev_work work;
	bool stopped;
	bool paused; /* the writer leaves the file as it is; read by it after the stop */
	bool lent;   /* a predecessor may go on with the file: nothing is written to it */
};

/**
 * For a FILE on c->stream: write as much as its reader takes before the capture is to stop. As of
 * fopencookie(3).
 */
ssize_t capture_stream_write(void *arg, const char *data, size_t len);
int capture_stream_close(void *arg);

/** The writer's thread; @p arg is the capture. */
void *capture_writer(void *arg);

#endif
