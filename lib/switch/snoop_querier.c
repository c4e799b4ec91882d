/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * Asking hosts for their groups where no router does: general queries to all ports of an FID, and
 * to a port that has just come; a query for a group to the port where a host has left it.
 */
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "switch/inject.h"
#include "switch/snoop_table.h"
#include "switch/sw.h"
#include "switch/vlan_table.h"

#define BUDGET 256  /* frames at once: a quarter of the ring they wait in */
#define LOOKS 65536 /* ports and FIDs looked at at once */
#define TAG_LEN 4
#define PORT_ASKS 32 /* queries for a group that was left, in a tick: at one port */
#define ALL_ASKS 256 /* and at all */

/** A round of asking. */
struct round {
	struct snoop *t;
	uint64_t now;
	uint32_t budget, looks;
};

/* The link-local address that is made of the MAC address (RFC 4291 appendix A). */
static struct mcast_ip
link_local(const struct rte_ether_addr *mac)
{
	const uint8_t *m = mac->addr_bytes;

	return (struct mcast_ip){.len = 16,
				 .addr = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, m[0] ^ 2, m[1], m[2], 0xff,
					  0xfe, m[3], m[4], m[5]}};
}

static struct mcast_ip
own_address(const struct snoop *t, const struct snoop_config *c, int family)
{
	struct mcast_ip ip = {.len = 4};

	if (family != 0)
		return link_local(&t->mac);
	memcpy(ip.addr, c->address, sizeof(c->address));
	return ip;
}

/* --- elections --- */

/* The lowest address asks, but one that is none never does while another one is there. */
static bool
is_before(const struct mcast_ip *a, const struct mcast_ip *own)
{
	static const uint8_t none[16];

	return memcmp(own->addr, none, own->len) == 0 || memcmp(a->addr, own->addr, own->len) < 0;
}

void
querier_heard(struct snoop *t, const struct snoop_req *r, uint64_t now_ns)
{
	int family = r->from.len == 16;
	uint16_t domain, vlan;
	const struct snoop_config *c = snoop_config_of(t, r->fid, &domain, &vlan);
	struct mcast_ip own = own_address(t, c, family);
	struct snoop_asking *a;

	if (t->fid[r->fid] == NULL)
		t->fid[r->fid] = calloc(1, sizeof(*t->fid[r->fid]));
	if (t->fid[r->fid] == NULL || !is_before(&r->from, &own))
		return;
	a = &t->fid[r->fid]->family[family];
	/* another one before it, too, until it is not heard of any more */
	if (a->other_until_ns > now_ns && memcmp(&a->other, &r->from, sizeof(a->other)) < 0)
		return;
	a->other = r->from;
	a->at_work = false;
	a->other_until_ns =
		now_ns +
		(SNOOP_ROBUST * c->interval_s * 1000ull + SNOOP_RESPONSE_MS / 2) * SNOOP_NS_PER_MS;
}

static bool
has_other(const struct snoop *t, uint16_t fid, int family, uint64_t now)
{
	return t->fid[fid] != NULL && t->fid[fid]->family[family].other_until_ns > now;
}

bool
querier_is_ours(const struct snoop *t, uint16_t fid, int family, uint64_t now_ns)
{
	uint16_t domain, vlan;
	const struct snoop_config *c = snoop_config_of(t, fid, &domain, &vlan);

	return c != NULL && c->querier && !has_other(t, fid, family, now_ns);
}

struct mcast_ip
snoop_querier(const struct sw *s, uint16_t domain, uint16_t vlan, int family)
{
	struct mcast_ip none = {0};
	uint16_t fid = domain;

	if (vlan != 0)
		fid = s->vlans != NULL && s->vlans->fid[domain] != NULL
			      ? s->vlans->fid[domain][vlan]
			      : 0;
	if (s->snoop == NULL || (vlan != 0 && fid == 0) ||
	    !has_other(s->snoop, fid, family, ev_now_ns()))
		return none;
	return s->snoop->fid[fid]->family[family].other;
}

