/* SPDX-License-Identifier: BSD-3-Clause */
#include "evpn/shadow.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>

#include <rte_common.h>

#include "base/heir.h"
#include "nl/nl.h"

#define MESSAGE_MAX 512
#define CENTISECONDS 100
#define TUN "/dev/net/tun"
#define HEIR_NAME (sizeof(TUN) + 1 + SHADOW_NAME_MAX)

enum device { BRIDGE, VXLAN, TAP, DEVICES };

static const char *const prefix[DEVICES] = {[BRIDGE] = "vqb", [VXLAN] = "vqx", [TAP] = "vqt"};

struct shadow {
	struct shadow_config cfg;
	int tap_fd;
	uint32_t step;
	int index[DEVICES];
	bool matches; /* the VXLAN device that exists is as it would be made */
};

static const char *
name_of(const struct shadow *s, enum device d, char buf[SHADOW_NAME_MAX])
{
	snprintf(buf, SHADOW_NAME_MAX, "%s%u", prefix[d], s->cfg.vni);
	return buf;
}

/* --- messages --- */

static struct nlmsghdr *
begin(void *buf, uint16_t type, uint16_t flags, const struct ifinfomsg *info)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);

	h->nlmsg_type = type;
	h->nlmsg_flags = flags;
	memcpy(mnl_nlmsg_put_extra_header(h, sizeof(*info)), info, sizeof(*info));
	return h;
}

static struct nlmsghdr *
make_bridge(const struct shadow *s, void *buf)
{
	char name[SHADOW_NAME_MAX];
	struct nlmsghdr *h =
		begin(buf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &(struct ifinfomsg){0});
	struct nlattr *info, *data;

	mnl_attr_put_strz(h, IFLA_IFNAME, name_of(s, BRIDGE, name));
	info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, "bridge");
	data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	mnl_attr_put_u32(h, IFLA_BR_AGEING_TIME, SHADOW_AGEING_S * CENTISECONDS);
	mnl_attr_put_u8(h, IFLA_BR_MCAST_SNOOPING, 0);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
	return h;
}

static struct nlmsghdr *
look_at_vxlan(const struct shadow *s, void *buf)
{
	char name[SHADOW_NAME_MAX];
	struct nlmsghdr *h = begin(buf, RTM_GETLINK, 0, &(struct ifinfomsg){0});

	mnl_attr_put_strz(h, IFLA_IFNAME, name_of(s, VXLAN, name));
	return h;
}

/* NULL: the one that exists is adopted */
static struct nlmsghdr *
remove_vxlan(const struct shadow *s, void *buf)
{
	struct nlmsghdr *h;

	if (s->matches || s->index[VXLAN] == 0)
		return NULL;
	h = begin(buf, RTM_DELLINK, 0, &(struct ifinfomsg){.ifi_index = s->index[VXLAN]});
	return h;
}

static uint16_t
local_attr(const struct evpn_ip *ip)
{
	return ip->len == 4 ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6;
}

static struct nlmsghdr *
make_vxlan(const struct shadow *s, void *buf)
{
	char name[SHADOW_NAME_MAX];
	struct nlattr *info, *data;
	struct nlmsghdr *h;

	if (s->matches)
		return NULL;
	h = begin(buf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &(struct ifinfomsg){0});
	mnl_attr_put_strz(h, IFLA_IFNAME, name_of(s, VXLAN, name));
	info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, "vxlan");
	data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	mnl_attr_put_u32(h, IFLA_VXLAN_ID, s->cfg.vni);
	mnl_attr_put(h, local_attr(&s->cfg.local), s->cfg.local.len, s->cfg.local.addr);
	mnl_attr_put_u16(h, IFLA_VXLAN_PORT, htons(s->cfg.port));
	mnl_attr_put_u8(h, IFLA_VXLAN_LEARNING, 0);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
	return h;
}

/*
 * IPv6 gives each interface an address when it comes up unless told not to before; these have none.
 */
