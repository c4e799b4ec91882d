/* SPDX-License-Identifier: BSD-3-Clause */
/* VDUSE against a model of the kernel. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <rte_ether.h>

#include "base/irq.h"
#include "base/spare.h"
#include "vdev/netcfg.h"
#include "vduse_model.h"

/* --- tests --- */

static uint64_t layouts[] = {0, F(RING_PACKED)};

static void
a_driver_starts_and_leaves(void **state)
{
	const uint64_t features = *(uint64_t *)*state;
	unsigned int fds = open_fds();

	vk_start(features);
	assert_true(vk.created);
	assert_int_equal(vk.setups, 2);
	assert_int_equal(vk.kicks, 2);
	/* answered when the rings run, and one region is enough for all */
	assert_true(vk_both_run());
	assert_true(vdev_link_up(vk_owner.d));
	assert_int_equal(vk.fds_given, 1);
	assert_int_equal(vk.config.status, VIRTIO_NET_S_LINK_UP);
	assert_true(vk.config_irqs > 0);
	assert_int_equal(vk_set_status(0), VDUSE_REQ_RESULT_OK);
	assert_int_equal(vk_owner.d->nqueues, 0);
	assert_null(vk_owner.d->gmem);
	assert_null(vk_owner.rx[0]);
	/* and once more */
	vk_driver_rings(features);
	assert_int_equal(vk_set_status(3), VDUSE_REQ_RESULT_OK);
	assert_int_equal(vk_set_status(0xb), VDUSE_REQ_RESULT_OK);
	assert_int_equal(vk_set_status(STARTED), VDUSE_REQ_RESULT_OK);
	assert_true(vk_both_run());
	vk.on_bus = false;
	vk_transport->ops->free(vk_transport);
	vk_transport = NULL;
	assert_true(vk.destroyed);
	close(vk.fd);
	vk.fd = -1;
	assert_int_equal(open_fds(), fds);
}

/** As long as the driver runs: it is told once of each change. */
static void
the_address_changes(void **state)
{
	const uint8_t mac[6] = {2, 0, 0, 0, 0, 0x20};
	unsigned int irqs;

	vk_start(0);
	irqs = vk.config_irqs;
	vdev_config_set_mac(vk_owner.d, mac);
	assert_memory_equal(vk.config.mac, mac, sizeof(mac));
	assert_int_equal(vk.config_irqs, irqs + 1);
	vdev_config_set_mac(vk_owner.d, mac);
	assert_int_equal(vk.config_irqs, irqs + 1);
}

static void
features_are_refused_by_the_answer(void **state)
{
	vk_transport = vk_make();
	assert_non_null(vk_transport);
	vk_driver_rings(1u << VIRTIO_NET_F_CTRL_VQ);
	assert_int_equal(vk_set_status(3), VDUSE_REQ_RESULT_OK);
	assert_int_equal(vk_set_status(0xb), VDUSE_REQ_RESULT_FAILED);
	/* modern drivers only, and such as use the kernel's addresses */
	assert_int_equal(vk_set_status(0), VDUSE_REQ_RESULT_OK);
}

static void
rings_become_ready_later(void **state)
{
	vk_transport = vk_make();
	assert_non_null(vk_transport);
	vk_driver_rings(0);
	vk.vq[0].ready = vk.vq[1].ready = 0;
	for (uint8_t s = 1; s != 0; s = s == 1 ? 3 : s == 3 ? 0xb : s == 0xb ? STARTED : 0)
		assert_int_equal(vk_set_status(s), VDUSE_REQ_RESULT_OK);
	assert_false(vk_both_run());
	vk.vq[0].ready = vk.vq[1].ready = 1;
	while (!vk_both_run())
		ev_run_once(vk_owner.loop, 1000);
	assert_true(vdev_vq_running(vk_owner.d, 0));
	vk.vq[0].ready = 0;
	while (vdev_vq_running(vk_owner.d, 0))
		ev_run_once(vk_owner.loop, 1000);
	assert_true(vdev_vq_running(vk_owner.d, 1));
}

