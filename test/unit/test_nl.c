/* SPDX-License-Identifier: BSD-3-Clause */
/* The netlink socket against the kernel, in a network namespace of the test's own. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>

#include "base/ev.h"
#include "nl/nl.h"

#define SKIPPED 77
#define BRIDGES 300 /* more requests than are in flight at once */

struct test {
	struct ev_loop *loop;
	struct nl *nl;
	uint32_t events, messages, done, idles, losses;
	int err;
	bool close_now; /* in the next callback */
};

static void
on_event(void *ctx, const struct nlmsghdr *h)
{
	struct test *t = ctx;

	t->events += h->nlmsg_type == RTM_NEWLINK;
}

static void
on_lost(void *ctx)
{
	struct test *t = ctx;

	t->losses++;
}

static void
on_idle(void *ctx)
{
	struct test *t = ctx;

	t->idles++;
}

static void
on_msg(void *arg, const struct nlmsghdr *h)
{
	struct test *t = arg;

	t->messages++;
	if (t->close_now)
		nl_close(t->nl);
}

static void
on_done(void *arg, int err)
{
	struct test *t = arg;

	t->done++;
	t->err = err;
}

static void
open_socket(struct test *t)
{
	static const uint32_t groups[] = {RTNLGRP_LINK};

	t->nl = nl_open(&(struct nl_config){.loop = t->loop,
					    .tag = "test",
					    .protocol = NETLINK_ROUTE,
					    .ngroups = 1,
					    .groups = groups,
					    .event = on_event,
					    .lost = on_lost,
					    .idle = on_idle,
					    .ctx = t});
	assert_non_null(t->nl);
}

static int
setup(void **state)
{
	static struct test t;

	t = (struct test){.loop = ev_loop_new()};
	open_socket(&t);
	*state = &t;
	return 0;
}

static int
teardown(void **state)
{
	struct test *t = *state;

	if (!t->close_now)
		nl_close(t->nl);
	ev_loop_free(t->loop);
	return 0;
}

static void
send_link(struct test *t, uint16_t type, uint16_t flags, const char *name)
{
	char buf[512] __attribute__((aligned(8)));
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct nlattr *info;

	h->nlmsg_type = type;
	h->nlmsg_flags = flags;
	mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg));
	if (name != NULL)
		mnl_attr_put_strz(h, IFLA_IFNAME, name);
	if (type == RTM_NEWLINK) {
		info = mnl_attr_nest_start(h, IFLA_LINKINFO);
		mnl_attr_put_strz(h, IFLA_INFO_KIND, "bridge");
		mnl_attr_nest_end(h, info);
	}
	assert_int_equal(nl_send(t->nl, h,
				 &(struct nl_answer){.msg = on_msg, .done = on_done, .arg = t}),
			 0);
}

/* The loopback device up or down. */
static void
send_flags(struct test *t, uint32_t flags)
{
	char buf[64] __attribute__((aligned(8)));
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *i;

	h->nlmsg_type = RTM_NEWLINK;
	i = mnl_nlmsg_put_extra_header(h, sizeof(*i));
	*i = (struct ifinfomsg){.ifi_index = 1, .ifi_change = IFF_UP, .ifi_flags = flags};
	assert_int_equal(nl_send(t->nl, h, &(struct nl_answer){.done = on_done, .arg = t}), 0);
}

static void
run_until_answered(struct test *t)
{
	while (nl_pending(t->nl) > 0)
		ev_run_once(t->loop, -1);
}

static void
dump(void **state)
{
	struct test *t = *state;

	send_link(t, RTM_GETLINK, NLM_F_DUMP, NULL);
	assert_int_equal(nl_pending(t->nl), 1);
	run_until_answered(t);
	assert_int_equal(t->done, 1);
	assert_int_equal(t->err, 0);
	assert_true(t->messages >= 1); /* at least the loopback device */
	assert_true(t->idles >= 1);
}

static void
refusal(void **state)
{
	struct test *t = *state;

	send_link(t, RTM_DELLINK, 0, "nosuch0");
	run_until_answered(t);
	assert_int_equal(t->done, 1);
	assert_int_equal(t->err, -ENODEV);
	assert_int_equal(t->messages, 0);
}

/* Requests before, after and between dumps are answered in their order, and tell others. */
static void
many_requests(void **state)
{
	struct test *t = *state;
	char name[16];

	for (uint32_t i = 0; i < BRIDGES; i++) {
		snprintf(name, sizeof(name), "br%u", i);
		send_link(t, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, name);
		if (i % 100 == 50)
			send_link(t, RTM_GETLINK, NLM_F_DUMP, NULL);
	}
	run_until_answered(t);
	assert_int_equal(t->done, BRIDGES + BRIDGES / 100);
	while (t->events < BRIDGES && t->losses == 0)
		ev_run_once(t->loop, -1);
	for (uint32_t i = 0; i < BRIDGES; i++) {
		snprintf(name, sizeof(name), "br%u", i);
		send_link(t, RTM_DELLINK, 0, name);
	}
	run_until_answered(t);
	assert_int_equal(t->err, 0);
}

/* Notifications that find no room in the receive buffer are told of. */
static void
lost_notifications(void **state)
{
	struct test *t = *state, other = {.loop = ev_loop_new()};
	uint32_t n = 0;

	other.nl = nl_open(
		&(struct nl_config){.loop = other.loop, .tag = "test", .protocol = NETLINK_ROUTE});
	assert_non_null(other.nl);
	/* the subscriber does not read while a device changes */
	while (t->losses == 0) {
		send_flags(&other, n % 2 == 0 ? IFF_UP : 0);
		run_until_answered(&other);
		assert_int_equal(other.err, 0);
		if (++n % 1000 == 0)
			ev_run_once(t->loop, 0);
	}
	nl_close(other.nl);
	ev_loop_free(other.loop);
}

static void
closed_in_a_callback(void **state)
{
	struct test *t = *state;

	t->close_now = true;
	send_link(t, RTM_GETLINK, NLM_F_DUMP, NULL);
	while (t->messages == 0)
		ev_run_once(t->loop, -1);
	assert_int_equal(t->messages, 1);
	assert_int_equal(t->done, 0);
}

static void
limits(void **state)
{
	static char buf[NL_REQUEST_MAX + 64] __attribute__((aligned(8)));
	struct test *t = *state;
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);

	h->nlmsg_len = NL_REQUEST_MAX + 1;
	assert_int_equal(nl_send(t->nl, h, NULL), -EMSGSIZE);
	assert_int_equal(nl_pending(t->nl), 0);
	assert_null(nl_open(&(struct nl_config){.loop = t->loop, .tag = "test", .protocol = 31}));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(dump, setup, teardown),
		cmocka_unit_test_setup_teardown(refusal, setup, teardown),
		cmocka_unit_test_setup_teardown(many_requests, setup, teardown),
		cmocka_unit_test_setup_teardown(lost_notifications, setup, teardown),
		cmocka_unit_test_setup_teardown(closed_in_a_callback, setup, teardown),
		cmocka_unit_test_setup_teardown(limits, setup, teardown),
	};

	if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
		printf("no network namespace can be made: %s\n", strerror(errno));
		return SKIPPED;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
