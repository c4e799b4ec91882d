/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Blobs over a unix stream socket: a header, then the bytes in portions, each with as many of the
 * descriptors that are left as one message carries. The header says how many of both follow.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_byteorder.h>
#include <rte_common.h>

#include "base/blob.h"
#include "base/ev.h"

#define MAGIC 0x42535156u /* "VQSB" */
#define VERSION 1
#define PORTION 65536
#define PORTION_WITH_FDS 8 /* the shortest record that can have as many */

struct header {
	uint32_t magic;
	uint16_t version, zero;
	uint32_t len, nfds;
};

union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(BLOB_RECORD_FDS * sizeof(int))];
};

/** Wait until the socket is ready; 0 or -ETIMEDOUT. */
static int
wait_ready(int sock, short events, uint64_t deadline_ns)
{
	struct pollfd p = {.fd = sock, .events = events};
	uint64_t now;

	do {
		now = ev_now_ns();
		if (now >= deadline_ns)
			return -ETIMEDOUT;
	} while (poll(&p, 1, (int)((deadline_ns - now) / 1000000 + 1)) <= 0);
	return 0;
}

static uint64_t
deadline_in(uint32_t timeout_ms)
{
	return ev_now_ns() + (uint64_t)timeout_ms * 1000000;
}

/* --- sending --- */

/** Send @p len bytes, the first with @p nfds descriptors; the number sent or -errno. */
static ssize_t
send_once(int sock, const void *data, size_t len, const int *fds, uint32_t nfds)
{
	struct iovec iov = {(void *)(uintptr_t)data, len};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	union control c;
	ssize_t n;

	if (nfds > 0) {
		m.msg_control = &c;
		m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
					    .cmsg_type = SCM_RIGHTS,
					    .cmsg_len = CMSG_LEN(nfds * sizeof(int))};
		memcpy(CMSG_DATA(&c.header), fds, nfds * sizeof(int));
	}
	n = sendmsg(sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	return n < 0 ? -errno : n;
}

static int
send_portion(int sock, const uint8_t *data, size_t len, const int *fds, uint32_t nfds,
	     uint64_t deadline_ns)
{
	ssize_t n;

	while (len > 0) {
		int ret = wait_ready(sock, POLLOUT, deadline_ns);

		if (ret != 0)
			return ret;
		n = send_once(sock, data, len, fds, nfds);
		if (n == -EAGAIN || n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		nfds = 0;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

int
blob_send(int sock, const struct blob *b, uint32_t timeout_ms)
{
	const struct header h = {rte_cpu_to_le_32(MAGIC), rte_cpu_to_le_16(VERSION), 0,
				 rte_cpu_to_le_32((uint32_t)b->len), rte_cpu_to_le_32(b->nfds)};
	uint64_t deadline_ns = deadline_in(timeout_ms);
	uint32_t fds = 0, n;
	size_t pos, len;
	int ret;

	if (b->failed)
		return b->error != 0 ? b->error : -ENOMEM;
	if (b->len > UINT32_MAX)
		return -E2BIG;
	ret = send_portion(sock, (const uint8_t *)&h, sizeof(h), NULL, 0, deadline_ns);
	for (pos = 0; ret == 0 && pos < b->len; pos += len, fds += n) {
		n = RTE_MIN(b->nfds - fds, (uint32_t)BLOB_RECORD_FDS);
		len = RTE_MIN(b->len - pos, (size_t)(n > 0 ? PORTION_WITH_FDS : PORTION));
		ret = send_portion(sock, b->data + pos, len, n > 0 ? b->fd + fds : NULL, n,
				   deadline_ns);
	}
	return ret;
}

/* --- receiving --- */

/** Take over the descriptors of one message. 0, -EMFILE: not all are there, -EPROTO: too many. */
static int
take_fds(struct msghdr *m, struct blob *b, uint32_t expected)
{
	struct cmsghdr *c;
	bool extra = false;

	for (c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		uint32_t i, n = (uint32_t)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		int fds[BLOB_RECORD_FDS];

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(fds, CMSG_DATA(c), n * sizeof(int));
		for (i = 0; i < n; i++) {
			if (b->nfds < expected) {
				b->fd[b->nfds++] = fds[i];
				continue;
			}
			close(fds[i]);
			extra = true;
		}
	}
	if (m->msg_flags & MSG_CTRUNC)
		return -EMFILE;
	return extra ? -EPROTO : 0;
}

static ssize_t
receive_once(int sock, void *to, size_t len, struct blob *b, uint32_t expected)
{
	struct iovec iov = {to, len};
	union control c;
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &c,
		.msg_controllen = sizeof(c),
	};
	ssize_t n = recvmsg(sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int ret;

	if (n < 0)
		return -errno;
	ret = take_fds(&m, b, expected);
	if (ret != 0)
		return ret;
	return n == 0 ? -ECONNRESET : n;
}

static int
receive_all(int sock, void *to, size_t len, struct blob *b, uint32_t expected, uint64_t deadline_ns)
{
	uint8_t *at = to;
	ssize_t n;

	while (len > 0) {
		int ret = wait_ready(sock, POLLIN, deadline_ns);

		if (ret != 0)
			return ret;
		n = receive_once(sock, at, len, b, expected);
		if (n == -EAGAIN || n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

/** Check the header and make room for what it announces. */
static int
prepare(struct blob *b, const struct header *h, size_t max)
{
	uint32_t len = rte_le_to_cpu_32(h->len), nfds = rte_le_to_cpu_32(h->nfds);

	if (rte_le_to_cpu_32(h->magic) != MAGIC || rte_le_to_cpu_16(h->version) != VERSION ||
	    nfds > BLOB_FDS_MAX)
		return -EPROTO;
	if (len > max)
		return -EFBIG;
	b->data = malloc(RTE_MAX(len, 1u));
	b->fd = malloc(RTE_MAX(nfds, 1u) * sizeof(int));
	b->len = b->room = len;
	b->fd_room = nfds;
	return b->data != NULL && b->fd != NULL ? 0 : -ENOMEM;
}

int
blob_receive(int sock, struct blob *b, size_t max, uint32_t timeout_ms)
{
	uint64_t deadline_ns = deadline_in(timeout_ms);
	struct header h;
	int ret;

	ret = receive_all(sock, &h, sizeof(h), b, 0, deadline_ns);
	if (ret == 0)
		ret = prepare(b, &h, max);
	if (ret == 0)
		ret = receive_all(sock, b->data, b->len, b, b->fd_room, deadline_ns);
	if (ret == 0 && b->nfds != b->fd_room)
		ret = -EPROTO;
	if (ret != 0)
		blob_free(b);
	return ret;
}
