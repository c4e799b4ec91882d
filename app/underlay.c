/* SPDX-License-Identifier: BSD-3-Clause */
#include "underlay.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bsd/string.h>

#include "app.h"
#include "device.h"
#include "switch/sw_ports.h"
#include "switch/vlan.h"
#include "vxlan/vxlan.h"

/** An interface of the kernel's. */
struct interface {
	char name[IF_NAMESIZE]; /* empty: there is none */
	bool loopback;
};

static bool
has_address(const struct ifaddrs *a, const struct evpn_ip *ip)
{
	const void *bytes;

	if (a->ifa_addr == NULL || a->ifa_addr->sa_family != evpn_ip_family(ip))
		return false;
	if (a->ifa_addr->sa_family == AF_INET)
		bytes = &((const struct sockaddr_in *)(const void *)a->ifa_addr)->sin_addr;
	else
		bytes = &((const struct sockaddr_in6 *)(const void *)a->ifa_addr)->sin6_addr;
	return memcmp(bytes, ip->addr, ip->len) == 0;
}

/* An address of IPv4 may have a label, "u0:1", in place of the name. */
static void
find_interface(const struct evpn_ip *ip, struct interface *out)
{
	struct ifaddrs *all, *a;

	*out = (struct interface){0};
	if (getifaddrs(&all) != 0)
		return;
	for (a = all; a != NULL && !has_address(a, ip); a = a->ifa_next)
		;
	if (a != NULL) {
		strlcpy(out->name, a->ifa_name, sizeof(out->name));
		out->name[strcspn(out->name, ":")] = '\0';
		out->loopback = (a->ifa_flags & IFF_LOOPBACK) != 0;
	}
	freeifaddrs(all);
}

/* 0: not known. */
static uint16_t
mtu_of(const char *name)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0); /* any socket has a network */
	struct ifreq r = {0};
	uint16_t mtu = 0;

	if (fd < 0)
		return 0;
	strlcpy(r.ifr_name, name, sizeof(r.ifr_name));
	if (ioctl(fd, SIOCGIFMTU, &r) == 0 && r.ifr_mtu > 0 && r.ifr_mtu <= UINT16_MAX)
		mtu = (uint16_t)r.ifr_mtu;
	close(fd);
	return mtu;
}

static bool
is_used(const struct app *app, uint16_t domain)
{
	const struct vxlan_tunnel *t;
	const struct vxlan_vni *n;

	for (uint16_t id = 0; id < app->sw.nports; id++)
		if (app->sw.port[id] != NULL && app->sw.port[id]->domain == domain)
			return true;
	STAILQ_FOREACH (t, vxlan_all(app->vxlan), entry)
		STAILQ_FOREACH (n, &t->vnis, entry)
			if (n->domain == domain)
				return true;
	return false;
}

/* In any other domain guests would be in the network below. 0: there is none. */
static uint16_t
unused_domain(const struct app *app)
{
	uint16_t domain = VLAN_DOMAINS - 1;

	while (domain != 0 && is_used(app, domain))
		domain--;
	return domain;
}

/* The name of the device, the same each time. False: it would not be one of DPDK's arguments. */
static bool
device_name(const char *interface, char *buf, size_t len)
{
	return strpbrk(interface, ",=[]") == NULL &&
	       (size_t)snprintf(buf, len, "net_af_packet_%s", interface) < len;
}

static struct port *
attach(struct app *app, const char *interface, const char *device, char *err, size_t errlen)
{
	char devargs[PORT_NAME_MAX + IF_NAMESIZE + 16];
	const struct birth apart = {.domain = unused_domain(app), .no_learning = true};
	uint16_t mtu = mtu_of(interface);
	struct port *p;

	if (apart.domain == 0) {
		snprintf(err, errlen, "%s gets no domain of its own: all are in use", device);
		return NULL;
	}
	snprintf(devargs, sizeof(devargs), "%s,iface=%s", device, interface);
	p = app_attach(app, 0, &apart, devargs, err, errlen);
	if (p == NULL)
		return NULL;
	/* longer frames than its buffers have room for are refused: they are not to be sent */
	if (mtu != 0 && p->ops->set_mtu != NULL)
		(void)p->ops->set_mtu(p, mtu);
	return p;
}

struct port *
underlay_of_kernel(struct app *app, const struct evpn_ip *local, bool *made, char *err,
		   size_t errlen)
{
	char text[EVPN_IP_TEXT], device[PORT_NAME_MAX];
	struct interface i;
	struct port *p;

	*made = false;
	find_interface(local, &i);
	if (i.name[0] == '\0' && app->opt.check) /* on another host, perhaps */
		strlcpy(i.name, "unknown", sizeof(i.name));
	evpn_ip_text(local, text);
	if (i.name[0] == '\0') {
		snprintf(err, errlen, "no interface of this host has the address %s", text);
		return NULL;
	}
	if (i.loopback) {
		snprintf(err, errlen,
			 "%s is an address of %s: name a port that its frames leave by", text,
			 i.name);
		return NULL;
	}
	if (!device_name(i.name, device, sizeof(device))) {
		snprintf(err, errlen, "the name of interface %s cannot be given to net_af_packet",
			 i.name);
		return NULL;
	}
	p = sw_port_by_name(&app->sw, device);
	if (p != NULL)
		return p;
	p = attach(app, i.name, device, err, errlen);
	*made = p != NULL;
	return p;
}
