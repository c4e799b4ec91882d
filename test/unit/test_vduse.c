/* SPDX-License-Identifier: BSD-3-Clause */
/* VDUSE against a model of the kernel: a socket pair for the node, a function for ioctl(). */
#include <errno.h>
#include <fcntl.h>
#include <linux/vduse.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/spare.h"
#include "owner.h"
#include "vduse/vduse.h"

#define NODE VDUSE_DIR "test"
#define RING 64
#define STARTED 0xf

/* --- the kernel --- */

static struct {
	int fd;      /* our end of the node */
	bool exists; /* the node does */
	bool created, destroyed, no_module, busy, config_irq_early;
	uint64_t features; /* as the driver negotiated them */
	uint64_t offered;
	struct vduse_vq_info vq[2];
	unsigned int setups, kicks, config_irqs, fds_given;
	atomic_uint irqs_early; /* injections that are refused */
	atomic_uint irqs[2];    /* injected by a thread of its own */
	struct virtio_net_config config;
	uint64_t region_last; /* of the one region there is, at OWNER_GPA; 0: none */
	int memfd;
	uint32_t next_id;
	struct vduse_dev_request
		pending; /* the next to open the node gets it; request_id 0: none */
} k;

static int
fail_with(int err)
{
	errno = err;
	return -1;
}

static int
model_open(const char *path)
{
	int pair[2];

	if (strcmp(path, VDUSE_DIR "control") == 0)
		return k.no_module ? fail_with(ENOENT) : memfd_create("control", MFD_CLOEXEC);
	assert_string_equal(path, NODE);
	if (!k.exists || k.busy)
		return fail_with(k.busy ? EBUSY : ENOENT);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	k.fd = pair[0];
	if (k.pending.request_id != 0)
		assert_int_equal(write(k.fd, &k.pending, sizeof(k.pending)), sizeof(k.pending));
	k.pending.request_id = 0;
	return pair[1];
}

static int
model_create(const struct vduse_dev_config *c)
{
	assert_string_equal(c->name, "test");
	assert_int_equal(c->vq_num, 2);
	/* each of these is EINVAL of a kernel */
	assert_true(c->features & F(ACCESS_PLATFORM));
	assert_true(c->features & F(VERSION_1));
	assert_false(c->features & (1u << VIRTIO_NET_F_CTRL_VQ | 1u << VIRTIO_NET_F_MQ));
	assert_int_equal(c->config_size, sizeof(k.config));
	memcpy(&k.config, c->config, sizeof(k.config));
	k.offered = c->features;
	k.exists = k.created = true;
	return 0;
}

static int
model_get_fd(struct vduse_iotlb_entry *e)
{
	if (k.region_last == 0 || e->start < OWNER_GPA || e->start > k.region_last)
		return fail_with(EINVAL);
	e->start = OWNER_GPA;
	e->last = k.region_last;
	e->offset = 0;
	e->perm = VDUSE_ACCESS_RW;
	k.fds_given++;
	return dup(k.memfd);
}

static int
model_set_config(const struct vduse_config_data *c)
{
	assert_true(c->offset + c->length <= sizeof(k.config));
	memcpy((uint8_t *)&k.config + c->offset, c->buffer, c->length);
	return 0;
}

/** Refused until the kernel has noted that the driver is ready; no message tells when. */
static int
inject_irq(uint32_t queue)
{
	if (k.irqs_early > 0) {
		k.irqs_early--;
		return fail_with(EINVAL);
	}
	k.irqs[queue]++;
	return 0;
}

