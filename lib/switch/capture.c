/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: control. */
#include "switch/capture.h"

#include <errno.h>
#include <fcntl.h>
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

#include "switch/capture_ring.h"

#define RING_SIZE 8192 /* frames on their way to the file */
#define ROOM_MIN 128u
#define ROOM_MAX 2048u
#define FILE_BUFFER 65536

static void
capture_free(struct capture *c)
{
	struct capture_port *p;

	while ((p = STAILQ_FIRST(&c->ports)) != NULL) {
		STAILQ_REMOVE_HEAD(&c->ports, entry);
		free(p);
	}
	rte_ring_free(c->ring);
	rte_mempool_free(c->mp);
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

/* The file at a path, or -errno. A FIFO without a reader would hold up the writer: ENXIO. */
static int
open_path(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0600);

	return fd >= 0 ? fd : -errno;
}

/* Set c->stream by the kind of file that @p fd is. 0 or -errno. */
static int
classify(struct capture *c, int fd)
{
	struct stat st;
	int flags;

	c->stream = -1;
	if (fstat(fd, &st) != 0)
		return -errno;
	if (S_ISREG(st.st_mode))
		return ftruncate(fd, 0) != 0 ? -errno : 0;
	if (!S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode))
		return -EINVAL;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	c->stream = fd;
	return 0;
}

static int
open_file(struct capture *c, const struct capture_config *cfg)
{
	const cookie_io_functions_t stream = {
		.write = capture_stream_write,
		.close = capture_stream_close,
	};
	int fd = cfg->fd >= 0 ? cfg->fd : open_path(cfg->path);
	int ret = fd >= 0 ? classify(c, fd) : fd;

	if (ret == 0) {
		c->file = c->stream >= 0 ? fopencookie(c, "w", stream) : fdopen(fd, "w");
		if (c->file != NULL)
			return setvbuf(c->file, NULL, _IOFBF, FILE_BUFFER);
		ret = -errno;
	}
	if (fd >= 0)
		close(fd);
	return ret;
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
	/* with little memory, a small buffer is better than none */
	for (uint32_t n = RING_SIZE - 1; c->mp == NULL && n >= RING_SIZE / 16 - 1; n /= 2)
		c->mp = rte_pktmbuf_pool_create(name, n, 0,
						RTE_ALIGN_CEIL(sizeof(struct capture_note), 8),
						(uint16_t)(RTE_PKTMBUF_HEADROOM +
							   RTE_MAX(room, ROOM_MIN)),
						SOCKET_ID_ANY);
	return c->mp != NULL ? 0 : -rte_errno;
}

struct capture_port *
capture_add_port(struct capture *c, uint16_t id, const char *name)
{
	struct capture_port *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->capture = c;
	p->id = id;
	strlcpy(p->name, name, sizeof(p->name));
	STAILQ_INSERT_TAIL(&c->ports, p, entry);
	return p;
}

