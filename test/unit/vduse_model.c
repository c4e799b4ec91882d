/* SPDX-License-Identifier: BSD-3-Clause */
#include "vduse_model.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "vduse/kernel.h"

#define NODE VDUSE_DIR "test"

/* --- the kernel --- */

struct vk vk;

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

	if (strcmp(path, VDUSE_DIR "control") == 0 && vk.open_err != 0)
		return fail_with(vk.open_err);
	if (strcmp(path, VDUSE_DIR "control") == 0)
		return memfd_create("control", MFD_CLOEXEC);
	assert_string_equal(path, NODE);
	if (!vk.exists || vk.no_node || vk.busy)
		return fail_with(vk.busy ? EBUSY : ENOENT);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	vk.fd = pair[0];
	if (vk.keeps)
		vk.copy = dup(pair[1]);
	if (vk.pending.request_id != 0)
		assert_int_equal(write(vk.fd, &vk.pending, sizeof(vk.pending)), sizeof(vk.pending));
	vk.pending.request_id = 0;
	return pair[1];
}

static int
model_create(const struct vduse_k_config *c)
{
	assert_string_equal(c->name, "test");
	if (vk.create_err != 0 || vk.exists)
		return fail_with(vk.exists ? EEXIST : vk.create_err);
	/* each of these is EINVAL of a kernel */
	assert_true(c->features & F(ACCESS_PLATFORM));
	assert_true(c->features & F(VERSION_1));
	vk.creates++;
	if ((c->features & (1u << VIRTIO_NET_F_CTRL_VQ)) && !vk.takes_ctrl)
		return fail_with(EINVAL);
	/* without a control queue there is one pair, and a driver refuses MQ */
	assert_int_equal(!!(c->features & F(NET_MQ)),
			 !!(c->features & (1u << VIRTIO_NET_F_CTRL_VQ)));
	assert_int_equal(c->vq_num, (c->features & F(NET_MQ)) ? 2 * vk.pairs + 1 : 2);
	vk.nvq = c->vq_num;
	vk.ngroups = (c->features & F(NET_MQ)) ? 2 : 1;
	assert_int_equal(c->ngroups, vk.version * vk.ngroups);
	assert_int_equal(c->nas, 2 * vk.version);
	for (size_t i = 0; i < RTE_DIM(c->reserved); i++)
		assert_int_equal(c->reserved[i], 0);
	assert_int_equal(c->config_size, sizeof(vk.config));
	memcpy(&vk.config, c->config, sizeof(vk.config));
	vk.offered = c->features;
	vk.exists = vk.created = true;
	return 0;
}

static bool
node_is_open(void)
{
	struct pollfd p = {.fd = vk.fd};

	return vk.fd >= 0 && (poll(&p, 1, 0) <= 0 || !(p.revents & (POLLHUP | POLLERR)));
}

static int
model_destroy(const char *name)
{
	int err = 0;

	assert_string_equal(name, "test");
	if (!vk.exists)
		err = EINVAL;
	else if (vk.on_bus || vk.busy || node_is_open())
		err = EBUSY;
	else
		vk.exists = false;
	vk.destroys++;
	if (err != 0)
		return fail_with(err);
	vk.destroyed = true;
	return 0;
}

static int
get_fd(struct vduse_iotlb_entry *e, uint32_t asid)
{
	const uint64_t moved = vk.apart && asid == 1 ? VK_APART - OWNER_GPA : 0;

	vk.asid_asked = asid;
	if (vk.region_last == 0 || e->start < OWNER_GPA + moved ||
	    e->start > vk.region_last + moved)
		return fail_with(EINVAL);
	e->start = OWNER_GPA + moved;
	e->last = vk.region_last + moved;
	e->offset = 0;
	e->perm = vk.perm != 0 ? vk.perm : VDUSE_ACCESS_RW;
	vk.fds_given++;
	return dup(moved != 0 && vk.apart_fd >= 0 ? vk.apart_fd : vk.memfd);
}

/** Each kernel knows one of the two sizes of the structure. */
static int
model_get_fd2(struct vduse_k_entry *e, bool old)
{
	if (vk.version == 0 || old != vk.old_entry)
		return fail_with(ENOTTY);
	for (size_t i = 0; i < RTE_DIM(e->reserved); i++)
		assert_int_equal(e->reserved[i], 0);
	return get_fd(&e->v1, e->asid);
}

static int
model_features(unsigned long request, uint64_t *features)
{
	if (vk.interface == 0)
		return fail_with(EINVAL);
	if (request == VDUSE_K_GET_FEATURES)
		*features = vk.interface;
	else if (*features & ~vk.interface)
		return fail_with(EINVAL);
	else
		vk.taken = *features;
	return 0;
}

static int
model_set_config(const struct vduse_config_data *c)
{
	assert_true(c->offset + c->length <= sizeof(vk.config));
	memcpy((uint8_t *)&vk.config + c->offset, c->buffer, c->length);
	return 0;
}

