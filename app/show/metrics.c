/* SPDX-License-Identifier: BSD-3-Clause */
#include "metrics.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_mempool.h>

#include "app.h"
#include "balancer.h"
#include "metrics_family.h"
#include "switch/ct.h"
#include "switch/port_kind.h"
#include "switch/snoop.h"
#include "sflow_agent.h"
#include "vdpa/vdpa.h"
#include "vxlan/vxlan.h"

#define PART 4096     /* bytes, beyond which no port is added to a part */
#define PART_STEPS 64 /* ports, likewise: some have no samples */

/* --- the program --- */

static void
info_samples(struct sink *s, const struct family *f)
{
	fprintf(s->out, "%s_info{version=\"%s\"} 1\n", s->name, VQS_VERSION);
}

static void
forwarding_samples(struct sink *s, const struct family *f)
{
	fprintf(s->out, "%s{mode=\"%s\"} %d\n", s->name, s->app->sw.mode->name,
		s->app->sw.forwarding);
}

static void
mbufs_samples(struct sink *s, const struct family *f)
{
	const struct rte_mempool *mp = s->app->mp;

	fprintf(s->out, "%s{state=\"free\"} %u\n", s->name, rte_mempool_avail_count(mp));
	fprintf(s->out, "%s{state=\"used\"} %u\n", s->name, rte_mempool_in_use_count(mp));
}

/* --- ports --- */

static void
port_samples(struct sink *s, const struct family *f, const struct port *p)
{
	begin(s, "_info", p);
	fprintf(s->out, ",id=\"%u\",kind=\"%s\"", p->id, p->ops->kind);
	end(s, 1);
}

static void
link_samples(struct sink *s, const struct family *f, const struct port *p)
{
	begin(s, "", p);
	end(s, p->ops->link_up(p));
}

/* Ports that hardware might serve. */
static void
hardware_samples(struct sink *s, const struct family *f, const struct port *p)
{
	if (p->ops->in_hardware == NULL)
		return;
	begin(s, "", p);
	end(s, p->ops->in_hardware(p));
}

static void
started_samples(struct sink *s, const struct family *f, const struct port *p)
{
	begin(s, "", p);
	end(s, p->started);
}

static void
port_fdb_samples(struct sink *s, const struct family *f, const struct port *p)
{
	begin(s, "", p);
	end(s, fdb_port_count(s->app->sw.fdb, p->id));
}

/* Facts of one kind of port alone, by the family's offset. */
static const char *const details[] = {
	"interrupts_apart",
	"interrupts_left",
	"interrupts_held_up",
	"vduse_answered_late",
	"records_lost",
	"shadow_cycles",
	"shadow_frames",
	"postcopy_pages_asked",
	"postcopy_pages_awaited",
	"postcopy_pages_arrived",
	"postcopy_stalls",
	"postcopy_stalled_us",
	"postcopy_longest_stall_us",
};

static void
detail_samples(struct sink *s, const struct family *f, const struct port *p)
{
	const char *end_of_name = strcmp(f->type, "counter") == 0 ? "_total" : "";
	struct port_detail d[PORT_DETAILS_MAX];
	uint32_t n = p->ops->details != NULL ? p->ops->details(p, d) : 0;

	for (uint32_t i = 0; i < n; i++) {
		if (strcmp(d[i].name, details[f->offset]) != 0)
			continue;
		begin(s, end_of_name, p);
		end(s, d[i].number);
	}
}

/* --- vDPA devices --- */

static void
device_samples(const struct vdpa_info *i, void *ctx)
{
	struct vdpa_counter list[VDPA_COUNTERS_MAX];
	uint32_t n = vdpa_counters(i->name, list);
	const struct sink *s = ctx;

	for (uint32_t k = 0; k < n; k++) {
		fprintf(s->out, "%s_total{device=\"", s->name);
		put_value(s->out, i->name);
		fputs("\",counter=\"", s->out);
		put_value(s->out, list[k].name);
		if (list[k].queue >= 0)
			fprintf(s->out, "\",queue=\"%d", list[k].queue);
		fprintf(s->out, "\"} %" PRIu64 "\n", list[k].value);
	}
}

