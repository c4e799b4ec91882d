/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Access control lists: rules in text, the first rule that a packet fits in either direction, what
 * fragments and hidden headers make of it, frames that are changed while they are looked at, and
 * that a trie and the plain comparison agree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include <rte_acl.h>
#include <rte_byteorder.h>

#include "eal.h"
#include "station.h"
#include "switch/acl_text.h"
#include "switch/acl_trie.h"
#include "switch/acl_worker.h"
#include "switch/modes.h"
#include "switch/port_acl.h"
#include "switch/vlan_table.h"

static struct acl_config list;

/* A list of these rules for frames that go @p dir at port @p port. */
static void
set_list(uint32_t port, enum acl_dir dir, bool drop, const char *const *rules)
{
	struct acl_text_error e;

	memset(&list, 0, sizeof(list));
	list.drop = drop;
	for (; *rules != NULL; rules++) {
		assert_true(acl_text_parse(*rules, &list.rule[list.n], &e));
		list.rule[list.n].seq = list.n + 1;
		list.n++;
	}
	assert_int_equal(port_set_acl(&fake_ports[port].p, dir, &list), 0);
}

#define IN(drop, ...) set_list(0, ACL_IN, drop, (const char *const[]){__VA_ARGS__, NULL})
#define OUT(drop, ...) set_list(1, ACL_OUT, drop, (const char *const[]){__VA_ARGS__, NULL})

static void
udp4(uint32_t src, uint32_t dst, uint32_t from, uint32_t to)
{
	eth(IP4);
	ip4(src, dst, UDP, 0, 12);
	udp(from, to);
}

/* --- text --- */

static void
parses(const char *text, const char *as)
{
	struct acl_text_error e;
	char buf[ACL_TEXT] = "";
	struct acl_rule r;
	FILE *out = fmemopen(buf, sizeof(buf), "w");

	assert_true(acl_text_parse(text, &r, &e));
	acl_text_print(&r, out);
	fclose(out);
	assert_string_equal(buf, as);
}

static void
fails(const char *text, const char *word, const char *expected)
{
	struct acl_text_error e;
	struct acl_rule r;

	assert_false(acl_text_parse(text, &r, &e));
	assert_string_equal(e.word, word);
	assert_non_null(strstr(e.expected, expected));
}

static void
test_text(void **state)
{
	static const char longest[] =
		"seq 65535 allow ip6 proto udplite src 2001:db8:1111:2222:3333:4444:5555:6666 dst "
		"2001:db8:1111:2222:3333:4444:5555:0/112 sport 10000-20000 dport 30000-65535";

	parses("drop", "seq 0 drop");
	parses("  seq 7\tallow  ip", "seq 7 allow ip");
	parses("seq 65535 drop ip6 proto 58 src 2001:DB8::/32",
	       "seq 65535 drop ip6 proto icmp6 src "
	       "2001:db8::/32");
	parses("allow dport 53 proto udp dst 192.0.2.1/32 sport 0-65535",
	       "seq 0 allow proto udp dst 192.0.2.1 sport 0-65535 dport 53");
	parses("allow proto 255 fragments", "seq 0 allow proto 255 fragments");
	parses("allow src 0.0.0.0/0", "seq 0 allow src 0.0.0.0/0");
	parses("allow-related ip proto tcp", "seq 0 allow-related ip proto tcp");
	parses("seq 3 allow-related", "seq 3 allow-related");
	parses("allow dport 9-9", "seq 0 allow dport 9");
	parses(longest, longest);
	assert_true(sizeof(longest) <= ACL_TEXT);
	fails("", "", "seq, allow, allow-related or drop");
	fails("seq", "", "a number from 1");
	fails("seq 0 drop", "0", "a number from 1");
	fails("seq 65536 drop", "65536", "a number from 1");
	fails("seq 5", "", "allow, allow-related or drop");
	fails("pass", "pass", "seq, allow, allow-related or drop");
	fails("drop ipv4", "ipv4", "proto, src");
	fails("drop proto", "", "tcp, udp");
	fails("drop proto 256", "256", "tcp, udp");
	fails("drop src 10.0.0.1/8", "10.0.0.1/8", "without host bits");
	fails("drop dst guest", "guest", "an address");
	fails("drop dport 65536", "65536", "a port number");
	fails("drop dport 5-3", "5-3", "a port number");
	fails("drop dport 5-", "5-", "a port number");
	fails("drop dport 5,6", "5,6", "a port number");
	fails("drop seq 5", "seq", "proto, src");
	fails("drop dport 22 dport 23", "dport", "once");
	fails("drop src 10.0.0.1 proto tcp src 10.0.0.2", "src", "once");
	fails("drop src 10.0.0.1 dst ::1", "drop src 10.0.0.1 dst ::1", "one family");
	fails("drop ip src ::1", "drop ip src ::1", "one family");
	fails("drop proto icmp dport 5", "drop proto icmp dport 5", "has port numbers");
	fails("drop dport 5 fragments", "drop dport 5 fragments", "no port numbers");
	fails("drop src 1111111111111111111111111111111111111111111111111111111111111111111111",
	      "111111111111111111111111111111111111111111111111111111111111111", "an address");
	fails("drop xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
	      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "proto, src");
}

