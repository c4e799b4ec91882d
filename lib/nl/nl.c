/* SPDX-License-Identifier: BSD-3-Clause */
#include "nl/nl.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>

#include <rte_common.h>

#include "base/ev.h"
#include "base/log.h"

#define READ_BYTES 32768    /* the kernel fills dumps up to that */
#define READS_PER_ROUND 256 /* messages per round; then the loop's other sources are served */

struct request {
	STAILQ_ENTRY(request) entry;
	struct nl_answer answer;
	uint32_t seq;
	bool dump;
	int err; /* of a dump so far */
	size_t len;
	char msg[] __rte_aligned(NLMSG_ALIGNTO);
};

STAILQ_HEAD(requests, request);

struct nl {
	struct nl_config cfg;
	struct mnl_socket *sock;
	struct ev_source src;
	struct requests waiting; /* to be sent */
	struct requests sent;    /* to be answered, in the order of sending */
	uint32_t nwaiting, nsent;
	uint32_t seq;
	struct log_limit log_limit;
	bool closed;  /* by a callback: freed when the callback has returned */
	bool reading; /* a callback may be running */
	char buf[READ_BYTES] __rte_aligned(NLMSG_ALIGNTO);
};

static void
request_end(struct nl *nl, struct request *r, int err)
{
	STAILQ_REMOVE(&nl->sent, r, request, entry);
	nl->nsent--;
	if (r->answer.done != NULL && !nl->closed)
		r->answer.done(r->answer.arg, err);
	free(r);
}

static bool
may_send(const struct nl *nl, const struct request *r)
{
	const struct request *first = STAILQ_FIRST(&nl->sent); /* a dump is alone */

	if (r == NULL || nl->nsent >= NL_IN_FLIGHT)
		return false;
	return first == NULL || (!first->dump && !r->dump);
}

static void
send_waiting(struct nl *nl)
{
	struct request *r;

	while (!nl->closed && may_send(nl, r = STAILQ_FIRST(&nl->waiting))) {
		ssize_t n;

		do
			n = mnl_socket_sendto(nl->sock, r->msg, r->len);
		while (n < 0 && errno == EINTR);
		STAILQ_REMOVE_HEAD(&nl->waiting, entry);
		nl->nwaiting--;
		STAILQ_INSERT_TAIL(&nl->sent, r, entry);
		nl->nsent++;
		if (n < 0)
			request_end(nl, r, -errno);
	}
}

static struct request *
request_by_seq(struct nl *nl, uint32_t seq)
{
	struct request *r;

	STAILQ_FOREACH (r, &nl->sent, entry)
		if (r->seq == seq)
			return r;
	return NULL;
}

/* A negative errno, 0 at an acknowledgement or the end of a dump. */
static int
end_of(const struct nlmsghdr *h)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);

	if (h->nlmsg_type == NLMSG_ERROR)
		return mnl_nlmsg_get_payload_len(h) >= sizeof(*e) ? e->error : -EBADMSG;
	/* a dump may end with an error code in its payload */
	if (mnl_nlmsg_get_payload_len(h) >= sizeof(int))
		return *(const int *)mnl_nlmsg_get_payload(h);
	return 0;
}

static void
take_answer(struct nl *nl, struct request *r, const struct nlmsghdr *h)
{
	int err;

	if (h->nlmsg_flags & NLM_F_DUMP_INTR)
		r->err = -EINTR;
	if (h->nlmsg_type == NLMSG_ERROR || h->nlmsg_type == NLMSG_DONE) {
		err = end_of(h);
		request_end(nl, r, err < 0 ? err : r->err);
	} else if (h->nlmsg_type >= NLMSG_MIN_TYPE && r->answer.msg != NULL) {
		r->answer.msg(r->answer.arg, h);
	}
}

static void
take_message(struct nl *nl, const struct nlmsghdr *h)
{
	struct request *r = h->nlmsg_seq != 0 ? request_by_seq(nl, h->nlmsg_seq) : NULL;

	/* notifications carry the sequence number and port of whose request caused them */
	if (r != NULL && h->nlmsg_pid == mnl_socket_get_portid(nl->sock))
		take_answer(nl, r, h);
	else if (h->nlmsg_type >= NLMSG_MIN_TYPE && nl->cfg.event != NULL)
		nl->cfg.event(nl->cfg.ctx, h);
}

static void
take_buffer(struct nl *nl, int len)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)nl->buf;

	for (; !nl->closed && mnl_nlmsg_ok(h, len); h = mnl_nlmsg_next(h, &len))
		take_message(nl, h);
}

/* Any answer may be among the lost messages. */
static void
answers_lost(struct nl *nl)
{
	struct request *r;
	uint32_t n = nl->nsent;

	while (n-- > 0 && !nl->closed && (r = STAILQ_FIRST(&nl->sent)) != NULL)
		request_end(nl, r, -ENOBUFS);
	if (!nl->closed && nl->cfg.lost != NULL)
		nl->cfg.lost(nl->cfg.ctx);
}