static void
vdpa_samples(struct sink *s, const struct family *f)
{
	vdpa_list(device_samples, s);
}

/* --- tunnels --- */

/** Samples of VTEP @p v of VNI @p vni. */
typedef void vtep_put(struct sink *s, const struct vxlan_tunnel *t, uint32_t vni,
		      const struct vxlan_vtep *v);

static void
each_vtep(struct sink *s, vtep_put *put)
{
	const struct vxlan_tunnel *t;
	const struct vxlan_vtep *v;
	const struct vxlan_vni *n;

	STAILQ_FOREACH (t, vxlan_all(s->app->vxlan), entry)
		STAILQ_FOREACH (n, &t->vnis, entry)
			STAILQ_FOREACH (v, &n->vteps, entry)
				put(s, t, n->vni, v);
}

static void
put_tunnel(struct sink *s, const struct vxlan_tunnel *t, uint32_t vni, const struct vxlan_vtep *v)
{
	begin(s, "_info", &v->port->port);
	fprintf(s->out, ",tunnel=\"%s\",vni=\"%u\",vtep=\"%s\"", t->name, vni, v->port->text);
	end(s, 1);
}

static void
tunnel_samples(struct sink *s, const struct family *f)
{
	each_vtep(s, put_tunnel);
}

/* Bytes, 0 without a way to the VTEP. */
static void
put_tunnel_frame(struct sink *s, const struct vxlan_tunnel *t, uint32_t vni,
		 const struct vxlan_vtep *v)
{
	const struct outer *o = atomic_load(&v->port->outer);

	begin(s, "", &v->port->port);
	end(s, o != NULL ? o->max_len : 0);
}

static void
tunnel_frame_samples(struct sink *s, const struct family *f)
{
	each_vtep(s, put_tunnel_frame);
}

static void
evpn_samples(struct sink *s, const struct family *f)
{
	struct evpn_stats st;

	vxlan_kernel_stats(s->app->vxlan, &st);
	fprintf(s->out, "%s_total %" PRIu64 "\n", s->name, counter_at(&st, f->offset));
}

/* Counts of a VNI, by offset. */
static void
vni_samples(struct sink *s, const struct family *f)
{
	const char *end_of_name = strcmp(f->type, "counter") == 0 ? "_total" : "";
	const struct vxlan_tunnel *t;
	const struct vxlan_vni *n;
	struct vxlan_vni_stats st;

	STAILQ_FOREACH (t, vxlan_all(s->app->vxlan), entry)
		STAILQ_FOREACH (n, &t->vnis, entry) {
			vxlan_vni_counts(s->app->vxlan, n, &st);
			fprintf(s->out, "%s%s{vni=\"%u\"", s->name, end_of_name, n->vni);
			if (strcmp(f->type, "counter") == 0)
				end(s, counter_at(&st, f->offset));
			else
				end(s, *(const uint32_t *)((const char *)&st + f->offset));
		}
}

/* --- queues --- */

static const char *const directions[] = {"rx", "tx"};

static void
queue_samples(struct sink *s, const struct family *f, const struct port *p)
{
	struct pktq_stats q;

	for (int tx = 0; tx < 2; tx++)
		for (uint16_t i = 0; port_queue_stats(p, tx != 0, i, &q); i++) {
			begin(s, "_total", p);
			fprintf(s->out, ",queue=\"%u\",direction=\"%s\"", i, directions[tx]);
			end(s, counter_at(&q, f->offset));
		}
}

static void
drop_samples(struct sink *s, const struct family *f, const struct port *p)
{
	struct port_stats st;

	port_sum_stats(p, &st);
	for (int r = 0; r < DROP_NUM; r++) {
		bool tx = r >= DROP_TX_NO_BUFFER;

		begin(s, "_total", p);
		fprintf(s->out, ",direction=\"%s\",reason=\"%s\"", directions[tx],
			drop_name((enum drop_reason)r));
		end(s, tx ? st.tx.drop[r] : st.rx.drop[r]);
	}
}

