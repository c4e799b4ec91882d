/* SPDX-License-Identifier: BSD-3-Clause */
#include "control_socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app.h"
#include "base/server.h"
#include "cli/cli.h"
#include "cli/wait.h"

#define LINE_LEN_MAX 4096 /* a longer command ends the connection */
#define CLIENTS_MAX 32
#define PASSED_MAX 4 /* descriptors of one message that are looked at; the kernel closes others */

#define TOO_MANY \
	"The control socket has its " RTE_STR(CLIENTS_MAX) " clients, the most there can be.\n"

/**
 * One connection. Either it has an answer to send, or a line to be executed when it is its
 * turn, or it is read from: hundreds of lines may have come at once, and others wait. Between
 * two commands it may be silent for ever, as an operator is; a line that has begun and an answer
 * have a deadline.
 */
struct client {
	struct ev_source io;
	struct ev_job job; /* to execute a line */
	struct server_client of_server;
	struct control_socket *cs;
	char line[LINE_LEN_MAX];
	size_t line_len;
	char *answer; /* being sent, NULL: none */
	size_t answer_len, answer_sent;
	FILE *out; /* a command is being executed: it prints here */
	int fd;    /* that came with a line, -1: none */
	struct wait wait;
};

struct control_socket {
	struct server server;
	struct app *app;
};

/* The answer to the command that one client too many is about to give. */
static const char refusal[] = TOO_MANY "\0"
				       "1";

/* A descriptor that no command has taken. */
static void
close_passed(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static void
client_free(struct client *c)
{
	server_leave(&c->of_server);
	ev_del(&c->io);
	ev_job_cancel(&c->job);
	close(c->io.fd);
	wait_drop(&c->wait);
	if (c->out != NULL)
		fclose(c->out); /* sets answer */
	free(c->answer);
	close_passed(c);
	free(c);
}

/* The output of the command is its answer, with the status behind it. False: out of memory. */
static bool
complete(struct client *c, bool ok)
{
	FILE *out = c->out;

	c->out = NULL;
	close_passed(c); /* the client may wait for its end */
	fputc('\0', out);
	fputc(ok ? '0' : '1', out);
	c->answer_sent = 0;
	return fclose(out) == 0;
}

/* Run one line. False: out of memory. */
static bool
execute(struct client *c, char *line)
{
	bool ok;

	c->out = open_memstream(&c->answer, &c->answer_len);
	if (c->out == NULL)
		return false;
	c->wait.out = c->out;
	if (line[0] == '\t') {
		cli_complete(c->cs->app->cli, line + 1, c->out);
		return complete(c, true);
	}
	ok = cli_run_waiting(c->cs->app->cli, line, c->out, &c->wait);
	return wait_active(&c->wait) || complete(c, ok);
}

/* False: the connection is gone. */
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
	free(c->answer);
	c->answer = NULL;
	return true;
}

/* Execute the first line, of @p len bytes, and answer it. False: close. */
static bool
serve_line(struct client *c, size_t len)
{
	char line[LINE_LEN_MAX + 1];

	if (memchr(c->line, '\0', len) != NULL)
		return false;
	memcpy(line, c->line, len);
	line[len] = '\0';
	c->line_len -= len;
	memmove(c->line, c->line + len, c->line_len);
	server_client_done(&c->of_server);
	return execute(c, line) && (wait_active(&c->wait) || send_answer(c));
}

/* Bytes of the first line that has arrived; 0: it is not complete. */
static size_t
first_line(const struct client *c)
{
	const char *end = memchr(c->line, '\n', c->line_len);

	return end != NULL ? (size_t)(end - c->line) + 1 : 0;
}

/* One answer under way at a time; an operator's line has to wait for its turn. False: close. */
static bool
next_line(struct client *c)
{
	if (c->answer != NULL || wait_active(&c->wait))
		return true;
	if (first_line(c) == 0)
		return c->line_len < LINE_LEN_MAX;
	ev_job_queue(c->cs->app->loop, &c->job);
	return true;
}

/* Keep the descriptor of a message, the last one if there are several. */
static void
keep_passed(struct client *c, struct msghdr *m)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h != NULL; h = CMSG_NXTHDR(m, h)) {
		size_t n = h->cmsg_len - CMSG_LEN(0);
		int fds[PASSED_MAX];

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS || n > sizeof(fds))
			continue;
		memcpy(fds, CMSG_DATA(h), n);
		for (size_t i = 0; i < n / sizeof(int); i++) {
			close_passed(c);
			c->fd = fds[i];
		}
	}
}

