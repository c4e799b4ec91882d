/* SPDX-License-Identifier: BSD-3-Clause */
/* Engines: which one is in charge, and what passes between two of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "owner.h"
#include "vdev/engine.h"

#define MODERN (F(VERSION_1) | F(PROTOCOL_FEATURES))
#define PACKED (MODERN | F(RING_PACKED))
#define SIZE 64

/* An engine that keeps what it was told. It moves nothing, so rings stop where they started. */
struct fake {
	struct engine e;
	const char *against;
	const char *fails; /* why a ring cannot be started; a reason against it from then on */
	unsigned int starts, stops, commits, mems, irqs, closes;
	struct vq_state at[4];
};

static struct owner o;
static struct fake fake;
static unsigned int fds_before;

static struct fake *
fake_of(const struct engine *e)
{
	return (struct fake *)(uintptr_t)e;
}

static const char *
fake_check(const struct engine *e, const struct vdev *d)
{
	return fake_of(e)->against;
}

static int
fake_set_mem(struct engine *e, struct vdev *d)
{
	fake_of(e)->mems++;
	return 0;
}

static const char *
fake_start(struct engine *e, struct vdev *d, struct vdev_queue *q)
{
	struct fake *f = fake_of(e);

	if (f->fails != NULL) {
		f->against = f->fails;
		return f->fails;
	}
	f->starts++;
	f->at[q - d->q] = q->state;
	return NULL;
}

static struct vq_state
fake_stop(struct engine *e, struct vdev *d, struct vdev_queue *q)
{
	struct fake *f = fake_of(e);

	f->stops++;
	return f->at[q - d->q];
}

static void
fake_irq(struct engine *e, struct vdev *d, struct vdev_queue *q)
{
	fake_of(e)->irqs++;
}

static void
fake_commit(struct engine *e, struct vdev *d)
{
	fake_of(e)->commits++;
}

static const struct pktq_stats *
fake_stats(const struct engine *e, const struct vdev_queue *q)
{
	return NULL;
}

static void
fake_close(struct engine *e, struct vdev *d)
{
	fake_of(e)->closes++;
}

static const struct engine_ops fake_ops = {
	.check = fake_check,
	.set_mem = fake_set_mem,
	.vq_start = fake_start,
	.vq_stop = fake_stop,
	.set_irq = fake_irq,
	.commit = fake_commit,
	.stats = fake_stats,
	.close = fake_close,
};

static struct engine *const both[] = {&fake.e, &soft_engine, NULL};
static struct engine *const only[] = {&fake.e, NULL};

static int
setup(void **state)
{
	fds_before = open_fds();
	fake = (struct fake){
		.e =
			{
				.ops = &fake_ops,
				.name = "fake",
				.caps =
					{
						.features = ~F(LOG_ALL),
						.formats = VDEV_FORMATS_ALL,
						.queue_pairs = 2,
					},
			},
	};
	owner_init(&o, NULL);
	return 0;
}

static int
teardown(void **state)
{
	owner_fini(&o);
	return open_fds() == fds_before ? 0 : -1;
}

static void
offload(struct engine *const *list)
{
	vdev_set_engines(o.d, list);
	vdev_sync(o.d);
}

/* Software is in charge unless the list says otherwise, and of a device that has nothing, too. */
static void
test_software(void **state)
{
	vdev_sync(o.d);
	assert_ptr_equal(o.d->engine, &soft_engine);
	owner_start(&o, MODERN, SIZE);
	assert_non_null(o.rx[0]);
}

/* Hardware that has to serve the guest decides which formats it may have. */
static void
test_formats_offered(void **state)
{
	const uint32_t all = VDEV_FORMATS_ALL, modern = 1u << VDEV_MODERN;

	fake.e.caps.formats = modern;
	offload(both);
	assert_int_equal(vdev_formats_offered(o.d), all);
	vdev_set_hw(o.d, VDEV_HW_REQUIRE);
	assert_int_equal(vdev_formats_offered(o.d), modern);
	vdev_set_policy(o.d, VDEV_POLICY_LEGACY_LE);
	assert_int_equal(vdev_formats_offered(o.d), 0);
	vdev_set_policy(o.d, VDEV_POLICY_ANY);
	fake.e.caps.queue_pairs = 0; /* it is not there */
	assert_int_equal(vdev_formats_offered(o.d), all);
	fake.e.caps.queue_pairs = 2;
	vdev_set_hw(o.d, VDEV_HW_NEVER);
	assert_int_equal(vdev_formats_offered(o.d), all);
}

