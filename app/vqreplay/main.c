/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vqreplay: play the front-end's side of a recording against a back-end, and say where its answers
 * are others.
 *
 * The messages go out as they were recorded, with descriptors of the same kind and memory of the
 * same size, of zeros. So rings are started, and no frame moves; a position that a ring is stopped
 * at depends on frames, and is not compared. In a post-copy session each page is brought when the
 * back-end needs it; the addresses it maps memory at are its own affair, and not compared.
 *
 * Exit status: 0 the same answers, 1 others, 2 usage, no recording, no back-end.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/record_fd.h"
#include "vhost_user/wire.h"
#include "vqsctl/fields.h"

#include "heard.h"
#include "pages.h"

#define TIMEOUT_MS 10000
#define MEMORY_MAX (UINT64_C(1) << 44)
#define FILES_MAX 64u

enum { SAME = 0, DIFFERS = 1, UNUSABLE = 2 };

struct replay {
	const char *socket;
	int fd;      /* of the session; -1: none */
	int channel; /* our end of the back-end's; -1: none */
	int faults;  /* the back-end's userfaultfd; -1: none */
	/* memory of the session: descriptors of one file have one here, too */
	struct {
		uint64_t number;
		int fd;
	} file[FILES_MAX];
	uint32_t nfiles;
	bool ended; /* the back-end has ended this session, which is known */
	uint64_t sent, answers, differences;
	uint64_t number; /* of the message sent last */
	uint64_t pages;  /* brought */
};

static int __attribute__((format(printf, 1, 2))) unusable(const char *fmt, ...)
{
	va_list ap;

	fputs("vqreplay: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return UNUSABLE;
}

/* --- differences --- */

static void
differ(struct replay *r, const struct recording_event *e, const char *what)
{
	r->differences++;
	printf("message %llu: %s: %s\n", (unsigned long long)r->number,
	       message_name(RECORD_VHOST_USER, &e->u.message), what);
}

static void
show_answer(const char *when, const struct recording_event *e)
{
	printf("  %s: %s flags 0x%x size %u:", when, message_name(RECORD_VHOST_USER, &e->u.message),
	       e->u.message.header_flags, e->u.message.size);
	message_fields(stdout, RECORD_VHOST_USER, e);
	putchar('\n');
}

static void
ended_early(struct replay *r, const struct recording_event *e)
{
	if (!r->ended)
		differ(r, e, "the back-end has ended the connection");
	r->ended = true;
}

/** With errno of the message that could not be sent: the rest of the session cannot be played. */
static void
not_sent(struct replay *r, const struct recording_event *e)
{
	if (errno != EAGAIN) {
		ended_early(r, e);
		return;
	}
	differ(r, e, "the back-end has not read it in time");
	r->ended = true;
}

/* --- descriptors --- */

static int
memory_of(uint64_t size)
{
	int fd = memfd_create("replay", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -1;
	if (size <= MEMORY_MAX && ftruncate(fd, (off_t)size) == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0)
		return fd;
	close(fd);
	return -1;
}

/** From now on @p made is the file that is number fd->file in the recording. False: no room. */
static bool
keep_file(struct replay *r, const struct record_fd *fd, int made)
{
	if (r->nfiles == FILES_MAX)
		return false;
	r->file[r->nfiles].number = fd->file;
	r->file[r->nfiles++].fd = made;
	return true;
}

/** A descriptor of that file. */
static int
file_of(struct replay *r, const struct record_fd *fd)
{
	int made;

	for (uint32_t i = 0; i < r->nfiles; i++)
		if (r->file[i].number == fd->file)
			return fcntl(r->file[i].fd, F_DUPFD_CLOEXEC, 0);
	made = memory_of(fd->size);
	if (made < 0 || !keep_file(r, fd, made))
		return made;
	return fcntl(made, F_DUPFD_CLOEXEC, 0);
}

/** One end of a socket pair; the other one is the channel of the back-end's requests. */
static int
socket_of(struct replay *r)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	if (r->channel >= 0)
		close(r->channel);
	r->channel = pair[0];
	return pair[1];
}

static int
pipe_of(void)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	close(ends[0]);
	return ends[1];
}

static int
make_fd(struct replay *r, const struct record_fd *fd)
{
	switch (fd->kind) {
	case RECORD_FD_EVENTFD:
		return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	case RECORD_FD_MEMORY:
		return file_of(r, fd);
	case RECORD_FD_SOCKET:
		return socket_of(r);
	case RECORD_FD_PIPE:
		return pipe_of();
	default:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	}
}

