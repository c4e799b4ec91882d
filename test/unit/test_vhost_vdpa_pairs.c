/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Several queue pairs of a vhost-vdpa device: what the control queue is told, where it lies, and
 * all that can be wrong with it, against a model of the kernel.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include <cmocka.h>
#include <rte_common.h>

#include "base/lane.h"
#include "eal.h"
#include "link_model.h"
#include "owner.h"
#include "switch/port_kind.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"
#include "vhost_vdpa/link.h"
#include "vhost_vdpa/port.h"
#include "vhost_vdpa/queue.h"
#include "virtq/fmt.h"

#define PAIRS 4
#define WORKERS 3
#define PAIRS_FEATURES (LM_BIT(VIRTIO_NET_F_MQ) | LM_BIT(VIRTIO_NET_F_CTRL_VQ))
#define HASTY_MS 30

static struct link *l;
static char err[160];
static unsigned int fds_before;
static struct link_config cfg;

/** A device of @p pairs with a control queue, in a group of its own. */
static void
device(uint16_t pairs)
{
	lm_fini();
	lm_init();
	lm.offered |= PAIRS_FEATURES;
	lm.config.max_virtqueue_pairs = pairs;
	lm.nvqs = 2u * pairs + 1;
	lm.ngroups = lm.nas = 2;
	lm.group[2 * pairs] = 1;
}

static int
setup(void **state)
{
	device(PAIRS);
	cfg = (struct link_config){.path = CHARDEV_PREFIX "0",
				   .pairs = PAIRS,
				   .answer_ms = 60000,
				   .sys = &link_model_sys};
	fds_before = open_fds();
	return 0;
}

static int
teardown(void **state)
{
	lm_fini();
	link_close(l);
	l = NULL;
	return open_fds() == fds_before ? 0 : -1;
}

static void
begin(void)
{
	link_close(l);
	l = link_open(&cfg, err, sizeof(err));
	if (l == NULL)
		fail_msg("%s", err);
}

/** A frame each way by every pair. */
static void
exchange(void)
{
	static struct vv_rxq rx;
	static struct vv_txq tx;
	static struct pkt_batch batch;
	uint8_t bytes[100];
	struct pkt p, *ptr = &p;

	for (uint32_t i = 0; i < l->pairs; i++) {
		memset(&rx, 0, sizeof(rx));
		memset(&tx, 0, sizeof(tx));
		vv_rxq_use(&rx, l, i);
		vv_txq_use(&tx, l, i);
		memset(bytes, (int)(0x40 + i), sizeof(bytes));
		p = (struct pkt){.data = bytes, .len = 100, .data_len = 100, .nsegs = 1};
		memcpy(p.eth_bytes, bytes, sizeof(p.eth_bytes));
		assert_int_equal(vv_tx_ops.tx(&tx.q, &ptr, 1), 1);
		assert_int_equal(lm_echo(i), 1);
		batch.max = PKT_BATCH_MAX;
		assert_int_equal(vv_rx_ops.rx(&rx.q, &batch), 1);
		assert_int_equal(batch.pkt[0].len, sizeof(bytes));
		assert_memory_equal(batch.pkt[0].data, bytes, sizeof(bytes));
		vv_rx_ops.rx_done(&rx.q, &batch);
	}
}

/** As many pairs as both have, by one command. */
static void
test_pairs(void **state)
{
	static const struct {
		uint32_t device, wanted, run;
		const char *few;
	} rows[] = {
		{4, 4, 4, ""},
		{4, 2, 2, ""},
		{3, 16, 3, "the device has 3 queue pairs"},
		{1, 4, 1, "the device has one queue pair"},
		{4, 1, 1, ""},
	};

	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		link_close(l);
		l = NULL;
		device((uint16_t)rows[i].device);
		cfg.pairs = rows[i].wanted;
		begin();
		assert_int_equal(l->pairs, rows[i].run);
		assert_string_equal(l->few, rows[i].few);
		assert_int_equal(lm.pairs, rows[i].run > 1 ? rows[i].run : 0);
		assert_int_equal(lm.opens, 1);
		/* rings that do not run are not described */
		for (uint32_t k = 2 * l->pairs; k < 2 * rows[i].device; k++)
			assert_int_equal(lm.ring[k].num, 0);
		assert_int_equal((lm.features & PAIRS_FEATURES) != 0, rows[i].wanted > 1);
		exchange();
	}
}

