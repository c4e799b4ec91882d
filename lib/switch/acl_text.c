/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: any thread. */
#include "switch/acl_text.h"

#include <netinet/in.h>
#include <string.h>

#include <bsd/string.h>
#include <rte_common.h>

#include "base/parse.h"

static const struct {
	const char *name;
	uint8_t number;
	bool has_ports;
} protos[] = {
	{"tcp", IPPROTO_TCP, true},       {"udp", IPPROTO_UDP, true},
	{"sctp", IPPROTO_SCTP, true},     {"udplite", IPPROTO_UDPLITE, true},
	{"dccp", IPPROTO_DCCP, true},     {"icmp", IPPROTO_ICMP, false},
	{"icmp6", IPPROTO_ICMPV6, false},
};

const char *
acl_text_proto(uint8_t proto)
{
	for (size_t i = 0; i < RTE_DIM(protos); i++)
		if (protos[i].number == proto)
			return protos[i].name;
	return NULL;
}

bool
acl_has_ports(uint8_t proto)
{
	for (size_t i = 0; i < RTE_DIM(protos); i++)
		if (protos[i].number == proto)
			return protos[i].has_ports;
	return false;
}

/* --- words --- */

/** A text that is taken word by word. */
struct words {
	const char *rest;
	char word[IP_PREFIX_TEXT]; /* the present one; empty: none is left */
	uint32_t named;            /* conditions so far: a bit each */
};

/* False: there is none, or it is longer than any that is expected. */
static bool
next_word(struct words *w)
{
	size_t len;

	w->rest += strspn(w->rest, " \t");
	len = strcspn(w->rest, " \t");
	strlcpy(w->word, w->rest, RTE_MIN(len + 1, sizeof(w->word)));
	w->rest += len;
	return len > 0 && len < sizeof(w->word);
}

static bool
is_word(const struct words *w, const char *word)
{
	return strcmp(w->word, word) == 0;
}

/* --- values behind their names; NULL, or what is expected --- */

static const char *
take_seq(const struct words *w, struct acl_rule *r)
{
	uint64_t n;

	if (!parse_whole(w->word, 10, 1, ACL_SEQ_MAX, &n))
		return "a number from 1 to 65535";
	r->seq = (uint32_t)n;
	return NULL;
}

static const char *
take_proto(const struct words *w, struct acl_rule *r)
{
	uint64_t n = UINT64_MAX;

	for (size_t i = 0; i < RTE_DIM(protos); i++)
		if (is_word(w, protos[i].name))
			n = protos[i].number;
	if (n == UINT64_MAX && !parse_whole(w->word, 10, 0, UINT8_MAX, &n))
		return "tcp, udp, sctp, udplite, dccp, icmp, icmp6 or a number from 0 to 255";
	r->has_proto = true;
	r->proto = (uint8_t)n;
	return NULL;
}

static const char prefix_expected[] =
	"an address or a prefix without host bits, such as 192.0.2.1 or 2001:db8::/64";

static const char *
take_src(const struct words *w, struct acl_rule *r)
{
	r->has_src = ip_prefix_parse(w->word, &r->src);
	return r->has_src ? NULL : prefix_expected;
}

static const char *
take_dst(const struct words *w, struct acl_rule *r)
{
	r->has_dst = ip_prefix_parse(w->word, &r->dst);
	return r->has_dst ? NULL : prefix_expected;
}

static const char *
take_ports(const struct words *w, struct acl_ports *p)
{
	uint64_t from, to;
	const char *end;

	p->given = parse_range(w->word, 0, UINT16_MAX, &from, &to, &end) && *end == '\0';
	if (!p->given)
		return "a port number or a range, such as 53 or 1024-65535";
	p->from = (uint16_t)from;
	p->to = (uint16_t)to;
	return NULL;
}

static const char *
take_sport(const struct words *w, struct acl_rule *r)
{
	return take_ports(w, &r->sport);
}

static const char *
take_dport(const struct words *w, struct acl_rule *r)
{
	return take_ports(w, &r->dport);
}

static const struct {
	const char *name;
	const char *(*take)(const struct words *w, struct acl_rule *r);
} values[] = {
	{"seq", take_seq}, {"proto", take_proto}, {"src", take_src},
	{"dst", take_dst}, {"sport", take_sport}, {"dport", take_dport},
};