static void
memory_is_forgotten_and_found_again(void **state)
{
	vk_start(0);
	assert_int_equal(vk_update_iotlb(0, UINT64_MAX), VDUSE_REQ_RESULT_OK);
	/* the rings go on where the driver has put them meanwhile */
	assert_int_equal(vk.fds_given, 2);
	assert_true(vk_both_run());
	vk.region_last = 0;
	assert_int_equal(vk_update_iotlb(OWNER_GPA, OWNER_GPA), VDUSE_REQ_RESULT_OK);
	assert_false(vdev_vq_running(vk_owner.d, 0));
	assert_int_equal(vk_owner.d->gmem->n, 0);
	/* what is elsewhere changes nothing; nonsense is refused */
	assert_int_equal(vk_update_iotlb(1, 2), VDUSE_REQ_RESULT_OK);
	assert_int_equal(vk_update_iotlb(2, 1), VDUSE_REQ_RESULT_FAILED);
	vk.region_last = OWNER_GPA + OWNER_MEM - 1;
	while (!vk_both_run())
		ev_run_once(vk_owner.loop, 1000);
}

static void
a_file_of_the_peers_is_checked(void **state)
{
	char path[] = "/var/tmp/test_vduse.XXXXXX";
	int fd = mkstemp(path);

	/* behind vhost_vdpa the file is the driver's: on a disk, or shorter than it says */
	unlink(path);
	assert_int_equal(ftruncate(fd, OWNER_MEM), 0);
	vk.memfd = fd;
	vk_start(0);
	assert_false(vk_both_run());
	assert_int_equal(vk_owner.d->gmem->n, 0);
	close(fd);
	vk.memfd = vk_owner.memfd;
	vk.region_last = OWNER_GPA + OWNER_MEM;
	assert_int_equal(vk_update_iotlb(0, UINT64_MAX), VDUSE_REQ_RESULT_OK);
	assert_int_equal(vk_owner.d->gmem->n, 0);
}

static void
states_of_rings_are_told(void **state)
{
	struct vduse_dev_request req = {.type = VDUSE_GET_VQ_STATE};
	struct vduse_dev_response resp;
	struct vqd drv;

	vk_start(0);
	owner_driver(&vk_owner, 1, RING, &drv);
	assert_int_equal(owner_transmit(&vk_owner, 0, &drv), 1);
	req.vq_state.index = 1;
	vk_send(&req);
	resp = vk_answer_of(&req);
	assert_int_equal(resp.result, VDUSE_REQ_RESULT_OK);
	assert_int_equal(resp.vq_state.index, 1);
	assert_int_equal(resp.vq_state.split.avail_index, 1);
	assert_true(vk_both_run());
	req.vq_state.index = 2;
	vk_send(&req);
	assert_int_equal(vk_answer_of(&req).result, VDUSE_REQ_RESULT_FAILED);
	vqd_fini(&drv);
}

static void
unknown_requests_are_answered(void **state)
{
	struct vduse_dev_request req = {0};

	vk_transport = vk_make();
	for (uint32_t type = 7; type < 1000; type = type * 2 + 1) {
		req.type = type;
		vk_send(&req);
		assert_int_equal(vk_answer_of(&req).result, VDUSE_REQ_RESULT_FAILED);
	}
	req.type = UINT32_MAX;
	vk_send(&req);
	assert_int_equal(vk_answer_of(&req).result, VDUSE_REQ_RESULT_FAILED);
}

static void
interrupts_are_injected(void **state)
{
	vk_start(0);
	assert_true(vk.irqs[1] == 0);
	vq_signal(vk_owner.d->q[1].vq);
	while (vk.irqs[1] == 0)
		usleep(100);
	assert_int_equal(vk.irqs[0], 0);
}

/** Until all that were raised are made. */
static void
irqs_settle(void)
{
	struct irq_info info;

	do {
		usleep(100);
		irq_group_info(vk_owner.d->irqs, &info);
	} while (info.waiting != 0);
}

/** A frame of the driver's is taken, and what is due to the driver for it is done. */
static void
take_frame(struct vqd *drv, uint32_t i)
{
	static struct pkt_batch one;
	const struct vqd_buf buf = {OWNER_GPA + BUF_AT(i), 76};
	const struct vqd_chain chain = {.buf = &buf, .nout = 1};
	struct pktq *q = &vk_owner.rx[0]->q;

	memset(vk_owner.mem + BUF_AT(i), 0, 76);
	assert_int_equal(vqd_add(drv, &chain), 0);
	vqd_publish(drv);
	memset(&one, 0, offsetof(struct pkt_batch, pkt));
	one.max = PKT_BATCH_MAX;
	assert_int_equal(pktq_ops(q)->rx(q, &one), 1);
	pktq_ops(q)->rx_done(q, &one);
	if (q->deferred)
		pktq_notify_deferred(q);
	irqs_settle();
}

#define EVENT_IDX (UINT64_C(1) << 29)
#define ROUNDS 8
#define ROUND 16 /* frames */

