/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device goes on in another process, which gets the node with it: the kernel and the driver
 * notice nothing. Requests that were read are answered before; those that come stay in the kernel,
 * for the process that reads the node next.
 */
#include <string.h>
#include <unistd.h>

#include <bsd/string.h>

#include <rte_common.h>

#include "vdev/handover.h"
#include "vduse/dev.h"
#include "vduse/kernel.h"

/* Types are for ever: a number that is no longer used stays unused. */
enum {
	TYPE_DEVICE = TRANSPORT_HAND_FIRST + 0x80, /* comes first; its descriptor is the node */
	TYPE_RING,
	TYPE_CONTROL, /* comes before the device, if there is a control queue */
};

enum {
	DEVICE_STARTED = 1,
	DEVICE_SUSPENDED = 2,
	DEVICE_GROUPS = 4,
	DEVICE_ADOPTED = 8,
	DEVICE_ON_BUS = 0x10,
	DEVICE_CONFIG_IRQ_DUE = 0x20,
	DEVICE_CONNECTED = 0x40,
	DEVICE_GIVEN_UP = 0x80,
	DEVICE_ONE_PAIR = 0x100, /* the kernel has refused a control queue */
};

enum {
	CONTROL_LOADED = 1, /* the ring is described */
	CONTROL_READY = 2,
	CONTROL_BROKEN = 4,
	CONTROL_AVAIL_WRAP = 8,
	CONTROL_LOST = 0x10, /* its position is a predecessor's, and has yet to be found */
};

#define CONFIG_MAX 64

/* Later versions may append to these. */
struct device_data {
	uint64_t features, told;
	uint64_t starts, requests, refused, regions, remade, late;
	uint32_t flags, asid;
	uint8_t config[CONFIG_MAX]; /* struct virtio_net_config as the kernel has it */
	char end[64], error[400];
};
static_assert(sizeof(struct virtio_net_config) <= CONFIG_MAX, "it has room");
static_assert(sizeof(struct device_data) == 600, "layout of the record");

struct ring_data {
	uint32_t index, ready, num, zero;
	uint64_t desc_addr, driver_addr, device_addr;
	uint16_t position[4]; /* of struct vduse_vq_state_packed, which the other layout lies in */
};
struct control_data {
	uint32_t pairs, used, index, flags, asid, num, base;
	uint16_t at, zero;
	uint64_t desc_addr, driver_addr, device_addr, commands, refused;
	uint16_t position[4];
};
static_assert(sizeof(struct control_data) == 80, "layout of the record");

static_assert(sizeof(((struct vduse_vq_info *)0)->packed) ==
		      sizeof(((struct ring_data *)0)->position),
	      "a position fits");

/* --- the predecessor --- */

const char *
vduse_busy(const struct transport *t)
{
	const struct vduse *v = (const struct vduse *)t;

	if (v->wait != NULL)
		return "the device of this name before it is being removed";
	return v->bus != NULL ? "the vdpa bus is being asked to take its device" : NULL;
}

void
vduse_hand_stop(struct transport *t)
{
	struct vduse *v = vduse_of(t);

	vduse_gate_park(v->gate);
	v->asleep = true;
}

static void
put_ring(const struct vduse_queue *q, struct blob *b)
{
	struct ring_data x = {
		.index = q->index,
		.ready = q->info.ready,
		.num = q->info.num,
		.desc_addr = q->info.desc_addr,
		.driver_addr = q->info.driver_addr,
		.device_addr = q->info.device_addr,
	};

	memcpy(x.position, &q->info.packed, sizeof(x.position));
	if (q->loaded)
		blob_put_record(b, &(struct blob_record){TYPE_RING, BLOB_MUST_KNOW, sizeof(x), 0},
				&x);
}

static void
put_control(const struct vduse *v, struct blob *b)
{
	const struct vduse_ctrl *c = &v->ctrl;
	const struct vduse_queue *q = &v->q[vduse_ctrl_index(v)];
	const bool loaded = vduse_has_ctrl(v) && q->loaded;
	struct control_data x = {
		.pairs = v->pairs,
		.used = c->pairs,
		.asid = v->asid[VDUSE_CTRL],
		.commands = c->commands,
		.refused = c->refused,
	};

	if (loaded) {
		x.index = q->index;
		x.flags = CONTROL_LOADED | (q->info.ready ? CONTROL_READY : 0) |
			  (c->broken ? CONTROL_BROKEN : 0) |
			  (c->at.avail_wrap ? CONTROL_AVAIL_WRAP : 0) |
			  (c->lost ? CONTROL_LOST : 0);
		x.num = q->info.num;
		x.base = c->base;
		x.at = c->at.avail;
		x.desc_addr = q->info.desc_addr;
		x.driver_addr = q->info.driver_addr;
		x.device_addr = q->info.device_addr;
		memcpy(x.position, &q->info.packed, sizeof(x.position));
	}
	blob_put_record(b, &(struct blob_record){TYPE_CONTROL, BLOB_MUST_KNOW, sizeof(x), 0}, &x);
}

