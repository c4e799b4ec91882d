/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_common.h>

#include "base/ev.h"
#include "base/lane.h"
#include "gmem/file.h"
#include "gmem/gmem.h"
#include "gmem/pager.h"
#include "gmem/pager_uffd.h"
#include "gmem/pager_wire.h"
#include "gmem/present.h"
#include "gmem/sandbox.h"

#define BURST 64 /* messages read before other work of control's */
#define NS_PER_US 1000u

struct pager {
	struct ev_source src; /* [ctl] our end */
	struct lane *lane;
	struct lane_job start, end;
	const struct pager_ops *ops;
	void *ctx;
	/* [ctl] */
	enum pager_state state;
	const char *why;
	int uffd; /* -1: not there yet, or taken */
	struct gmem *map;
	uint32_t table, mapped;
	uint64_t address[PAGER_REGIONS];
	uint64_t *asked[PAGER_REGIONS]; /* bits of pages that were */
	struct pager_counters count;
	uint64_t since_ns;                  /* a page is awaited, if one is */
	uint32_t lane_waiting[PAGER_LANES]; /* of count.waiting */
	/* the lane's */
	int theirs; /* the process's end, until it has it */
	pid_t pid;  /* -1: there is none */
};

const char *
pager_unavailable(void)
{
	static bool available;
	const char *why = NULL;
	int fd;

	if (available)
		return NULL;
	/* it is tried again each time: descriptors may be short at this moment only */
	fd = pager_uffd_open(&why);
	if (fd < 0)
		return why;
	close(fd);
	if (!sandbox_may_drop_capabilities())
		return "capset is forbidden here, which a process for post-copy needs";
	available = true;
	return NULL;
}

/* --- in the lane --- */

