/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses of VNIs, and their counts, for display. */
#include "evpn/evpn.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"
#include "vxlan/internal.h"
#include "vxlan/neigh.h"

/** A walk. */
struct walk {
	const struct vxlan *x;
	bool (*fn)(const struct vxlan_address *a, void *arg);
	void *arg;
};

static const struct vxlan_vni *
find_fid(const struct vxlan *x, uint16_t fid)
{
	const struct vxlan_tunnel *t;
	const struct vxlan_vni *n;

	STAILQ_FOREACH (t, &x->tunnels, entry)
		STAILQ_FOREACH (n, &t->vnis, entry)
			if (n->fid == fid)
				return n;
	return NULL;
}

static const char *
vtep_of_port(const struct vxlan_vni *n, uint16_t port)
{
	const struct vxlan_vtep *v;

	STAILQ_FOREACH (v, &n->vteps, entry)
		if (v->port->port.id == port)
			return v->port->text;
	return NULL;
}

static bool
one_mac(const struct fdb_entry_info *e, void *arg)
{
	const struct walk *w = arg;
	const struct vxlan_vni *n = find_fid(w->x, e->fid);
	struct evpn_entry_info in_kernel;
	struct vxlan_address a;

	if (n == NULL)
		return true;
	a = (struct vxlan_address){.vni = n->vni,
				   .mac = e->mac,
				   .origin = e->origin,
				   .vtep = vtep_of_port(n, e->port),
				   .port = e->port};
	if (n->evpn && w->x->evpn != NULL && a.vtep == NULL)
		a.announced =
			evpn_table_find_mac(evpn_tables(w->x->evpn), n->vni, &e->mac, &in_kernel) &&
			in_kernel.ours && in_kernel.place == EVPN_HERE;
	return w->fn(&a, w->arg);
}

void
vxlan_walk_macs(const struct vxlan *x, bool (*fn)(const struct vxlan_address *a, void *arg),
		void *arg)
{
	struct walk w = {.x = x, .fn = fn, .arg = arg};

	fdb_walk(x->cfg.sw->fdb, one_mac, &w);
}

static bool
one_ip(const struct evpn_entry_info *e, void *arg)
{
	const struct walk *w = arg;
	const struct vxlan_vni *n = vxlan_find_vni(w->x, e->vni);
	struct fdb_entry_info at;
	struct vxlan_address a = {.vni = e->vni,
				  .ip = e->ip,
				  .mac = e->mac,
				  .port = FDB_PORT_NONE,
				  .announced = e->ours && e->place == EVPN_HERE};

	if (n == NULL || e->kind != EVPN_ENTRY_IP || (!e->ours && e->place != EVPN_REMOTE))
		return true;
	if (fdb_find(w->x->cfg.sw->fdb, &e->mac, n->fid, &at)) {
		a.port = at.port;
		a.vtep = vtep_of_port(n, at.port);
	}
	return w->fn(&a, w->arg);
}

void
vxlan_walk_ips(const struct vxlan *x, bool (*fn)(const struct vxlan_address *a, void *arg),
	       void *arg)
{
	struct walk w = {.x = x, .fn = fn, .arg = arg};

	if (x->evpn != NULL)
		evpn_table_walk(evpn_tables(x->evpn), one_ip, &w);
}

uint16_t
vxlan_guest_mtu(const struct vxlan *x, const struct vxlan_vni *n)
{
	const struct port *below = sw_port_by_name(x->cfg.sw, n->tunnel->below);
	uint32_t room = 0;

	if (below != NULL)
		room = outer_room(n->tunnel->local.len != sizeof(uint32_t), below->mtu);
	return room >= RTE_ETHER_HDR_LEN + RTE_ETHER_MIN_MTU ? (uint16_t)(room - RTE_ETHER_HDR_LEN)
							     : 0;
}

void
vxlan_vni_counts(const struct vxlan *x, const struct vxlan_vni *n, struct vxlan_vni_stats *out)
{
	struct neigh_stats ips = {0};
	const struct vxlan_vtep *v;

	*out = (struct vxlan_vni_stats){.mtu = vxlan_inner_mtu(n)};
	STAILQ_FOREACH (v, &n->vteps, entry) {
		uint16_t port = v->port->port.id;

		out->vteps++;
		out->remote += n->evpn ? fdb_extern_count(x->cfg.sw->fdb, port)
				       : fdb_port_count(x->cfg.sw->fdb, port);
	}
	if (!n->evpn || x->neigh == NULL)
		return;
	neigh_get_stats(x->neigh, n->fid, &ips);
	out->ip_ours = ips.ours;
	out->ip_remote = ips.remote;
	out->arp = ips.arp;
	out->nd = ips.nd;
}

void
vxlan_vni_stats(const struct vxlan *x, const struct vxlan_vni *n, struct vxlan_vni_stats *out)
{
	struct evpn_table_stats kernel;

	vxlan_vni_counts(x, n, out);
	if (!n->evpn || x->evpn == NULL)
		return;
	evpn_table_get_stats(evpn_tables(x->evpn), n->vni, &kernel);
	out->ours = kernel.here;
	out->unknown = kernel.unknown;
}

void
vxlan_kernel_stats(const struct vxlan *x, struct evpn_stats *out)
{
	*out = (struct evpn_stats){0};
	if (x->evpn != NULL)
		evpn_get_stats(x->evpn, out);
}

void
vxlan_refusals(const struct vxlan *x, struct neigh_refusals *out)
{
	*out = (struct neigh_refusals){0};
	if (x->neigh != NULL)
		neigh_get_refusals(x->neigh, out);
}