/* --- the session --- */

static void
hang_up(struct replay *r)
{
	if (r->fd >= 0)
		close(r->fd);
	if (r->channel >= 0)
		close(r->channel);
	if (r->faults >= 0)
		close(r->faults);
	while (r->nfiles > 0)
		close(r->file[--r->nfiles].fd);
	r->fd = r->channel = r->faults = -1;
	r->ended = false;
}

/** The back-end may be serving the session before this one. */
static int
dial(struct replay *r)
{
	static const struct timeval patience = {.tv_sec = TIMEOUT_MS / 1000};
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	hang_up(r);
	if (strlen(r->socket) >= sizeof(sa.sun_path))
		return unusable("%s: the path is too long", r->socket);
	memcpy(sa.sun_path, r->socket, strlen(r->socket));
	r->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* for connections that are not accepted and for messages that are not read */
	if (r->fd >= 0)
		setsockopt(r->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (r->fd >= 0 && connect(r->fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0)
		return SAME;
	return unusable("%s: %s", r->socket, strerror(errno));
}

/** A request of the back-end is answered as by a front-end that accepts all. False: its end. */
static bool
serve_channel(const struct replay *r, uint64_t deadline)
{
	struct {
		struct vhu_header header;
		uint64_t ok;
	} __attribute__((packed)) answer;
	static struct heard h;

	if (!heard_read(&h, r->channel, deadline))
		return false;
	heard_drop(&h);
	if ((h.m.header.flags & VHU_NEED_REPLY) != 0) {
		answer.header = (struct vhu_header){h.m.header.request, VHU_VERSION | VHU_REPLY,
						    sizeof(answer.ok)};
		answer.ok = 0;
		(void)send(r->channel, &answer, sizeof(answer), MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	return true;
}

static bool
bring_pages(struct replay *r)
{
	const int n = pages_bring(r->faults);

	r->pages += n > 0 ? (uint64_t)n : 0;
	return n >= 0;
}

/**
 * Wait until the session can be read from or written to, until @p deadline at most; meanwhile serve
 * the channel, and bring pages.
 */
static bool
await(struct replay *r, short events, uint64_t deadline)
{
	struct pollfd p[] = {
		{.fd = r->fd, .events = events},
		{.fd = r->channel, .events = POLLIN},
		{.fd = r->faults, .events = POLLIN},
	};

	while (poll(p, 3, deadline_left(deadline)) > 0) {
		if (p[0].revents != 0)
			return true;
		if (p[1].revents != 0 && !serve_channel(r, deadline))
			p[1].fd = -1;
		if (p[2].revents != 0 && !bring_pages(r))
			p[2].fd = -1;
		if (deadline_left(deadline) == 0)
			break;
	}
	return false;
}

static bool
send_with_fds(int fd, struct iovec *iov, size_t n, const int *fds, uint32_t nfds)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(RECORD_FDS_MAX * sizeof(int))];
	} rights = {0};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = n};
	size_t len = 0;

	for (size_t i = 0; i < n; i++)
		len += iov[i].iov_len;
	if (nfds > 0) {
		m.msg_control = &rights;
		m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		rights.align.cmsg_level = SOL_SOCKET;
		rights.align.cmsg_type = SCM_RIGHTS;
		rights.align.cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(&rights.align), fds, nfds * sizeof(int));
	}
	return sendmsg(fd, &m, MSG_NOSIGNAL) == (ssize_t)len;
}

/** Send a message. False with errno. */
static bool
say(struct replay *r, struct iovec iov[2], const int *fds, uint32_t nfds)
{
	errno = EAGAIN;
	return await(r, POLLOUT, deadline_in(TIMEOUT_MS)) &&
	       send_with_fds(r->fd, iov, 2, fds, nfds);
}

static int
ask(struct replay *r, const struct recording_event *e)
{
	static const uint8_t zeros[RECORD_PAYLOAD_MAX];
	const struct record_message *m = &e->u.message;
	struct vhu_header h = {m->request, m->header_flags, m->size};
	const void *payload = e->payload != NULL ? e->payload : zeros;
	struct iovec iov[] = {{&h, sizeof(h)}, {(void *)(uintptr_t)payload, m->size}};
	int fds[RECORD_FDS_MAX];
	uint32_t n = 0;

	if (m->size > sizeof(zeros))
		return unusable("a message is longer than %zu bytes", sizeof(zeros));
	r->number++;
	r->sent++;
	while (n < m->nfds && (fds[n] = make_fd(r, &e->fd[n])) >= 0)
		n++;
	if (n < m->nfds)
		return unusable("message %llu: no descriptor for it: %s",
				(unsigned long long)r->number, strerror(errno));
	if (!r->ended && !say(r, iov, fds, n))
		not_sent(r, e);
	while (n > 0)
		close(fds[--n]);
	return SAME;
}