/** A driver that wants an interrupt, and after @p reacts frames of a round none any more. */
static unsigned int
ioctls_of_rounds(struct vqd *drv, uint32_t reacts)
{
	const unsigned int before = vk.irqs[1];
	uint64_t user_data;
	uint32_t len;

	for (uint32_t r = 0; r < ROUNDS; r++) {
		if (reacts > 0)
			vqd_arm(drv);
		for (uint32_t i = 0; i < ROUND; i++) {
			take_frame(drv, i);
			if (i + 1 == reacts)
				vqd_disarm(drv);
		}
		while (vqd_get(drv, &user_data, &len))
			;
	}
	return vk.irqs[1] - before;
}

/**
 * Each is an ioctl. With event indices a driver that is slow to react has one a round, without them
 * one for each frame until it does; one that wants none has none.
 */
static void
interrupts_are_suppressed(void **state)
{
	const uint64_t layout = *(uint64_t *)*state;
	static const uint32_t reacts[] = {1, 4, ROUND};
	struct vqd drv;

	for (int indices = 0; indices < 2; indices++) {
		memset(vk_owner.mem, 0, BUF_AT(0));
		vk_start(layout | (indices ? EVENT_IDX : 0));
		owner_driver(&vk_owner, 1, RING, &drv);
		irqs_settle();
		for (size_t i = 0; i < RTE_DIM(reacts); i++) {
			unsigned int n = ioctls_of_rounds(&drv, reacts[i]);

			print_message("%s, event indices %d, driver reacts after %u of %u frames: "
				      "%u ioctls for %u frames\n",
				      layout ? "packed" : "split", indices, reacts[i], ROUND, n,
				      ROUNDS * ROUND);
			assert_int_equal(n, ROUNDS * (indices ? 1 : reacts[i]));
		}
		vqd_disarm(&drv);
		assert_int_equal(ioctls_of_rounds(&drv, 0), 0);
		vqd_fini(&drv);
		vk_kill_switch();
		vk.exists = false;
	}
}

/** Raised again and again while the kernel holds one: it is made once more. */
static void
interrupts_are_coalesced(void **state)
{
	vk_start(0);
	irqs_settle();
	vk.irqs[1] = vk.irqs_begun = 0;
	vk.irqs_held = true;
	vq_signal(vk_owner.d->q[1].vq);
	while (vk.irqs_begun == 0)
		usleep(100);
	for (int i = 0; i < 100; i++)
		vq_signal(vk_owner.d->q[1].vq);
	vk.irqs_held = false;
	irqs_settle();
	assert_int_equal(vk.irqs[1], 2);
}

/** The rings run before the kernel has noted that they do. */
static void
early_interrupts_are_not_lost(void **state)
{
	vk_start(0);
	vk.irqs_early = 3;
	vq_signal(vk_owner.d->q[1].vq);
	while (vk.irqs[1] == 0)
		usleep(100);
	assert_int_equal(vk.irqs_early, 0);
}

static void
a_successor_goes_on(void **state)
{
	vk_start(0);
	/* the process is gone, the device and its driver are not */
	vk_transport->ops->free(vk_transport);
	close(vk.fd);
	vk.created = false;
	vk.setups = 0;
	vk_transport = vk_make();
	assert_non_null(vk_transport);
	assert_false(vk.created);
	assert_int_equal(vk.setups, 0);
	assert_true(vk_both_run());
	/* the driver's next request finds a device that is started */
	assert_int_equal(vk_set_status(STARTED), VDUSE_REQ_RESULT_OK);
	assert_true(vk_both_run());
	assert_int_equal(vk_set_status(0), VDUSE_REQ_RESULT_OK);
	assert_false(vk_both_run());
}

/** The network's limit of the MTU, for which it was offered, goes: the feature stays. */
static void
an_mtu_that_was_offered_stays(void **state)
{
	vk_owner.d->cfg.features &= ~F(NET_MTU);
	vdev_config_limit_mtu(vk_owner.d, 1450);
	vk_start(F(NET_MTU));
	assert_true(vk.offered & F(NET_MTU));
	assert_int_equal(vk.config.mtu, 1450);
	assert_true(vk_both_run());
	vk_kill_switch();
	vk_owner.d->cfg.features &= ~F(NET_MTU);
	vk_transport = vk_make();
	assert_non_null(vk_transport);
	assert_true(vk_both_run());
	while (vk.config.mtu == 1450)
		ev_run_once(vk_owner.loop, 1000);
	assert_int_equal(vk.config.mtu, RTE_ETHER_MTU);
}

/* --- restarts --- */

#define FRAMES 24

