/* SPDX-License-Identifier: BSD-3-Clause */
/* The session of a guest, its memory and its rings. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include "base/ev.h"

#include "outcome.h"
#include "station.h"

#define SIZE_DEFAULT 256
#define IDLE_US 100
#define TABLE_MAX STATION_PARTS_MAX
#define PROTOCOL_BIT (BIT(VHU_F_PROTOCOL_FEATURES))
#define PROTOCOL \
	(VHU_PF(MQ) | VHU_PF(REPLY_ACK) | VHU_PF(STATUS) | VHU_PF(CROSS_ENDIAN) | VHU_PF(LOG_SHMFD))

struct station_target station_target;

/* --- features --- */

static const struct {
	uint8_t bit;
	const char *name;
} feature_name[] = {
	{VIRTIO_NET_F_CSUM, "CSUM"},
	{VIRTIO_NET_F_GUEST_CSUM, "GUEST_CSUM"},
	{VIRTIO_NET_F_MRG_RXBUF, "MRG_RXBUF"},
	{VIRTIO_NET_F_MTU, "MTU"},
	{VIRTIO_NET_F_MQ, "MQ"},
	{VHU_F_LOG_ALL, "LOG_ALL"},
	{VIRTIO_RING_F_INDIRECT_DESC, "INDIRECT_DESC"},
	{VIRTIO_RING_F_EVENT_IDX, "EVENT_IDX"},
	{VHU_F_PROTOCOL_FEATURES, "PROTOCOL_FEATURES"},
	{VIRTIO_F_VERSION_1, "VERSION_1"},
	{VIRTIO_F_ACCESS_PLATFORM, "ACCESS_PLATFORM"},
	{VIRTIO_F_RING_PACKED, "RING_PACKED"},
	{VIRTIO_F_IN_ORDER, "IN_ORDER"},
};

static const char *const protocol_name[] = {
#define X(bit, name) [bit] = #name,
	VHU_PROTOCOL_FEATURES(X)
#undef X
};

static void
append(char *text, size_t size, const char *word)
{
	const size_t len = strlen(text);

	snprintf(text + len, size - len, "%s%s", len > 0 ? " " : "", word);
}

const char *
station_feature_names(uint64_t features)
{
	static char text[200];

	text[0] = '\0';
	for (size_t i = 0; i < RTE_DIM(feature_name); i++) {
		if (features & BIT(feature_name[i].bit))
			append(text, sizeof(text), feature_name[i].name);
		features &= ~BIT(feature_name[i].bit);
	}
	if (features != 0)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " %#llx",
			 (unsigned long long)features);
	return text;
}

static const char *
protocol_names(uint64_t features)
{
	static char text[200];

	text[0] = '\0';
	for (size_t i = 0; i < RTE_DIM(protocol_name); i++)
		if (features & BIT(i))
			append(text, sizeof(text), protocol_name[i]);
	return text;
}

/* --- the session --- */

/** The end of an operation of the session; @p ret: its result. */
static void
must(struct station *s, const char *what, int ret)
{
	if (ret != 0)
		outcome_fail("%s: %s", what, s->vhf.err[0] != '\0' ? s->vhf.err : strerror(-ret));
}

static void __attribute__((noreturn)) unreachable(const struct station *s)
{
	if (station_target.gone_is_failure)
		outcome_fail("the back-end is gone: %s", s->vhf.err);
	outcome_unreachable("%s", s->vhf.err);
}

void
station_connect(struct station *s, unsigned int side, const struct station_wish *wish)
{
	const struct vhf_config cfg = {.path = station_target.path[side],
				       .server = station_target.listen,
				       .timeout_ms = station_target.timeout_ms};
	int ret;

	*s = (struct station){.side = side, .wish = *wish, .mem.fd = -1};
	s->assembly = malloc(STATION_RECEIVED_MAX);
	if (s->assembly == NULL)
		outcome_fail("out of memory");
	ret = vhf_open(&s->vhf, &cfg);
	if (ret != 0)
		unreachable(s);
}

static void
skip_lacking(const struct station *s)
{
	const uint64_t lacking = s->wish.features & ~s->vhf.s.offered;
	const uint64_t protocol =
		s->wish.protocol | (s->wish.big_endian ? VHU_PF(CROSS_ENDIAN) : 0);

	if (lacking != 0)
		outcome_skip("not offered: %s", station_feature_names(lacking));
	if (protocol & ~s->vhf.s.protocol_offered)
		outcome_skip("not offered: protocol feature %s",
			     protocol_names(protocol & ~s->vhf.s.protocol_offered));
}

