/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An IPv4 or IPv6 address as a key: equal addresses are equal bytes. Any thread.
 */
#ifndef EVPN_IP_H
#define EVPN_IP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** All zero: no address. Bytes behind those of an IPv4 address are 0. */
struct evpn_ip {
	uint8_t len; /* 4, 16 or 0 */
	uint8_t addr[16];
};

/** The address in @p len bytes, network order; false: neither 4 nor 16. */
bool evpn_ip_set(struct evpn_ip *ip, const void *addr, size_t len);

/** Whether it can be one host's: unicast, and not this host's loopback. */
bool evpn_ip_is_host(const struct evpn_ip *ip);

/** From text, "192.0.2.1" or "2001:db8::1"; false: it is neither. */
bool evpn_ip_parse(struct evpn_ip *ip, const char *text);

/** Order for trees: negative, 0, positive. */
int evpn_ip_cmp(const struct evpn_ip *a, const struct evpn_ip *b);

static inline bool
evpn_ip_is_set(const struct evpn_ip *ip)
{
	return ip->len != 0;
}

static inline bool
evpn_ip_equal(const struct evpn_ip *a, const struct evpn_ip *b)
{
	return evpn_ip_cmp(a, b) == 0;
}

/** AF_INET or AF_INET6; AF_UNSPEC without an address. */
int evpn_ip_family(const struct evpn_ip *ip);

#define EVPN_IP_TEXT INET6_ADDRSTRLEN

/** Its text in @p buf, "none" without an address; returns @p buf. */
const char *evpn_ip_text(const struct evpn_ip *ip, char buf[EVPN_IP_TEXT]);

#endif
