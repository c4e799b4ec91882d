/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests of the kernel, which the gate has read. A driver waits in the kernel until a request is
 * answered. The device status is the synchronisation point: rings run when DRIVER_OK is answered,
 * and no thread uses them or their memory when its absence is.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <rte_common.h>

#include "base/record.h"
#include "vduse/dev.h"
#include "vduse/kernel.h"
#include "virtq/journal.h"

/* Position of a ring whose driver was found running. */
#define STATUS_RUNNING                                                                        \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | \
	 VIRTIO_CONFIG_S_DRIVER_OK)
/* For a successor: DRIVER_OK was seen; the driver has suspended the device. */
#define NOTE_STARTED 1u
#define NOTE_SUSPENDED 2u
#define NOTE_ASID 8u /* the first bit of 8 */
#define NOTE_TOLD 16u
#define NOTE_GROUPS (UINT64_C(1) << 24)
#define NOTE_CTRL_ASID 25u /* one bit */
#define NOTE_PAIRS 32u     /* the first bit of 16: in use */

void
vduse_note(const struct vduse *v)
{
	vdev_set_note(v->dev,
		      (v->started ? NOTE_STARTED : 0) | (v->suspended ? NOTE_SUSPENDED : 0) |
			      (v->groups ? NOTE_GROUPS : 0) |
			      (uint64_t)v->asid[VDUSE_DATA] << NOTE_ASID | v->told << NOTE_TOLD |
			      (uint64_t)v->asid[VDUSE_CTRL] << NOTE_CTRL_ASID |
			      (uint64_t)v->ctrl.pairs << NOTE_PAIRS);
}

static void
take_note(struct vduse *v)
{
	const uint64_t note = vdev_note(v->dev);

	v->suspended = note & NOTE_SUSPENDED;
	v->asid[VDUSE_DATA] = (note >> NOTE_ASID) % VDUSE_SPACES;
	v->asid[VDUSE_CTRL] = (note >> NOTE_CTRL_ASID) % VDUSE_SPACES;
	v->ctrl.pairs = (uint16_t)(note >> NOTE_PAIRS);
	v->told = (uint8_t)(note >> NOTE_TOLD);
	v->groups = note & NOTE_GROUPS;
}

static void
look_at_rings(struct vduse *v)
{
	bool changed = false;

	for (uint32_t i = 0; i < vduse_used_queues(v); i++)
		changed |= vduse_queue_load(v, i);
	if (changed)
		vduse_sync(v);
}

static void
on_poll(struct ev_timer *t)
{
	struct vduse *v = container_of(t, struct vduse, poll);

	/* older kernels do not say when a ring becomes ready, or stops being it */
	if (!(v->told & VDUSE_K_F_QUEUE_READY))
		look_at_rings(v);
	vduse_config_update(v);
	/* for memory that was not there */
	vduse_ctrl_kick(v);
	ev_timer_arm(v->loop, &v->poll, VDUSE_POLL_MS);
}

void
vduse_poll(struct vduse *v)
{
	v->poll.cb = on_poll;
	ev_timer_arm(v->loop, &v->poll, VDUSE_POLL_MS);
}

static const char *
take_features(struct vduse *v)
{
	uint64_t features = 0;

	if (v->sys->ioctl(v->fd, VDUSE_DEV_GET_FEATURES, &features) < 0)
		return "the kernel does not say which features were negotiated";
	vduse_record_fact(v, RECORD_FEATURES, &features, sizeof(features), -1);
	if (vduse_features_why(features) != NULL)
		return vduse_features_why(features);
	/* offered when the device was made, for a limit that may be gone */
	v->dev->cfg.features |= features & VDEV_F(NET_MTU);
	if (vdev_set_features(v->dev, features) != 0)
		return "features were accepted that are not offered";
	return NULL;
}

/** With @p pairs in use. */
static const char *
driver_starts(struct vduse *v, uint32_t pairs)
{
	struct gmem *none = gmem_new();

	if (none == NULL || vdev_set_mem(v->dev, none) != 0)
		return "out of memory";
	v->started = true;
	v->starts++;
	v->ctrl.pairs = 1;
	if (v->dev->features & VDEV_F(NET_MQ))
		vduse_ctrl_use_pairs(v, pairs == 0 || pairs > v->pairs ? 1 : pairs);
	vduse_note(v);
	vduse_gate_busy(v->gate, true);
	vduse_poll(v);
	return NULL;
}