/** Refused until the kernel has noted that the driver is ready; no message tells when. */
static int
inject_irq(uint32_t queue)
{
	vk.irqs_begun++;
	while (vk.irqs_held)
		usleep(100);
	if (vk.irqs_early > 0) {
		vk.irqs_early--;
		return fail_with(EINVAL);
	}
	vk.irqs[queue]++;
	return 0;
}

/** The one of the control queue is kept: a test kicks by it. */
static int
set_kick(const struct vduse_vq_eventfd *e)
{
	if (e->index >= vk.nvq)
		return fail_with(EINVAL);
	if (e->index < 2 || (e->index != vk_ctrl_index() && vk.nvq > 2))
		return 0;
	if (vk.kick_fd >= 0)
		close(vk.kick_fd);
	vk.kick_fd = dup(e->fd);
	return 0;
}

static int
model_ioctl(int fd, unsigned long request, void *arg)
{
	if (vk.given_up && (request == VDUSE_VQ_GET_INFO || request == VDUSE_DEV_GET_FEATURES))
		return fail_with(EPERM);
	switch (request) {
	case VDUSE_SET_API_VERSION:
		return *(uint64_t *)arg <= vk.version ? 0 : fail_with(EINVAL);
	case VDUSE_K_GET_FEATURES:
	case VDUSE_K_SET_FEATURES:
		return model_features(request, arg);
	case VDUSE_K_IOTLB_GET_FD2:
		return model_get_fd2(arg, false);
	case VDUSE_K_IOTLB_GET_FD2_12:
		return model_get_fd2(arg, true);
	case VDUSE_CREATE_DEV:
		return model_create(arg);
	case VDUSE_DESTROY_DEV:
		return model_destroy(arg);
	case VDUSE_VQ_SETUP: {
		const struct vduse_k_vq *c = arg;

		if (c->index >= vk.nvq || c->group >= vk.ngroups || (c->group && !vk.version))
			return fail_with(EINVAL);
		vk.group[c->index] = c->group;
		vk.setups++;
		return 0;
	}
	case VDUSE_DEV_GET_FEATURES:
		*(uint64_t *)arg = vk.features;
		return 0;
	case VDUSE_VQ_GET_INFO: {
		struct vduse_vq_info *info = arg;
		uint32_t i = info->index;

		if (i >= vk.nvq)
			return fail_with(EINVAL);
		*info = vk.vq[i];
		info->index = i;
		return 0;
	}
	case VDUSE_VQ_SETUP_KICKFD:
		vk.kicks++;
		return set_kick(arg);
	case VDUSE_VQ_INJECT_IRQ:
		return inject_irq(*(uint32_t *)arg);
	case VDUSE_DEV_SET_CONFIG:
		return model_set_config(arg);
	case VDUSE_DEV_INJECT_CONFIG_IRQ:
		if (vk.config_irq_early)
			return fail_with(EINVAL);
		vk.config_irqs++;
		return 0;
	case VDUSE_IOTLB_GET_FD:
		return get_fd(arg, 0);
	default:
		return fail_with(ENOTTY);
	}
}

atomic_uint vk_answer_ms;

/** Ask, and wait for the answer, in the thread of a request on the bus. */
static uint32_t
ask_there(struct vduse_dev_request *req)
{
	struct pollfd p = {.fd = vk.fd, .events = POLLIN};
	struct vduse_dev_response resp;

	vk_send(req);
	assert_int_equal(poll(&p, 1, -1), 1);
	assert_int_equal(read(vk.fd, &resp, sizeof(resp)), sizeof(resp));
	assert_int_equal(resp.request_id, req->request_id);
	return resp.result;
}

static int
model_bus(const char *name, bool on)
{
	assert_string_equal(name, "test");
	vk.bus_asked++;
	while (vk.bus_held)
		usleep(1000);
	if (vk.bus_err != 0)
		return -vk.bus_err;
	if (on && vk.setups < vk.nvq)
		return -EINVAL;
	if (on == vk.on_bus)
		return on ? -EEXIST : -ENODEV;
	for (uint32_t i = 0; !on && i < vk.nlast_words; i++)
		vk.last_results[i] = ask_there(&vk.last_words[i]);
	vk.on_bus = on;
	return 0;
}

char vk_sysfs[64];

static const struct vduse_sys model = {model_open, model_ioctl, model_bus, vk_sysfs, &vk_answer_ms};

/* --- a device, and the requests it gets --- */

struct owner vk_owner;
struct transport *vk_transport;
char vk_err[200];
bool vk_rehearsal;
enum vduse_attach vk_attach;
struct record *vk_record;

static struct transport *
make(struct vdev *d, bool later)
{
	const struct vduse_config cfg = {
		.path = NODE,
		.attach = vk_attach,
		.ifname = "",
		.netns = "",
		.closed = vk_rehearsal,
		.later = later,
		.loop = vk_owner.loop,
		.dev = d,
		.sys = &model,
		.record = vk_record,
	};

	return vduse_new(&cfg, vk_err, sizeof(vk_err));
}

struct transport *
vk_make(void)
{
	return make(vk_owner.d, false);
}

