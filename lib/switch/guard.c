/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: control. */
#include "switch/guard.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include "base/parse.h"
#include "switch/limit.h"

static void
fill_match(struct guard_match *m, const struct guard_pair *p)
{
	uint8_t mask[sizeof(m->mask)] = {0};

	for (uint8_t bit = 0; bit < p->prefix; bit++)
		mask[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	memcpy(m->mask, mask, sizeof(m->mask));
	memcpy(m->addr, p->addr, sizeof(m->addr));
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
		if (!c->pair[i].ip6)
			fill_match(&g->m[g->n++], &c->pair[i]);
	}
	g->n4 = g->n;
	for (uint32_t i = 0; i < c->n; i++)
		if (c->pair[i].ip6)
			fill_match(&g->m[g->n++], &c->pair[i]);
	return g;
}

void
guard_free(struct guard *g)
{
	free(g);
}

/* --- text --- */

static uint8_t
bits_of(const struct guard_pair *p)
{
	return p->ip6 ? 128 : 32;
}

static bool
has_host_bits(const struct guard_pair *p)
{
	for (uint8_t bit = p->prefix; bit < bits_of(p); bit++)
		if ((p->addr[bit / 8] & 0x80 >> bit % 8) != 0)
			return true;
	return false;
}

/* Multicast, broadcast, and no address at all. A prefix of length 0 is every address. */
static bool
is_no_host(const struct guard_pair *p)
{
	static const uint8_t none[16];

	if (p->prefix != 0 && memcmp(p->addr, none, sizeof(none)) == 0)
		return true;
	return p->ip6 ? p->addr[0] == 0xff : (p->addr[0] & 0xe0) == 0xe0;
}

bool
guard_parse(const char *text, struct guard_pair *pair)
{
	const char *slash = strchr(text, '/');
	size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
	char addr[INET6_ADDRSTRLEN];
	uint64_t prefix;

	if (len >= sizeof(addr))
		return false;
	memcpy(addr, text, len);
	addr[len] = '\0';
	memset(pair->addr, 0, sizeof(pair->addr));
	pair->ip6 = strchr(addr, ':') != NULL;
	if (inet_pton(pair->ip6 ? AF_INET6 : AF_INET, addr, pair->addr) != 1)
		return false;
	prefix = bits_of(pair);
	if (slash != NULL && !parse_whole(slash + 1, 10, 0, prefix, &prefix))
		return false;
	pair->prefix = (uint8_t)prefix;
	return !has_host_bits(pair) && !is_no_host(pair);
}

const char *
guard_text(const struct guard_pair *pair, char *buf, uint32_t len)
{
	char addr[INET6_ADDRSTRLEN];

	inet_ntop(pair->ip6 ? AF_INET6 : AF_INET, pair->addr, addr, sizeof(addr));
	if (pair->prefix == bits_of(pair))
		strlcpy(buf, addr, len);
	else
		snprintf(buf, len, "%s/%u", addr, pair->prefix);
	return buf;
}