/* --- packets --- */

static void
test_first_rule(void **state)
{
	IN(false, "allow src 10.0.0.5 dport 53", "drop proto udp dport 50-60", "allow dst 10.0.0.9",
	   "drop proto tcp");
	udp4(MINE, OTHERS, 7, 53);
	becomes(PASSES);
	udp4(MINE_TOO, OTHERS, 7, 53);
	becomes(DROP_RX_ACL);
	udp4(MINE, OTHERS, 7, 50);
	becomes(DROP_RX_ACL);
	udp4(MINE, OTHERS, 7, 60);
	becomes(DROP_RX_ACL);
	udp4(MINE, OTHERS, 7, 61);
	becomes(PASSES);
	udp4(MINE, OTHERS, 55, 49);
	becomes(PASSES);
	eth(IP4);
	ip4(MINE, OTHERS, TCP, 0, 20);
	more(20);
	becomes(PASSES);
	eth(IP4);
	ip4(MINE, MINE, TCP, 0, 20);
	more(20);
	becomes(DROP_RX_ACL);
	eth(ARP); /* no IP */
	arp(1, &me, OTHERS, MINE);
	becomes(PASSES);
}

static void
test_default(void **state)
{
	IN(true, "allow proto udp src 10.0.0.0/29 sport 1024-65535");
	udp4(MINE, OTHERS, 1024, 9);
	becomes(PASSES);
	udp4(MINE, OTHERS, 65535, 9);
	becomes(PASSES);
	udp4(MINE, OTHERS, 1023, 9);
	becomes(DROP_RX_ACL);
	udp4(OTHERS, OTHERS, 1024, 9);
	becomes(DROP_RX_ACL);
	eth(IP6);
	ip6(own6, UDP, 12);
	udp(1024, 9);
	becomes(DROP_RX_ACL);
	eth(ARP);
	arp(1, &me, MINE, OTHERS);
	becomes(PASSES);
	IN(true, "allow ip6");
	eth(IP6);
	ip6(own6, UDP, 12);
	udp(1024, 9);
	becomes(PASSES);
	udp4(MINE, OTHERS, 1024, 9);
	becomes(DROP_RX_ACL);
}

static void
test_ipv6(void **state)
{
	IN(false, "drop proto udp src 2001:db8::5 dst ff02::/16 dport 9", "drop proto icmp6");
	eth(IP6);
	ip6(own6, UDP, 12);
	udp(7, 9);
	becomes(DROP_RX_ACL);
	eth(IP6);
	ip6(other6, UDP, 12);
	udp(7, 9);
	becomes(PASSES);
	eth(IP6); /* the protocol is behind what extends IP */
	ip6(own6, HOP, 12 + 16);
	ext(DST, 1);
	ext(UDP, 1);
	udp(7, 9);
	becomes(DROP_RX_ACL);
	eth(IP6);
	ip6(own6, DST, 160 + 12);
	ext(UDP, 20);
	udp(7, 9);
	becomes(DROP_RX_ACL);
	eth(IP6);
	ip6(other6, DST, 8 + 8);
	ext(ICMP6, 1);
	icmp(128);
	becomes(DROP_RX_ACL);
	eth(IP6);
	ip6(other6, DST, 8 + 8);
	ext(NONE, 1);
	more(8);
	becomes(PASSES);
}