void
station_negotiate(struct station *s)
{
	const struct vhu_frontend_wish wish = {
		.required = s->wish.features,
		.features = s->wish.optional,
		.protocol_features = (PROTOCOL | s->wish.protocol) & ~s->wish.refused,
		.queue_pairs = 1,
	};
	int ret = vhf_negotiate(&s->vhf, &wish);

	if (ret == 0 || ret == -ENOTSUP)
		skip_lacking(s);
	must(s, "negotiation", ret);
	if (s->wish.no_protocol)
		must(s, "SET_FEATURES",
		     vhf_set_features(&s->vhf, s->vhf.s.features & ~PROTOCOL_BIT));
	s->hdr_len = net_hdr_len(s->vhf.s.features);
}

static enum vq_layout
layout_of(const struct station *s)
{
	if (VQ_HAS(s->vhf.s.features, VIRTIO_F_RING_PACKED))
		return VQ_PACKED;
	return s->wish.big_endian ? VQ_SPLIT_SWAP : VQ_SPLIT;
}

static bool
has_iommu(const struct station *s)
{
	return VQ_HAS(s->vhf.s.features, VIRTIO_F_ACCESS_PLATFORM);
}

/** An address of a ring as the back-end is told. */
static uint64_t
ring_address(const struct station *s, const void *area)
{
	return has_iommu(s) ? gm_gpa(&s->mem, area) : (uintptr_t)area;
}

