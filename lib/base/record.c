/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bsd/string.h>

#include <rte_byteorder.h>
#include <rte_common.h>

#include "base/ev.h"
#include "base/lane.h"
#include "base/log.h"
#include "base/record_fd.h"

#define SECOND_NS UINT64_C(1000000000)
#define SETTLE_STEP_US 1000

struct record {
	struct lane lane;
	/* [fixed] */
	char path[PATH_MAX];
	char port[sizeof(((struct record_begin *)0)->port)];
	uint64_t limit;
	enum record_transport transport;
	uint32_t queues;
	bool later;
	/* [ctl], fixed once there is a file */
	int fd; /* -1: there is none yet */
	uint64_t start_ns;
	/* [ctl] */
	uint64_t sessions;
	uint64_t left_out;   /* records that were not handed to the lane */
	uint64_t lost_known; /* of lost, those the log knows of */
	bool full;
	char why[RECORD_TEXT_MAX]; /* the file could not be made; "": it could, or is to be */
	struct log_limit log_limit;
	/* [atomic] */
	_Atomic uint64_t bytes; /* that are in the file, or wait */
	_Atomic size_t waiting; /* bytes */
	_Atomic uint64_t lost;  /* records */
	/* [lane] */
	off_t at;        /* where the next record goes */
	uint64_t failed; /* records that could not be written */
	uint64_t told;   /* of those and left_out, how many the file knows of */
};

/** A record on its way to the file. */
struct entry {
	struct lane_job job; /* first member */
	struct record *r;
	uint64_t when_le;  /* handed to the lane */
	uint64_t left_out; /* record.left_out then */
	size_t len;
	uint8_t data[];
};

static atomic_uint unwritten; /* entries of all records */

/* --- the lane's side --- */

static bool
write_at(const struct record *r, off_t *at, const void *data, size_t len)
{
	size_t done = 0;
	ssize_t n;

	do {
		n = pwrite(r->fd, (const uint8_t *)data + done, len - done, *at + (off_t)done);
		done += n > 0 ? (size_t)n : 0;
	} while (done < len && (n > 0 || (n < 0 && errno == EINTR)));
	*at += (off_t)done;
	return done == len;
}

/** Say how many are missing before @p e. */
static bool
write_lost(const struct record *r, off_t *at, const struct entry *e, uint64_t n)
{
	const struct {
		struct record_head head;
		struct record_lost data;
	} note = {
		{.type = rte_cpu_to_le_16(RECORD_LOST),
		 .len = rte_cpu_to_le_32(sizeof(struct record_lost))},
		{e->when_le, rte_cpu_to_le_64(n)},
	};

	return n == 0 || write_at(r, at, &note, sizeof(note));
}

/** One that does not fit as a whole leaves no part of itself behind. */
static void
write_entry(struct lane_job *j)
{
	struct entry *e = (struct entry *)j;
	struct record *r = e->r;
	const uint64_t lost = r->failed + e->left_out;
	off_t at = r->at;

	if (write_lost(r, &at, e, lost - r->told) && write_at(r, &at, e->data, e->len)) {
		atomic_fetch_add_explicit(&r->bytes, (uint64_t)(at - r->at) - e->len,
					  memory_order_relaxed);
		r->at = at;
		r->told = lost;
	} else {
		atomic_fetch_sub_explicit(&r->bytes, e->len, memory_order_relaxed);
		atomic_fetch_add_explicit(&r->lost, 1, memory_order_relaxed);
		r->failed++;
		if (ftruncate(r->fd, r->at) != 0)
			r->at = lseek(r->fd, 0, SEEK_END);
	}
	atomic_fetch_sub_explicit(&r->waiting, e->len, memory_order_release);
	free(e);
	atomic_fetch_sub_explicit(&unwritten, 1, memory_order_release);
}

static void
record_free(struct lane *l)
{
	struct record *r = container_of(l, struct record, lane);

	if (r->fd >= 0)
		close(r->fd);
	free(r);
}

/* --- control's --- */

/** The parts of a record's data. */
struct part {
	const void *data;
	size_t len;
};