/* Rules with ports are for packets that show them; "fragments" is for those that do not. */
static void
test_fragments(void **state)
{
	IN(false, "drop proto udp dport 9");
	eth(IP4);
	ip4(MINE, OTHERS, UDP, 0x2000, 16);
	udp(7, 9);
	more(4);
	becomes(DROP_RX_ACL);
	eth(IP4);
	ip4(MINE, OTHERS, UDP, 2, 12);
	udp(7, 9); /* it looks like a header, but is none */
	becomes(PASSES);
	eth(IP6);
	ip6(own6, FRAG, 8 + 12);
	frag6(UDP, 0, false);
	udp(7, 9);
	becomes(DROP_RX_ACL);
	eth(IP6);
	ip6(own6, FRAG, 8 + 12);
	frag6(UDP, 16, true);
	udp(7, 9);
	becomes(PASSES);
	IN(true, "allow proto udp dport 9", "allow proto udp src 10.0.0.5 fragments");
	eth(IP4);
	ip4(MINE, OTHERS, UDP, 2, 12);
	udp(7, 8);
	becomes(PASSES);
	eth(IP4);
	ip4(OTHERS, MINE, UDP, 2, 12);
	udp(7, 9);
	becomes(DROP_RX_ACL);
	udp4(MINE, OTHERS, 7, 8);
	becomes(DROP_RX_ACL);
	IN(false, "drop proto udp"); /* of all fragments */
	eth(IP4);
	ip4(MINE, OTHERS, UDP, 2, 12);
	udp(7, 9);
	becomes(DROP_RX_ACL);
}

/* Headers that cannot be seen could be anything. */
static void
test_hidden(void **state)
{
	IN(false, "drop proto udp dport 9");
	eth(IP4); /* ports are in the next fragment */
	ip4(MINE, OTHERS, UDP, 0x2000, 2);
	put16(7);
	becomes(DROP_RX_ACL_HIDDEN);
	eth(IP4);
	ip4(MINE, OTHERS, UDP, 0, 3);
	udp(7, 9); /* behind the end of the packet */
	becomes(DROP_RX_ACL_HIDDEN);
	udp4(MINE, OTHERS, 7, 8);
	f->b[14] = 0x44;
	becomes(DROP_RX_ACL_HIDDEN);
	eth(IP6);
	ip6(own6, FRAG, 8 + 8);
	frag6(DST, 0, false);
	ext(UDP, 1); /* the packet ends there */
	becomes(DROP_RX_ACL_HIDDEN);
	eth(60); /* a length: SNAP, and IPv4 in it */
	put16(0xaaaa);
	put16(0x0300);
	put16(0);
	put16(IP4);
	ip4(MINE, OTHERS, UDP, 0, 0);
	becomes(DROP_RX_ACL_HIDDEN);
	eth(IP4); /* protocols without ports have nothing to hide */
	ip4(MINE, OTHERS, ICMP, 0, 1);
	more(1);
	becomes(PASSES);
}

/* A checksum that the sender has the switch finish must not write to what was looked at. */
static void
test_partial_sums(void **state)
{
	IN(false, "drop proto tcp");
	for (uint32_t to = 14; to <= 44; to++) {
		udp4(MINE, OTHERS, 7, 9);
		becomes_with_sum(to, to < 38 ? DROP_RX_ACL_HIDDEN : PASSES);
	}
	for (uint32_t to = 32; to < 40; to++) {
		eth(IP4);
		ip4(MINE, OTHERS, ICMP, 0, 8);
		icmp(8);
		becomes_with_sum(to, to < 34 ? DROP_RX_ACL_HIDDEN : PASSES);
		eth(IP4);
		ip4(MINE, OTHERS, UDP, 2, 12);
		udp(7, 9);
		becomes_with_sum(to, to < 34 ? DROP_RX_ACL_HIDDEN : PASSES);
	}
	for (uint32_t to = 60; to < 70; to++) {
		eth(IP6);
		ip6(own6, DST, 8 + 12);
		ext(UDP, 1);
		udp(7, 9);
		becomes_with_sum(to, to < 66 ? DROP_RX_ACL_HIDDEN : PASSES);
	}
	for (uint32_t to = 14; to < 30; to++) {
		eth(TAG);
		put16(5);
		put16(0x88b5); /* it could be made 0x0800 */
		more(42);
		becomes_with_sum(to, to < 26 ? DROP_RX_ACL_HIDDEN : PASSES);
	}
}

