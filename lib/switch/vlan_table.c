/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * Which VLANs there are, and which of them a port carries.
 */
#include "switch/vlan_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>

#include "switch/fdb.h"
#include "switch/port.h"
#include "switch/port_ct.h"
#include "switch/publish.h"
#include "switch/sw.h"

static_assert(VLAN_FID_MIRROR > VLAN_FID_FIRST, "VLANs have numbers that are no domain's");

/* --- numbers --- */

static uint16_t *
domain_fids(struct vlan_table *t, uint16_t domain)
{
	if (t->fid[domain] == NULL)
		t->fid[domain] = calloc(VLAN_IDS, sizeof(*t->fid[domain]));
	return t->fid[domain];
}

int
vlan_fid(struct sw *s, uint16_t domain, uint16_t id, uint16_t *fid)
{
	struct vlan_table *t = s->vlans;
	uint16_t *fids;

	*fid = domain;
	if (domain >= VLAN_DOMAINS || id > VLAN_ID_MAX)
		return -EINVAL;
	if (id == 0)
		return 0;
	if (t == NULL)
		t = s->vlans = calloc(1, sizeof(*t));
	fids = t != NULL ? domain_fids(t, domain) : NULL;
	if (fids == NULL)
		return -ENOMEM;
	if (fids[id] == 0) {
		if (t->n == RTE_DIM(t->owner))
			return -ENOSPC;
		t->owner[t->n].domain = domain;
		t->owner[t->n].id = id;
		fids[id] = (uint16_t)(VLAN_FID_FIRST + t->n++);
	}
	*fid = fids[id];
	return 0;
}

void
vlan_of_fid(const struct sw *s, uint16_t fid, uint16_t *domain, uint16_t *id)
{
	*domain = fid;
	*id = 0;
	if (fid < VLAN_FID_FIRST || s->vlans == NULL || fid - VLAN_FID_FIRST >= (int)s->vlans->n)
		return;
	*domain = s->vlans->owner[fid - VLAN_FID_FIRST].domain;
	*id = s->vlans->owner[fid - VLAN_FID_FIRST].id;
}

void
vlan_table_free(struct vlan_table *t)
{
	for (uint32_t i = 0; t != NULL && i < VLAN_DOMAINS; i++)
		free(t->fid[i]);
	free(t);
}

/* --- ports --- */

static bool
carries(const struct vlan_config *c, uint16_t id)
{
	return id == c->native || (!c->access && vlan_is_allowed(c, id));
}

static int
fill(struct dp_vlan *v, struct sw *s, const struct vlan_config *c, uint16_t domain)
{
	int ret = 0;

	v->access = c->access;
	v->qinq = c->qinq != 0;
	v->type = rte_cpu_to_be_16(c->qinq != 0 ? c->qinq : RTE_ETHER_TYPE_VLAN);
	v->native = c->native;
	for (uint16_t id = 1; id <= VLAN_ID_MAX && ret == 0; id++) {
		if (!carries(c, id))
			continue;
		ret = vlan_fid(s, domain, id, &v->fid[id]);
		v->fids[v->nfids++] = v->fid[id];
	}
	return ret;
}

static struct dp_vlan *
new_vlans(const struct vlan_config *c)
{
	struct dp_vlan *v;
	uint32_t n = 0;

	for (uint16_t id = 1; id <= VLAN_ID_MAX; id++)
		n += carries(c, id);
	v = calloc(1, sizeof(*v) + n * sizeof(v->fids[0]));
	if (v != NULL)
		v->nports = 1;
	return v;
}

bool
vlan_config_same(const struct vlan_config *a, const struct vlan_config *b)
{
	return a->on == b->on && a->access == b->access && a->native == b->native &&
	       a->qinq == b->qinq && memcmp(a->allowed, b->allowed, sizeof(a->allowed)) == 0;
}

/* Those of another port that are the same. */
static struct dp_vlan *
share(const struct sw *s, const struct vlan_config *c, uint16_t domain)
{
	for (uint16_t i = 0; i < s->nports; i++) {
		const struct port *p = s->port[i];

		if (p == NULL || p->vlans == NULL || p->domain != domain ||
		    !vlan_config_same(&p->vlan, c))
			continue;
		p->vlans->nports++;
		return p->vlans;
	}
	return NULL;
}

void
vlan_put(struct dp_vlan *v)
{
	if (v != NULL && --v->nports == 0)
		free(v);
}

/* @p c in @p domain, for workers; *v is NULL when nothing is set. */
static int
make(struct sw *s, const struct vlan_config *c, uint16_t domain, struct dp_vlan **v)
{
	int ret;

	*v = NULL;
	if (!c->on)
		return 0;
	if (c->native > VLAN_ID_MAX || (c->access && c->native == 0) ||
	    (c->qinq != 0 && c->qinq != RTE_ETHER_TYPE_VLAN && c->qinq != RTE_ETHER_TYPE_QINQ))
		return -EINVAL;
	*v = share(s, c, domain);
	if (*v != NULL)
		return 0;
	*v = new_vlans(c);
	if (*v == NULL)
		return -ENOMEM;
	ret = fill(*v, s, c, domain);
	if (ret < 0) {
		vlan_put(*v);
		*v = NULL;
	}
	return ret;
}

/* Settings that are in force from now on, @p v made of them. */
static void
replace(struct port *p, struct dp_vlan *v)
{
	struct dp_vlan *old = p->vlans;

	p->vlans = v;
	sw_publish(p->sw);
	vlan_put(old);
	/* addresses learned in another domain or VLAN are behind this port no more */
	fdb_forget_port(p->sw->fdb, p->id);
	/* the same addresses there are other stations */
	port_ct_clear(p);
	if (p->sw->snooping != NULL)
		p->sw->snooping->forget_port(p);
}

int
port_begin_vlan(struct port *p, uint16_t domain, const struct vlan_config *c)
{
	int ret = domain < VLAN_DOMAINS ? make(p->sw, c, domain, &p->vlans) : -EINVAL;

	if (ret < 0)
		return ret;
	p->domain = domain;
	p->vlan = *c;
	return 0;
}

int
port_set_vlan(struct port *p, const struct vlan_config *c)
{
	struct dp_vlan *v;
	int ret = make(p->sw, c, p->domain, &v);

	if (ret < 0)
		return ret;
	p->vlan = *c;
	replace(p, v);
	return 0;
}

int
port_set_domain(struct port *p, uint16_t domain)
{
	struct dp_vlan *v;
	int ret = domain < VLAN_DOMAINS ? make(p->sw, &p->vlan, domain, &v) : -EINVAL;

	if (ret < 0)
		return ret;
	p->domain = domain;
	replace(p, v);
	return 0;
}
