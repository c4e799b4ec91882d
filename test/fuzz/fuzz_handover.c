/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Records of a predecessor that are the fuzzer's input, read by a session and its device. This must
 * hold after each run: no descriptor is left, and the device is as after any disconnect. Each
 * record is {type, kinds of descriptors, length, data}: the types are those there are and a few
 * more, so that devices get far.
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
#include "pkt/legend.h"
#include "vdev/handover.h"
#include "vhost_user/backend.h"
#include "vhost_user/handover.h"
#include "fuzz/fuzz.h"

#define MEM (1u << 20)
#define PAIRS 2
#define TYPES 16 /* from the first of a device and of a transport on */

static struct ev_loop *loop;
static struct vdev *dev;
static int memfd;

static void
nothing(struct vdev *d)
{
	(void)d;
}

static const struct vdev_ops dev_ops = {.publish = nothing, .grace = nothing};

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

/** The input as a blob of well-formed records; their data is the fuzzer's. */
static void
make_blob(struct blob *b, const uint8_t *p, size_t left)
{
	while (left >= 4) {
		uint16_t base = (p[0] & 0x80) ? TRANSPORT_HAND_FIRST : VDEV_HAND_FIRST;
		struct blob_record r = {.type = (uint16_t)(base + p[0] % TYPES),
					.flags = (p[0] >> 6) & 1,
					.nfds = p[1] & 3,
					.len = RTE_MIN((uint32_t)p[2] << 2, (uint32_t)left - 4)};
		int event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), fds[3];
		uint32_t i;

		for (i = 0; i < RTE_DIM(fds); i++)
			fds[i] = (p[1] >> (2 + i)) & 1 ? memfd : event;
		blob_put_fds(b, &r, p + 4, fds);
		close(event);
		p += 4 + r.len;
		left -= 4 + r.len;
	}
	CHECK(!b->failed);
}

/** One record, to the reader that its type is of. */
static const char *
take(struct vhu_session *s, const struct hand_record *h)
{
	const char *why;
	uint64_t connects;
	int fd;

	if (h->r.type < TRANSPORT_HAND_FIRST)
		return vdev_take_over(dev, h);
	if (h->r.type != VHU_HAND_SESSION)
		return vhu_conns_take_over(s, h);
	why = vhu_session_take_over(s, h, &connects, &fd);
	if (fd >= 0)
		close(fd);
	return why;
}

/** A session on a connection of ours, with nothing negotiated. Returns the other end. */
static int
connect_session(struct vhu_session *s)
{
	static const struct vhu_conn_ops ops = {0}; /* nothing is received */
	int pair[2];

	*s = (struct vhu_session){.transport.ops = &vhu_transport_ops,
				  .dev = dev,
				  .loop = loop,
				  .extra = VHU_PF_OPTIONAL & ~VHU_PF(PAGEFAULT)};
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	CHECK(vhu_conn_open(&s->conn, loop, pair[0], &ops, s) == 0);
	vdev_connect(dev, &s->transport);
	return pair[1];
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vhu_session s;
	static struct legend legend;
	unsigned int before = fuzz_open_fds();
	struct blob b = {0};
	struct blob_reader reader = {.blob = &b};
	struct hand_record h = {.reader = &reader, .legend = &legend};
	const char *why = NULL;
	int peer = connect_session(&s);
	uint32_t i;

	for (legend.n = 0; legend.n < 4; legend.n++)
		legend.to[legend.n] = (uint16_t)(legend.n * 20);
	make_blob(&b, data, size);
	while (why == NULL && (h.data = blob_read(&reader, &h.r)) != NULL)
		why = take(&s, &h);
	if (why == NULL)
		vdev_sync(dev);
	blob_free(&b);
	vhu_session_reset(&s);
	close(peer);
	vdev_disconnect(dev);
	CHECK(dev->gmem == NULL && dev->log == NULL && dev->features == 0);
	for (i = 0; i < 2 * PAIRS; i++)
		CHECK(!dev->q[i].running && dev->q[i].kick_fd < 0 && dev->q[i].irq == NULL);
	dev->wanted = VDEV_STATE_RUNNING;
	CHECK(fuzz_open_fds() == before);
	return 0;
}