static int
notifier(bool none)
{
	return none ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

static void
queue_prepare(struct station *s, struct station_queue *q)
{
	const enum vq_layout layout = layout_of(s);
	const uint32_t size = s->wish.size != 0 ? s->wish.size : SIZE_DEFAULT;
	const struct vq_extent len = vq_extent(layout, size, s->vhf.s.features);
	const bool wrap = layout == VQ_PACKED && !s->wish.start_wrap;
	struct vqd_setup setup = {
		.layout = layout,
		.size = size,
		.features = s->vhf.s.features,
		.desc = gm_alloc(&s->mem, len.desc, 4096),
		.driver = gm_alloc(&s->mem, len.driver, 4096),
		.device = gm_alloc(&s->mem, len.device, 4096),
		.indirect = gm_alloc(&s->mem, 16ul * size * TABLE_MAX, 4096),
		.indirect_max = TABLE_MAX,
		.kick_fd = notifier(s->wish.no_kick),
		.state = {s->wish.start, s->wish.start, wrap, wrap},
	};

	setup.indirect_addr = gm_gpa(&s->mem, setup.indirect);
	*q = (struct station_queue){.nslots = RTE_MIN(size, STATION_SLOTS)};
	q->slot = gm_alloc(&s->mem, (size_t)q->nslots * STATION_SLOT, 4096);
	q->copy = calloc(q->nslots, STATION_SLOT);
	q->room = q->nslots;
	for (uint32_t i = 0; i < q->nslots; i++)
		q->fifo[i] = i;
	if (q->copy == NULL || vqd_init(&q->d, &setup) != 0)
		outcome_fail("no ring of %u entries", size);
	q->ring = (struct vhu_frontend_ring){
		.big_endian = layout == VQ_SPLIT_SWAP,
		.size = size,
		.desc = ring_address(s, setup.desc),
		.driver = ring_address(s, setup.driver),
		.device = ring_address(s, setup.device),
		.log_gpa = gm_gpa(&s->mem, setup.device) - s->mem.gpa + STATION_GPA,
		.kick_fd = setup.kick_fd,
		.call_fd = notifier(s->wish.no_call),
		.err_fd = -1,
	};
}

void
station_prepare(struct station *s)
{
	const uint32_t size = s->wish.size != 0 ? s->wish.size : SIZE_DEFAULT;
	/* rings and tables of an entry, and the rounding of each area */
	const uint64_t bytes =
		STATION_QUEUES * ((uint64_t)size * (32 + 16 * TABLE_MAX) + (64 << 10) +
				  (uint64_t)STATION_SLOTS * STATION_SLOT);

	if (s->mem.size < bytes) {
		gm_fini(&s->mem);
		if (gm_init(&s->mem, has_iommu(s) ? STATION_IOVA : STATION_GPA, bytes, false) != 0)
			outcome_fail("no memory of %llu bytes", (unsigned long long)bytes);
	}
	s->mem.used = 0;
	memset(s->mem.hva, 0, s->mem.size);
	for (int i = 0; i < STATION_QUEUES; i++)
		queue_prepare(s, &s->q[i]);
}

void
station_announce(struct station *s)
{
	const struct vhu_mem_region r = {STATION_GPA, s->mem.size, (uintptr_t)s->mem.hva, 0};

	must(s, "memory",
	     vhf_set_status(&s->vhf, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
					     VIRTIO_CONFIG_S_FEATURES_OK));
	must(s, "memory", vhf_set_mem(&s->vhf, &r, &s->mem.fd, 1));
}

void
station_start_one(struct station *s, unsigned int queue)
{
	struct station_queue *q = &s->q[queue];

	q->ring.base = vqd_resume_base(&q->d);
	must(s, "start of a ring", vhf_ring_start(&s->vhf, queue, &q->ring));
}

void
station_start(struct station *s)
{
	for (unsigned int i = 0; i < STATION_QUEUES; i++)
		station_start_one(s, i);
}

void
station_enable(struct station *s, bool on)
{
	for (unsigned int i = 0; i < STATION_QUEUES; i++)
		must(s, "SET_VRING_ENABLE", vhf_ring_enable(&s->vhf, i, on));
}

void
station_ready(struct station *s)
{
	must(s, "SET_STATUS",
	     vhf_set_status(&s->vhf, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
					     VIRTIO_CONFIG_S_FEATURES_OK |
					     VIRTIO_CONFIG_S_DRIVER_OK));
	station_post(s);
	vqd_kick(&s->q[STATION_RX].d);
	vqd_kick(&s->q[STATION_TX].d);
}

void
station_run(struct station *s)
{
	station_start(s);
	station_enable(s, true);
	station_ready(s);
}

void
station_open(struct station *s, unsigned int side, const struct station_wish *wish)
{
	station_connect(s, side, wish);
	station_negotiate(s);
	station_prepare(s);
	station_announce(s);
	station_run(s);
}

uint32_t
station_stop(struct station *s, unsigned int queue)
{
	uint32_t base = 0;

	must(s, "GET_VRING_BASE", vhf_ring_stop(&s->vhf, queue, &s->q[queue].ring, &base));
	return base;
}

/** The rings; the memory is that of the guest as long as it lives. */
static void
forget(struct station *s)
{
	for (int i = 0; i < STATION_QUEUES; i++) {
		struct station_queue *q = &s->q[i];

		vqd_fini(&q->d);
		free(q->copy);
		if (q->ring.kick_fd >= 0)
			close(q->ring.kick_fd);
		if (q->ring.call_fd >= 0)
			close(q->ring.call_fd);
	}
}

void
station_close(struct station *s)
{
	for (unsigned int i = 0; i < STATION_QUEUES; i++)
		station_stop(s, i);
	vhf_close(&s->vhf);
	forget(s);
	gm_fini(&s->mem);
	free(s->assembly);
	usleep((useconds_t)station_target.settle_ms * 1000);
}

void
station_again(struct station *s, const struct station_wish *wish)
{
	const uint64_t features = wish->features | (wish->optional & s->vhf.s.offered);

	s->wish = *wish;
	skip_lacking(s);
	for (unsigned int i = 0; i < STATION_QUEUES; i++)
		station_stop(s, i);
	must(s, "SET_STATUS", vhf_set_status(&s->vhf, 0));
	forget(s);
	station_set_features(s, features | (s->vhf.s.features & PROTOCOL_BIT));
	s->hdr_len = net_hdr_len(s->vhf.s.features);
	station_prepare(s);
	station_announce(s);
	station_run(s);
}

void
station_return(struct station *s)
{
	const uint64_t features = s->vhf.s.features;
	int ret;

	vhu_frontend_close(&s->vhf.s);
	usleep((useconds_t)station_target.settle_ms * 1000);
	ret = vhf_reopen(&s->vhf);
	if (ret != 0)
		unreachable(s);
	station_negotiate(s);
	if (s->vhf.s.features != features)
		outcome_fail("after reconnecting other features are offered: %#llx, before %#llx",
			     (unsigned long long)s->vhf.s.features, (unsigned long long)features);
}

void
station_reconnect(struct station *s)
{
	station_return(s);
	station_announce(s);
	station_run(s);
}

void
station_idle(struct station *s)
{
	usleep(IDLE_US);
	ev_run_once(s->vhf.loop, 0);
	if (!vhu_conn_is_open(&s->vhf.s.conn))
		outcome_fail("the back-end has ended the session");
	station_translate(s);
	if (s->beside != NULL)
		station_translate(s->beside);
}

/* --- notifications --- */

bool
station_interrupted(struct station *s, unsigned int queue, int ms)
{
	struct pollfd p = {.fd = s->q[queue].ring.call_fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

void
station_clear_interrupts(struct station *s, unsigned int queue)
{
	uint64_t n;

	if (read(s->q[queue].ring.call_fd, &n, sizeof(n)) != sizeof(n) && errno != EAGAIN)
		outcome_fail("eventfd: %s", strerror(errno));
}

/* --- messages of any kind --- */

void
station_set_features(struct station *s, uint64_t features)
{
	must(s, "SET_FEATURES", vhf_set_features(&s->vhf, features));
}

void
station_request(struct station *s, const struct vhu_msg *m, const int *fds, uint32_t nfds)
{
	struct vhu_msg both = *m;

	must(s, "a message", vhf_request(&s->vhf, &both, fds, nfds));
}

void
station_notifier(struct station *s, uint32_t request, unsigned int queue, int fd)
{
	struct vhu_msg m = {.header = {.request = request, .size = sizeof(m.payload.u64)}};

	m.payload.u64 = queue | (fd < 0 ? VHU_VRING_NOFD : 0);
	station_request(s, &m, &fd, fd >= 0);
}

void
station_barrier(struct station *s)
{
	const struct vhu_msg m = {.header = {.request = VHU_GET_FEATURES}};
	struct vhu_msg answer;

	if (!station_say(s, &m, VHU_VERSION, NULL, 0) || !station_hear(s, &answer))
		outcome_fail("the back-end does not answer");
}

bool
station_say(struct station *s, const struct vhu_msg *m, uint32_t flags, const int *fds,
	    uint32_t nfds)
{
	struct vhu_header h = {m->header.request, flags, m->header.size};
	struct iovec iov[] = {{&h, sizeof(h)},
			      {(void *)(uintptr_t)&m->payload,
			       RTE_MIN(m->header.size, (uint32_t)sizeof(m->payload))}};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(16 * sizeof(int))];
	} rights = {0};
	struct msghdr out = {.msg_iov = iov, .msg_iovlen = 2};

	if (nfds > 0) {
		out.msg_control = &rights;
		out.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		rights.align.cmsg_level = SOL_SOCKET;
		rights.align.cmsg_type = SCM_RIGHTS;
		rights.align.cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(&rights.align), fds, nfds * sizeof(int));
	}
	return sendmsg(s->vhf.s.conn.src.fd, &out, MSG_NOSIGNAL) >= 0;
}

