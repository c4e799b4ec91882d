/* SPDX-License-Identifier: BSD-3-Clause */
#include "metrics_http.h"

#include <arpa/inet.h>
#include <errno.h>
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
#include "base/parse.h"
#include "base/server.h"
#include "page/page.h"
#include "show/metrics.h"
#include "show/view.h"

#define REQUEST_MAX \
	16384      /* bytes of a request's head and of the answer's; longer ones are refused */
#define BLOCK 4096 /* bytes of an answer made at once: there may be megabytes, and other clients */
#define CLIENTS_MAX 16
#define SOCKET_MODE 0660

#define UNIX_PREFIX "unix:"
#define JSON_PATH "/json/"
#define TEXT_PATH "/text/port/"

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

/** Of every answer: no other site may use it, and a browser takes it for nothing else. */
static const char *const headers[][2] = {
	{"Connection", "close"},
	{"Cache-Control", "no-store"},
	{"Content-Security-Policy",
	 "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
	 "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
	{"Referrer-Policy", "no-referrer"},
	{"X-Content-Type-Options", "nosniff"},
};

/* Answer with @p r, which is NULL without memory. */
static enum MHD_Result
respond(struct MHD_Connection *c, unsigned int status, const char *type, struct MHD_Response *r)
{
	enum MHD_Result ret;

	if (r == NULL)
		return MHD_NO;
	MHD_add_response_header(r, "Content-Type", type);
	for (size_t i = 0; i < RTE_DIM(headers); i++)
		MHD_add_response_header(r, headers[i][0], headers[i][1]);
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

/* The next @p n bytes of an answer as libmicrohttpd has it. */
static ssize_t
room_used(ssize_t n)
{
	return n > 0    ? n
	       : n == 0 ? MHD_CONTENT_READER_END_OF_STREAM
			: MHD_CONTENT_READER_END_WITH_ERROR;
}

static ssize_t
on_metrics_room(void *ctx, uint64_t pos, char *buf, size_t max)
{
	return room_used(metrics_read(ctx, buf, max));
}

static void
on_metrics_sent(void *ctx)
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
	r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, on_metrics_room, m,
					      on_metrics_sent);
	if (r == NULL)
		metrics_free(m);
	return respond(c, MHD_HTTP_OK, f->type, r);
}

/* --- the page and what it asks for --- */

static ssize_t
on_view_room(void *ctx, uint64_t pos, char *buf, size_t max)
{
	return room_used(view_read(ctx, buf, max));
}

static void
on_view_sent(void *ctx)
{
	view_free(ctx);
}

/* The text of "show WORDS json". */
static enum MHD_Result
give_view(struct metrics_http *h, struct MHD_Connection *c, const char *words)
{
	struct view *v = view_new(h->app, words);
	struct MHD_Response *r;

	if (v == NULL && errno == ENOENT)
		return refuse(c, MHD_HTTP_NOT_FOUND,
			      "There is no such port, or nothing such to show.\n");
	if (v == NULL)
		return MHD_NO;
	r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, on_view_room, v,
					      on_view_sent);
	if (r == NULL)
		view_free(v);
	return respond(c, MHD_HTTP_OK, "application/json", r);
}

/* The port of "NUMBER/negotiation". */
static const struct port *
port_of(const struct app *app, const char *words)
{
	const char *rest;
	uint64_t id;

	if (!parse_number(words, 10, DP_PORTS_MAX - 1, &id, &rest) ||
	    strcmp(rest, "/negotiation") != 0)
		return NULL;
	return app_port(app, id);
}

/* The text of "show port N negotiation", which is no JSON. */
static enum MHD_Result
give_negotiation(struct metrics_http *h, struct MHD_Connection *c, const char *words)
{
	const struct port *p = port_of(h->app, words);
	char *text = NULL;
	size_t len;
	FILE *out;

	if (p == NULL)
		return refuse(c, MHD_HTTP_NOT_FOUND, "There is no such port.\n");
	out = open_memstream(&text, &len);
	if (out == NULL)
		return MHD_NO;
	if (p->ops->negotiation != NULL)
		p->ops->negotiation(p, out);
	else
		fprintf(out, "Port %u (%s) has no negotiation\n", p->id, p->name);
	if (fclose(out) != 0) {
		free(text);
		return MHD_NO;
	}
	return respond(c, MHD_HTTP_OK, "text/plain; charset=utf-8",
		       MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE));
}

