/* SPDX-License-Identifier: BSD-3-Clause */
#include "telemetry.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <rte_telemetry.h>
#include <rte_version.h>

#include "app.h"
#include "base/parse.h"
#include "ctl.h"
#include "show/json.h"
#include "show/show_acl.h"
#include "show/show_conntrack.h"
#include "show/show_sflow.h"
#include "show/show_snooping.h"
#include "show/show_vxlan.h"

#define PORTS_PER_ANSWER RTE_TEL_MAX_ARRAY_ENTRIES

/* Callbacks have no argument of ours: there is one program. */
static struct app *telemetry_app;
static atomic_bool closed;
static atomic_int under_way;

/* --- from JSON values to telemetry's --- */

static bool fill(struct rte_tel_data *d, const json_t *value);

static void
add_number(struct rte_tel_data *d, const char *name, uint64_t value)
{
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
	rte_tel_data_add_dict_uint(d, name, value);
#else
	rte_tel_data_add_dict_u64(d, name, value);
#endif
}

static void
add_container(struct rte_tel_data *d, const char *name, const json_t *value)
{
	struct rte_tel_data *inner = rte_tel_data_alloc();

	if (inner == NULL)
		return;
	if (!fill(inner, value) || rte_tel_data_add_dict_container(d, name, inner, 0) != 0)
		rte_tel_data_free(inner);
}

static void
fill_dict(struct rte_tel_data *d, const json_t *value)
{
	const char *name;
	json_t *v;

	rte_tel_data_start_dict(d);
	json_object_foreach((json_t *)(uintptr_t)value, name, v)
	{
		if (json_is_integer(v))
			add_number(d, name, (uint64_t)json_integer_value(v));
		else if (json_is_string(v))
			rte_tel_data_add_dict_string(d, name, json_string_value(v));
		else if (json_is_boolean(v))
			add_number(d, name, json_is_true(v));
		else
			add_container(d, name, v);
	}
}

/* A list of objects inside of something: telemetry has none, so they are members "0", "1", ... */
static void
fill_numbered(struct rte_tel_data *d, const json_t *value)
{
	char name[sizeof("18446744073709551615")];
	size_t i;
	json_t *v;

	rte_tel_data_start_dict(d);
	json_array_foreach(value, i, v)
	{
		snprintf(name, sizeof(name), "%zu", i);
		add_container(d, name, v);
	}
}

/* Of numbers, or of strings. */
static void
fill_array(struct rte_tel_data *d, const json_t *value)
{
	bool numbers = json_is_integer(json_array_get(value, 0));
	size_t i;
	json_t *v;

	rte_tel_data_start_array(d, numbers ? RTE_TEL_INT_VAL : RTE_TEL_STRING_VAL);
	json_array_foreach(value, i, v)
	{
		if (numbers)
			rte_tel_data_add_array_int(d, (int)json_integer_value(v));
		else
			rte_tel_data_add_array_string(d, json_string_value(v));
	}
}

static bool
fill(struct rte_tel_data *d, const json_t *value)
{
	if (json_is_object(value))
		fill_dict(d, value);
	else if (json_is_object(json_array_get(value, 0)))
		fill_numbered(d, value);
	else if (json_is_array(value))
		fill_array(d, value);
	return json_is_object(value) || json_is_array(value);
}

/* --- parameters --- */

/* A number at *@p params and what separates it from the next one. */
static bool
take_number(const char **params, uint32_t max, uint32_t *value)
{
	const char *end;
	uint64_t n;

	if (*params == NULL || !parse_number(*params, 10, max, &n, &end) ||
	    (*end != ',' && *end != '\0'))
		return false;
	*value = (uint32_t)n;
	*params = *end == ',' ? end + 1 : end;
	return true;
}

static struct port *
take_port(struct app *app, const char **params)
{
	uint32_t id;

	return take_number(params, DP_PORTS_MAX - 1, &id) ? app_port(app, id) : NULL;
}

/* --- endpoints: a new value, NULL: no such thing --- */

static json_t *
get_info(struct app *app, const char *params)
{
	return report_switch(app);
}

static json_t *
get_ports(struct app *app, const char *params)
{
	uint32_t first = 0;
	json_t *list;

	if (params != NULL && !take_number(&params, DP_PORTS_MAX - 1, &first))
		return NULL;
	list = json_array();
	for (uint32_t id = first; id < app->sw.nports && json_array_size(list) < PORTS_PER_ANSWER;
	     id++)
		if (app->sw.port[id] != NULL)
			json_array_append_new(list, json_integer(id));
	return list;
}

static json_t *
get_port(struct app *app, const char *params)
{
	const struct port *p = take_port(app, &params);

	if (p == NULL)
		return NULL;
	return report_port(app, p, REPORT_INFO | REPORT_STATS | REPORT_DETAILS);
}