/** All of @p len bytes, within the time for an answer; a descriptor that comes along in @p got. */
static bool
read_all(int fd, void *to, size_t len, int *got)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint8_t *at = to;
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} rights;
	ssize_t n;

	while (len > 0) {
		struct iovec iov = {at, len};
		struct msghdr in = {.msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = &rights,
				    .msg_controllen = sizeof(rights)};

		if (poll(&p, 1, station_target.timeout_ms) != 1)
			return false;
		n = recvmsg(fd, &in, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n <= 0)
			return false;
		if (got != NULL && (in.msg_flags & MSG_CTRUNC) != 0)
			outcome_fail("an answer comes with several descriptors");
		if (CMSG_FIRSTHDR(&in) != NULL && got != NULL)
			memcpy(got, CMSG_DATA(CMSG_FIRSTHDR(&in)), sizeof(*got));
		at += n;
		len -= (size_t)n;
	}
	return true;
}

bool
station_hear_fd(struct station *s, struct vhu_msg *m, int *got)
{
	const int fd = s->vhf.s.conn.src.fd;

	if (got != NULL)
		*got = -1;
	return read_all(fd, &m->header, sizeof(m->header), got) &&
	       m->header.size <= sizeof(m->payload) &&
	       read_all(fd, &m->payload, m->header.size, got);
}

bool
station_hear(struct station *s, struct vhu_msg *m)
{
	return station_hear_fd(s, m, NULL);
}

bool
station_left(struct station *s, int ms)
{
	struct pollfd p = {.fd = s->vhf.s.conn.src.fd, .events = POLLRDHUP};

	return !vhu_conn_is_open(&s->vhf.s.conn) || poll(&p, 1, ms) == 1;
}
