/* SPDX-License-Identifier: BSD-3-Clause */
#include "evpn/hop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "nl/nl.h"

#define MESSAGE_MAX 256

/* The questions about a VTEP, in order. */
enum ask { ASK_ROUTE, ASK_LINK, LOOK_AT_NEIGHBOUR, KEEP_NEIGHBOUR, ASK_NEIGHBOUR, ASKS };

/* A VTEP. Resolved step by step; results go to next, which becomes hop when all is known. */
struct vtep {
	LIST_ENTRY(vtep) entry;
	struct evpn_hops *hops;
	struct evpn_ip ip;
	uint32_t users;
	bool changed; /* to be resolved */
	bool asking;  /* an answer is on its way */
	enum ask ask; /* to this question */
	bool fixed;   /* an operator set the neighbour's address: it is not resolved */
	struct evpn_hop hop, next;
};

struct evpn_hops {
	struct evpn_hops_config cfg;
	LIST_HEAD(, vtep) all;
};

static const char not_asked[] = "its route is being looked up";

/* --- messages --- */

static struct nlmsghdr *
begin(void *buf, uint16_t type, uint16_t flags, const void *extra, size_t len)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);

	h->nlmsg_type = type;
	h->nlmsg_flags = flags;
	memcpy(mnl_nlmsg_put_extra_header(h, len), extra, len);
	return h;
}

static struct nlmsghdr *
ask_route(const struct vtep *v, void *buf)
{
	struct rtmsg r = {.rtm_family = (uint8_t)evpn_ip_family(&v->ip),
			  .rtm_dst_len = (uint8_t)(8 * v->ip.len)};
	struct nlmsghdr *h = begin(buf, RTM_GETROUTE, 0, &r, sizeof(r));

	mnl_attr_put(h, RTA_DST, v->ip.len, v->ip.addr);
	return h;
}

static struct nlmsghdr *
ask_link(const struct vtep *v, void *buf)
{
	struct ifinfomsg i = {.ifi_index = v->next.ifindex};

	return begin(buf, RTM_GETLINK, 0, &i, sizeof(i));
}

static struct nlmsghdr *
neighbour(const struct vtep *v, void *buf, uint16_t type, const struct ndmsg *how)
{
	struct ndmsg ndm = *how;
	struct nlmsghdr *h;

	ndm.ndm_family = (uint8_t)evpn_ip_family(&v->next.via);
	ndm.ndm_ifindex = v->next.ifindex;
	h = begin(buf, type, type == RTM_NEWNEIGH ? NLM_F_CREATE | NLM_F_REPLACE : 0, &ndm,
		  sizeof(ndm));
	mnl_attr_put(h, NDA_DST, v->next.via.len, v->next.via.addr);
	return h;
}

static struct nlmsghdr *
look_at_neighbour(const struct vtep *v, void *buf)
{
	return neighbour(v, buf, RTM_GETNEIGH, &(struct ndmsg){0});
}

/* NULL for a fixed entry: NTF_EXT_MANAGED would have the kernel resolve it. */
static struct nlmsghdr *
keep_neighbour(const struct vtep *v, void *buf)
{
	struct nlmsghdr *h;

	if (v->fixed)
		return NULL;
	h = neighbour(v, buf, RTM_NEWNEIGH, &(struct ndmsg){.ndm_flags = NTF_EXT_LEARNED});
	mnl_attr_put_u32(h, NDA_FLAGS_EXT, NTF_EXT_MANAGED);
	return h;
}

static struct nlmsghdr *
ask_neighbour(const struct vtep *v, void *buf)
{
	return v->fixed ? NULL : look_at_neighbour(v, buf);
}

/* --- answers --- */

static int
note_metric(const struct nlattr *a, void *data)
{
	struct vtep *v = data;

	if (mnl_attr_get_type(a) == RTAX_MTU && mnl_attr_validate(a, MNL_TYPE_U32) == 0)
		v->next.mtu = mnl_attr_get_u32(a);
	return MNL_CB_OK;
}

/* A gateway of the other family (RTA_VIA) has its family in front. */
static void
note_via(struct vtep *v, const struct nlattr *a)
{
	const struct rtvia *via = mnl_attr_get_payload(a);

	if (mnl_attr_get_payload_len(a) > sizeof(*via))
		(void)evpn_ip_set(&v->next.via, via->rtvia_addr,
				  mnl_attr_get_payload_len(a) - sizeof(*via));
}

static int
note_route(const struct nlattr *a, void *data)
{
	struct vtep *v = data;

	switch (mnl_attr_get_type(a)) {
	case RTA_OIF:
		if (mnl_attr_validate(a, MNL_TYPE_U32) == 0)
			v->next.ifindex = (int)mnl_attr_get_u32(a);
		break;
	case RTA_GATEWAY:
		(void)evpn_ip_set(&v->next.via, mnl_attr_get_payload(a),
				  mnl_attr_get_payload_len(a));
		break;
	case RTA_VIA:
		note_via(v, a);
		break;
	case RTA_METRICS:
		return mnl_attr_parse_nested(a, note_metric, v);
	default:
		break;
	}
	return MNL_CB_OK;
}