void
vduse_hand_over(const struct transport *t, struct blob *b)
{
	const struct vduse *v = (const struct vduse *)t;
	struct device_data x = {
		.features = v->dev->features,
		.told = v->told,
		.starts = v->starts,
		.requests = v->requests,
		.refused = v->refused,
		.regions = v->regions,
		.remade = v->remade,
		.late = vduse_late(v),
		.flags = (v->started ? DEVICE_STARTED : 0) | (v->suspended ? DEVICE_SUSPENDED : 0) |
			 (v->groups ? DEVICE_GROUPS : 0) | (v->adopted ? DEVICE_ADOPTED : 0) |
			 (v->on_bus ? DEVICE_ON_BUS : 0) |
			 (v->config_irq_due ? DEVICE_CONFIG_IRQ_DUE : 0) |
			 (v->dev->transport != NULL ? DEVICE_CONNECTED : 0) |
			 (v->last_error == vduse_given_up ? DEVICE_GIVEN_UP : 0) |
			 (v->few == vduse_few_refused ? DEVICE_ONE_PAIR : 0),
		.asid = v->asid[VDUSE_DATA],
	};

	if (v->control)
		put_control(v, b);

	memcpy(x.config, &v->config, sizeof(v->config));
	strlcpy(x.end, v->end, sizeof(x.end));
	strlcpy(x.error, v->bus_error, sizeof(x.error));
	blob_put_fds(b, &(struct blob_record){TYPE_DEVICE, BLOB_MUST_KNOW, sizeof(x), v->fd >= 0},
		     &x, &v->fd);
	for (uint32_t i = 0; i < vduse_data_queues(v); i++)
		put_ring(&v->q[i], b);
}

/* --- the successor --- */

static void
take_numbers(struct vduse *v, const struct device_data *x)
{
	v->told = x->told;
	v->starts = x->starts;
	v->requests = x->requests;
	v->refused = x->refused;
	v->regions = x->regions;
	v->remade = x->remade;
	v->late = x->late;
	v->asid[VDUSE_DATA] = x->asid;
	v->started = x->flags & DEVICE_STARTED;
	v->suspended = x->flags & DEVICE_SUSPENDED;
	v->groups = x->flags & DEVICE_GROUPS;
	v->adopted = x->flags & DEVICE_ADOPTED;
	v->on_bus = x->flags & DEVICE_ON_BUS;
	v->config_irq_due = x->flags & DEVICE_CONFIG_IRQ_DUE;
	if (x->flags & DEVICE_GIVEN_UP)
		v->last_error = vduse_given_up;
	memcpy(&v->config, x->config, sizeof(v->config));
	strlcpy(v->end, x->end, sizeof(v->end));
	strlcpy(v->bus_error, x->error, sizeof(v->bus_error));
	/* offered when the device was made, for a limit that may be gone */
	v->dev->cfg.features |= x->features & VDEV_F(NET_MTU);
}

static void
take_control_ring(struct vduse *v, const struct control_data *x)
{
	const bool wrap = x->flags & CONTROL_AVAIL_WRAP;
	struct vduse_queue *q = &v->q[x->index];
	struct vduse_ctrl *c = &v->ctrl;

	q->loaded = true;
	q->info = (struct vduse_vq_info){
		.index = x->index,
		.num = x->num,
		.desc_addr = x->desc_addr,
		.driver_addr = x->driver_addr,
		.device_addr = x->device_addr,
		.ready = (x->flags & CONTROL_READY) != 0,
	};
	memcpy(&q->info.packed, x->position, sizeof(x->position));
	c->ready = q->info.ready;
	c->broken = x->flags & CONTROL_BROKEN;
	c->why = c->broken ? "the driver broke it before an upgrade" : NULL;
	c->lost = x->flags & CONTROL_LOST;
	c->base = x->base;
	c->at = (struct vq_state){x->at, x->at, wrap, wrap};
}