static struct nlmsghdr *
no_address(const struct shadow *s, void *buf, enum device d)
{
	struct nlmsghdr *h =
		begin(buf, RTM_NEWLINK, 0, &(struct ifinfomsg){.ifi_index = s->index[d]});
	struct nlattr *families = mnl_attr_nest_start(h, IFLA_AF_SPEC);
	struct nlattr *inet6 = mnl_attr_nest_start(h, AF_INET6);

	mnl_attr_put_u8(h, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(h, inet6);
	mnl_attr_nest_end(h, families);
	return h;
}

static struct nlmsghdr *
bridge_no_address(const struct shadow *s, void *buf)
{
	return no_address(s, buf, BRIDGE);
}

static struct nlmsghdr *
vxlan_no_address(const struct shadow *s, void *buf)
{
	return no_address(s, buf, VXLAN);
}

static struct nlmsghdr *
tap_no_address(const struct shadow *s, void *buf)
{
	return no_address(s, buf, TAP);
}

static struct nlmsghdr *
begin_up(const struct shadow *s, void *buf, enum device d)
{
	return begin(buf, RTM_NEWLINK, 0,
		     &(struct ifinfomsg){.ifi_index = s->index[d],
					 .ifi_change = IFF_UP,
					 .ifi_flags = IFF_UP});
}

static struct nlmsghdr *
raise_bridge(const struct shadow *s, void *buf)
{
	return begin_up(s, buf, BRIDGE);
}

static struct nlmsghdr *
join_bridge(const struct shadow *s, void *buf, enum device d)
{
	struct nlmsghdr *h = begin_up(s, buf, d);

	mnl_attr_put_u32(h, IFLA_MASTER, (uint32_t)s->index[BRIDGE]);
	return h;
}

static struct nlmsghdr *
join_vxlan(const struct shadow *s, void *buf)
{
	return join_bridge(s, buf, VXLAN);
}

static struct nlmsghdr *
join_tap(const struct shadow *s, void *buf)
{
	return join_bridge(s, buf, TAP);
}

/* The flags of a port of a bridge: a message of the bridge family. */
static struct nlmsghdr *
restrict_port(const struct shadow *s, void *buf, enum device d)
{
	static const uint16_t off[] = {IFLA_BRPORT_UNICAST_FLOOD, IFLA_BRPORT_MCAST_FLOOD,
				       IFLA_BRPORT_BCAST_FLOOD};
	struct nlmsghdr *h =
		begin(buf, RTM_SETLINK, 0,
		      &(struct ifinfomsg){.ifi_family = AF_BRIDGE, .ifi_index = s->index[d]});
	struct nlattr *info = mnl_attr_nest_start(h, IFLA_PROTINFO);

	mnl_attr_put_u8(h, IFLA_BRPORT_ISOLATED, 1);
	mnl_attr_put_u8(h, IFLA_BRPORT_LEARNING, d == TAP);
	for (uint32_t i = 0; i < RTE_DIM(off); i++)
		mnl_attr_put_u8(h, off[i], 0);
	mnl_attr_nest_end(h, info);
	return h;
}

static struct nlmsghdr *
restrict_vxlan(const struct shadow *s, void *buf)
{
	return restrict_port(s, buf, VXLAN);
}

static struct nlmsghdr *
restrict_tap(const struct shadow *s, void *buf)
{
	return restrict_port(s, buf, TAP);
}

/* --- steps --- */

/* The requests to the kernel, one after the other. */
static const struct step {
	const char *what;
	struct nlmsghdr *(*make)(const struct shadow *s, void *buf); /* NULL: not needed */
	int fine; /* errno that counts as success */
} steps[] = {
	{"make the bridge", make_bridge, -EEXIST},
	{"look at the VXLAN device", look_at_vxlan, -ENODEV},
	{"remove the former VXLAN device", remove_vxlan, 0},
	{"make the VXLAN device", make_vxlan, 0},
	/* a kernel without IPv6 has no such setting */
	{"keep the bridge without an address", bridge_no_address, -EAFNOSUPPORT},
	{"keep the VXLAN device without an address", vxlan_no_address, -EAFNOSUPPORT},
	{"keep the tap without an address", tap_no_address, -EAFNOSUPPORT},
	{"set the bridge up", raise_bridge, 0},
	{"make the VXLAN device a port", join_vxlan, 0},
	{"isolate the VXLAN device", restrict_vxlan, 0},
	{"make the tap a port", join_tap, 0},
	{"isolate the tap", restrict_tap, 0},
};

struct found {
	const struct nlattr *kind, *id, *local, *port;
	uint16_t local_type;
};

static int
note_vxlan(const struct nlattr *a, void *data)
{
	struct found *f = data;

	if (mnl_attr_get_type(a) == IFLA_VXLAN_ID && mnl_attr_validate(a, MNL_TYPE_U32) == 0)
		f->id = a;
	if (mnl_attr_get_type(a) == IFLA_VXLAN_PORT && mnl_attr_validate(a, MNL_TYPE_U16) == 0)
		f->port = a;
	if (mnl_attr_get_type(a) == f->local_type)
		f->local = a;
	return MNL_CB_OK;
}

static int
note_info(const struct nlattr *a, void *data)
{
	struct found *f = data;

	if (mnl_attr_get_type(a) == IFLA_INFO_KIND &&
	    mnl_attr_validate(a, MNL_TYPE_NUL_STRING) == 0)
		f->kind = a;
	if (mnl_attr_get_type(a) == IFLA_INFO_DATA)
		return mnl_attr_parse_nested(a, note_vxlan, data);
	return MNL_CB_OK;
}

static int
note_link(const struct nlattr *a, void *data)
{
	if (mnl_attr_get_type(a) == IFLA_LINKINFO)
		return mnl_attr_parse_nested(a, note_info, data);
	return MNL_CB_OK;
}

static bool
is_ours(const struct shadow *s, const struct found *f)
{
	const struct evpn_ip *local = &s->cfg.local;

	return f->kind != NULL && strcmp(mnl_attr_get_str(f->kind), "vxlan") == 0 &&
	       f->id != NULL && mnl_attr_get_u32(f->id) == s->cfg.vni && f->port != NULL &&
	       mnl_attr_get_u16(f->port) == htons(s->cfg.port) && f->local != NULL &&
	       mnl_attr_get_payload_len(f->local) == local->len &&
	       memcmp(mnl_attr_get_payload(f->local), local->addr, local->len) == 0;
}

/* The VXLAN device that exists. */
static void
on_link(void *arg, const struct nlmsghdr *h)
{
	struct shadow *s = arg;
	const struct ifinfomsg *i = mnl_nlmsg_get_payload(h);
	struct found f = {.local_type = local_attr(&s->cfg.local)};

	if (h->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(h) < sizeof(*i) ||
	    mnl_attr_parse(h, sizeof(*i), note_link, &f) < 0)
		return;
	s->index[VXLAN] = i->ifi_index;
	s->matches = is_ours(s, &f);
}

static void next_step(struct shadow *s);

static void
fail(struct shadow *s, const char *what, int err)
{
	s->step = RTE_DIM(steps);
	s->cfg.failed(s->cfg.ctx, what, err);
}

static void
on_done(void *arg, int err)
{
	struct shadow *s = arg;
	const struct step *step = &steps[s->step];

	if (err != 0 && err != step->fine) {
		fail(s, step->what, err);
		return;
	}
	s->step++;
	next_step(s);
}

static void
find_devices(struct shadow *s)
{
	char name[SHADOW_NAME_MAX];

	for (enum device d = 0; d < DEVICES; d++)
		s->index[d] = (int)if_nametoindex(name_of(s, d, name));
}

/* Ask for the next thing that is needed; the answer leads here again. */
static void
next_step(struct shadow *s)
{
	char buf[MESSAGE_MAX] __rte_aligned(NLMSG_ALIGNTO);
	struct nlmsghdr *h = NULL;
	int err;

	find_devices(s);
	while (s->step < RTE_DIM(steps) && (h = steps[s->step].make(s, buf)) == NULL)
		s->step++;
	if (h == NULL) {
		s->cfg.ready(s->cfg.ctx, &(struct evpn_shadow_ids){.bridge = s->index[BRIDGE],
								   .vxlan = s->index[VXLAN],
								   .tap = s->index[TAP]});
		return;
	}
	err = nl_send(s->cfg.nl, h, &(struct nl_answer){.msg = on_link, .done = on_done, .arg = s});
	if (err != 0)
		fail(s, steps[s->step].what, err);
}

/* --- their state --- */

/* IFF_* of a device; 0, as of one that is down, if there is none. */
static int
flags_of(const char *name)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0); /* any socket has a network */
	struct ifreq r = {0};

	if (fd < 0)
		return 0;
	memcpy(r.ifr_name, name, SHADOW_NAME_MAX);
	if (ioctl(fd, SIOCGIFFLAGS, &r) != 0)
		r.ifr_flags = 0;
	close(fd);
	return r.ifr_flags;
}

