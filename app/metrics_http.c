/* SPDX-License-Identifier: BSD-3-Clause */
#include "metrics_http.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "app.h"
#include "base/server.h"
#include "show/metrics.h"

#define REQUEST_MAX \
	16384      /* bytes of a request's head and of the answer's; longer ones are refused */
#define BLOCK 4096 /* bytes of an answer made at once: there may be megabytes, and other clients */
#define CLIENTS_MAX 16
#define SOCKET_MODE 0660

#define UNIX_PREFIX "unix:"

/** A socket option of Linux 6.16: whether descriptors may be passed to it. */
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

#define TOO_MANY \
	"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

struct metrics_http {
	struct server server;
	struct ev_source io;   /* libmicrohttpd's epoll descriptor */
	struct ev_timer again; /* it has work that no event announces */
	struct MHD_Daemon *daemon;
	struct app *app;
};

/* --- what is answered --- */

/** The formats there are, the preferred one first. */
static const struct format {
	const char *range; /* in "Accept:" */
	const char *type;
	enum metrics_format format;
} formats[] = {
	{"application/openmetrics-text",
	 "application/openmetrics-text; version=1.0.0; charset=utf-8", METRICS_OPEN},
	{"text/plain", "text/plain; version=0.0.4; charset=utf-8", METRICS_TEXT},
};

/* The q of one media range, @p len bytes at @p text; negative: it does not match @p type. */
static double
quality(const char *text, size_t len, const char *type)
{
	size_t name = strcspn(text, ";, \t"), major = strcspn(type, "/") + 1;
	const char *q;

	name = RTE_MIN(name, len);
	if (!(name == 3 && strncmp(text, "*/*", 3) == 0) &&
	    !(name == major + 1 && text[major] == '*' && strncasecmp(text, type, major) == 0) &&
	    !(name == strlen(type) && strncasecmp(text, type, name) == 0))
		return -1;
	q = memmem(text, len, "q=", 2);
	return q != NULL ? atof(q + 2) : 1;
}

/* The best q of the list @p accept for @p type; a range that names more of it comes first. */
static double
accepts(const char *accept, const char *type)
{
	size_t longest = 0;
	double best = 0;

	while (*accept != '\0') {
		size_t len, name = strcspn(accept += strspn(accept, ", \t"), ";, \t");
		double q;

		len = strcspn(accept, ",");
		q = quality(accept, len, type);
		if (q >= 0 && name > longest) {
			longest = name;
			best = q;
		}
		accept += len;
	}
	return best;
}

/* NULL: none is acceptable. */
static const struct format *
choose_format(const char *accept)
{
	const struct format *best = NULL;
	double most = 0;

	if (accept == NULL)
		return &formats[0];
	for (size_t i = 0; i < RTE_DIM(formats); i++) {
		double q = accepts(accept, formats[i].range);

		if (q > most) {
			most = q;
			best = &formats[i];
		}
	}
	return best;
}

/* Answer with @p r, which is NULL without memory. */
static enum MHD_Result
respond(struct MHD_Connection *c, unsigned int status, const char *type, struct MHD_Response *r)
{
	enum MHD_Result ret;

	if (r == NULL)
		return MHD_NO;
	MHD_add_response_header(r, "Content-Type", type);
	MHD_add_response_header(r, "Connection", "close");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(r, "Allow", "GET, HEAD");
	ret = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return ret;
}

static enum MHD_Result
refuse(struct MHD_Connection *c, unsigned int status, const char *text)
{
	return respond(c, status, "text/plain",
		       MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text,
						       MHD_RESPMEM_PERSISTENT));
}

/* The next bytes of an answer that is sent. */
static ssize_t
on_room(void *ctx, uint64_t pos, char *buf, size_t max)
{
	ssize_t n = metrics_read(ctx, buf, max);

	return n > 0    ? n
	       : n == 0 ? MHD_CONTENT_READER_END_OF_STREAM
			: MHD_CONTENT_READER_END_WITH_ERROR;
}

static void
on_sent(void *ctx)
{
	metrics_free(ctx);
}

static enum MHD_Result
give_metrics(struct metrics_http *h, struct MHD_Connection *c, const struct format *f)
{
	struct metrics *m = metrics_new(h->app, f->format);
	struct MHD_Response *r;

	if (m == NULL)
		return MHD_NO;
	r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, on_room, m, on_sent);
	if (r == NULL)
		metrics_free(m);
	return respond(c, MHD_HTTP_OK, f->type, r);
}

static enum MHD_Result
on_request(void *ctx, struct MHD_Connection *c, const char *url, const char *method,
	   const char *version, const char *upload, size_t *upload_size, void **state)
{
	const char *accept = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Accept");
	const struct format *f = choose_format(accept);

	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return refuse(c, MHD_HTTP_METHOD_NOT_ALLOWED, "Only GET and HEAD are answered.\n");
	if (strcmp(url, "/metrics") != 0 && strcmp(url, "/") != 0)
		return refuse(c, MHD_HTTP_NOT_FOUND, "There is /metrics.\n");
	if (f == NULL)
		return refuse(c, MHD_HTTP_NOT_ACCEPTABLE,
			      "There are application/openmetrics-text and text/plain.\n");
	return give_metrics(ctx, c, f);
}

