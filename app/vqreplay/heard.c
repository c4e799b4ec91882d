/* SPDX-License-Identifier: BSD-3-Clause */
#include "heard.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MS_PER_SECOND UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * MS_PER_SECOND + (uint64_t)t.tv_nsec / NS_PER_MS;
}

uint64_t
deadline_in(int ms)
{
	return now_ms() + (uint64_t)ms;
}

int
deadline_left(uint64_t deadline)
{
	const uint64_t now = now_ms();

	return now < deadline ? (int)(deadline - now) : 0;
}

void
heard_drop(struct heard *h)
{
	while (h->nfds > 0)
		if (h->fd[--h->nfds] >= 0)
			close(h->fd[h->nfds]);
}

/** Descriptors of one recvmsg(); the kernel closes those that have no room in it. */
static void
collect(struct heard *h, struct msghdr *in)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(in);
	int fd;

	h->more = h->more || (in->msg_flags & MSG_CTRUNC) != 0;
	if (c == NULL || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return;
	for (size_t at = CMSG_LEN(0); at + sizeof(fd) <= c->cmsg_len; at += sizeof(fd)) {
		memcpy(&fd, CMSG_DATA(c) + (at - CMSG_LEN(0)), sizeof(fd));
		if (h->nfds < RECORD_FDS_MAX) {
			h->fd[h->nfds++] = fd;
		} else {
			close(fd);
			h->more = true;
		}
	}
}

/** All of @p len bytes, or false. */
static bool
read_all(struct heard *h, int fd, void *to, size_t len, uint64_t deadline)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(RECORD_FDS_MAX * sizeof(int))];
	} rights;
	struct pollfd w = {.fd = fd, .events = POLLIN};
	uint8_t *p = to;

	while (len > 0) {
		struct iovec iov = {p, len};
		struct msghdr in = {.msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = &rights,
				    .msg_controllen = sizeof(rights)};
		ssize_t n;

		if (poll(&w, 1, deadline_left(deadline)) <= 0)
			return false;
		n = recvmsg(fd, &in, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
			return false;
		if (n < 0)
			continue;
		collect(h, &in);
		p += n;
		len -= (size_t)n;
	}
	return true;
}

bool
heard_read(struct heard *h, int fd, uint64_t deadline)
{
	struct vhu_msg *m = &h->m;

	h->nfds = 0;
	h->more = false;
	if (read_all(h, fd, &m->header, sizeof(m->header), deadline) &&
	    m->header.size <= sizeof(m->payload) &&
	    read_all(h, fd, &m->payload, m->header.size, deadline))
		return true;
	heard_drop(h);
	return false;
}