static int
model_ioctl(int fd, unsigned long request, void *arg)
{
	switch (request) {
	case VDUSE_SET_API_VERSION:
		return *(uint64_t *)arg == 0 ? 0 : fail_with(EINVAL);
	case VDUSE_CREATE_DEV:
		return model_create(arg);
	case VDUSE_DESTROY_DEV:
		k.destroyed = true;
		return 0;
	case VDUSE_VQ_SETUP:
		k.setups++;
		return 0;
	case VDUSE_DEV_GET_FEATURES:
		*(uint64_t *)arg = k.features;
		return 0;
	case VDUSE_VQ_GET_INFO: {
		struct vduse_vq_info *info = arg;
		uint32_t i = info->index;

		*info = k.vq[i];
		info->index = i;
		return 0;
	}
	case VDUSE_VQ_SETUP_KICKFD:
		k.kicks++;
		return 0;
	case VDUSE_VQ_INJECT_IRQ:
		return inject_irq(*(uint32_t *)arg);
	case VDUSE_DEV_SET_CONFIG:
		return model_set_config(arg);
	case VDUSE_DEV_INJECT_CONFIG_IRQ:
		if (k.config_irq_early)
			return fail_with(EINVAL);
		k.config_irqs++;
		return 0;
	case VDUSE_IOTLB_GET_FD:
		return model_get_fd(arg);
	default:
		return fail_with(ENOTTY);
	}
}

static const struct vduse_sys model = {model_open, model_ioctl};

/* --- a device, and the requests it gets --- */

static struct owner o;
static struct transport *t;
static char err[200];
static bool rehearsal;

static struct transport *
make(void)
{
	const struct vduse_config cfg = {
		.path = NODE,
		.attach = VDUSE_ATTACH_NONE,
		.ifname = "",
		.netns = "",
		.closed = rehearsal,
		.loop = o.loop,
		.dev = o.d,
		.sys = &model,
	};

	return vduse_new(&cfg, err, sizeof(err));
}

static char state_path[64];

static void
shape_device(void)
{
	vdev_disconnect(o.d);
	o.d->cfg.queue_pairs = 1;
	o.d->cfg.features = vduse_features(vdev_features_all());
}

/** The switch is killed; its successor has not opened the node yet. */
static void
kill_switch(void)
{
	t->ops->free(t);
	t = NULL;
	close(k.fd);
	k.fd = -1;
	o.d->cfg.queue_pairs = OWNER_PAIRS;
	owner_restart(&o, state_path);
	shape_device();
}

static int
setup(void **state)
{
	memset(&k, 0, sizeof(k));
	k.fd = -1;
	snprintf(state_path, sizeof(state_path), "/tmp/test_vduse.%d.rings", getpid());
	unlink(state_path);
	owner_init(&o, state_path);
	shape_device();
	k.memfd = o.memfd;
	k.region_last = OWNER_GPA + OWNER_MEM - 1;
	t = NULL;
	return 0;
}

static int
teardown(void **state)
{
	if (t != NULL)
		t->ops->free(t);
	if (k.fd >= 0)
		close(k.fd);
	o.d->cfg.queue_pairs = OWNER_PAIRS;
	owner_fini(&o);
	unlink(state_path);
	return 0;
}

/** The rings of a driver that has set them up. */
static void
driver_rings(uint64_t features)
{
	k.features = features | F(VERSION_1) | F(ACCESS_PLATFORM);
	for (uint32_t i = 0; i < 2; i++) {
		k.vq[i] = (struct vduse_vq_info){
			.num = RING,
			.desc_addr = OWNER_GPA + RING_AT(i),
			.driver_addr = OWNER_GPA + RING_AT(i) + RING_DRIVER_OFF,
			.device_addr = OWNER_GPA + RING_AT(i) + RING_DEVICE_OFF,
			.ready = 1,
		};
		if (features & F(RING_PACKED))
			k.vq[i].packed = (struct vduse_vq_state_packed){1, 0, 1, 0};
	}
}

static void
send_request(struct vduse_dev_request *req)
{
	req->request_id = ++k.next_id;
	assert_int_equal(write(k.fd, req, sizeof(*req)), sizeof(*req));
}

/** The answer there is after one round of the loop. */
static struct vduse_dev_response
answer_of(const struct vduse_dev_request *req)
{
	struct vduse_dev_response resp;

	ev_run_once(o.loop, 1000);
	assert_int_equal(read(k.fd, &resp, sizeof(resp)), sizeof(resp));
	assert_int_equal(resp.request_id, req->request_id);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(resp.reserved[i], 0);
	return resp;
}

