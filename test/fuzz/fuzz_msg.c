/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The message table against a front-end that is the fuzzer's input: messages of
 * any kind in any order, with descriptors of any kind, into one session. This
 * must hold after each run: no descriptor is left, and the device is as after
 * any disconnect. Each message is {request, flags, kinds of descriptors,
 * length, payload}; values that matter are small, so that sessions get far.
 *
 * Two requests that there are not are the fuzzer's: one at the beginning makes the session one of
 * post-copy, the other has the pager's process say something. It is no process here, but the other
 * end of its socket: what it has to say for a message to be handled is said, what it need not say
 * is the input's.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_common.h>

#include "base/log.h"
#include "gmem/pager_wire.h"
#include "gmem/sigbus.h"
#include "vhost_user/backend.h"
#include "vhost_user/session.h"
#include "fuzz/fuzz.h"

#define MEM (1u << 20)
#define PAIRS 2
#define HOST_FDS_MAX 4 /* descriptors of a message, in the bits of one byte */

#define POSTCOPY 0xf0   /* first request: a session of post-copy */
#define PAGER_SAYS 0xf1 /* payload: struct saying */
#define PATIENCE 4      /* times in which a message may have to wait */

static struct ev_loop *loop;
static struct vdev *dev;
static int memfd;

static void
nothing(struct vdev *d)
{
	(void)d;
}

static void
no_rarp(struct vdev *d, const uint8_t mac[6])
{
	(void)d, (void)mac;
}

static const struct vdev_ops dev_ops = {.publish = nothing, .grace = nothing, .rarp = no_rarp};

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct vdev_config cfg = {
		.name = "fuzz",
		.queue_pairs = PAIRS,
		.features = vdev_features_all(),
		.ops = &dev_ops,
	};

	(void)argc, (void)argv;
	rte_log_set_global_level(RTE_LOG_EMERG);
	rte_log_set_level(vqs_logtype, RTE_LOG_EMERG);
	CHECK(sigbus_install() == 0);
	loop = ev_loop_new();
	cfg.loop = loop;
	dev = vdev_new(&cfg);
	memfd = memfd_create("guest", MFD_CLOEXEC);
	CHECK(loop != NULL && dev != NULL && memfd >= 0 && ftruncate(memfd, MEM) == 0);
	return 0;
}

/* --- the pager's process: started by a lane, the lanes are idle when the input is used --- */

static struct {
	int fd; /* its end; -1: none was started */
	bool ready;
} pager = {.fd = -1};

/** Of the input: an operation and small numbers, with a descriptor or without. */
struct saying {
	uint8_t op, region, lane, answer, first, count, older, fd;
};

static void
pager_gone(void)
{
	if (pager.fd >= 0)
		close(pager.fd);
	pager.fd = -1;
	pager.ready = false;
}

/** In place of libc's, which has pager.c start a process: its descriptor is kept. */
int
posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int fd, int newfd)
{
	(void)actions, (void)newfd;
	pager_gone();
	pager.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return 0;
}

int
posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
	    const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	(void)pid, (void)path, (void)actions, (void)attr, (void)argv, (void)envp;
	return ENOSYS;
}

static void
pager_tell(const struct pager_msg *m, bool with_fd)
{
	int fd = with_fd ? eventfd(0, EFD_NONBLOCK) : -1;

	if (pager.fd >= 0)
		(void)pager_send(pager.fd, m, fd, MSG_DONTWAIT);
	if (fd >= 0)
		close(fd);
}

/** All that it is asked is done. */
static void
pager_serves(void)
{
	struct pager_msg m = {.op = PAGER_READY};
	int fd;

	while (!lane_all_idle())
		usleep(10);
	if (pager.fd < 0)
		return;
	if (!pager.ready)
		pager_tell(&m, true);
	pager.ready = true;
	while (pager_receive(pager.fd, &m, &fd, MSG_DONTWAIT) == (ssize_t)sizeof(m)) {
		if (fd >= 0)
			close(fd);
		if (m.op == PAGER_MAP) {
			m.op = PAGER_MAPPED;
			m.first = 0x10000000u * (m.region + 1);
		} else if (m.op == PAGER_WANT) {
			m.op = PAGER_HAVE;
			m.count = m.answer = 1;
		}
		pager_tell(&m, false);
	}
	ev_run_once(loop, 0);
}

