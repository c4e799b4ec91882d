/* SPDX-License-Identifier: BSD-3-Clause */
#include "json.h"

#include <stdatomic.h>
#include <stdio.h>

#include <rte_cycles.h>
#include <rte_mempool.h>

#include "app.h"
#include "nodes.h"
#include "balancer.h"
#include "counters.h"
#include "base/text.h"
#include "vdpa/vdpa.h"
#include "device.h"
#include "switch/port_kind.h"
#include "switch/sw.h"
#include "switch/vlan_table.h"
#include "switch/why.h"

static void
add(json_t *d, const char *name, uint64_t value)
{
	json_object_set_new(d, name, json_integer((json_int_t)value));
}

/* A path can have any bytes, JSON has UTF-8 only. */
static void
add_text(json_t *d, const char *name, const char *text)
{
	char ascii[TEXT_SHOWN_MAX];
	json_t *value = json_string(text);

	if (value == NULL)
		value = json_string(text_ascii(text, ascii, sizeof(ascii)));
	json_object_set_new(d, name, value);
}

static void
add_mac(json_t *d, const char *name, const struct rte_ether_addr *mac)
{
	char text[RTE_ETHER_ADDR_FMT_SIZE];

	rte_ether_format_addr(text, sizeof(text), mac);
	add_text(d, name, text);
}

json_t *
report_switch(const struct app *app)
{
	json_t *d = json_object();

	add_text(d, "version", VQS_VERSION);
	add_text(d, "mode", app->sw.mode->name);
	add(d, "forwarding", app->sw.forwarding);
	add(d, "ports", app_port_count(app));
	add(d, "workers", app->nworkers);
	add(d, "mbufs_free", rte_mempool_avail_count(app->mp));
	add(d, "mbufs_used", rte_mempool_in_use_count(app->mp));
	add(d, "rebalance_seconds", balancer_report(app).period_s);
	add(d, "rebalanced_queues", balancer_report(app).moves);
	return d;
}

/* --- counters --- */

static const struct {
	const char *name;
	size_t offset;
} counters[] = {
#define C(field)                                           \
	{                                                  \
#field, offsetof(struct pktq_stats, field) \
	}
	C(frames), C(bytes), C(offered), C(replicated), C(broadcast), C(multicast), C(notified),
#undef C
};

/* Counters, and the reasons for drops from @p first to @p end - 1. */
static void
add_stats(json_t *d, const struct pktq_stats *s, int first, int end)
{
	json_t *drops = json_object();

	for (size_t i = 0; i < RTE_DIM(counters); i++)
		add(d, counters[i].name, *(const uint64_t *)((const char *)s + counters[i].offset));
	for (int r = first; r < end; r++)
		add(drops, drop_name((enum drop_reason)r), s->drop[r]);
	json_object_set_new(d, "drops", drops);
}

json_t *
report_rx_queue(const struct pktq_stats *s)
{
	json_t *d = json_object();

	add_stats(d, s, 0, DROP_TX_NO_BUFFER);
	return d;
}

json_t *
report_tx_queue(const struct pktq_stats *s)
{
	json_t *d = json_object();

	add_stats(d, s, DROP_TX_NO_BUFFER, DROP_NUM);
	return d;
}

/* --- ports --- */

/* Receive queues that the operator has given to workers: "queue/worker". */
static void
add_wanted(json_t *d, const struct port *p)
{
	json_t *list = json_array();
	char text[32];

	for (uint32_t i = 0; i < DP_QUEUES_MAX; i++) {
		if (p->wanted[i] == PORT_WORKER_NONE)
			continue;
		snprintf(text, sizeof(text), "%u/%u", i, p->wanted[i]);
		json_array_append_new(list, json_string(text));
	}
	json_object_set_new(d, "rxq_workers", list);
}

