/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost_vdpa/port.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bsd/string.h>
#include <rte_common.h>
#include <rte_ether.h>

#include "switch/port_kind.h"
#include "switch/publish.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"
#include "virtq/fmt.h"

#define AGAIN_MS 1000

/* Of vv_port.closed: control sets it, jobs post under it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* --- jobs --- */

static void
submit(struct vv_port *v, void (*fn)(struct lane_job *j))
{
	v->busy = true;
	v->job.fn = fn;
	lane_get(&v->lane); /* for on_done() */
	lane_submit(&v->lane, &v->job);
}

static void
end_link(struct vv_port *v)
{
	link_close(v->made);
	v->made = NULL;
}

/** Give the result to control. A port that has ended, perhaps with its loop, has no use for it. */
static void
report(struct vv_port *v)
{
	bool closed;

	pthread_mutex_lock(&lock);
	closed = v->closed;
	if (!closed)
		ev_post(v->port.sw->loop, &v->done);
	pthread_mutex_unlock(&lock);
	if (!closed)
		return;
	end_link(v);
	lane_put(&v->lane); /* on_done()'s */
}

static void
job_open(struct lane_job *j)
{
	struct vv_port *v = container_of(j, struct vv_port, job);

	v->made = link_open(&v->cfg, v->err, sizeof(v->err));
	report(v);
}

static void
job_read(struct lane_job *j)
{
	struct vv_port *v = container_of(j, struct vv_port, job);

	v->result = link_read_config(v->made);
	report(v);
}

static void
job_close(struct lane_job *j)
{
	struct vv_port *v = container_of(j, struct vv_port, job);

	end_link(v);
	report(v);
}

/** The port has ended: the lane's last reference frees it. */
static void
job_end(struct lane_job *j)
{
	end_link(container_of(j, struct vv_port, job));
}

static void
release(struct lane *l)
{
	struct vv_port *v = container_of(l, struct vv_port, lane);

	for (uint32_t i = 0; i < LINK_PAIRS_MAX; i++) {
		free(v->rx[i]);
		free(v->tx[i]);
	}
	free(v);
}

/* --- a link comes and goes --- */

static void
use(struct vv_port *v, struct link *l)
{
	v->link = l;
	v->connects++;
	v->err[0] = v->told[0] = '\0';
	strlcpy(v->few, l->few, sizeof(v->few));
	for (uint32_t i = 0; i < l->pairs; i++) {
		vv_rxq_use(v->rx[i], l, i);
		vv_txq_use(v->tx[i], l, i);
	}
	v->port.mtu = VQ_HAS(l->features, VIRTIO_NET_F_MTU) ? rte_le_to_cpu_16(l->said.config.mtu)
							    : RTE_ETHER_MTU;
	if (VQ_HAS(l->features, VIRTIO_NET_F_MAC))
		memcpy(v->port.mac.addr_bytes, l->said.config.mac, RTE_ETHER_ADDR_LEN);
	log_peer_info(&v->log_limit, v->port.name, "%s runs, link %s, %u queue pair%s%s%s",
		      v->args.path, link_is_up(l) ? "up" : "down", l->pairs,
		      l->pairs == 1 ? "" : "s", l->few[0] != '\0' ? ": " : "", l->few);
	v->config.fd = l->config_fd;
	if (ev_add(v->port.sw->loop, &v->config, EPOLLIN) != 0)
		log_peer(&v->log_limit, v->port.name,
			 "changes of its configuration are not noticed");
	sw_publish(v->port.sw);
}

/** Workers release its queues; the device is closed by the lane. */
static void
leave(struct vv_port *v, const char *why)
{
	snprintf(v->err, sizeof(v->err), "%s", why);
	log_peer(&v->log_limit, v->port.name, "%s: %s", v->args.path, why);
	strlcpy(v->told, v->err, sizeof(v->told));
	ev_del(&v->config);
	v->made = v->link;
	v->link = NULL;
	v->few[0] = '\0';
	sw_publish(v->port.sw);
	submit(v, job_close);
}

