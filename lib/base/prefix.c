/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/prefix.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include <bsd/string.h>

#include "base/parse.h"

static uint8_t
bits_of(const struct ip_prefix *p)
{
	return p->ip6 ? 128 : 32;
}

void
ip_prefix_mask(const struct ip_prefix *p, uint8_t mask[16])
{
	memset(mask, 0, sizeof(p->addr));
	for (uint8_t bit = 0; bit < p->len; bit++)
		mask[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
}

static bool
has_host_bits(const struct ip_prefix *p)
{
	uint8_t mask[16];

	ip_prefix_mask(p, mask);
	for (size_t i = 0; i < sizeof(mask); i++)
		if ((p->addr[i] & ~mask[i]) != 0)
			return true;
	return false;
}

bool
ip_prefix_same(const struct ip_prefix *a, const struct ip_prefix *b)
{
	return a->ip6 == b->ip6 && a->len == b->len &&
	       memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

bool
ip_prefix_parse(const char *text, struct ip_prefix *p)
{
	const char *slash = strchr(text, '/');
	size_t n = slash != NULL ? (size_t)(slash - text) : strlen(text);
	char addr[INET6_ADDRSTRLEN];
	uint64_t len;

	if (n >= sizeof(addr))
		return false;
	memcpy(addr, text, n);
	addr[n] = '\0';
	memset(p->addr, 0, sizeof(p->addr));
	p->ip6 = strchr(addr, ':') != NULL;
	if (inet_pton(p->ip6 ? AF_INET6 : AF_INET, addr, p->addr) != 1)
		return false;
	len = bits_of(p);
	if (slash != NULL && !parse_whole(slash + 1, 10, 0, len, &len))
		return false;
	p->len = (uint8_t)len;
	return !has_host_bits(p);
}

const char *
ip_prefix_text(const struct ip_prefix *p, char *buf, uint32_t len)
{
	char addr[INET6_ADDRSTRLEN];

	inet_ntop(p->ip6 ? AF_INET6 : AF_INET, p->addr, addr, sizeof(addr));
	if (p->len == bits_of(p))
		strlcpy(buf, addr, len);
	else
		snprintf(buf, len, "%s/%u", addr, p->len);
	return buf;
}