/* --- connections --- */

/* A connection ends at its deadline: libmicrohttpd reads the end of it and closes it. */
static void
on_connection(void *ctx, struct MHD_Connection *c, void **state,
	      enum MHD_ConnectionNotificationCode what)
{
	struct metrics_http *h = ctx;
	struct server_client *client = *state;

	if (what == MHD_CONNECTION_NOTIFY_CLOSED && client != NULL) {
		server_leave(client);
		free(client);
		*state = NULL;
	}
	if (what != MHD_CONNECTION_NOTIFY_STARTED)
		return;
	client = calloc(1, sizeof(*client));
	*state = client;
	if (client == NULL)
		return;
	server_join(&h->server, client,
		    MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd);
	server_client_owes(client);
}

/* Let libmicrohttpd do what can be done without waiting. */
static void
work(struct metrics_http *h)
{
	MHD_UNSIGNED_LONG_LONG ms;

	MHD_run(h->daemon);
	if (MHD_get_timeout(h->daemon, &ms) == MHD_YES)
		ev_timer_arm(h->app->loop, &h->again,
			     (uint32_t)RTE_MIN(ms, SERVER_DEADLINE_S * 1000u));
	else
		ev_timer_cancel(&h->again);
}

static void
on_event(struct ev_source *src, uint32_t events)
{
	work(container_of(src, struct metrics_http, io));
}

static void
on_again(struct ev_timer *t)
{
	work(container_of(t, struct metrics_http, again));
}

static void
on_accepted(struct server *s, int fd)
{
	struct metrics_http *h = container_of(s, struct metrics_http, server);
	struct sockaddr_storage addr = {0};
	socklen_t len = sizeof(addr);

	if (getpeername(fd, (struct sockaddr *)&addr, &len) < 0)
		close(fd);
	else if (MHD_add_connection(h->daemon, fd, (struct sockaddr *)&addr, len) == MHD_YES)
		work(h);
}

/* --- life cycle --- */

static int
listen_at(struct metrics_http *h, const char *where, char *err, size_t errlen)
{
	const struct sock_access access = {SOCKET_MODE, (uid_t)-1, (gid_t)-1};
	struct server *s = &h->server;
	size_t prefix = strlen(UNIX_PREFIX);
	int fd, no = 0;

	if (strncmp(where, UNIX_PREFIX, prefix) == 0) {
		if (server_listen(s, h->app->loop, where + prefix, &access, err, errlen) < 0)
			return -1;
		/* they would be closed on control, which may take as long as a peer likes */
		(void)setsockopt(s->listener.src.fd, SOL_SOCKET, SO_PASSRIGHTS, &no, sizeof(no));
		return 0;
	}
	fd = sock_listen_loopback(where, err, errlen);
	if (fd < 0)
		return -1;
	if (server_accept_on(s, h->app->loop, fd) == 0)
		return 0;
	snprintf(err, errlen, "it cannot be watched");
	return -1;
}

/* The server, driven by the event loop: it has neither a thread nor a listening socket. */
static int
start_server(struct metrics_http *h)
{
	h->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL,
				     on_request, h, MHD_OPTION_CONNECTION_LIMIT, CLIENTS_MAX,
				     MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_MAX,
				     MHD_OPTION_CONNECTION_TIMEOUT, SERVER_DEADLINE_S,
				     MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_CONNECTION,
				     on_connection, h, MHD_OPTION_END);
	if (h->daemon == NULL)
		return -1;
	h->io = (struct ev_source){
		.fd = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd,
		.cb = on_event,
	};
	h->again.cb = on_again;
	return ev_add(h->app->loop, &h->io, EPOLLIN);
}

struct metrics_http *
metrics_http_new(struct app *app, const char *where, char *err, size_t errlen)
{
	struct metrics_http *h = calloc(1, sizeof(*h));
	char why[256];

	if (h == NULL) {
		snprintf(err, errlen, "out of memory");
		return NULL;
	}
	h->app = app;
	h->server = (struct server){
		.accepted = on_accepted,
		.tag = "metrics",
		.max = CLIENTS_MAX,
		.refusal = TOO_MANY,
		.refusal_len = strlen(TOO_MANY),
	};
	if (listen_at(h, where, why, sizeof(why)) < 0) {
		snprintf(err, errlen, "--metrics=%.512s: %s", where, why);
		free(h);
		return NULL;
	}
	if (start_server(h) < 0) {
		snprintf(err, errlen, "--metrics=%.512s: the server does not start", where);
		metrics_http_free(h);
		return NULL;
	}
	return h;
}

void
metrics_http_free(struct metrics_http *h)
{
	if (h == NULL)
		return;
	ev_del(&h->io);
	ev_timer_cancel(&h->again);
	if (h->daemon != NULL)
		MHD_stop_daemon(h->daemon);
	server_close(&h->server);
	free(h);
}