/** The addresses that memory is mapped at are another process's. */
static bool
same_table(const uint8_t *a, const uint8_t *b, uint32_t size)
{
	struct vhu_mem_table recorded = {0}, now = {0};

	memcpy(&recorded, a, size);
	memcpy(&now, b, size);
	for (uint32_t i = 0; i < VHU_MEM_TABLE_MAX; i++)
		recorded.r[i].uva = now.r[i].uva = 0;
	return memcmp(&recorded, &now, sizeof(now)) == 0;
}

/** The position of a ring depends on frames. */
static bool
same_payload(const struct record_message *m, const uint8_t *a, const uint8_t *b)
{
	const uint32_t ring = sizeof(uint32_t), ack = sizeof(uint64_t);
	const uint32_t size = m->request == VHU_GET_VRING_BASE && m->size > ring ? ring : m->size;

	if (m->request == VHU_SET_MEM_TABLE && size > ack && size <= sizeof(struct vhu_mem_table))
		return same_table(a, b, size);
	return memcmp(a, b, size) == 0;
}

static bool
same_answer(const struct recording_event *e, const struct vhu_msg *m)
{
	return m->header.request == e->u.message.request && e->payload != NULL &&
	       m->header.flags == e->u.message.header_flags &&
	       m->header.size == e->u.message.size &&
	       same_payload(&e->u.message, e->payload, m->payload.bytes);
}

/** NULL, or how the descriptors of an answer differ from the recorded ones. */
static const char *
other_fds(const struct recording_event *e, const struct heard *h)
{
	if (h->more || h->nfds != e->u.message.nfds)
		return "it comes with another number of descriptors";
	for (uint32_t i = 0; i < h->nfds; i++)
		if (record_fd_of(h->fd[i]).kind != e->fd[i].kind)
			return "a descriptor is of another kind";
	return NULL;
}

static void
compare(struct replay *r, const struct recording_event *e, const struct heard *h)
{
	const char *fds = other_fds(e, h);
	struct recording_event now = *e;

	if (fds != NULL)
		differ(r, e, fds);
	if (same_answer(e, &h->m))
		return;
	now.u.message.request = h->m.header.request;
	now.u.message.header_flags = h->m.header.flags;
	now.u.message.size = h->m.header.size;
	now.payload = h->m.payload.bytes;
	differ(r, e, "the answer is another one");
	show_answer("recorded", e);
	show_answer("now", &now);
}

/** Descriptors of an answer are of use later: memory is handed back, pages are asked for. */
static void
keep_fds(struct replay *r, const struct recording_event *e, struct heard *h)
{
	for (uint32_t i = 0; i < h->nfds && i < e->u.message.nfds; i++) {
		if (e->fd[i].kind == RECORD_FD_USERFAULTFD && pages_take(&r->faults, h->fd[i]))
			h->fd[i] = -1;
		else if (e->fd[i].kind == RECORD_FD_MEMORY && keep_file(r, &e->fd[i], h->fd[i]))
			h->fd[i] = -1;
	}
}

static void
no_answer(struct replay *r, const struct recording_event *e)
{
	differ(r, e, "there is no answer");
	r->ended = true; /* those that follow would be waited for as long */
}

static int
hear(struct replay *r, const struct recording_event *e)
{
	const uint64_t deadline = deadline_in(TIMEOUT_MS);
	static struct heard h;

	r->answers++;
	if (r->ended)
		return SAME;
	if (!await(r, POLLIN, deadline)) {
		no_answer(r, e);
	} else if (!heard_read(&h, r->fd, deadline)) {
		ended_early(r, e);
	} else {
		compare(r, e, &h);
		keep_fds(r, e, &h);
		heard_drop(&h);
	}
	return SAME;
}

static int
said(struct replay *r, const struct recording_event *e)
{
	if (e->u.message.channel == RECORD_BACKEND)
		return SAME; /* depends on frames */
	if (r->fd < 0)
		return unusable("a message is outside of a session: records are missing");
	return e->u.message.from == RECORD_FROM_PEER ? ask(r, e) : hear(r, e);
}

/** The texts of lib/vhost_user/conn.c for an end by the front-end. */
static bool
left_by_itself(const char *why)
{
	return strcmp(why, "the peer closed the connection") == 0 ||
	       strcmp(why, "the connection broke") == 0;
}