/* --- frames that go out --- */

static uint64_t
not_sent(uint32_t port, enum drop_reason why)
{
	return fake_ports[port].tx.stats.drop[why];
}

static void
test_out(void **state)
{
	OUT(false, "drop proto udp dport 9");
	udp4(MINE, OTHERS, 7, 8);
	udp4(MINE, OTHERS, 7, 9);
	udp4(MINE, OTHERS, 7, 10);
	fake_poll();
	fake_check_accounts();
	assert_int_equal(fake_ports[1].nout, 2);
	assert_int_equal(frame_get16(fake_ports[1].out[0].b + 36), 8);
	assert_int_equal(frame_get16(fake_ports[1].out[1].b + 36), 10);
	assert_int_equal(not_sent(1, DROP_TX_ACL), 1);
	eth(IP4);
	ip4(MINE, OTHERS, UDP, 0x2000, 2);
	put16(7);
	fake_clear();
	fake_poll();
	fake_check_accounts();
	assert_int_equal(fake_ports[1].nout, 0);
	assert_int_equal(not_sent(1, DROP_TX_ACL_HIDDEN), 1);
	fake_sw.mode = fwd_mode_by_name("io");
	OUT(true, "allow proto udp dport 9");
	udp4(MINE, OTHERS, 7, 8);
	udp4(MINE, OTHERS, 7, 9);
	fake_clear();
	fake_poll();
	fake_check_accounts();
	assert_int_equal(fake_ports[1].nout, 1);
	assert_int_equal(not_sent(1, DROP_TX_ACL), 2);
	fake_sw.mode = fwd_mode_by_name("switch");
}

/* All bytes are its own. */
static void
flood_udp4(uint32_t n, uint32_t port)
{
	uint8_t *b;

	f = fake_put(0, &me, &fake_broadcast, 14);
	f->len = 12;
	put16(IP4);
	ip4(MINE, OTHERS, UDP, 0, 300);
	udp(7, port);
	b = more(288);
	for (uint32_t i = 0; i < 288; i++)
		b[i] = (uint8_t)(n + 7 * i);
}

/* Of a frame that floods, one receiver's list is nothing to the others. */
static void
test_out_flooded(void **state)
{
	const uint32_t len = 14 + 20 + 300;
	static uint8_t sent[60][14 + 20 + 300];

	OUT(false, "drop proto udp dport 9");
	for (uint32_t i = 0; i < 60; i++) {
		flood_udp4(i, i % 3 == 0 ? 9 : 8);
		memcpy(sent[i], f->b, len);
		f->split = i % 2 == 0 ? 50 : 0;
		f->step = 20;
	}
	fake_poll();
	fake_check_accounts();
	assert_int_equal(not_sent(1, DROP_TX_ACL), 20);
	assert_int_equal(fake_ports[1].nout, 40);
	assert_int_equal(fake_ports[2].nout, 60);
	assert_int_equal(fake_ports[3].nout, 60);
	for (uint32_t i = 0; i < 60; i++) {
		assert_memory_equal(fake_ports[2].out[i].b, sent[i], len);
		assert_memory_equal(fake_ports[3].out[i].b, sent[i], len);
		if (i % 3 != 0)
			assert_memory_equal(fake_ports[1].out[i - i / 3 - 1].b, sent[i], len);
	}
}

