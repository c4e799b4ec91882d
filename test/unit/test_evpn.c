/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * EVPN's control half against the kernel, in a network namespace of the test's own: the test writes
 * to the kernel's tables what a routing daemon writes.
 */
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "base/blob.h"
#include "base/ev.h"
#include "base/heir.h"
#include "evpn/evpn.h"
#include "nl/nl.h"

#define SKIPPED 77
#define VNI 100
#define MANY 10000 /* addresses, more than the kernel's neighbour table keeps if it may forget */

static const struct rte_ether_addr mac_a = {{0x52, 0x54, 0, 0, 0, 0xa}};

struct test {
	struct ev_loop *loop;
	struct evpn *e;
	struct nl *daemon; /* the routing daemon's requests */
	struct evpn_ip local, vtep;
	uint32_t remotes, floods, neighs, settled;
	uint32_t gone; /* of remotes: addresses that are at no VTEP any more */
	struct evpn_ip last_vtep;
	struct rte_ether_addr last_mac;
	bool last_on;
	struct evpn_hop hop;
};

int __real_nl_send(struct nl *n, const struct nlmsghdr *h, const struct nl_answer *a);
int __wrap_nl_send(struct nl *n, const struct nlmsghdr *h, const struct nl_answer *a);

static bool without_ipv6; /* the kernel, as it answers */

int
__wrap_nl_send(struct nl *n, const struct nlmsghdr *h, const struct nl_answer *a)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(h);

	if (without_ipv6 && h->nlmsg_type == RTM_NEWNEIGH && ndm->ndm_family == AF_INET6)
		return -EAFNOSUPPORT;
	return __real_nl_send(n, h, a);
}

ssize_t __real_mnl_socket_recvfrom(const struct mnl_socket *sock, void *buf, size_t size);
ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *sock, void *buf, size_t size);

static uint32_t interrupt_dumps; /* so many messages of dumps say that they were interrupted */

ssize_t
__wrap_mnl_socket_recvfrom(const struct mnl_socket *sock, void *buf, size_t size)
{
	ssize_t n = __real_mnl_socket_recvfrom(sock, buf, size);
	struct nlmsghdr *h = buf;

	if (n >= (ssize_t)sizeof(*h) && (h->nlmsg_flags & NLM_F_MULTI) != 0 &&
	    interrupt_dumps != 0) {
		interrupt_dumps--;
		h->nlmsg_flags |= NLM_F_DUMP_INTR;
	}
	return n;
}

static void
on_remote(void *ctx, uint32_t vni, const struct rte_ether_addr *mac, const struct evpn_ip *vtep)
{
	struct test *t = ctx;

	t->remotes++;
	t->gone += !evpn_ip_is_set(vtep);
	t->last_mac = *mac;
	t->last_vtep = *vtep;
}

static void
on_flood(void *ctx, uint32_t vni, const struct evpn_ip *vtep, bool on)
{
	struct test *t = ctx;

	t->floods++;
	t->last_vtep = *vtep;
	t->last_on = on;
}

static void
on_neigh(void *ctx, uint32_t vni, const struct evpn_ip *ip, const struct evpn_neigh *n)
{
	struct test *t = ctx;

	t->neighs++;
	t->last_on = n != NULL;
}

static void
on_hop(void *ctx, const struct evpn_ip *vtep, const struct evpn_hop *hop)
{
	struct test *t = ctx;

	t->hop = *hop;
}

static void
on_settled(void *ctx)
{
	struct test *t = ctx;

	t->settled++;
}

static const struct evpn_ops ops = {.remote = on_remote,
				    .flood = on_flood,
				    .neigh = on_neigh,
				    .hop = on_hop,
				    .settled = on_settled};

/* Run the loop until @p cond holds. A test that never gets there ends by its time limit. */
#define WAIT(t, cond)                              \
	do {                                       \
		while (!(cond))                    \
			ev_run_once((t)->loop, 1); \
	} while (0)

/* Whether a line of shell succeeds. */
static bool
try(const char *command)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

