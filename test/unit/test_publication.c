/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How often the switch is published: changes without a waiter once per round of
 * the control loop, what is taken back at once, and a group of ports once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "eal.h"
#include "owner.h"
#include "peer.h"
#include "base/sock.h"
#include "virtio/port.h"
#include "switch/publish.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"

#define PORTS 1000 /* where the number matters */
#define FEW 2
#define REPEATS 10000
#define SIZE 64

static char dir[] = "/tmp/test_publication.XXXXXX";
static struct sw sw;
static struct vdev *dev[PORTS];
static uint32_t nports;
static struct owner memory; /* the memory of all guests, and a device that is not used */

/* Publications since the last call. A queue that changes its worker takes two; none does here. */
static uint64_t
publications(void)
{
	static uint64_t last;
	uint64_t n = sw.generation - last;

	last = sw.generation;
	return n;
}

static void
new_port(uint32_t i)
{
	const struct virtio_env env = {.sw = &sw};
	struct virtio_devargs a;
	char text[200], err[200];
	struct port *p;

	virtio_devargs_init(&a);
	snprintf(text, sizeof(text), "net_vhost%u,iface=%s/%u", i, dir, i);
	assert_int_equal(virtio_devargs_parse(text, &a, err, sizeof(err)), 0);
	p = virtio_port_new(&env, &a, err, sizeof(err));
	assert_non_null(p);
	dev[i] = virtio_port_device(p);
}

/* The facts a front-end says before its rings run. */
static void
say_all(uint32_t i)
{
	struct owner o = memory;

	o.d = dev[i];
	assert_int_equal(vdev_set_features(o.d, F(VERSION_1)), 0);
	vdev_use_enable(o.d, true);
	owner_give_memory(&o);
	owner_start_ring(&o, 0, SIZE, 0);
	owner_start_ring(&o, 1, SIZE, 0);
}

static int
set_up(uint32_t ports)
{
	const struct fdb_config cfg = {.limit = 100};

	if (sw_init(&sw, 1, &cfg, NULL, ev_loop_new()) != 0)
		return -1;
	owner_init(&memory, NULL);
	nports = ports;
	for (uint32_t i = 0; i < nports; i++)
		new_port(i);
	sw_start(&sw, true);
	for (uint32_t i = 0; i < nports; i++)
		say_all(i);
	ev_run_once(sw.loop, 0);
	(void)publications();
	return 0;
}

static int
setup(void **state)
{
	return set_up(FEW);
}

static int
setup_many(void **state)
{
	return set_up(PORTS);
}

static int
teardown(void **state)
{
	struct ev_loop *loop = sw.loop;

	for (uint32_t i = 0; i < sw.nports; i++) /* or each takes a publication of the others */
		if (sw.port[i] != NULL)
			sw.port[i]->started = false;
	sw_fini(&sw);
	ev_loop_free(loop);
	owner_fini(&memory);
	return 0;
}

static void
test_starts(void **state)
{
	for (uint32_t i = 0; i < PORTS; i++)
		vdev_reset(dev[i]);
	(void)publications();
	for (uint32_t i = 0; i < PORTS; i++)
		say_all(i);
	assert_int_equal(publications(), 0);
	ev_run_once(sw.loop, 0);
	assert_int_equal(publications(), 1);
	for (uint32_t i = 0; i < PORTS; i++)
		assert_true(dev[i]->q[0].live && dev[i]->q[1].live);
	ev_run_once(sw.loop, 0);
	assert_int_equal(publications(), 0);
}