static uint32_t
set_status(uint8_t status)
{
	struct vduse_dev_request req = {.type = VDUSE_SET_STATUS, .s.status = status};

	send_request(&req);
	return answer_of(&req).result;
}

static uint32_t
update_iotlb(uint64_t start, uint64_t last)
{
	struct vduse_dev_request req = {.type = VDUSE_UPDATE_IOTLB, .iova = {start, last}};

	send_request(&req);
	return answer_of(&req).result;
}

static void
start(uint64_t features)
{
	static const uint8_t steps[] = {0, 1, 3, 0xb, STARTED};

	t = make();
	assert_non_null(t);
	driver_rings(features);
	for (size_t i = 0; i < RTE_DIM(steps); i++)
		assert_int_equal(set_status(steps[i]), VDUSE_REQ_RESULT_OK);
}

static bool
both_run(void)
{
	return vdev_vq_running(o.d, 0) && vdev_vq_running(o.d, 1);
}

/* --- tests --- */

static uint64_t layouts[] = {0, F(RING_PACKED)};

static void
a_driver_starts_and_leaves(void **state)
{
	const uint64_t features = *(uint64_t *)*state;
	unsigned int fds = open_fds();

	start(features);
	assert_true(k.created);
	assert_int_equal(k.setups, 2);
	assert_int_equal(k.kicks, 2);
	/* answered when the rings run, and one region is enough for all */
	assert_true(both_run());
	assert_true(vdev_link_up(o.d));
	assert_int_equal(k.fds_given, 1);
	assert_int_equal(k.config.status, VIRTIO_NET_S_LINK_UP);
	assert_true(k.config_irqs > 0);
	assert_int_equal(set_status(0), VDUSE_REQ_RESULT_OK);
	assert_int_equal(o.d->nqueues, 0);
	assert_null(o.d->gmem);
	assert_null(o.rx[0]);
	/* and once more */
	driver_rings(features);
	assert_int_equal(set_status(3), VDUSE_REQ_RESULT_OK);
	assert_int_equal(set_status(0xb), VDUSE_REQ_RESULT_OK);
	assert_int_equal(set_status(STARTED), VDUSE_REQ_RESULT_OK);
	assert_true(both_run());
	t->ops->free(t);
	t = NULL;
	close(k.fd);
	k.fd = -1;
	assert_true(k.destroyed);
	assert_int_equal(open_fds(), fds);
}

static void
features_are_refused_by_the_answer(void **state)
{
	t = make();
	assert_non_null(t);
	driver_rings(1u << VIRTIO_NET_F_CTRL_VQ);
	assert_int_equal(set_status(3), VDUSE_REQ_RESULT_OK);
	assert_int_equal(set_status(0xb), VDUSE_REQ_RESULT_FAILED);
	/* modern drivers only, and such as use the kernel's addresses */
	assert_int_equal(set_status(0), VDUSE_REQ_RESULT_OK);
}

static void
rings_become_ready_later(void **state)
{
	t = make();
	assert_non_null(t);
	driver_rings(0);
	k.vq[0].ready = k.vq[1].ready = 0;
	for (uint8_t s = 1; s != 0; s = s == 1 ? 3 : s == 3 ? 0xb : s == 0xb ? STARTED : 0)
		assert_int_equal(set_status(s), VDUSE_REQ_RESULT_OK);
	assert_false(both_run());
	k.vq[0].ready = k.vq[1].ready = 1;
	while (!both_run())
		ev_run_once(o.loop, 1000);
	assert_true(vdev_vq_running(o.d, 0));
	k.vq[0].ready = 0;
	while (vdev_vq_running(o.d, 0))
		ev_run_once(o.loop, 1000);
	assert_true(vdev_vq_running(o.d, 1));
}