const char *
shadow_why(const struct shadow *s, char *buf, size_t len)
{
	/* the bridge has a carrier by the others */
	static const enum device order[] = {VXLAN, TAP, BRIDGE};

	for (uint32_t i = 0; i < RTE_DIM(order); i++) {
		enum device d = order[i];
		char name[SHADOW_NAME_MAX] = "";
		int flags = flags_of(name_of(s, d, name));
		const char *why = NULL;

		if ((int)if_nametoindex(name) != s->index[d])
			why = "is not the one that was made here: another program removed it";
		else if ((flags & IFF_UP) == 0)
			why = "is down";
		else if ((flags & IFF_RUNNING) == 0)
			why = "has no carrier";
		if (why == NULL)
			continue;
		snprintf(buf, len, "the kernel device %s %s", name, why);
		return buf;
	}
	return NULL;
}

/* --- life --- */

/* The name of its descriptor for a successor. */
static const char *
heir_name(const struct shadow *s, char buf[HEIR_NAME])
{
	char name[SHADOW_NAME_MAX];

	snprintf(buf, HEIR_NAME, TUN "#%s", name_of(s, TAP, name));
	return buf;
}

/* That of a predecessor, if it is the tap that it should be; -1: there is none. */
static int
inherit_tap(const struct shadow *s)
{
	char name[SHADOW_NAME_MAX], of[HEIR_NAME];
	struct ifreq r = {0};
	int fd = heir_take(heir_name(s, of));

	if (fd < 0 || (ioctl(fd, TUNGETIFF, &r) == 0 &&
		       strncmp(r.ifr_name, name_of(s, TAP, name), SHADOW_NAME_MAX) == 0))
		return fd;
	close(fd);
	return -1;
}

