/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Neighbour messages of the kernel, in any order, malformed ones too, between dumps, changes of our
 * own and devices that come and go. The input is a list of {step, length, bytes}; a message is in
 * memory of its own, as long as it says, and padded. In the end all that was told has been taken
 * back.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "evpn/table.h"
#include "fuzz/fuzz.h"

#define VNIS 2
#define STEPS_MAX 400

/* Steps beyond these are messages. */
enum step { MARK, SWEEP, SETTLE, REFRESH, RETELL, HAVE_MAC, LOST_MAC, HAVE_IP, LOST_IP, DEVICES };

static struct evpn_table *table;
static int64_t floods; /* told, and not taken back */

static void
on_remote(void *ctx, uint32_t vni, const struct rte_ether_addr *mac, const struct evpn_ip *vtep)
{
	(void)ctx;
	CHECK(vni >= 1 && vni <= VNIS && (vtep->len == 0 || vtep->len == 4 || vtep->len == 16));
	CHECK(mac != NULL);
}

static void
on_flood(void *ctx, uint32_t vni, const struct evpn_ip *vtep, bool on)
{
	(void)ctx;
	CHECK(vni >= 1 && vni <= VNIS && evpn_ip_is_set(vtep));
	floods += on ? 1 : -1;
}

static void
on_neigh(void *ctx, uint32_t vni, const struct evpn_ip *ip, const struct evpn_neigh *n)
{
	(void)ctx;
	/* a receiver may give up an address of its own then */
	CHECK(evpn_table_have_ip(table, vni, ip, NULL) == 0);
	CHECK(n == NULL || vni <= VNIS);
}

static void
to_kernel(void *ctx, const struct evpn_shadow_ids *dev, const struct rte_ether_addr *mac)
{
	(void)ctx;
	CHECK(dev->tap > 0 && mac != NULL);
}

static void
on_stale(void *ctx, const struct evpn_shadow_ids *dev, const struct rte_ether_addr *mac,
	 const struct evpn_ip *vtep)
{
	to_kernel(ctx, dev, mac);
	CHECK(evpn_ip_is_set(vtep));
}

static void
on_pin(void *ctx, const struct evpn_shadow_ids *dev, const struct evpn_ip *ip,
       const struct evpn_neigh *n)
{
	(void)ctx, (void)n;
	CHECK(dev->bridge > 0 && evpn_ip_is_set(ip));
}

static const struct evpn_table_ops ops = {
	.remote = on_remote,
	.flood = on_flood,
	.neigh = on_neigh,
	.use = to_kernel,
	.unuse = to_kernel,
	.stale = on_stale,
	.pin = on_pin,
};

/** A step's argument: bytes, zeroes beyond their end. */
struct argument {
	uint32_t vni;
	struct rte_ether_addr mac;
	struct evpn_ip ip;
};

static struct argument
argument_of(const uint8_t *data, size_t len)
{
	uint8_t b[24] = {0};
	struct argument a;

	memcpy(b, data, len < sizeof(b) ? len : sizeof(b));
	a.vni = 1 + b[0] % VNIS;
	memcpy(&a.mac, b + 1, sizeof(a.mac));
	(void)evpn_ip_set(&a.ip, b + 8, b[7] & 1 ? 4 : 16);
	return a;
}

static void
add_devices(struct evpn_table *t, uint32_t vni, int first)
{
	const struct evpn_shadow_ids ids = {first, first + 1, first + 2};
	int err = evpn_table_add_vni(t, vni, &ids);

	CHECK(err == 0 || err == -EEXIST);
}

static void
message(struct evpn_table *t, uint8_t step, const uint8_t *data, size_t len)
{
	/* the kernel pads each message, and libmnl reads the padding */
	struct nlmsghdr *h = calloc(1, NLMSG_ALIGN(sizeof(*h) + len));

	CHECK(h != NULL);
	*h = (struct nlmsghdr){.nlmsg_len = (uint32_t)(sizeof(*h) + len),
			       .nlmsg_type = step & 1 ? RTM_NEWNEIGH : RTM_DELNEIGH};
	memcpy(h + 1, data, len);
	evpn_table_read(t, h);
	free(h);
}

static void
run(struct evpn_table *t, uint8_t step, const uint8_t *data, size_t len)
{
	struct argument a = argument_of(data, len);
	struct evpn_neigh n = {.mac = a.mac, .router = a.vni == 1};

	switch (step) {
	case MARK:
		evpn_table_mark(t);
		break;
	case SWEEP:
		evpn_table_sweep(t);
		break;
	case SETTLE:
		evpn_table_settle(t);
		break;
	case REFRESH:
		evpn_table_refresh(t);
		break;
	case RETELL:
		evpn_table_settle(t);
		floods = 0;
		CHECK(!evpn_table_retell(t, UINT32_MAX));
		evpn_table_settle(t);
		break;
	case HAVE_MAC:
		(void)evpn_table_have_mac(t, a.vni, &a.mac);
		break;
	case LOST_MAC:
		evpn_table_lost_mac(t, a.vni, &a.mac);
		break;
	case HAVE_IP:
		(void)evpn_table_have_ip(t, a.vni, &a.ip, &n);
		break;
	case LOST_IP:
		(void)evpn_table_have_ip(t, a.vni, &a.ip, NULL);
		break;
	case DEVICES:
		if (a.ip.len == 4)
			(void)evpn_table_del_vni(t, a.vni);
		else
			add_devices(t, a.vni, 2 + a.mac.addr_bytes[0] % 6);
		break;
	default:
		message(t, step, data, len);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct evpn_table *t;
	struct evpn_table_stats st;
	size_t at = 0, len;

	floods = 0;
	t = evpn_table_new(&ops, NULL);
	CHECK(t != NULL);
	table = t;
	add_devices(t, 1, 2);
	add_devices(t, 2, 5);
	for (int i = 0; i < STEPS_MAX && at + 2 <= size; i++) {
		len = size - at - 2 < data[at + 1] ? size - at - 2 : data[at + 1];
		run(t, data[at], data + at + 2, len);
		CHECK(floods >= 0);
		at += 2 + len;
	}
	for (uint32_t vni = 1; vni <= VNIS; vni++)
		(void)evpn_table_del_vni(t, vni);
	evpn_table_settle(t);
	evpn_table_get_stats(t, 0, &st);
	CHECK(floods == 0 && st.here + st.remote + st.flood + st.ip_here + st.ip_remote == 0);
	evpn_table_free(t);
	return 0;
}