/** The rings stop and are forgotten, and so is all memory. */
static void
driver_leaves(struct vduse *v)
{
	ev_timer_cancel(&v->poll);
	ev_timer_cancel(&v->resolve);
	v->started = v->adopted = v->suspended = false;
	v->nmisses = 0;
	v->ctrl.pairs = 0;
	vduse_note(v);
	if (vdev_journal_spare(v->dev) != NULL)
		vq_journal_stop(vdev_journal_spare(v->dev));
	if (v->dev->transport != NULL) {
		vdev_set_status(v->dev, 0);
		vdev_disconnect(v->dev);
	}
	vduse_queues_forget(v);
	vduse_gate_busy(v->gate, false);
}

/**
 * Whether the driver that says DRIVER_OK is not the one that was found running: a predecessor may
 * have ended between the two, or before it had answered this.
 */
static bool
is_another_driver(struct vduse *v)
{
	uint64_t features = 0;
	bool differs;

	if (v->sys->ioctl(v->fd, VDUSE_DEV_GET_FEATURES, &features) < 0)
		return false;
	differs = features != v->dev->features;
	for (uint32_t i = 0; i < vduse_used_queues(v); i++)
		differs |= !vduse_queue_same(v, i);
	return differs;
}

/** The status goes through the same steps as if the driver took them now. */
static const char *
start(struct vduse *v)
{
	const char *why = driver_starts(v, 1);

	if (why == NULL)
		look_at_rings(v);
	return why;
}

static const char *
set_status(struct vduse *v, const struct vduse_dev_request *req, struct vduse_dev_response *resp)
{
	const uint8_t status = req->s.status;
	uint8_t before = vdev_get_status(v->dev);
	const char *why = NULL;

	if ((before & ~status & VIRTIO_CONFIG_S_DRIVER_OK) || !(status & VIRTIO_CONFIG_S_DRIVER))
		driver_leaves(v);
	/* the kernel does not say that a reset ends it */
	if (status == 0) {
		v->asid[VDUSE_DATA] = v->asid[VDUSE_CTRL] = 0;
		vduse_note(v);
	}
	if (!(status & VIRTIO_CONFIG_S_DRIVER))
		return NULL;
	if ((status & VIRTIO_CONFIG_S_DRIVER_OK) && v->adopted && is_another_driver(v))
		driver_leaves(v);
	v->adopted = false;
	before = vdev_get_status(v->dev);
	if (v->dev->transport == NULL)
		vdev_connect(v->dev, &v->transport);
	if ((status & ~before) & VIRTIO_CONFIG_S_FEATURES_OK)
		why = take_features(v);
	if (why != NULL)
		return why;
	vdev_set_status(v->dev, status);
	if ((status & VIRTIO_CONFIG_S_FEATURES_OK) &&
	    !(vdev_get_status(v->dev) & VIRTIO_CONFIG_S_FEATURES_OK))
		return v->dev->status_why;
	if ((status & VIRTIO_CONFIG_S_DRIVER_OK) && !v->started)
		why = start(v);
	return why;
}

/** One that the driver cannot use has not moved. */
static struct vq_state
where(struct vduse *v, uint32_t i)
{
	const bool packed = v->dev->features & VDEV_F(RING_PACKED);
	struct vq_state s = {.avail_wrap = packed, .used_wrap = packed};

	if (vduse_is_ctrl(v, i)) {
		vduse_ctrl_find(v);
		return v->q[i].loaded ? v->ctrl.at : s;
	}
	if (i < vduse_data_queues(v))
		vdev_vq_get_state(v->dev, i, &s);
	return s;
}

static const char *
get_vq_state(struct vduse *v, const struct vduse_dev_request *req, struct vduse_dev_response *resp)
{
	struct vq_state s;

	if (req->vq_state.index >= vduse_nqueues(v))
		return "no such ring";
	if (v->started && !(v->told & VDUSE_K_F_QUEUE_READY))
		look_at_rings(v);
	vdev_pause(v->dev);
	s = where(v, req->vq_state.index);
	resp->vq_state.index = req->vq_state.index;
	if (v->dev->features & VDEV_F(RING_PACKED)) {
		resp->vq_state.packed = (struct vduse_vq_state_packed){
			.last_avail_counter = s.avail_wrap,
			.last_avail_idx = s.avail,
			.last_used_counter = s.used_wrap,
			.last_used_idx = s.used,
		};
	} else {
		resp->vq_state.split.avail_index = s.avail;
	}
	vduse_sync(v);
	return NULL;
}

