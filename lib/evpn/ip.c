/* SPDX-License-Identifier: BSD-3-Clause */
#include "evpn/ip.h"

#include <arpa/inet.h>
#include <string.h>

#include <bsd/string.h>

#define LEN4 4
#define LEN6 16

bool
evpn_ip_set(struct evpn_ip *ip, const void *addr, size_t len)
{
	*ip = (struct evpn_ip){0};
	if (len != LEN4 && len != LEN6)
		return false;
	ip->len = (uint8_t)len;
	memcpy(ip->addr, addr, len);
	return true;
}

bool
evpn_ip_parse(struct evpn_ip *ip, const char *text)
{
	uint8_t addr[LEN6];

	if (inet_pton(AF_INET, text, addr) == 1)
		return evpn_ip_set(ip, addr, LEN4);
	if (inet_pton(AF_INET6, text, addr) == 1)
		return evpn_ip_set(ip, addr, LEN6);
	*ip = (struct evpn_ip){0};
	return false;
}

bool
evpn_ip_is_host(const struct evpn_ip *ip)
{
	static const uint8_t none[LEN6], loopback[LEN6] = {[LEN6 - 1] = 1};

	if (ip->len == LEN4)
		return ip->addr[0] != 0 && ip->addr[0] != 127 && ip->addr[0] < 224;
	return ip->len == LEN6 && ip->addr[0] != 0xff && memcmp(ip->addr, none, LEN6) != 0 &&
	       memcmp(ip->addr, loopback, LEN6) != 0;
}

int
evpn_ip_cmp(const struct evpn_ip *a, const struct evpn_ip *b)
{
	return memcmp(a, b, sizeof(*a));
}

int
evpn_ip_family(const struct evpn_ip *ip)
{
	if (!evpn_ip_is_set(ip))
		return AF_UNSPEC;
	return ip->len == LEN4 ? AF_INET : AF_INET6;
}

const char *
evpn_ip_text(const struct evpn_ip *ip, char buf[EVPN_IP_TEXT])
{
	if (inet_ntop(evpn_ip_family(ip), ip->addr, buf, EVPN_IP_TEXT) == NULL)
		strlcpy(buf, "none", EVPN_IP_TEXT);
	return buf;
}
