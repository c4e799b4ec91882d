/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames as they come: the switch writes them to a socket pair, and from it they are copied. */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vqsctl.h"

/* Send a line and @p passed with its first byte. */
static bool
send_with(int fd, const char *line, int passed)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} rights = {0};
	struct iovec from = {(void *)(uintptr_t)line, 1};
	struct msghdr m = {
		.msg_iov = &from,
		.msg_iovlen = 1,
		.msg_control = &rights,
		.msg_controllen = sizeof(rights),
	};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &passed, sizeof(int));
	return sendmsg(fd, &m, MSG_NOSIGNAL) == 1 && send_all(fd, line + 1, strlen(line + 1));
}

static bool
write_all(const char *data, ssize_t len)
{
	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, data, (size_t)len);

		if (n < 0 && errno != EINTR)
			return false;
		data += n > 0 ? n : 0;
		len -= n > 0 ? n : 0;
	}
	return true;
}

/* False: there is no more, or no reader. */
static bool
copy_some(int from)
{
	char buf[65536];
	ssize_t n = read(from, buf, sizeof(buf));

	return (n > 0 && write_all(buf, n)) || (n < 0 && errno == EINTR);
}

/* Until either end is closed: a reader that ends says so before the next frame comes. */
static void
copy(int from)
{
	struct pollfd p[] = {{.fd = from, .events = POLLIN}, {.fd = STDOUT_FILENO}};

	for (;;) {
		if (poll(p, 2, -1) < 0) {
			if (errno != EINTR)
				return;
			continue;
		}
		if (p[0].revents != 0 && !copy_some(from))
			return;
		if ((p[1].revents & (POLLERR | POLLHUP)) != 0)
			return;
	}
}

int
live(int fd, const char *line)
{
	int ends[2], status;
	bool sent;

	if (isatty(STDOUT_FILENO)) {
		fputs("vqsctl: frames are no text for a terminal: 'vqsctl capture PORT | wireshark "
		      "-k -i -', or '> FILE'\n",
		      stderr);
		return UNUSABLE;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
		fprintf(stderr, "vqsctl: %s\n", strerror(errno));
		return UNUSABLE;
	}
	sent = send_with(fd, line, ends[1]);
	close(ends[1]);
	if (sent)
		copy(ends[0]);
	/* a capture that still runs finds its reader gone, and ends */
	close(ends[0]);
	status = read_answer(fd, stderr);
	return status;
}
