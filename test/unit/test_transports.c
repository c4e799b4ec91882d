/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One table for both transports of the device: a driver's set of features, whether FEATURES_OK is
 * kept, and how its rings are read when it has started; rings that cannot run; a driver's status,
 * the operator's state of the port, the config space.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "vdev/netcfg.h"
#include "vduse_model.h"
#include "wire.h"

#define MODERN (F(VERSION_1) | F(ACCESS_PLATFORM))
#define PACKED (MODERN | F(RING_PACKED))
#define NETF(bit) (UINT64_C(1) << (bit))
#define STATUS_FEATURES_OK 0x8u

struct row {
	const char *what;
	uint64_t features;
	enum vdev_policy policy;
	bool kept;
	enum vdev_format format; /* likewise */
	enum vq_layout layout;
	uint16_t header; /* bytes of the virtio-net header */
};

static const struct row rows[] = {
	{"modern", MODERN, VDEV_POLICY_ANY, true, VDEV_MODERN, VQ_SPLIT, 12},
	{"mergeable", MODERN | NETF(VIRTIO_NET_F_MRG_RXBUF), VDEV_POLICY_ANY, true, VDEV_MODERN,
	 VQ_SPLIT, 12},
	{"offloads", MODERN | NETF(VIRTIO_NET_F_CSUM) | NETF(VIRTIO_NET_F_GUEST_CSUM),
	 VDEV_POLICY_ANY, true, VDEV_MODERN, VQ_SPLIT, 12},
	{"TSO without checksums has no effect", MODERN | NETF(VIRTIO_NET_F_GUEST_TSO4),
	 VDEV_POLICY_ANY, true, VDEV_MODERN, VQ_SPLIT, 12},
	{"event indices, in order", MODERN | NETF(29) | NETF(35), VDEV_POLICY_ANY, true,
	 VDEV_MODERN, VQ_SPLIT, 12},
	{"packed", PACKED, VDEV_POLICY_ANY, true, VDEV_MODERN, VQ_PACKED, 12},
	{"packed, modern only", PACKED, VDEV_POLICY_MODERN_ONLY, true, VDEV_MODERN, VQ_PACKED, 12},
	{"packed, event indices, in order", PACKED | NETF(29) | NETF(35), VDEV_POLICY_ANY, true,
	 VDEV_MODERN, VQ_PACKED, 12},
	{"packed without VERSION_1", F(RING_PACKED) | F(ACCESS_PLATFORM), VDEV_POLICY_ANY, false, 0,
	 0, 0},
	{"in order without VERSION_1", NETF(35) | F(ACCESS_PLATFORM), VDEV_POLICY_ANY, false, 0, 0,
	 0},
	{"a bit that is not offered", MODERN | NETF(60), VDEV_POLICY_ANY, false, 0, 0, 0},
	{"modern at a port of legacy guests", MODERN, VDEV_POLICY_LEGACY_LE, false, 0, 0, 0},
	{"modern at a port of big-endian ones", MODERN, VDEV_POLICY_LEGACY_BE, false, 0, 0, 0},
};

/** Ring 1 as a driver describes it; offsets in its memory. */
struct ring {
	uint32_t size;
	uint64_t desc, driver, device;
	struct vq_state at;
};

/* --- vhost-user --- */

static struct wire w;

static void
vhost_user_negotiate(const struct row *r)
{
	wire_init(&w, WIRE_ALL);
	w.o.d->cfg.policy = r->policy;
	(void)wire_ask_u64(&w, VHU_SET_FEATURES, r->features | F(PROTOCOL_FEATURES));
	wire_ask_u64(&w, VHU_SET_STATUS, 0xb);
}

static bool
vhost_user_kept(const struct row *r)
{
	uint64_t status;

	vhost_user_negotiate(r);
	/* features that are not offered are refused before */
	status = w.o.d->features_set ? wire_send(&w, VHU_GET_STATUS, VHU_VERSION, NULL, 0, NULL, 0)
				     : 0;
	return status & STATUS_FEATURES_OK;
}

/* ring addresses in an IOMMU's space are a matter of their own */
static uint64_t
vhost_user_features(uint64_t features)
{
	return (features & ~F(ACCESS_PLATFORM)) | F(PROTOCOL_FEATURES);
}

