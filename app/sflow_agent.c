/* SPDX-License-Identifier: BSD-3-Clause */
#include "sflow_agent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "app.h"
#include "sflow/datagram.h"
#include "show/facts.h"
#include "switch/sample.h"

#define TICK_MS 100      /* no sample waits longer */
#define RETRY_MS 1000    /* until a socket is tried again */
#define SAMPLES_MAX 1024 /* taken at a tick */
#define COUNTERS_MAX 32  /* ports whose counters are sent at a tick */

struct sflow_agent {
	struct app *app;
	struct ev_timer tick; /* armed while there are collectors */
	struct sflow_settings set;
	struct sflow_collectors collectors;
	uint32_t ncollectors;
	uint64_t start_ns;
	uint32_t sequence; /* of datagrams */
	uint16_t next_port;
	struct sflow_agent_stats total; /* but for lost: of the samplings before this one */
	struct sflow_datagram datagram; /* being filled; len 0: not begun */
};

/* --- addresses --- */

/* Not "1", "0x10" or "192.0.2.010" with its octal number. */
static bool
is_dotted(const char *text)
{
	struct in_addr v4;

	return inet_pton(AF_INET, text, &v4) == 1;
}

static bool
is_host(const struct sockaddr *sa)
{
	const struct sockaddr_in6 *v6 = (const void *)sa;
	uint32_t v4;

	if (sa->sa_family == AF_INET6)
		return !IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr) &&
		       !IN6_IS_ADDR_MULTICAST(&v6->sin6_addr);
	v4 = ntohl(((const struct sockaddr_in *)(const void *)sa)->sin_addr.s_addr);
	return v4 != INADDR_ANY && v4 != INADDR_BROADCAST && !IN_MULTICAST(v4);
}

socklen_t
sflow_agent_parse(const char *text, uint16_t udp_port, struct sockaddr_storage *out)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_DGRAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
	};
	struct addrinfo *list;
	socklen_t len = 0;
	char service[8];

	snprintf(service, sizeof(service), "%u", udp_port);
	if (getaddrinfo(text, service, &hints, &list) != 0)
		return 0;
	if (is_host(list->ai_addr) && (list->ai_family != AF_INET || is_dotted(text))) {
		len = list->ai_addrlen;
		memset(out, 0, sizeof(*out));
		memcpy(out, list->ai_addr, len);
	}
	freeaddrinfo(list);
	return len;
}

const char *
sflow_agent_text(const struct sockaddr_storage *sa, char buf[SFLOW_AGENT_TEXT])
{
	socklen_t len = sa->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
						  : sizeof(struct sockaddr_in);
	char host[SFLOW_AGENT_TEXT - 16], service[8];

	if (getnameinfo((const void *)sa, len, host, sizeof(host), service, sizeof(service),
			NI_NUMERICHOST | NI_NUMERICSERV | NI_DGRAM) != 0)
		return "none";
	if (strcmp(service, "0") == 0)
		snprintf(buf, SFLOW_AGENT_TEXT, "%s", host);
	else
		snprintf(buf, SFLOW_AGENT_TEXT, "%s port %s", host, service);
	return buf;
}

/* Whether they are the same host. */
static bool
same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
	const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;

	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	return a6->sin6_scope_id == b6->sin6_scope_id &&
	       memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof(a6->sin6_addr)) == 0;
}

/* --- collectors --- */

static void
disconnect(struct sflow_collector *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

/* Try to, if there was time since the last try. */
static void
reconnect(struct sflow_collector *c)
{
	uint64_t now = ev_now_ns();

	if (c->fd >= 0 || now < c->retry_at_ns)
		return;
	c->retry_at_ns = now + (uint64_t)RETRY_MS * NS_PER_S / 1000;
	c->fd = socket(c->to.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (const void *)&c->to, c->to_len) != 0) {
		c->error = errno;
		disconnect(c);
	}
}

/*
 * A socket whose route has gone is made anew, so that it gets another address; a collector that is
 * not there (ECONNREFUSED) may come.
 */
static void
send_to(struct sflow_agent *a, struct sflow_collector *c)
{
	const struct sflow_datagram *d = &a->datagram;

	reconnect(c);
	if (c->fd >= 0 && send(c->fd, d->data, d->len, 0) == (ssize_t)d->len) {
		c->sent++;
		a->total.datagrams++;
		return;
	}
	c->failed++;
	a->total.failed++;
	if (c->fd < 0)
		return;
	c->error = errno;
	if (errno != EAGAIN && errno != ENOBUFS && errno != ECONNREFUSED)
		disconnect(c);
}

bool
sflow_agent_address(const struct sflow_agent *a, struct sockaddr_storage *out)
{
	const struct sflow_collector *c;
	socklen_t len = sizeof(*out);

	if (a->set.agent.ss_family != 0) {
		*out = a->set.agent;
		return true;
	}
	STAILQ_FOREACH (c, &a->collectors, entry)
		if (c->fd >= 0 && getsockname(c->fd, (void *)out, &len) == 0) {
			((struct sockaddr_in *)(void *)out)->sin_port = 0; /* of either family */
			return true;
		}
	return false;
}

