/* SPDX-License-Identifier: BSD-3-Clause */
/* The joined tables of shadow devices: messages in any order, lost ones, dumps, moves. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "evpn/table.h"

#define VNI 100
#define BRIDGE 2
#define VXDEV 4
#define TAPDEV 5
#define LOG_MAX 4096

static const struct evpn_shadow_ids devices = {.bridge = BRIDGE, .vxlan = VXDEV, .tap = TAPDEV};
static const struct rte_ether_addr mac_a = {{0x52, 0x54, 0, 0, 0, 0xa}};
static const struct rte_ether_addr mac_b = {{0x52, 0x54, 0, 0, 0, 0xb}};

/* All that the table says, as text: one word for each call. */
static char said[LOG_MAX];

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void
say(const char *fmt, ...)
{
	size_t at = strlen(said);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(said + at, sizeof(said) - at, fmt, ap);
	va_end(ap);
}

static unsigned int
last_byte(const struct rte_ether_addr *mac)
{
	return mac->addr_bytes[5];
}

static void
on_remote(void *ctx, uint32_t vni, const struct rte_ether_addr *mac, const struct evpn_ip *vtep)
{
	char buf[EVPN_IP_TEXT];

	say("remote(%u,%x,%s) ", vni, last_byte(mac), evpn_ip_text(vtep, buf));
}

static void
on_flood(void *ctx, uint32_t vni, const struct evpn_ip *vtep, bool on)
{
	char buf[EVPN_IP_TEXT];

	say("flood(%s,%d) ", evpn_ip_text(vtep, buf), on);
}

static void
on_neigh(void *ctx, uint32_t vni, const struct evpn_ip *ip, const struct evpn_neigh *n)
{
	char buf[EVPN_IP_TEXT];

	say("neigh(%s,%x%s) ", evpn_ip_text(ip, buf), n != NULL ? last_byte(&n->mac) : 0,
	    n != NULL && n->router ? ",router" : "");
}

static void
on_use(void *ctx, const struct evpn_shadow_ids *dev, const struct rte_ether_addr *mac)
{
	say("use(%d,%x) ", dev->tap, last_byte(mac));
}

static void
on_unuse(void *ctx, const struct evpn_shadow_ids *dev, const struct rte_ether_addr *mac)
{
	say("unuse(%d,%x) ", dev->tap, last_byte(mac));
}

static void
on_stale(void *ctx, const struct evpn_shadow_ids *dev, const struct rte_ether_addr *mac,
	 const struct evpn_ip *vtep)
{
	char buf[EVPN_IP_TEXT];

	say("stale(%d,%x,%s) ", dev->vxlan, last_byte(mac), evpn_ip_text(vtep, buf));
}

static void
on_pin(void *ctx, const struct evpn_shadow_ids *dev, const struct evpn_ip *ip,
       const struct evpn_neigh *n)
{
	char buf[EVPN_IP_TEXT];

	say("pin(%s,%x%s) ", evpn_ip_text(ip, buf), n != NULL ? last_byte(&n->mac) : 0,
	    n != NULL && n->router ? ",router" : "");
}

static const struct evpn_table_ops ops = {
	.remote = on_remote,
	.flood = on_flood,
	.neigh = on_neigh,
	.use = on_use,
	.unuse = on_unuse,
	.stale = on_stale,
	.pin = on_pin,
};

static int
setup(void **state)
{
	struct evpn_table *t = evpn_table_new(&ops, NULL);

	said[0] = '\0';
	*state = t;
	return t == NULL || evpn_table_add_vni(t, VNI, &devices) != 0;
}

static int
teardown(void **state)
{
	evpn_table_free(*state);
	return 0;
}

/* --- what the kernel says --- */

struct kernel_msg {
	uint16_t type;
	uint8_t family;
	int ifindex;
	uint16_t state;
	uint8_t flags;
	const struct rte_ether_addr *mac;
	const char *dst;
	uint32_t master, nh;
};

static struct nlmsghdr *
build(void *buf, const struct kernel_msg *m)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct evpn_ip ip;
	struct ndmsg *ndm;

	h->nlmsg_type = m->type;
	ndm = mnl_nlmsg_put_extra_header(h, sizeof(*ndm));
	*ndm = (struct ndmsg){.ndm_family = m->family,
			      .ndm_ifindex = m->ifindex,
			      .ndm_state = m->state,
			      .ndm_flags = m->flags};
	if (m->mac != NULL)
		mnl_attr_put(h, NDA_LLADDR, RTE_ETHER_ADDR_LEN, m->mac);
	if (m->dst != NULL && evpn_ip_parse(&ip, m->dst))
		mnl_attr_put(h, NDA_DST, ip.len, ip.addr);
	if (m->master != 0)
		mnl_attr_put_u32(h, NDA_MASTER, m->master);
	if (m->nh != 0)
		mnl_attr_put_u32(h, NDA_NH_ID, m->nh);
	return h;
}