static int
open_tap(const struct shadow *s)
{
	struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	char name[SHADOW_NAME_MAX];
	int fd = inherit_tap(s), err;

	if (fd >= 0)
		return fd;
	fd = open(TUN, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	memcpy(r.ifr_name, name_of(s, TAP, name), SHADOW_NAME_MAX);
	if (ioctl(fd, TUNSETIFF, &r) == 0)
		return fd;
	err = errno;
	close(fd);
	return -err;
}

struct shadow *
shadow_new(const struct shadow_config *cfg)
{
	char of[HEIR_NAME];
	struct shadow *s;

	if (cfg->vni == 0 || cfg->vni > SHADOW_VNI_MAX || !evpn_ip_is_set(&cfg->local)) {
		errno = EINVAL;
		return NULL;
	}
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->cfg = *cfg;
	s->tap_fd = open_tap(s);
	if (s->tap_fd < 0) {
		errno = -s->tap_fd;
		free(s);
		return NULL;
	}
	heir_note(heir_name(s, of), s->tap_fd);
	next_step(s);
	return s;
}

/* By name: the request that makes it may still wait to be sent, before this one. */
static void
remove_device(const struct shadow *s, enum device d)
{
	char buf[MESSAGE_MAX] __rte_aligned(NLMSG_ALIGNTO), name[SHADOW_NAME_MAX];
	struct nlmsghdr *h = begin(buf, RTM_DELLINK, 0, &(struct ifinfomsg){0});

	mnl_attr_put_strz(h, IFLA_IFNAME, name_of(s, d, name));
	(void)nl_send(s->cfg.nl, h, NULL);
}

void
shadow_remove(struct shadow *s)
{
	/* they are the predecessor's, which may go on */
	if (!heir_pending()) {
		remove_device(s, VXLAN);
		remove_device(s, BRIDGE);
	}
	shadow_free(s);
}

void
shadow_free(struct shadow *s)
{
	nl_forget(s->cfg.nl, s);
	heir_forget(s->tap_fd);
	close(s->tap_fd);
	free(s);
}
