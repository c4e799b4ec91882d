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