static void
hear(struct evpn_table *t, struct kernel_msg m)
{
	char buf[512] __attribute__((aligned(8)));

	evpn_table_read(t, build(buf, &m));
}

#define BRIDGED(type_, dev, mac_)                                                               \
	(struct kernel_msg)                                                                     \
	{                                                                                       \
		.type = (type_), .family = AF_BRIDGE, .ifindex = (dev), .state = NUD_REACHABLE, \
		.flags = NTF_EXT_LEARNED, .mac = (mac_), .master = BRIDGE                       \
	}
#define AT_VTEP(type_, mac_, vtep)                                                              \
	(struct kernel_msg)                                                                     \
	{                                                                                       \
		.type = (type_), .family = AF_BRIDGE, .ifindex = VXDEV, .state = NUD_REACHABLE, \
		.flags = NTF_SELF | NTF_EXT_LEARNED, .mac = (mac_), .dst = (vtep)               \
	}
#define NEIGHBOUR(type_, state_, flags_, mac_, ip)                                        \
	(struct kernel_msg)                                                               \
	{                                                                                 \
		.type = (type_), .family = AF_INET, .ifindex = BRIDGE, .state = (state_), \
		.flags = (flags_), .mac = (mac_), .dst = (ip)                             \
	}

static const struct rte_ether_addr mac_0;

static void
assert_said(struct evpn_table *t, const char *expected)
{
	evpn_table_settle(t);
	assert_string_equal(said, expected);
	said[0] = '\0';
	evpn_table_settle(t); /* nothing is said twice */
	assert_string_equal(said, "");
}

static void
remote_needs_both_tables(void **state)
{
	struct evpn_table *t = *state;

	hear(t, AT_VTEP(RTM_NEWNEIGH, &mac_a, "10.99.0.2"));
	assert_said(t, "");
	hear(t, BRIDGED(RTM_NEWNEIGH, VXDEV, &mac_a));
	assert_said(t, "remote(100,a,10.99.0.2) ");
	hear(t, AT_VTEP(RTM_NEWNEIGH, &mac_a, "10.99.0.3")); /* from VTEP to VTEP: one message */
	assert_said(t, "remote(100,a,10.99.0.3) ");
	hear(t, BRIDGED(RTM_DELNEIGH, VXDEV, &mac_a));
	assert_said(t, "remote(100,a,none) ");
	hear(t, AT_VTEP(RTM_DELNEIGH, &mac_a, "10.99.0.3"));
	assert_said(t, "");
}

static void
burst_is_one_change(void **state)
{
	struct evpn_table *t = *state;

	hear(t, BRIDGED(RTM_NEWNEIGH, VXDEV, &mac_a));
	hear(t, AT_VTEP(RTM_NEWNEIGH, &mac_a, "10.99.0.2"));
	hear(t, AT_VTEP(RTM_NEWNEIGH, &mac_a, "10.99.0.3"));
	hear(t, AT_VTEP(RTM_DELNEIGH, &mac_a, "10.99.0.2")); /* the former place's, late */
	assert_said(t, "remote(100,a,10.99.0.3) ");
	hear(t, BRIDGED(RTM_DELNEIGH, VXDEV, &mac_a));
	hear(t, AT_VTEP(RTM_DELNEIGH, &mac_a, "10.99.0.3"));
	hear(t, BRIDGED(RTM_NEWNEIGH, VXDEV, &mac_a));
	hear(t, AT_VTEP(RTM_NEWNEIGH, &mac_a, "10.99.0.3"));
	assert_said(t, "");
}