static const char *
broken(const struct vv_port *v)
{
	for (uint32_t i = 0; i < 2 * v->link->pairs; i++)
		if (v->link->queue[i].vqd.broken)
			return v->link->queue[i].vqd.why;
	return NULL;
}

/** Its node goes with the device, which the kernel keeps as long as it is open. */
static const char *
wrong(const struct vv_port *v)
{
	struct stat st;

	if (v->cfg.sys == NULL && stat(v->args.path, &st) != 0)
		return "the device is gone";
	return broken(v);
}

static void
on_again(struct ev_timer *t)
{
	struct vv_port *v = container_of(t, struct vv_port, again);
	const char *why;

	ev_timer_arm(v->port.sw->loop, t, AGAIN_MS);
	if (v->busy)
		return;
	if (v->link == NULL) {
		submit(v, job_open);
		return;
	}
	why = wrong(v);
	if (why != NULL)
		leave(v, why);
}

static void
on_config(struct ev_source *src, uint32_t events)
{
	struct vv_port *v = container_of(src, struct vv_port, config);
	uint64_t count;

	if (v->busy || read(src->fd, &count, sizeof(count)) < 0)
		return;
	/* until the job is done: a device may interrupt all the time */
	ev_mod(src, 0);
	v->made = v->link;
	submit(v, job_read);
}

/** The device's configuration was read again. */
static void
reread(struct vv_port *v)
{
	const bool was_up = link_is_up(v->link);

	link_take_config(v->link);
	ev_mod(&v->config, EPOLLIN);
	log_peer_info(&v->log_limit, v->port.name, "link %s", link_is_up(v->link) ? "up" : "down");
	if (v->result == -EIO)
		leave(v, "the device needs a reset");
	else if (v->port.joined && was_up != link_is_up(v->link))
		sw_publish_soon(v->port.sw); /* its guest is told */
}

/** The result of a job. The lane keeps the port until this was called. */
static void
finish(struct vv_port *v)
{
	v->busy = false;
	if (v->closed) {
		v->job.fn = job_end;
		lane_submit(&v->lane, &v->job);
		return;
	}
	if (v->link == NULL && v->made != NULL) {
		use(v, v->made);
	} else if (v->link != NULL) {
		reread(v);
	} else if (v->err[0] != '\0' && strcmp(v->err, v->told) != 0) {
		log_peer(&v->log_limit, v->port.name, "%s", v->err);
		strlcpy(v->told, v->err, sizeof(v->told));
	}
	if (!v->busy)
		v->made = NULL;
}

static void
on_done(struct ev_work *w)
{
	struct vv_port *v = container_of(w, struct vv_port, done);

	finish(v);
	lane_put(&v->lane);
}

/* --- operations for the switch --- */

static void
vv_queues(struct port *p, struct port_queues *out)
{
	struct vv_port *v = vv_of(p);

	out->nrx = out->ntx = 0;
	if (v->link == NULL)
		return;
	for (uint32_t i = 0; i < v->link->pairs && i < out->max; i++) {
		if (v->rx[i]->q.port != p->id) /* not published yet */
			v->rx[i]->q.port = v->tx[i]->q.port = p->id;
		out->discard[i] = false;
		out->rx[out->nrx++] = &v->rx[i]->q;
		out->tx[out->ntx++] = &v->tx[i]->q;
	}
}

static bool
vv_stats(const struct port *p, bool tx, uint16_t index, struct pktq_stats *out)
{
	const struct vv_port *v = vv_of(p);

	*out = (struct pktq_stats){0};
	if (index >= v->args.pairs)
		return false;
	return port_read_queue(tx ? &v->tx[index]->q : &v->rx[index]->q, out);
}

static bool
vv_link_up(const struct port *p)
{
	const struct vv_port *v = vv_of(p);

	return v->link != NULL && link_is_up(v->link);
}