static void
test_group(void **state)
{
	assert_int_equal(vdev_quiesce(dev, PORTS), 0);
	assert_int_equal(publications(), 1);
	for (uint32_t i = 0; i < PORTS; i++)
		assert_false(dev[i]->q[0].live || dev[i]->q[1].live);
	assert_int_equal(vdev_resume(dev, PORTS), 0);
	assert_int_equal(publications(), 1);
	assert_int_equal(vdev_state_set(dev, PORTS, VDEV_STATE_STOP), 0);
	assert_int_equal(publications(), 1);
	for (uint32_t i = 0; i < PORTS; i++)
		assert_false(dev[i]->q[0].running || dev[i]->q[0].live);
	assert_int_equal(vdev_state_set(dev, PORTS, VDEV_STATE_RUNNING), 0);
	assert_int_equal(publications(), 1);
	assert_true(vdev_link_up(dev[PORTS - 1]));
}

/* Front-ends that enable and disable their rings in a loop, all at once. */
static void
test_enable_of_all(void **state)
{
	for (uint32_t n = 0; n < PORTS * 11; n++) {
		assert_int_equal(vdev_vq_set_enable(dev[n % PORTS], 1, n / PORTS % 2), 0);
		vdev_sync(dev[n % PORTS]);
	}
	assert_int_equal(publications(), 0);
	ev_run_once(sw.loop, 0);
	assert_int_equal(publications(), 1);
	for (uint32_t i = 0; i < PORTS; i++)
		assert_true(dev[i]->q[0].live && !dev[i]->q[1].enabled);
}

/* A front-end that says the same again and again costs its neighbours one publication. */
static void
test_enable_in_a_loop(void **state)
{
	for (uint32_t n = 0; n < REPEATS; n++) {
		assert_int_equal(vdev_vq_set_enable(dev[0], 1, n % 2), 0);
		vdev_sync(dev[0]);
	}
	assert_int_equal(publications(), 0);
	ev_run_once(sw.loop, 0);
	assert_int_equal(publications(), 1);
}

/* Rings in use are taken back at once, and but once: until the next round they do not see it. */
static void
test_edit_in_a_loop(void **state)
{
	for (uint32_t n = 0; n < REPEATS; n++) {
		vdev_pause(dev[0]);
		assert_false(dev[0]->q[1].live);
		assert_int_equal(vdev_vq_set_num(dev[0], 1, SIZE), 0);
		vdev_sync(dev[0]);
		assert_true(dev[0]->q[1].running);
	}
	assert_int_equal(publications(), 1);
	ev_run_once(sw.loop, 0);
	assert_int_equal(publications(), 1);
	assert_true(dev[0]->q[1].live);
}

/* How many of the rings the guest transmits on workers poll, and whether they discard frames. */
static uint16_t
polled(bool *discard)
{
	struct pktq *rx[1], *tx[1];
	struct port_queues q = {.max = 1, .rx = rx, .tx = tx, .discard = discard};

	sw.port[0]->ops->queues(sw.port[0], &q);
	return q.nrx;
}

/* Start ring 1 as a front-end does: its enable is a message of its own. */
static void
start_disabled(void)
{
	vdev_pause(dev[0]);
	assert_int_equal(vdev_vq_set_enable(dev[0], 1, false), 0);
	assert_int_equal(vdev_vq_set_ready(dev[0], 1), 0);
	vdev_sync(dev[0]);
	ev_run_once(sw.loop, 0);
	assert_true(dev[0]->q[1].running);
}

/* Frames that are pending when a ring starts stay until the front-end has said what it is to be. */
static void
test_enable_is_awaited(void **state)
{
	bool discard;

	start_disabled();
	assert_int_equal(polled(&discard), 0);
	assert_int_equal(vdev_vq_set_enable(dev[0], 1, true), 0);
	vdev_sync(dev[0]);
	assert_int_equal(polled(&discard), 1);
	assert_false(discard);
	start_disabled();
	assert_int_equal(vdev_vq_set_enable(dev[0], 1, false), 0);
	vdev_sync(dev[0]);
	assert_int_equal(polled(&discard), 1);
	assert_true(discard);
	start_disabled();
	assert_int_equal(polled(&discard), 0);
	while (polled(&discard) == 0)
		ev_run_once(sw.loop, -1);
	assert_true(discard);
}

