/* SPDX-License-Identifier: BSD-3-Clause */
/* Features, protocol features, and messages that only ask. */
#include <errno.h>
#include <string.h>

#include "check.h"
#include "link.h"
#include "outcome.h"

#define CONFIG_BYTES 12 /* of struct virtio_net_config: MAC, status, queue pairs, MTU */
#define MTU 1500

static const struct station_wish modern = {.features = MODERN};

/** A message without descriptors that is answered if the back-end acknowledges. */
static int
request(struct station *s, uint32_t id, const void *payload, uint32_t size, struct vhu_msg *m)
{
	*m = (struct vhu_msg){.header = {.request = id, .size = size}};
	if (size > 0)
		memcpy(&m->payload, payload, size);
	return vhf_request(&s->vhf, m, NULL, 0);
}

/** A question whose answer is a word. */
static uint64_t
ask(struct station *s, uint32_t id)
{
	const struct vhu_msg m = {.header = {.request = id}};
	struct vhu_msg answer;

	if (!station_say(s, &m, VHU_VERSION, NULL, 0) || !station_hear(s, &answer))
		outcome_fail("message %u is not answered", id);
	if (answer.header.request != id || answer.header.flags != (VHU_VERSION | VHU_REPLY) ||
	    answer.header.size != sizeof(answer.payload.u64))
		outcome_fail("message %u is answered with request %u flags %#x size %u", id,
			     answer.header.request, answer.header.flags, answer.header.size);
	return answer.payload.u64;
}

static void
features(const void *arg)
{
	struct station s;
	uint64_t first;

	station_connect(&s, 0, &modern);
	first = ask(&s, VHU_GET_FEATURES);
	if ((first & MODERN) == 0)
		outcome_fail("VERSION_1 is not offered: %#llx", (unsigned long long)first);
	if (ask(&s, VHU_GET_FEATURES) != first)
		outcome_fail("the second answer is another one");
}

/** A feature, and those of which it requires one. */
static const struct {
	uint8_t bit;
	uint64_t one_of;
} requires[] = {
	{VIRTIO_NET_F_GUEST_TSO4, BIT(VIRTIO_NET_F_GUEST_CSUM)},
	{VIRTIO_NET_F_GUEST_TSO6, BIT(VIRTIO_NET_F_GUEST_CSUM)},
	{VIRTIO_NET_F_GUEST_ECN, BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6)},
	{VIRTIO_NET_F_GUEST_UFO, BIT(VIRTIO_NET_F_GUEST_CSUM)},
	{VIRTIO_NET_F_GUEST_USO4, BIT(VIRTIO_NET_F_GUEST_CSUM)},
	{VIRTIO_NET_F_GUEST_USO6, BIT(VIRTIO_NET_F_GUEST_CSUM)},
	{VIRTIO_NET_F_HOST_TSO4, BIT(VIRTIO_NET_F_CSUM)},
	{VIRTIO_NET_F_HOST_TSO6, BIT(VIRTIO_NET_F_CSUM)},
	{VIRTIO_NET_F_HOST_ECN, BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6)},
	{VIRTIO_NET_F_HOST_UFO, BIT(VIRTIO_NET_F_CSUM)},
	{VIRTIO_NET_F_HOST_USO, BIT(VIRTIO_NET_F_CSUM)},
	{VIRTIO_F_RING_PACKED, MODERN},
};

static void
dependencies(const void *arg)
{
	struct station s;
	uint64_t offered;

	station_connect(&s, 0, &modern);
	offered = ask(&s, VHU_GET_FEATURES);
	for (size_t i = 0; i < RTE_DIM(requires); i++)
		if (VQ_HAS(offered, requires[i].bit) && (offered & requires[i].one_of) == 0)
			outcome_fail("feature %u is offered without one of %s", requires[i].bit,
				     station_feature_names(requires[i].one_of));
}

static void
protocol_early(const void *arg)
{
	struct station s;
	uint64_t offered;

	station_connect(&s, 0, &modern);
	if (!VQ_HAS(ask(&s, VHU_GET_FEATURES), VHU_F_PROTOCOL_FEATURES))
		outcome_skip("no protocol features");
	offered = ask(&s, VHU_GET_PROTOCOL_FEATURES);
	if (ask(&s, VHU_GET_PROTOCOL_FEATURES) != offered)
		outcome_fail("the second answer is another one");
}

static void
frames_pass(const void *arg)
{
	struct link l;

	link_open(&l, arg);
	link_exchange(&l, 16);
	link_close(&l);
}

static const struct station_wish no_features = {.no_protocol = true};
static const struct station_wish no_protocol_features = {.features = MODERN, .refused = UINT64_MAX};
static const struct station_wish all_rings = {
	.features = MODERN,
	.optional = BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_RING_F_INDIRECT_DESC) |
		    BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_F_RING_PACKED),
};

static void
features_twice(const void *arg)
{
	struct link l = {0};

	link_other(&l);
	station_connect(&l.here, 0, &modern);
	station_negotiate(&l.here);
	if (vhf_set_features(&l.here.vhf, l.here.vhf.s.features) != 0)
		outcome_fail("%s", l.here.vhf.err);
	station_prepare(&l.here);
	station_announce(&l.here);
	station_run(&l.here);
	link_finish(&l);
}

static void
reply_ack(const void *arg)
{
	const struct station_wish wish = {.features = MODERN, .protocol = VHU_PF(REPLY_ACK)};
	const struct vhu_vring_state size = {0, 256};
	struct station s;
	struct vhu_msg m;

	station_connect(&s, 0, &wish);
	station_negotiate(&s);
	if (request(&s, VHU_SET_VRING_NUM, &size, sizeof(size), &m) != 0)
		outcome_fail("%s", s.vhf.err);
}