static const char *
take_control(struct vduse *v, const struct hand_record *h)
{
	struct control_data x;

	if (!hand_get(h, &x, sizeof(x)))
		return "a VDUSE device's control record is too short";
	if (v->fd >= 0 || !v->asleep || v->control)
		return "two control queues of one port";
	if (!vduse_set_shape(v, x.pairs, true, vduse_few_made))
		return "a VDUSE device has more queue pairs than its port";
	if (x.used > x.pairs || x.asid >= VDUSE_SPACES || x.num > VDUSE_RING_SIZE ||
	    ((x.flags & CONTROL_LOADED) && x.index != 2 && x.index != 2 * x.pairs))
		return "a VDUSE device's control record has an impossible value";
	v->asid[VDUSE_CTRL] = x.asid;
	v->ctrl.pairs = x.used;
	v->ctrl.commands = x.commands;
	v->ctrl.refused = x.refused;
	if (x.flags & CONTROL_LOADED)
		take_control_ring(v, &x);
	return NULL;
}

static const char *
take_device(struct vduse *v, const struct hand_record *h)
{
	struct device_data x;
	struct gmem *none;

	if (!hand_get(h, &x, sizeof(x)))
		return "a VDUSE device's record is too short";
	if (v->fd >= 0 || !v->asleep)
		return "two VDUSE devices of one port";
	if (x.asid >= VDUSE_SPACES || memchr(x.end, '\0', sizeof(x.end)) == NULL ||
	    memchr(x.error, '\0', sizeof(x.error)) == NULL)
		return "a VDUSE device's record has an impossible value";
	v->fd = blob_take_fd(h->reader, 0);
	if (v->fd < 0 && (x.flags & (DEVICE_STARTED | DEVICE_CONNECTED)))
		return "a VDUSE device comes without its node";
	take_numbers(v, &x);
	if (!v->control) {
		vduse_set_shape(v, 1, false,
				(x.flags & DEVICE_ONE_PAIR) ? vduse_few_refused : vduse_few_made);
		v->ctrl.pairs = v->started; /* which no record says */
	}
	if (x.flags & DEVICE_CONNECTED)
		vdev_connect(v->dev, &v->transport);
	/* of its memory there is as much as records say */
	none = v->started ? gmem_new() : NULL;
	if (v->started && (none == NULL || vdev_set_mem(v->dev, none) != 0))
		return "out of memory";
	if (v->fd >= 0)
		v->gate = vduse_gate_of(v);
	return v->fd < 0 || v->gate != NULL ? NULL : "no thread for a VDUSE device's requests";
}

static const char *
take_ring(struct vduse *v, const struct hand_record *h)
{
	struct vduse_queue *q;
	struct ring_data x;

	if (!hand_get(h, &x, sizeof(x)))
		return "a VDUSE ring's record is too short";
	if (x.index >= 2 * v->pairs || v->fd < 0 || !v->asleep || v->q[x.index].loaded)
		return "a ring that the VDUSE device does not have";
	q = &v->q[x.index];
	q->info = (struct vduse_vq_info){
		.index = x.index,
		.num = x.num,
		.desc_addr = x.desc_addr,
		.driver_addr = x.driver_addr,
		.device_addr = x.device_addr,
		.ready = x.ready != 0,
	};
	memcpy(&q->info.packed, x.position, sizeof(x.position));
	if (vduse_queue_set_irq(q) != 0)
		return "no memory for a VDUSE ring's interrupts";
	q->loaded = true;
	return NULL;
}

const char *
vduse_take_over(struct transport *t, const struct hand_record *h)
{
	if (h->r.type == TYPE_DEVICE)
		return take_device(vduse_of(t), h);
	if (h->r.type == TYPE_CONTROL)
		return take_control(vduse_of(t), h);
	if (h->r.type == TYPE_RING)
		return take_ring(vduse_of(t), h);
	return (h->r.flags & BLOB_MUST_KNOW) ? "a record about a VDUSE device is not known here"
					     : NULL;
}

/* --- either --- */

void
vduse_hand_run(struct transport *t)
{
	struct vduse *v = vduse_of(t);

	v->asleep = v->closed = false;
	if (v->fd < 0)
		return;
	vduse_note(v);
	vduse_gate_busy(v->gate, v->started);
	if (v->started)
		vduse_poll(v);
	vduse_sync(v);
	vduse_ctrl_go_on(v);
	vduse_config_update(v);
	vduse_gate_go(v->gate);
}