static struct vdev *
vhost_user_started(const struct row *r)
{
	wire_init(&w, WIRE_ALL);
	w.o.d->cfg.policy = r->policy;
	wire_start(&w, vhost_user_features(r->features));
	wire_ask_u64(&w, VHU_SET_STATUS, STARTED);
	return w.o.d;
}

static void
vhost_user_end(void)
{
	wire_fini(&w);
}

static uint32_t
word_of(uint64_t features, const struct vq_state *s)
{
	if (!(features & F(RING_PACKED)))
		return s->avail;
	return s->avail | (uint32_t)s->avail_wrap << 15 | (uint32_t)s->used << 16 |
	       (uint32_t)s->used_wrap << 31;
}

static struct vdev *
vhost_user_ring(uint64_t features, const struct ring *r)
{
	const struct vhu_vring_addr a = {
		.index = 1,
		.desc = OWNER_UVA + r->desc,
		.avail = OWNER_UVA + r->driver,
		.used = OWNER_UVA + r->device,
	};

	wire_init(&w, WIRE_ALL);
	wire_ask_u64(&w, VHU_SET_FEATURES, vhost_user_features(features));
	wire_give_memory(&w);
	wire_ask_state(&w, VHU_SET_VRING_ENABLE, 1, 1);
	wire_ask_state(&w, VHU_SET_VRING_NUM, 1, r->size);
	wire_ask_state(&w, VHU_SET_VRING_BASE, 1, word_of(features, &r->at));
	wire_ask(&w, VHU_SET_VRING_ADDR, &a, sizeof(a));
	wire_ask_fd(&w, VHU_SET_VRING_KICK, 1, eventfd(0, 0));
	wire_ask_u64(&w, VHU_SET_STATUS, STARTED);
	return w.o.d;
}

static uint32_t
vhost_user_stop(void)
{
	return (uint32_t)(wire_ask_state(&w, VHU_GET_VRING_BASE, 1, 0) >> 32);
}

static void
vhost_user_status(uint8_t status)
{
	wire_ask_u64(&w, VHU_SET_STATUS, status);
}

/** As a front-end does for a driver that comes once more. */
static void
vhost_user_again(uint64_t features)
{
	wire_start(&w, vhost_user_features(features));
	wire_ask_u64(&w, VHU_SET_STATUS, STARTED);
}

static void
vhost_user_config(struct virtio_net_config *out)
{
	struct vhu_config_msg c = {.size = sizeof(*out)};

	wire_ask(&w, VHU_GET_CONFIG, &c, 12 + c.size);
	assert_int_equal(w.reply.header.size, 12 + c.size);
	memcpy(out, w.reply.payload.config.data, sizeof(*out));
}

/* --- VDUSE --- */

static bool several; /* queue pairs, with a control queue */

static void
vduse_model_new(void)
{
	vk_setup(NULL);
	if (!several)
		return;
	vk.pairs = VK_PAIRS_MAX;
	vk.takes_ctrl = true;
	vk_shape(vk_owner.d);
}

static bool
vduse_kept(const struct row *r)
{
	vduse_model_new();
	vk_transport = vk_make();
	assert_non_null(vk_transport);
	vk_owner.d->cfg.policy = r->policy;
	vk_driver_rings(r->features);
	vk.features = r->features;
	vk_set_status(1);
	vk_set_status(3);
	return vk_set_status(0xb) == VDUSE_REQ_RESULT_OK;
}

static struct vdev *
vduse_started(const struct row *r)
{
	vduse_model_new();
	vk_owner.d->cfg.policy = r->policy;
	vk_start(r->features);
	return vk_owner.d;
}

static void
vduse_end(void)
{
	vk_teardown(NULL);
}

static struct vdev *
vduse_ring(uint64_t features, const struct ring *r)
{
	struct vduse_vq_info *v = &vk.vq[1];

	vduse_model_new();
	vk_transport = vk_make();
	assert_non_null(vk_transport);
	vk_driver_rings(features);
	v->num = r->size;
	v->desc_addr = OWNER_GPA + r->desc;
	v->driver_addr = OWNER_GPA + r->driver;
	v->device_addr = OWNER_GPA + r->device;
	if (features & F(RING_PACKED))
		v->packed = (struct vduse_vq_state_packed){r->at.avail_wrap, r->at.avail,
							   r->at.used_wrap, r->at.used};
	else
		v->split.avail_index = r->at.avail;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(vk_set_status("\1\3\13\17"[i]), VDUSE_REQ_RESULT_OK);
	return vk_owner.d;
}

