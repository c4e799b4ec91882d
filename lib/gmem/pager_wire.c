/* SPDX-License-Identifier: BSD-3-Clause */
#include "gmem/pager_wire.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/** Room for one descriptor, aligned as the headers in it. */
union control {
	char buf[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

bool
pager_send(int sock, const struct pager_msg *m, int fd, int flags)
{
	union control control = {{0}};
	struct iovec iov = {(void *)(uintptr_t)m, sizeof(*m)};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;

	if (fd >= 0) {
		mh.msg_control = control.buf;
		mh.msg_controllen = sizeof(control.buf);
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	return sendmsg(sock, &mh, flags | MSG_NOSIGNAL) == (ssize_t)sizeof(*m);
}

/** The descriptor passed along; of a sender that passes more the others are closed. */
static int
take_passed(struct msghdr *mh)
{
	struct cmsghdr *c;
	int fd = -1;

	for (c = CMSG_FIRSTHDR(mh); c != NULL; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		/* padding behind one has room for another */
		for (size_t at = CMSG_LEN(0); at + sizeof(fd) <= c->cmsg_len; at += sizeof(fd)) {
			if (fd >= 0)
				close(fd);
			memcpy(&fd, (const uint8_t *)c + at, sizeof(fd));
		}
	}
	return fd;
}

ssize_t
pager_receive(int sock, struct pager_msg *m, int *fd, int flags)
{
	union control control;
	struct iovec iov = {m, sizeof(*m)};
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t n = recvmsg(sock, &mh, flags | MSG_CMSG_CLOEXEC);

	*fd = n > 0 ? take_passed(&mh) : -1;
	return n;
}