/* A front-end at port 0's socket, with acknowledgements. */
static int
connected(void)
{
	const uint64_t ack = VHU_PF(REPLY_ACK);
	char path[100];
	struct vhu_msg m;
	int fd, none;

	snprintf(path, sizeof(path), "%s/0", dir);
	fd = sock_connect_unix(path);
	assert_true(fd >= 0);
	while (dev[0]->transport == NULL)
		ev_run_once(sw.loop, 1000);
	peer_send(fd, VHU_GET_PROTOCOL_FEATURES, VHU_VERSION, NULL, 0, NULL, 0);
	while (!peer_recv(fd, &m, &none))
		ev_run_once(sw.loop, 10);
	peer_send(fd, VHU_SET_PROTOCOL_FEATURES, VHU_VERSION, &ack, sizeof(ack), NULL, 0);
	return fd;
}

/*
 * Who has the answer that a ring is disabled takes it for left alone. The answers come in order
 * with those behind them, after one publication for all.
 */
static void
test_answers_follow_it(void **state)
{
	const struct vhu_vring_state off = {.index = 1, .num = 0};
	int fd = connected(), none;
	struct vhu_msg m;

	say_all(0);
	ev_run_once(sw.loop, 0);
	assert_true(dev[0]->q[1].live);
	sw.soon.loop = sw.loop; /* as if it were armed: the publication comes when the test says */
	peer_send(fd, VHU_SET_VRING_ENABLE, VHU_VERSION | VHU_NEED_REPLY, &off, sizeof(off), NULL,
		  0);
	peer_send(fd, VHU_GET_FEATURES, VHU_VERSION, NULL, 0, NULL, 0);
	(void)publications();
	while (dev[0]->q[1].enabled)
		ev_run_once(sw.loop, 1000);
	for (uint32_t i = 0; i < 10; i++)
		ev_run_once(sw.loop, 1);
	assert_int_equal(publications(), 0);
	assert_false(peer_recv(fd, &m, &none));
	sw.soon.loop = NULL;
	sw_publish(&sw);
	assert_true(peer_recv(fd, &m, &none));
	assert_int_equal(m.header.request, VHU_SET_VRING_ENABLE);
	assert_int_equal(m.payload.u64, 0);
	assert_true(peer_recv(fd, &m, &none));
	assert_int_equal(m.header.request, VHU_GET_FEATURES);
	/* and it is not the last that is answered */
	peer_send(fd, VHU_SET_VRING_ENABLE, VHU_VERSION | VHU_NEED_REPLY, &off, sizeof(off), NULL,
		  0);
	while (!peer_recv(fd, &m, &none))
		ev_run_once(sw.loop, 10);
	close(fd);
}

/* A port may go while a publication is due. */
static void
test_end_while_due(void **state)
{
	assert_int_equal(vdev_vq_set_enable(dev[0], 1, false), 0);
	vdev_sync(dev[0]);
	sw_port_remove(&sw, sw.port[0]);
	assert_int_equal(vdev_vq_set_enable(dev[1], 1, false), 0);
	vdev_sync(dev[1]);
	assert_non_null(sw.soon.loop);
}

/*
 * What is published can be taken back without memory: a spare used up when there was none is made
 * again before queues are published.
 */
static void
test_spare_again(void **state)
{
	free(sw.spare);
	sw.spare = NULL;
	sw_publish(&sw);
	assert_non_null(sw.spare);
}

static int
group_setup(void **state)
{
	return eal_start("0", 128) == 0 && mkdtemp(dir) != NULL ? 0 : -1;
}

static int
group_teardown(void **state)
{
	return rmdir(dir);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
#define MANY(name) cmocka_unit_test_setup_teardown(test_##name, setup_many, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		MANY(starts),         MANY(group),          MANY(enable_of_all),
		T(enable_in_a_loop),  T(edit_in_a_loop),    T(end_while_due),
		T(enable_is_awaited), T(answers_follow_it), T(spare_again),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