static uint32_t
vduse_stop(void)
{
	struct vduse_dev_request req = {.type = VDUSE_GET_VQ_STATE, .vq_state.index = 1};
	struct vduse_dev_response resp;
	struct vq_state s = {0};

	vk.vq[1].ready = 0;
	vk_send(&req);
	resp = vk_answer_of(&req);
	assert_int_equal(resp.result, VDUSE_REQ_RESULT_OK);
	if (vk.features & F(RING_PACKED))
		s = (struct vq_state){resp.vq_state.packed.last_avail_idx,
				      resp.vq_state.packed.last_used_idx,
				      resp.vq_state.packed.last_avail_counter,
				      resp.vq_state.packed.last_used_counter};
	else
		s.avail = resp.vq_state.split.avail_index;
	return word_of(vk.features, &s);
}

static void
vduse_status(uint8_t status)
{
	vk_set_status(status);
}

static void
vduse_again(uint64_t features)
{
	vk_driver_rings(features);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(vk_set_status("\1\3\13\17"[i]), VDUSE_REQ_RESULT_OK);
}

/** The kernel has a copy, which is brought up to date within a moment. */
static void
vduse_config(struct virtio_net_config *out)
{
	const struct vdev *d = vk_owner.d;

	for (int i = 0; i < 500; i++) {
		assert_int_equal(vdev_config_read(d, 0, sizeof(*out), (uint8_t *)out), 0);
		if (memcmp(out, &vk.config, sizeof(*out)) == 0)
			break;
		ev_run_once(vk_owner.loop, 10);
	}
	*out = vk.config;
}

static const struct side {
	const char *name;
	/* a driver that says FEATURES_OK: whether it stays */
	bool (*kept)(const struct row *r);
	/* one that runs with both rings; with ring 1 as it is described */
	struct vdev *(*started)(const struct row *r);
	struct vdev *(*ring)(uint64_t features, const struct ring *r);
	uint32_t (*stop)(void); /* ring 1: its position */
	void (*status)(uint8_t status);
	void (*again)(uint64_t features); /* after a reset */
	void (*config)(struct virtio_net_config *out);
	void (*end)(void);
	struct owner *owner;
	uint64_t never, own; /* features this transport has no use for; those it adds */
	bool several;
} sides[] = {
	{"vhost-user", vhost_user_kept, vhost_user_started, vhost_user_ring, vhost_user_stop,
	 vhost_user_status, vhost_user_again, vhost_user_config, vhost_user_end, &w.o, 0, 0},
	/* no control queue, no legacy drivers, no log, no vhost-user; the status is its affair */
	{"VDUSE", vduse_kept, vduse_started, vduse_ring, vduse_stop, vduse_status, vduse_again,
	 vduse_config, vduse_end, &vk_owner,
	 NETF(VIRTIO_NET_F_MQ) | NETF(VIRTIO_NET_F_GUEST_ANNOUNCE) | NETF(24) | NETF(27) |
		 F(LOG_ALL) | F(PROTOCOL_FEATURES),
	 NETF(VIRTIO_NET_F_STATUS)},
	/* of a kernel that takes one: MQ alone is of no use */
	{"VDUSE with a control queue", vduse_kept, vduse_started, vduse_ring, vduse_stop,
	 vduse_status, vduse_again, vduse_config, vduse_end, &vk_owner,
	 NETF(VIRTIO_NET_F_MQ) | NETF(VIRTIO_NET_F_GUEST_ANNOUNCE) | NETF(24) | NETF(27) |
		 F(LOG_ALL) | F(PROTOCOL_FEATURES),
	 NETF(VIRTIO_NET_F_STATUS) | NETF(VIRTIO_NET_F_CTRL_VQ), true},
};

/** Whether there is such a side; it is the one from now on. */
static bool
take_side(const struct side *s)
{
	several = s < sides + RTE_DIM(sides) && s->several;
	return s < sides + RTE_DIM(sides);
}

#define EACH_SIDE(s) for (const struct side *s = sides; take_side(s); s++)

/* --- the checks --- */

static void
features_are_kept_or_refused(void **state)
{
	EACH_SIDE(s)
	{
		for (size_t i = 0; i < RTE_DIM(rows); i++) {
			if (s->kept(&rows[i]) != rows[i].kept)
				fail_msg("%s: %s", s->name, rows[i].what);
			s->end();
		}
	}
}