/* --- datagrams --- */

static void
flush(struct sflow_agent *a)
{
	struct sflow_collector *c;

	if (a->datagram.samples > 0)
		STAILQ_FOREACH (c, &a->collectors, entry)
			send_to(a, c);
	a->datagram.samples = 0;
	a->datagram.len = 0;
}

static void
begin(struct sflow_agent *a)
{
	struct sockaddr_storage agent;
	struct sflow_head head = {
		.sequence = ++a->sequence,
		.uptime_ms = (uint32_t)((ev_now_ns() - a->start_ns) / (NS_PER_S / 1000)),
	};

	if (sflow_agent_address(a, &agent))
		head.agent = (const struct sockaddr *)&agent;
	sflow_begin(&a->datagram, &head);
}

static void
add_flow(struct sflow_agent *a, const struct sflow_flow *f)
{
	if (a->datagram.len == 0)
		begin(a);
	if (sflow_add_flow(&a->datagram, f))
		return;
	flush(a);
	begin(a);
	sflow_add_flow(&a->datagram, f);
}

static void
add_counters(struct sflow_agent *a, const struct sflow_counters *c)
{
	if (a->datagram.len == 0)
		begin(a);
	if (sflow_add_counters(&a->datagram, c))
		return;
	flush(a);
	begin(a);
	sflow_add_counters(&a->datagram, c);
}

/* --- samples --- */

static uint32_t
interface_of(const struct port *p)
{
	return p->id + 1u;
}

/* Frames that came in at @p p; of the same tick they need not be summed up again. */
static uint32_t
pool_of(const struct port *p, uint64_t tick)
{
	struct port_stats st;

	if (p->app->sflow.pool_tick != tick) {
		port_sum_stats(p, &st);
		p->app->sflow.pool = (uint32_t)st.rx.frames;
		p->app->sflow.pool_tick = tick;
	}
	return p->app->sflow.pool;
}

static void
send_samples(struct sflow_agent *a, uint64_t now)
{
	struct sample s;

	for (uint32_t i = 0; i < SAMPLES_MAX && sw_take_sample(&a->app->sw, &s); i++) {
		const struct port *p = app_port(a->app, s.port);

		if (p != NULL) {
			add_flow(a, &(struct sflow_flow){
					    .sequence = ++p->app->sflow.flows,
					    .interface = interface_of(p),
					    .rate = a->set.rate,
					    .pool = pool_of(p, now),
					    .drops = (uint32_t)sw_samples_lost(&a->app->sw),
					    .frame_len = s.len,
					    .header_len = s.header_len,
					    .header = s.header,
				    });
			a->total.samples++;
		}
		sample_free(&s);
	}
}

static uint32_t
sum_of_drops(const struct pktq_stats *q, enum drop_reason from, enum drop_reason to)
{
	uint64_t n = 0;

	for (unsigned int r = from; r < to; r++)
		n += q->drop[r];
	return (uint32_t)n;
}

static void
send_counters_of(struct sflow_agent *a, const struct port *p)
{
	struct port_facts f;
	struct port_stats st;

	port_sum_stats(p, &st);
	facts_get(a->app, p, &f);
	add_counters(a,
		     &(struct sflow_counters){
			     .sequence = ++p->app->sflow.counters,
			     .interface = interface_of(p),
			     .speed = f.link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN
					      ? 0
					      : f.link.link_speed * UINT64_C(1000000),
			     .admin_up = p->started,
			     .oper_up = p->ops->link_up(p),
			     .promiscuous = f.promisc,
			     .in_bytes = st.rx.bytes,
			     .out_bytes = st.tx.bytes,
			     .in_frames =
				     (uint32_t)(st.rx.frames - st.rx.multicast - st.rx.broadcast),
			     .in_multicast = (uint32_t)st.rx.multicast,
			     .in_broadcast = (uint32_t)st.rx.broadcast,
			     .in_discards =
				     sum_of_drops(&st.rx, (enum drop_reason)0, DROP_TX_NO_BUFFER),
			     .in_errors = SFLOW_UNKNOWN, /* among the discards */
			     .out_frames =
				     (uint32_t)(st.tx.frames - st.tx.multicast - st.tx.broadcast),
			     .out_multicast = (uint32_t)st.tx.multicast,
			     .out_broadcast = (uint32_t)st.tx.broadcast,
			     .out_discards = sum_of_drops(&st.tx, DROP_TX_NO_BUFFER, DROP_NUM),
			     .out_errors = SFLOW_UNKNOWN,
			     .name = p->name,
		     });
	a->total.counters++;
}

/* The interval may have been set since its counters were sent. */
static bool
is_due(const struct sflow_agent *a, const struct port *p, uint64_t now)
{
	uint64_t last = p->app->sflow.counted_ns;

	return last == 0 || now >= last + (uint64_t)a->set.interval * NS_PER_S;
}