/* A frame that gets a tag on its way out is looked at behind it, the untagged one goes on. */
static void
test_out_tagged(void **state)
{
	struct vlan_config access = {.on = true, .access = true, .native = 5}, trunk = {.on = true};

	vlan_allow(&access, 5);
	vlan_allow(&trunk, 5);
	assert_int_equal(port_set_vlan(&fake_ports[0].p, &access), 0);
	assert_int_equal(port_set_vlan(&fake_ports[1].p, &trunk), 0);
	assert_int_equal(port_set_vlan(&fake_ports[2].p, &access), 0);
	OUT(true, "allow proto udp dport 9");
	for (uint32_t i = 0; i < 2; i++) {
		f = fake_put(0, &me, &fake_broadcast, 14);
		f->len = 12;
		put16(IP4);
		ip4(MINE, OTHERS, UDP, 0, 12);
		udp(7, 9 - i);
	}
	fake_poll();
	fake_check_accounts();
	assert_int_equal(fake_ports[1].nout, 1);
	assert_int_equal(fake_ports[1].out[0].len, 14 + 4 + 20 + 12);
	assert_int_equal(frame_get16(fake_ports[1].out[0].b + 14), 5);
	assert_int_equal(frame_get16(fake_ports[1].out[0].b + 40), 9);
	assert_int_equal(fake_ports[2].nout, 2);
	assert_int_equal(not_sent(1, DROP_TX_ACL), 1);
}

/* The frame's owner writes to it as soon as it was looked at. */
static const struct pktq_ops *quick;

static uint16_t
tx_late(struct pktq *q, struct pkt *const *pkts, uint16_t n)
{
	for (uint32_t i = 0; i < fake_ports[0].nin; i++)
		memset(fake_ports[0].in[i].b, 0x77, fake_ports[0].in[i].len);
	return quick->tx(q, pkts, n);
}

static void
arrives_as_it_was(void)
{
	uint8_t b[FAKE_LEN];

	for (uint32_t split = 0; split <= 40; split += 20) {
		udp4(MINE, OTHERS, 7, 9);
		f->split = split;
		f->step = 7;
		memcpy(b, f->b, f->len);
		fake_clear();
		fake_poll();
		assert_int_equal(fake_ports[1].nout, 1);
		assert_memory_equal(fake_ports[1].out[0].b, b, 14 + 20 + 12);
	}
}

static void
test_written_meanwhile(void **state)
{
	static struct pktq_ops late;

	quick = pktq_ops(&fake_ports[1].tx);
	late = *quick;
	late.tx = tx_late;
	atomic_store(&fake_ports[1].tx.ops, &late);
	IN(false, "drop proto tcp");
	arrives_as_it_was();
	memset(&list, 0, sizeof(list));
	assert_int_equal(port_set_acl(&fake_ports[0].p, ACL_IN, &list), 0);
	assert_null(fake_ports[0].p.acl[ACL_IN]);
	OUT(false, "drop proto tcp");
	arrives_as_it_was();
}

/* --- counters --- */

static void
counted(uint32_t rule, uint64_t frames)
{
	struct acl_count n = port_acl_count(&fake_ports[0].p, ACL_IN, rule);

	assert_int_equal(n.frames, frames);
	assert_int_equal(n.bytes, frames * (14 + 20 + 12));
}

static void
test_counters(void **state)
{
	IN(true, "allow dport 8", "drop dport 9", "allow dport 10");
	for (uint32_t i = 0; i < 12; i++)
		udp4(MINE, OTHERS, 7, 8 + i % 4);
	udp4(MINE, OTHERS, 7, 9);
	fake_poll();
	fake_check_accounts();
	assert_int_equal(fake_dropped(0, DROP_RX_ACL), 7);
	counted(0, 3);
	counted(1, 3);
	counted(2, 4);
	counted(3, 3);
	/* rules that stay keep theirs */
	list.rule[1].drop = false;
	assert_int_equal(port_set_acl(&fake_ports[0].p, ACL_IN, &list), 0);
	counted(0, 3);
	counted(1, 3);
	counted(2, 0);
	counted(3, 3);
	list.rule[1] = list.rule[2];
	list.n = 2;
	assert_int_equal(port_set_acl(&fake_ports[0].p, ACL_IN, &list), 0);
	counted(1, 3);
	counted(2, 3);
	udp4(MINE, OTHERS, 7, 10);
	fake_poll();
	counted(2, 4);
	counted(0, 3);
}

