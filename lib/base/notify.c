/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_lcore.h>

#include "base/notify.h"

#define RESULTS_MAX 32 /* results of operations that are left unread */

/** A thread's asynchronous operations. After notify_init() only that thread uses them. */
struct notifier {
	aio_context_t ctx; /* 0: none yet */
	uint32_t results;  /* unread ones in ctx */
} __rte_cache_aligned;

static struct notifier of_lcore[RTE_MAX_LCORE];
static __thread struct notifier of_thread; /* of a thread that is no lcore */

/* The file all operations read, to no effect. */
static int nothing;

RTE_INIT(open_nothing)
{
	nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int
notifier_start(struct notifier *n)
{
	if (nothing < 0)
		return -EBADF;
	if (n->ctx != 0)
		return 0;
	return syscall(SYS_io_setup, RESULTS_MAX, &n->ctx) == 0 ? 0 : -errno;
}

/** The kernel keeps the result of every operation until it is read. */
static void
notifier_clear(struct notifier *n)
{
	struct io_event ignored[RESULTS_MAX];
	struct timespec now = {0};

	syscall(SYS_io_getevents, n->ctx, 0, RESULTS_MAX, ignored, &now);
	n->results = 0;
}

int
notify_init(void)
{
	unsigned int lcore;
	int ret = 0;

	RTE_LCORE_FOREACH (lcore)
		if (ret == 0)
			ret = notifier_start(&of_lcore[lcore]);
	return ret;
}

bool
notify_peer(int fd)
{
	const unsigned int lcore = rte_lcore_id();
	struct notifier *n = lcore < RTE_MAX_LCORE ? &of_lcore[lcore] : &of_thread;
	struct iocb op = {
		.aio_lio_opcode = IOCB_CMD_PREAD,
		.aio_fildes = (uint32_t)nothing,
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = (uint32_t)fd,
	};
	struct iocb *list = &op;

	if (fd < 0 || unlikely(n->ctx == 0 && notifier_start(n) != 0))
		return false;
	if (n->results == RESULTS_MAX)
		notifier_clear(n);
	n->results++;
	return syscall(SYS_io_submit, n->ctx, 1, &list) == 1;
}