static void
size_histogram(struct sink *s, const struct port *p, const char *direction,
	       const struct pktq_stats *st)
{
	static const char *const le[PKTQ_SIZE_BINS] = {"64.0",   "127.0",  "255.0", "511.0",
						       "1023.0", "1518.0", "+Inf"};
	uint64_t n = 0;

	for (size_t i = 0; i < PKTQ_SIZE_BINS; i++) {
		n += st->size[i];
		begin(s, "_bucket", p);
		fprintf(s->out, ",direction=\"%s\",le=\"%s\"", direction, le[i]);
		end(s, n);
	}
	begin(s, "_count", p);
	fprintf(s->out, ",direction=\"%s\"", direction);
	end(s, n);
	begin(s, "_sum", p);
	fprintf(s->out, ",direction=\"%s\"", direction);
	end(s, st->bytes);
}

static void
size_samples(struct sink *s, const struct family *f, const struct port *p)
{
	struct port_stats st;

	port_sum_stats(p, &st);
	size_histogram(s, p, directions[0], &st.rx);
	size_histogram(s, p, directions[1], &st.tx);
}

/* --- workers --- */

static void
worker_samples(struct sink *s, const struct family *f)
{
	const struct app *app = s->app;

	for (uint32_t i = 0; i < app->nworkers; i++)
		fprintf(s->out, "%s_total{worker=\"%u\",lcore=\"%u\"} %" PRIu64 "\n", s->name, i,
			app->worker[i]->lcore, counter_at(app->worker[i], f->offset));
}

static void
worker_seconds_samples(struct sink *s, const struct family *f)
{
	const char *end = strcmp(f->type, "counter") == 0 ? "_total" : "";
	const struct app *app = s->app;
	double hz = (double)rte_get_tsc_hz();

	for (uint32_t i = 0; i < app->nworkers; i++)
		fprintf(s->out, "%s%s{worker=\"%u\",lcore=\"%u\"} %.9f\n", s->name, end, i,
			app->worker[i]->lcore, (double)counter_at(app->worker[i], f->offset) / hz);
}

static void
worker_queue_samples(struct sink *s, const struct family *f)
{
	const struct app *app = s->app;
	const struct dataplane *dp = dp_live(&s->app->sw.dp);

	for (uint32_t i = 0; i < app->nworkers; i++)
		fprintf(s->out, "%s{worker=\"%u\",lcore=\"%u\"} %u\n", s->name, i,
			app->worker[i]->lcore, dp != NULL ? dp->worker[i].n : 0);
}

static void
rebalanced_samples(struct sink *s, const struct family *f)
{
	fprintf(s->out, "%s_total %" PRIu64 "\n", s->name, balancer_report(s->app).moves);
}

/* --- forwarding database --- */

static void
fdb_gauge_samples(struct sink *s, const struct family *f)
{
	struct fdb_stats st;

	fdb_get_stats(s->app->sw.fdb, &st);
	fprintf(s->out, "%s %" PRIu64 "\n", s->name, counter_at(&st, f->offset));
}

static void
fdb_counter_samples(struct sink *s, const struct family *f)
{
	struct fdb_stats st;

	fdb_get_stats(s->app->sw.fdb, &st);
	fprintf(s->out, "%s_total %" PRIu64 "\n", s->name, counter_at(&st, f->offset));
}

/* --- mirrors, LLDP --- */

static void
mirror_samples(struct sink *s, const struct family *f, const struct port *p)
{
	if (p->mirror == NULL || p->mirror_filter == NULL)
		return;
	begin(s, "_total", p);
	fputs(",result=\"fits\"", s->out);
	end(s, atomic_load(&p->mirror_seen.fits));
	begin(s, "_total", p);
	fputs(",result=\"left out\"", s->out);
	end(s, atomic_load(&p->mirror_seen.left_out));
}

static void
lldp_samples(struct sink *s, const struct family *f, const struct port *p)
{
	if (!p->lldp)
		return;
	begin(s, "_total", p);
	end(s, p->lldp_sent);
}

/* --- multicast --- */

static void
groups_samples(struct sink *s, const struct family *f, const struct port *p)
{
	if (s->app->sw.snoop == NULL)
		return;
	begin(s, "", p);
	end(s, p->snoop.n);
}

