/* SPDX-License-Identifier: BSD-3-Clause */
/* The far ends of VNIs and the way to each. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "evpn/evpn.h"
#include "switch/sw_ports.h"
#include "vxlan/internal.h"

#define DEFAULT_MTU 1500

static uint32_t
way_mtu(const struct vtep *v, const struct evpn_hop *hop)
{
	const struct port *below = vtep_below(v);
	uint32_t mtu = hop->mtu != 0 ? hop->mtu : DEFAULT_MTU;

	return below != NULL && below->mtu != 0 ? RTE_MIN(mtu, below->mtu) : mtu;
}

static void
set_way(struct vxlan *x, const struct vxlan_tunnel *t, struct vtep *v)
{
	const struct evpn_hop *hop = evpn_hop(x->evpn, &v->ip);
	const char *why = hop == NULL ? "it is not followed" : hop->why;
	struct outer *o = NULL;

	if (why == NULL && outer_room(v->ip.len != 4, way_mtu(v, hop)) == 0)
		why = "its MTU leaves no room for a frame";
	if (why == NULL) {
		o = aligned_alloc(__alignof__(*o), sizeof(*o));
		why = o == NULL ? "out of memory" : NULL;
	}
	if (o != NULL)
		outer_make(o, &(struct outer_config){.src_mac = hop->src,
						     .dst_mac = hop->dst,
						     .src = t->local,
						     .dst = v->ip,
						     .vni = v->vni,
						     .port = t->udp_port,
						     .mtu = way_mtu(v, hop)});
	vxlan_throw_away(x, vtep_set_outer(v, o, why));
}

/* Those that are followed: without that none is known. */
void
vxlan_set_ways(struct vxlan *x)
{
	struct vxlan_tunnel *t;
	struct vxlan_vtep *v;
	struct vxlan_vni *n;

	STAILQ_FOREACH (t, &x->tunnels, entry)
		STAILQ_FOREACH (n, &t->vnis, entry)
			STAILQ_FOREACH (v, &n->vteps, entry)
				if (v->followed)
					set_way(x, t, v->port);
}

void
vxlan_on_hop(void *ctx, const struct evpn_ip *vtep, const struct evpn_hop *hop)
{
	struct vxlan *x = ctx;
	struct vxlan_tunnel *t;
	struct vxlan_vtep *v;
	struct vxlan_vni *n;

	STAILQ_FOREACH (t, &x->tunnels, entry)
		STAILQ_FOREACH (n, &t->vnis, entry)
			STAILQ_FOREACH (v, &n->vteps, entry)
				if (evpn_ip_equal(&v->ip, vtep))
					set_way(x, t, v->port);
}

/* --- VTEPs --- */

const char *
vxlan_no_vtep(const struct vxlan_tunnel *t, const struct evpn_ip *ip)
{
	if (ip->len != t->local.len)
		return "not of the family of the tunnel's address";
	if (evpn_ip_equal(ip, &t->local))
		return "this switch";
	return evpn_ip_is_host(ip) ? NULL : "not the address of a host";
}

struct vxlan_vtep *
vxlan_find_vtep(const struct vxlan_vni *n, const struct evpn_ip *ip)
{
	struct vxlan_vtep *v;

	STAILQ_FOREACH (v, &n->vteps, entry)
		if (evpn_ip_equal(&v->ip, ip))
			return v;
	return NULL;
}

static struct vtep *
make_port(struct vxlan *x, const struct vxlan_vni *n, const struct evpn_ip *ip, const uint16_t *id)
{
	char name[PORT_NAME_MAX], text[EVPN_IP_TEXT];
	struct vtep_config c = {.ip = *ip,
				.vni = n->vni,
				.name = name,
				.below = n->tunnel->below,
				.domain = n->domain,
				.vlan = n->vlan,
				.learns = !n->evpn,
				.id = id};

	snprintf(name, sizeof(name), "%s.%u.%s", n->tunnel->name, n->vni, evpn_ip_text(ip, text));
	return vtep_new(x->cfg.sw, &c);
}

struct vxlan_vtep *
vxlan_add_vtep(struct vxlan *x, struct vxlan_vni *n, const struct evpn_ip *ip, const uint16_t *id)
{
	struct vxlan_vtep *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return NULL;
	v->ip = *ip;
	v->port = make_port(x, n, ip, id);
	if (v->port == NULL) {
		free(v);
		return NULL;
	}
	v->followed = x->evpn != NULL && evpn_use_vtep(x->evpn, ip) == 0;
	if (v->followed)
		set_way(x, n->tunnel, v->port);
	STAILQ_INSERT_TAIL(&n->vteps, v, entry);
	x->changed = true;
	return v;
}

void
vxlan_retire_vtep(struct vxlan *x, struct vxlan_vtep *v)
{
	STAILQ_INSERT_TAIL(&x->leaving, v, entry);
	if (v->followed)
		evpn_drop_vtep(x->evpn, &v->ip);
	sw_port_leave(&v->port->port);
	x->changed = true;
}