static const union vduse_k_body *
body(const struct vduse_dev_request *req)
{
	return (const union vduse_k_body *)&req->padding;
}

static const char *
forget_memory(struct vduse *v, uint64_t first, uint64_t last)
{
	int ret = vduse_mem_flush(v, first, last);

	/* rings that were paused, and those whose memory has moved, start again */
	vduse_sync(v);
	if (ret == -EINVAL)
		return "the range of addresses is not one";
	return ret == 0 ? NULL : "out of memory";
}

static const char *
update_iotlb(struct vduse *v, const struct vduse_dev_request *req, struct vduse_dev_response *resp)
{
	if (body(req)->iova.asid >= VDUSE_SPACES)
		return "no such address space";
	if (body(req)->iova.start > body(req)->iova.last)
		return "the range of addresses is not one";
	if (vduse_has_ctrl(v) && body(req)->iova.asid == vduse_ctrl_asid(v))
		vduse_ctrl_flush(v);
	if (body(req)->iova.asid != v->asid[VDUSE_DATA])
		return NULL; /* not one that the data rings are in */
	return forget_memory(v, req->iova.start, req->iova.last);
}

static const char *
set_group_asid(struct vduse *v, const struct vduse_dev_request *req,
	       struct vduse_dev_response *resp)
{
	const uint32_t group = body(req)->group.group, asid = body(req)->group.asid;

	if (group >= vduse_ngroups(v))
		return "no such group of rings";
	if (asid >= VDUSE_SPACES)
		return "no such address space";
	if (asid == v->asid[group])
		return NULL;
	/* nothing is known of the other one yet */
	v->asid[group] = asid;
	vduse_note(v);
	vduse_ctrl_flush(v);
	return group == VDUSE_DATA ? forget_memory(v, 0, UINT64_MAX) : NULL;
}

/** The kernel notes it after the answer. */
static const char *
set_ready(struct vduse *v, const struct vduse_dev_request *req, struct vduse_dev_response *resp)
{
	struct vduse_vq_info info = {.index = body(req)->ready.num};

	if (info.index >= vduse_nqueues(v))
		return "no such ring";
	v->told |= VDUSE_K_F_QUEUE_READY;
	vduse_note(v);
	/* it is looked at with DRIVER_OK, or is none that the driver can use */
	if (!v->started || info.index >= vduse_used_queues(v))
		return NULL;
	if (v->sys->ioctl(v->fd, VDUSE_VQ_GET_INFO, &info) < 0)
		return "the kernel does not describe the ring";
	info.ready = body(req)->ready.ready != 0;
	if (vduse_queue_set(v, &info))
		vduse_sync(v);
	return NULL;
}

/** No ring is ready, even if it is by the word of the kernel, until the driver starts anew. */
static void
suspend_rings(struct vduse *v)
{
	struct vduse_vq_info info;

	v->suspended = true;
	vduse_note(v);
	for (uint32_t i = 0; i < vduse_used_queues(v); i++) {
		info = v->q[i].info;
		info.index = i;
		info.ready = 0;
		vduse_queue_set(v, &info);
	}
	vduse_sync(v);
}

static const char *
suspend(struct vduse *v, const struct vduse_dev_request *req, struct vduse_dev_response *resp)
{
	if (v->started)
		suspend_rings(v);
	return NULL;
}

static const struct {
	const char *name;
	const char *(*handle)(struct vduse *v, const struct vduse_dev_request *req,
			      struct vduse_dev_response *resp);
} rows[] = {
	[VDUSE_GET_VQ_STATE] = {"GET_VQ_STATE", get_vq_state},
	[VDUSE_SET_STATUS] = {"SET_STATUS", set_status},
	[VDUSE_UPDATE_IOTLB] = {"UPDATE_IOTLB", update_iotlb},
	[VDUSE_K_SET_VQ_GROUP_ASID] = {"SET_VQ_GROUP_ASID", set_group_asid},
	[VDUSE_K_SET_VQ_READY] = {"SET_VQ_READY", set_ready},
	[VDUSE_K_SUSPEND] = {"SUSPEND", suspend},
};

const char *
vduse_request_name(uint32_t type)
{
	return type < RTE_DIM(rows) ? rows[type].name : "?";
}