/* The conditions of a rule: families that fit what was said. */
static const char *
check(const struct acl_rule *r)
{
	bool only4 = r->not6 || (r->has_src && !r->src.ip6) || (r->has_dst && !r->dst.ip6);
	bool only6 = r->not4 || (r->has_src && r->src.ip6) || (r->has_dst && r->dst.ip6);
	bool ports = r->sport.given || r->dport.given;

	if (only4 && only6)
		return "addresses of one family";
	if (ports && r->has_proto && !acl_has_ports(r->proto))
		return "a protocol that has port numbers";
	return ports && r->later ? "no port numbers of fragments, which show none" : NULL;
}

/* Take a name and, if it has one, its value. NULL, or what is expected. */
static const char *
take_condition(struct words *w, struct acl_rule *r)
{
	if (is_word(w, "fragments")) {
		r->later = true;
		return NULL;
	}
	for (size_t i = 1; i < RTE_DIM(values); i++) {
		if (!is_word(w, values[i].name))
			continue;
		if ((w->named >> i & 1) != 0)
			return "each condition once";
		w->named |= UINT32_C(1) << i;
		next_word(w);
		return values[i].take(w, r);
	}
	return "proto, src, dst, sport, dport, fragments or the end";
}

/* The number and the verdict. */
static const char *
take_head(struct words *w, struct acl_rule *r)
{
	const char *expected;

	next_word(w);
	if (is_word(w, "seq")) {
		next_word(w);
		expected = take_seq(w, r);
		if (expected != NULL)
			return expected;
		next_word(w);
	}
	r->drop = is_word(w, "drop");
	r->track = is_word(w, "allow-related");
	if (!r->drop && !r->track && !is_word(w, "allow"))
		return r->seq == 0 ? "seq, allow, allow-related or drop"
				   : "allow, allow-related or drop";
	return NULL;
}

static const char *
take_rule(struct words *w, struct acl_rule *r)
{
	const char *expected = take_head(w, r);
	bool more = expected == NULL && next_word(w);

	r->not6 = more && is_word(w, "ip");
	r->not4 = more && is_word(w, "ip6");
	if (r->not4 || r->not6)
		more = next_word(w);
	while (expected == NULL && more) {
		expected = take_condition(w, r);
		more = expected == NULL && next_word(w);
	}
	if (expected != NULL || w->word[0] == '\0')
		return expected;
	return take_condition(w, r); /* a word that is too long */
}

bool
acl_text_parse(const char *text, struct acl_rule *r, struct acl_text_error *e)
{
	struct words w = {.rest = text};

	memset(r, 0, sizeof(*r));
	e->expected = take_rule(&w, r);
	strlcpy(e->word, w.word, sizeof(e->word));
	if (e->expected != NULL)
		return false;
	e->expected = check(r);
	strlcpy(e->word, text, sizeof(e->word));
	return e->expected == NULL;
}

/* --- a rule as text --- */

const char *
acl_text_verdict(bool drop, bool track)
{
	if (drop)
		return "drop";
	return track ? "allow-related" : "allow";
}

static void
print_prefix(const char *name, bool has, const struct ip_prefix *p, FILE *out)
{
	char text[IP_PREFIX_TEXT];

	if (has)
		fprintf(out, " %s %s", name, ip_prefix_text(p, text, sizeof(text)));
}

static void
print_ports(const char *name, const struct acl_ports *p, FILE *out)
{
	if (p->given && p->from == p->to)
		fprintf(out, " %s %u", name, p->from);
	else if (p->given)
		fprintf(out, " %s %u-%u", name, p->from, p->to);
}

void
acl_text_print(const struct acl_rule *r, FILE *out)
{
	const char *proto = acl_text_proto(r->proto);

	fprintf(out, "seq %u %s%s", r->seq, acl_text_verdict(r->drop, r->track),
		r->not6   ? " ip"
		: r->not4 ? " ip6"
			  : "");
	if (r->has_proto && proto != NULL)
		fprintf(out, " proto %s", proto);
	else if (r->has_proto)
		fprintf(out, " proto %u", r->proto);
	print_prefix("src", r->has_src, &r->src, out);
	print_prefix("dst", r->has_dst, &r->dst, out);
	print_ports("sport", &r->sport, out);
	print_ports("dport", &r->dport, out);
	if (r->later)
		fputs(" fragments", out);
}