/* false: nothing more to read */
static bool
read_once(struct nl *nl)
{
	ssize_t n = mnl_socket_recvfrom(nl->sock, nl->buf, sizeof(nl->buf));

	if (n >= 0) {
		take_buffer(nl, (int)n);
		return true;
	}
	if (errno == ENOBUFS) {
		answers_lost(nl);
		return true;
	}
	if (errno != EAGAIN && errno != EINTR)
		log_peer(&nl->log_limit, nl->cfg.tag, "netlink: %s", strerror(errno));
	return errno == EINTR;
}

static void
nl_free(struct nl *nl)
{
	struct requests *list[] = {&nl->waiting, &nl->sent};
	struct request *r;

	for (uint32_t i = 0; i < RTE_DIM(list); i++) {
		while ((r = STAILQ_FIRST(list[i])) != NULL) {
			STAILQ_REMOVE_HEAD(list[i], entry);
			free(r);
		}
	}
	free(nl);
}

static void
on_readable(struct ev_source *src, uint32_t events)
{
	struct nl *nl = container_of(src, struct nl, src);

	nl->reading = true;
	for (uint32_t i = 0; i < READS_PER_ROUND && !nl->closed && read_once(nl); i++)
		send_waiting(nl);
	if (!nl->closed && nl->cfg.idle != NULL)
		nl->cfg.idle(nl->cfg.ctx);
	if (!nl->closed)
		send_waiting(nl);
	nl->reading = false;
	if (nl->closed)
		nl_free(nl);
}

static int
subscribe(struct nl *nl)
{
	int group;

	for (uint32_t i = 0; i < nl->cfg.ngroups; i++) {
		group = (int)nl->cfg.groups[i];
		if (mnl_socket_setsockopt(nl->sock, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) <
		    0)
			return -errno;
	}
	return 0;
}

/* The forced one needs CAP_NET_ADMIN; a smaller buffer works, with more dumps after losses. */
static void
enlarge_buffer(struct nl *nl)
{
	int fd = mnl_socket_get_fd(nl->sock), size = NL_RCVBUF;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

static int
set_up(struct nl *nl)
{
	int err;

	nl->sock = mnl_socket_open2(nl->cfg.protocol, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (nl->sock == NULL || mnl_socket_bind(nl->sock, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	enlarge_buffer(nl);
	err = subscribe(nl);
	if (err < 0)
		return err;
	nl->src = (struct ev_source){.fd = mnl_socket_get_fd(nl->sock), .cb = on_readable};
	return ev_add(nl->cfg.loop, &nl->src, EPOLLIN);
}

struct nl *
nl_open(const struct nl_config *cfg)
{
	struct nl *nl = calloc(1, sizeof(*nl));
	int err;

	if (nl == NULL)
		return NULL;
	nl->cfg = *cfg;
	STAILQ_INIT(&nl->waiting);
	STAILQ_INIT(&nl->sent);
	err = set_up(nl);
	if (err == 0)
		return nl;
	nl_close(nl);
	errno = -err;
	return NULL;
}

/* The kernel carries a request out while it is sent; the answers are of no use any more. */
static void
send_rest(const struct nl *nl)
{
	const struct request *r;

	STAILQ_FOREACH (r, &nl->waiting, entry)
		if (!r->dump)
			(void)mnl_socket_sendto(nl->sock, r->msg, r->len);
}

void
nl_close(struct nl *nl)
{
	if (nl == NULL || nl->closed)
		return;
	nl->closed = true;
	ev_del(&nl->src);
	send_rest(nl);
	if (nl->sock != NULL)
		mnl_socket_close(nl->sock);
	if (!nl->reading)
		nl_free(nl);
}

static uint32_t
next_seq(struct nl *nl)
{
	/* 0 is that of notifications, which answer no request */
	return ++nl->seq != 0 ? nl->seq : ++nl->seq;
}

int
nl_send(struct nl *nl, const struct nlmsghdr *h, const struct nl_answer *a)
{
	struct nlmsghdr *copy;
	struct request *r;

	if (h->nlmsg_len > NL_REQUEST_MAX)
		return -EMSGSIZE;
	if (nl->nwaiting >= NL_QUEUE_MAX)
		return -ENOBUFS;
	r = calloc(1, sizeof(*r) + h->nlmsg_len);
	if (r == NULL)
		return -ENOMEM;
	if (a != NULL)
		r->answer = *a;
	r->len = h->nlmsg_len;
	r->seq = next_seq(nl);
	r->dump = (h->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
	memcpy(r->msg, h, h->nlmsg_len);
	copy = (struct nlmsghdr *)r->msg;
	copy->nlmsg_seq = r->seq;
	copy->nlmsg_pid = 0;
	copy->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	STAILQ_INSERT_TAIL(&nl->waiting, r, entry);
	nl->nwaiting++;
	/* in a callback: after it, so that no answer is called from within */
	if (!nl->reading)
		send_waiting(nl);
	return 0;
}

static void
forget_in(struct requests *list, const void *arg)
{
	struct request *r;

	STAILQ_FOREACH (r, list, entry)
		if (r->answer.arg == arg)
			r->answer = (struct nl_answer){0};
}

void
nl_forget(struct nl *nl, const void *arg)
{
	forget_in(&nl->waiting, arg);
	forget_in(&nl->sent, arg);
}

uint32_t
nl_pending(const struct nl *nl)
{
	return nl->nwaiting + nl->nsent;
}
