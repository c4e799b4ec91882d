/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Records with descriptors from a peer. The first byte says how many descriptors come along and
 * whether a right header is put before the rest, which else is the header, too. No descriptor may
 * be left open, and the records read cover no more than what was received.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/blob.h"
#include "fuzz/fuzz.h"

#define MAX 4096
#define FDS 7u

struct header {
	uint32_t magic;
	uint16_t version, zero;
	uint32_t len, nfds;
};

static int
lowest_free(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

static void
send_all(int sock, const uint8_t *data, size_t size, uint32_t nfds)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(FDS * sizeof(int))];
	} c = {.header = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
	struct iovec iov = {(void *)(uintptr_t)data, size};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	int fds[FDS];
	uint32_t i;

	for (i = 0; i < FDS; i++)
		fds[i] = sock;
	if (nfds > 0) {
		c.header.cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(&c.header), fds, nfds * sizeof(int));
		m.msg_control = &c;
		m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
	}
	CHECK(size == 0 || sendmsg(sock, &m, 0) == (ssize_t)size);
}

static void
read_all(struct blob *b)
{
	struct blob_reader reader = {.blob = b};
	uint32_t fds = 0;
	struct blob_record r;
	const uint8_t *data;

	while ((data = blob_read(&reader, &r)) != NULL) {
		CHECK(data >= b->data && data + r.len <= b->data + b->len);
		fds += r.nfds;
		if (r.nfds > 0)
			close(blob_take_fd(&reader, r.type % r.nfds));
		CHECK(blob_take_fd(&reader, r.nfds) == -1);
	}
	CHECK(fds <= b->nfds);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct header h = {.magic = 0x42535156u, .version = 1};
	int pair[2], free_before = lowest_free(), free_after;
	struct blob b = {0};
	uint32_t nfds;

	close(free_before);
	if (size == 0)
		return 0;
	nfds = data[0] % (FDS + 1);
	h.len = (uint32_t)(size - 1);
	h.nfds = nfds;
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	if (data[0] & 0x80)
		send_all(pair[0], (const uint8_t *)&h, sizeof(h), 0);
	send_all(pair[0], data + 1, size - 1, nfds);
	close(pair[0]);
	if (blob_receive(pair[1], &b, MAX, 60000) == 0)
		read_all(&b);
	else
		CHECK(b.data == NULL && b.nfds == 0);
	blob_free(&b);
	close(pair[1]);
	free_after = lowest_free();
	close(free_after);
	CHECK(free_after == free_before);
	return 0;
}
