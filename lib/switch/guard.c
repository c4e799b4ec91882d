/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: control. */
#include "switch/guard.h"

#include <stdlib.h>
#include <string.h>

#include "switch/limit.h"

static void
fill_match(struct guard_match *m, const struct guard_pair *p)
{
	uint8_t mask[sizeof(m->mask)];

	ip_prefix_mask(&p->ip, mask);
	memcpy(m->mask, mask, sizeof(m->mask));
	memcpy(m->addr, p->ip.addr, sizeof(m->addr));
	m->mac = p->any_mac ? 0 : limiter_mac_word(&p->mac);
}

struct guard *
guard_new(const struct guard_config *c)
{
	struct guard *g = calloc(1, sizeof(*g) + c->n * sizeof(g->m[0]));

	if (g == NULL)
		return NULL;
	g->checks = c->checks;
	g->any_mac = c->n == 0;
	for (uint32_t i = 0; i < c->n; i++) {
		g->any_mac |= c->pair[i].any_mac;
		if (!c->pair[i].ip.ip6)
			fill_match(&g->m[g->n++], &c->pair[i]);
	}
	g->n4 = g->n;
	for (uint32_t i = 0; i < c->n; i++)
		if (c->pair[i].ip.ip6)
			fill_match(&g->m[g->n++], &c->pair[i]);
	return g;
}

void
guard_free(struct guard *g)
{
	free(g);
}

/* --- one address --- */

static bool
is_in(const struct ip_prefix *p, const uint8_t *addr, uint8_t len)
{
	uint8_t mask[sizeof(p->addr)];

	if (len != (p->ip6 ? sizeof(p->addr) : sizeof(uint32_t)))
		return false;
	ip_prefix_mask(p, mask);
	for (uint8_t i = 0; i < len; i++)
		if (((addr[i] ^ p->addr[i]) & mask[i]) != 0)
			return false;
	return true;
}

/* A station has the link-local address that is made of its MAC address, too (RFC 4291). */
static bool
is_link_local(const struct rte_ether_addr *mac, const uint8_t *addr, uint8_t len)
{
	const uint8_t *m = mac->addr_bytes;
	const uint8_t own[16] = {0xfe,     0x80, 0,    0,    0,    0,    0,    0,
				 m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]};

	return len == sizeof(own) && memcmp(addr, own, sizeof(own)) == 0;
}

bool
guard_allows(const struct guard_config *c, const struct rte_ether_addr *mac, const uint8_t *addr,
	     uint8_t len)
{
	bool link_local = is_link_local(mac, addr, len);

	if ((c->checks & GUARD_ADDRESSES) == 0 || (c->n == 0 && link_local))
		return true;
	for (uint32_t i = 0; i < c->n; i++) {
		const struct guard_pair *p = &c->pair[i];

		if ((p->any_mac || rte_is_same_ether_addr(&p->mac, mac)) &&
		    (link_local || is_in(&p->ip, addr, len)))
			return true;
	}
	return false;
}

/* --- text --- */

/* Multicast, broadcast, and no address at all. A prefix of length 0 is every address. */
static bool
is_no_host(const struct ip_prefix *p)
{
	static const uint8_t none[16];

	if (p->len != 0 && memcmp(p->addr, none, sizeof(none)) == 0)
		return true;
	return p->ip6 ? p->addr[0] == 0xff : (p->addr[0] & 0xe0) == 0xe0;
}

bool
guard_parse(const char *text, struct ip_prefix *p)
{
	return ip_prefix_parse(text, p) && !is_no_host(p);
}