static void
groups_refused_samples(struct sink *s, const struct family *f, const struct port *p)
{
	if (s->app->sw.snoop == NULL)
		return;
	begin(s, "_total", p);
	end(s, p->snoop.refused);
}

static void
snoop_samples(struct sink *s, const struct family *f)
{
	struct snoop_stats st;

	snoop_get_stats(&s->app->sw, &st);
	fprintf(s->out, "%s_total %" PRIu64 "\n", s->name, counter_at(&st, f->offset));
}

/* --- sFlow --- */

static void
sflow_samples(struct sink *s, const struct family *f)
{
	struct sflow_agent_stats st;

	sflow_agent_get_stats(s->app->sflow, &st);
	fprintf(s->out, "%s_total %" PRIu64 "\n", s->name, counter_at(&st, f->offset));
}

/* --- the table --- */

/* clang-format off */
#define QUEUE(name, unit, field, help) \
	{name, "counter", unit, help, NULL, queue_samples, offsetof(struct pktq_stats, field)}
#define WORKER(name, field, help) \
	{name, "counter", NULL, help, worker_samples, NULL, offsetof(struct worker, field)}
#define SNOOP(name, field, help) \
	{name, "counter", NULL, help, snoop_samples, NULL, offsetof(struct snoop_stats, field)}
#define CONNTRACK(name, field, help) \
	{name, "counter", NULL, help, NULL, conntrack_samples, offsetof(struct ct_counts, field)}
#define FDB(name, field, help) \
	{name, "counter", NULL, help, fdb_counter_samples, NULL, \
	 offsetof(struct fdb_stats, field)}
#define EVPN(name, field, help) \
	{name, "counter", NULL, help, evpn_samples, NULL, offsetof(struct evpn_stats, field)}
#define SFLOW(name, field, help) \
	{name, "counter", NULL, help, sflow_samples, NULL, \
	 offsetof(struct sflow_agent_stats, field)}