static void
our_address_is_told_and_left_over_entry_removed(void **state)
{
	struct evpn_table *t = *state;

	hear(t, BRIDGED(RTM_NEWNEIGH, VXDEV, &mac_a));
	hear(t, AT_VTEP(RTM_NEWNEIGH, &mac_a, "10.99.0.2"));
	assert_said(t, "remote(100,a,10.99.0.2) ");
	/* the guest moves here: the kernel is told of it first, then loses its old entry */
	assert_int_equal(evpn_table_have_mac(t, VNI, &mac_a), 0);
	assert_said(t, "remote(100,a,none) use(5,a) stale(4,a,10.99.0.2) ");
	hear(t, AT_VTEP(RTM_NEWNEIGH, &mac_a, "10.99.0.2")); /* said before the kernel knew */
	assert_said(t, "stale(4,a,10.99.0.2) ");
	hear(t, BRIDGED(RTM_NEWNEIGH, TAPDEV, &mac_a));
	hear(t, AT_VTEP(RTM_DELNEIGH, &mac_a, "10.99.0.2"));
	assert_said(t, "");
	/* and away again */
	hear(t, BRIDGED(RTM_NEWNEIGH, VXDEV, &mac_a));
	hear(t, AT_VTEP(RTM_NEWNEIGH, &mac_a, "10.99.0.3"));
	assert_said(t, "remote(100,a,10.99.0.3) ");
	evpn_table_refresh(t);
	assert_said(t, ""); /* what is elsewhere is not fought for */
	evpn_table_lost_mac(t, VNI, &mac_a);
	assert_said(t, ""); /* nor taken from the other host */
}

static void
our_address_is_kept_in_the_kernel(void **state)
{
	struct evpn_table *t = *state;

	assert_int_equal(evpn_table_have_mac(t, VNI, &mac_a), 0);
	assert_said(t, "use(5,a) ");
	hear(t, BRIDGED(RTM_NEWNEIGH, TAPDEV, &mac_a));
	assert_said(t, "");
	evpn_table_refresh(t);
	assert_said(t, "use(5,a) ");
	hear(t, BRIDGED(RTM_DELNEIGH, TAPDEV, &mac_a)); /* aged, or flushed */
	assert_said(t, "use(5,a) ");
	hear(t, BRIDGED(RTM_NEWNEIGH, TAPDEV, &mac_a));
	evpn_table_lost_mac(t, VNI, &mac_a);
	assert_said(t, "unuse(5,a) ");
}

static void
left_over_from_a_former_run_is_removed(void **state)
{
	struct evpn_table *t = *state;

	evpn_table_mark(t);
	hear(t, BRIDGED(RTM_NEWNEIGH, TAPDEV, &mac_b));
	hear(t, NEIGHBOUR(RTM_NEWNEIGH, NUD_PERMANENT, 0, &mac_b, "192.0.2.2"));
	evpn_table_sweep(t);
	assert_said(t, "unuse(5,b) pin(192.0.2.2,0) ");
}

static void
flood_list(void **state)
{
	struct evpn_table *t = *state;
	struct kernel_msg m = AT_VTEP(RTM_NEWNEIGH, &mac_0, "10.99.0.2");

	m.state = NUD_NOARP | NUD_PERMANENT;
	m.flags = NTF_SELF;
	hear(t, m);
	assert_said(t, "flood(10.99.0.2,1) ");
	m.dst = "2001:db8::2";
	hear(t, m);
	assert_said(t, "flood(2001:db8::2,1) ");
	m.type = RTM_DELNEIGH;
	hear(t, m);
	assert_said(t, "flood(2001:db8::2,0) ");
}

static void
remote_neighbours(void **state)
{
	struct evpn_table *t = *state;

	hear(t, NEIGHBOUR(RTM_NEWNEIGH, NUD_NOARP, NTF_EXT_LEARNED, &mac_a, "192.0.2.1"));
	assert_said(t, "neigh(192.0.2.1,a) ");
	hear(t, NEIGHBOUR(RTM_NEWNEIGH, NUD_NOARP, NTF_EXT_LEARNED, &mac_b, "192.0.2.1"));
	assert_said(t, "neigh(192.0.2.1,b) ");
	hear(t, NEIGHBOUR(RTM_NEWNEIGH, NUD_FAILED, NTF_EXT_LEARNED, NULL, "192.0.2.1"));
	hear(t, NEIGHBOUR(RTM_DELNEIGH, NUD_FAILED, NTF_EXT_LEARNED, NULL, "192.0.2.1"));
	assert_said(t, "neigh(192.0.2.1,0) ");
	hear(t, NEIGHBOUR(RTM_NEWNEIGH, NUD_REACHABLE, 0, &mac_b, "192.0.2.9")); /* not ours */
	assert_said(t, "");
}

/* An entry of ours as the kernel reports it. */
#define PINNED(type_, flags_, mac_, ip)              \
	((struct kernel_msg){.type = (type_),        \
			     .family = AF_INET6,     \
			     .ifindex = BRIDGE,      \
			     .state = NUD_PERMANENT, \
			     .flags = (flags_),      \
			     .mac = (mac_),          \
			     .dst = (ip)})