static void
run(const char *command)
{
	assert_true(try(command));
}

static void
get_stats(struct test *t, struct evpn_table_stats *st)
{
	evpn_table_get_stats(evpn_tables(t->e), VNI, st);
}

static bool
devices_are_up(struct test *t)
{
	char buf[128];

	return evpn_why(t->e, VNI, buf, sizeof(buf)) == NULL;
}

static int
setup(void **state)
{
	static struct test t;

	t = (struct test){.loop = ev_loop_new()};
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	run("ip link set lo up; ip link add und0 type veth peer name far0;"
	    "ip address add 10.99.0.1/24 dev und0; ip link set und0 up; ip link set far0 up");
	assert_true(evpn_ip_parse(&t.local, "10.99.0.1"));
	assert_true(evpn_ip_parse(&t.vtep, "10.99.0.2"));
	t.e = evpn_new(t.loop, &ops, &t);
	t.daemon = nl_open(
		&(struct nl_config){.loop = t.loop, .tag = "daemon", .protocol = NETLINK_ROUTE});
	assert_non_null(t.e);
	assert_non_null(t.daemon);
	assert_int_equal(evpn_add_vni(t.e, VNI, &t.local, SHADOW_PORT), 0);
	WAIT(&t, devices_are_up(&t));
	*state = &t;
	return 0;
}

static int
teardown(void **state)
{
	struct test *t = *state;

	evpn_free(t->e);
	nl_close(t->daemon);
	ev_loop_free(t->loop);
	return 0;
}

/* One entry of a table, as a routing daemon writes it. */
static void
write_entry(struct test *t, uint16_t type, const struct ndmsg *ndm,
	    const struct rte_ether_addr *mac, const struct evpn_ip *dst)
{
	char buf[256] __attribute__((aligned(8)));
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);

	h->nlmsg_type = type;
	h->nlmsg_flags = type == RTM_NEWNEIGH ? NLM_F_CREATE | NLM_F_APPEND : 0;
	memcpy(mnl_nlmsg_put_extra_header(h, sizeof(*ndm)), ndm, sizeof(*ndm));
	if (mac != NULL)
		mnl_attr_put(h, NDA_LLADDR, RTE_ETHER_ADDR_LEN, mac);
	if (dst != NULL)
		mnl_attr_put(h, NDA_DST, dst->len, dst->addr);
	assert_int_equal(nl_send(t->daemon, h, NULL), 0);
}

static struct ndmsg
fdb_entry(uint8_t flags, uint16_t state)
{
	return (struct ndmsg){.ndm_family = AF_BRIDGE,
			      .ndm_ifindex = (int)if_nametoindex("vqx100"),
			      .ndm_state = state,
			      .ndm_flags = flags};
}

static void
write_remote(struct test *t, uint16_t type, const struct rte_ether_addr *mac)
{
	struct ndmsg ndm = fdb_entry(NTF_SELF | NTF_MASTER | NTF_EXT_LEARNED, NUD_REACHABLE);

	write_entry(t, type, &ndm, mac, &t->vtep);
}

static void
address_comes_and_goes(void **state)
{
	struct test *t = *state;

	write_remote(t, RTM_NEWNEIGH, &mac_a);
	WAIT(t, t->remotes == 1);
	assert_true(evpn_ip_equal(&t->last_vtep, &t->vtep));
	assert_true(rte_is_same_ether_addr(&t->last_mac, &mac_a));
	assert_true(t->settled >= 1);
	write_remote(t, RTM_DELNEIGH, &mac_a);
	WAIT(t, t->remotes == 2);
	assert_false(evpn_ip_is_set(&t->last_vtep));
}