/* Of ports that are due. A few at a tick, so that a thousand ports hold nothing up. */
static void
send_counters(struct sflow_agent *a, uint64_t now)
{
	const struct sw *sw = &a->app->sw;
	uint32_t sent = 0;

	for (uint16_t i = 0; i < sw->nports && sent < COUNTERS_MAX; i++) {
		const struct port *p;

		a->next_port = a->next_port + 1u < sw->nports ? a->next_port + 1u : 0;
		p = sw->port[a->next_port];
		if (p == NULL || p->tunnel || p->not_sampled || !is_due(a, p, now))
			continue;
		p->app->sflow.counted_ns = now;
		send_counters_of(a, p);
		sent++;
	}
}

static void
on_tick(struct ev_timer *t)
{
	struct sflow_agent *a = container_of(t, struct sflow_agent, tick);
	uint64_t now = ev_now_ns();
	struct sflow_collector *c;

	STAILQ_FOREACH (c, &a->collectors, entry)
		reconnect(c);
	send_samples(a, now);
	if (a->set.interval != 0)
		send_counters(a, now);
	flush(a);
	ev_timer_arm(a->app->loop, t, TICK_MS);
}

/* --- settings --- */

/* Sample while there are collectors. 0 or -ENOMEM. */
static int
start(struct sflow_agent *a)
{
	uint64_t lost = sw_samples_lost(&a->app->sw);
	int ret = sw_set_sampling(&a->app->sw, a->set.rate, a->set.header);

	if (ret < 0)
		return ret;
	a->total.lost += lost;
	ev_timer_arm(a->app->loop, &a->tick, TICK_MS);
	return 0;
}

static void
stop(struct sflow_agent *a)
{
	ev_timer_cancel(&a->tick);
	a->total.lost += sw_samples_lost(&a->app->sw);
	sw_set_sampling(&a->app->sw, 0, 0);
}

static struct sflow_collector *
find(const struct sflow_agent *a, const struct sockaddr_storage *to)
{
	struct sflow_collector *c;

	STAILQ_FOREACH (c, &a->collectors, entry)
		if (same_host(&c->to, to))
			return c;
	return NULL;
}

static bool
has(const struct sflow_agent *a, const struct sockaddr_storage *to, socklen_t len)
{
	const struct sflow_collector *c;

	STAILQ_FOREACH (c, &a->collectors, entry)
		if (c->to_len == len && memcmp(&c->to, to, len) == 0)
			return true;
	return false;
}

int
sflow_agent_add(struct sflow_agent *a, const struct sockaddr_storage *to, socklen_t len)
{
	struct sflow_collector *c;
	int ret;

	if (has(a, to, len))
		return 0;
	if (a->ncollectors == SFLOW_AGENT_COLLECTORS)
		return -ENOSPC;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return -ENOMEM;
	ret = a->ncollectors == 0 ? start(a) : 0;
	if (ret < 0) {
		free(c);
		return ret;
	}
	c->to = *to;
	c->to_len = len;
	c->fd = -1;
	STAILQ_INSERT_TAIL(&a->collectors, c, entry);
	a->ncollectors++;
	reconnect(c);
	return 0;
}

static void
forget(struct sflow_agent *a, struct sflow_collector *c)
{
	STAILQ_REMOVE(&a->collectors, c, sflow_collector, entry);
	a->ncollectors--;
	disconnect(c);
	free(c);
}

int
sflow_agent_del(struct sflow_agent *a, const struct sockaddr_storage *to)
{
	struct sflow_collector *c = find(a, to);

	if (c == NULL)
		return -ENOENT;
	for (; c != NULL; c = find(a, to))
		forget(a, c);
	if (a->ncollectors == 0)
		stop(a);
	return 0;
}

int
sflow_agent_set(struct sflow_agent *a, const struct sflow_settings *s)
{
	const struct sflow_settings before = a->set;
	bool other = s->rate != before.rate || s->header != before.header;
	int ret;

	a->set = *s;
	ret = other && a->ncollectors > 0 ? start(a) : 0;
	if (ret < 0)
		a->set = before;
	return ret;
}

const struct sflow_settings *
sflow_agent_settings(const struct sflow_agent *a)
{
	return &a->set;
}

const struct sflow_collectors *
sflow_agent_collectors(const struct sflow_agent *a)
{
	return &a->collectors;
}

void
sflow_agent_get_stats(const struct sflow_agent *a, struct sflow_agent_stats *out)
{
	*out = a->total;
	out->lost += sw_samples_lost(&a->app->sw);
}

/* --- life --- */

struct sflow_agent *
sflow_agent_new(struct app *app)
{
	struct sflow_agent *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->app = app;
	a->tick.cb = on_tick;
	a->start_ns = ev_now_ns();
	a->set = (struct sflow_settings){
		.rate = SFLOW_AGENT_RATE,
		.interval = SFLOW_AGENT_INTERVAL,
		.header = SFLOW_AGENT_HEADER,
	};
	STAILQ_INIT(&a->collectors);
	return a;
}

void
sflow_agent_free(struct sflow_agent *a)
{
	struct sflow_collector *c;

	if (a == NULL)
		return;
	stop(a);
	while ((c = STAILQ_FIRST(&a->collectors)) != NULL) {
		STAILQ_REMOVE_HEAD(&a->collectors, entry);
		disconnect(c);
		free(c);
	}
	free(a);
}
