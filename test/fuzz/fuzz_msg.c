/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The message table against a front-end that is the fuzzer's input: messages of
 * any kind in any order, with descriptors of any kind, into one session. This
 * must hold after each run: no descriptor is left, and the device is as after
 * any disconnect. Each message is {request, flags, kinds of descriptors,
 * length, payload}; values that matter are small, so that sessions get far.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_common.h>

#include "base/log.h"
#include "gmem/sigbus.h"
#include "vhost_user/backend.h"
#include "vhost_user/session.h"
#include "fuzz/fuzz.h"

#define MEM (1u << 20)
#define PAIRS 2
#define HOST_FDS_MAX 4 /* descriptors of a message, in the bits of one byte */

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
	for (i = 0; i < VDEV_QUEUES_MAX; i++)
		CHECK(!dev->q[i].running && dev->q[i].kick_fd < 0 && dev->q[i].irq == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vhu_session s;
	unsigned int before = fuzz_open_fds();
	struct vhu_fds fds;
	struct vhu_msg m;

	s = (struct vhu_session){.transport.ops = &vhu_transport_ops,
				 .dev = dev,
				 .loop = loop,
				 .extra = VHU_PF_OPTIONAL & ~VHU_PF(PAGEFAULT)};
	/* negotiated from the beginning: the fuzzer can still take it back */
	s.protocol_features = vhu_offered(&s) & ~VHU_PF_FORMATS;
	vdev_connect(dev, &s.transport);
	while (next_message(&data, &size, &m, &fds)) {
		uint64_t refused = s.count.refused;

		(void)vhu_dispatch(&s, &m, &fds);
		CHECK(s.count.refused - refused <= 1);
		vhu_fds_close(&fds);
		ev_run_once(loop, 0);
	}
	vhu_session_reset(&s);
	vdev_disconnect(dev);
	ev_run_once(loop, 0);
	check_forgotten();
	CHECK(fuzz_open_fds() == before);
	return 0;
}
