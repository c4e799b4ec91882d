/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/heir.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/blob.h"

#define NAME_LEN_MAX 4096

struct heir {
	STAILQ_ENTRY(heir) entry;
	int fd;
	char name[];
};

STAILQ_HEAD(heirs, heir);

static struct heirs noted = STAILQ_HEAD_INITIALIZER(noted);       /* not owned */
static struct heirs received = STAILQ_HEAD_INITIALIZER(received); /* owned */
static bool pending;

static bool
add(struct heirs *list, const char *name, size_t len, int fd)
{
	struct heir *h = malloc(sizeof(*h) + len + 1);

	if (h == NULL)
		return false;
	h->fd = fd;
	memcpy(h->name, name, len);
	h->name[len] = '\0';
	STAILQ_INSERT_TAIL(list, h, entry);
	return true;
}

void
heir_note(const char *name, int fd)
{
	(void)add(&noted, name, strlen(name), fd);
}

void
heir_forget(int fd)
{
	struct heir *h;

	STAILQ_FOREACH (h, &noted, entry)
		if (h->fd == fd)
			break;
	if (h == NULL)
		return;
	STAILQ_REMOVE(&noted, h, heir, entry);
	free(h);
}

int
heir_take(const char *name)
{
	struct heir *h;
	int fd;

	STAILQ_FOREACH (h, &received, entry)
		if (strcmp(h->name, name) == 0)
			break;
	if (h == NULL)
		return -1;
	fd = h->fd;
	STAILQ_REMOVE(&received, h, heir, entry);
	free(h);
	return fd;
}

void
heir_save(struct blob *b, uint16_t type)
{
	const struct heir *h;

	STAILQ_FOREACH (h, &noted, entry) {
		const struct blob_record r = {type, BLOB_MUST_KNOW, (uint32_t)strlen(h->name), 1};

		blob_put_fds(b, &r, h->name, &h->fd);
	}
}

bool
heir_load(struct blob_reader *r, const void *name, uint32_t len)
{
	int fd = blob_take_fd(r, 0);

	if (fd >= 0 && len != 0 && len <= NAME_LEN_MAX && memchr(name, '\0', len) == NULL &&
	    add(&received, name, len, fd)) {
		pending = true;
		return true;
	}
	if (fd >= 0)
		close(fd);
	return false;
}

bool
heir_pending(void)
{
	return pending;
}

void
heir_close_rest(void)
{
	struct heir *h;

	pending = false;
	while ((h = STAILQ_FIRST(&received)) != NULL) {
		STAILQ_REMOVE_HEAD(&received, entry);
		close(h->fd);
		free(h);
	}
}