static void
add_identity(json_t *d, const struct app *app, const struct port *p)
{
	add_text(d, "kind", p->ops->kind);
	add_mac(d, "mac", &p->mac);
	add(d, "mtu", p->mtu);
	add(d, "domain", p->domain);
	add(d, "learning", !p->no_learning);
	add(d, "group_fwd_mask", p->group_fwd | p->sw->group_fwd);
	add(d, "started", p->started);
	add(d, "link_up", p->ops->link_up(p));
	add(d, "fdb_entries", fdb_port_count(app->sw.fdb, p->id));
	add_wanted(d, p);
}

static void
add_sums(json_t *d, const struct port *p)
{
	struct port_stats st;
	json_t *rx, *tx;

	port_get_stats(p, &st);
	rx = report_rx_queue(&st.rx);
	tx = report_tx_queue(&st.tx);
	add(rx, "queues", port_queue_count(p, false));
	add(tx, "queues", port_queue_count(p, true));
	json_object_set_new(d, "rx", rx);
	json_object_set_new(d, "tx", tx);
}

static void
add_queues(json_t *d, const struct port *p)
{
	json_t *rx = json_array(), *tx = json_array();
	struct pktq_stats s;

	for (uint16_t i = 0; baseline_queue(&p->cleared, p, false, i, &s); i++)
		json_array_append_new(rx, report_rx_queue(&s));
	for (uint16_t i = 0; baseline_queue(&p->cleared, p, true, i, &s); i++)
		json_array_append_new(tx, report_tx_queue(&s));
	json_object_set_new(d, "rx_queues", rx);
	json_object_set_new(d, "tx_queues", tx);
}

/* Facts of one kind alone, under its name. */
static void
add_details(json_t *d, const struct port *p)
{
	struct port_detail list[PORT_DETAILS_MAX];
	uint32_t n = p->ops->details(p, list);
	json_t *v = json_object();

	for (uint32_t i = 0; i < n; i++) {
		if (list[i].text != NULL)
			add_text(v, list[i].name, list[i].text);
		else
			add(v, list[i].name, list[i].number);
	}
	json_object_set_new(d, p->ops->kind, v);
}

json_t *
report_port(const struct app *app, const struct port *p, uint32_t parts)
{
	json_t *d = json_object();

	add(d, "id", p->id);
	add_text(d, "name", p->name);
	if (parts & REPORT_INFO)
		add_identity(d, app, p);
	if (parts & REPORT_STATS)
		add_sums(d, p);
	if (parts & REPORT_QUEUES)
		add_queues(d, p);
	if ((parts & REPORT_DETAILS) && p->ops->details != NULL)
		add_details(d, p);
	return d;
}

json_t *
report_drops(const struct port *p)
{
	json_t *d = json_object(), *drops = json_object();
	struct port_stats s;

	port_get_stats(p, &s);
	for (int r = 0; r < DROP_NUM; r++)
		if (s.rx.drop[r] + s.tx.drop[r] != 0)
			add(drops, drop_name((enum drop_reason)r), s.rx.drop[r] + s.tx.drop[r]);
	add(d, "id", p->id);
	add_text(d, "name", p->name);
	json_object_set_new(d, "drops", drops);
	return d;
}

json_t *
report_why(const struct app *app, const struct port *p)
{
	json_t *d = json_object();
	char buf[256];
	const char *said = sw_why((struct sw *)(uintptr_t)&app->sw, p, buf, sizeof(buf));

	add(d, "id", p->id);
	add_text(d, "name", p->name);
	add(d, "passes", said == NULL);
	add_text(d, "why", said != NULL ? said : "nothing keeps it from passing traffic");
	said = nodes_advice(app, p, buf, sizeof(buf));
	if (said != NULL)
		add_text(d, "advice", said);
	return d;
}

/* --- workers --- */

static json_t *
polled_queues(struct app *app, uint32_t worker)
{
	const struct dataplane *dp = dp_live(&app->sw.dp);
	json_t *list = json_array();
	char text[32];

	for (uint32_t i = 0; i < dp->worker[worker].n; i++) {
		const struct dp_poll *poll = &dp->worker[worker].poll[i];

		snprintf(text, sizeof(text), "%u/%u", poll->port->id, poll->q->index);
		json_array_append_new(list, json_string(text));
	}
	return list;
}

