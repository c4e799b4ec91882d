/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/server.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bsd/string.h>

#include <rte_common.h>

static void
refuse(struct server *s, int fd)
{
	log_peer(&s->listener.log_limit, s->tag, "a connection was refused: %u are open",
		 s->nclients);
	(void)!send(fd, s->refusal, s->refusal_len, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static void
on_accepted(struct sock_listener *l, int fd)
{
	struct server *s = container_of(l, struct server, listener);

	if (s->nclients >= s->max)
		refuse(s, fd);
	else
		s->accepted(s, fd);
}

int
server_accept_on(struct server *s, struct ev_loop *loop, int fd)
{
	s->listener = (struct sock_listener){.accepted = on_accepted, .tag = s->tag};
	LIST_INIT(&s->clients);
	return sock_accept_on(&s->listener, loop, fd);
}

int
server_listen(struct server *s, struct ev_loop *loop, const char *path,
	      const struct sock_access *access, char *err, size_t errlen)
{
	int fd = sock_listen_unix(path, access, err, errlen);

	if (fd < 0)
		return -1;
	strlcpy(s->path, path, sizeof(s->path));
	if (server_accept_on(s, loop, fd) == 0)
		return 0;
	snprintf(err, errlen, "socket %s cannot be watched", path);
	server_close(s);
	return -1;
}

void
server_close(struct server *s)
{
	sock_listener_close(&s->listener);
	if (s->path[0] != '\0')
		unlink(s->path);
	s->path[0] = '\0';
}

/* --- clients --- */

static void
on_deadline(struct ev_timer *t)
{
	shutdown(container_of(t, struct server_client, deadline)->fd, SHUT_RDWR);
}

void
server_join(struct server *s, struct server_client *c, int fd)
{
	c->server = s;
	c->fd = fd;
	c->deadline.cb = on_deadline;
	LIST_INSERT_HEAD(&s->clients, c, entry);
	s->nclients++;
}

void
server_leave(struct server_client *c)
{
	if (c->server == NULL)
		return;
	ev_timer_cancel(&c->deadline);
	LIST_REMOVE(c, entry);
	c->server->nclients--;
	c->server = NULL;
}

void
server_client_owes(struct server_client *c)
{
	if (c->deadline.loop == NULL)
		ev_timer_arm(c->server->listener.loop, &c->deadline, SERVER_DEADLINE_S * 1000);
}

void
server_client_done(struct server_client *c)
{
	ev_timer_cancel(&c->deadline);
}

struct server_client *
server_first(const struct server *s)
{
	return LIST_FIRST(&s->clients);
}