static void
memory_is_forgotten_and_found_again(void **state)
{
	start(0);
	assert_int_equal(update_iotlb(0, UINT64_MAX), VDUSE_REQ_RESULT_OK);
	/* the rings go on where the driver has put them meanwhile */
	assert_int_equal(k.fds_given, 2);
	assert_true(both_run());
	k.region_last = 0;
	assert_int_equal(update_iotlb(OWNER_GPA, OWNER_GPA), VDUSE_REQ_RESULT_OK);
	assert_false(vdev_vq_running(o.d, 0));
	assert_int_equal(o.d->gmem->n, 0);
	/* what is elsewhere changes nothing; nonsense is refused */
	assert_int_equal(update_iotlb(1, 2), VDUSE_REQ_RESULT_OK);
	assert_int_equal(update_iotlb(2, 1), VDUSE_REQ_RESULT_FAILED);
	k.region_last = OWNER_GPA + OWNER_MEM - 1;
	while (!both_run())
		ev_run_once(o.loop, 1000);
}

static void
a_file_of_the_peers_is_checked(void **state)
{
	char path[] = "/var/tmp/test_vduse.XXXXXX";
	int fd = mkstemp(path);

	/* behind vhost_vdpa the file is the driver's: on a disk, or shorter than it says */
	unlink(path);
	assert_int_equal(ftruncate(fd, OWNER_MEM), 0);
	k.memfd = fd;
	start(0);
	assert_false(both_run());
	assert_int_equal(o.d->gmem->n, 0);
	close(fd);
	k.memfd = o.memfd;
	k.region_last = OWNER_GPA + OWNER_MEM;
	assert_int_equal(update_iotlb(0, UINT64_MAX), VDUSE_REQ_RESULT_OK);
	assert_int_equal(o.d->gmem->n, 0);
}

static void
states_of_rings_are_told(void **state)
{
	struct vduse_dev_request req = {.type = VDUSE_GET_VQ_STATE};
	struct vduse_dev_response resp;
	struct vqd drv;

	start(0);
	owner_driver(&o, 1, RING, &drv);
	assert_int_equal(owner_transmit(&o, 0, &drv), 1);
	req.vq_state.index = 1;
	send_request(&req);
	resp = answer_of(&req);
	assert_int_equal(resp.result, VDUSE_REQ_RESULT_OK);
	assert_int_equal(resp.vq_state.index, 1);
	assert_int_equal(resp.vq_state.split.avail_index, 1);
	assert_true(both_run());
	req.vq_state.index = 2;
	send_request(&req);
	assert_int_equal(answer_of(&req).result, VDUSE_REQ_RESULT_FAILED);
	vqd_fini(&drv);
}

static void
unknown_requests_are_answered(void **state)
{
	struct vduse_dev_request req = {0};

	t = make();
	for (uint32_t type = 3; type < 1000; type = type * 2 + 1) {
		req.type = type;
		send_request(&req);
		assert_int_equal(answer_of(&req).result, VDUSE_REQ_RESULT_FAILED);
	}
	req.type = UINT32_MAX;
	send_request(&req);
	assert_int_equal(answer_of(&req).result, VDUSE_REQ_RESULT_FAILED);
}

static void
interrupts_are_injected(void **state)
{
	start(0);
	assert_true(k.irqs[1] == 0);
	vq_signal(o.d->q[1].vq);
	while (k.irqs[1] == 0)
		usleep(100);
	assert_int_equal(k.irqs[0], 0);
}

/** The rings run before the kernel has noted that they do. */
static void
early_interrupts_are_not_lost(void **state)
{
	start(0);
	k.irqs_early = 3;
	vq_signal(o.d->q[1].vq);
	while (k.irqs[1] == 0)
		usleep(100);
	assert_int_equal(k.irqs_early, 0);
}

