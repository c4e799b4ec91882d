/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The process of a pager. It is this program once more, which finds that it is called by that name
 * and ends before main(): there is nothing to install, and it is always of the same version.
 *
 * The main thread maps what it is told to and hands out pages to lanes, threads that touch them.
 * The front-end may hold any of them for ever; then the others go on, and the switch ends this
 * process when its session is over.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_common.h>

#include "gmem/pager_uffd.h"
#include "gmem/pager_wire.h"
#include "gmem/sandbox.h"

const char pager_process_name[] = "vqs-pager";

/** A region as it is mapped; main thread, and lanes while they serve the same table. */
struct mapped {
	uint8_t *base;
	size_t len;
	size_t page;
};

struct lane_state {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct pager_msg want[PAGER_WANTED];
	struct mapped of[PAGER_WANTED]; /* the region of each */
	uint32_t head, n;
};

static struct lane_state lanes[PAGER_LANES];
static pthread_barrier_t started;
static struct mapped regions[PAGER_REGIONS];
static uint32_t nregions;
static _Atomic uint32_t table; /* of regions */
static int uffd;

static void
say(const struct pager_msg *m, int fd)
{
	if (!pager_send(PAGER_FD, m, fd, 0))
		_exit(1);
}

/* --- lanes --- */

/**
 * Pages around @p page that are there as well, since the kernel tells at no cost: the front-end
 * brings pages unasked, too. Those of huge pages are not told.
 */
static void
look_around(const struct mapped *r, uint64_t page, struct pager_msg *have)
{
	const uint64_t first = RTE_ALIGN_FLOOR(page, (uint64_t)PAGER_HAVE_MAX);
	const uint64_t n = RTE_MIN((uint64_t)PAGER_HAVE_MAX, r->len / r->page - first);
	unsigned char there[PAGER_HAVE_MAX];
	uint64_t from = page - first, to = from + 1;

	if (r->page != (size_t)getpagesize() ||
	    mincore(r->base + first * r->page, n * r->page, there) != 0)
		return;
	while (from > 0 && there[from - 1] & 1)
		from--;
	while (to < n && there[to] & 1)
		to++;
	have->first = first + from;
	have->count = to - from;
}

static void
touch(const struct mapped *r, const struct pager_msg *want)
{
	struct pager_msg have = *want;

	have.op = PAGER_HAVE;
	have.count = 1;
	have.answer = 1;
	if (atomic_load(&table) != want->table)
		return;
	(void)*(const volatile uint8_t *)(r->base + want->first * r->page); /* may take forever */
	if (atomic_load(&table) != want->table)
		return;
	look_around(r, want->first, &have);
	say(&have, -1);
}

static void *
lane_run(void *arg)
{
	struct lane_state *l = arg;
	struct pager_msg want;
	struct mapped r;

	if (sandbox_enter() != 0)
		_exit(1);
	pthread_barrier_wait(&started);
	for (;;) {
		pthread_mutex_lock(&l->lock);
		while (l->n == 0)
			pthread_cond_wait(&l->more, &l->lock);
		want = l->want[l->head];
		r = l->of[l->head];
		l->head = (l->head + 1) % PAGER_WANTED;
		l->n--;
		pthread_mutex_unlock(&l->lock);
		touch(&r, &want);
	}
	return NULL;
}

static void
heard_want(const struct pager_msg *m)
{
	struct lane_state *l = &lanes[m->lane % PAGER_LANES];
	uint32_t at;

	if (m->region >= nregions || m->first >= regions[m->region].len / regions[m->region].page)
		return;
	pthread_mutex_lock(&l->lock);
	if (l->n < PAGER_WANTED) {
		at = (l->head + l->n++) % PAGER_WANTED;
		l->want[at] = *m;
		l->of[at] = regions[m->region];
		pthread_cond_signal(&l->more);
	}
	pthread_mutex_unlock(&l->lock);
}

/* --- tables --- */

/**
 * A lane may be held at a page of the table: anonymous memory takes the place of the regions, and
 * all are woken. The addresses are not used again.
 */