static const struct family families[] = {
	{"vqswitch", "info", NULL, "What runs.", info_samples, NULL, 0},
	{"vqswitch_forwarding", "gauge", NULL, "1 between start and stop.", forwarding_samples,
		NULL, 0},
	{"vqswitch_mbufs", "gauge", NULL, "Packet buffers of the pool.", mbufs_samples, NULL, 0},

	{"vqswitch_port", "info", NULL, "Number and kind of a port.", NULL, port_samples, 0},
	{"vqswitch_tunnel", "info", NULL, "Port that stands for a VNI at a VTEP.", tunnel_samples,
		NULL, 0},
	{"vqswitch_tunnel_frame_most_bytes", "gauge", "bytes",
		"Longest frame that fits the way to a VTEP, 0 without a way.", tunnel_frame_samples,
		NULL, 0},
	{"vqswitch_vni_vteps", "gauge", NULL, "VTEPs of a VNI.",
		vni_samples, NULL, offsetof(struct vxlan_vni_stats, vteps)},
	{"vqswitch_vni_mtu_bytes", "gauge", "bytes", "MTU of the ways to all VTEPs of a VNI.",
		vni_samples, NULL, offsetof(struct vxlan_vni_stats, mtu)},
	EVPN("vqswitch_evpn_dumps", dumps, "Times that the kernel's tables were read."),
	EVPN("vqswitch_evpn_losses", losses, "Times that notifications of the kernel were lost."),
	EVPN("vqswitch_evpn_interrupted", interrupted,
		"Readings of the kernel's tables that were interrupted by a change."),
	EVPN("vqswitch_evpn_refused", refused, "Addresses that the kernel refused."),
	{"vqswitch_vni_addresses_elsewhere", "gauge", NULL, "Addresses behind VTEPs of a VNI.",
		vni_samples, NULL, offsetof(struct vxlan_vni_stats, remote)},
	{"vqswitch_vni_ip_here", "gauge", NULL, "IP addresses of guests in a VNI with EVPN.",
		vni_samples, NULL, offsetof(struct vxlan_vni_stats, ip_ours)},
	{"vqswitch_vni_ip_elsewhere", "gauge", NULL, "IP addresses of other hosts' guests.",
		vni_samples, NULL, offsetof(struct vxlan_vni_stats, ip_remote)},
	{"vqswitch_vni_answered_arp", "counter", NULL, "ARP requests answered here.",
		vni_samples, NULL, offsetof(struct vxlan_vni_stats, arp)},
	{"vqswitch_vni_answered_nd", "counter", NULL, "Neighbour solicitations answered here.",
		vni_samples, NULL, offsetof(struct vxlan_vni_stats, nd)},
	{"vqswitch_port_link_up", "gauge", NULL, "1 while the peer is there.",
		NULL, link_samples, 0},
	{"vqswitch_port_in_hardware", "gauge", NULL, "1 while hardware moves the frames.",
	 NULL, hardware_samples, 0},
	{"vqswitch_vdpa_counter", "counter", NULL, "Counters of vDPA devices, by their own names.",
		vdpa_samples, NULL, 0},
	{"vqswitch_port_started", "gauge", NULL, "0 after 'port stop'.", NULL, started_samples, 0},
	{"vqswitch_port_fdb_entries", "gauge", NULL, "Addresses learned behind a port.",
		NULL, port_fdb_samples, 0},
	{"vqswitch_port_interrupts_apart", "gauge", NULL,
		"1 while a port's interrupts are made by another thread: they take long.",
		NULL, detail_samples, 0},
	{"vqswitch_port_interrupts_left", "counter", NULL, "Interrupts made by another thread.",
		NULL, detail_samples, 1},
	{"vqswitch_port_interrupts_held_up", "counter", NULL,
		"Times that a port's interrupts held workers up for a millisecond in a second.",
		NULL, detail_samples, 2},
	{"vqswitch_port_vduse_answered_late", "counter", NULL,
		"Requests of the kernel's that a VDUSE device answered without control.",
		NULL, detail_samples, 3},
	{"vqswitch_port_records_lost", "counter", NULL,
		"Records missing in a port's recording: the disk was slow or full.",
		NULL, detail_samples, 4},
	{"vqswitch_port_shadow_cycles", "counter", NULL,
		"Cycles spent on frames that came in at a port and went to its shadow.",
		NULL, detail_samples, 5},
	{"vqswitch_port_shadow_frames", "counter", NULL, "Those frames.",
		NULL, detail_samples, 6},
	{"vqswitch_port_postcopy_pages_asked", "counter", NULL,
		"Pages of a guest's memory that were asked for in post-copy migrations.",
		NULL, detail_samples, 7},
	{"vqswitch_port_postcopy_pages_awaited", "gauge", NULL, "Of them those that have not come.",
		NULL, detail_samples, 8},
	{"vqswitch_port_postcopy_pages_arrived", "counter", NULL,
		"Pages that were found to have come in post-copy migrations.",
		NULL, detail_samples, 9},
	{"vqswitch_port_postcopy_stalls", "counter", NULL,
		"Times in which a port awaited pages.", NULL, detail_samples, 10},
	{"vqswitch_port_postcopy_stalled_us", "counter", NULL,
		"How long these were, in microseconds.", NULL, detail_samples, 11},
	{"vqswitch_port_postcopy_longest_stall_us", "gauge", NULL, "The longest of them.",
		NULL, detail_samples, 12},

	QUEUE("vqswitch_queue_frames", NULL, frames,
		"Frames taken from (rx) or delivered to (tx) the peer."),
	QUEUE("vqswitch_queue_bytes", "bytes", bytes, "Bytes of those frames."),
	QUEUE("vqswitch_queue_broadcast_frames", NULL, broadcast, "Those to all stations."),
	QUEUE("vqswitch_queue_multicast_frames", NULL, multicast, "Those to a group."),
	QUEUE("vqswitch_queue_offered_frames", NULL, offered,
		"Frames handed to an egress queue (rx) or given to this one (tx)."),
	QUEUE("vqswitch_queue_replicated_frames", NULL, replicated,
		"Additional frames made by flooding and segmentation."),
	QUEUE("vqswitch_queue_notifications", NULL, notified, "Interrupts or kicks sent."),
	{"vqswitch_dropped_frames", "counter", NULL, "Frames not delivered, by reason.",
		NULL, drop_samples, 0},
	{"vqswitch_acl_frames", "counter", NULL, "Frames that fitted no earlier rule of an acl.",
		NULL, acl_samples, offsetof(struct acl_count, frames)},
	{"vqswitch_acl_bytes", "counter", "bytes", "Bytes of those frames.",
		NULL, acl_samples, offsetof(struct acl_count, bytes)},
	{"vqswitch_conntrack_entries", "gauge", NULL, "Connections that are tracked at a port.",
		NULL, conntrack_entries_samples, 0},
	CONNTRACK("vqswitch_conntrack_opened", opened, "Connections that rules let through."),
	CONNTRACK("vqswitch_conntrack_hits", hits, "Packets of known connections."),
	CONNTRACK("vqswitch_conntrack_related", related, "ICMP errors about known connections."),
	CONNTRACK("vqswitch_conntrack_evicted", evicted,
		"Connections forgotten for others: they had no answer, or were closed."),
	{"vqswitch_frame_size_bytes", "histogram", "bytes", "Frame lengths without FCS.",
		NULL, size_samples, 0},

	WORKER("vqswitch_worker_iterations", iterations, "Poll iterations of a worker."),
	WORKER("vqswitch_worker_busy_iterations", busy_iterations, "Those that found frames."),
	WORKER("vqswitch_worker_frames", frames, "Frames a worker has forwarded."),
	WORKER("vqswitch_worker_abandoned_frames", abandoned,
		"Frames not sent to all when their queue stopped or went to another worker."),
	WORKER("vqswitch_worker_sleeps", sleeps, "Times an idle worker went to sleep."),
	{"vqswitch_worker_busy_seconds", "counter", "seconds", "Time in iterations with frames.",
		worker_seconds_samples, NULL, offsetof(struct worker, busy_cycles)},
	{"vqswitch_worker_longest_iteration_seconds", "gauge", "seconds",
		"The longest poll iteration since \"clear worker\".", worker_seconds_samples, NULL,
		offsetof(struct worker, longest)},
	{"vqswitch_rebalanced_queues", "counter", NULL,
		"Receive queues that moved to a worker with less to do.", rebalanced_samples, NULL,
		0},
	{"vqswitch_worker_queues", "gauge", NULL, "Receive queues a worker polls.",
		worker_queue_samples, NULL, 0},

	{"vqswitch_fdb_entries", "gauge", NULL, "Addresses known.", fdb_gauge_samples, NULL,
		offsetof(struct fdb_stats, entries)},
	FDB("vqswitch_fdb_learned", learned, "Addresses learned."),
	FDB("vqswitch_fdb_aged", aged, "Addresses forgotten after their time."),
	FDB("vqswitch_fdb_moved", moved, "Addresses that appeared behind another port."),
	FDB("vqswitch_fdb_evicted", evicted,
		"Addresses forgotten for others: the table is full, their port has the most."),
	FDB("vqswitch_fdb_refused", refused_limit, "Addresses not learned: the table is full."),
	FDB("vqswitch_fdb_refused_port", refused_port_limit,
		"Addresses not learned: the port has too many."),
	FDB("vqswitch_fdb_ring_full", ring_full, "Learn requests put off."),
	{"vqswitch_mirror_filter_frames", "counter", NULL,
	 "Frames that a port's mirror filter let through and left out.", NULL, mirror_samples},
	{"vqswitch_lldp_sent", "counter", NULL, "Frames of LLDP sent at a port.", NULL,
	 lldp_samples},
	{"vqswitch_multicast_groups", "gauge", NULL,
	 "Multicast groups a port has joined, and FIDs it has multicast routers in.", NULL,
	 groups_samples},
	{"vqswitch_multicast_refused", "counter", NULL,
	 "Multicast groups a port may not join: it has as many as it may have.", NULL,
	 groups_refused_samples},
	SNOOP("vqswitch_multicast_queries", sent, "Queries for multicast groups sent."),
	SNOOP("vqswitch_multicast_lost", lost, "Messages on multicast groups that came too fast."),
	SNOOP("vqswitch_multicast_evicted", evicted,
		"Groups of ports that lost a place to one that had joined fewer."),

	SFLOW("vqswitch_sflow_frames", samples, "Samples of frames."),
	SFLOW("vqswitch_sflow_lost", lost, "Samples of frames that found no room."),
	SFLOW("vqswitch_sflow_counters", counters, "Samples of counters."),
	SFLOW("vqswitch_sflow_datagrams", datagrams, "Datagrams sent to collectors."),
	SFLOW("vqswitch_sflow_failed", failed, "Datagrams that could not be sent."),
};
/* clang-format on */

