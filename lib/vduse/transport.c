/* SPDX-License-Identifier: BSD-3-Clause */
/* The device as a transport: made, shown, freed. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/virtio_config.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <bsd/string.h>

#include <rte_common.h>

#include "base/irq.h"
#include "vduse/dev.h"
#include "vduse/kernel.h"

static int
sys_open(const char *path)
{
	return open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

static int
sys_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg);
}

static const struct vduse_sys the_kernel = {
	.open = sys_open,
	.ioctl = sys_ioctl,
	.bus = vduse_bus_request,
	.sysfs = "/sys/bus/vdpa",
};

static enum vdev_space
space(const struct transport *t, uint64_t features)
{
	return VDEV_SPACE_IOVA;
}

static void
config_changed(struct transport *t)
{
	vduse_config_update(vduse_of(t));
}

static void
published(struct transport *t)
{
	vduse_ctrl_published(vduse_of(t));
}

static const char *
last_error(const struct vduse *v)
{
	return v->bus_error[0] != '\0' ? v->bus_error : v->last_error;
}

static void
info(const struct transport *t, struct transport_info *out)
{
	const struct vduse *v = (const struct vduse *)t;

	*out = (struct transport_info){
		.kind = "Device",
		.where = v->path,
		.role = "VDUSE",
		.connected = v->dev->transport != NULL,
		.connects = v->starts,
		.messages = v->requests,
		.refused = v->refused,
		.last_error = last_error(v),
		.pairs = v->few != NULL ? v->pairs : 0,
		.few = v->few,
		.no_carrier = v->ctrl.broken ? v->ctrl.why : NULL,
	};
}

static const char *
state_of(const struct vduse *v)
{
	if (v->wait != NULL)
		return "waits for the device of this name before it to be removed";
	if (v->fd < 0)
		return "of no use";
	return v->dev->transport != NULL ? "in use" : "not in use";
}

static void
show_event(const struct vduse_event *e, FILE *out)
{
	fprintf(out, "    %" PRIu64 " ms ago: %s 0x%" PRIx64 "%s%s\n",
		(ev_now_ns() - e->when_ns) / 1000000, vduse_request_name(e->type), e->word,
		e->why != NULL ? ": refused: " : "", e->why != NULL ? e->why : "");
}

/** Queue pairs, in one line, with the reason why they are fewer than were wanted. */
static void
show_pairs(const struct vduse *v, FILE *out)
{
	fprintf(out, "  %u queue pair%s, %u in use%s%s%s", v->pairs, v->pairs == 1 ? "" : "s",
		v->ctrl.pairs, v->few != NULL ? " (" : "", v->few != NULL ? v->few : "",
		v->few != NULL ? ")" : "");
	if (v->control)
		fprintf(out,
			"; control queue in address space %u: %s, %" PRIu64 " commands, %" PRIu64
			" refused",
			vduse_ctrl_asid(v), vduse_ctrl_state(v), v->ctrl.commands, v->ctrl.refused);
	fputc('\n', out);
}

static void
show(const struct transport *t, FILE *out)
{
	static const char *const driver[] = {"virtio_vdpa", "vhost_vdpa",
					     "another program's choice"};
	const struct vduse *v = (const struct vduse *)t;
	const struct gmem *m = v->dev->gmem;
	struct irq_info irqs;
	uint64_t i;

	irq_group_info(v->dev->irqs, &irqs);
	fprintf(out, "  device %s, driver %s, %s", v->path, driver[v->attach], state_of(v));
	if (last_error(v) != NULL)
		fprintf(out, ", last error: %s", last_error(v));
	if (v->end[0] != '\0')
		fprintf(out, "\n  %s %s%s%s",
			v->attach == VDUSE_ATTACH_VHOST ? "node" : "interface", v->end,
			v->netns[0] != '\0' ? " in the network namespace " : "", v->netns);
	fprintf(out,
		"\n  version %u of the kernel's interface, %" PRIu64 " starts, %" PRIu64
		" interrupts, %u regions of memory mapped (%" PRIu64 " so far)\n"
		"  address space %u, %" PRIu64 " requests answered without control%s%s\n",
		v->groups, v->starts, irqs.left, m != NULL ? m->n : 0, v->regions,
		v->asid[VDUSE_DATA], vduse_late(v),
		(v->told & VDUSE_K_F_QUEUE_READY) ? ", the kernel tells which rings are ready" : "",
		v->suspended ? ", suspended by the driver" : "");
	show_pairs(v, out);
	fprintf(out, "  last requests:\n");
	for (i = v->events > VDUSE_HISTORY ? v->events - VDUSE_HISTORY : 0; i < v->events; i++)
		show_event(&v->history[i % VDUSE_HISTORY], out);
}