static int
note_link(const struct nlattr *a, void *data)
{
	struct vtep *v = data;
	uint32_t mtu;

	if (mnl_attr_get_type(a) == IFLA_ADDRESS &&
	    mnl_attr_get_payload_len(a) == RTE_ETHER_ADDR_LEN)
		memcpy(&v->next.src, mnl_attr_get_payload(a), RTE_ETHER_ADDR_LEN);
	if (mnl_attr_get_type(a) == IFLA_MTU && mnl_attr_validate(a, MNL_TYPE_U32) == 0) {
		mtu = mnl_attr_get_u32(a);
		if (v->next.mtu == 0 || mtu < v->next.mtu)
			v->next.mtu = mtu;
	}
	return MNL_CB_OK;
}

static int
note_neighbour(const struct nlattr *a, void *data)
{
	struct vtep *v = data;

	if (mnl_attr_get_type(a) == NDA_LLADDR && mnl_attr_get_payload_len(a) == RTE_ETHER_ADDR_LEN)
		memcpy(&v->next.dst, mnl_attr_get_payload(a), RTE_ETHER_ADDR_LEN);
	return MNL_CB_OK;
}

static void
read_route(struct vtep *v, const struct nlmsghdr *h)
{
	const struct rtmsg *r = mnl_nlmsg_get_payload(h);

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*r))
		return;
	if (r->rtm_type != RTN_UNICAST) {
		v->next.why = r->rtm_type == RTN_LOCAL ? "it is an address of this host"
						       : "its route is no unicast route";
		return;
	}
	v->next.via = v->ip;
	(void)mnl_attr_parse(h, sizeof(*r), note_route, v);
}

static void
read_link(struct vtep *v, const struct nlmsghdr *h)
{
	const struct ifinfomsg *i = mnl_nlmsg_get_payload(h);

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*i))
		return;
	if (!(i->ifi_flags & IFF_UP) || !(i->ifi_flags & IFF_RUNNING))
		v->next.why = "the interface to it is down or has no carrier";
	(void)mnl_attr_parse(h, sizeof(*i), note_link, v);
}

#define NUD_USABLE (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

static void
read_neighbour(struct vtep *v, const struct nlmsghdr *h)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(h);

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*ndm) || !(ndm->ndm_state & NUD_USABLE))
		return;
	v->fixed = (ndm->ndm_state & (NUD_PERMANENT | NUD_NOARP)) != 0;
	(void)mnl_attr_parse(h, sizeof(*ndm), note_neighbour, v);
}

/* --- steps --- */

static const struct {
	struct nlmsghdr *(*make)(const struct vtep *v, void *buf); /* NULL: not needed */
	void (*read)(struct vtep *v, const struct nlmsghdr *h);
	uint16_t type;     /* of the answer */
	const char *error; /* when the kernel refuses; NULL: that does not matter */
} asks[ASKS] = {
	[ASK_ROUTE] = {ask_route, read_route, RTM_NEWROUTE, "there is no route to it"},
	[ASK_LINK] = {ask_link, read_link, RTM_NEWLINK, "the interface to it is gone"},
	[LOOK_AT_NEIGHBOUR] = {look_at_neighbour, read_neighbour, RTM_NEWNEIGH, NULL},
	/* kernels before 5.16 do not know the flag; ARP of the host's own traffic suffices */
	[KEEP_NEIGHBOUR] = {keep_neighbour, NULL, 0, NULL},
	[ASK_NEIGHBOUR] = {ask_neighbour, read_neighbour, RTM_NEWNEIGH,
			   "its next hop does not answer"},
};

static void
tell(struct vtep *v)
{
	struct evpn_hop *n = &v->next, *h = &v->hop;
	bool same;

	if (n->why == NULL && rte_is_zero_ether_addr(&n->dst))
		n->why = asks[ASK_NEIGHBOUR].error;
	same = n->why == h->why && n->ifindex == h->ifindex && n->mtu == h->mtu &&
	       rte_is_same_ether_addr(&n->src, &h->src) &&
	       rte_is_same_ether_addr(&n->dst, &h->dst) && evpn_ip_equal(&n->via, &h->via);
	v->asking = false;
	*h = *n;
	if (!same)
		v->hops->cfg.told(v->hops->cfg.ctx, &v->ip, h);
}

static void ask_next(struct vtep *v);

static void
on_message(void *arg, const struct nlmsghdr *h)
{
	struct vtep *v = arg;

	if (h->nlmsg_type == asks[v->ask].type && asks[v->ask].read != NULL)
		asks[v->ask].read(v, h);
}