static void
our_neighbours(void **state)
{
	const struct evpn_neigh a = {.mac = mac_a}, b = {.mac = mac_b}, r = {mac_b, true};
	struct evpn_table *t = *state;
	struct evpn_ip ip;

	assert_true(evpn_ip_parse(&ip, "2001:db8::a"));
	assert_int_equal(evpn_table_have_ip(t, VNI, &ip, &a), 0);
	assert_said(t, "pin(2001:db8::a,a) ");
	hear(t, PINNED(RTM_NEWNEIGH, 0, &mac_a, "2001:db8::a"));
	assert_said(t, "");
	assert_int_equal(evpn_table_have_ip(t, VNI, &ip, &b), 0);
	assert_said(t, "pin(2001:db8::a,b) ");
	hear(t, PINNED(RTM_NEWNEIGH, 0, &mac_b, "2001:db8::a"));
	assert_int_equal(evpn_table_have_ip(t, VNI, &ip, &r), 0);
	assert_said(t, "pin(2001:db8::a,b,router) ");
	hear(t, PINNED(RTM_NEWNEIGH, NTF_ROUTER, &mac_b, "2001:db8::a"));
	assert_said(t, "");
	assert_int_equal(evpn_table_have_ip(t, VNI, &ip, NULL), 0);
	assert_said(t, "pin(2001:db8::a,0) ");
}

/* The kernel has one entry of an IP address, which is ours or the routing daemon's. */
static void
ip_address_moves_and_comes_back(void **state)
{
	const struct evpn_neigh a = {.mac = mac_a};
	struct evpn_table *t = *state;
	struct kernel_msg away =
		PINNED(RTM_NEWNEIGH, NTF_EXT_LEARNED | NTF_ROUTER, &mac_b, "2001:db8::a");
	struct evpn_ip ip;

	away.state = NUD_NOARP;
	assert_true(evpn_ip_parse(&ip, "2001:db8::a"));
	assert_int_equal(evpn_table_have_ip(t, VNI, &ip, &a), 0);
	assert_said(t, "pin(2001:db8::a,a) ");
	hear(t, PINNED(RTM_NEWNEIGH, 0, &mac_a, "2001:db8::a"));
	assert_said(t, "");
	/* the switch forgets it when it is told so: the daemon's entry has to stay */
	hear(t, away);
	assert_int_equal(evpn_table_have_ip(t, VNI, &ip, NULL), 0);
	assert_said(t, "neigh(2001:db8::a,b,router) ");
	/* a guest here has it again */
	assert_int_equal(evpn_table_have_ip(t, VNI, &ip, &a), 0);
	assert_said(t, "pin(2001:db8::a,a) ");
	hear(t, PINNED(RTM_NEWNEIGH, 0, &mac_a, "2001:db8::a"));
	assert_said(t, "neigh(2001:db8::a,0) ");
}

/* As many at a time as asked for, also when the one to go on with is gone meanwhile. */
static void
all_is_told_again_in_portions(void **state)
{
	struct evpn_table *t = *state;

	hear(t, AT_VTEP(RTM_NEWNEIGH, &mac_0, "10.99.0.2"));
	hear(t, AT_VTEP(RTM_NEWNEIGH, &mac_0, "10.99.0.3"));
	hear(t, AT_VTEP(RTM_NEWNEIGH, &mac_0, "10.99.0.4"));
	assert_said(t, "flood(10.99.0.2,1) flood(10.99.0.3,1) flood(10.99.0.4,1) ");
	assert_true(evpn_table_retell(t, 1));
	assert_said(t, "flood(10.99.0.4,1) ");
	hear(t, AT_VTEP(RTM_DELNEIGH, &mac_0, "10.99.0.3"));
	assert_said(t, "flood(10.99.0.3,0) ");
	assert_false(evpn_table_retell(t, 1));
	assert_said(t, "flood(10.99.0.2,1) ");
	assert_false(evpn_table_retell(t, 5));
	assert_said(t, "flood(10.99.0.4,1) flood(10.99.0.2,1) ");
}

