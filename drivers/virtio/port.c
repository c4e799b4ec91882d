/* SPDX-License-Identifier: BSD-3-Clause */
#include "virtio/port.h"

#include <errno.h>
#include <limits.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include <rte_arp.h>

#include "base/log.h"
#include "base/record.h"
#include "base/text.h"
#include "virtio/hardware.h"
#include "virtio/report.h"
#include "virtio/save.h"
#include "virtio/shadow.h"
#include "virtio/state.h"
#include "virtio/transports.h"
#include "vdev/netcfg.h"
#include "vdev/vdev.h"
#include "switch/inject.h"
#include "switch/publish.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"
#include "switch/why.h"

struct virtio_port {
	struct port port; /* first member */
	struct virtio_devargs args;
	struct vdev *dev;
	struct transport *transport;
	struct record *record; /* NULL: none */
	struct virtio_hw hw;
	struct virtio_shadow shadow;
	bool was_up; /* as logged last */
	bool was_connected;
	bool mac_set; /* by mac_addr set */
	struct virtio_arrivals arrivals;
};

static struct virtio_port *
to_virtio(const struct port *p)
{
	return (struct virtio_port *)(uintptr_t)p;
}

static struct virtio_port *
dev_port(const struct vdev *d)
{
	return d->cfg.ctx;
}

/* --- operations for the device --- */

static void
dev_publish(struct vdev *d)
{
	sw_publish(dev_port(d)->port.sw);
}

static void
dev_publish_soon(struct vdev *d)
{
	sw_publish_soon(dev_port(d)->port.sw);
}

static void
dev_grace(struct vdev *d)
{
	dp_grace(&dev_port(d)->port.sw->dp);
}

static void
dev_wake(struct vdev *d)
{
	dp_wake(&dev_port(d)->port.sw->dp);
}

/*
 * A guest whose front-end is gone may turn up behind another port: until it sends from there,
 * frames to it are flooded and not dropped. Its limits there go with it, too.
 */
static void
note_connection(struct virtio_port *v, bool connected)
{
	if (v->was_connected && !connected) {
		virtio_arrivals_clear(&v->arrivals);
		virtio_leave(&v->port);
	}
	v->was_connected = connected;
}

static void
dev_changed(struct vdev *d)
{
	struct virtio_port *v = dev_port(d);
	bool up = vdev_link_up(d);

	virtio_hw_changed(&v->hw);
	note_connection(v, d->transport != NULL);
	if (up && virtio_arrivals_wait(&v->arrivals))
		virtio_arrive(&v->port, &v->arrivals);
	if (up != v->was_up)
		log_peer_info(&d->log_limit, v->port.name, "link %s", up ? "up" : "down");
	v->was_up = up;
	if (v->transport != NULL) /* else it is being made, and has no facts */
		sw_port_changed(&v->port);
}

/* The guest moved here: tell every other port, and our own table, where the guest is now. */
static void
dev_rarp(struct vdev *d, const uint8_t mac[6])
{
	struct virtio_port *v = dev_port(d);
	struct rte_ether_addr addr;
	struct rte_mbuf *m;

	memcpy(addr.addr_bytes, mac, sizeof(addr.addr_bytes));
	m = rte_net_make_rarp_packet(v->port.sw->mp, &addr);
	if (m == NULL || !sw_inject(v->port.sw, &v->port, m))
		log_peer(&d->log_limit, v->port.name, "the guest's move could not be announced");
}

static const char *
dev_needs_software(const struct vdev *d)
{
	return virtio_hw_needs_software(&dev_port(d)->hw);
}

static void
dev_save(struct vdev *d, struct blob *b)
{
	virtio_save(&dev_port(d)->port, b);
}

static void
dev_load(struct vdev *d, uint16_t type, const void *data, uint32_t len)
{
	struct virtio_port *v = dev_port(d);

	v->was_connected = true; /* it may leave before a ring of it runs */
	virtio_load(&v->port, &v->arrivals, type, data, len);
}

static const struct vdev_ops virtio_dev_ops = {
	.publish = dev_publish,
	.publish_soon = dev_publish_soon,
	.grace = dev_grace,
	.wake = dev_wake,
	.needs_software = dev_needs_software,
	.changed = dev_changed,
	.save = dev_save,
	.load = dev_load,
	.rarp = dev_rarp,
};

/* --- operations for the switch --- */