/* There and back under traffic: each goes on where the other one stopped. */
static void
test_there_and_back(void **state)
{
	static const uint64_t features[] = {MODERN, PACKED};
	struct vqd drv;

	for (size_t k = 0; k < RTE_DIM(features); k++) {
		owner_start(&o, features[k], SIZE);
		owner_driver(&o, 1, SIZE, &drv);
		for (uint32_t n = 1; n <= 100; n++) {
			assert_int_equal(owner_transmit(&o, 0, &drv), 1);
			offload(both);
			assert_ptr_equal(o.d->engine, &fake.e);
			assert_null(o.rx[0]);
			assert_true(vdev_link_up(o.d));
			assert_int_equal(fake.at[1].avail, n % (k == 0 ? UINT16_MAX : SIZE));
			assert_int_equal(fake.at[1].used, fake.at[1].avail);
			offload(NULL);
			assert_ptr_equal(o.d->engine, &soft_engine);
			assert_non_null(o.rx[0]);
		}
		assert_int_equal(fake.starts, 200 * (k + 1));
		assert_int_equal(fake.stops, fake.starts);
		vqd_fini(&drv);
		vdev_reset(o.d);
		vdev_sync(o.d);
	}
	assert_true(fake.commits >= 200);
	assert_true(fake.mems >= 200);
}

/* Facts decide: what the first of the list cannot serve brings the rings back by itself. */
static void
test_facts_decide(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out;

	fake.against = "no such card";
	owner_start(&o, MODERN, SIZE);
	offload(both);
	assert_non_null(o.rx[0]);
	out = open_memstream(&text, &len);
	vdev_show(o.d, out);
	fclose(out);
	assert_non_null(strstr(text, "datapath software"));
	assert_non_null(strstr(text, "not fake: no such card"));
	free(text);
	fake.against = NULL;
	vdev_sync(o.d);
	assert_null(o.rx[0]);
	assert_ptr_equal(o.d->engine, &fake.e);
	/* a migration begins, and fails */
	assert_int_equal(vdev_set_features(o.d, MODERN | F(LOG_ALL)), 0);
	vdev_sync(o.d);
	assert_non_null(o.rx[0]);
	assert_int_equal(vdev_set_features(o.d, MODERN), 0);
	vdev_sync(o.d);
	assert_null(o.rx[0]);
	/* a guest arrives before its memory does, which a card would fill with zeros */
	vdev_set_arriving(o.d, true);
	vdev_sync(o.d);
	assert_non_null(o.rx[0]);
	vdev_set_arriving(o.d, false);
	vdev_sync(o.d);
	assert_null(o.rx[0]);
	/* the card vanishes */
	fake.against = "the card is gone";
	vdev_sync(o.d);
	assert_non_null(o.rx[0]);
}

/* Running rings' facts reach the engine in charge. */
static void
test_changes_reach_it(void **state)
{
	unsigned int mems;

	offload(both);
	owner_start(&o, MODERN, SIZE);
	assert_int_equal(fake.starts, 2);
	mems = fake.mems;
	owner_give_memory(&o);
	assert_int_equal(fake.mems, mems + 1);
	assert_int_equal(vdev_vq_set_call(o.d, 1, -1), 0);
	assert_int_equal(fake.irqs, 1);
	vdev_disconnect(o.d);
	assert_int_equal(fake.stops, fake.starts);
	owner_connect(&o);
}

static void
test_failure_falls_back(void **state)
{
	fake.fails = "it does not like the ring";
	offload(both);
	owner_start(&o, MODERN, SIZE);
	assert_ptr_equal(o.d->engine, &soft_engine);
	assert_non_null(o.rx[0]);
	assert_non_null(o.tx[0]);
}

/* A worker found the ring broken, and hardware took it over before control looked. */
static void
test_reports_end_with_their_engine(void **state)
{
	owner_start(&o, MODERN, SIZE);
	assert_non_null(o.rx[0]);
	atomic_store(&o.d->q[1].vq->attention, VQ_ATTN_BROKEN);
	offload(both);
	vdev_attention(o.d);
	assert_ptr_equal(o.d->engine, &fake.e);
	assert_true(o.d->q[1].running);
	assert_int_equal(o.d->counters.ring_errors, 0);
	/* nor is it one of the engine that comes after */
	fake.against = "gone";
	vdev_sync(o.d);
	vdev_attention(o.d);
	assert_non_null(o.rx[0]);
	assert_int_equal(o.d->counters.ring_errors, 0);
}

static void
test_nobody_left(void **state)
{
	char buf[160];

	fake.against = "no such card";
	owner_start(&o, MODERN, SIZE);
	offload(only);
	assert_null(o.d->engine);
	assert_null(o.rx[0]);
	assert_non_null(strstr(vdev_why(o.d, buf, sizeof(buf)), "no such card"));
	offload(both);
	assert_non_null(o.rx[0]);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(software),         T(there_and_back),
		T(formats_offered),  T(facts_decide),
		T(changes_reach_it), T(failure_falls_back),
		T(nobody_left),      T(reports_end_with_their_engine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
