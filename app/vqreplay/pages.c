/* SPDX-License-Identifier: BSD-3-Clause */
#include "pages.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/record_fd.h"

#define PAGE_MAX 65536u /* of all machines: memory that is played has small pages */
#define PATIENCE_S 10
#define AT_ONCE 64 /* faults; one who asks without end is not served without end */

bool
pages_take(int *taken, int fd)
{
	int flags = fcntl(fd, F_GETFL);

	/* the flag is the back-end's, too, which does not read it */
	if (record_fd_of(fd).kind != RECORD_FD_USERFAULTFD || flags < 0 ||
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return false;
	if (*taken >= 0)
		close(*taken);
	*taken = fd;
	return true;
}

/** Another one may have brought it: who waits has to be woken all the same. */
static void
bring(int fd, uint64_t address)
{
	static const uint8_t zeros[PAGE_MAX] __attribute__((aligned(PAGE_MAX)));
	const uint64_t size = (uint64_t)getpagesize();
	struct uffdio_copy copy = {
		.dst = address & ~(size - 1),
		.src = (uintptr_t)zeros,
		.len = size,
	};
	struct uffdio_range range = {.start = copy.dst, .len = size};

	if (ioctl(fd, UFFDIO_COPY, &copy) != 0 && errno == EEXIST)
		(void)ioctl(fd, UFFDIO_WAKE, &range);
}

/** Only page faults are asked for; the one who made the descriptor may have it tell more. */
static void
handle(int fd, const struct uffd_msg *m)
{
	if (m->event == UFFD_EVENT_PAGEFAULT)
		bring(fd, m->arg.pagefault.address);
	else if (m->event == UFFD_EVENT_FORK)
		close((int)m->arg.fork.ufd);
}

static void
wake_up(int signal)
{
}

/** The one who made it can have it block all the same: then the read ends by a signal. */
static void
give_up_in(unsigned int seconds)
{
	const struct sigaction act = {.sa_handler = wake_up};

	sigaction(SIGALRM, &act, NULL);
	alarm(seconds);
}

int
pages_bring(int fd)
{
	struct uffd_msg m;
	int n = 0;

	give_up_in(PATIENCE_S);
	while (n < AT_ONCE && read(fd, &m, sizeof(m)) == sizeof(m)) {
		handle(fd, &m);
		n++;
	}
	n = n == 0 && errno != EAGAIN ? -1 : n;
	give_up_in(0);
	return n;
}