static uint32_t
facts(const struct transport *t, struct transport_fact *out)
{
	static const char *const attach[] = {"virtio", "vhost", "none"};
	const struct vduse *v = (const struct vduse *)t;
	const struct gmem *m = v->dev->gmem;
	uint32_t n = 0;

	out[n++] = (struct transport_fact){"vduse_attach", attach[v->attach], 0};
	out[n++] = (struct transport_fact){"vduse_state", state_of(v), 0};
	out[n++] = (struct transport_fact){"vduse_on_bus", NULL, v->on_bus};
	out[n++] = (struct transport_fact){v->attach == VDUSE_ATTACH_VHOST ? "vduse_node"
									   : "vduse_interface",
					   v->end, 0};
	out[n++] = (struct transport_fact){"vduse_netns", v->netns, 0};
	out[n++] = (struct transport_fact){"vduse_api_version", NULL, v->groups};
	out[n++] = (struct transport_fact){"vduse_address_space", NULL, v->asid[VDUSE_DATA]};
	out[n++] = (struct transport_fact){"vduse_tells_ready", NULL,
					   (v->told & VDUSE_K_F_QUEUE_READY) != 0};
	out[n++] = (struct transport_fact){"vduse_suspended", NULL, v->suspended};
	out[n++] = (struct transport_fact){"vduse_regions", NULL, m != NULL ? m->n : 0};
	out[n++] = (struct transport_fact){"vduse_regions_mapped", NULL, v->regions};
	out[n++] = (struct transport_fact){"vduse_answered_late", NULL, vduse_late(v)};
	out[n++] = (struct transport_fact){"vduse_queue_pairs", NULL, v->pairs};
	out[n++] = (struct transport_fact){"vduse_queue_pairs_used", NULL, v->ctrl.pairs};
	out[n++] =
		(struct transport_fact){"vduse_queue_pairs_why", v->few != NULL ? v->few : "", 0};
	out[n++] = (struct transport_fact){"vduse_control_queue", vduse_ctrl_state(v), 0};
	out[n++] = (struct transport_fact){"vduse_control_address_space", NULL, vduse_ctrl_asid(v)};
	out[n++] = (struct transport_fact){"vduse_control_commands", NULL, v->ctrl.commands};
	out[n++] = (struct transport_fact){"vduse_control_refused", NULL, v->ctrl.refused};
	return n;
}

struct vduse_gate *
vduse_gate_of(struct vduse *v)
{
	/* control accepts an MTU although its limit is gone, or is yet to come */
	return vduse_gate_open(v, vdev_features_offered(v->dev) | VDEV_F(NET_MTU));
}

uint64_t
vduse_late(const struct vduse *v)
{
	return v->late + vduse_gate_late(v->gate);
}

static void
close_gate(struct vduse *v)
{
	struct vduse_gate *g = v->gate;

	v->late = vduse_late(v);
	v->gate = NULL;
	vduse_gate_close(g);
}

/**
 * Take it off the bus and make it once more: its driver, which is the kernel's, comes back by
 * itself. One that breaks again before its first request stays as it is.
 */
static void
make_anew(struct vduse *v)
{
	v->remade = v->requests + 1;
	vduse_remove(v);
	v->closed = v->on_bus = false;
	v->end[0] = '\0';
	v->last_error = NULL;
	if (!vduse_wait_for_removal(v))
		vduse_begin_late(v);
}

const char vduse_given_up[] =
	"the kernel has given the device up: it must be taken off the vdpa bus";

/** The kernel gives a device up for good when a request is not answered in time. */
void
vduse_broken(struct vduse *v)
{
	struct vdev *d = v->dev;

	ev_timer_cancel(&v->poll);
	ev_timer_cancel(&v->resolve);
	close_gate(v);
	v->last_error = vduse_given_up;
	v->started = false;
	vduse_note(v);
	if (d->transport != NULL)
		vdev_disconnect(d);
	vduse_queues_forget(v);
	close(v->fd);
	v->fd = -1;
	log_warn(d->name, "%s: %s", v->path, v->last_error);
	/* a program that drives it keeps it on the bus, and all work on the bus waits for that */
	if (v->attach == VDUSE_ATTACH_VIRTIO && v->remade != v->requests + 1)
		make_anew(v);
}

static void
leaves(struct transport *t)
{
	vduse_of(t)->leaves = true;
}

/** Serve it no more. */
static void
leave_node(struct vduse *v)
{
	close_gate(v);
	ev_timer_cancel(&v->poll);
	ev_timer_cancel(&v->resolve);
	if (v->dev->transport != NULL)
		vdev_disconnect(v->dev);
}

static void
vduse_free(struct transport *t)
{
	struct vduse *v = vduse_of(t);

	leave_node(v);
	if (v->leaves && !v->closed && v->wait == NULL)
		vduse_remove(v);
	vduse_wait_no_more(v);
	vduse_bus_abandon(v);
	vduse_close(v);
	free(v);
}