static void
run_start(struct lane_job *j)
{
	struct pager *p = container_of(j, struct pager, start);
	char *const argv[] = {(char *)(uintptr_t)pager_process_name, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none;

	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_init(&files);
	/* a descriptor with that number already would stay close-on-exec */
	posix_spawn_file_actions_adddup2(&files, p->theirs, PAGER_FD);
	if (posix_spawn(&p->pid, "/proc/self/exe", &files, &attr, argv, environ) != 0)
		p->pid = -1;
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	close(p->theirs); /* the end of a process that was not started is seen at ours */
}

static void
run_end(struct lane_job *j)
{
	struct pager *p = container_of(j, struct pager, end);
	struct lane *l = p->lane;

	if (p->pid > 0) {
		kill(p->pid, SIGKILL);
		while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close(p->src.fd);
	if (p->uffd >= 0)
		close(p->uffd);
	free(p);
	lane_put(l);
}

/* --- control --- */

static void
die(struct pager *p, const char *why)
{
	if (p->state == PAGER_DEAD)
		return;
	p->state = PAGER_DEAD;
	p->why = why;
	ev_del(&p->src);
}

static bool
tell(const struct pager *p, const struct pager_msg *m, int fd)
{
	return pager_send(p->src.fd, m, fd, MSG_DONTWAIT);
}

static void
heard_ready(struct pager *p, int fd)
{
	if (p->state != PAGER_STARTING || fd < 0) {
		die(p, "the process for post-copy gave no userfaultfd");
		return;
	}
	p->uffd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	p->state = PAGER_IDLE;
}

static void
heard_mapped(struct pager *p, const struct pager_msg *m)
{
	if (p->state != PAGER_MAPPING || m->region != p->mapped)
		return;
	p->address[p->mapped++] = m->first;
	if (p->mapped == p->map->n)
		p->state = PAGER_SERVING;
}

/* How long pages are awaited already. */
static uint64_t
awaited_us(const struct pager *p)
{
	return (ev_now_ns() - p->since_ns) / NS_PER_US;
}

static void
add_stall(struct pager_counters *c, uint64_t us)
{
	c->stalled_us += us;
	c->longest_us = RTE_MAX(c->longest_us, us);
}

/* @p n of the pages that are awaited are so no more. */
static void
stop_waiting(struct pager *p, uint64_t n)
{
	const bool any = p->count.waiting != 0;

	p->count.waiting -= RTE_MIN(p->count.waiting, n);
	if (any && p->count.waiting == 0)
		add_stall(&p->count, awaited_us(p));
}

static void
heard_have(struct pager *p, const struct pager_msg *m)
{
	struct present_region *r;
	uint32_t *waiting;

	if (p->state != PAGER_SERVING || m->region >= p->map->n)
		return;
	stop_waiting(p, m->answer);
	waiting = &p->lane_waiting[m->lane % PAGER_LANES];
	*waiting -= RTE_MIN(*waiting, m->answer);
	r = &p->map->present->r[m->region];
	p->count.arrived += present_set(r, m->first, RTE_MIN(m->count, (uint64_t)PAGER_HAVE_MAX));
}

static void
heard(struct pager *p, const struct pager_msg *m, int fd)
{
	if (m->op == PAGER_READY)
		heard_ready(p, fd);
	else if (m->op == PAGER_FAILED && (p->state == PAGER_STARTING || m->table == p->table))
		die(p, p->state == PAGER_STARTING ? "the process for post-copy has no userfaultfd"
						  : "guest memory cannot be watched for faults");
	else if (m->op == PAGER_MAPPED && m->table == p->table)
		heard_mapped(p, m);
	else if (m->op == PAGER_HAVE && m->table == p->table)
		heard_have(p, m);
}

/** One message. False: there is none. */
static bool
listen_once(struct pager *p)
{
	struct pager_msg m;
	int fd;
	ssize_t n = pager_receive(p->src.fd, &m, &fd, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n == (ssize_t)sizeof(m))
		heard(p, &m, fd);
	else
		die(p, "the process for post-copy has ended");
	if (fd >= 0)
		close(fd);
	return p->state != PAGER_DEAD;
}

static void
on_readable(struct ev_source *src, uint32_t events)
{
	struct pager *p = container_of(src, struct pager, src);
	int i;

	for (i = 0; i < BURST && listen_once(p); i++)
		;
	p->ops->event(p, p->ctx);
}

struct pager *
pager_new(struct ev_loop *loop, struct lane *l, const struct pager_ops *ops, void *ctx)
{
	struct pager *p = calloc(1, sizeof(*p));
	int pair[2];

	if (p == NULL || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
		free(p);
		return NULL;
	}
	*p = (struct pager){
		.src = {.fd = pair[0], .cb = on_readable},
		.lane = l,
		.start.fn = run_start,
		.end.fn = run_end,
		.ops = ops,
		.ctx = ctx,
		.uffd = -1,
		.theirs = pair[1],
		.pid = -1,
	};
	if (ev_add(loop, &p->src, EPOLLIN) != 0) {
		close(pair[0]);
		close(pair[1]);
		free(p);
		return NULL;
	}
	lane_get(l);
	lane_submit(l, &p->start);
	return p;
}

void
pager_free(struct pager *p)
{
	if (p == NULL)
		return;
	pager_unmap(p);
	ev_del(&p->src);
	lane_submit(p->lane, &p->end);
}

enum pager_state
pager_state(const struct pager *p)
{
	return p->state;
}

const char *
pager_why(const struct pager *p)
{
	return p->why;
}

int
pager_take_fd(struct pager *p)
{
	int fd = p->uffd;

	p->uffd = -1;
	return fd;
}

void
pager_unmap(struct pager *p)
{
	const struct pager_msg forget = {.op = PAGER_FORGET, .table = ++p->table};
	uint32_t i;

	for (i = 0; i < PAGER_REGIONS; i++) {
		free(p->asked[i]);
		p->asked[i] = NULL;
	}
	p->map = NULL;
	p->mapped = 0;
	stop_waiting(p, p->count.waiting);
	memset(p->lane_waiting, 0, sizeof(p->lane_waiting));
	if (p->state != PAGER_MAPPING && p->state != PAGER_SERVING)
		return;
	p->state = PAGER_IDLE;
	if (!tell(p, &forget, -1))
		die(p, "the process for post-copy does not read");
}

static int
map_region(struct pager *p, const struct gmem_region *r, uint32_t i)
{
	const struct present_region *at = &p->map->present->r[i];
	struct pager_msg m = {
		.op = PAGER_MAP,
		.table = p->table,
		.region = i,
		.count = r->size,
		.page = gmem_file_range(r->file).page,
	};
	int fd = gmem_file_fd(r->file, r->hva, &m.first);

	p->asked[i] = calloc((at->pages + 63) / 64, sizeof(*p->asked[i]));
	if (p->asked[i] == NULL)
		return -ENOMEM;
	return tell(p, &m, fd) ? 0 : -EAGAIN;
}

int
pager_map(struct pager *p, struct gmem *m)
{
	uint32_t i;
	int ret = 0;

	if (m->n > PAGER_REGIONS || m->present == NULL)
		return -EINVAL;
	pager_unmap(p);
	if (p->state != PAGER_IDLE)
		return -EPIPE;
	p->map = m;
	p->state = PAGER_MAPPING;
	for (i = 0; i < m->n && ret == 0; i++)
		ret = map_region(p, &m->r[i], i);
	if (ret != 0)
		pager_unmap(p);
	return ret;
}

uint64_t
pager_address(const struct pager *p, uint32_t i)
{
	return p->address[i];
}

bool
pager_want(struct pager *p, uint32_t i, uint64_t page, uint32_t ring)
{
	const uint64_t bit = UINT64_C(1) << (page % 64);
	struct pager_msg m = {
		.op = PAGER_WANT,
		.table = p->table,
		.region = i,
		.lane = ring % PAGER_LANES,
		.first = page,
	};

	if (p->state != PAGER_SERVING || p->asked[i][page / 64] & bit)
		return true;
	/* each thread has a part, so that no ring leaves none for those of other threads */
	if (p->lane_waiting[m.lane] >= PAGER_WANTED / PAGER_LANES || !tell(p, &m, -1))
		return false;
	p->lane_waiting[m.lane]++;
	p->asked[i][page / 64] |= bit;
	p->count.wanted++;
	if (p->count.waiting++ == 0) {
		p->count.stalls++;
		p->since_ns = ev_now_ns();
	}
	return true;
}

void
pager_counters(const struct pager *p, struct pager_counters *out)
{
	*out = p->count;
	if (out->waiting != 0)
		add_stall(out, awaited_us(p));
}