/* Say whose it is, once: a worker that has it reads that meanwhile. */
static void
name_queue(const struct port *p, struct vq *vq, uint16_t pair)
{
	if (vq->q.port != p->id || vq->q.index != pair) {
		vq->q.port = p->id;
		vq->q.index = pair;
	}
}

static void
virtio_queues(struct port *p, struct port_queues *out)
{
	struct virtio_port *v = to_virtio(p);

	out->nrx = 0;
	out->ntx = 0;
	for (uint16_t pair = 0; pair < v->args.queues; pair++) {
		bool enabled;
		struct vq *vq = vdev_rx_queue(v->dev, pair, &enabled);

		/* nor before the guest can receive: an answer that comes at once would be lost */
		if (vq != NULL && out->nrx < out->max &&
		    !vdev_vq_awaits_enable(v->dev, 2u * pair + 1) &&
		    !vdev_vq_awaits_enable(v->dev, 2u * pair)) {
			name_queue(p, vq, pair);
			out->discard[out->nrx] = !enabled;
			out->rx[out->nrx++] = &vq->q;
		}
		vq = vdev_tx_queue(v->dev, pair, &enabled);
		if (vq != NULL && enabled && out->ntx < out->max) {
			name_queue(p, vq, pair);
			out->tx[out->ntx++] = &vq->q;
		}
	}
	p->uplink = virtio_hw_uplink(&v->hw);
}

/* Unless the operator has switched the feature off. */
static void
limit_mtu(struct virtio_port *v)
{
	bool may = (v->args.without & VDEV_F(NET_MTU)) == 0;
	uint16_t most = v->port.joined ? virtio_shadow_mtu(&v->shadow)
				       : v->port.sw->mtu_most[v->port.domain];

	vdev_config_limit_mtu(v->dev, may ? most : 0);
}

/* Unless the operator has given one. */
static void
take_mac(struct virtio_port *v)
{
	const struct rte_ether_addr *mac = v->mac_set ? NULL : virtio_shadow_mac(&v->shadow);

	if (mac == NULL)
		return;
	v->port.mac = *mac;
	vdev_config_set_mac(v->dev, mac->addr_bytes);
}

static bool
virtio_joins(const struct port *p, const struct port **with)
{
	return virtio_shadow_joins(&to_virtio(p)->shadow, with);
}

static void
virtio_published(struct port *p)
{
	struct virtio_port *v = to_virtio(p);

	vdev_published(v->dev);
	limit_mtu(v);
	virtio_shadow_published(&v->shadow);
	take_mac(v);
	virtio_hw_published(&v->hw);
}

static bool
virtio_stats(const struct port *p, bool tx, uint16_t index, struct pktq_stats *out)
{
	const struct virtio_port *v = to_virtio(p);
	const struct vq *vq;

	*out = (struct pktq_stats){0};
	if (index >= v->args.queues)
		return false;
	vq = v->dev->q[2 * index + (tx ? 0 : 1)].vq;
	return vq == NULL || port_read_queue(&vq->q, out);
}

static bool
virtio_link_up(const struct port *p)
{
	return vdev_link_up(to_virtio(p)->dev);
}

static const char *
why_no_peer(const struct virtio_port *v, const struct transport_info *info, char *buf, size_t len)
{
	char where[TEXT_SHOWN_MAX];

	snprintf(buf, len, "%s %s%s%s",
		 vduse_is_path(v->args.path) ? "no driver has"
		 : v->args.client            ? "no front-end listens at"
					     : "no front-end is connected to",
		 text_shown(info->where, where, sizeof(where)),
		 info->last_error != NULL ? "; the last connection ended: " : "",
		 info->last_error != NULL ? info->last_error : "");
	return buf;
}

static const char *
virtio_why(const struct port *p, char *buf, size_t len)
{
	const struct virtio_port *v = to_virtio(p);
	struct transport_info info;
	const char *why;

	v->transport->ops->info(v->transport, &info);
	if (vdev_link_up(v->dev) && info.no_carrier != NULL) {
		snprintf(buf, len, "the driver sees no carrier until it resets the device: %s",
			 info.no_carrier);
		return buf;
	}
	if (vdev_link_up(v->dev)) {
		why = virtio_shadow_why(&v->shadow, buf, len);
		return why != NULL ? why : virtio_hw_why(&v->hw, buf, len);
	}
	if (info.connected || v->dev->wanted != VDEV_STATE_RUNNING)
		return vdev_why(v->dev, buf, len);
	return why_no_peer(v, &info, buf, len);
}