static void
on_done(void *arg, int err)
{
	struct vtep *v = arg;

	if (err != 0 && v->next.why == NULL)
		v->next.why = asks[v->ask].error;
	v->ask++;
	ask_next(v);
}

static void
ask_next(struct vtep *v)
{
	char buf[MESSAGE_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct nl_answer answer = {.msg = on_message, .done = on_done, .arg = v};
	struct nlmsghdr *h = NULL;

	if (v->next.why == NULL)
		while (v->ask < ASKS && (h = asks[v->ask].make(v, buf)) == NULL)
			v->ask++;
	if (h == NULL) {
		tell(v);
		return;
	}
	if (nl_send(v->hops->cfg.nl, h, &answer) != 0) {
		v->next.why = "too many requests wait for the kernel";
		tell(v);
	}
}

static void
resolve(struct vtep *v)
{
	v->changed = false;
	v->asking = true;
	v->ask = ASK_ROUTE;
	v->fixed = false;
	v->next = (struct evpn_hop){0};
	ask_next(v);
}

void
evpn_hops_settle(struct evpn_hops *h)
{
	struct vtep *v;

	LIST_FOREACH (v, &h->all, entry)
		if (v->changed && !v->asking)
			resolve(v);
}

/* --- changes --- */

void
evpn_hops_refresh(struct evpn_hops *h)
{
	struct vtep *v;

	LIST_FOREACH (v, &h->all, entry)
		v->changed = true;
}

static int
note_dst(const struct nlattr *a, void *data)
{
	if (mnl_attr_get_type(a) == NDA_DST)
		(void)evpn_ip_set(data, mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
	return MNL_CB_OK;
}

static void
neighbour_changed(struct evpn_hops *h, const struct nlmsghdr *m)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(m);
	struct evpn_ip ip = {0};
	struct vtep *v;

	if (mnl_nlmsg_get_payload_len(m) < sizeof(*ndm) || ndm->ndm_family == AF_BRIDGE ||
	    mnl_attr_parse(m, sizeof(*ndm), note_dst, &ip) < 0)
		return;
	LIST_FOREACH (v, &h->all, entry)
		if (v->next.ifindex == ndm->ndm_ifindex && evpn_ip_equal(&v->next.via, &ip))
			v->changed = true;
}

void
evpn_hops_read(struct evpn_hops *h, const struct nlmsghdr *m)
{
	switch (m->nlmsg_type) {
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		neighbour_changed(h, m);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
	case RTM_NEWLINK:
	case RTM_DELLINK:
		evpn_hops_refresh(h);
		break;
	default:
		break;
	}
}

/* --- life --- */

struct evpn_hops *
evpn_hops_new(const struct evpn_hops_config *cfg)
{
	struct evpn_hops *h = calloc(1, sizeof(*h));

	if (h != NULL) {
		h->cfg = *cfg;
		LIST_INIT(&h->all);
	}
	return h;
}

static void
vtep_free(struct vtep *v)
{
	nl_forget(v->hops->cfg.nl, v);
	free(v);
}

void
evpn_hops_free(struct evpn_hops *h)
{
	struct vtep *v, *next;

	if (h == NULL)
		return;
	for (v = LIST_FIRST(&h->all); v != NULL; v = next) {
		next = LIST_NEXT(v, entry);
		vtep_free(v);
	}
	free(h);
}

static struct vtep *
find(const struct evpn_hops *h, const struct evpn_ip *ip)
{
	struct vtep *v;

	LIST_FOREACH (v, &h->all, entry)
		if (evpn_ip_equal(&v->ip, ip))
			return v;
	return NULL;
}

int
evpn_hops_get(struct evpn_hops *h, const struct evpn_ip *vtep)
{
	struct vtep *v = find(h, vtep);

	if (v == NULL) {
		v = calloc(1, sizeof(*v));
		if (v == NULL)
			return -ENOMEM;
		v->hops = h;
		v->ip = *vtep;
		v->hop.why = not_asked;
		v->changed = true;
		LIST_INSERT_HEAD(&h->all, v, entry);
	}
	v->users++;
	return 0;
}

void
evpn_hops_put(struct evpn_hops *h, const struct evpn_ip *vtep)
{
	struct vtep *v = find(h, vtep);

	if (v == NULL || --v->users != 0)
		return;
	LIST_REMOVE(v, entry);
	vtep_free(v);
}

void
evpn_hops_restore(struct evpn_hops *h, const struct evpn_ip *vtep, const struct evpn_hop *hop)
{
	struct vtep *v = find(h, vtep);

	if (v == NULL)
		return;
	v->hop = *hop;
	h->cfg.told(h->cfg.ctx, &v->ip, &v->hop);
}

const struct evpn_hop *
evpn_hops_find(const struct evpn_hops *h, const struct evpn_ip *vtep)
{
	const struct vtep *v = find(h, vtep);

	return v != NULL ? &v->hop : NULL;
}