/* Its own name for a family's metric, which the two formats give differently. */
static const char *
suffix(const struct family *f, enum metrics_format format)
{
	if (format == METRICS_OPEN)
		return "";
	if (strcmp(f->type, "counter") == 0)
		return "_total";
	return strcmp(f->type, "info") == 0 ? "_info" : "";
}

static void
describe(const struct family *f, enum metrics_format format, FILE *out)
{
	const char *end = suffix(f, format);
	bool info = format == METRICS_TEXT && strcmp(f->type, "info") == 0;

	fprintf(out, "# TYPE %s%s %s\n", f->name, end, info ? "gauge" : f->type);
	if (f->unit != NULL && format == METRICS_OPEN)
		fprintf(out, "# UNIT %s %s\n", f->name, f->unit);
	fprintf(out, "# HELP %s%s %s\n", f->name, end, f->help);
}

/* --- an exposition in parts --- */

struct metrics {
	struct app *app;
	enum metrics_format format;
	size_t family; /* the next one */
	uint32_t port; /* of a family that is begun: the next one */
	bool begun;
	FILE *out; /* into text: the last part made, of which at bytes are taken */
	char *text;
	size_t len, at;
};

struct metrics *
metrics_new(struct app *app, enum metrics_format format)
{
	struct metrics *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->app = app;
	m->format = format;
	m->out = open_memstream(&m->text, &m->len);
	if (m->out != NULL)
		return m;
	free(m);
	return NULL;
}