static int
virtio_set_mtu(struct port *p, uint16_t mtu)
{
	struct virtio_port *v = to_virtio(p);

	if (mtu < RTE_ETHER_MIN_MTU)
		return -EINVAL;
	p->mtu = mtu;
	vdev_config_set_mtu(v->dev, mtu);
	return 0;
}

static int
virtio_set_mac(struct port *p, const struct rte_ether_addr *mac)
{
	if (!rte_is_valid_assigned_ether_addr(mac))
		return -EINVAL;
	p->mac = *mac;
	to_virtio(p)->mac_set = true;
	vdev_config_set_mac(to_virtio(p)->dev, mac->addr_bytes);
	return 0;
}

/* A guest that is still there may go on with a successor, which needs the state of its rings. */
static void
virtio_close(struct port *p)
{
	struct virtio_port *v = to_virtio(p);
	struct transport_info info = {0};

	if (v->transport != NULL) {
		v->transport->ops->info(v->transport, &info);
		if (!p->sw->ending && v->transport->ops->remove != NULL)
			v->transport->ops->remove(v->transport);
		v->transport->ops->free(v->transport);
	}
	record_close(v->record, p->sw->ending ? "the switch ends" : "the port is closed");
	virtio_hw_fini(&v->hw);
	vdev_free(v->dev, info.connected);
	virtio_arrivals_clear(&v->arrivals);
	free(v);
}

static const struct port_ops virtio_port_ops = {
	.kind = "vhost",
	.joins = virtio_joins,
	.queues = virtio_queues,
	.stats = virtio_stats,
	.link_up = virtio_link_up,
	.why = virtio_why,
	.node = virtio_node,
	.close = virtio_close,
	.argument = virtio_argument,
	.same = virtio_same,
	.facts = virtio_facts,
	.show = virtio_show,
	.details = virtio_details,
	.running = virtio_running,
	.negotiation = virtio_negotiation,
	.states = &virtio_states,
	.set_mtu = virtio_set_mtu,
	.set_mac = virtio_set_mac,
	.set_format = virtio_set_format,
	.set_hw = virtio_set_hw,
	.datapath = virtio_datapath,
	.in_hardware = virtio_in_hardware,
	.published = virtio_published,
	.handover = &virtio_handover,
};

/* --- construction --- */

static struct vdev *
new_device(struct virtio_port *v, const struct virtio_env *env)
{
	struct vdev_config cfg = {
		.name = v->port.name,
		.queue_pairs = v->args.queues,
		.features = vdev_features_all() & ~v->args.without,
		.policy = v->args.policy,
		.mp = env->sw->mp,
		.loop = env->sw->loop,
		.mtu = v->args.mtu,
		.ops = &virtio_dev_ops,
		.ctx = v,
	};
	char path[PATH_MAX];
	int ret;

	if (v->args.mac_set)
		memcpy(cfg.mac, v->args.mac.addr_bytes, sizeof(cfg.mac));
	if (v->args.mtu == 0)
		cfg.features &= ~VDEV_F(NET_MTU);
	if (vduse_is_path(v->args.path))
		cfg.features = vduse_features(cfg.features) |
			       (v->args.mac_set ? UINT64_C(1) << VIRTIO_NET_F_MAC : 0);
	cfg.spare_journal = vduse_is_path(v->args.path) && v->args.queues > 1;
	if (env->state_dir != NULL) {
		ret = virtio_state_path(env->state_dir, v->args.path, path, sizeof(path));
		if (ret == 0)
			cfg.state_path = path;
		else
			log_warn(v->port.name, "ring state is not kept: %s", strerror(-ret));
	}
	return vdev_new(&cfg);
}

/* The PMD's default, "VHOST" and the port number, as in 56:48:4F:53:54:00, beyond 255 ports too. */
static void
set_mac(struct virtio_port *v)
{
	static const uint8_t base[] = {'V', 'H', 'O', 'S', 'T'};

	if (v->args.mac_set) {
		v->port.mac = v->args.mac;
		return;
	}
	memcpy(v->port.mac.addr_bytes, base, sizeof(base));
	v->port.mac.addr_bytes[4] += (uint8_t)(v->port.id >> 8);
	v->port.mac.addr_bytes[5] = (uint8_t)v->port.id;
}