static void
forget(uint32_t next)
{
	struct uffdio_range range;
	uint32_t i;

	atomic_store(&table, next);
	for (i = 0; i < nregions; i++) {
		const struct mapped *r = &regions[i];

		if (mmap(r->base, r->len, PROT_READ,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
			 0) == MAP_FAILED)
			_exit(1);
		range = (struct uffdio_range){(uintptr_t)r->base, r->len};
		(void)ioctl(uffd, UFFDIO_WAKE, &range);
	}
	for (i = 0; i < PAGER_LANES; i++) {
		pthread_mutex_lock(&lanes[i].lock);
		lanes[i].n = 0;
		pthread_mutex_unlock(&lanes[i].lock);
	}
	nregions = 0;
}

static bool
watch(const struct mapped *r)
{
	struct uffdio_register reg = {
		.range = {(uintptr_t)r->base, r->len},
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	return ioctl(uffd, UFFDIO_REGISTER, &reg) == 0;
}

static void
heard_map(const struct pager_msg *m, int fd)
{
	const uint64_t page = m->page;
	const uint64_t start = RTE_ALIGN_FLOOR(m->first, page);
	struct mapped r = {.page = page, .len = RTE_ALIGN_CEIL(m->first + m->count, page) - start};
	struct pager_msg answer = {.op = PAGER_FAILED, .table = m->table, .region = m->region};

	if (nregions == PAGER_REGIONS)
		_exit(1);
	atomic_store(&table, m->table);
	r.base = mmap(NULL, r.len, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, (off_t)start);
	if (r.base != MAP_FAILED && watch(&r)) {
		regions[nregions++] = r;
		answer.op = PAGER_MAPPED;
		answer.first = (uintptr_t)r.base + (m->first - start);
	} else {
		answer.error = errno;
	}
	say(&answer, -1);
}

/** False: the switch is gone, or done with this process. */
static bool
serve(void)
{
	struct pager_msg m;
	int fd;

	if (pager_receive(PAGER_FD, &m, &fd, 0) != (ssize_t)sizeof(m))
		return false;
	if (m.op == PAGER_FORGET)
		forget(m.table);
	else if (m.op == PAGER_MAP)
		heard_map(&m, fd);
	else if (m.op == PAGER_WANT)
		heard_want(&m);
	if (fd >= 0)
		close(fd);
	return true;
}

/* --- the process --- */

/** When it returns they are in the sandbox. */
static bool
start_lanes(void)
{
	pthread_t thread;
	int i;

	pthread_barrier_init(&started, NULL, PAGER_LANES + 1);
	for (i = 0; i < PAGER_LANES; i++) {
		pthread_mutex_init(&lanes[i].lock, NULL);
		pthread_cond_init(&lanes[i].more, NULL);
		if (pthread_create(&thread, NULL, lane_run, &lanes[i]) != 0)
			return false;
	}
	pthread_barrier_wait(&started);
	return true;
}

/** Close descriptors from @p first to @p last, one by one on kernels before 5.9. */
static void
close_all(unsigned int first, unsigned int last)
{
	struct rlimit most = {.rlim_cur = 1024};

	if (syscall(SYS_close_range, first, last, 0) == 0)
		return;
	getrlimit(RLIMIT_NOFILE, &most);
	for (rlim_t fd = first; fd <= last && fd < most.rlim_cur; fd++)
		close((int)fd);
}

/** Keep the socket and the userfaultfd, in the number after it. */
static void
keep_two(void)
{
	if (uffd != PAGER_FD + 1) {
		dup2(uffd, PAGER_FD + 1);
		uffd = PAGER_FD + 1;
	}
	close_all(PAGER_FD + 2, UINT_MAX);
	close_all(0, PAGER_FD - 1);
}

static _Noreturn void
run(void)
{
	struct pager_msg m = {.op = PAGER_READY};
	const char *why;

	prctl(PR_SET_NAME, pager_process_name);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_DUMPABLE, 0);
	/* before that: older kernels have none for a process without capabilities */
	uffd = pager_uffd_open(&why);
	if (!sandbox_drop_capabilities())
		_exit(1);
	if (uffd < 0) {
		m.op = PAGER_FAILED;
		say(&m, -1);
		_exit(1);
	}
	keep_two();
	if (!start_lanes() || sandbox_enter() != 0)
		_exit(1);
	say(&m, uffd);
	while (serve())
		;
	_exit(0);
}

/* Before main(), which would start another switch. */
__attribute__((constructor)) static void
begin(int argc, char **argv)
{
	if (argc == 1 && strcmp(argv[0], pager_process_name) == 0)
		run();
}