static struct entry *
entry_new(struct record *r, uint16_t type, const struct part *part, uint32_t n)
{
	struct record_head head = {.type = rte_cpu_to_le_16(type)};
	size_t len = 0, padded;
	struct entry *e;
	uint8_t *p;

	for (uint32_t i = 0; i < n; i++)
		len += part[i].len;
	padded = sizeof(head) + RTE_ALIGN_CEIL(len, (size_t)RECORD_ALIGN);
	e = calloc(1, sizeof(*e) + padded);
	if (e == NULL)
		return NULL;
	*e = (struct entry){.job.fn = write_entry, .r = r, .len = padded};
	head.len = rte_cpu_to_le_32((uint32_t)len);
	memcpy(e->data, &head, sizeof(head));
	p = e->data + sizeof(head);
	for (uint32_t i = 0; i < n; i++) {
		if (part[i].len > 0)
			memcpy(p, part[i].data, part[i].len);
		p += part[i].len;
	}
	return e;
}

static uint64_t
now_le(const struct record *r)
{
	return rte_cpu_to_le_64(ev_now_ns() - r->start_ns);
}

static void
submit(struct record *r, struct entry *e)
{
	e->when_le = now_le(r);
	e->left_out = r->left_out;
	atomic_fetch_add_explicit(&r->bytes, e->len, memory_order_relaxed);
	atomic_fetch_add_explicit(&r->waiting, e->len, memory_order_relaxed);
	atomic_fetch_add_explicit(&unwritten, 1, memory_order_relaxed);
	lane_submit(&r->lane, &e->job);
}

/** A text behind its time. */
static struct entry *
text_entry(struct record *r, uint16_t type, const char *text)
{
	const struct record_text head = {.when_ns = now_le(r)};
	const struct part part[] = {{&head, sizeof(head)}, {text, strnlen(text, RECORD_TEXT_MAX)}};

	return entry_new(r, type, part, RTE_DIM(part));
}

static void
lose(struct record *r, const char *why)
{
	r->left_out++;
	r->lost_known++;
	atomic_fetch_add_explicit(&r->lost, 1, memory_order_relaxed);
	log_peer(&r->log_limit, r->port, "a record is lost from %s: %s", r->path, why);
}

/** The limit is reached: the last record says so. */
static void
fill(struct record *r)
{
	struct entry *e = text_entry(r, RECORD_END, "the limit of its size is reached");

	r->full = true;
	if (e != NULL)
		submit(r, e);
	log_notice(r->port, "%s has reached its limit of %" PRIu64 " MiB: nothing more is recorded",
		   r->path, r->limit >> 20);
}

/** Those that the lane could not write. */
static void
log_lost(struct record *r)
{
	const uint64_t lost = atomic_load_explicit(&r->lost, memory_order_relaxed);

	if (lost != r->lost_known)
		log_peer(&r->log_limit, r->port,
			 "%s lacks %" PRIu64 " records: it cannot be written", r->path, lost);
	r->lost_known = lost;
}

static void
put(struct record *r, struct entry *e)
{
	if (e == NULL) {
		lose(r, "out of memory");
	} else if (r->fd < 0 || r->full) {
		free(e);
	} else if (atomic_load_explicit(&r->bytes, memory_order_relaxed) + e->len > r->limit) {
		free(e);
		fill(r);
	} else if (atomic_load_explicit(&r->waiting, memory_order_acquire) + e->len >
		   RECORD_WAITING_MAX) {
		free(e);
		lose(r, "the disk does not keep up");
	} else {
		log_lost(r);
		submit(r, e);
	}
}

/* --- descriptors --- */

static struct record_fd
describe_fd(int fd)
{
	const struct record_fd d = record_fd_of(fd);

	return (struct record_fd){rte_cpu_to_le_32(d.kind), rte_cpu_to_le_32(d.page),
				  rte_cpu_to_le_64(d.size), rte_cpu_to_le_64(d.file)};
}

/* --- the events --- */