/** An answer comes to a message that asks for none otherwise only with the flag. */
static void
reply_not_asked(const void *arg)
{
	const struct station_wish wish = {.features = MODERN, .protocol = VHU_PF(REPLY_ACK)};
	struct vhu_msg m = {
		.header = {.request = VHU_SET_VRING_NUM, .size = sizeof(m.payload.state)}};
	struct station s;

	m.payload.state = (struct vhu_vring_state){0, 256};
	station_connect(&s, 0, &wish);
	station_negotiate(&s);
	if (!station_say(&s, &m, VHU_VERSION, NULL, 0))
		outcome_fail("the back-end has ended the session");
	(void)ask(&s, VHU_GET_FEATURES);
}

static void
queue_number(const void *arg)
{
	const struct station_wish wish = {.features = MODERN, .protocol = VHU_PF(MQ)};
	struct station s;
	uint64_t n;

	station_connect(&s, 0, &wish);
	station_negotiate(&s);
	n = ask(&s, VHU_GET_QUEUE_NUM);
	if (n < 1 || n > 0x8000)
		outcome_fail("%llu queues", (unsigned long long)n);
}

static void
status(const void *arg)
{
	const struct station_wish wish = {.features = MODERN, .protocol = VHU_PF(STATUS)};
	const uint8_t early = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	struct station s;
	uint64_t now;

	station_connect(&s, 0, &wish);
	station_negotiate(&s);
	if (vhf_set_status(&s.vhf, early) != 0)
		outcome_fail("%s", s.vhf.err);
	now = ask(&s, VHU_GET_STATUS);
	if (now != early)
		outcome_fail("the status is %#llx instead of %#x", (unsigned long long)now, early);
	if (vhf_set_status(&s.vhf, 0) != 0)
		outcome_fail("%s", s.vhf.err);
	now = ask(&s, VHU_GET_STATUS);
	if (now != 0)
		outcome_fail("the status is %#llx after a reset", (unsigned long long)now);
}

static void
config_space(const void *arg)
{
	const struct station_wish wish = {.features = MODERN, .protocol = VHU_PF(CONFIG)};
	struct vhu_msg answer, m = {.header = {VHU_GET_CONFIG, 0, 12 + CONFIG_BYTES}};
	struct station s;

	m.payload.config.size = CONFIG_BYTES;
	station_connect(&s, 0, &wish);
	station_negotiate(&s);
	if (!station_say(&s, &m, VHU_VERSION, NULL, 0) || !station_hear(&s, &answer))
		outcome_fail("GET_CONFIG is not answered");
	if (answer.header.size != m.header.size)
		outcome_fail("a payload of %u bytes answers one of %u", answer.header.size,
			     m.header.size);
	if (answer.payload.config.size != CONFIG_BYTES)
		outcome_fail("%u bytes instead of %u", answer.payload.config.size, CONFIG_BYTES);
}

static void
mtu(const void *arg)
{
	const struct station_wish wish = {.features = MODERN | BIT(VIRTIO_NET_F_MTU),
					  .protocol = VHU_PF(NET_MTU)};
	const uint64_t value = MTU;
	struct station s;
	struct vhu_msg m;

	station_connect(&s, 0, &wish);
	station_negotiate(&s);
	if (request(&s, VHU_NET_SET_MTU, &value, sizeof(value), &m) != 0)
		outcome_fail("%s", s.vhf.err);
}

static void
memory_slots(const void *arg)
{
	const struct station_wish wish = {.features = MODERN,
					  .protocol = VHU_PF(CONFIGURE_MEM_SLOTS)};
	struct link l;

	/* which announces its memory with ADD_MEM_REG then */
	link_open(&l, &wish);
	if (l.here.vhf.s.max_mem_slots < 1)
		outcome_fail("no memory slots");
	link_exchange(&l, 16);
	link_close(&l);
}

static const struct check checks[] = {
	{"negotiate.features", "vhost-user: VHOST_USER_GET_FEATURES", features},
	{"negotiate.dependencies", "virtio 5.1.3.1: feature bit requirements", dependencies},
	{"negotiate.protocol-early", "vhost-user: VHOST_USER_GET_PROTOCOL_FEATURES",
	 protocol_early},
	{"negotiate.modern", "virtio 6.2: VERSION_1", frames_pass, &modern},
	{"negotiate.nothing", "virtio 2.2.2: any valid subset; vhost-user: Ring states",
	 frames_pass, &no_features},
	{"negotiate.no-protocol-features", "vhost-user: VHOST_USER_SET_PROTOCOL_FEATURES",
	 frames_pass, &no_protocol_features},
	{"negotiate.all-ring-features", "virtio 2.2.2: any valid subset", frames_pass, &all_rings},
	{"negotiate.features-twice", "vhost-user: VHOST_USER_SET_FEATURES", features_twice},
	{"negotiate.reply-ack", "vhost-user: VHOST_USER_PROTOCOL_F_REPLY_ACK", reply_ack},
	{"negotiate.reply-not-asked", "vhost-user: VHOST_USER_PROTOCOL_F_REPLY_ACK",
	 reply_not_asked},
	{"negotiate.queue-number", "vhost-user: Multiple queue support", queue_number},
	{"negotiate.status", "vhost-user: VHOST_USER_SET_STATUS, virtio 2.1", status},
	{"negotiate.config-space", "vhost-user: VHOST_USER_GET_CONFIG", config_space},
	{"negotiate.mtu", "vhost-user: VHOST_USER_NET_SET_MTU", mtu},
	{"negotiate.memory-slots", "vhost-user: VHOST_USER_ADD_MEM_REG", memory_slots},
};

CHECK_GROUP(checks_of_negotiation, checks);