json_t *
report_worker(struct app *app, uint32_t i)
{
	double us = (double)US_PER_S / (double)rte_get_tsc_hz(); /* of a cycle */
	const struct worker *w = app->worker[i];
	json_t *d = json_object();

	add(d, "lcore", w->lcore);
	json_object_set_new(d, "node", json_integer(nodes_of_worker(app, i)));
	add(d, "asleep", atomic_load(&app->sw.dp.worker[i].asleep));
	add(d, "iterations", counter_read(&w->iterations));
	add(d, "busy_iterations", counter_read(&w->busy_iterations));
	add(d, "busy_cycles", counter_read(&w->busy_cycles));
	add(d, "busy_us", (uint64_t)((double)counter_read(&w->busy_cycles) * us));
	add(d, "longest_us", (uint64_t)((double)counter_read(&w->longest) * us));
	add(d, "frames", counter_read(&w->frames));
	add(d, "sleeps", counter_read(&w->sleeps));
	add(d, "abandoned", counter_read(&w->abandoned));
	json_object_set_new(d, "queues", polled_queues(app, i));
	return d;
}

/* --- vDPA devices --- */

static void
add_device(const struct vdpa_info *i, void *ctx)
{
	struct vdpa_counter list[VDPA_COUNTERS_MAX];
	uint32_t n = vdpa_counters(i->name, list);
	json_t *d = json_object(), *values = json_array(), *all = ctx;

	add_text(d, "name", i->name);
	add_text(d, "kind", i->kind);
	add_text(d, "state", i->state);
	add(d, "present", i->present);
	add_text(d, "port", i->owner != NULL ? i->owner->name : "");
	add(d, "features", i->caps.features);
	add(d, "formats", i->caps.formats);
	add(d, "queue_pairs", i->caps.queue_pairs);
	add(d, "queue_pairs_used", i->pairs_used);
	add(d, "regions", i->caps.regions);
	add(d, "locks_memory", i->caps.pins);
	for (uint32_t k = 0; k < n; k++) {
		json_t *one = json_object();

		add_text(one, "name", list[k].name);
		json_object_set_new(one, "queue", json_integer(list[k].queue));
		add(one, "value", list[k].value);
		json_array_append_new(values, one);
	}
	json_object_set_new(d, "counters", values);
	json_array_append_new(all, d);
}

json_t *
report_vdpa(void)
{
	json_t *list = json_array();

	vdpa_list(add_device, list);
	return list;
}

/* --- forwarding database --- */

json_t *
report_fdb(const struct app *app)
{
	json_t *d = json_object();
	struct fdb_stats st;

	fdb_get_stats(app->sw.fdb, &st);
	add(d, "entries", st.entries);
	add(d, "learned", st.learned);
	add(d, "aged", st.aged);
	add(d, "moved", st.moved);
	add(d, "evicted", st.evicted);
	add(d, "refused_limit", st.refused_limit);
	add(d, "refused_port_limit", st.refused_port_limit);
	add(d, "ring_full", st.ring_full);
	return d;
}

json_t *
report_fdb_entry(const struct app *app, const struct fdb_entry_info *e)
{
	json_t *d = json_object();
	uint16_t domain, vlan;

	vlan_of_fid(&app->sw, e->fid, &domain, &vlan);
	add_mac(d, "mac", &e->mac);
	add(d, "domain", domain);
	if (vlan != 0)
		add(d, "vlan", vlan);
	add(d, "port", e->port);
	add(d, "static", e->origin == FDB_STATIC);
	if (e->origin == FDB_EXTERN)
		add(d, "extern", true);
	add(d, "age", e->age_s);
	add(d, "moves", e->moves);
	return d;
}
