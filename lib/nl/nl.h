/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A netlink socket on the control loop: requests, dumps and notifications, over libmnl.
 *
 * Control thread only; no function waits for the kernel's answer. Requests are copied, sent in the
 * order given and pipelined: at most NL_IN_FLIGHT of them wait for their acknowledgement, so that
 * the answers fit the receive buffer. A dump is sent when it is alone, since the kernel allows one
 * at a time for each socket, and nothing is sent until it ends.
 *
 * A socket that subscribes to groups gets notifications in the order in which the kernel's tables
 * change, and a dump through the same socket fits into that order: of an object that is in both,
 * the message that comes later is the newer one.
 *
 * Life cycle: nl_open(), requests, nl_close(), which sends requests that wait and forgets the
 * answers.
 */
#ifndef NL_NL_H
#define NL_NL_H

#include <stddef.h>
#include <stdint.h>

struct ev_loop;
struct nl;
struct nlmsghdr;

#define NL_IN_FLIGHT 64      /* requests that wait for their acknowledgement */
#define NL_REQUEST_MAX 4096  /* bytes of one request */
#define NL_QUEUE_MAX 65536   /* requests that wait to be sent */
#define NL_RCVBUF (8u << 20) /* bytes of the receive buffer, as far as the process may have it */

struct nl_config {
	struct ev_loop *loop;
	const char *tag;  /* of log lines; must outlive the socket */
	int protocol;     /* NETLINK_ROUTE, NETLINK_GENERIC */
	uint32_t ngroups; /* to subscribe to */
	const uint32_t *groups;
	/* A message that answers no request. NULL without groups. */
	void (*event)(void *ctx, const struct nlmsghdr *h);
	/*
	 * Notifications were lost (ENOBUFS): the kernel's tables are to be dumped again. NULL
	 * without groups.
	 */
	void (*lost)(void *ctx);
	/* All messages that could be read have been passed on. May be NULL. */
	void (*idle)(void *ctx);
	void *ctx;
};

/** The receiver of the answer to a request. */
struct nl_answer {
	/* each message of the answer that is no acknowledgement; may be NULL */
	void (*msg)(void *arg, const struct nlmsghdr *h);
	/*
	 * The end: 0, -errno as the kernel gave it, -EINTR: the dump is not consistent since the
	 * table changed meanwhile, -ENOBUFS: the answer was lost. May be NULL.
	 */
	void (*done)(void *arg, int err);
	void *arg;
};

/** NULL with errno set: no such protocol or group, no memory, no descriptor. */
struct nl *nl_open(const struct nl_config *cfg);

/** NULL is fine. Requests that wait are sent, but for dumps; no answer is called any more. */
void nl_close(struct nl *nl);

/**
 * Send @p h, whose length, type, payload and flags are set, NLM_F_DUMP for a dump; sequence number,
 * NLM_F_REQUEST and NLM_F_ACK are added here. @p a may be NULL. 0, -EMSGSIZE (longer than
 * NL_REQUEST_MAX), -ENOBUFS (NL_QUEUE_MAX requests wait) or -ENOMEM; then no answer is called.
 * A request that the socket refuses ends with that error before this returns.
 */
int nl_send(struct nl *nl, const struct nlmsghdr *h, const struct nl_answer *a);

/** Answers with this arg are not called any more; the requests are still carried out. */
void nl_forget(struct nl *nl, const void *arg);

/** Requests that were not answered so far. */
uint32_t nl_pending(const struct nl *nl);

#endif
