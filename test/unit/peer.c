/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "peer.h"

#define PEER_FDS_MAX 16

int
peer_write(int fd, const void *data, size_t len, const int *fds, uint32_t n)
{
	union {
		char buf[CMSG_SPACE(PEER_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {(void *)(uintptr_t)data, len};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n > 0) {
		memset(&control, 0, sizeof(control));
		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(n * sizeof(int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(&control.align), fds, n * sizeof(int));
	}
	return (int)sendmsg(fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void
peer_send(int fd, uint32_t request, uint32_t flags, const void *payload, uint32_t size,
	  const int *fds, uint32_t n)
{
	const struct vhu_header h = {request, flags, size};
	uint8_t bytes[sizeof(h) + VHU_PAYLOAD_MAX];

	memcpy(bytes, &h, sizeof(h));
	if (size > 0)
		memcpy(bytes + sizeof(h), payload, size);
	peer_write(fd, bytes, sizeof(h) + size, fds, n);
}

bool
peer_recv(int fd, struct vhu_msg *m, int *got_fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {&m->header, sizeof(m->header)};
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};

	*got_fd = -1;
	if (recvmsg(fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != sizeof(m->header))
		return false;
	if (CMSG_FIRSTHDR(&mh) != NULL)
		memcpy(got_fd, CMSG_DATA(CMSG_FIRSTHDR(&mh)), sizeof(*got_fd));
	return m->header.size == 0 ||
	       recv(fd, &m->payload, m->header.size, MSG_DONTWAIT) == (ssize_t)m->header.size;
}

bool
peer_closed(int fd)
{
	char rest[4096];
	ssize_t n;

	do
		n = recv(fd, rest, sizeof(rest), MSG_DONTWAIT);
	while (n > 0);
	return n == 0 || errno == ECONNRESET;
}
