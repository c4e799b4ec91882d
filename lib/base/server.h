/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The server of a stream socket: its clients, how many there may be, and their deadlines.
 *
 * A client owes something once it has begun a request, or has an answer to read: it then has
 * SERVER_DEADLINE_S for that. Nothing it does puts that off; afterwards the connection is shut
 * down, and its owner reads the end of it. One client too many gets a refusal and the end.
 *
 * Life cycle: zeroes and the members of the owner; server_listen() or server_accept_on(); a client
 * is a member of the owner's own struct, from server_join() to server_leave(); server_close().
 *
 * Control thread.
 */
#ifndef BASE_SERVER_H
#define BASE_SERVER_H

#include <stddef.h>
#include <sys/queue.h>
#include <sys/un.h>

#include "base/sock.h"

#define SERVER_DEADLINE_S 10

struct server;

struct server_client {
	LIST_ENTRY(server_client) entry;
	struct server *server; /* NULL: not joined */
	int fd;                /* the owner's */
	struct ev_timer deadline;
};

struct server {
	/* set by the owner */
	/** A new connection; the callee owns @p fd: it closes it, or calls server_join(). */
	void (*accepted)(struct server *s, int fd);
	const char *tag; /* of log lines */
	unsigned int max;
	const char *refusal; /* what one too many is sent, of so many bytes; static text */
	size_t refusal_len;
	/* the server's */
	struct sock_listener listener;
	LIST_HEAD(server_clients, server_client) clients;
	unsigned int nclients;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* "": no socket file */
};

/** Listen at the unix socket @p path. 0, or -1 with a sentence in @p err. */
int server_listen(struct server *s, struct ev_loop *loop, const char *path,
		  const struct sock_access *access, char *err, size_t errlen);

/** Accept from listening socket @p fd, which is taken, also on failure. 0 or -errno. */
int server_accept_on(struct server *s, struct ev_loop *loop, int fd);

/** @p c, of connection @p fd, is a client from now on, and owes nothing. */
void server_join(struct server *s, struct server_client *c, int fd);

/** It is none any more; harmless when it is not. Does not close fd. */
void server_leave(struct server_client *c);

/** It owes something; if it did before, the deadline stays. */
void server_client_owes(struct server_client *c);

/** It has done its part. */
void server_client_done(struct server_client *c);

/** The first client, or NULL: to end all of them. */
struct server_client *server_first(const struct server *s);

/** Listen no more and remove the socket file. There is no client; harmless when not listening. */
void server_close(struct server *s);

#endif