/** The command goes by packed rings as well. */
static void
test_packed(void **state)
{
	lm.offered |= LM_BIT(VIRTIO_F_RING_PACKED);
	cfg.packed = true;
	begin();
	assert_true(lm.features & LM_BIT(VIRTIO_F_RING_PACKED));
	assert_int_equal(lm.pairs, PAIRS);
	assert_int_equal(l->pairs, PAIRS);
}

/** How much of the ring's memory is mapped for address space @p asid. */
static uint64_t
mapped(uint32_t asid)
{
	uint64_t size = 0;

	for (uint32_t i = 0; i < lm.nregions; i++)
		if (lm.region[i].asid == asid)
			size += lm.region[i].m.size;
	return size;
}

/** The device's data queues do not reach the control queue where it can be kept from them. */
static void
test_space(void **state)
{
	begin();
	assert_true(l->apart);
	assert_int_equal(lm.asid[1], 1);
	assert_int_equal(lm.asid[0], 0);
	assert_in_range(mapped(1), 1, 64 << 10);
	assert_int_equal(mapped(0) + mapped(1), l->size);
	assert_int_equal(lm.batch, 2);
	assert_int_equal(lm.batches, 2);
	for (uint32_t i = 0; i < lm.nregions; i++)
		for (uint32_t k = 0; k < i; k++)
			assert_true(
				lm.region[i].m.iova >= lm.region[k].m.iova + lm.region[k].m.size ||
				lm.region[k].m.iova >= lm.region[i].m.iova + lm.region[i].m.size);
	exchange();
}

/** It runs beside them where it cannot. */
static void
test_no_space(void **state)
{
	for (int i = 0; i < 6; i++) {
		link_close(l);
		l = NULL;
		device(PAIRS);
		if (i == 0)
			lm.backend = 0x6; /* a kernel without address spaces */
		else if (i == 1)
			lm.ngroups = lm.group[2 * PAIRS] = 1;
		else if (i == 2)
			lm.nas = 1;
		else if (i == 3)
			lm.group[2 * PAIRS] = 0;
		else if (i == 4)
			lm.group[3] = 1; /* one data ring would come along */
		else
			lm.keeps_spaces = true;
		if (i == 1)
			lm.group[2 * PAIRS] = 0;
		begin();
		assert_false(l->apart);
		assert_int_equal(l->pairs, PAIRS);
		assert_int_equal(lm.asid[0] | lm.asid[1], 0);
		assert_int_equal(mapped(0), l->size);
		exchange();
	}
}

/** A device that says no, or nothing, is started anew with one pair, which runs. */
static void
test_refused(void **state)
{
	static const struct {
		enum lm_answer answer;
		const char *few;
	} rows[] = {
		{LM_REFUSES, "the device refuses 4 queue pairs"},
		{LM_IS_SILENT, "the device does not answer on its control queue"},
		{LM_BREAKS_RING, "the device breaks its control queue"},
	};

	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		link_close(l);
		l = NULL;
		device(PAIRS);
		lm.answer = rows[i].answer;
		cfg.answer_ms = lm.answer == LM_IS_SILENT ? HASTY_MS : 60000;
		begin();
		assert_int_equal(l->pairs, 1);
		assert_string_equal(l->few, rows[i].few);
		assert_int_equal(lm.opens, 2);
		assert_int_equal(lm.features & PAIRS_FEATURES, 0);
		assert_int_equal(lm.ring[2].num, 0);
		exchange();
	}
}

/** The answer is found without its interrupt. */
static void
test_no_interrupt(void **state)
{
	lm.answer = LM_FORGETS_INTERRUPT;
	begin();
	assert_int_equal(l->pairs, PAIRS);
	assert_string_equal(l->few, "");
}