static void
flood_list_and_neighbours(void **state)
{
	static const struct rte_ether_addr zero;
	struct test *t = *state;
	struct ndmsg ndm = fdb_entry(NTF_SELF, NUD_NOARP | NUD_PERMANENT);
	struct evpn_ip ip;

	write_entry(t, RTM_NEWNEIGH, &ndm, &zero, &t->vtep);
	WAIT(t, t->floods == 1);
	assert_true(t->last_on);
	write_entry(t, RTM_DELNEIGH, &ndm, &zero, &t->vtep);
	WAIT(t, t->floods == 2);
	assert_false(t->last_on);
	assert_true(evpn_ip_parse(&ip, "192.0.2.7"));
	ndm = (struct ndmsg){.ndm_family = AF_INET,
			     .ndm_ifindex = (int)if_nametoindex("vqb100"),
			     .ndm_state = NUD_NOARP,
			     .ndm_flags = NTF_EXT_LEARNED};
	write_entry(t, RTM_NEWNEIGH, &ndm, &mac_a, &ip);
	WAIT(t, t->neighs == 1);
	assert_true(t->last_on);
	write_entry(t, RTM_DELNEIGH, &ndm, NULL, &ip);
	WAIT(t, t->neighs == 2);
	assert_false(t->last_on);
}

static bool
is_here(struct test *t, uint32_t n)
{
	struct evpn_table_stats st;

	get_stats(t, &st);
	return st.here == n && st.unknown == 0;
}

static void
address_of_ours_moves_here_and_away(void **state)
{
	struct test *t = *state;

	write_remote(t, RTM_NEWNEIGH, &mac_a);
	WAIT(t, t->remotes == 1);
	assert_int_equal(evpn_have_mac(t->e, VNI, &mac_a), 0);
	WAIT(t, is_here(t, 1));
	assert_false(evpn_ip_is_set(&t->last_vtep));
	/* what is left of the former place is removed from the VXLAN device's table */
	while (try("bridge fdb show dev vqx100 | grep -q 52:54:00:00:00:0a"))
		ev_run_once(t->loop, 1);
	run("bridge fdb show dev vqt100 | grep -q '52:54:00:00:00:0a.*master vqb100'");
	t->remotes = 0;
	write_remote(t, RTM_NEWNEIGH, &mac_a);
	WAIT(t, t->remotes == 1);
	assert_true(evpn_ip_is_set(&t->last_vtep));
	evpn_lost_mac(t->e, VNI, &mac_a);
	WAIT(t, is_here(t, 0));
	run("bridge fdb show dev vqx100 | grep -q 52:54:00:00:00:0a");
}