void
record_connect(struct record *r, int sock)
{
	struct ucred peer = {0};
	socklen_t len = sizeof(peer);
	struct record_connect data;
	const struct part part = {&data, sizeof(data)};

	if (r == NULL)
		return;
	if (sock >= 0)
		(void)getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	data = (struct record_connect){
		.when_ns = now_le(r),
		.session = rte_cpu_to_le_64(++r->sessions),
		.pid = rte_cpu_to_le_32((uint32_t)peer.pid),
		.uid = rte_cpu_to_le_32(peer.uid),
	};
	put(r, entry_new(r, RECORD_CONNECT, &part, 1));
}

void
record_disconnect(struct record *r, const char *why)
{
	if (r != NULL)
		put(r, text_entry(r, RECORD_DISCONNECT, why));
}

void
record_message(struct record *r, const struct record_said *said)
{
	struct record_fd fd[RECORD_FDS_MAX];
	const bool left_out = said->payload == NULL || said->size > RECORD_PAYLOAD_MAX;
	uint32_t nfds = RTE_MIN(said->nfds, RECORD_FDS_MAX);
	struct record_message data;
	const struct part part[] = {
		{&data, sizeof(data)},
		{fd, nfds * sizeof(fd[0])},
		{said->payload, left_out ? 0 : said->size},
	};

	if (r == NULL || r->fd < 0 || r->full)
		return;
	data = (struct record_message){
		.when_ns = now_le(r),
		.channel = (uint8_t)said->channel,
		.from = (uint8_t)said->from,
		.nfds = (uint8_t)nfds,
		.flags = left_out && said->size > 0 ? RECORD_NO_PAYLOAD : 0,
		.request = rte_cpu_to_le_32(said->request),
		.header_flags = rte_cpu_to_le_32(said->flags),
		.size = rte_cpu_to_le_32(said->size),
	};
	for (uint32_t i = 0; i < nfds; i++)
		fd[i] = describe_fd(said->fds[i]);
	put(r, entry_new(r, RECORD_MESSAGE, part, RTE_DIM(part)));
}

void
record_verdict(struct record *r, uint32_t request, int error, const char *why)
{
	struct record_verdict data;
	const struct part part[] = {
		{&data, sizeof(data)},
		{why, why != NULL ? strnlen(why, RECORD_TEXT_MAX) : 0},
	};

	if (r == NULL || r->fd < 0 || r->full)
		return;
	data = (struct record_verdict){now_le(r), rte_cpu_to_le_32(request),
				       rte_cpu_to_le_32((uint32_t)error)};
	put(r, entry_new(r, RECORD_VERDICT, part, RTE_DIM(part)));
}

bool
record_get_info(const struct record *r, struct record_info *out)
{
	if (r == NULL)
		return false;
	*out = (struct record_info){
		.path = r->path,
		.bytes = atomic_load_explicit(&r->bytes, memory_order_relaxed),
		.lost = atomic_load_explicit(&r->lost, memory_order_relaxed),
		.full = r->full,
		.why = r->why[0] != '\0' ? r->why : NULL,
	};
	return true;
}

/* --- begin and end --- */

static bool
is_recording(int fd)
{
	struct record_file_head head;
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       (st.st_size == 0 || (read(fd, &head, sizeof(head)) == sizeof(head) &&
				    memcmp(head.magic, RECORD_MAGIC, sizeof(head.magic)) == 0));
}

/**
 * 1: a recording at @p path that no port writes, 0: nothing is there, -1 with a sentence: something
 * else is.
 */
static int
look_at(const struct record *r, const char *path, char *err, size_t errlen)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	const char *why = NULL;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		why = errno == ELOOP ? "it is a symbolic link" : strerror(errno);
	else if (!is_recording(fd))
		why = "there is a file that is no recording";
	else if (!r->later && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK)
		why = "another port is recorded there";
	if (fd >= 0)
		close(fd);
	if (why != NULL)
		snprintf(err, errlen, "record=%s: %s", path, why);
	return why != NULL ? -1 : 1;
}