/** Devices that contradict themselves have one pair. */
static void
test_contradictions(void **state)
{
	lm.offered &= ~LM_BIT(VIRTIO_NET_F_CTRL_VQ);
	begin();
	assert_string_equal(l->few,
			    "the device has no control queue, which several queue pairs take");
	exchange();
	lm.offered = LM_OFFER | LM_BIT(VIRTIO_NET_F_CTRL_VQ);
	begin();
	assert_string_equal(l->few, "the device has one queue pair");
	lm.offered |= LM_BIT(VIRTIO_NET_F_MQ);
	for (uint32_t i = 0; i < 3; i++) {
		lm.config.max_virtqueue_pairs = i == 0 ? 0 : i == 1 ? 0xffff : PAIRS;
		lm.nvqs = i == 2 ? 2 * PAIRS : 2 * PAIRS + 1;
		begin();
		assert_int_equal(l->pairs, 1);
		assert_non_null(strstr(l->few, "the device says "));
		assert_int_equal(lm.pairs, 0);
		exchange();
	}
	/* an older kernel does not say how many there are */
	lm.nvqs = 0;
	begin();
	assert_string_equal(l->few, "the device says 4 queue pairs and has 2 queues");
}

/* --- the port --- */

static struct sw sw;

static void
wait_for_result(struct vv_port *v)
{
	while (v->busy)
		ev_run_once(sw.loop, 10);
}

static uint16_t
queues(struct vv_port *v)
{
	struct pktq *rx[DP_QUEUES_MAX], *tx[DP_QUEUES_MAX];
	bool discard[DP_QUEUES_MAX];
	struct port_queues q = {DP_QUEUES_MAX, 0, 0, rx, tx, discard};

	v->port.ops->queues(&v->port, &q);
	assert_int_equal(q.nrx, q.ntx);
	for (uint16_t i = 0; i < q.nrx; i++) {
		assert_int_equal(rx[i]->index, i);
		assert_int_equal(rx[i]->event_fd, v->link->queue[2 * i].call_fd);
	}
	return q.nrx;
}

static char *
text(struct vv_port *v, void (*print)(const struct port *p, FILE *out))
{
	static char buf[2048];
	FILE *out = fmemopen(buf, sizeof(buf), "w");

	assert_non_null(out);
	print(&v->port, out);
	assert_int_equal(fclose(out), 0);
	return buf;
}

static const struct port_detail *
detail(struct vv_port *v, const char *name)
{
	static struct port_detail d[PORT_DETAILS_MAX];
	uint32_t n = v->port.ops->details(&v->port, d);

	for (uint32_t i = 0; i < n; i++)
		if (strcmp(d[i].name, name) == 0)
			return &d[i];
	fail_msg("no %s", name);
	return NULL;
}

/** A port with this argument, whose device may take @p answer_ms for a command. */
static struct vv_port *
make_port(const char *devargs, uint32_t answer_ms)
{
	static const struct fdb_config fdb = {.limit = 100, .ageing_s = 300};
	static const struct port_defaults defaults;
	const struct port_request r = {.sw = &sw,
				       .devargs = devargs,
				       .defaults = &defaults,
				       .err = err,
				       .errlen = sizeof(err)};
	struct vv_devargs a;
	struct port *p;

	assert_int_equal(vv_devargs_of(&r, &a), 0);
	assert_int_equal(sw_init(&sw, WORKERS, &fdb, NULL, ev_loop_new()), 0);
	p = vv_port_new(&r, &a);
	assert_non_null(p);
	vv_of(p)->cfg.sys = &link_model_sys;
	vv_of(p)->cfg.answer_ms = answer_ms;
	ev_run_once(sw.loop, 0);
	assert_true(vv_of(p)->busy);
	return vv_of(p);
}

/** How many workers poll the port's queues; each queue has one. */
static uint32_t
workers(const struct vv_port *v)
{
	uint32_t seen = 0;

	for (uint32_t i = 0; i < v->link->pairs; i++) {
		assert_in_range(v->port.owner[i], 0, WORKERS - 1);
		seen |= 1u << v->port.owner[i];
	}
	return (uint32_t)__builtin_popcount(seen);
}

