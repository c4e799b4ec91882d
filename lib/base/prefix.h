/* SPDX-License-Identifier: BSD-3-Clause */
/* IP addresses with a length, in text. Any thread. */
#ifndef BASE_PREFIX_H
#define BASE_PREFIX_H

#include <stdbool.h>
#include <stdint.h>

#define IP_PREFIX_TEXT 64 /* room for one in text */

/** An address or a prefix. */
struct ip_prefix {
	uint8_t addr[16]; /* IPv4: the first four bytes; bits behind the prefix are 0 */
	uint8_t len;      /* bits */
	bool ip6;
};

/** "192.0.2.1" or "2001:db8::/64". False: it is neither, or bits are set behind the prefix. */
bool ip_prefix_parse(const char *text, struct ip_prefix *p);

/** Its text, at most @p len bytes to @p buf; without "/length" if that is the whole address. */
const char *ip_prefix_text(const struct ip_prefix *p, char *buf, uint32_t len);

bool ip_prefix_same(const struct ip_prefix *a, const struct ip_prefix *b);

/** As many bits as the length says, of the 16 bytes of an address. */
void ip_prefix_mask(const struct ip_prefix *p, uint8_t mask[16]);

#endif
