/* SPDX-License-Identifier: BSD-3-Clause */
#include "metrics_http.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app.h"
#include "base/sock.h"
#include "show/metrics.h"

#define REQUEST_MAX 4096 /* a longer request is refused */
#define CLIENTS_MAX 16
#define TIMEOUT_MS 10000 /* for a request and its answer */
#define SOCKET_MODE 0660

#define UNIX_PREFIX "unix:"

/** One request and its answer. */
struct client {
	struct ev_source io;
	struct ev_timer deadline;
	struct metrics_http *http;
	char request[REQUEST_MAX + 1];
	size_t request_len;
	char *answer; /* being sent, NULL: the request is not complete */
	size_t answer_len, answer_sent;
	LIST_ENTRY(client) entry;
};

struct metrics_http {
	struct sock_listener listener;
	struct app *app;
	char *path; /* of a unix socket */
	unsigned int nclients;
	LIST_HEAD(client_list, client) clients;
};

static void
client_free(struct client *c)
{
	ev_del(&c->io);
	ev_timer_cancel(&c->deadline);
	close(c->io.fd);
	LIST_REMOVE(c, entry);
	c->http->nclients--;
	free(c->answer);
	free(c);
}

static void
on_deadline(struct ev_timer *t)
{
	client_free(container_of(t, struct client, deadline));
}

/* --- answers --- */

/* The answer to HEAD is that to GET without its body. */
static bool
is_head(const char *request)
{
	return strncmp(request, "HEAD ", 5) == 0;
}

static const char *
status_of(const char *request)
{
	static const char *const paths[] = {"/metrics ", "/metrics?", "/ "};
	const char *path;

	if (strncmp(request, "GET ", 4) != 0 && !is_head(request))
		return "405 Method Not Allowed";
	path = strchr(request, ' ') + 1;
	for (size_t i = 0; i < RTE_DIM(paths); i++)
		if (strncmp(path, paths[i], strlen(paths[i])) == 0)
			return "200 OK";
	return "404 Not Found";
}

/* The text for a request, of which @p *len bytes count; NULL: out of memory. */
static char *
body_of(struct app *app, const char *status, size_t *len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len);

	if (out == NULL)
		return NULL;
	if (strcmp(status, "200 OK") == 0)
		metrics_write(app, out);
	else
		fprintf(out, "%s\n", status);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

/* False: out of memory. */
static bool
make_answer(struct client *c)
{
	const char *status = status_of(c->request);
	const char *type = "text/plain";
	size_t body_len = 0;
	char *body = body_of(c->http->app, status, &body_len);
	FILE *out = body != NULL ? open_memstream(&c->answer, &c->answer_len) : NULL;
	bool ok = false;

	if (strcmp(status, "200 OK") == 0)
		type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
	if (out != NULL) {
		fprintf(out,
			"HTTP/1.0 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
			"Connection: close\r\n\r\n",
			status, type, body_len);
		if (!is_head(c->request))
			fwrite(body, 1, body_len, out);
		ok = fclose(out) == 0;
	}
	free(body);
	return ok;
}

/* --- one client --- */

/* False: everything is sent, or the peer is gone. */
static bool
send_answer(struct client *c)
{
	while (c->answer_sent < c->answer_len) {
		ssize_t n = send(c->io.fd, c->answer + c->answer_sent,
				 c->answer_len - c->answer_sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		c->answer_sent += (size_t)n;
	}
	shutdown(c->io.fd, SHUT_WR);
	return false;
}

/* False: the peer is gone or sends too much. */
static bool
read_request(struct client *c)
{
	ssize_t n = recv(c->io.fd, c->request + c->request_len, REQUEST_MAX - c->request_len,
			 MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	c->request_len += (size_t)n;
	c->request[c->request_len] = '\0';
	if (strstr(c->request, "\r\n\r\n") == NULL && strstr(c->request, "\n\n") == NULL)
		return c->request_len < REQUEST_MAX;
	return make_answer(c);
}

static void
on_client(struct ev_source *src, uint32_t events)
{
	struct client *c = container_of(src, struct client, io);
	bool ok = true;

	if (c->answer == NULL)
		ok = read_request(c);
	if (ok && c->answer != NULL) {
		ok = send_answer(c);
		ev_mod(&c->io, EPOLLOUT);
	}
	if (!ok)
		client_free(c);
}

static void
on_accepted(struct sock_listener *l, int fd)
{
	struct metrics_http *h = container_of(l, struct metrics_http, listener);
	struct client *c;

	c = h->nclients < CLIENTS_MAX ? calloc(1, sizeof(*c)) : NULL;
	if (c == NULL) {
		close(fd);
		return;
	}
	c->http = h;
	c->io = (struct ev_source){.fd = fd, .cb = on_client};
	c->deadline.cb = on_deadline;
	LIST_INSERT_HEAD(&h->clients, c, entry);
	h->nclients++;
	ev_timer_arm(h->app->loop, &c->deadline, TIMEOUT_MS);
	if (ev_add(h->app->loop, &c->io, EPOLLIN) < 0)
		client_free(c);
}

/* --- life cycle --- */

static int
listen_at(struct metrics_http *h, const char *where, char *err, size_t errlen)
{
	const struct sock_access access = {SOCKET_MODE, (uid_t)-1, (gid_t)-1};
	size_t prefix = strlen(UNIX_PREFIX);
	int fd;

	if (strncmp(where, UNIX_PREFIX, prefix) != 0)
		return sock_listen_loopback(where, err, errlen);
	fd = sock_listen_unix(where + prefix, &access, err, errlen);
	if (fd >= 0)
		h->path = strdup(where + prefix);
	return fd;
}

struct metrics_http *
metrics_http_new(struct app *app, const char *where, char *err, size_t errlen)
{
	struct metrics_http *h = calloc(1, sizeof(*h));
	char why[256];
	int fd;

	if (h == NULL) {
		snprintf(err, errlen, "out of memory");
		return NULL;
	}
	fd = listen_at(h, where, why, sizeof(why));
	if (fd < 0) {
		snprintf(err, errlen, "--metrics=%.512s: %s", where, why);
		free(h);
		return NULL;
	}
	h->app = app;
	LIST_INIT(&h->clients);
	h->listener = (struct sock_listener){.accepted = on_accepted, .tag = "metrics"};
	if (sock_accept_on(&h->listener, app->loop, fd) < 0) {
		snprintf(err, errlen, "--metrics=%.512s: cannot be watched", where);
		metrics_http_free(h);
		return NULL;
	}
	return h;
}

void
metrics_http_free(struct metrics_http *h)
{
	struct client *c, *next;

	if (h == NULL)
		return;
	for (c = LIST_FIRST(&h->clients); c != NULL; c = next) {
		next = LIST_NEXT(c, entry);
		client_free(c);
	}
	sock_listener_close(&h->listener);
	if (h->path != NULL)
		unlink(h->path);
	free(h->path);
	free(h);
}