/** A device that comes back with fewer pairs: the port runs those, says so, and keeps counters. */
static void
test_reconnect(void **state)
{
	struct vv_port *v = make_port("net_vhost_vdpa0,path=/dev/vhost-vdpa-0,queues=4", 60000);
	struct pktq_stats s;
	struct ev_loop *loop;

	wait_for_result(v);
	assert_int_equal(queues(v), 4);
	assert_int_equal(workers(v), WORKERS);
	assert_string_equal(text(v, v->port.ops->datapath), "");
	assert_non_null(strstr(text(v, v->port.ops->show), "Queue pairs: 4 of 4\n"));
	assert_non_null(strstr(text(v, v->port.ops->negotiation), "4 queue pairs, "));
	assert_non_null(strstr(text(v, v->port.ops->negotiation),
			       "control queue in an address space of its own"));
	assert_int_equal(detail(v, "queue_pairs")->number, 4);
	assert_int_equal(detail(v, "control_queue_apart")->number, 1);
	counter_add(&v->rx[3]->q.stats.frames, 7);

	lm_fini();
	lm.status |= CHARDEV_NEEDS_RESET;
	lm.config.max_virtqueue_pairs = 2;
	lm.group[4] = 1;
	lm.group[8] = 0;
	assert_int_equal(eventfd_write(v->link->config_fd, 1), 0);
	while (v->link != NULL)
		ev_run_once(sw.loop, 10);
	assert_int_equal(queues(v), 0);
	while (v->link == NULL)
		ev_run_once(sw.loop, 10);
	assert_int_equal(queues(v), 2);
	assert_int_equal(workers(v), 2);
	assert_string_equal(text(v, v->port.ops->datapath),
			    "Queue pairs: 2 of 4: the device has 2 queue pairs\n");
	assert_int_equal(detail(v, "queue_pairs")->number, 2);
	assert_int_equal(detail(v, "queue_pairs_wanted")->number, 4);
	assert_string_equal(detail(v, "queue_pairs_why")->text, "the device has 2 queue pairs");
	assert_true(v->port.ops->stats(&v->port, false, 3, &s));
	assert_int_equal(s.frames, 7);
	assert_false(v->port.ops->stats(&v->port, false, 4, &s));

	loop = sw.loop;
	sw_fini(&sw);
	ev_loop_free(loop);
	while (!lane_all_idle())
		usleep(100);
}

/** Control goes on while the device is silent, and so does the end of the port. */
static void
test_silent_device(void **state)
{
	uint64_t begun = ev_now_ns();
	struct vv_port *v;
	struct ev_loop *loop;

	lm.answer = LM_IS_SILENT;
	v = make_port("net_vhost_vdpa0,path=/dev/vhost-vdpa-0,queues=4", 300);
	for (int i = 0; i < 20; i++) {
		uint16_t n;

		ev_run_once(sw.loop, 1);
		n = queues(v);
		/* a slow machine may be past the time that the device has */
		if (ev_now_ns() - begun < 300000000)
			assert_int_equal(n, 0);
	}
	loop = sw.loop;
	sw_fini(&sw);
	ev_loop_free(loop);
	while (!lane_all_idle())
		usleep(100);
}

static void
test_arguments(void **state)
{
	static const struct {
		const char *queues, *says;
	} rows[] = {
		{"", NULL},
		{",queues=1", NULL},
		{",queues=16", NULL},
		{",queues=0", "expected 1 to 16"},
		{",queues=17", "expected 1 to 16"},
		{",queues=", "expected 1 to 16"},
		{",queues=2x", "expected 1 to 16"},
	};
	char devargs[128];
	struct vv_devargs a;

	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		const struct port_request r = {.devargs = devargs,
					       .err = err,
					       .errlen = sizeof(err)};

		snprintf(devargs, sizeof(devargs), "net_vhost_vdpa0,path=/dev/vhost-vdpa-0%s",
			 rows[i].queues);
		assert_int_equal(vv_devargs_of(&r, &a), rows[i].says == NULL ? 0 : -EINVAL);
		if (rows[i].says != NULL)
			assert_non_null(strstr(err, rows[i].says));
		else
			assert_int_equal(a.pairs, i == 2 ? 16 : 1);
	}
}

static int
group_setup(void **state)
{
	return eal_start("0", 128);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(pairs),        T(packed),         T(space),     T(no_space),      T(refused),
		T(no_interrupt), T(contradictions), T(reconnect), T(silent_device), T(arguments),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
