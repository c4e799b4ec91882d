/* SPDX-License-Identifier: BSD-3-Clause */
/* Changes of tunnels become the workers'. */
#include <stdlib.h>
#include <string.h>

#include "switch/publish.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"
#include "vxlan/demux.h"
#include "vxlan/internal.h"
#include "vxlan/neigh.h"

/** Memory that workers may use until the next grace period. */
struct garbage {
	struct garbage *next;
	const void *mem;
};

/* Without memory to remember it, the grace period is waited for now. */
void
vxlan_throw_away(struct vxlan *x, const void *mem)
{
	struct garbage *g;

	if (mem == NULL)
		return;
	g = malloc(sizeof(*g));
	if (g == NULL) {
		dp_grace(&x->cfg.sw->dp);
		free((void *)(uintptr_t)mem);
		return;
	}
	*g = (struct garbage){.next = x->garbage, .mem = mem};
	x->garbage = g;
}

/* After a grace period. */
static void
free_garbage(struct vxlan *x)
{
	struct garbage *g;

	while ((g = x->garbage) != NULL) {
		x->garbage = g->next;
		free((void *)(uintptr_t)g->mem);
		free(g);
	}
}

static uint32_t
count_entries(const struct vxlan *x)
{
	const struct vxlan_tunnel *t;
	const struct vxlan_vtep *v;
	const struct vxlan_vni *n;
	uint32_t count = 0;

	STAILQ_FOREACH (t, &x->tunnels, entry)
		STAILQ_FOREACH (n, &t->vnis, entry) {
			count++;
			STAILQ_FOREACH (v, &n->vteps, entry)
				count++;
		}
	return count;
}

static void
fill_demux(struct demux *d, const struct vxlan_tunnel *t, const struct port *below)
{
	int local = demux_add_local(d, &t->local, t->udp_port);
	const struct vxlan_vtep *v;
	const struct vxlan_vni *n;

	if (local < 0)
		return;
	STAILQ_FOREACH (n, &t->vnis, entry) {
		if (below->domain == n->domain)
			continue; /* vtep_why() says so */
		demux_add_vni(d, local, n->vni);
		STAILQ_FOREACH (v, &n->vteps, entry)
			demux_add_vtep(d, local, v->port);
	}
}

/* Without memory for it tunnel frames are not recognized until the next change. */
static void
rebuild(struct vxlan *x, struct below *b)
{
	struct port *p = sw_port_by_name(x->cfg.sw, b->name);
	struct vxlan_tunnel *t;
	bool any = false;

	b->old = b->demux;
	b->demux = demux_new(count_entries(x));
	if (b->demux == NULL)
		log_peer(&x->log_limit, TAG,
			 "out of memory: no frames of tunnels over %s are taken", b->name);
	STAILQ_FOREACH (t, &x->tunnels, entry)
		if (p != NULL && b->demux != NULL && strcmp(t->below, b->name) == 0) {
			fill_demux(b->demux, t, p);
			any = true;
		}
	if (p != NULL)
		p->intercept = any ? demux_intercept(b->demux) : NULL;
}

/* Domains that have VNIs: requests for addresses are answered there, packets have a limit. */
static void
set_domains(struct vxlan *x)
{
	const struct vxlan_tunnel *t;
	const struct vxlan_vni *n;

	for (uint16_t domain = 0; domain < VLAN_DOMAINS; domain++) {
		sw_intercept_domain(x->cfg.sw, domain, NULL);
		sw_limit_mtu(x->cfg.sw, domain, 0);
	}
	STAILQ_FOREACH (t, &x->tunnels, entry)
		STAILQ_FOREACH (n, &t->vnis, entry) {
			uint16_t mtu = vxlan_guest_mtu(x, n),
				 other = x->cfg.sw->mtu_most[n->domain];

			if (n->evpn)
				sw_intercept_domain(x->cfg.sw, n->domain,
						    neigh_intercept(x->neigh));
			if (mtu != 0 && (other == 0 || mtu < other))
				sw_limit_mtu(x->cfg.sw, n->domain, mtu);
		}
}

static void
remove_ports(struct vxlan *x)
{
	struct vxlan_vtep *v;

	if (!STAILQ_EMPTY(&x->leaving))
		vxlan_retry_soon(x);
	while ((v = STAILQ_FIRST(&x->leaving)) != NULL) {
		STAILQ_REMOVE_HEAD(&x->leaving, entry);
		sw_port_remove(x->cfg.sw, &v->port->port);
		free(v);
	}
}

void
vxlan_commit(struct vxlan *x)
{
	struct below *b;

	if (x->changed) {
		STAILQ_FOREACH (b, &x->belows, entry)
			rebuild(x, b);
		set_domains(x);
		sw_publish(x->cfg.sw);
		STAILQ_FOREACH (b, &x->belows, entry) {
			demux_free(b->old);
			b->old = NULL;
		}
		x->changed = false;
	} else if (x->garbage != NULL) {
		dp_grace(&x->cfg.sw->dp);
	}
	free_garbage(x);
	remove_ports(x);
}

void
vxlan_free_belows(struct vxlan *x)
{
	struct below *b;

	STAILQ_FOREACH (b, &x->belows, entry) {
		struct port *p = sw_port_by_name(x->cfg.sw, b->name);

		if (p != NULL)
			p->intercept = NULL;
	}
	sw_publish(x->cfg.sw);
	while ((b = STAILQ_FIRST(&x->belows)) != NULL) {
		STAILQ_REMOVE_HEAD(&x->belows, entry);
		demux_free(b->demux);
		free(b);
	}
	free_garbage(x);
}