bool
snoop_other_next(const struct sw *s, uint32_t *at, struct snoop_other *out)
{
	const uint64_t now = ev_now_ns();
	const struct snoop_asking *a;

	for (; s->snoop != NULL && *at < 2 * VLAN_FID_NONE; (*at)++) {
		const uint16_t fid = (uint16_t)(*at / 2);

		if (!has_other(s->snoop, fid, *at % 2, now))
			continue;
		a = &s->snoop->fid[fid]->family[(*at)++ % 2];
		*out = (struct snoop_other){.ip = a->other,
					    .left_s = (uint32_t)((a->other_until_ns - now) /
								 SNOOP_NS_PER_MS / 1000)};
		vlan_of_fid(s, fid, &out->domain, &out->vlan);
		return true;
	}
	return false;
}

void
snoop_restore_other(struct sw *s, const struct snoop_other *o)
{
	const uint64_t now = ev_now_ns();
	struct snoop_req r = {.from = o->ip};
	struct snoop_asking *a;

	if (s->snoop == NULL || vlan_fid(s, o->domain, o->vlan, &r.fid) != 0 ||
	    snoop_config_of(s->snoop, r.fid, &(uint16_t){0}, &(uint16_t){0}) == NULL)
		return;
	querier_heard(s->snoop, &r, now);
	if (!has_other(s->snoop, r.fid, o->ip.len == 16, now))
		return;
	a = &s->snoop->fid[r.fid]->family[o->ip.len == 16];
	a->other_until_ns = RTE_MIN(a->other_until_ns, now + o->left_s * 1000 * SNOOP_NS_PER_MS);
}

/* --- frames --- */

/* Whether @p p is in the FID; with a tag there, if *@p tagged. */
static bool
is_in(const struct port *p, uint16_t fid, uint16_t vlan, bool *tagged)
{
	*tagged = vlan != 0 && p->vlan.native != vlan;
	if (vlan == 0)
		return p->vlans == NULL && p->domain == fid;
	return p->vlans != NULL && p->vlans->fid[vlan] == fid;
}

static void
insert_tag(uint8_t *frame, uint32_t len, uint16_t vlan)
{
	uint8_t *tag = frame + 2 * RTE_ETHER_ADDR_LEN;

	memmove(tag + TAG_LEN, tag, len - 2 * RTE_ETHER_ADDR_LEN);
	tag[0] = RTE_ETHER_TYPE_VLAN >> 8;
	tag[1] = RTE_ETHER_TYPE_VLAN & 0xff;
	tag[2] = (uint8_t)(vlan >> 8);
	tag[3] = (uint8_t)vlan;
}

static bool
send_query(struct snoop *t, struct port *p, const struct mcast_query *q, uint16_t tag)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(t->sw->mp);
	uint8_t *frame;
	uint32_t len;

	if (m == NULL)
		return false;
	frame = (uint8_t *)rte_pktmbuf_append(m, MCAST_QUERY_MAX + TAG_LEN);
	if (frame == NULL) {
		rte_pktmbuf_free(m);
		return false;
	}
	len = mcast_query(q, frame);
	if (tag != 0) {
		insert_tag(frame, len, tag);
		len += TAG_LEN;
	}
	rte_pktmbuf_trim(m, (uint16_t)(MCAST_QUERY_MAX + TAG_LEN - len));
	if (!sw_send(t->sw, p, m))
		return false;
	t->stats.sent++;
	return true;
}

/* Ask behind @p p. False: it is not in the FID, or too much is being sent. */
static bool
ask(struct snoop *t, struct port *p, uint16_t fid, struct mcast_query *q)
{
	uint16_t domain, vlan;
	const struct snoop_config *c = snoop_config_of(t, fid, &domain, &vlan);
	bool tagged;

	if (c == NULL || !is_in(p, fid, vlan, &tagged))
		return false;
	q->src = t->mac;
	q->from = own_address(t, c, q->from.len == 16);
	q->interval_s = c->interval_s;
	return send_query(t, p, q, tagged ? vlan : 0);
}

/* Hosts may join and leave as often as they like: so many queries for it until the next tick. */
static bool
may_ask_last(struct snoop *t, struct port *p)
{
	if (p->snoop.tick != t->nticks)
		p->snoop.asks = 0;
	p->snoop.tick = t->nticks;
	if (p->snoop.asks >= PORT_ASKS || t->asks >= ALL_ASKS)
		return false;
	p->snoop.asks++;
	t->asks++;
	return true;
}

