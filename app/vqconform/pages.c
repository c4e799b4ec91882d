/* SPDX-License-Identifier: BSD-3-Clause */
#include "pages.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "outcome.h"

void
pages_take(struct pages *p, uint8_t *memory, size_t len)
{
	*p = (struct pages){.uffd = -1, .size = len, .page = (size_t)getpagesize()};
	p->image = malloc(len);
	p->asked = calloc(len / p->page + 1, sizeof(p->asked[0]));
	if (p->image == NULL || p->asked == NULL)
		outcome_fail("out of memory");
	memcpy(p->image, memory, len);
	if (madvise(memory, len, MADV_REMOVE) != 0)
		outcome_fail("memory cannot be emptied: %s", strerror(errno));
}

static void
bring(const struct pages *p, size_t at)
{
	struct uffdio_copy copy = {
		.dst = p->address + at,
		.src = (uintptr_t)p->image + at,
		.len = p->page,
	};
	struct uffdio_range range = {copy.dst, copy.len};

	if (ioctl(p->uffd, UFFDIO_COPY, &copy) != 0 && errno == EEXIST)
		(void)ioctl(p->uffd, UFFDIO_WAKE, &range);
}

static void
handle(const struct pages *p, uint64_t address)
{
	const size_t at = (size_t)((address & ~(uint64_t)(p->page - 1)) - p->address);

	if (at >= p->size)
		return;
	atomic_store(&p->asked[at / p->page], true);
	if (at < p->kept_first || at >= p->kept_end)
		bring(p, at);
}

/** Until the process of the check ends. */
static void *
serve(void *arg)
{
	const struct pages *p = arg;
	struct pollfd w = {.fd = p->uffd, .events = POLLIN};
	struct uffd_msg m;

	while (poll(&w, 1, -1) > 0 && (w.revents & POLLIN) != 0)
		if (read(p->uffd, &m, sizeof(m)) == sizeof(m) && m.event == UFFD_EVENT_PAGEFAULT)
			handle(p, m.arg.pagefault.address);
	return NULL;
}

void
pages_serve(struct pages *p)
{
	const int flags = fcntl(p->uffd, F_GETFL);

	if (flags < 0 || fcntl(p->uffd, F_SETFL, flags | O_NONBLOCK) != 0)
		outcome_fail("userfaultfd: %s", strerror(errno));
	if (pthread_create(&p->thread, NULL, serve, p) != 0)
		outcome_fail("no thread for pages");
}

bool
pages_asked(const struct pages *p, size_t first, size_t len)
{
	for (size_t i = first / p->page; i <= (first + len - 1) / p->page; i++)
		if (atomic_load(&p->asked[i]))
			return true;
	return false;
}

void
pages_bring_all(const struct pages *p)
{
	for (size_t at = 0; at < p->size; at += p->page)
		bring(p, at);
}