/* The successor has the same list, which has counted nothing. */
static void
test_counters_are_handed_over(void **state)
{
	static const struct acl_config none;
	struct blob b = {0};

	IN(true, "allow dport 8", "drop dport 9", "allow dport 10");
	for (uint32_t i = 0; i < 12; i++)
		udp4(MINE, OTHERS, 7, 8 + i % 4);
	fake_poll();
	fake_save(0, &b);
	assert_int_equal(port_set_acl(&fake_ports[0].p, ACL_IN, &none), 0);
	assert_int_equal(port_set_acl(&fake_ports[0].p, ACL_IN, &list), 0);
	counted(2, 0);
	assert_null(fake_load(0, &b));
	for (uint32_t i = 0; i <= 3; i++)
		counted(i, 3);
	udp4(MINE, OTHERS, 7, 9);
	fake_poll();
	counted(2, 4);
	/* one that lacks a rule is not the same switch */
	list.n = 2;
	assert_int_equal(port_set_acl(&fake_ports[0].p, ACL_IN, &list), 0);
	assert_non_null(fake_load(0, &b));
	assert_int_equal(port_set_acl(&fake_ports[0].p, ACL_IN, &none), 0);
	assert_non_null(fake_load(0, &b));
	blob_free(&b);
}

/* --- tries --- */

static uint64_t seed;