static struct pkt_batch batch;
static unsigned int seen[FRAMES]; /* by the device, and given back */

/** The driver sends frames [first, last); each has a length of its own. */
static void
post(struct vqd *drv, uint32_t first, uint32_t last)
{
	for (uint32_t i = first; i < last; i++) {
		const struct vqd_buf buf = {OWNER_GPA + BUF_AT(i), 72 + i};
		const struct vqd_chain chain = {.buf = &buf, .nout = 1};

		memset(vk_owner.mem + BUF_AT(i), 0, 72 + i);
		assert_int_equal(vqd_add(drv, &chain), 0);
	}
	vqd_publish(drv);
}

/** An iteration of a worker: it looks at @p max frames, and gives them back unless it ends. */
static void
poll_frames(uint16_t max, bool dies)
{
	struct pktq *q = &vk_owner.rx[0]->q;

	memset(&batch, 0, offsetof(struct pkt_batch, pkt));
	batch.max = max;
	pktq_ops(q)->rx(q, &batch);
	if (dies)
		return;
	for (uint16_t i = 0; i < batch.n; i++)
		seen[batch.pkt[i].len - (72 - 12)]++;
	pktq_ops(q)->rx_done(q, &batch);
}

static void
assert_all_seen_once(struct vqd *drv)
{
	uint64_t user_data;
	uint32_t len, back = 0;

	for (uint32_t i = 0; i < FRAMES; i++)
		assert_int_equal(seen[i], 1);
	while (vqd_get(drv, &user_data, &len))
		back++;
	assert_int_equal(back, FRAMES);
	assert_false(drv->broken);
}

/** Frames that wait, that a worker has looked at, and that come between the two processes. */
static void
nothing_is_lost_when_killed(void **state)
{
	struct vqd drv;

	memset(seen, 0, sizeof(seen));
	vk_start(*(uint64_t *)*state);
	owner_driver(&vk_owner, 1, RING, &drv);
	post(&drv, 0, 16);
	poll_frames(5, false);
	poll_frames(4, true);
	vk_kill_switch();
	post(&drv, 16, FRAMES);
	vk_transport = vk_make();
	assert_non_null(vk_transport);
	assert_true(vk_both_run());
	poll_frames(PKT_BATCH_MAX, false);
	assert_all_seen_once(&drv);
	/* the driver may sleep with an interrupt that its predecessor owed it */
	while (vk.irqs[1] == 0)
		ev_run_once(vk_owner.loop, 1000);
	vqd_fini(&drv);
}

static struct vduse_dev_response
answer_pending(const struct vduse_dev_request *req)
{
	vk_transport = vk_make();
	assert_non_null(vk_transport);
	return vk_answer_of(req);
}

/** The driver had stopped its rings and waits for their positions: vhost-vdpa's GET_VRING_BASE. */
static void
a_pending_question_is_answered_by_the_successor(void **state)
{
	const uint64_t features = *(uint64_t *)*state;
	struct vduse_dev_response resp;
	struct vqd drv;

	vk_start(features);
	owner_driver(&vk_owner, 1, RING, &drv);
	post(&drv, 0, FRAMES);
	poll_frames(7, false);
	vk_kill_switch();
	vk.vq[0].ready = vk.vq[1].ready = 0;
	vk.pending = (struct vduse_dev_request){.type = VDUSE_GET_VQ_STATE, .request_id = 77};
	vk.pending.vq_state.index = 1;
	resp = answer_pending(&(struct vduse_dev_request){.request_id = 77});
	assert_int_equal(resp.result, VDUSE_REQ_RESULT_OK);
	if (features & F(RING_PACKED)) {
		assert_int_equal(resp.vq_state.packed.last_avail_idx, 7);
		assert_int_equal(resp.vq_state.packed.last_used_idx, 7);
		assert_int_equal(resp.vq_state.packed.last_avail_counter, 1);
	} else {
		assert_int_equal(resp.vq_state.split.avail_index, 7);
	}
	assert_false(vdev_vq_running(vk_owner.d, 0));
	vqd_fini(&drv);
}

static void
a_pending_reset_is_done_by_the_successor(void **state)
{
	vk_start(0);
	vk_kill_switch();
	vk.pending = (struct vduse_dev_request){.type = VDUSE_SET_STATUS, .request_id = 9};
	assert_int_equal(answer_pending(&(struct vduse_dev_request){.request_id = 9}).result,
			 VDUSE_REQ_RESULT_OK);
	assert_false(vk_both_run());
	assert_int_equal(vk_owner.d->nqueues, 0);
}