/** Keep the recording that is there as PATH.1. 0, or -1 with a sentence. */
static int
put_aside(const struct record *r, char *err, size_t errlen)
{
	char old[PATH_MAX];
	int ret = look_at(r, r->path, err, errlen);

	if (ret != 1)
		return ret;
	if ((size_t)snprintf(old, sizeof(old), "%s.1", r->path) >= sizeof(old))
		snprintf(err, errlen, "record=%s: the path is too long", r->path);
	else if (look_at(r, old, err, errlen) < 0)
		return -1;
	else if (rename(r->path, old) == 0)
		return 0;
	else
		snprintf(err, errlen, "record=%s: %s", old, strerror(errno));
	return -1;
}

static void
put_begin(struct record *r)
{
	struct record_begin data = {
		.transport = rte_cpu_to_le_32(r->transport),
		.queues = rte_cpu_to_le_32(r->queues),
		.program = "vqswitch " VQS_VERSION,
	};
	const struct part part = {&data, sizeof(data)};
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	data.wall_ns = rte_cpu_to_le_64((uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec);
	strlcpy(data.port, r->port, sizeof(data.port));
	put(r, entry_new(r, RECORD_BEGIN, &part, 1));
}

static int
make_file(const struct record *r, char *err, size_t errlen)
{
	const struct record_file_head head = {
		.magic = RECORD_MAGIC,
		.version = rte_cpu_to_le_16(RECORD_VERSION),
		.size = rte_cpu_to_le_16(sizeof(head)),
	};
	int fd;

	if (put_aside(r, err, errlen) != 0)
		return -1;
	/* what another process puts there meanwhile is not followed */
	fd = open(r->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	/* a file system without locks is none the worse */
	if (fd >= 0)
		(void)flock(fd, LOCK_EX | LOCK_NB);
	if (fd >= 0 && fchmod(fd, 0600) == 0 && write(fd, &head, sizeof(head)) == sizeof(head))
		return fd;
	snprintf(err, errlen, "record=%s: %s", r->path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool
begin(struct record *r, char *err, size_t errlen)
{
	r->fd = make_file(r, err, errlen);
	if (r->fd < 0)
		return false;
	atomic_init(&r->bytes, sizeof(struct record_file_head));
	r->at = sizeof(struct record_file_head);
	r->start_ns = ev_now_ns();
	put_begin(r);
	return true;
}

struct record *
record_open(const struct record_config *cfg, char *err, size_t errlen)
{
	struct record *r = calloc(1, sizeof(*r));

	if (r == NULL || strlcpy(r->path, cfg->path, sizeof(r->path)) >= sizeof(r->path)) {
		snprintf(err, errlen, "record=%.512s: %s", cfg->path,
			 r == NULL ? "out of memory" : "the path is too long");
		free(r);
		return NULL;
	}
	strlcpy(r->port, cfg->port, sizeof(r->port));
	r->fd = -1;
	r->limit = cfg->limit;
	r->transport = cfg->transport;
	r->queues = cfg->queues;
	r->later = cfg->later;
	lane_init(&r->lane, record_free);
	if (r->later || begin(r, err, errlen))
		return r;
	lane_put(&r->lane);
	return NULL;
}

void
record_start(struct record *r)
{
	if (r == NULL || r->fd >= 0)
		return;
	r->why[0] = '\0';
	if (!begin(r, r->why, sizeof(r->why)))
		log_warn(r->port, "nothing is recorded: %s", r->why);
}

void
record_close(struct record *r, const char *why)
{
	if (r == NULL)
		return;
	put(r, text_entry(r, RECORD_END, why));
	if (r->fd >= 0)
		(void)flock(r->fd,
			    LOCK_UN); /* the next port may have the path before all is written */
	lane_put(&r->lane);
}

void
record_settle(uint32_t timeout_ms)
{
	const uint64_t end = ev_now_ns() + timeout_ms * (SECOND_NS / 1000);

	while (atomic_load_explicit(&unwritten, memory_order_acquire) != 0 && ev_now_ns() < end)
		usleep(SETTLE_STEP_US);
}