static uint32_t
any(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

/* Few values, so that packets fit rules, and rules each other. */
static void
any_prefix(struct ip_prefix *p, bool is6)
{
	uint8_t mask[16];

	memset(p, 0, sizeof(*p));
	p->ip6 = is6;
	p->len = (uint8_t)any(is6 ? 129 : 33);
	ip_prefix_mask(p, mask);
	for (uint32_t i = 0; i < (is6 ? 16 : 4); i++)
		p->addr[i] = (uint8_t)(any(4) == 0 ? 0x20 : 0) & mask[i];
}

static struct acl_ports
any_ports(void)
{
	uint16_t from = (uint16_t)any(1 << 16), n = (uint16_t)any(1 << any(17));

	return (struct acl_ports){.given = any(2) == 0,
				  .from = from,
				  .to = (uint16_t)RTE_MIN(from + n, UINT16_MAX)};
}

static void
any_rule(struct acl_rule *r, uint32_t seq)
{
	bool is6 = any(2) == 0;

	memset(r, 0, sizeof(*r));
	r->seq = seq;
	r->drop = any(2) == 0;
	r->not4 = any(8) == 0;
	r->has_src = any(2) == 0;
	r->has_dst = any(2) == 0;
	any_prefix(&r->src, is6);
	any_prefix(&r->dst, is6);
	r->has_proto = any(2) == 0;
	r->proto = any(2) == 0 ? UDP : TCP;
	r->later = any(4) == 0;
	if (r->later)
		return;
	r->sport = any_ports();
	r->dport = any_ports();
}

/* A packet that fits a rule, but for what is changed then. */
static void
any_key(struct acl_key *k, const struct acl_table *t)
{
	const struct acl_match *m = &t->match[any(t->n)];
	rte_be16_t port[2] = {rte_cpu_to_be_16(any(2) == 0 ? m->sport.from : m->sport.to),
			      rte_cpu_to_be_16(any(2) == 0 ? m->dport.from : m->dport.to)};
	uint8_t *b = (uint8_t *)k;

	memcpy(k->word, m->value, sizeof(k->word));
	memcpy(&k->word[ACL_WORD_PORTS], port, sizeof(port));
	for (uint32_t n = any(3); n > 0; n--)
		b[any(sizeof(*k))] ^= (uint8_t)(1 << any(8));
	memset(b + 1, 0, 3);
	if (t == &fake_ports[0].p.acl[ACL_IN]->table[ACL_IP4]) {
		memset(&k->word[ACL_WORD_SRC + 1], 0, 12);
		memset(&k->word[ACL_WORD_DST + 1], 0, 12);
	}
}

static void
agree(const struct acl *a, enum acl_family family)
{
	const struct acl_table *t = &a->table[family];
	const struct rte_acl_ctx *trie = atomic_load(&t->trie);
	uint32_t found = 0;

	assert_true(t->n >= ACL_TRIE_MIN);
	assert_non_null(trie);
	for (uint32_t i = 0; i < 5000; i++) {
		struct acl_key k;
		const uint8_t *data = (const uint8_t *)&k;
		uint32_t rule;

		any_key(&k, t);
		assert_int_equal(rte_acl_classify(trie, &data, &rule, 1, 1), 0);
		assert_int_equal(rule, acl_first(a, family, &k));
		found += rule != 0;
	}
	assert_in_range(found, 500, 5000);
}

static void
test_trie_agrees(void **state)
{
	struct acl_config c = {0};

	seed = 1;
	for (uint32_t i = 0; i < 8; i++) {
		c.n = i == 0 ? ACL_RULES_MAX : 20 + any(30);
		for (uint32_t k = 0; k < c.n; k++)
			any_rule(&c.rule[k], k + 1);
		assert_int_equal(port_set_acl(&fake_ports[0].p, ACL_IN, &c), 0);
		acl_trie_settle();
		agree(fake_ports[0].p.acl[ACL_IN], ACL_IP4);
		agree(fake_ports[0].p.acl[ACL_IN], ACL_IP6);
	}
}

/* The same frames get the same verdicts before there is a trie and from it. */
static void
test_trie_at_work(void **state)
{
	char text[16][64];
	const char *rules[17] = {0};

	for (uint32_t i = 0; i < 16; i++) {
		snprintf(text[i], sizeof(text[i]), "%s proto udp dport %u",
			 i % 2 == 0 ? "allow" : "drop", 100 + i);
		rules[i] = text[i];
	}
	set_list(0, ACL_IN, true, rules);
	for (int settled = 0; settled < 2; settled++) {
		for (uint32_t i = 0; i < 18; i++) {
			udp4(MINE, OTHERS, 7, 100 + i);
			becomes(i % 2 == 0 && i < 16 ? PASSES : DROP_RX_ACL);
		}
		acl_trie_settle();
		assert_non_null(atomic_load(&fake_ports[0].p.acl[ACL_IN]->table[ACL_IP4].trie));
	}
}

/* Lists that are replaced and removed while their tries are being made. */
static void
test_replaced_meanwhile(void **state)
{
	struct acl_config c = {.n = ACL_RULES_MAX}, none = {0};

	for (uint32_t i = 0; i < 40; i++) {
		for (uint32_t k = 0; k < c.n; k++)
			any_rule(&c.rule[k], k + 1);
		assert_int_equal(port_set_acl(&fake_ports[0].p, i % 2, &c), 0);
	}
	assert_int_equal(port_set_acl(&fake_ports[0].p, ACL_IN, &none), 0);
	acl_trie_settle();
	assert_null(fake_ports[0].p.acl[ACL_IN]);
	assert_non_null(atomic_load(&fake_ports[0].p.acl[ACL_OUT]->table[ACL_IP4].trie));
}

static void
test_refused(void **state)
{
	struct acl *before;

	IN(false, "drop proto tcp", "drop proto udp");
	before = fake_ports[0].p.acl[ACL_IN];
	list.rule[0].seq = 2;
	assert_int_equal(port_set_acl(&fake_ports[0].p, ACL_IN, &list), -EINVAL);
	list.rule[0].seq = 0;
	assert_int_equal(port_set_acl(&fake_ports[0].p, ACL_IN, &list), -EINVAL);
	list.rule[0].seq = 1;
	list.n = ACL_RULES_MAX + 1;
	assert_int_equal(port_set_acl(&fake_ports[0].p, ACL_IN, &list), -ERANGE);
	assert_ptr_equal(fake_ports[0].p.acl[ACL_IN], before);
}

static int
setup(void **state)
{
	hides = DROP_RX_ACL_HIDDEN;
	return station_setup(state);
}

#define EACH(fn) cmocka_unit_test_setup_teardown(fn, setup, fake_teardown)

static int
start_eal(void **state)
{
	return eal_start("0", 512);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		EACH(test_first_rule),
		EACH(test_default),
		EACH(test_ipv6),
		EACH(test_fragments),
		EACH(test_hidden),
		EACH(test_partial_sums),
		EACH(test_out),
		EACH(test_out_flooded),
		EACH(test_out_tagged),
		EACH(test_written_meanwhile),
		EACH(test_counters),
		EACH(test_counters_are_handed_over),
		EACH(test_trie_agrees),
		EACH(test_trie_at_work),
		EACH(test_replaced_meanwhile),
		EACH(test_refused),
	};

	return cmocka_run_group_tests(tests, start_eal, NULL);
}