static const char *const lack[] = {
	[VDEV_LACK_MEMORY] = "no driver has started the device (DRIVER_OK)",
	[VDEV_LACK_SIZE] = "the driver has not set the ring's size",
	[VDEV_LACK_ADDRESSES] = "the driver has not set the ring's addresses",
	[VDEV_LACK_READY] = "the driver has not made the ring ready",
	[VDEV_LACK_ENABLE] = "the driver does not use this queue pair (control queue)",
	[VDEV_LACK_FEATURES] = "no driver has negotiated features",
	[VDEV_LACK_LOG] = "a VDUSE device has no log",
};
static_assert(RTE_DIM(lack) == VDEV_LACK_NUM, "lack[] is incomplete");

static const struct transport_ops vduse_transport_ops = {
	.name = "VDUSE",
	.lack = lack,
	.takes_back = true,
	.space = space,
	.translate = vduse_translate,
	.config_changed = config_changed,
	.published = published,
	.info = info,
	.facts = facts,
	.show = show,
	.remove = leaves,
	.busy = vduse_busy,
	.hand_stop = vduse_hand_stop,
	.hand_over = vduse_hand_over,
	.take_over = vduse_take_over,
	.hand_run = vduse_hand_run,
	.free = vduse_free,
};

static const char *
name_fault(const char *name)
{
	if (*name == '\0' || strchr(name, '/') != NULL || strcmp(name, "control") == 0 ||
	    strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return "not the name of a VDUSE device";
	return strlen(name) >= VDUSE_NAME_MAX ? "the name is too long" : NULL;
}

/** Make the node or find it, serve it, and continue a predecessor's rings. 0 or -errno. */
static int
begin(struct vduse *v, char *err, size_t errlen)
{
	const char *why;
	bool adopted;
	int ret = vduse_open(v, &adopted, err, errlen);

	if (ret != 0)
		return ret;
	why = adopted ? vduse_adopt(v) : NULL;
	if (why == NULL) {
		v->gate = vduse_gate_of(v);
		why = v->gate == NULL ? "no thread for its requests" : NULL;
	}
	if (why != NULL) {
		snprintf(err, errlen, "%s: %s%s", v->path, why,
			 adopted ? " (a device with other options: vdpa dev del)" : "");
		return -EINVAL;
	}
	vduse_gate_busy(v->gate, v->started);
	vduse_gate_go(v->gate);
	if (adopted)
		log_info(v->dev->name, "%s is there already%s", v->path,
			 v->started ? ": its driver goes on" : "");
	if (v->attach != VDUSE_ATTACH_NONE)
		ret = vduse_bus_attach(v);
	if (ret != 0)
		snprintf(err, errlen, "%s cannot be attached: %s", v->path, strerror(-ret));
	return ret;
}

void
vduse_begin_late(struct vduse *v)
{
	if (begin(v, v->bus_error, sizeof(v->bus_error)) == 0)
		return;
	log_warn(v->dev->name, "%s", v->bus_error);
	leave_node(v);
	vduse_close(v);
}

static struct vduse *
alloc(const struct vduse_config *cfg)
{
	struct vduse *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return NULL;
	v->transport.ops = &vduse_transport_ops;
	v->sys = cfg->sys != NULL ? cfg->sys : &the_kernel;
	v->loop = cfg->loop;
	v->dev = cfg->dev;
	v->record = cfg->record;
	v->attach = cfg->attach;
	v->closed = cfg->closed || cfg->later;
	v->asleep = cfg->later;
	v->fd = -1;
	strlcpy(v->path, cfg->path, sizeof(v->path));
	strlcpy(v->ifname, cfg->ifname, sizeof(v->ifname));
	strlcpy(v->netns, cfg->netns, sizeof(v->netns));
	v->name = v->path + strlen(VDUSE_DIR);
	v->pairs = 1;
	v->ctrl.kick_fd = -1;
	v->ctrl.fault.lane = irq_group_lane(v->dev->irqs);
	for (uint32_t i = 0; i < VDUSE_QUEUES_MAX; i++)
		v->q[i] = (struct vduse_queue){.v = v, .index = i};
	return v;
}

struct transport *
vduse_new(const struct vduse_config *cfg, char *err, size_t errlen)
{
	const char *fault = name_fault(cfg->path + strlen(VDUSE_DIR));
	struct vduse *v = fault == NULL ? alloc(cfg) : NULL;

	if (v == NULL) {
		snprintf(err, errlen, "%s: %s", cfg->path, fault != NULL ? fault : "out of memory");
		return NULL;
	}
	if (v->closed || vduse_wait_for_removal(v) || begin(v, err, errlen) == 0)
		return &v->transport;
	vduse_free(&v->transport);
	return NULL;
}
