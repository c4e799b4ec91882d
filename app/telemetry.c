/* SPDX-License-Identifier: BSD-3-Clause */
#include "telemetry.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mempool.h>
#include <rte_telemetry.h>
#include <rte_version.h>

#include "app.h"

#define PORTS_PER_ANSWER RTE_TEL_MAX_ARRAY_ENTRIES

/* Callbacks have no argument of ours: there is one program. */
static struct app *telemetry_app;
static atomic_bool closed;
static atomic_int under_way;

static void
add(struct rte_tel_data *d, const char *name, uint64_t value)
{
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
	rte_tel_data_add_dict_uint(d, name, value);
#else
	rte_tel_data_add_dict_u64(d, name, value);
#endif
}

/* A dict within @p d; filled before it is added. NULL: out of memory. */
static struct rte_tel_data *
new_dict(void)
{
	struct rte_tel_data *d = rte_tel_data_alloc();

	if (d != NULL)
		rte_tel_data_start_dict(d);
	return d;
}

static void
add_dict(struct rte_tel_data *d, const char *name, struct rte_tel_data *inner)
{
	if (inner != NULL && rte_tel_data_add_dict_container(d, name, inner, 0) != 0)
		rte_tel_data_free(inner);
}

/* A number at *@p params and what separates it from the next one. */
static bool
take_number(const char **params, uint32_t max, uint32_t *value)
{
	unsigned long n;
	char *end;

	if (*params == NULL || **params < '0' || **params > '9')
		return false;
	errno = 0;
	n = strtoul(*params, &end, 10);
	if (errno != 0 || n > max || (*end != ',' && *end != '\0'))
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

/* --- /vqswitch/info --- */

static int
fill_info(struct app *app, const char *params, struct rte_tel_data *d)
{
	uint64_t ports = 0;

	for (uint16_t i = 0; i < app->sw.nports; i++)
		ports += app->sw.port[i] != NULL;
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_string(d, "version", VQS_VERSION);
	rte_tel_data_add_dict_string(d, "mode", app->sw.mode->name);
	add(d, "forwarding", app->sw.forwarding);
	add(d, "ports", ports);
	add(d, "workers", app->nworkers);
	add(d, "mbufs_free", rte_mempool_avail_count(app->mp));
	add(d, "mbufs_used", rte_mempool_in_use_count(app->mp));
	return 0;
}

/* --- /vqswitch/ports, /vqswitch/port, /vqswitch/queue --- */

static int
fill_ports(struct app *app, const char *params, struct rte_tel_data *d)
{
	uint32_t first = 0, n = 0;

	if (params != NULL && !take_number(&params, DP_PORTS_MAX - 1, &first))
		return -EINVAL;
	rte_tel_data_start_array(d, RTE_TEL_INT_VAL);
	for (uint32_t id = first; id < app->sw.nports && n < PORTS_PER_ANSWER; id++)
		if (app->sw.port[id] != NULL) {
			rte_tel_data_add_array_int(d, (int)id);
			n++;
		}
	return 0;
}

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

static void
add_drops(struct rte_tel_data *d, const struct pktq_stats *s, bool tx)
{
	struct rte_tel_data *drops = new_dict();
	int first = tx ? DROP_TX_NO_BUFFER : 0, end = tx ? DROP_NUM : DROP_TX_NO_BUFFER;

	for (int r = first; drops != NULL && r < end; r++)
		add(drops, drop_name((enum drop_reason)r), s->drop[r]);
	add_dict(d, "drops", drops);
}

static void
add_stats(struct rte_tel_data *d, const struct pktq_stats *s, bool tx)
{
	for (size_t i = 0; i < RTE_DIM(counters); i++)
		add(d, counters[i].name, *(const uint64_t *)((const char *)s + counters[i].offset));
	add_drops(d, s, tx);
}

static uint16_t
queue_count(const struct port *p, bool tx)
{
	uint16_t n = 0;

	while (p->ops->queue(p, tx, n) != NULL)
		n++;
	return n;
}

static void
add_direction(struct rte_tel_data *d, const struct port *p, bool tx, const struct pktq_stats *s)
{
	struct rte_tel_data *dir = new_dict();

	if (dir == NULL)
		return;
	add(dir, "queues", queue_count(p, tx));
	add_stats(dir, s, tx);
	add_dict(d, tx ? "tx" : "rx", dir);
}

static void
add_vhost(struct rte_tel_data *d, const struct port *p)
{
	struct rte_tel_data *v = new_dict();
	struct vhu_info info;

	if (v == NULL)
		return;
	vhost_port_info(p, &info);
	rte_tel_data_add_dict_string(v, "socket", vhost_port_devargs(p)->path);
	add(v, "connected", info.connected);
	add(v, "connections", info.connects);
	add(v, "features", vhost_port_vdev(p)->features);
	add(v, "protocol_features", info.protocol_features);
	add(v, "messages", info.messages);
	add(v, "messages_refused", info.refused);
	add(v, "messages_unknown", info.unknown);
	add_dict(d, "vhost", v);
}

static int
fill_port(struct app *app, const char *params, struct rte_tel_data *d)
{
	struct port *p = take_port(app, &params);
	char mac[RTE_ETHER_ADDR_FMT_SIZE];
	struct port_stats st;

	if (p == NULL)
		return -EINVAL;
	rte_ether_format_addr(mac, sizeof(mac), &p->mac);
	port_get_stats(p, &st);
	rte_tel_data_start_dict(d);
	add(d, "id", p->id);
	rte_tel_data_add_dict_string(d, "name", p->name);
	rte_tel_data_add_dict_string(d, "kind", p->ops->kind);
	rte_tel_data_add_dict_string(d, "mac", mac);
	add(d, "mtu", p->mtu);
	add(d, "domain", p->domain);
	add(d, "started", p->started);
	add(d, "link_up", p->ops->link_up(p));
	add(d, "fdb_entries", fdb_port_count(app->sw.fdb, p->id));
	add_direction(d, p, false, &st.rx);
	add_direction(d, p, true, &st.tx);
	if (p->ops == &vhost_port_ops)
		add_vhost(d, p);
	return 0;
}

static int
fill_queue(struct app *app, const char *params, struct rte_tel_data *d)
{
	struct port *p = take_port(app, &params);
	const struct pktq *q;
	uint32_t index;
	bool tx;

	if (p == NULL || (strncmp(params, "rx,", 3) != 0 && strncmp(params, "tx,", 3) != 0))
		return -EINVAL;
	tx = params[0] == 't';
	params += 3;
	if (!take_number(&params, DP_QUEUES_MAX - 1, &index))
		return -EINVAL;
	q = p->ops->queue(p, tx, (uint16_t)index);
	if (q == NULL)
		return -EINVAL;
	rte_tel_data_start_dict(d);
	add_stats(d, &q->stats, tx);
	return 0;
}

/* --- /vqswitch/workers, /vqswitch/worker --- */

static int
fill_workers(struct app *app, const char *params, struct rte_tel_data *d)
{
	rte_tel_data_start_array(d, RTE_TEL_INT_VAL);
	for (uint32_t i = 0; i < app->nworkers; i++)
		rte_tel_data_add_array_int(d, (int)i);
	return 0;
}

static void
add_polled(struct rte_tel_data *d, struct app *app, uint32_t worker)
{
	const struct dataplane *dp = dp_live(&app->sw.dp);
	struct rte_tel_data *list = rte_tel_data_alloc();
	char text[32];

	if (list == NULL)
		return;
	rte_tel_data_start_array(list, RTE_TEL_STRING_VAL);
	for (uint32_t i = 0; dp != NULL && i < dp->worker[worker].n; i++) {
		const struct dp_poll *poll = &dp->worker[worker].poll[i];

		snprintf(text, sizeof(text), "%u/%u", poll->port->id, poll->q->index);
		rte_tel_data_add_array_string(list, text);
	}
	add_dict(d, "queues", list);
}

static int
fill_worker(struct app *app, const char *params, struct rte_tel_data *d)
{
	const struct worker *w;
	uint32_t i;

	if (!take_number(&params, DP_WORKERS_MAX - 1, &i) || i >= app->nworkers)
		return -EINVAL;
	w = app->worker[i];
	rte_tel_data_start_dict(d);
	add(d, "lcore", w->lcore);
	add(d, "asleep", atomic_load(&app->sw.dp.worker[i].asleep));
	add(d, "turns", w->turns);
	add(d, "busy_turns", w->busy_turns);
	add(d, "busy_cycles", w->busy_cycles);
	add(d, "frames", w->frames);
	add(d, "sleeps", w->sleeps);
	add_polled(d, app, i);
	return 0;
}

/* --- /vqswitch/fdb --- */

static int
fill_fdb(struct app *app, const char *params, struct rte_tel_data *d)
{
	struct fdb_stats st;

	fdb_get_stats(app->sw.fdb, &st);
	rte_tel_data_start_dict(d);
	add(d, "entries", st.entries);
	add(d, "learned", st.learned);
	add(d, "aged", st.aged);
	add(d, "moved", st.moved);
	add(d, "refused_limit", st.refused_limit);
	add(d, "refused_port_limit", st.refused_port_limit);
	add(d, "ring_full", st.ring_full);
	return 0;
}

/* --- the table --- */

typedef int (*fill_fn)(struct app *app, const char *params, struct rte_tel_data *d);

static const struct endpoint {
	const char *path;
	fill_fn fill;
	const char *help;
} endpoints[] = {
	{"/vqswitch/info", fill_info, "What runs. No parameters"},
	{"/vqswitch/ports", fill_ports, "Ids of the ports. Parameters: none, or the first id"},
	{"/vqswitch/port", fill_port, "State and counters of a port. Parameters: id"},
	{"/vqswitch/queue", fill_queue, "Counters of a queue. Parameters: port, rx or tx, number"},
	{"/vqswitch/workers", fill_workers, "Numbers of the workers. No parameters"},
	{"/vqswitch/worker", fill_worker, "A worker's counters and queues. Parameters: number"},
	{"/vqswitch/fdb", fill_fdb, "Counters of the forwarding database. No parameters"},
};

/** A question on its way to control. */
struct query {
	fill_fn fill;
	const char *params;
	struct rte_tel_data *d;
	int ret;
};

static void
run_query(struct app *app, void *arg)
{
	struct query *q = arg;

	q->ret = q->fill(app, q->params, q->d);
}

static fill_fn
find_fill(const char *path)
{
	for (size_t i = 0; i < RTE_DIM(endpoints); i++)
		if (strcmp(endpoints[i].path, path) == 0)
			return endpoints[i].fill;
	return NULL;
}

/* A client's thread. */
static int
on_query(const char *path, const char *params, struct rte_tel_data *d)
{
	struct query q = {.fill = find_fill(path), .params = params, .d = d, .ret = -EINVAL};

	atomic_fetch_add(&under_way, 1);
	if (q.fill != NULL && !atomic_load(&closed) && !ctl_call(telemetry_app, run_query, &q))
		q.ret = -ENOMEM;
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