/* The kernel has not yet taken what a guest of ours has: the former place does not count again. */
static void
what_is_ours_is_not_told_again(void **state)
{
	const struct evpn_neigh a = {.mac = mac_a};
	struct evpn_table *t = *state;
	struct kernel_msg away = PINNED(RTM_NEWNEIGH, NTF_EXT_LEARNED, &mac_b, "2001:db8::a");
	struct evpn_ip ip;

	away.state = NUD_NOARP;
	assert_true(evpn_ip_parse(&ip, "2001:db8::a"));
	hear(t, away);
	assert_said(t, "neigh(2001:db8::a,b) ");
	assert_int_equal(evpn_table_have_ip(t, VNI, &ip, &a), 0);
	assert_said(t, "pin(2001:db8::a,a) ");
	(void)evpn_table_retell(t, 5);
	assert_said(t, "");
}

static void
a_dump_replaces_without_a_gap(void **state)
{
	struct evpn_table *t = *state;

	hear(t, BRIDGED(RTM_NEWNEIGH, VXDEV, &mac_a));
	hear(t, AT_VTEP(RTM_NEWNEIGH, &mac_a, "10.99.0.2"));
	hear(t, BRIDGED(RTM_NEWNEIGH, VXDEV, &mac_b));
	hear(t, AT_VTEP(RTM_NEWNEIGH, &mac_b, "10.99.0.2"));
	assert_said(t, "remote(100,a,10.99.0.2) remote(100,b,10.99.0.2) ");
	evpn_table_mark(t);
	assert_said(t, "");
	hear(t, AT_VTEP(RTM_NEWNEIGH, &mac_a, "10.99.0.3"));
	hear(t, BRIDGED(RTM_NEWNEIGH, VXDEV, &mac_a));
	assert_said(t, "remote(100,a,10.99.0.3) ");
	evpn_table_sweep(t);
	assert_said(t, "remote(100,b,none) ");
}

static void
several_vteps_are_flooded_to(void **state)
{
	struct evpn_table *t = *state;
	struct kernel_msg m = AT_VTEP(RTM_NEWNEIGH, &mac_a, NULL);

	hear(t, BRIDGED(RTM_NEWNEIGH, VXDEV, &mac_a));
	hear(t, AT_VTEP(RTM_NEWNEIGH, &mac_a, "10.99.0.2"));
	assert_said(t, "remote(100,a,10.99.0.2) ");
	m.nh = 7;
	hear(t, m);
	assert_said(t, "remote(100,a,none) ");
}

static void
messages_that_say_nothing(void **state)
{
	struct evpn_table *t = *state;
	struct kernel_msg m;

	m = BRIDGED(RTM_NEWNEIGH, TAPDEV, &mac_a); /* the device's own address */
	m.state = NUD_PERMANENT;
	hear(t, m);
	m = AT_VTEP(RTM_NEWNEIGH, &mac_a, NULL); /* no destination */
	hear(t, m);
	m = BRIDGED(RTM_NEWNEIGH, 77, &mac_a); /* another device */
	hear(t, m);
	m = AT_VTEP(RTM_NEWNEIGH, &mac_a, "10.99.0.2");
	m.ifindex = TAPDEV; /* a table that a tap does not have */
	hear(t, m);
	m = BRIDGED(RTM_NEWNEIGH, VXDEV, NULL);
	hear(t, m);
	m = BRIDGED(RTM_NEWLINK, VXDEV, &mac_a);
	hear(t, m);
	hear(t, AT_VTEP(RTM_DELNEIGH, &mac_b, "10.99.0.2"));
	assert_said(t, "");
}

static void
end_of_a_vni(void **state)
{
	struct evpn_table *t = *state;
	struct evpn_table_stats st;

	hear(t, BRIDGED(RTM_NEWNEIGH, VXDEV, &mac_a));
	hear(t, AT_VTEP(RTM_NEWNEIGH, &mac_a, "10.99.0.2"));
	hear(t, AT_VTEP(RTM_NEWNEIGH, &mac_0, "10.99.0.2"));
	assert_int_equal(evpn_table_have_mac(t, VNI, &mac_b), 0);
	assert_said(t, "remote(100,a,10.99.0.2) flood(10.99.0.2,1) use(5,b) ");
	evpn_table_get_stats(t, VNI, &st);
	assert_int_equal(st.remote, 1);
	assert_int_equal(st.flood, 1);
	assert_int_equal(st.unknown, 1);
	assert_int_equal(evpn_table_del_vni(t, VNI), 0);
	evpn_table_settle(t);
	assert_non_null(strstr(said, "remote(100,a,none)"));
	assert_non_null(strstr(said, "flood(10.99.0.2,0)"));
	assert_null(strstr(said, "use("));
	said[0] = '\0';
	assert_int_equal(evpn_table_have_mac(t, VNI, &mac_b), -ENOENT);
	evpn_table_get_stats(t, 0, &st);
	assert_int_equal(st.remote + st.flood + st.unknown, 0);
	/* again, and before the end of it is settled */
	assert_int_equal(evpn_table_add_vni(t, VNI, &devices), 0);
	assert_int_equal(evpn_table_have_mac(t, VNI, &mac_b), 0);
	assert_int_equal(evpn_table_del_vni(t, VNI), 0);
	assert_int_equal(evpn_table_add_vni(t, VNI, &devices), 0);
	assert_int_equal(evpn_table_have_mac(t, VNI, &mac_a), 0);
	assert_said(t, "use(5,a) ");
}