/** Each bit there is: it is taken if the device offers it and the transport has a use for it. */
static void
each_bit_is_kept_or_refused(void **state)
{
	EACH_SIDE(s)
	{
		const uint64_t offered = (vdev_features_all() & ~s->never) | s->own;

		for (unsigned int bit = 0; bit < 64; bit++) {
			const struct row r = {"", MODERN | NETF(bit), VDEV_POLICY_ANY, 0, 0, 0, 0};

			if (bit == VIRTIO_NET_F_MTU)
				continue; /* offered with an MTU to be told */
			if (s->kept(&r) != ((offered & NETF(bit)) != 0))
				fail_msg("%s: feature bit %u", s->name, bit);
			s->end();
		}
	}
}

/** Acked is not in effect: bits need others, and modern drivers leave some behind. */
static void
features_have_an_effect_or_none(void **state)
{
	static const struct {
		uint64_t acked, effective;
	} table[] = {
		{1 << 7, 0},
		{1 << 7 | 1 << 1, 1 << 7 | 1 << 1},
		{1 << 9 | 1 << 1, 1 << 1},
		{1 << 9 | 1 << 8 | 1 << 1, 1 << 9 | 1 << 8 | 1 << 1},
		{1 << 11, 0},
		{1 << 0 | 1 << 11 | 1 << 13, 1 << 0 | 1 << 11 | 1 << 13},
		{1 << 6, 0},
	};

	EACH_SIDE(s)
	{
		for (size_t i = 0; i < RTE_DIM(table); i++) {
			const struct row r = {"", MODERN | table[i].acked, VDEV_POLICY_ANY, 0, 0, 0,
					      0};
			const struct vdev *d = s->started(&r);

			if ((uint32_t)vdev_features_effective(d) !=
			    (table[i].effective | (d->features & F(PROTOCOL_FEATURES))))
				fail_msg("%s: effect of row %zu: 0x%" PRIx64, s->name, i,
					 vdev_features_effective(d));
			s->end();
		}
	}
}

static void
rings_have_the_format_that_was_negotiated(void **state)
{
	EACH_SIDE(s)
	{
		for (size_t i = 0; i < RTE_DIM(rows); i++) {
			const struct row *r = &rows[i];
			const struct vdev *d;

			if (!r->kept)
				continue;
			d = s->started(r);
			for (uint32_t q = 0; q < 2; q++)
				if (!vdev_vq_running(d, q) || d->q[q].format != r->format ||
				    d->q[q].layout != r->layout || d->q[q].vq->hdr_len != r->header)
					fail_msg("%s: %s: ring %u", s->name, r->what, q);
			assert_true(vdev_link_up(d));
			assert_int_equal(vdev_get_status(d), STARTED);
			s->end();
		}
	}
}

#define PLACE 0, RING_DRIVER_OFF, RING_DEVICE_OFF
#define FRESH                    \
	{                        \
		0, 0, true, true \
	}

