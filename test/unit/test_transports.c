/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One table for both transports of the device: a driver's set of features, whether FEATURES_OK is
 * kept, and how its rings are read when it has started.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vduse_model.h"
#include "wire.h"

#define MODERN (F(VERSION_1) | F(ACCESS_PLATFORM))
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
	{"packed", MODERN | F(RING_PACKED), VDEV_POLICY_ANY, true, VDEV_MODERN, VQ_PACKED, 12},
	{"packed, modern only", MODERN | F(RING_PACKED), VDEV_POLICY_MODERN_ONLY, true, VDEV_MODERN,
	 VQ_PACKED, 12},
	{"packed without VERSION_1", F(RING_PACKED) | F(ACCESS_PLATFORM), VDEV_POLICY_ANY, false, 0,
	 0, 0},
	{"in order without VERSION_1", NETF(35) | F(ACCESS_PLATFORM), VDEV_POLICY_ANY, false, 0, 0,
	 0},
	{"a bit that is not offered", MODERN | NETF(60), VDEV_POLICY_ANY, false, 0, 0, 0},
	{"modern at a port of legacy guests", MODERN, VDEV_POLICY_LEGACY_LE, false, 0, 0, 0},
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
	wire_fini(&w);
	return status & STATUS_FEATURES_OK;
}

static struct vdev *
vhost_user_started(const struct row *r)
{
	wire_init(&w, WIRE_ALL);
	w.o.d->cfg.policy = r->policy;
	/* ring addresses in an IOMMU's space are a matter of their own */
	wire_start(&w, (r->features & ~F(ACCESS_PLATFORM)) | F(PROTOCOL_FEATURES));
	wire_ask_u64(&w, VHU_SET_STATUS, STARTED);
	return w.o.d;
}

static void
vhost_user_end(void)
{
	wire_fini(&w);
}

/* --- VDUSE --- */

static bool
vduse_kept(const struct row *r)
{
	bool kept;

	vk_setup(NULL);
	vk_transport = vk_make();
	assert_non_null(vk_transport);
	vk_owner.d->cfg.policy = r->policy;
	vk_driver_rings(r->features);
	vk.features = r->features;
	vk_set_status(1);
	vk_set_status(3);
	kept = vk_set_status(0xb) == VDUSE_REQ_RESULT_OK;
	vk_teardown(NULL);
	return kept;
}

static struct vdev *
vduse_started(const struct row *r)
{
	vk_setup(NULL);
	vk_owner.d->cfg.policy = r->policy;
	vk_start(r->features);
	return vk_owner.d;
}

static void
vduse_end(void)
{
	vk_teardown(NULL);
}

static const struct {
	const char *name;
	bool (*kept)(const struct row *r);
	struct vdev *(*started)(const struct row *r);
	void (*end)(void);
} sides[] = {
	{"vhost-user", vhost_user_kept, vhost_user_started, vhost_user_end},
	{"VDUSE", vduse_kept, vduse_started, vduse_end},
};

/* --- the checks --- */

static void
features_are_kept_or_refused(void **state)
{
	for (size_t s = 0; s < RTE_DIM(sides); s++)
		for (size_t i = 0; i < RTE_DIM(rows); i++)
			if (sides[s].kept(&rows[i]) != rows[i].kept)
				fail_msg("%s: %s", sides[s].name, rows[i].what);
}

static void
rings_have_the_format_that_was_negotiated(void **state)
{
	for (size_t s = 0; s < RTE_DIM(sides); s++) {
		for (size_t i = 0; i < RTE_DIM(rows); i++) {
			const struct row *r = &rows[i];
			const struct vdev *d;

			if (!r->kept)
				continue;
			d = sides[s].started(r);
			for (uint32_t q = 0; q < 2; q++)
				if (!vdev_vq_running(d, q) || d->q[q].format != r->format ||
				    d->q[q].layout != r->layout || d->q[q].vq->hdr_len != r->header)
					fail_msg("%s: %s: ring %u", sides[s].name, r->what, q);
			assert_true(vdev_link_up(d));
			assert_int_equal(vdev_get_status(d), STARTED);
			sides[s].end();
		}
	}
}

/** A ring that its driver breaks stops, and with it the link; a reset mends both. */
static void
a_broken_ring_stops(void **state)
{
	for (size_t s = 0; s < RTE_DIM(sides); s++) {
		struct vdev *d = sides[s].started(&rows[0]);
		uint8_t *mem = s == 0 ? w.o.mem : vk_owner.mem;
		struct pktq *q = &d->q[1].vq->q;
		static struct pkt_batch batch;

		/* one available entry more than the ring has */
		memset(mem + RING_AT(1) + RING_DRIVER_OFF + 2, 0xff, 2);
		memset(&batch, 0, offsetof(struct pkt_batch, pkt));
		batch.max = PKT_BATCH_MAX;
		pktq_ops(q)->rx(q, &batch);
		vdev_attention(d);
		assert_false(vdev_vq_running(d, 1));
		assert_true(d->q[1].broken);
		assert_false(vdev_link_up(d));
		assert_int_equal(vdev_get_status(d) & VDEV_STATUS_NEEDS_RESET,
				 VDEV_STATUS_NEEDS_RESET);
		sides[s].end();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(features_are_kept_or_refused),
		cmocka_unit_test(rings_have_the_format_that_was_negotiated),
		cmocka_unit_test(a_broken_ring_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