static void
devices_belong_to_one_vni(void **state)
{
	struct evpn_table *t = *state;
	struct evpn_shadow_ids other = {.bridge = 12, .vxlan = 14, .tap = TAPDEV};

	assert_int_equal(evpn_table_add_vni(t, 200, &other), -EEXIST);
	other.tap = 15;
	assert_int_equal(evpn_table_add_vni(t, 200, &other), 0);
	/* devices made anew: what the old ones had is gone, ours are told again */
	assert_int_equal(evpn_table_have_mac(t, VNI, &mac_a), 0);
	hear(t, BRIDGED(RTM_NEWNEIGH, TAPDEV, &mac_a));
	assert_said(t, "use(5,a) ");
	other = (struct evpn_shadow_ids){.bridge = 22, .vxlan = 24, .tap = 25};
	assert_int_equal(evpn_table_add_vni(t, VNI, &other), 0);
	assert_said(t, "use(25,a) ");
}

/* Messages as recorded from a kernel 6.18 with FRR: bytes behind struct nlmsghdr. */
static void
recorded_messages(void **state)
{
	static const uint8_t bridge[] = {0x07, 0, 0,    0,    4, 0, 0,    0, 2, 0, 0x10, 0, 0x0a, 0,
					 2,    0, 0x52, 0x54, 0, 0, 0,    2, 0, 0, 8,    0, 9,    0,
					 3,    0, 0,    0,    8, 0, 0x0f, 0, 0, 0, 0,    0};
	static const uint8_t vxlan[] = {0x07, 0,    0, 0, 4, 0,    0,    0,    2, 0, 0x12,
					0x01, 0x0a, 0, 2, 0, 0x52, 0x54, 0,    0, 0, 2,
					0,    0,    8, 0, 1, 0,    0x0a, 0x63, 0, 2};
	struct {
		const uint8_t *bytes;
		size_t len;
	} const msgs[] = {{bridge, sizeof(bridge)}, {vxlan, sizeof(vxlan)}};
	char buf[256] __attribute__((aligned(8)));
	struct evpn_table *t = *state;

	for (size_t i = 0; i < 2; i++) {
		struct nlmsghdr *h = mnl_nlmsg_put_header(buf);

		h->nlmsg_type = RTM_NEWNEIGH;
		memcpy(mnl_nlmsg_put_extra_header(h, msgs[i].len), msgs[i].bytes, msgs[i].len);
		evpn_table_read(t, h);
	}
	assert_said(t, "remote(100,2,10.99.0.2) ");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(remote_needs_both_tables, setup, teardown),
		cmocka_unit_test_setup_teardown(burst_is_one_change, setup, teardown),
		cmocka_unit_test_setup_teardown(our_address_is_told_and_left_over_entry_removed,
						setup, teardown),
		cmocka_unit_test_setup_teardown(our_address_is_kept_in_the_kernel, setup, teardown),
		cmocka_unit_test_setup_teardown(left_over_from_a_former_run_is_removed, setup,
						teardown),
		cmocka_unit_test_setup_teardown(flood_list, setup, teardown),
		cmocka_unit_test_setup_teardown(remote_neighbours, setup, teardown),
		cmocka_unit_test_setup_teardown(our_neighbours, setup, teardown),
		cmocka_unit_test_setup_teardown(ip_address_moves_and_comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(all_is_told_again_in_portions, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_ours_is_not_told_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_dump_replaces_without_a_gap, setup, teardown),
		cmocka_unit_test_setup_teardown(several_vteps_are_flooded_to, setup, teardown),
		cmocka_unit_test_setup_teardown(messages_that_say_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(end_of_a_vni, setup, teardown),
		cmocka_unit_test_setup_teardown(devices_belong_to_one_vni, setup, teardown),
		cmocka_unit_test_setup_teardown(recorded_messages, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
