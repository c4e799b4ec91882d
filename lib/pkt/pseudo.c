/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pseudo header that transport checksums cover.
 *
 * Its addresses are those of the two ends, which need not be the ones in the IP header: on the way
 * through routers that the sender chose, the header names the next router (RFC 8200 8.1, RFC 1122
 * 4.2.3.8), and a mobile node away from home names its care-of address (RFC 6275 6.3).
 */
#include "pkt/hdrs.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ip.h>

#define ADDR6_LEN 16
#define ROUTE_FIXED 8 /* bytes of a routing header before its addresses */
#define OPT_PAD1 0
#define OPT_HOME_ADDRESS 0xc9
#define OPT4_END 0
#define OPT4_NOP 1
#define OPT4_LSRR 131
#define OPT4_SSRR 137
#define OPT4_ROUTE 3 /* bytes of a source route before its addresses: type, length, pointer */
#define ADDR4_LEN 4

/** The addresses of a pseudo header; of IPv4, the first bytes count. An unknown one is 0. */
struct ends {
	uint8_t src[ADDR6_LEN], dst[ADDR6_LEN];
	bool known;
};

/* --- IPv6 routing headers with segments left: @p len bytes at @p rh, the final address to @p dst.
 * False: malformed --- */

/* Types 0 (RFC 2460) and 2 (RFC 6275): in the order they are visited. */
static bool
last_of_list(const uint8_t *rh, uint32_t len, uint8_t *dst)
{
	uint32_t n = (len - ROUTE_FIXED) / ADDR6_LEN;

	if (len % ADDR6_LEN != ROUTE_FIXED || rh[3] > n)
		return false;
	memcpy(dst, rh + len - ADDR6_LEN, ADDR6_LEN);
	return true;
}

/* Type 3 (RFC 6554): as types 0 and 2, less the prefixes they share with the header's. */
static bool
last_of_compressed(const uint8_t *rh, uint32_t len, uint8_t *dst)
{
	uint32_t each = ADDR6_LEN - (rh[4] >> 4), prefix = rh[4] & 0xf, last = ADDR6_LEN - prefix;
	uint32_t body = len - ROUTE_FIXED, pad = rh[5] >> 4;

	if (body < pad + last || (body - pad - last) % each != 0 ||
	    rh[3] > (body - pad - last) / each + 1)
		return false;
	memcpy(dst + prefix, rh + len - pad - last, last);
	return true;
}

/* Type 4 (RFC 8754): in reverse order, then TLVs. The first need not be in the list. */
static bool
first_of_segments(const uint8_t *rh, uint32_t len, uint8_t *dst)
{
	uint32_t n = rh[4] + 1u;

	if (ROUTE_FIXED + n * ADDR6_LEN > len || rh[3] > n)
		return false;
	memcpy(dst, rh + ROUTE_FIXED, ADDR6_LEN);
	return true;
}

static const struct {
	uint8_t type;
	bool (*find)(const uint8_t *rh, uint32_t len, uint8_t *dst);
} routes[] = {
	{0, last_of_list},
	{2, last_of_list},
	{3, last_of_compressed},
	{4, first_of_segments},
};

static void
read_route(struct ends *e, const uint8_t *rh, uint32_t len)
{
	if (rh[3] == 0)
		return; /* no hops left: the header names the destination */
	for (uint32_t i = 0; i < RTE_DIM(routes); i++)
		if (routes[i].type == rh[2] && routes[i].find(rh, len, e->dst))
			return;
	e->known = false;
	memset(e->dst, 0, sizeof(e->dst));
}

/* Destination options: one of them may be the source's home address. */
static void
read_options(struct ends *e, const uint8_t *opts, uint32_t len)
{
	uint32_t off = 2, opt_len;

	while (off + 2 <= len) {
		if (opts[off] == OPT_PAD1) {
			off++;
			continue;
		}
		opt_len = opts[off + 1];
		if (off + 2 + opt_len > len)
			return;
		if (opts[off] == OPT_HOME_ADDRESS && opt_len == ADDR6_LEN)
			memcpy(e->src, opts + off + 2, ADDR6_LEN);
		off += 2 + opt_len;
	}
}

