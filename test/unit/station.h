/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames of a station, header by header, into port 0 of fakesw.h: each function appends a header.
 * Addresses: the station is `me`, it talks to `peer` behind port 1.
 */
#ifndef TEST_STATION_H
#define TEST_STATION_H

#include "fakesw.h"
#include "frame.h"
#include "switch/guard.h"

#define PASSES DROP_NUM

#define ARP 0x0806
#define RARP 0x8035
#define IP4 0x0800
#define IP6 0x86dd
#define TAG 0x8100
#define STAG 0x88a8

#define ICMP 1
#define TCP 6
#define UDP 17
#define HOP 0
#define FRAG 44
#define ICMP6 58
#define NONE 59
#define DST 60

#define MINE 0x0a000005u
#define MINE_TOO 0x0a000006u /* from another MAC address */
#define NET 0x0a010000u      /* and the 255 behind it */
#define OTHERS 0x0a000009u
#define ALL4 0xffffffffu

extern struct rte_ether_addr me, peer, other;
extern uint8_t own6[16], lla[16], other6[16], none6[16], nodes6[16];

extern struct fake_frame *f; /* the frame in the making */

uint8_t *more(uint32_t n);
void put16(uint32_t v);
void put32(uint32_t v);
void put(const void *from, uint32_t n);
void eth_from(const struct rte_ether_addr *src, uint32_t type);
void eth(uint32_t type);
/** With room for a payload of @p n bytes according to the header. */
void ip4(uint32_t src, uint32_t dst, uint32_t proto, uint32_t frag, uint32_t n);
void ip6(const uint8_t *src, uint32_t next, uint32_t n);
/** An extension header of @p n times 8 bytes. */
void ext(uint32_t next, uint32_t n);
void frag6(uint32_t next, uint32_t offset, bool last);
void udp(uint32_t from, uint32_t to);
void icmp(uint32_t type);
void nd(uint32_t type, const uint8_t *target);
void nd_option(uint32_t type, const struct rte_ether_addr *mac);
void arp(uint32_t op, const struct rte_ether_addr *sha, uint32_t spa, uint32_t tpa);

/**
 * Poll: the frame arrives at port 1 as it is (PASSES), or is dropped for @p why. becomes() tries it
 * in fragments and with tags, too.
 */
extern enum drop_reason hides; /* why a frame of three tags is dropped */
void becomes_once(enum drop_reason why);
void becomes(enum drop_reason why);
/** Once, with a checksum that its sender has finished at offset @p to. */
void becomes_with_sum(uint32_t to, enum drop_reason why);

/** The guard of port 0 to be: addresses are added to it, then guard_put() sets it. */
extern struct guard_config set;
void guard_allow(const char *text, const struct rte_ether_addr *mac);
void guard_put(uint32_t checks);

/** fake_setup(), and a peer that is known. */
int station_setup(void **state);

/** The same, and a guard with all checks and four addresses. */
int guard_setup(void **state);

#endif