static const struct page_file *
find_file(const char *url)
{
	const struct page_file *f = page_files;

	while (f->path != NULL && strcmp(f->path, url) != 0)
		f++;
	return f->path != NULL ? f : NULL;
}

static enum MHD_Result
give_file(struct MHD_Connection *c, const struct page_file *f)
{
	return respond(c, MHD_HTTP_OK, f->type,
		       MHD_create_response_from_buffer(f->len, (void *)(uintptr_t)f->data,
						       MHD_RESPMEM_PERSISTENT));
}

/* --- which of them --- */

/*
 * Whether @p host, of a request, is "localhost" or an address, with or without a port. Any other
 * name may be one of a site that has it lead here, so that a browser gives the site our answers.
 */
static bool
is_own_host(const char *host)
{
	size_t len = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
	unsigned char addr[sizeof(struct in6_addr)];
	char name[INET6_ADDRSTRLEN + 2];

	if (len >= sizeof(name) || len > strlen(host) || strchr(":", host[len]) == NULL)
		return false;
	memcpy(name, host, len);
	name[len] = '\0';
	if (*name == '[') {
		name[len - 1] = '\0';
		return inet_pton(AF_INET6, name + 1, addr) == 1;
	}
	return strcasecmp(name, "localhost") == 0 || inet_pton(AF_INET, name, addr) == 1;
}

/* On "/" those who do not ask for HTML get metrics, as scrapers do. */
static bool
wants_page(const char *accept, const struct format *f)
{
	double html = accept != NULL ? accepts(accept, "text/html") : 0;

	return html > 0 && html > (f != NULL ? accepts(accept, f->range) : 0);
}

static enum MHD_Result
give_scrape(struct metrics_http *h, struct MHD_Connection *c, const struct format *f)
{
	if (f == NULL)
		return refuse(c, MHD_HTTP_NOT_ACCEPTABLE,
			      "There are application/openmetrics-text and text/plain; text/html at "
			      "/.\n");
	return give_metrics(h, c, f);
}

static enum MHD_Result
give(struct metrics_http *h, struct MHD_Connection *c, const char *url)
{
	const char *accept = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Accept");
	const char *host = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Host");
	const struct format *f = choose_format(accept);
	const struct page_file *file = find_file(url);
	bool scrape =
		strcmp(url, "/metrics") == 0 || (strcmp(url, "/") == 0 && !wants_page(accept, f));

	/* a browser reaches no unix socket, and clients of one call the host as they like */
	if (host != NULL && !is_own_host(host) && !(scrape && h->server.path[0] != '\0'))
		return refuse(c, MHD_HTTP_FORBIDDEN, "The host must be localhost or an address.\n");
	if (scrape)
		return give_scrape(h, c, f);
	if (file != NULL)
		return give_file(c, file);
	if (strncmp(url, JSON_PATH, strlen(JSON_PATH)) == 0)
		return give_view(h, c, url + strlen(JSON_PATH));
	if (strncmp(url, TEXT_PATH, strlen(TEXT_PATH)) == 0)
		return give_negotiation(h, c, url + strlen(TEXT_PATH));
	return refuse(c, MHD_HTTP_NOT_FOUND, "There are /, /metrics and /json/switch.\n");
}

static enum MHD_Result
on_request(void *ctx, struct MHD_Connection *c, const char *url, const char *method,
	   const char *version, const char *upload, size_t *upload_size, void **state)
{
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return refuse(c, MHD_HTTP_METHOD_NOT_ALLOWED, "Only GET and HEAD are answered.\n");
	return give(ctx, c, url);
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
		/* they would be closed on control, and a peer decides how long that takes */
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