/** The rings were described when the switch was killed, and have moved before DRIVER_OK. */
static void
a_pending_start_is_of_the_rings_there_are(void **state)
{
	vk_start(0);
	vk_kill_switch();
	vk_driver_rings(0);
	vk_transport = vk_make();
	assert_non_null(vk_transport);
	for (uint32_t i = 0; i < 2; i++) {
		vk.vq[i].num = RING / 2;
		vk.vq[i].split.avail_index = 0;
	}
	assert_int_equal(vk_set_status(STARTED), VDUSE_REQ_RESULT_OK);
	assert_true(vk_both_run());
	assert_int_equal(vk_owner.d->q[0].size, RING / 2);
}

/** Frames in a ring that the driver has stopped stay there, and the ring goes on with them. */
static void
a_ring_that_is_not_ready_is_left_alone(void **state)
{
	struct vqd drv;

	memset(seen, 0, sizeof(seen));
	vk_start(*(uint64_t *)*state);
	owner_driver(&vk_owner, 1, RING, &drv);
	post(&drv, 0, 9);
	poll_frames(5, false);
	vk.vq[1].ready = 0;
	while (vdev_vq_running(vk_owner.d, 1))
		ev_run_once(vk_owner.loop, 1000);
	assert_null(vk_owner.rx[0]);
	assert_true(vdev_vq_running(vk_owner.d, 0));
	post(&drv, 9, FRAMES);
	vk.vq[1].ready = 1;
	while (!vk_both_run())
		ev_run_once(vk_owner.loop, 1000);
	poll_frames(PKT_BATCH_MAX, false);
	assert_all_seen_once(&drv);
	assert_int_equal(vk.kicks, 2);
	vqd_fini(&drv);
}

/** A vk_rehearsal of a configuration makes no device and destroys none. */
static void
a_rehearsal_leaves_the_kernel_alone(void **state)
{
	vk_rehearsal = true;
	vk_transport = vk_make();
	vk_rehearsal = false;
	assert_non_null(vk_transport);
	vk_transport->ops->free(vk_transport);
	vk_transport = NULL;
	assert_false(vk.created);
	assert_false(vk.destroyed);
}

static void
a_node_that_breaks_is_let_go(void **state)
{
	vk_start(0);
	close(vk.fd);
	vk.fd = -1;
	while (vk_owner.d->transport != NULL)
		ev_run_once(vk_owner.loop, 1000);
	assert_false(vk_both_run());
}

/* Others have used up the limit of open files. The last test: spare descriptors stay. */
static void
memory_is_found_at_the_limit(void **state)
{
	struct rlimit before, limit;
	int fd[256], n = 0, tries = 0;

	vk_start(0);
	assert_true(vk_both_run());
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = RTE_DIM(fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	spare_init();
	assert_true(spare_refill());
	while ((fd[n] = open("/dev/null", O_RDONLY)) >= 0)
		n++;
	assert_int_equal(vk_update_iotlb(0, UINT64_MAX), VDUSE_REQ_RESULT_OK);
	while (!vk_both_run() && tries++ < 20)
		ev_run_once(vk_owner.loop, 100);
	assert_true(vk_both_run());
	while (n > 0)
		close(fd[--n]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, vk_setup, vk_teardown)
#define WITH(f, l) cmocka_unit_test_prestate_setup_teardown(f, vk_setup, vk_teardown, &layouts[l])
#define EACH(f) WITH(f, 0), WITH(f, 1)
	const struct CMUnitTest tests[] = {
		EACH(a_driver_starts_and_leaves),
		TEST(features_are_refused_by_the_answer),
		TEST(the_address_changes),
		TEST(rings_become_ready_later),
		TEST(memory_is_forgotten_and_found_again),
		TEST(a_file_of_the_peers_is_checked),
		TEST(states_of_rings_are_told),
		TEST(unknown_requests_are_answered),
		TEST(interrupts_are_injected),
		EACH(interrupts_are_suppressed),
		TEST(interrupts_are_coalesced),
		TEST(early_interrupts_are_not_lost),
		TEST(a_successor_goes_on),
		TEST(an_mtu_that_was_offered_stays),
		EACH(nothing_is_lost_when_killed),
		EACH(a_pending_question_is_answered_by_the_successor),
		TEST(a_pending_reset_is_done_by_the_successor),
		TEST(a_pending_start_is_of_the_rings_there_are),
		EACH(a_ring_that_is_not_ready_is_left_alone),
		TEST(a_node_that_breaks_is_let_go),
		TEST(a_rehearsal_leaves_the_kernel_alone),
		TEST(memory_is_found_at_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