static json_t *
get_queue(struct app *app, const char *params)
{
	const struct port *p = take_port(app, &params);
	struct pktq_stats s;
	uint32_t index;
	bool tx;

	if (p == NULL || (strncmp(params, "rx,", 3) != 0 && strncmp(params, "tx,", 3) != 0))
		return NULL;
	tx = params[0] == 't';
	params += 3;
	if (!take_number(&params, DP_QUEUES_MAX - 1, &index))
		return NULL;
	if (!port_queue_stats(p, tx, (uint16_t)index, &s))
		return NULL;
	return tx ? report_tx_queue(&s) : report_rx_queue(&s);
}

static json_t *
get_workers(struct app *app, const char *params)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < app->nworkers; i++)
		json_array_append_new(list, json_integer(i));
	return list;
}

static json_t *
get_worker(struct app *app, const char *params)
{
	uint32_t i;

	if (!take_number(&params, DP_WORKERS_MAX - 1, &i) || i >= app->nworkers)
		return NULL;
	return report_worker(app, i);
}

static json_t *
get_fdb(struct app *app, const char *params)
{
	return report_fdb(app);
}

static json_t *
get_vdpa(struct app *app, const char *params)
{
	json_t *d = json_object();

	json_object_set_new(d, "devices", report_vdpa());
	return d;
}

static json_t *
get_vxlan(struct app *app, const char *params)
{
	return report_tunnels(app);
}

static json_t *
get_acl(struct app *app, const char *params)
{
	const struct port *p = take_port(app, &params);

	if (p == NULL || (strcmp(params, "in") != 0 && strcmp(params, "out") != 0))
		return NULL;
	return report_acl_list(p, params[0] == 'i' ? ACL_IN : ACL_OUT);
}

static json_t *
get_conntrack(struct app *app, const char *params)
{
	return report_conntrack(app);
}

static json_t *
get_sflow(struct app *app, const char *params)
{
	return report_sflow(app);
}

static json_t *
get_snooping(struct app *app, const char *params)
{
	return report_snooping(app);
}

/* --- the table --- */

typedef json_t *(*get_fn)(struct app *app, const char *params);

static const struct endpoint {
	const char *path;
	get_fn get;
	const char *help;
} endpoints[] = {
	{"/vqswitch/info", get_info, "Version, uptime and settings. No parameters"},
	{"/vqswitch/ports", get_ports, "Ids of the ports. Parameters: none, or the first id"},
	{"/vqswitch/port", get_port, "State and counters of a port. Parameters: id"},
	{"/vqswitch/queue", get_queue, "Counters of a queue. Parameters: port, rx or tx, number"},
	{"/vqswitch/workers", get_workers, "Numbers of the workers. No parameters"},
	{"/vqswitch/worker", get_worker, "A worker's counters and queues. Parameters: number"},
	{"/vqswitch/vdpa", get_vdpa, "vDPA devices. No parameters"},
	{"/vqswitch/fdb", get_fdb, "Counters of the forwarding database. No parameters"},
	{"/vqswitch/vxlan", get_vxlan, "Tunnels, their VNIs and VTEPs. No parameters"},
	{"/vqswitch/acl", get_acl, "Rules of a port and their counters. Parameters: id, in or out"},
	{"/vqswitch/conntrack", get_conntrack, "Tracked connections: numbers. No parameters"},
	{"/vqswitch/sflow", get_sflow, "Samples for sFlow collectors. No parameters"},
	{"/vqswitch/snooping", get_snooping, "Snooping of multicast. No parameters"},
};

/** A question on its way to control. */
struct query {
	get_fn get;
	const char *params;
	struct rte_tel_data *d;
	int ret;
};

static void
run_query(struct app *app, void *arg)
{
	struct query *q = arg;

	json_t *value = q->get(app, q->params);

	q->ret = value != NULL && fill(q->d, value) ? 0 : -EINVAL;
	json_decref(value);
}

static get_fn
find_get(const char *path)
{
	for (size_t i = 0; i < RTE_DIM(endpoints); i++)
		if (strcmp(endpoints[i].path, path) == 0)
			return endpoints[i].get;
	return NULL;
}

/* A client's thread. */
static int
on_query(const char *path, const char *params, struct rte_tel_data *d)
{
	struct query q = {.get = find_get(path), .params = params, .d = d, .ret = -EINVAL};

	atomic_fetch_add(&under_way, 1);
	if (q.get != NULL && !atomic_load(&closed))
		ctl_call(telemetry_app, run_query, &q);
	atomic_fetch_sub(&under_way, 1);
	return q.ret;
}

void
telemetry_init(struct app *app)
{
	telemetry_app = app;
	for (size_t i = 0; i < RTE_DIM(endpoints); i++)
		rte_telemetry_register_cmd(endpoints[i].path, on_query, endpoints[i].help);
}

void
telemetry_fini(struct app *app)
{
	atomic_store(&closed, true);
	while (atomic_load(&under_way) != 0)
		ev_run_once(app->loop, 1);
}