static void
a_successor_goes_on(void **state)
{
	start(0);
	/* the process is gone, the device and its driver are not */
	t->ops->free(t);
	close(k.fd);
	k.created = false;
	k.setups = 0;
	t = make();
	assert_non_null(t);
	assert_false(k.created);
	assert_int_equal(k.setups, 0);
	assert_true(both_run());
	/* the driver's next request finds a device that is started */
	assert_int_equal(set_status(STARTED), VDUSE_REQ_RESULT_OK);
	assert_true(both_run());
	assert_int_equal(set_status(0), VDUSE_REQ_RESULT_OK);
	assert_false(both_run());
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

		memset(o.mem + BUF_AT(i), 0, 72 + i);
		assert_int_equal(vqd_add(drv, &chain), 0);
	}
	vqd_publish(drv);
}

/** A worker's turn: it looks at up to @p max frames, and gives them back unless it dies before. */
static void
poll_frames(uint16_t max, bool dies)
{
	struct pktq *q = &o.rx[0]->q;

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
	start(*(uint64_t *)*state);
	owner_driver(&o, 1, RING, &drv);
	post(&drv, 0, 16);
	poll_frames(5, false);
	poll_frames(4, true);
	kill_switch();
	post(&drv, 16, FRAMES);
	t = make();
	assert_non_null(t);
	assert_true(both_run());
	poll_frames(PKT_BATCH_MAX, false);
	assert_all_seen_once(&drv);
	/* the driver may sleep with an interrupt that its predecessor owed it */
	while (k.irqs[1] == 0)
		ev_run_once(o.loop, 1000);
	vqd_fini(&drv);
}

static struct vduse_dev_response
answer_pending(const struct vduse_dev_request *req)
{
	t = make();
	assert_non_null(t);
	return answer_of(req);
}

/** The driver had stopped its rings and waits for their positions: vhost-vdpa's GET_VRING_BASE. */
static void
a_pending_question_is_answered_by_the_successor(void **state)
{
	const uint64_t features = *(uint64_t *)*state;
	struct vduse_dev_response resp;
	struct vqd drv;

	start(features);
	owner_driver(&o, 1, RING, &drv);
	post(&drv, 0, FRAMES);
	poll_frames(7, false);
	kill_switch();
	k.vq[0].ready = k.vq[1].ready = 0;
	k.pending = (struct vduse_dev_request){.type = VDUSE_GET_VQ_STATE, .request_id = 77};
	k.pending.vq_state.index = 1;
	resp = answer_pending(&(struct vduse_dev_request){.request_id = 77});
	assert_int_equal(resp.result, VDUSE_REQ_RESULT_OK);
	if (features & F(RING_PACKED)) {
		assert_int_equal(resp.vq_state.packed.last_avail_idx, 7);
		assert_int_equal(resp.vq_state.packed.last_used_idx, 7);
		assert_int_equal(resp.vq_state.packed.last_avail_counter, 1);
	} else {
		assert_int_equal(resp.vq_state.split.avail_index, 7);
	}
	assert_false(vdev_vq_running(o.d, 0));
	vqd_fini(&drv);
}

static void
a_pending_reset_is_done_by_the_successor(void **state)
{
	start(0);
	kill_switch();
	k.pending = (struct vduse_dev_request){.type = VDUSE_SET_STATUS, .request_id = 9};
	assert_int_equal(answer_pending(&(struct vduse_dev_request){.request_id = 9}).result,
			 VDUSE_REQ_RESULT_OK);
	assert_false(both_run());
	assert_int_equal(o.d->nqueues, 0);
}

/** The rings were described when the switch was killed, and have moved before DRIVER_OK. */
static void
a_pending_start_is_of_the_rings_there_are(void **state)
{
	start(0);
	kill_switch();
	driver_rings(0);
	t = make();
	assert_non_null(t);
	for (uint32_t i = 0; i < 2; i++) {
		k.vq[i].num = RING / 2;
		k.vq[i].split.avail_index = 0;
	}
	assert_int_equal(set_status(STARTED), VDUSE_REQ_RESULT_OK);
	assert_true(both_run());
	assert_int_equal(o.d->q[0].size, RING / 2);
}