static struct virtio_port *
alloc_port(const struct virtio_env *env, const struct virtio_devargs *a)
{
	struct virtio_port *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return NULL;
	v->args = *a;
	v->port.ops = &virtio_port_ops;
	v->port.sw = env->sw;
	v->port.id = env->id;
	v->port.mtu = a->mtu != 0 ? a->mtu : RTE_ETHER_MTU;
	v->port.started = true;
	strlcpy(v->port.name, a->name, sizeof(v->port.name));
	v->dev = new_device(v, env);
	if (v->dev == NULL) {
		free(v);
		return NULL;
	}
	return v;
}

/** False, with a sentence in @p err: it cannot be recorded. */
static bool
start_record(struct virtio_port *v, char *err, size_t errlen)
{
	const struct virtio_devargs *a = &v->args;
	const struct record_config cfg = {
		.path = a->record,
		.limit = (uint64_t)(a->record_max != 0 ? a->record_max : RECORD_LIMIT_DEFAULT)
			 << 20,
		.port = v->port.name,
		.transport = vduse_is_path(a->path) ? RECORD_VDUSE : RECORD_VHOST_USER,
		.queues = 2 * a->queues,
		.later = a->successor,
	};

	if (a->record[0] == '\0' || a->rehearsal)
		return true;
	v->record = record_open(&cfg, err, errlen);
	return v->record != NULL;
}

/** NULL with a sentence in @p err. */
static struct transport *
new_transport(struct virtio_port *v, const struct virtio_env *env, char *err, size_t errlen)
{
	if (!start_record(v, err, errlen))
		return NULL;
	return vduse_is_path(v->args.path)
		       ? virtio_vduse_new(&v->args, v->dev, env->sw->loop, v->record, err, errlen)
		       : virtio_vhost_user_new(&v->args, v->dev, env->sw->loop, v->record, err,
					       errlen);
}

struct port *
virtio_port_new(const struct virtio_env *env, const struct virtio_devargs *a, char *err,
		size_t errlen)
{
	struct virtio_port *v = alloc_port(env, a);
	int ret;

	if (v == NULL) {
		snprintf(err, errlen, "%s: out of memory", a->name);
		return NULL;
	}
	v->shadow = (struct virtio_shadow){&v->port, v->dev, &v->args};
	if (virtio_hw_init(&v->hw, &v->port, v->dev, &v->args, err, errlen) < 0) {
		virtio_close(&v->port);
		return NULL;
	}
	ret = sw_port_add(env->sw, &v->port);
	if (ret < 0) {
		snprintf(err, errlen, "%s: %s", a->name,
			 ret == -EEXIST ? "a port of this name exists" : strerror(-ret));
		virtio_close(&v->port);
		return NULL;
	}
	set_mac(v);
	limit_mtu(v);
	v->transport = new_transport(v, env, err, errlen);
	if (v->transport == NULL) {
		sw_port_remove(env->sw, &v->port);
		return NULL;
	}
	return &v->port;
}

const struct virtio_devargs *
virtio_port_devargs(const struct port *p)
{
	return &to_virtio(p)->args;
}

const struct vdev *
virtio_port_vdev(const struct port *p)
{
	return to_virtio(p)->dev;
}

struct vdev *
virtio_port_device(struct port *p)
{
	return to_virtio(p)->dev;
}

void
virtio_port_info(const struct port *p, struct transport_info *out)
{
	const struct virtio_port *v = to_virtio(p);

	v->transport->ops->info(v->transport, out);
}

uint32_t
virtio_port_facts(const struct port *p, struct transport_fact *out)
{
	const struct transport *t = to_virtio(p)->transport;

	return t->ops->facts != NULL ? t->ops->facts(t, out) : 0;
}

void
virtio_port_show(const struct port *p, FILE *out)
{
	const struct virtio_port *v = to_virtio(p);

	vdev_show(v->dev, out);
	v->transport->ops->show(v->transport, out);
}

struct transport *
virtio_port_transport(const struct port *p)
{
	return to_virtio(p)->transport;
}

struct record *
virtio_port_record(const struct port *p)
{
	return to_virtio(p)->record;
}

bool
virtio_port_mac_set(const struct port *p)
{
	const struct virtio_port *v = to_virtio(p);

	return v->mac_set &&
	       !(v->args.mac_set && rte_is_same_ether_addr(&v->args.mac, &v->port.mac));
}

const struct virtio_shadow *
virtio_port_shadow(const struct port *p)
{
	return &to_virtio(p)->shadow;
}

const struct virtio_hw *
virtio_port_hw(const struct port *p)
{
	return &to_virtio(p)->hw;
}