/** Rings that run, and such as must not, each for its own reason. */
static void
rings_run_or_are_refused(void **state)
{
	static const struct {
		uint64_t features;
		struct ring ring;
		const char
			*why; /* NULL: it runs; "": it does not, and waits for memory or refuses */
	} table[] = {
		{MODERN, {256, PLACE, {0}}, NULL},
		{MODERN, {1, PLACE, {0}}, NULL},
		{MODERN, {1024, PLACE, {0}}, NULL},
		{MODERN, {100, PLACE, {0}}, "power of two"},
		{MODERN, {0, PLACE, {0}}, ""},
		{MODERN, {UINT32_MAX, PLACE, {0}}, ""},
		{MODERN, {256, 8, RING_DRIVER_OFF, RING_DEVICE_OFF, {0}}, "aligned"},
		{MODERN, {256, 0, RING_DRIVER_OFF + 1, RING_DEVICE_OFF, {0}}, "aligned"},
		{MODERN, {256, 0, RING_DRIVER_OFF, RING_DEVICE_OFF + 2, {0}}, "aligned"},
		{MODERN, {256, OWNER_MEM - 4080, RING_DRIVER_OFF, RING_DEVICE_OFF, {0}}, ""},
		{MODERN, {256, 0, OWNER_MEM - 256, RING_DEVICE_OFF, {0}}, ""},
		{MODERN, {256, 0, RING_DRIVER_OFF, OWNER_MEM - 2048, {0}}, ""},
		{MODERN, {256, -UINT64_C(16), RING_DRIVER_OFF, RING_DEVICE_OFF, {0}}, ""},
		{PACKED, {100, PLACE, FRESH}, NULL},
		{PACKED, {256, PLACE, {7, 7, true, true}}, NULL},
		{PACKED, {256, 0, RING_DRIVER_OFF + 2, RING_DEVICE_OFF, FRESH}, "aligned"},
		{PACKED, {256, PLACE, {256, 0, true, true}}, "outside the ring"},
		{PACKED, {256, PLACE, {0, 256, true, true}}, "outside the ring"},
	};

	EACH_SIDE(s)
	{
		for (size_t i = 0; i < RTE_DIM(table); i++) {
			const char *why = table[i].why;
			const struct vdev *d = s->ring(table[i].features, &table[i].ring);

			if (vdev_vq_running(d, 1) != (why == NULL))
				fail_msg("%s: row %zu runs or does not", s->name, i);
			if (why != NULL && *why != '\0' &&
			    (!d->q[1].refused || strstr(d->q[1].why, why) == NULL))
				fail_msg("%s: row %zu: \"%s\" does not say \"%s\"", s->name, i,
					 d->q[1].why, why);
			s->end();
		}
	}
}

/** A ring that is stopped says where it stands: behind the frames it gave back. */
static void
a_stopped_ring_has_its_position(void **state)
{
	static const uint64_t features[] = {MODERN, PACKED};

	EACH_SIDE(s)
	{
		for (size_t i = 0; i < RTE_DIM(features); i++) {
			const struct row r = {"", features[i], VDEV_POLICY_ANY, 0, 0, 0, 0};
			const struct vq_state at = {3, 3, true, true};
			struct vdev *d = s->started(&r);
			struct vqd drv;

			owner_driver(s->owner, 1, d->q[1].size, &drv);
			for (int n = 0; n < 3; n++)
				assert_int_equal(owner_transmit(s->owner, 0, &drv), 1);
			assert_int_equal(s->stop(), word_of(features[i], &at));
			assert_false(vdev_vq_running(d, 1));
			assert_true(vdev_vq_running(d, 0));
			vqd_fini(&drv);
			s->end();
		}
	}
}

/** A driver's steps: the rings run from DRIVER_OK to the reset, and so for the next one. */
static void
status_starts_and_stops(void **state)
{
	EACH_SIDE(s)
	{
		struct vdev *d = s->started(&rows[0]);

		for (int again = 0; again < 3; again++) {
			assert_int_equal(vdev_get_status(d), STARTED);
			assert_true(vdev_vq_running(d, 0) && vdev_vq_running(d, 1));
			assert_true(vdev_link_up(d));
			s->status(0);
			assert_int_equal(vdev_get_status(d), 0);
			assert_false(vdev_vq_running(d, 0) || vdev_vq_running(d, 1));
			assert_false(vdev_link_up(d));
			assert_null(s->owner->rx[0]);
			/* another one, of other rings */
			memset(s->owner->mem, 0, BUF_AT(0));
			s->again(again == 0 ? PACKED : MODERN);
			assert_int_equal(d->q[1].layout, again == 0 ? VQ_PACKED : VQ_SPLIT);
		}
		s->end();
	}
}

/** The operator's word on formats holds for a driver that runs, and ends. */
static void
a_policy_stops_a_driver_that_runs(void **state)
{
	EACH_SIDE(s)
	{
		struct vdev *d = s->started(&rows[0]);

		vdev_set_policy(d, VDEV_POLICY_LEGACY_LE);
		vdev_sync(d);
		assert_false(vdev_vq_running(d, 1));
		assert_false(vdev_link_up(d));
		assert_non_null(strstr(d->q[1].why, "guest is modern"));
		vdev_set_policy(d, VDEV_POLICY_ANY);
		vdev_sync(d);
		assert_true(vdev_vq_running(d, 1));
		assert_true(vdev_link_up(d));
		s->end();
	}
}

