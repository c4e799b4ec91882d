/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * A capture in progress: frames of some ports, into a pcapng file.
 *
 * Workers (capture_worker.c) copy frames to mbufs of the capture's own and put them into a
 * ring; a thread of the capture's own (capture_writer.c) writes them, on control's CPU, so
 * neither waits for a disk. Frames that do not fit are missing in the file and counted there, by
 * port.
 *
 * Control makes it, publishes it (dp_port.capture), takes it out of the
 * snapshot again, and only then stops it.
 */
#ifndef SWITCH_CAPTURE_H
#define SWITCH_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

struct capture;
struct capture_port;
struct ev_loop;

#define CAPTURE_SNAPLEN 262144 /* whole frames */

struct capture_config {
	const char *path;     /* for display as well */
	int fd;               /* a pipe or socket to write to, taken in any case; -1: path */
	uint32_t snaplen;     /* bytes kept of a frame */
	uint64_t count;       /* frames, 0: no limit */
	struct ev_loop *loop; /* NULL: done() is not called */
	/** Control thread: @p count is reached, or writing failed. Not while in capture_stop(). */
	void (*done)(void *arg);
	void *arg;
};

struct capture_stats {
	uint64_t frames, bytes; /* written */
	uint64_t lost;          /* not written: the ring or the pool was exhausted */
	int error;              /* why writing ended early: an errno, or 0 */
};

/**
 * 0 or -errno. A file at the path is overwritten, a FIFO needs a reader (-ENXIO); -EINVAL: what is
 * there is neither; -EAGAIN: its reader has left no room.
 */
int capture_start(struct capture **out, const struct capture_config *cfg);

/**
 * A port to be captured, for dp_port.capture, from the next publication on. Freed with the capture.
 * NULL: out of memory.
 */
struct capture_port *capture_add_port(struct capture *c, uint16_t id, const char *name);

/**
 * Write what is still in the ring, close the file, free @p c. Its last numbers to @p out. The
 * reader of a stream has a second for that; error is EAGAIN if it was too slow.
 */
void capture_stop(struct capture *c, struct capture_stats *out);

void capture_get_stats(const struct capture *c, struct capture_stats *out);

/* --- another process goes on with it --- */

/** Whether it is written to a plain file, and what the descriptor is. */
bool capture_is_file(const struct capture *c);
int capture_fd(const struct capture *c);

/**
 * No worker captures: write what is in the ring, and nothing more until capture_go_on(). False: it
 * has ended by itself, and is to be stopped.
 */
bool capture_pause(struct capture *c);

/** 0 or -errno: it has no writer, and is to be stopped. */
int capture_go_on(struct capture *c);

/** The buffers of a capture that will be restored, with frames of @p snaplen. NULL: no memory. */
struct capture *capture_expect(uint32_t snaplen);

/** It will not be. NULL is fine. */
void capture_forget(struct capture *c);

/**
 * The capture of a predecessor to the plain file cfg->fd, taken in any case, which is written on
 * from where it is: as capture_pause() leaves it. Before capture_go_on() it is the predecessor's.
 * *@p out: one of capture_expect(), which is used or freed, or NULL. 0 or -errno.
 */
int capture_restore(struct capture **out, const struct capture_config *cfg);

#endif