bool
querier_ask_last(struct snoop *t, struct snoop_entry *e, uint64_t now_ns)
{
	struct mcast_query q = {.from = {.len = e->group.len},
				.group = e->group,
				.max_resp_ms = SNOOP_LAST_MS};

	if (!may_ask_last(t, t->sw->port[e->port]) ||
	    !ask(t, t->sw->port[e->port], snoop_fid_of(e), &q))
		return false;
	e->asked_ns = now_ns;
	return true;
}

static void
ask_all(struct snoop *t, struct port *p, uint16_t fid, int family)
{
	struct mcast_query q = {.from = {.len = family == 0 ? 4 : 16},
				.max_resp_ms = SNOOP_RESPONSE_MS};

	(void)ask(t, p, fid, &q);
}

/* --- general queries --- */

static void
plan_next(struct snoop_asking *a, const struct snoop_config *c, uint64_t now)
{
	uint64_t s = c->interval_s;

	if (a->started < SNOOP_ROBUST) {
		a->started++;
		s /= 4; /* RFC 3376 8.6 */
	}
	a->next_ns = now + s * 1000 * SNOOP_NS_PER_MS;
	a->at_work = true;
	a->port = 0;
}

/* Go on with the ports that are to be asked. */
static void
work(struct round *r, struct snoop_asking *a, uint16_t fid, int family)
{
	struct sw *s = r->t->sw;
	uint64_t before = r->t->stats.sent;

	while (a->port < s->nports && r->budget > 0 && r->looks > 0) {
		struct port *p = s->port[a->port++];

		r->looks--;
		if (p == NULL || !p->started)
			continue;
		ask_all(r->t, p, fid, family);
		r->budget -= (uint32_t)(r->t->stats.sent - before);
		before = r->t->stats.sent;
	}
	a->at_work = a->port < s->nports;
}

static bool
run_fid(struct round *r, uint16_t fid)
{
	uint16_t domain, vlan;
	const struct snoop_config *c = snoop_config_of(r->t, fid, &domain, &vlan);
	struct snoop_fid **f = &r->t->fid[fid];
	bool more = false;

	if (c == NULL || !c->querier)
		return false;
	if (*f == NULL)
		*f = calloc(1, sizeof(**f));
	for (int family = 0; *f != NULL && family < 2; family++) {
		struct snoop_asking *a = &(*f)->family[family];

		if (a->other_until_ns > r->now)
			continue;
		if (!a->at_work && a->next_ns <= r->now)
			plan_next(a, c, r->now);
		if (a->at_work)
			work(r, a, fid, family);
		more |= a->at_work;
	}
	return more;
}

/* Ports that have just come are asked at once. */
static bool
greet(struct round *r, struct port *p)
{
	const uint16_t *fid = p->vlans != NULL ? p->vlans->fids : &p->domain;
	uint32_t n = p->vlans != NULL ? p->vlans->nfids : 1;

	for (; p->snoop.next < n && r->budget > 1 && r->looks > 0; p->snoop.next++) {
		r->looks--;
		for (int family = 0; family < 2; family++)
			if (querier_is_ours(r->t, fid[p->snoop.next], family, r->now)) {
				ask_all(r->t, p, fid[p->snoop.next], family);
				r->budget--;
			}
	}
	p->snoop.asked = p->snoop.next >= n;
	return !p->snoop.asked;
}

/* One whose link was down is asked again: hosts that are not next to it do not know. */
static bool
is_there(struct port *p)
{
	if (p->started && p->ops->link_up != NULL && p->ops->link_up(p))
		return true;
	p->snoop.asked = false;
	p->snoop.next = 0;
	return false;
}

bool
querier_run(struct snoop *t, uint64_t now_ns)
{
	struct round r = {.t = t, .now = now_ns, .budget = BUDGET, .looks = LOOKS};
	struct sw *s = t->sw;
	bool more = false;

	if (!s->forwarding)
		return false;
	for (uint16_t i = 0; i < s->nports; i++)
		if (s->port[i] != NULL && is_there(s->port[i]) && !s->port[i]->snoop.asked)
			more |= greet(&r, s->port[i]);
	for (uint16_t domain = 0; domain < VLAN_DOMAINS; domain++)
		if (snoop_domain_of(t, domain) != NULL)
			more |= run_fid(&r, domain);
	for (uint32_t i = 0; s->vlans != NULL && i < s->vlans->n; i++)
		if (snoop_domain_of(t, s->vlans->owner[i].domain) != NULL)
			more |= run_fid(&r, (uint16_t)(VLAN_FID_FIRST + i));
	return more;
}