static const char *
vv_why(const struct port *p, char *buf, size_t len)
{
	const struct vv_port *v = vv_of(p);

	if (v->link != NULL)
		return link_is_up(v->link) ? NULL : "the device says that its link is down";
	/* the lane writes v->err meanwhile */
	snprintf(buf, len, "%s", v->told[0] != '\0' ? v->told : "the device is being opened");
	return buf;
}

static void
vv_close(struct port *p)
{
	struct vv_port *v = vv_of(p);

	ev_timer_cancel(&v->again);
	ev_del(&v->config);
	pthread_mutex_lock(&lock);
	v->closed = true;
	pthread_mutex_unlock(&lock);
	if (!v->busy) {
		v->made = v->link;
		v->job.fn = job_end;
		lane_submit(&v->lane, &v->job);
	}
	lane_put(&v->lane);
}

static const struct port_ops vv_port_ops = {
	.kind = "vhost-vdpa",
	.joinable = true,
	.queues = vv_queues,
	.stats = vv_stats,
	.link_up = vv_link_up,
	.why = vv_why,
	.close = vv_close,
	.argument = vv_argument,
	.same = vv_same,
	.facts = vv_facts,
	.show = vv_show,
	.details = vv_details,
	.negotiation = vv_negotiation,
	.datapath = vv_datapath,
};

/* --- construction --- */

/** Not memory of EAL's: the lane may free it when EAL has ended. */
static void *
alloc_queue(size_t size)
{
	void *q = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL(size, RTE_CACHE_LINE_SIZE));

	if (q != NULL)
		memset(q, 0, size);
	return q;
}

static bool
make_queues(struct vv_port *v)
{
	for (uint16_t i = 0; i < v->args.pairs; i++) {
		v->rx[i] = alloc_queue(sizeof(*v->rx[i]));
		v->tx[i] = alloc_queue(sizeof(*v->tx[i]));
		if (v->rx[i] == NULL || v->tx[i] == NULL)
			return false;
		atomic_store(&v->rx[i]->q.ops, &vv_rx_ops);
		atomic_store(&v->tx[i]->q.ops, &vv_tx_ops);
		v->rx[i]->q.index = v->tx[i]->q.index = i;
		v->rx[i]->q.event_fd = v->tx[i]->q.event_fd = -1;
		rte_spinlock_init(&v->tx[i]->q.lock);
	}
	return true;
}

static struct vv_port *
alloc_port(const struct port_request *r, const struct vv_devargs *a)
{
	struct vv_port *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return NULL;
	v->args = *a;
	v->cfg = (struct link_config){
		.path = v->args.path,
		.packed = a->packed,
		.pairs = a->pairs,
	};
	v->port.ops = &vv_port_ops;
	v->port.sw = r->sw;
	v->port.id = r->id;
	v->port.mtu = RTE_ETHER_MTU;
	v->port.started = true;
	v->again.cb = on_again;
	v->config.cb = on_config;
	v->done.fn = on_done;
	strlcpy(v->port.name, a->name, sizeof(v->port.name));
	rte_eth_random_addr(v->port.mac.addr_bytes);
	lane_init(&v->lane, release);
	if (make_queues(v))
		return v;
	lane_put(&v->lane);
	return NULL;
}

struct port *
vv_port_new(const struct port_request *r, const struct vv_devargs *a)
{
	struct vv_port *v = alloc_port(r, a);
	int ret;

	if (v == NULL) {
		snprintf(r->err, r->errlen, "%s: out of memory", a->name);
		return NULL;
	}
	ret = sw_port_add(r->sw, &v->port);
	if (ret < 0) {
		snprintf(r->err, r->errlen, "%s: %s", a->name,
			 ret == -EEXIST ? "a port of this name exists" : strerror(-ret));
		vv_close(&v->port);
		return NULL;
	}
	if (!r->defaults->rehearsal)
		ev_timer_arm(r->sw->loop, &v->again, 0);
	return &v->port;
}