struct transport *
vk_make_successor(struct vdev *d)
{
	return make(d, true);
}

static char state_path[64];

void
vk_shape(struct vdev *d)
{
	vdev_disconnect(d);
	d->cfg.queue_pairs = vk.pairs;
	d->cfg.spare_journal = vk.pairs > 1;
	d->cfg.features = vduse_features(vdev_features_all());
}

void
vk_detach(void)
{
	vk_transport->ops->remove(vk_transport);
	vk_transport->ops->free(vk_transport);
	vk_transport = NULL;
}

/** The switch is killed; its successor has not opened the node yet. */
void
vk_kill_switch(void)
{
	vk_transport->ops->free(vk_transport);
	vk_transport = NULL;
	close(vk.fd);
	vk.fd = -1;
	vk_owner.d->cfg.queue_pairs = OWNER_PAIRS;
	vk_owner.d->cfg.spare_journal = false;
	owner_restart(&vk_owner, state_path);
	vk_shape(vk_owner.d);
}

int
vk_setup(void **state)
{
	memset(&vk, 0, sizeof(vk));
	vk.fd = vk.copy = vk.kick_fd = vk.apart_fd = -1;
	vk_record = NULL;
	vk.pairs = 1;
	vk.nvq = 2;
	vk_attach = VDUSE_ATTACH_NONE;
	snprintf(vk_sysfs, sizeof(vk_sysfs), "/tmp/vduse_model.%d.sysfs", getpid());
	vk_answer_ms = VK_PATIENT_MS;
	snprintf(state_path, sizeof(state_path), "/tmp/vduse_model.%d.rings", getpid());
	unlink(state_path);
	owner_init(&vk_owner, state_path);
	vk_shape(vk_owner.d);
	vk.memfd = vk_owner.memfd;
	vk.region_last = OWNER_GPA + OWNER_MEM - 1;
	vk_transport = NULL;
	return 0;
}

int
vk_teardown(void **state)
{
	if (vk_transport != NULL)
		vk_transport->ops->free(vk_transport);
	if (vk.fd >= 0)
		close(vk.fd);
	if (vk.copy >= 0)
		close(vk.copy);
	if (vk.kick_fd >= 0)
		close(vk.kick_fd);
	vk_owner.d->cfg.queue_pairs = OWNER_PAIRS;
	vk_owner.d->cfg.spare_journal = false;
	owner_fini(&vk_owner);
	unlink(state_path);
	return 0;
}

uint32_t
vk_ctrl_index(void)
{
	return (vk.features & F(NET_MQ)) ? 2 * vk.pairs : 2;
}

/** The rings of a driver that has set them up. */
void
vk_driver_rings(uint64_t features)
{
	vk.features = features | F(VERSION_1) | F(ACCESS_PLATFORM);
	for (uint32_t i = 0; i < vk.nvq; i++) {
		vk.vq[i] = (struct vduse_vq_info){
			.num = RING,
			.desc_addr = OWNER_GPA + RING_AT(i),
			.driver_addr = OWNER_GPA + RING_AT(i) + RING_DRIVER_OFF,
			.device_addr = OWNER_GPA + RING_AT(i) + RING_DEVICE_OFF,
			.ready = 1,
		};
		if (features & F(RING_PACKED))
			vk.vq[i].packed = (struct vduse_vq_state_packed){1, 0, 1, 0};
	}
}

void
vk_send(struct vduse_dev_request *req)
{
	req->request_id = ++vk.next_id;
	assert_int_equal(write(vk.fd, req, sizeof(*req)), sizeof(*req));
}

struct vduse_dev_response
vk_answer_of(const struct vduse_dev_request *req)
{
	struct vduse_dev_response resp;

	while (read(vk.fd, &resp, sizeof(resp)) != sizeof(resp))
		ev_run_once(vk_owner.loop, 10);
	ev_run_once(vk_owner.loop, 10);
	assert_int_equal(resp.request_id, req->request_id);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(resp.reserved[i], 0);
	return resp;
}

uint32_t
vk_set_status(uint8_t status)
{
	struct vduse_dev_request req = {.type = VDUSE_SET_STATUS, .s.status = status};

	vk_send(&req);
	return vk_answer_of(&req).result;
}

uint32_t
vk_update_iotlb(uint64_t start, uint64_t last)
{
	struct vduse_dev_request req = {.type = VDUSE_UPDATE_IOTLB, .iova = {start, last}};

	vk_send(&req);
	return vk_answer_of(&req).result;
}

void
vk_start(uint64_t features)
{
	static const uint8_t steps[] = {0, 1, 3, 0xb, STARTED};

	vk_transport = vk_make();
	assert_non_null(vk_transport);
	vk.on_bus = true;
	vk_driver_rings(features);
	for (size_t i = 0; i < RTE_DIM(steps); i++)
		assert_int_equal(vk_set_status(steps[i]), VDUSE_REQ_RESULT_OK);
}

bool
vk_both_run(void)
{
	return vdev_vq_running(vk_owner.d, 0) && vdev_vq_running(vk_owner.d, 1);
}
