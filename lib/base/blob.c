/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_byteorder.h>
#include <rte_common.h>

#define ROOM_FIRST 4096
#define FDS_FIRST 16
#define ALIGN 8

/** A record's head in the bytes. */
struct wire {
	uint16_t type;
	uint8_t flags, nfds;
	uint32_t len;
};

void
blob_free(struct blob *b)
{
	uint32_t i;

	for (i = 0; i < b->nfds; i++)
		if (b->fd[i] >= 0)
			close(b->fd[i]);
	free(b->fd);
	free(b->data);
	*b = (struct blob){0};
}

static bool
make_room(struct blob *b, size_t len)
{
	size_t room = b->room == 0 ? ROOM_FIRST : b->room;
	uint8_t *data;

	while (room - b->len < len)
		room *= 2;
	if (room == b->room)
		return true;
	data = realloc(b->data, room);
	if (data == NULL) {
		b->failed = true;
		b->error = -ENOMEM;
		return false;
	}
	b->data = data;
	b->room = room;
	return true;
}

void
blob_put(struct blob *b, const void *data, size_t len)
{
	if (b->failed || len == 0 || !make_room(b, len))
		return;
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

static bool
make_fd_room(struct blob *b, uint32_t n)
{
	uint32_t room = b->fd_room == 0 ? FDS_FIRST : b->fd_room;
	int *fd;

	if (n > BLOB_FDS_MAX - b->nfds)
		return false;
	while (room - b->nfds < n)
		room *= 2;
	if (room == b->fd_room)
		return true;
	fd = reallocarray(b->fd, room, sizeof(*fd));
	if (fd == NULL)
		return false;
	b->fd = fd;
	b->fd_room = room;
	return true;
}

/** Append duplicates of @p n descriptors. 0 or -errno. */
static int
put_fds(struct blob *b, const int *fds, uint32_t n)
{
	uint32_t i;

	if (n == 0)
		return 0;
	if (n > BLOB_RECORD_FDS)
		return -E2BIG;
	if (!make_fd_room(b, n))
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);

		if (fd < 0)
			return -errno;
		b->fd[b->nfds++] = fd;
	}
	return 0;
}

void
blob_put_fds(struct blob *b, const struct blob_record *r, const void *data, const int *fds)
{
	static const uint8_t padding[ALIGN];
	const struct wire head = {rte_cpu_to_le_16(r->type), r->flags, r->nfds,
				  rte_cpu_to_le_32(r->len)};

	if (b->failed)
		return;
	b->error = put_fds(b, fds, r->nfds);
	b->failed = b->error != 0;
	blob_put(b, &head, sizeof(head));
	blob_put(b, data, r->len);
	blob_put(b, padding, RTE_ALIGN_CEIL((size_t)r->len, ALIGN) - r->len);
}

void
blob_put_record(struct blob *b, const struct blob_record *r, const void *data)
{
	struct blob_record without = *r;

	without.nfds = 0;
	blob_put_fds(b, &without, data, NULL);
}

static const uint8_t *
next(const uint8_t *p, size_t len, size_t *pos, struct blob_record *r)
{
	const uint8_t *data;
	struct wire head;

	if (len - *pos < sizeof(head))
		return NULL;
	memcpy(&head, p + *pos, sizeof(head));
	*r = (struct blob_record){rte_le_to_cpu_16(head.type), head.flags,
				  rte_le_to_cpu_32(head.len), head.nfds};
	*pos += sizeof(head);
	data = p + *pos;
	if (RTE_ALIGN_CEIL((size_t)r->len, ALIGN) > len - *pos)
		return NULL;
	*pos += RTE_ALIGN_CEIL((size_t)r->len, ALIGN);
	return data;
}

const uint8_t *
blob_next(const uint8_t *p, size_t len, size_t *pos, struct blob_record *r)
{
	const uint8_t *data = next(p, len, pos, r);

	return data != NULL && r->nfds == 0 ? data : NULL;
}

const uint8_t *
blob_read(struct blob_reader *reader, struct blob_record *r)
{
	const struct blob *b = reader->blob;
	size_t pos = reader->pos;
	const uint8_t *data = next(b->data, b->len, &pos, r);

	if (data == NULL || r->nfds > b->nfds - reader->fds)
		return NULL;
	reader->pos = pos;
	reader->fds += r->nfds;
	reader->record = r->nfds;
	return data;
}

bool
blob_at_end(const struct blob_reader *reader)
{
	return reader->pos == reader->blob->len && reader->fds == reader->blob->nfds;
}

int
blob_take_fd(struct blob_reader *reader, uint32_t i)
{
	int *slot, fd;

	if (i >= reader->record)
		return -1;
	slot = &reader->blob->fd[reader->fds - reader->record + i];
	fd = *slot;
	*slot = -1;
	return fd;
}