static void
pager_says(const struct vhu_msg *m)
{
	struct pager_msg out = {0};
	struct saying in = {0};

	while (!lane_all_idle())
		usleep(10);
	memcpy(&in, m->payload.bytes, RTE_MIN((size_t)m->header.size, sizeof(in)));
	out.op = in.op % (PAGER_HAVE + 2);
	out.table = 1u + in.older;
	out.region = in.region;
	out.lane = in.lane;
	out.answer = in.answer;
	out.first = in.first == UINT8_MAX ? UINT64_MAX : in.first;
	out.count = in.count == UINT8_MAX ? UINT64_MAX : in.count;
	pager_tell(&out, in.fd & 1);
	if (in.fd & 2)
		pager_gone();
	ev_run_once(loop, 0);
}

/* --- messages --- */

/** A descriptor of one of four kinds; what else comes into being with it goes at once. */
static int
make_fd(unsigned int kind)
{
	int pair[2] = {-1, -1};

	switch (kind) {
	case 0:
		return dup(memfd);
	case 1:
		return eventfd(0, EFD_NONBLOCK);
	case 2:
		CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
		break;
	default:
		CHECK(pipe(pair) == 0);
		break;
	}
	close(pair[1]);
	return pair[0];
}

/** Take the next message off the input. False: there is none. */
static bool
next_message(const uint8_t **p, size_t *left, struct vhu_msg *m, struct vhu_fds *fds)
{
	uint32_t i, n;

	memset(m, 0, sizeof(*m));
	fds->n = 0;
	if (*left < 5)
		return false;
	m->header.request = (*p)[0];
	m->header.flags =
		VHU_VERSION | ((*p)[1] & 1 ? VHU_NEED_REPLY : 0) | ((*p)[1] & 2 ? VHU_REPLY : 0);
	n = (*p)[2] % (HOST_FDS_MAX + 1);
	for (i = 0; i < n; i++)
		fds->fd[fds->n++] = make_fd(((*p)[3] >> (2 * i)) & 3);
	m->header.size = RTE_MIN((size_t)(*p)[4], *left - 5);
	memcpy(m->payload.bytes, *p + 5, m->header.size);
	*p += 5 + m->header.size;
	*left -= 5 + m->header.size;
	return true;
}

static void
check_forgotten(void)
{
	uint32_t i;

	CHECK(dev->gmem == NULL && dev->log == NULL && dev->vq_mem == NULL && dev->features == 0);
	CHECK(dev->pager == NULL && !dev->arriving);
	for (i = 0; i < 2 * PAIRS; i++)
		CHECK(!dev->q[i].running && dev->q[i].kick_fd < 0 && dev->q[i].irq == NULL);
}

static void
begin(struct vhu_session *s, bool postcopy)
{
	*s = (struct vhu_session){.transport.ops = &vhu_transport_ops,
				  .dev = dev,
				  .loop = loop,
				  .extra = VHU_PF_OPTIONAL & ~VHU_PF(PAGEFAULT)};
	/* negotiated from the beginning: the fuzzer can still take it back */
	s->protocol_features = vhu_offered(s) & ~VHU_PF_FORMATS;
	if (postcopy) {
		s->extra |= VHU_PF(PAGEFAULT);
		s->protocol_features |= VHU_PF(PAGEFAULT);
		s->protocol_features &= ~VHU_PF(CONFIGURE_MEM_SLOTS);
	}
	vdev_connect(dev, &s->transport);
}

/** As a connection does, a message that waits comes again. */
static void
deliver(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	uint64_t refused = s->count.refused;

	for (int i = 0; i < PATIENCE && vhu_dispatch(s, m, fds) == vhu_conn_later; i++)
		pager_serves();
	CHECK(s->count.refused - refused <= 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vhu_session s;
	unsigned int before = fuzz_open_fds();
	struct vhu_fds fds;
	struct vhu_msg m;

	begin(&s, size > 0 && data[0] == POSTCOPY);
	while (next_message(&data, &size, &m, &fds)) {
		if (m.header.request == PAGER_SAYS)
			pager_says(&m);
		else
			deliver(&s, &m, &fds);
		vhu_fds_close(&fds);
		ev_run_once(loop, 0);
	}
	vhu_session_reset(&s);
	vdev_disconnect(dev);
	ev_run_once(loop, 0);
	check_forgotten();
	while (!lane_all_idle())
		usleep(10);
	pager_gone();
	CHECK(fuzz_open_fds() == before);
	return 0;
}