static struct rte_ether_addr
mac_number(uint32_t i)
{
	return (struct rte_ether_addr){
		{0x52, 0x54, 1, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
}

/* More than fit into the receive buffer at once, or into the kernel's neighbour table. */
static void
many_addresses(void **state)
{
	struct test *t = *state;
	struct evpn_table_stats st = {0};
	struct rte_ether_addr mac;
	struct evpn_ip ip;
	char text[32];

	for (uint32_t i = 0; i < MANY; i++) {
		mac = mac_number(i);
		write_remote(t, RTM_NEWNEIGH, &mac);
		snprintf(text, sizeof(text), "10.1.%u.%u", i >> 8, i & 0xff);
		assert_true(evpn_ip_parse(&ip, text));
		assert_int_equal(evpn_have_ip(t->e, VNI, &ip, &(struct evpn_neigh){.mac = mac_a}),
				 0);
	}
	while (st.remote != MANY || st.ip_here != MANY) {
		ev_run_once(t->loop, 1);
		get_stats(t, &st);
	}
	run("test $(ip neighbour show dev vqb100 nud permanent | wc -l) -eq 10000");
}

/* A line for each address, for "bridge -batch", which the kernel obeys while the loop rests. */
static void
write_batch(const char *words, uint32_t n)
{
	char path[] = "/tmp/test_evpn.XXXXXX", line[64];
	int fd = mkstemp(path);
	FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;

	assert_non_null(f);
	for (uint32_t i = 0; i < n; i++) {
		struct rte_ether_addr mac = mac_number(i);

		fprintf(f, "fdb replace " RTE_ETHER_ADDR_PRT_FMT " dev vqx100 %s\n",
			RTE_ETHER_ADDR_BYTES(&mac), words);
	}
	fclose(f);
	snprintf(line, sizeof(line), "bridge -batch %s", path);
	run(line);
	unlink(path);
}

/* Notifications that are lost lead to another reading, without a gap for what was known. */
static void
lost_notifications_are_made_up_for(void **state)
{
	struct evpn_table_stats st = {0};
	struct evpn_stats stats = {0};
	struct test *t = *state;

	write_remote(t, RTM_NEWNEIGH, &mac_a);
	WAIT(t, t->remotes == 1);
	for (uint32_t i = 0; stats.losses == 0; i++) {
		write_batch("master extern_learn", MANY);
		write_batch(i % 2 == 0 ? "dst 10.99.0.2 self extern_learn"
				       : "dst 10.99.0.3 self extern_learn",
			    MANY);
		ev_run_once(t->loop, 1);
		evpn_get_stats(t->e, &stats);
	}
	while (st.remote != MANY + 1) {
		ev_run_once(t->loop, 1);
		get_stats(t, &st);
	}
	assert_int_equal(t->gone, 0);
}

/* So does a reading that the kernel says was interrupted by a change. */
static void
interrupted_dump_is_repeated(void **state)
{
	struct test *t = *state;
	struct evpn_table_stats st;
	struct evpn_stats stats;

	write_remote(t, RTM_NEWNEIGH, &mac_a);
	WAIT(t, t->remotes == 1);
	/* another VNI has the tables read */
	interrupt_dumps = 1;
	assert_int_equal(evpn_add_vni(t->e, VNI + 1, &t->local, SHADOW_PORT), 0);
	do {
		ev_run_once(t->loop, 1);
		evpn_get_stats(t->e, &stats);
	} while (stats.interrupted == 0);
	/* what was not heard in it stays, and the next one is whole */
	get_stats(t, &st);
	assert_int_equal(st.remote, 1);
	do {
		ev_run_once(t->loop, 1);
		evpn_get_stats(t->e, &stats);
	} while (stats.dumps < 3);
	assert_int_equal(interrupt_dumps, 0);
	assert_int_equal(stats.interrupted, 1);
	assert_int_equal(t->gone, 0);
}

/* It never takes IPv6 addresses of guests: the tables are not read anew for them every second. */
static void
kernel_without_ipv6(void **state)
{
	struct evpn_neigh guest = {.mac = mac_a};
	struct test *t = *state;
	struct evpn_table_stats st = {0};
	struct evpn_stats stats;
	struct evpn_ip ip;

	without_ipv6 = true;
	assert_true(evpn_ip_parse(&ip, "2001:db8::a"));
	assert_int_equal(evpn_have_ip(t->e, VNI, &ip, &guest), 0);
	assert_true(evpn_ip_parse(&ip, "192.0.2.7"));
	assert_int_equal(evpn_have_ip(t->e, VNI, &ip, &guest), 0);
	while (st.ip_here != 1) {
		ev_run_once(t->loop, 1);
		get_stats(t, &st);
	}
	without_ipv6 = false;
	evpn_get_stats(t->e, &stats);
	assert_int_equal(stats.refused, 0);
}

/* The bridge forgets what is not used, and everything when it is flushed. */
static void
kernel_that_forgets_is_told_again(void **state)
{
	struct test *t = *state;

	assert_int_equal(evpn_have_mac(t->e, VNI, &mac_a), 0);
	WAIT(t, is_here(t, 1));
	run("bridge fdb del 52:54:00:00:00:0a dev vqt100 master");
	while (!try("bridge fdb show dev vqt100 | grep -q 52:54:00:00:00:0a"))
		ev_run_once(t->loop, 1);
}

static void
successor_adopts_devices(void **state)
{
	struct test *t = *state;
	unsigned int vxlan = if_nametoindex("vqx100");

	write_remote(t, RTM_NEWNEIGH, &mac_a);
	WAIT(t, t->remotes == 1);
	evpn_free(t->e);
	t->remotes = 0;
	t->e = evpn_new(t->loop, &ops, t);
	assert_non_null(t->e);
	assert_int_equal(evpn_add_vni(t->e, VNI, &t->local, SHADOW_PORT), 0);
	WAIT(t, t->remotes == 1); /* read from the tables that stayed */
	assert_int_equal(if_nametoindex("vqx100"), vxlan);
	/* with another address it is made anew, and nothing is left at the end */
	assert_int_equal(evpn_del_vni(t->e, VNI), 0);
	WAIT(t, if_nametoindex("vqx100") == 0 && if_nametoindex("vqb100") == 0);
	assert_int_equal(if_nametoindex("vqt100"), 0);
	WAIT(t, t->remotes == 2);
	run("ip link add vqx100 type vxlan id 100 local 10.99.0.9 dstport 4789 nolearning");
	vxlan = if_nametoindex("vqx100");
	assert_int_equal(evpn_add_vni(t->e, VNI, &t->local, SHADOW_PORT), 0);
	WAIT(t, devices_are_up(t));
	assert_int_not_equal(if_nametoindex("vqx100"), vxlan);
	run("ip -d link show vqx100 | grep -q 'local 10.99.0.1'");
}

#define VNIS 100 /* more than there are requests in flight */

static bool
is_there(const char *kind, uint32_t vni)
{
	char name[SHADOW_NAME_MAX];

	snprintf(name, sizeof(name), "%s%u", kind, vni);
	return if_nametoindex(name) != 0;
}

static void
add_vnis(struct test *t)
{
	for (uint32_t i = 1; i <= VNIS; i++)
		assert_int_equal(evpn_add_vni(t->e, VNI + i, &t->local, SHADOW_PORT), 0);
}

/* A VNI that ends before its devices are made leaves none. */
/* --- a successor that is told all facts --- */

#define FACTS_MAX 8

struct facts {
	uint32_t n;
	struct evpn_facts f[FACTS_MAX];
};

static void
note_facts(const struct evpn_facts *f, void *arg)
{
	struct facts *all = arg;

	assert_true(all->n < FACTS_MAX);
	all->f[all->n++] = *f;
}

/* The descriptors of one process are the other's, too. */
static void
pass_descriptors(void)
{
	struct blob b = {0};
	struct blob_reader reader = {.blob = &b};
	struct blob_record r;
	const uint8_t *name;

	heir_save(&b, 1);
	while ((name = blob_read(&reader, &r)) != NULL)
		assert_true(heir_load(&reader, name, r.len));
	blob_free(&b);
}

static uint32_t readies;

static void
on_ready(void *ctx, uint32_t vni)
{
	readies++;
}

/* Only changes in between are told; addresses here stay in the bridge, behind the same tap. */
static void
successor_tells_the_difference(void **state)
{
	static struct evpn_ops with_ready;
	const struct rte_ether_addr gone = mac_a, other = mac_number(1), here = mac_number(2);
	struct test *t = *state;
	struct evpn_shadow_ids dev;
	struct facts facts = {0};

	write_remote(t, RTM_NEWNEIGH, &gone);
	assert_int_equal(evpn_have_mac(t->e, VNI, &here), 0);
	WAIT(t, t->remotes == 1 && is_here(t, 1));
	assert_true(evpn_vni_devices(t->e, VNI, &dev));
	assert_false(evpn_vni_devices(t->e, VNI + 1, &dev));
	evpn_table_save(evpn_tables(t->e), note_facts, &facts);
	assert_int_equal(facts.n, 2);
	pass_descriptors();
	with_ready = ops;
	with_ready.ready = on_ready;
	readies = 0;
	evpn_free(t->e);

	t->e = evpn_new(t->loop, &with_ready, t);
	assert_int_equal(evpn_restore_vni(t->e, VNI, &dev), -ENOENT);
	assert_int_equal(evpn_add_vni(t->e, VNI, &t->local, SHADOW_PORT), 0);
	assert_int_equal(evpn_restore_entry(t->e, &facts.f[0]), -ENOENT);
	assert_int_equal(evpn_restore_vni(t->e, VNI, &dev), 0);
	for (uint32_t i = 0; i < facts.n; i++)
		assert_int_equal(evpn_restore_entry(t->e, &facts.f[i]), 0);
	write_remote(t, RTM_DELNEIGH, &gone);
	write_remote(t, RTM_NEWNEIGH, &other);
	t->remotes = t->gone = 0;
	WAIT(t, t->remotes == 2 && devices_are_up(t));
	assert_int_equal(t->gone, 1);
	assert_true(is_here(t, 1));
	assert_int_equal(readies, 0);
	run("bridge fdb show dev vqt100 | grep -q '52:54:01:00:00:02.*master vqb100'");
	heir_close_rest();
}

static void
vni_ends_early(void **state)
{
	struct test *t = *state;
	char buf[128];

	add_vnis(t);
	assert_int_equal(evpn_del_vni(t->e, VNI + VNIS), 0);
	WAIT(t, evpn_why(t->e, VNI + VNIS - 1, buf, sizeof(buf)) == NULL);
	assert_false(is_there("vqb", VNI + VNIS));
	assert_false(is_there("vqx", VNI + VNIS));
}

/* Devices of VNIs that end are deleted, however many, when nothing waits for the answers. */
static void
many_vnis_end(void **state)
{
	struct test *t = *state;
	char buf[128];

	add_vnis(t);
	for (uint32_t i = 1; i <= VNIS; i++)
		WAIT(t, evpn_why(t->e, VNI + i, buf, sizeof(buf)) == NULL);
	for (uint32_t i = 1; i <= VNIS; i++)
		assert_int_equal(evpn_del_vni(t->e, VNI + i), 0);
	evpn_free(t->e);
	t->e = NULL;
	for (uint32_t i = 1; i <= VNIS; i++)
		if (is_there("vqb", VNI + i) || is_there("vqx", VNI + i))
			fail_msg("devices of VNI %u are left", VNI + i);
}

static void
ports_are_isolated(void **state)
{
	run("for p in vqx100 vqt100; do for w in 'isolated on' ' flood off' 'mcast_flood off'"
	    " 'bcast_flood off'; do bridge -d link show dev $p | grep -q -- \"$w\" || exit 1;"
	    " done; done");
	run("bridge -d link show dev vqx100 | grep -q 'learning off'");
	run("for d in vqb100 vqx100 vqt100; do"
	    " test -z \"$(ip -6 address show dev $d)\" || exit 1; done");
}

static void
set_link(const char *name, const char *state)
{
	char line[64];

	snprintf(line, sizeof(line), "ip link set %s %s", name, state);
	run(line);
}

/* The reason has @p part in it; NULL: there is none. */
static bool
is_why(const struct test *t, const char *part)
{
	char buf[128];
	const char *why = evpn_why(t->e, VNI, buf, sizeof(buf));

	return part != NULL ? why != NULL && strstr(why, part) != NULL : why == NULL;
}

/* A device that another program stops or removes is named. */
static void
devices_are_looked_at(void **state)
{
	static const char *const names[] = {"vqb100", "vqx100", "vqt100"};
	struct test *t = *state;
	char line[32];

	WAIT(t, is_why(t, NULL));
	for (uint32_t i = 0; i < RTE_DIM(names); i++) {
		snprintf(line, sizeof(line), "%s is down", names[i]);
		set_link(names[i], "down");
		WAIT(t, is_why(t, line));
		set_link(names[i], "up");
	}
	set_link("vqt100", "carrier off");
	WAIT(t, is_why(t, "vqt100 has no carrier"));
	set_link("vqt100", "carrier on");
	WAIT(t, is_why(t, NULL));
	run("ip link del vqx100");
	WAIT(t, is_why(t, "vqx100 is not the one"));
	run("ip link add vqx100 type vxlan id 100 local 10.99.0.1 dstport 4789");
	WAIT(t, is_why(t, "vqx100 is not the one"));
}

static void
next_hop_follows_routes(void **state)
{
	struct test *t = *state;

	assert_int_equal(evpn_use_vtep(t->e, &t->vtep), 0);
	run("ip neighbour replace 10.99.0.2 lladdr 02:00:00:00:00:02 dev und0 nud permanent");
	WAIT(t, t->hop.why == NULL && t->hop.ifindex != 0 && t->hop.dst.addr_bytes[5] == 2);
	assert_int_equal(t->hop.ifindex, if_nametoindex("und0"));
	assert_int_equal(t->hop.mtu, 1500);
	/* by a gateway, of a smaller MTU */
	run("ip neighbour replace 10.99.0.254 lladdr 02:00:00:00:00:fe dev und0 nud permanent;"
	    "ip route add 10.99.0.2/32 via 10.99.0.254 mtu 1400");
	WAIT(t, t->hop.why == NULL && t->hop.dst.addr_bytes[5] == 0xfe);
	assert_int_equal(t->hop.mtu, 1400);
	run("ip route replace blackhole 10.99.0.2/32");
	WAIT(t, t->hop.why != NULL);
	run("ip route del blackhole 10.99.0.2/32; ip link set far0 down");
	WAIT(t, t->hop.why != NULL && strstr(t->hop.why, "carrier") != NULL);
	run("ip link set far0 up");
	WAIT(t, t->hop.why == NULL && t->hop.dst.addr_bytes[5] == 2);
	evpn_drop_vtep(t->e, &t->vtep);
	assert_null(evpn_hop(t->e, &t->vtep));
}

static void
refusals(void **state)
{
	struct test *t = *state;
	struct evpn_ip none = {0};

	assert_int_equal(evpn_add_vni(t->e, VNI, &t->local, SHADOW_PORT), -EEXIST);
	assert_int_equal(evpn_add_vni(t->e, 0, &t->local, SHADOW_PORT), -EINVAL);
	assert_int_equal(evpn_add_vni(t->e, SHADOW_VNI_MAX + 1, &t->local, SHADOW_PORT), -EINVAL);
	assert_int_equal(evpn_add_vni(t->e, 200, &none, SHADOW_PORT), -EINVAL);
	assert_int_equal(evpn_del_vni(t->e, 200), -ENOENT);
	assert_int_equal(evpn_have_mac(t->e, 200, &mac_a), -ENOENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(address_comes_and_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(flood_list_and_neighbours, setup, teardown),
		cmocka_unit_test_setup_teardown(address_of_ours_moves_here_and_away, setup,
						teardown),
		cmocka_unit_test_setup_teardown(many_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(lost_notifications_are_made_up_for, setup,
						teardown),
		cmocka_unit_test_setup_teardown(interrupted_dump_is_repeated, setup, teardown),
		cmocka_unit_test_setup_teardown(kernel_without_ipv6, setup, teardown),
		cmocka_unit_test_setup_teardown(kernel_that_forgets_is_told_again, setup, teardown),
		cmocka_unit_test_setup_teardown(successor_adopts_devices, setup, teardown),
		cmocka_unit_test_setup_teardown(successor_tells_the_difference, setup, teardown),
		cmocka_unit_test_setup_teardown(vni_ends_early, setup, teardown),
		cmocka_unit_test_setup_teardown(many_vnis_end, setup, teardown),
		cmocka_unit_test_setup_teardown(ports_are_isolated, setup, teardown),
		cmocka_unit_test_setup_teardown(devices_are_looked_at, setup, teardown),
		cmocka_unit_test_setup_teardown(next_hop_follows_routes, setup, teardown),
		cmocka_unit_test_setup_teardown(refusals, setup, teardown),
	};

	if (access("/dev/net/tun", R_OK | W_OK) != 0 || unshare(CLONE_NEWNET) != 0 ||
	    !try("ip link add vx0 type vxlan id 1 dstport 4789")) {
		printf("no network namespace with taps and VXLAN devices can be made\n");
		return SKIPPED;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