/** Frames in a ring that the driver has stopped stay there, and the ring goes on with them. */
static void
a_ring_that_is_not_ready_is_left_alone(void **state)
{
	struct vqd drv;

	memset(seen, 0, sizeof(seen));
	start(*(uint64_t *)*state);
	owner_driver(&o, 1, RING, &drv);
	post(&drv, 0, 9);
	poll_frames(5, false);
	k.vq[1].ready = 0;
	while (vdev_vq_running(o.d, 1))
		ev_run_once(o.loop, 1000);
	assert_null(o.rx[0]);
	assert_true(vdev_vq_running(o.d, 0));
	post(&drv, 9, FRAMES);
	k.vq[1].ready = 1;
	while (!both_run())
		ev_run_once(o.loop, 1000);
	poll_frames(PKT_BATCH_MAX, false);
	assert_all_seen_once(&drv);
	assert_int_equal(k.kicks, 2);
	vqd_fini(&drv);
}

static void
what_is_missing_is_said(void **state)
{
	k.no_module = true;
	assert_null(make());
	assert_non_null(strstr(err, "module vduse"));
	k.no_module = false;
	k.exists = k.busy = true;
	assert_null(make());
	assert_non_null(strstr(err, "another process"));
	k.busy = false;
	/* a driver that wants what this device does not have */
	driver_rings(1u << VIRTIO_NET_F_CTRL_VQ);
	assert_null(make());
	assert_non_null(strstr(err, "not offered"));
}

/** A rehearsal of a configuration makes no device and destroys none. */
static void
a_rehearsal_leaves_the_kernel_alone(void **state)
{
	rehearsal = true;
	t = make();
	rehearsal = false;
	assert_non_null(t);
	t->ops->free(t);
	t = NULL;
	assert_false(k.created);
	assert_false(k.destroyed);
}

static void
a_node_that_breaks_is_let_go(void **state)
{
	start(0);
	close(k.fd);
	k.fd = -1;
	while (o.d->transport != NULL)
		ev_run_once(o.loop, 1000);
	assert_false(both_run());
}

/* Others have used up the limit of open files. The last test: spare descriptors stay. */
static void
memory_is_found_at_the_limit(void **state)
{
	struct rlimit before, limit;
	int fd[256], n = 0, tries = 0;

	start(0);
	assert_true(both_run());
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = RTE_DIM(fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	spare_init();
	assert_true(spare_refill());
	while ((fd[n] = open("/dev/null", O_RDONLY)) >= 0)
		n++;
	assert_int_equal(update_iotlb(0, UINT64_MAX), VDUSE_REQ_RESULT_OK);
	while (!both_run() && tries++ < 20)
		ev_run_once(o.loop, 100);
	assert_true(both_run());
	while (n > 0)
		close(fd[--n]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define WITH(f, l) cmocka_unit_test_prestate_setup_teardown(f, setup, teardown, &layouts[l])
#define EACH(f) WITH(f, 0), WITH(f, 1)
	const struct CMUnitTest tests[] = {
		EACH(a_driver_starts_and_leaves),
		TEST(features_are_refused_by_the_answer),
		TEST(rings_become_ready_later),
		TEST(memory_is_forgotten_and_found_again),
		TEST(a_file_of_the_peers_is_checked),
		TEST(states_of_rings_are_told),
		TEST(unknown_requests_are_answered),
		TEST(interrupts_are_injected),
		TEST(early_interrupts_are_not_lost),
		TEST(a_successor_goes_on),
		EACH(nothing_is_lost_when_killed),
		EACH(a_pending_question_is_answered_by_the_successor),
		TEST(a_pending_reset_is_done_by_the_successor),
		TEST(a_pending_start_is_of_the_rings_there_are),
		EACH(a_ring_that_is_not_ready_is_left_alone),
		TEST(what_is_missing_is_said),
		TEST(a_node_that_breaks_is_let_go),
		TEST(a_rehearsal_leaves_the_kernel_alone),
		TEST(memory_is_found_at_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