static void
record(struct vduse *v, const struct vduse_dev_request *req, const char *why)
{
	struct vduse_event *e = &v->history[v->events++ % VDUSE_HISTORY];

	*e = (struct vduse_event){.when_ns = ev_now_ns(), .type = req->type, .why = why};
	e->word = req->type == VDUSE_SET_STATUS     ? req->s.status
		  : req->type == VDUSE_UPDATE_IOTLB ? req->iova.start
						    : req->vq_state.index;
	v->requests++;
	if (why == NULL)
		return;
	v->refused++;
	v->last_error = why;
	log_peer(&v->dev->log_limit, v->dev->name, "%s (%u) refused: %s",
		 vduse_request_name(req->type), req->type, why);
}

/** A request of the kernel, or our answer. */
static void
note_said(const struct vduse *v, enum record_from from, uint32_t type, const void *body,
	  uint32_t size)
{
	const struct record_said said = {
		.channel = RECORD_MAIN,
		.from = from,
		.request = type,
		.size = size,
		.payload = body,
	};

	record_message(v->record, &said);
}

void
vduse_record_fact(const struct vduse *v, enum record_kernel_fact fact, const void *data,
		  uint32_t size, int fd)
{
	const struct record_said said = {
		.channel = RECORD_KERNEL,
		.from = RECORD_FROM_PEER,
		.request = fact,
		.size = size,
		.payload = data,
		.fds = &fd,
		.nfds = fd >= 0,
	};

	record_message(v->record, &said);
}

void
vduse_handle(struct vduse *v, const struct vduse_dev_request *req, struct vduse_dev_response *resp)
{
	struct vduse_dev_response out = {.request_id = req->request_id};
	const char *why = "request not known here";

	note_said(v, RECORD_FROM_PEER, req->type, req, sizeof(*req));
	if (req->type < RTE_DIM(rows))
		why = rows[req->type].handle(v, req, &out);
	record(v, req, why);
	record_verdict(v->record, req->type, why != NULL ? EINVAL : 0, why);
	if (why != NULL)
		out = (struct vduse_dev_response){.request_id = req->request_id,
						  .result = VDUSE_REQ_RESULT_FAILED};
	note_said(v, RECORD_FROM_US, req->type, &out, sizeof(out));
	*resp = out;
}

void
vduse_answered(struct vduse *v)
{
	vduse_config_update(v);
}

/**
 * Let the rings start, which finds their positions, before workers see any; then take those back
 * that the driver has stopped.
 */
static const char *
resume(struct vduse *v, const struct vduse_vq_info info[])
{
	const bool suspended = v->suspended;
	struct vduse_vq_info ready;
	const char *why;

	v->suspended = false;
	why = driver_starts(v, v->ctrl.pairs);
	if (why != NULL)
		return why;
	v->resuming = true;
	for (uint32_t i = 0; i < vduse_used_queues(v); i++) {
		ready = info[i];
		ready.ready = info[i].num != 0;
		vduse_queue_set(v, &ready);
	}
	v->resuming = false;
	vduse_sync(v);
	if (suspended)
		suspend_rings(v);
	else
		look_at_rings(v);
	v->adopted = true;
	return NULL;
}

const char *
vduse_adopt(struct vduse *v)
{
	struct vduse_vq_info info[VDUSE_QUEUES_MAX];
	bool started = vdev_note(v->dev) & NOTE_STARTED;
	uint64_t features = 0;
	const char *why;

	take_note(v);
	if (!vduse_find_shape(v))
		return "it has not the queues of its port";
	for (uint32_t i = 0; i < vduse_nqueues(v); i++) {
		info[i] = (struct vduse_vq_info){.index = i};
		if (v->sys->ioctl(v->fd, VDUSE_VQ_GET_INFO, &info[i]) == 0)
			started |= info[i].ready != 0;
	}
	/* no driver, or one that has not come so far: its status follows */
	if (!started || v->sys->ioctl(v->fd, VDUSE_DEV_GET_FEATURES, &features) < 0 ||
	    features == 0)
		return NULL;
	vdev_connect(v->dev, &v->transport);
	why = take_features(v);
	if (why == NULL) {
		vdev_set_status(v->dev, STATUS_RUNNING);
		why = resume(v, info);
	}
	if (why != NULL)
		driver_leaves(v);
	return why;
}