static void
note_time(struct capture *c)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	c->start_tsc = rte_get_tsc_cycles();
	c->start_ns = (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* Control writes the head, and does not wait for a reader that has left no room for it. */
static int
start_writer(struct capture *c)
{
	atomic_store(&c->stop, true);
	if (!pcapng_begin(c->file) || fflush(c->file) != 0)
		return -errno;
	atomic_store(&c->stop, false);
	c->until_ns = 0;
	return -pthread_create(&c->thread, NULL, capture_writer, c);
}

static void
configure(struct capture *c, const struct capture_config *cfg)
{
	c->snaplen = cfg->snaplen;
	c->count = cfg->count;
	c->loop = cfg->loop;
	c->done = cfg->done;
	c->arg = cfg->arg;
	c->work.fn = on_done;
	STAILQ_INIT(&c->ports);
	note_time(c);
}

/* Without a ring, file and thread. NULL: no memory; the descriptor is closed then. */
static struct capture *
capture_new(const struct capture_config *cfg)
{
	struct capture *c = calloc(1, sizeof(*c));

	if (c != NULL)
		configure(c, cfg);
	else if (cfg->fd >= 0)
		close(cfg->fd);
	return c;
}

int
capture_start(struct capture **out, const struct capture_config *cfg)
{
	struct capture *c = capture_new(cfg);
	int ret;

	if (c == NULL)
		return -ENOMEM;
	ret = make_ring(c);
	if (ret == 0)
		ret = open_file(c, cfg);
	else if (cfg->fd >= 0)
		close(cfg->fd);
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

/* --- another process goes on with it --- */

bool
capture_is_file(const struct capture *c)
{
	return c->stream < 0;
}

int
capture_fd(const struct capture *c)
{
	return fileno(c->file);
}

bool
capture_pause(struct capture *c)
{
	c->paused = true;
	atomic_store(&c->stop, true);
	pthread_join(c->thread, NULL);
	return !c->full;
}

int
capture_go_on(struct capture *c)
{
	int ret;

	if (!c->paused)
		return 0;
	c->paused = c->lent = false;
	atomic_store(&c->stop, false);
	c->until_ns = 0;
	ret = -pthread_create(&c->thread, NULL, capture_writer, c);
	c->paused = ret != 0;
	return ret;
}

/* 0 or -errno. */
static int
reopen(struct capture *c, int fd)
{
	struct stat st;

	c->stream = -1;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return -EINVAL;
	c->file = fdopen(fd, "w"); /* does not truncate it */
	return c->file != NULL ? setvbuf(c->file, NULL, _IOFBF, FILE_BUFFER) : -errno;
}

struct capture *
capture_expect(uint32_t snaplen)
{
	struct capture *c = capture_new(&(struct capture_config){.snaplen = snaplen, .fd = -1});

	if (c != NULL && make_ring(c) == 0)
		return c;
	capture_forget(c);
	return NULL;
}

void
capture_forget(struct capture *c)
{
	if (c != NULL)
		capture_free(c);
}

/* The one that was expected, or a new one without a ring. NULL: no memory. */
static struct capture *
take_expected(struct capture *c, const struct capture_config *cfg)
{
	if (c == NULL || c->snaplen != cfg->snaplen) {
		capture_forget(c);
		return capture_new(cfg);
	}
	configure(c, cfg);
	return c;
}

int
capture_restore(struct capture **out, const struct capture_config *cfg)
{
	struct capture *c = take_expected(*out, cfg);
	int ret;

	*out = NULL;
	if (c == NULL)
		return -ENOMEM;
	c->paused = c->lent = true;
	ret = c->ring != NULL ? 0 : make_ring(c);
	if (ret == 0)
		ret = reopen(c, cfg->fd);
	if (ret == 0) {
		*out = c;
		return 0;
	}
	if (c->file != NULL)
		fclose(c->file);
	else
		close(cfg->fd);
	capture_free(c);
	return ret;
}

void
capture_get_stats(const struct capture *c, struct capture_stats *out)
{
	const struct capture_port *p;

	*out = (struct capture_stats){
		.frames = atomic_load_explicit(&c->frames, memory_order_relaxed),
		.bytes = atomic_load_explicit(&c->bytes, memory_order_relaxed),
		.error = atomic_load_explicit(&c->error, memory_order_relaxed),
	};
	STAILQ_FOREACH (p, &c->ports, entry)
		out->lost += atomic_load_explicit(&p->lost, memory_order_relaxed);
}

void
capture_stop(struct capture *c, struct capture_stats *out)
{
	if (!c->lent && capture_go_on(c) == 0) {
		atomic_store(&c->stop, true);
		pthread_join(c->thread, NULL);
	} else {
		fclose(c->file); /* no writer could end it, or may */
	}
	capture_get_stats(c, out);
	c->stopped = true;
	if (!c->told)
		capture_free(c);
	/* else on_done() does, which was posted */
}