/* False: the peer has closed or is in error. */
static bool
read_lines(struct client *c)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(PASSED_MAX * sizeof(int))];
	} passed;
	struct iovec to = {c->line + c->line_len, LINE_LEN_MAX - c->line_len};
	struct msghdr m = {
		.msg_iov = &to,
		.msg_iovlen = 1,
		.msg_control = &passed,
		.msg_controllen = sizeof(passed),
	};
	ssize_t n = recvmsg(c->io.fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	keep_passed(c, &m);
	c->line_len += (size_t)n;
	return n > 0;
}

/* An answer of which the client has not taken all. */
static bool
is_answering(const struct client *c)
{
	return c->answer != NULL && c->out == NULL;
}

/* The deadline is of one line or of one answer: what is owed next has another. */
static void
note_debt(struct client *c, bool owed)
{
	if (owed)
		server_client_owes(&c->of_server);
	else
		server_client_done(&c->of_server);
}

/*
 * Go on with what comes next; that it waits for its turn is not the client's fault. Nothing is read
 * then, nor while an answer is made in parts: a client that has ended its lines wants the answers.
 */
static void
go_on(struct client *c, bool ok)
{
	uint32_t events = c->line_len < LINE_LEN_MAX ? EPOLLIN : 0;
	bool queued;

	if (!ok || !next_line(c)) {
		client_free(c);
		return;
	}
	queued = c->job.loop != NULL || (wait_active(&c->wait) && c->wait.kind->busy);
	ev_mod(&c->io, is_answering(c) ? EPOLLOUT : queued ? 0 : events);
	note_debt(c, is_answering(c) || (c->line_len != 0 && !queued && !wait_active(&c->wait)));
}

static void
on_job(struct ev_job *t)
{
	struct client *c = container_of(t, struct client, job);

	go_on(c, serve_line(c, first_line(c)));
}

static void
on_client(struct ev_source *src, uint32_t events)
{
	struct client *c = container_of(src, struct client, io);
	bool ok = true;

	if (c->job.loop != NULL)
		return; /* its end is noticed when the lines before are done */
	if (is_answering(c))
		ok = send_answer(c);
	else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		ok = read_lines(c);
	go_on(c, ok);
}

/* The command that waited is done. */
static void
on_waited(struct wait *w, bool done)
{
	struct client *c = container_of(w, struct client, wait);
	bool ok = complete(c, done) && send_answer(c);

	go_on(c, ok);
}

static void
on_accepted(struct server *s, int fd)
{
	struct control_socket *cs = container_of(s, struct control_socket, server);
	struct client *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		close(fd);
		return;
	}
	c->cs = cs;
	c->io = (struct ev_source){.fd = fd, .cb = on_client};
	c->job.cb = on_job;
	c->wait.done = on_waited;
	c->wait.passed = &c->fd;
	c->wait.client = &c->io.fd;
	c->fd = -1;
	server_join(s, &c->of_server, fd);
	if (ev_add(cs->app->loop, &c->io, EPOLLIN) < 0)
		client_free(c);
}

struct control_socket *
control_socket_new(struct app *app, const char *path, mode_t mode, char *err, size_t errlen)
{
	const struct sock_access access = {.mode = mode, .owner = (uid_t)-1, .group = (gid_t)-1};
	struct control_socket *cs = calloc(1, sizeof(*cs));

	if (cs == NULL) {
		snprintf(err, errlen, "out of memory");
		return NULL;
	}
	cs->app = app;
	cs->server = (struct server){
		.accepted = on_accepted,
		.tag = "control socket",
		.max = CLIENTS_MAX,
		.refusal = refusal,
		.refusal_len = sizeof(refusal) - 1,
	};
	if (server_listen(&cs->server, app->loop, path, &access, err, errlen) == 0)
		return cs;
	free(cs);
	return NULL;
}

const char *
control_socket_path(const struct control_socket *cs)
{
	return cs->server.path;
}

void
control_socket_taken_over(const struct control_socket *cs)
{
	if (cs != NULL)
		sock_listener_own(&cs->server.listener);
}

void
control_socket_free(struct control_socket *cs)
{
	struct server_client *c, *next;

	if (cs == NULL)
		return;
	for (c = server_first(&cs->server); c != NULL; c = next) {
		next = LIST_NEXT(c, entry);
		client_free(container_of(c, struct client, of_server));
	}
	server_close(&cs->server);
	free(cs);
}