void
metrics_free(struct metrics *m)
{
	fclose(m->out);
	free(m->text);
	free(m);
}

/* The samples of the next port, if there is one; ports may come and go between parts. */
static bool
write_port(struct metrics *m, struct sink *s, const struct family *f)
{
	const struct sw *sw = &m->app->sw;

	while (m->port < sw->nports && sw->port[m->port] == NULL)
		m->port++;
	if (m->port >= sw->nports)
		return false;
	f->of_port(s, f, sw->port[m->port++]);
	return true;
}

/* A family's description and, of those by port, one port at a time. */
static void
write_part(struct metrics *m)
{
	const struct family *f = &families[m->family];
	struct sink s = {.app = m->app, .out = m->out, .name = f->name};

	if (!m->begun) {
		describe(f, m->format, m->out);
		m->port = 0;
	}
	m->begun = true;
	if (f->of_port != NULL && write_port(m, &s, f))
		return;
	if (f->samples != NULL)
		f->samples(&s, f);
	m->begun = false;
	if (++m->family == RTE_DIM(families) && m->format == METRICS_OPEN)
		fputs("# EOF\n", m->out);
}

/* Make the next part, of which nothing is taken. False: there is none. */
static bool
next_part(struct metrics *m)
{
	rewind(m->out);
	m->at = m->len = 0;
	for (uint32_t i = 0; i < PART_STEPS && m->len < PART && m->family < RTE_DIM(families);
	     i++) {
		write_part(m);
		fflush(m->out);
	}
	return m->len > 0 || m->family < RTE_DIM(families);
}

ssize_t
metrics_read(struct metrics *m, char *buf, size_t max)
{
	bool more = true;
	size_t n;

	while (m->at == m->len && more) {
		more = next_part(m);
		if (ferror(m->out)) /* it has no memory; the next part would clear that */
			return -1;
	}
	if (m->at == m->len)
		return 0;
	n = RTE_MIN(max, m->len - m->at);
	memcpy(buf, m->text + m->at, n);
	m->at += n;
	return (ssize_t)n;
}