static void
find_ends6(const struct pkt_hdrs *h, struct ends *e)
{
	const uint8_t *b = h->b + h->l2_len;
	uint32_t off = sizeof(struct rte_ipv6_hdr), len;
	uint8_t proto = b[offsetof(struct rte_ipv6_hdr, proto)], next;

	memcpy(e->src, b + offsetof(struct rte_ipv6_hdr, src_addr), ADDR6_LEN);
	memcpy(e->dst, b + offsetof(struct rte_ipv6_hdr, dst_addr), ADDR6_LEN);
	for (; off < h->l3_len; off += len, proto = next) {
		if (!pkt_ext_read(b + off, proto, &next, &len))
			return;
		if (proto == IPPROTO_ROUTING)
			read_route(e, b + off, len);
		else if (proto == IPPROTO_DSTOPTS)
			read_options(e, b + off, len);
	}
}

/* --- IPv4 --- */

const uint8_t *
pkt_ipv4_source_route(const uint8_t *ip, uint32_t len)
{
	uint32_t off = sizeof(struct rte_ipv4_hdr), opt_len;

	while (off + 2 <= len && ip[off] != OPT4_END) {
		if (ip[off] == OPT4_NOP) {
			off++;
			continue;
		}
		opt_len = ip[off + 1];
		if (opt_len < 2 || off + opt_len > len)
			return NULL;
		if ((ip[off] == OPT4_LSRR || ip[off] == OPT4_SSRR) && opt_len > OPT4_ROUTE &&
		    ip[off + 2] <= opt_len)
			return ip + off;
		off += opt_len;
	}
	return NULL;
}

static void
find_ends4(const struct pkt_hdrs *h, struct ends *e)
{
	const uint8_t *ip = h->b + h->l2_len;
	const uint8_t *route = pkt_ipv4_source_route(ip, h->l3_len);

	memcpy(e->src, ip + offsetof(struct rte_ipv4_hdr, src_addr), ADDR4_LEN);
	memcpy(e->dst, ip + offsetof(struct rte_ipv4_hdr, dst_addr), ADDR4_LEN);
	if (route == NULL)
		return;
	if ((route[1] - OPT4_ROUTE) % ADDR4_LEN == 0) {
		memcpy(e->dst, route + route[1] - ADDR4_LEN, ADDR4_LEN);
	} else {
		e->known = false;
		memset(e->dst, 0, ADDR4_LEN);
	}
}

/* --- sums --- */

/* __rte_raw_cksum() takes and returns a 32-bit partial sum of words as they are in memory. */
static uint32_t
sum_ends(const struct pkt_hdrs *h, bool *known)
{
	const uint8_t *ip = h->b + h->l2_len;
	bool ip4 = h->ether_type == RTE_ETHER_TYPE_IPV4;
	struct ends e = {.known = true};

	*known = true;
	if (h->plain) /* the addresses in the header, which lie side by side */
		return ip4 ? __rte_raw_cksum(ip + offsetof(struct rte_ipv4_hdr, src_addr),
					     2 * ADDR4_LEN, 0)
			   : __rte_raw_cksum(ip + offsetof(struct rte_ipv6_hdr, src_addr),
					     2 * ADDR6_LEN, 0);
	if (ip4)
		find_ends4(h, &e);
	else
		find_ends6(h, &e);
	*known = e.known;
	return __rte_raw_cksum(&e, offsetof(struct ends, known), 0);
}

uint16_t
pkt_hdrs_ends_sum(const struct pkt_hdrs *h)
{
	bool known;

	return __rte_raw_cksum_reduce(sum_ends(h, &known));
}

bool
pkt_hdrs_pseudo_sum(const struct pkt_hdrs *h, uint32_t l4_len, uint16_t *res)
{
	bool known;
	uint32_t sum = sum_ends(h, &known);

	sum += rte_cpu_to_be_16(h->proto);
	sum += rte_cpu_to_be_16((uint16_t)(l4_len >> 16));
	sum += rte_cpu_to_be_16((uint16_t)l4_len);
	*res = __rte_raw_cksum_reduce(sum);
	return known;
}