/** The operator's state of the port: rings stand still in some, and come back where they stood. */
static void
the_port_has_its_states(void **state)
{
	static const struct {
		enum vdev_state to;
		bool running, frames;
	} way[] = {
		{VDEV_STATE_RUNNING_P2P, true, false}, {VDEV_STATE_STOP, false, false},
		{VDEV_STATE_STOP_COPY, false, false},  {VDEV_STATE_STOP, false, false},
		{VDEV_STATE_RESUMING, false, false},   {VDEV_STATE_RUNNING, true, true},
	};

	EACH_SIDE(s)
	{
		struct vdev *d = s->started(&rows[5]);
		struct vqd drv;

		owner_driver(s->owner, 1, d->q[1].size, &drv);
		for (size_t i = 0; i < RTE_DIM(way); i++) {
			assert_int_equal(vdev_state_set(&d, 1, way[i].to), 0);
			assert_int_equal(vdev_state(d), way[i].to);
			assert_int_equal(vdev_vq_running(d, 1), way[i].running);
			assert_int_equal(s->owner->rx[0] != NULL, way[i].frames);
			if (way[i].frames)
				assert_int_equal(owner_transmit(s->owner, 0, &drv), 1);
		}
		vqd_fini(&drv);
		s->end();
	}
}

/** The config space has what was set, whenever the driver reads it. */
static void
the_config_space_is_the_ports(void **state)
{
	static const uint8_t mac[2][6] = {{2, 0, 0, 0, 0, 0x20}, {2, 0, 0, 0, 0, 0x21}};
	static const uint16_t mtu[] = {1400, 9000};

	EACH_SIDE(s)
	{
		struct vdev *d = s->started(&rows[0]);
		struct virtio_net_config c;

		for (int i = 0; i < 2; i++) {
			vdev_config_set_mac(d, mac[i]);
			vdev_config_set_mtu(d, mtu[i]);
			s->config(&c);
			assert_memory_equal(c.mac, mac[i], sizeof(mac[i]));
			assert_int_equal(c.mtu, mtu[i]);
			assert_int_equal(c.status & VIRTIO_NET_S_LINK_UP, VIRTIO_NET_S_LINK_UP);
		}
		assert_int_equal(vdev_state_set(&d, 1, VDEV_STATE_STOP), 0);
		s->config(&c);
		assert_int_equal(c.status & VIRTIO_NET_S_LINK_UP, 0);
		assert_int_equal(vdev_state_set(&d, 1, VDEV_STATE_RUNNING), 0);
		s->config(&c);
		assert_int_equal(c.status & VIRTIO_NET_S_LINK_UP, VIRTIO_NET_S_LINK_UP);
		s->end();
	}
}

/** A ring that its driver breaks stops, and with it the link; a reset mends both. */
static void
a_broken_ring_stops(void **state)
{
	EACH_SIDE(s)
	{
		struct vdev *d = s->started(&rows[0]);
		struct pktq *q = &d->q[1].vq->q;
		static struct pkt_batch batch;

		/* one available entry more than the ring has */
		memset(s->owner->mem + RING_AT(1) + RING_DRIVER_OFF + 2, 0xff, 2);
		memset(&batch, 0, offsetof(struct pkt_batch, pkt));
		batch.max = PKT_BATCH_MAX;
		pktq_ops(q)->rx(q, &batch);
		vdev_attention(d);
		assert_false(vdev_vq_running(d, 1));
		assert_true(d->q[1].broken);
		assert_false(vdev_link_up(d));
		assert_int_equal(vdev_get_status(d) & VDEV_STATUS_NEEDS_RESET,
				 VDEV_STATUS_NEEDS_RESET);
		s->status(0);
		memset(s->owner->mem, 0, BUF_AT(0));
		s->again(MODERN);
		assert_true(vdev_vq_running(d, 1));
		assert_true(vdev_link_up(d));
		assert_int_equal(vdev_get_status(d), STARTED);
		s->end();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(features_are_kept_or_refused),
		cmocka_unit_test(each_bit_is_kept_or_refused),
		cmocka_unit_test(features_have_an_effect_or_none),
		cmocka_unit_test(rings_have_the_format_that_was_negotiated),
		cmocka_unit_test(rings_run_or_are_refused),
		cmocka_unit_test(a_stopped_ring_has_its_position),
		cmocka_unit_test(status_starts_and_stops),
		cmocka_unit_test(a_policy_stops_a_driver_that_runs),
		cmocka_unit_test(the_port_has_its_states),
		cmocka_unit_test(the_config_space_is_the_ports),
		cmocka_unit_test(a_broken_ring_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
