/* SPDX-License-Identifier: BSD-3-Clause */
#include "evpn/msg.h"

#include <string.h>

#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

/* Attributes of a neighbour message that are looked at. */
struct attrs {
	const struct nlattr *dst, *lladdr, *nh_id, *master;
};

static int
note_attr(const struct nlattr *a, void *data)
{
	struct attrs *as = data;

	switch (mnl_attr_get_type(a)) {
	case NDA_DST:
		as->dst = a;
		break;
	case NDA_LLADDR:
		as->lladdr = a;
		break;
	case NDA_NH_ID:
		as->nh_id = a;
		break;
	case NDA_MASTER:
		as->master = a;
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

static bool
read_mac(const struct nlattr *a, struct rte_ether_addr *mac)
{
	if (a == NULL || mnl_attr_get_payload_len(a) != RTE_ETHER_ADDR_LEN)
		return false;
	memcpy(mac, mnl_attr_get_payload(a), RTE_ETHER_ADDR_LEN);
	return true;
}

static bool
read_ip(const struct nlattr *a, struct evpn_ip *ip)
{
	return a != NULL && evpn_ip_set(ip, mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
}

/*
 * An entry of the VXLAN device's own table. Some kernels send one more message for a bridge's
 * entry, without a destination; it is ignored.
 */
static enum evpn_nb_table
read_vxlan(const struct attrs *as, struct evpn_nb *nb)
{
	nb->multihomed = as->nh_id != NULL;
	if (!read_mac(as->lladdr, &nb->mac) || (!read_ip(as->dst, &nb->dst) && !nb->multihomed))
		return EVPN_NB_OTHER;
	if (!rte_is_zero_ether_addr(&nb->mac))
		return EVPN_NB_VXLAN;
	return nb->multihomed ? EVPN_NB_OTHER : EVPN_NB_FLOOD;
}

static enum evpn_nb_table
read_bridge(const struct ndmsg *ndm, const struct attrs *as, struct evpn_nb *nb)
{
	if (ndm->ndm_flags & NTF_SELF)
		return read_vxlan(as, nb);
	/* a port's own address is permanent */
	if (as->master == NULL || (ndm->ndm_state & NUD_PERMANENT) ||
	    !read_mac(as->lladdr, &nb->mac))
		return EVPN_NB_OTHER;
	return EVPN_NB_BRIDGE;
}

static enum evpn_nb_table
read_neighbour(const struct ndmsg *ndm, const struct attrs *as, struct evpn_nb *nb)
{
	if (!read_ip(as->dst, &nb->dst))
		return EVPN_NB_OTHER;
	nb->router = (ndm->ndm_flags & NTF_ROUTER) != 0;
	nb->gone |= (ndm->ndm_state & NUD_FAILED) != 0 || !read_mac(as->lladdr, &nb->mac);
	if (ndm->ndm_flags & NTF_EXT_LEARNED)
		return EVPN_NB_REMOTE;
	/* the state of a deleted entry may have changed; entries of others do not matter */
	if ((ndm->ndm_state & NUD_PERMANENT) || nb->gone)
		return EVPN_NB_LOCAL;
	return EVPN_NB_OTHER;
}

void
evpn_msg_read(const struct nlmsghdr *h, struct evpn_nb *nb)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(h);
	struct attrs as = {0};

	*nb = (struct evpn_nb){.table = EVPN_NB_OTHER, .gone = h->nlmsg_type == RTM_DELNEIGH};
	if ((h->nlmsg_type != RTM_NEWNEIGH && h->nlmsg_type != RTM_DELNEIGH) ||
	    mnl_nlmsg_get_payload_len(h) < sizeof(*ndm) ||
	    mnl_attr_parse(h, sizeof(*ndm), note_attr, &as) < 0)
		return;
	nb->ifindex = ndm->ndm_ifindex;
	if (ndm->ndm_family == AF_BRIDGE)
		nb->table = read_bridge(ndm, &as, nb);
	else if (ndm->ndm_family == AF_INET || ndm->ndm_family == AF_INET6)
		nb->table = read_neighbour(ndm, &as, nb);
}

/* --- requests --- */

static struct nlmsghdr *
begin(void *buf, uint16_t type, uint16_t flags, const struct ndmsg *ndm)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);

	h->nlmsg_type = type;
	h->nlmsg_flags = flags;
	memcpy(mnl_nlmsg_put_extra_header(h, sizeof(*ndm)), ndm, sizeof(*ndm));
	return h;
}

#define REPLACE (NLM_F_CREATE | NLM_F_REPLACE)

static void
put_mac(struct nlmsghdr *h, const struct rte_ether_addr *mac)
{
	mnl_attr_put(h, NDA_LLADDR, RTE_ETHER_ADDR_LEN, mac->addr_bytes);
}

static void
put_ip(struct nlmsghdr *h, const struct evpn_ip *ip)
{
	mnl_attr_put(h, NDA_DST, ip->len, ip->addr);
}

struct nlmsghdr *
evpn_msg_use(void *buf, int port, const struct rte_ether_addr *mac)
{
	struct nlmsghdr *h = begin(buf, RTM_NEWNEIGH, REPLACE,
				   &(struct ndmsg){.ndm_family = AF_BRIDGE,
						   .ndm_ifindex = port,
						   .ndm_state = NUD_REACHABLE,
						   .ndm_flags = NTF_MASTER | NTF_USE});

	put_mac(h, mac);
	return h;
}

struct nlmsghdr *
evpn_msg_unuse(void *buf, int port, const struct rte_ether_addr *mac)
{
	struct nlmsghdr *h = begin(buf, RTM_DELNEIGH, 0,
				   &(struct ndmsg){.ndm_family = AF_BRIDGE,
						   .ndm_ifindex = port,
						   .ndm_flags = NTF_MASTER});

	put_mac(h, mac);
	return h;
}

struct nlmsghdr *
evpn_msg_stale(void *buf, int vxlan, const struct rte_ether_addr *mac, const struct evpn_ip *vtep)
{
	struct nlmsghdr *h = begin(buf, RTM_DELNEIGH, 0,
				   &(struct ndmsg){.ndm_family = AF_BRIDGE,
						   .ndm_ifindex = vxlan,
						   .ndm_flags = NTF_SELF});

	put_mac(h, mac);
	put_ip(h, vtep);
	return h;
}

struct nlmsghdr *
evpn_msg_pin(void *buf, int bridge, const struct evpn_ip *ip, const struct evpn_neigh *n)
{
	struct ndmsg ndm = {.ndm_family = (uint8_t)evpn_ip_family(ip), .ndm_ifindex = bridge};
	struct nlmsghdr *h;

	if (n != NULL) {
		ndm.ndm_state = NUD_PERMANENT;
		ndm.ndm_flags = n->router ? NTF_ROUTER : 0;
	}
	h = begin(buf, n != NULL ? RTM_NEWNEIGH : RTM_DELNEIGH, n != NULL ? REPLACE : 0, &ndm);
	put_ip(h, ip);
	if (n != NULL)
		put_mac(h, &n->mac);
	return h;
}

struct nlmsghdr *
evpn_msg_dump(void *buf, int family)
{
	/*
	 * For forwarding tables the kernel also takes a request with struct ifinfomsg. It tells the
	 * two apart by length: this one is shorter.
	 */
	return begin(buf, RTM_GETNEIGH, NLM_F_DUMP, &(struct ndmsg){.ndm_family = (uint8_t)family});
}