/**
 * How a session that the front-end ended stands before its end, NULL: as it was recorded. One
 * question more tells: with its answer all before it has been handled.
 */
static const char *
ask_last(struct replay *r)
{
	const struct vhu_header h = {VHU_GET_FEATURES, VHU_VERSION, 0};
	const uint64_t deadline = deadline_in(TIMEOUT_MS);
	static struct heard answer;

	if (!await(r, POLLOUT, deadline))
		return "the back-end does not read any more";
	if (send(r->fd, &h, sizeof(h), MSG_NOSIGNAL) != sizeof(h))
		return "the back-end has ended the connection";
	if (!await(r, POLLIN, deadline))
		return "the back-end does not answer any more";
	if (!heard_read(&answer, r->fd, deadline))
		return "the back-end has ended the connection";
	heard_drop(&answer);
	return answer.m.header.request == VHU_GET_FEATURES ? NULL : "an answer more than recorded";
}

/** The same for one that the back-end ended. */
static const char *
await_end(struct replay *r)
{
	char byte;

	if (!await(r, POLLIN, deadline_in(TIMEOUT_MS)))
		return "the connection goes on; the back-end ended the one that is recorded";
	return recv(r->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) <= 0 ? NULL
								   : "an answer more than recorded";
}

static int
end_session(struct replay *r, const struct recording_event *e)
{
	const char *why = NULL;

	if (r->fd >= 0 && !r->ended)
		why = left_by_itself(e->text) ? ask_last(r) : await_end(r);
	if (why != NULL) {
		r->differences++;
		printf("after message %llu: %s\n", (unsigned long long)r->number, why);
	}
	hang_up(r);
	return SAME;
}

static int
play_event(struct replay *r, const struct recording_event *e)
{
	switch (e->type) {
	case RECORD_BEGIN:
		return e->u.begin.transport == RECORD_VHOST_USER
			       ? SAME
			       : unusable("it is no recording of vhost-user");
	case RECORD_CONNECT:
		return dial(r);
	case RECORD_MESSAGE:
		return said(r, e);
	case RECORD_DISCONNECT:
		return end_session(r, e);
	case RECORD_LOST:
		return unusable("records are missing");
	default:
		return SAME;
	}
}

static int
play(struct replay *r, const uint8_t *data, size_t len)
{
	static struct recording_event e;
	struct recording file;
	const char *why = recording_begin(&file, data, len);
	int ret = 1, status = SAME;

	if (why != NULL)
		return unusable("%s", why);
	while (status == SAME && (ret = recording_next(&file, &e, &why)) == 1)
		status = play_event(r, &e);
	hang_up(r);
	if (status == SAME && ret < 0)
		status = unusable("%s", why);
	if (status == SAME && r->sent == 0)
		status = unusable("no message is recorded");
	printf("%llu messages, %llu answers, %llu differences", (unsigned long long)r->sent,
	       (unsigned long long)r->answers, (unsigned long long)r->differences);
	if (r->pages > 0)
		printf(", %llu pages brought", (unsigned long long)r->pages);
	putchar('\n');
	return status == SAME && r->differences > 0 ? DIFFERS : status;
}

static void
usage(FILE *out)
{
	fputs("usage: vqreplay FILE SOCKET\n"
	      "\n"
	      "Play the front-end's side of the recording FILE (a port's record=FILE) against the\n"
	      "vhost-user back-end that listens at SOCKET, and say where its answers are others.\n"
	      "\n"
	      "  -h, --help     this text\n"
	      "  -V, --version  version\n"
	      "\n"
	      "Exit status: 0 the same answers, 1 others, 2 bad usage, file or socket.\n",
	      out);
}

int
main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	struct replay r = {.fd = -1, .channel = -1, .faults = -1};
	char err[512];
	uint8_t *data;
	size_t len;
	int opt, status;

	while ((opt = getopt_long(argc, argv, "hV", longopts, NULL)) != -1) {
		if (opt == 'h')
			usage(stdout);
		else if (opt == 'V')
			puts("vqreplay " VQS_VERSION);
		else
			usage(stderr);
		return opt == '?' ? UNUSABLE : SAME;
	}
	if (argc - optind != 2) {
		usage(stderr);
		return UNUSABLE;
	}
	data = recording_load(argv[optind], &len, err, sizeof(err));
	if (data == NULL)
		return unusable("%s", err);
	r.socket = argv[optind + 1];
	status = play(&r, data, len);
	free(data);
	return status;
}
