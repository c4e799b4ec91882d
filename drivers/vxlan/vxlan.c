/* SPDX-License-Identifier: BSD-3-Clause */
#include "vxlan/vxlan.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include "evpn/evpn.h"
#include "vxlan/demux.h"
#include "vxlan/internal.h"
#include "vxlan/neigh.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"
#include "switch/vlan_table.h"
#include "switch/why.h"

static int __attribute__((format(printf, 3, 4)))
refuse(char *err, size_t errlen, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, errlen, fmt, ap);
	va_end(ap);
	return -1;
}

/* --- VNIs --- */

struct vxlan_vni *
vxlan_find_vni(const struct vxlan *x, uint32_t vni)
{
	const struct vxlan_tunnel *t;
	struct vxlan_vni *n;

	STAILQ_FOREACH (t, &x->tunnels, entry)
		STAILQ_FOREACH (n, &t->vnis, entry)
			if (n->vni == vni)
				return n;
	return NULL;
}

static struct vxlan_tunnel *
find_tunnel(const struct vxlan *x, const char *name)
{
	struct vxlan_tunnel *t;

	STAILQ_FOREACH (t, &x->tunnels, entry)
		if (strcmp(t->name, name) == 0)
			return t;
	return NULL;
}

/* The tunnel a VNI is to be on, or NULL after saying why not. */
static struct vxlan_tunnel *
choose_tunnel(const struct vxlan *x, const char *name, char *err, size_t errlen)
{
	struct vxlan_tunnel *t = STAILQ_FIRST(&x->tunnels);

	if (name != NULL)
		t = find_tunnel(x, name);
	else if (t != NULL && STAILQ_NEXT(t, entry) != NULL)
		t = NULL;
	if (t != NULL)
		return t;
	if (name != NULL)
		refuse(err, errlen, "there is no tunnel %s", name);
	else if (STAILQ_EMPTY(&x->tunnels))
		refuse(err, errlen, "there is no tunnel (\"vxlan add\" makes one)");
	else
		refuse(err, errlen, "there are several tunnels: say which one (\"on NAME\")");
	return NULL;
}

/* Another VNI in the same domain and VLAN would be the same network twice. */
static const struct vxlan_vni *
find_same_network(const struct vxlan *x, const struct vxlan_vni_config *c)
{
	const struct vxlan_tunnel *t;
	const struct vxlan_vni *n;

	STAILQ_FOREACH (t, &x->tunnels, entry)
		STAILQ_FOREACH (n, &t->vnis, entry)
			if (n->vni != c->vni && n->domain == c->domain && n->vlan == c->vlan)
				return n;
	return NULL;
}

static int
check_vni(const struct vxlan *x, const struct vxlan_tunnel *t, const struct vxlan_vni_config *c,
	  char *err, size_t errlen)
{
	const struct vxlan_vni *n = vxlan_find_vni(x, c->vni);
	const struct vxlan_vni *same = find_same_network(x, c);
	const struct port *below = sw_port_by_name(x->cfg.sw, t->below);
	char text[EVPN_IP_TEXT];
	const char *why;

	if (n != NULL && n->evpn != c->evpn)
		return refuse(err, errlen, "VNI %u %s: remove it first", n->vni,
			      n->evpn ? "joined EVPN" : "has a list of VTEPs");
	if (n != NULL && (n->tunnel != t || n->domain != c->domain || n->vlan != c->vlan))
		return refuse(err, errlen,
			      "VNI %u is that of domain %u, VLAN %u on %s: remove it first", n->vni,
			      n->domain, n->vlan, n->tunnel->name);
	if (same != NULL)
		return refuse(err, errlen, "domain %u, VLAN %u has VNI %u", c->domain, c->vlan,
			      same->vni);
	/* frames of its guests would go round by the tunnel and the port below it */
	if (below != NULL && below->domain == c->domain)
		return refuse(err, errlen, "domain %u is that of port %u (%s) below the tunnel",
			      c->domain, below->id, t->below);
	for (uint32_t i = 0; i < c->nvteps; i++) {
		why = vxlan_no_vtep(t, &c->vtep[i]);
		if (why != NULL)
			return refuse(err, errlen, "VTEP %s is %s", evpn_ip_text(&c->vtep[i], text),
				      why);
	}
	return 0;
}

static bool
is_listed(const struct vxlan_vni_config *c, const struct evpn_ip *ip)
{
	for (uint32_t i = 0; i < c->nvteps; i++)
		if (evpn_ip_equal(&c->vtep[i], ip))
			return true;
	return false;
}

/* VTEPs that are not listed any more go first: there may be no room for both. */
static int
set_vteps(struct vxlan *x, struct vxlan_vni *n, const struct vxlan_vni_config *c, char *err,
	  size_t errlen)
{
	struct vxlan_vtep *v, *next;

	for (v = STAILQ_FIRST(&n->vteps); v != NULL; v = next) {
		next = STAILQ_NEXT(v, entry);
		if (is_listed(c, &v->ip))
			continue;
		STAILQ_REMOVE(&n->vteps, v, vxlan_vtep, entry);
		vxlan_retire_vtep(x, v);
	}
	vxlan_commit(x);
	for (uint32_t i = 0; i < c->nvteps; i++) {
		char text[EVPN_IP_TEXT];

		if (vxlan_find_vtep(n, &c->vtep[i]) == NULL &&
		    vxlan_add_vtep(x, n, &c->vtep[i], NULL) == NULL)
			return refuse(err, errlen, "VTEP %s: %s", evpn_ip_text(&c->vtep[i], text),
				      errno == ENOSPC ? "there are too many ports"
						      : strerror(errno));
	}
	return 0;
}

static const char *
join_error(int ret)
{
	switch (-ret) {
	case EPERM:
		return "it takes CAP_NET_ADMIN";
	case ENOENT:
		return "there is no /dev/net/tun";
	case EBUSY:
		return "another process has them";
	default:
		return strerror(-ret);
	}
}

/* NULL with a sentence in @p err. */
static struct vxlan_vni *
add_vni(struct vxlan *x, struct vxlan_tunnel *t, const struct vxlan_vni_config *c, char *err,
	size_t errlen)
{
	struct vxlan_vni *n = calloc(1, sizeof(*n));
	int ret = n != NULL ? vlan_fid(x->cfg.sw, c->domain, c->vlan, &n->fid) : -ENOMEM;

	if (ret != 0) {
		free(n);
		refuse(err, errlen, "domain %u, VLAN %u: %s", c->domain, c->vlan, strerror(-ret));
		return NULL;
	}
	n->tunnel = t;
	n->vni = c->vni;
	n->domain = c->domain;
	n->vlan = c->vlan;
	n->evpn = c->evpn;
	STAILQ_INIT(&n->vteps);
	ret = n->evpn ? vxlan_join(x, n) : 0;
	if (ret != 0) {
		free(n);
		refuse(err, errlen, "the kernel's devices for VNI %u cannot be made: %s", c->vni,
		       join_error(ret));
		return NULL;
	}
	STAILQ_INSERT_TAIL(&t->vnis, n, entry);
	x->changed = true;
	return n;
}

/* It is in no list any more. */
static void
free_vni(struct vxlan *x, struct vxlan_vni *n)
{
	struct vxlan_vtep *v;

	if (n->evpn)
		vxlan_leave(x, n);
	while ((v = STAILQ_FIRST(&n->vteps)) != NULL) {
		STAILQ_REMOVE_HEAD(&n->vteps, entry);
		vxlan_retire_vtep(x, v);
	}
	free(n);
	x->changed = true;
}

static void
remove_vni(struct vxlan *x, struct vxlan_vni *n)
{
	STAILQ_REMOVE(&n->tunnel->vnis, n, vxlan_vni, entry);
	free_vni(x, n);
}

int
vxlan_set_vni(struct vxlan *x, const struct vxlan_vni_config *c, char *err, size_t errlen)
{
	struct vxlan_tunnel *t = choose_tunnel(x, c->tunnel, err, errlen);
	struct vxlan_vni *n;
	bool is_new;
	int ret;

	if (t == NULL || check_vni(x, t, c, err, errlen) < 0)
		return -1;
	n = vxlan_find_vni(x, c->vni);
	is_new = n == NULL;
	if (is_new)
		n = add_vni(x, t, c, err, errlen);
	if (n == NULL)
		return -1;
	ret = n->evpn ? 0 : set_vteps(x, n, c, err, errlen);
	if (ret < 0 && is_new)
		remove_vni(x, n);
	vxlan_commit(x);
	return ret;
}

int
vxlan_remove_vni(struct vxlan *x, uint32_t vni, char *err, size_t errlen)
{
	struct vxlan_vni *n = vxlan_find_vni(x, vni);

	if (n == NULL)
		return refuse(err, errlen, "there is no VNI %u", vni);
	remove_vni(x, n);
	vxlan_commit(x);
	return 0;
}

/* --- tunnels --- */

static struct below *
find_below(const struct vxlan *x, const char *name)
{
	struct below *b;

	STAILQ_FOREACH (b, &x->belows, entry)
		if (strcmp(b->name, name) == 0)
			return b;
	return NULL;
}

static bool
need_below(struct vxlan *x, const char *name)
{
	struct below *b = find_below(x, name);

	if (b != NULL)
		return true;
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return false;
	strlcpy(b->name, name, sizeof(b->name));
	STAILQ_INSERT_TAIL(&x->belows, b, entry);
	return true;
}

/** A name stands in lines and tables, where a blank would end it. */
static bool
is_word(const char *text)
{
	const char *at = text;

	while (isgraph((unsigned char)*at))
		at++;
	return at != text && *at == '\0';
}

static int
check_tunnel(const struct vxlan *x, const struct vxlan_tunnel_config *c, char *err, size_t errlen)
{
	const struct port *p = sw_port_by_name(x->cfg.sw, c->below);
	const struct vxlan_tunnel *t;
	uint32_t locals = 0;

	if (strlen(c->name) >= VXLAN_NAME_MAX || !is_word(c->name))
		return refuse(err, errlen,
			      "name %.64s: must have 1 to %d characters of ASCII, none a blank",
			      c->name, VXLAN_NAME_MAX - 1);
	if (p == NULL)
		return refuse(err, errlen, "there is no port %s", c->below);
	if (!p->ops->carries_tunnels)
		return refuse(err, errlen,
			      "port %s is a %s port: a tunnel needs one of a network device",
			      c->below, p->ops->kind);
	STAILQ_FOREACH (t, &x->tunnels, entry) {
		if (strcmp(t->name, c->name) == 0)
			return refuse(err, errlen, "there is a tunnel %s", c->name);
		if (evpn_ip_equal(&t->local, &c->local) && t->udp_port == c->udp_port)
			return refuse(err, errlen, "tunnel %s has this address", t->name);
		locals += strcmp(t->below, c->below) == 0;
	}
	if (locals == DEMUX_LOCALS)
		return refuse(err, errlen, "port %s has %d tunnels, the most there can be",
			      c->below, DEMUX_LOCALS);
	return 0;
}

static bool
is_as_asked(const struct vxlan_tunnel *t, const struct vxlan_tunnel_config *c)
{
	return evpn_ip_equal(&t->local, &c->local) && t->udp_port == c->udp_port &&
	       strcmp(t->below, c->below) == 0;
}

int
vxlan_add(struct vxlan *x, const struct vxlan_tunnel_config *c, char *err, size_t errlen)
{
	struct vxlan_tunnel *t = find_tunnel(x, c->name);

	if (t != NULL && is_as_asked(t, c))
		return 0;
	if (check_tunnel(x, c, err, errlen) < 0)
		return -1;
	if (x->evpn == NULL && !x->cfg.rehearsal)
		x->evpn = evpn_new(x->cfg.sw->loop, &vxlan_evpn_ops, x);
	if (x->evpn == NULL && !x->cfg.rehearsal)
		return refuse(err, errlen, "the kernel's routes cannot be read: %s",
			      strerror(errno));
	t = calloc(1, sizeof(*t));
	if (t == NULL || !need_below(x, c->below)) {
		free(t);
		return refuse(err, errlen, "out of memory");
	}
	strlcpy(t->name, c->name, sizeof(t->name));
	strlcpy(t->below, c->below, sizeof(t->below));
	t->local = c->local;
	t->udp_port = c->udp_port;
	STAILQ_INIT(&t->vnis);
	STAILQ_INSERT_TAIL(&x->tunnels, t, entry);
	x->changed = true;
	vxlan_commit(x);
	return 0;
}

/* It is in no list any more. */
static void
free_tunnel(struct vxlan *x, struct vxlan_tunnel *t)
{
	struct vxlan_vni *n;

	while ((n = STAILQ_FIRST(&t->vnis)) != NULL) {
		STAILQ_REMOVE_HEAD(&t->vnis, entry);
		free_vni(x, n);
	}
	free(t);
	x->changed = true;
}

int
vxlan_remove(struct vxlan *x, const char *name, char *err, size_t errlen)
{
	struct vxlan_tunnel *t = find_tunnel(x, name);

	if (t == NULL)
		return refuse(err, errlen, "there is no tunnel %s", name);
	STAILQ_REMOVE(&x->tunnels, t, vxlan_tunnel, entry);
	free_tunnel(x, t);
	vxlan_commit(x);
	return 0;
}

void
vxlan_port_changed(struct vxlan *x, const struct port *p)
{
	if (find_below(x, p->name) == NULL)
		return;
	vxlan_set_ways(x);
	x->changed = true;
	vxlan_commit(x);
}

/* --- display --- */

const struct vxlan_tunnels *
vxlan_all(const struct vxlan *x)
{
	return &x->tunnels;
}

const char *
vxlan_why(const struct vxlan *x, const struct vxlan_vni *n, char *buf, size_t len)
{
	const char *(*const ask[])(struct sw *, const struct port *, char *, size_t) = {sw_why_none,
											sw_why};
	const struct vxlan_vtep *v;
	const char *why;

	why = n->evpn ? vxlan_join_why(x, n, buf, len) : NULL;
	if (why != NULL)
		return why;
	if (STAILQ_EMPTY(&n->vteps))
		return "it has no VTEP: nothing is sent to other hosts";
	/* a VTEP that nothing gets to before one that some frames are too long for */
	for (size_t i = 0; i < RTE_DIM(ask); i++)
		STAILQ_FOREACH (v, &n->vteps, entry) {
			why = ask[i](x->cfg.sw, &v->port->port, buf, len);
			if (why != NULL)
				return why;
		}
	return NULL;
}

uint32_t
vxlan_inner_mtu(const struct vxlan_vni *n)
{
	const struct vxlan_vtep *v;
	uint32_t least = 0;

	STAILQ_FOREACH (v, &n->vteps, entry) {
		const struct outer *o = atomic_load(&v->port->outer);

		if (o != NULL && o->max_len > RTE_ETHER_HDR_LEN &&
		    (least == 0 || o->max_len < least))
			least = o->max_len;
	}
	return least != 0 ? least - RTE_ETHER_HDR_LEN : 0;
}

/* --- life --- */

struct vxlan *
vxlan_new(const struct vxlan_config *cfg)
{
	struct vxlan *x = calloc(1, sizeof(*x));

	if (x == NULL)
		return NULL;
	x->cfg = *cfg;
	STAILQ_INIT(&x->tunnels);
	STAILQ_INIT(&x->belows);
	STAILQ_INIT(&x->leaving);
	return x;
}

void
vxlan_free(struct vxlan *x)
{
	struct vxlan_tunnel *t;

	if (x == NULL)
		return;
	while ((t = STAILQ_FIRST(&x->tunnels)) != NULL) {
		STAILQ_REMOVE_HEAD(&x->tunnels, entry);
		free_tunnel(x, t);
	}
	vxlan_commit(x);
	vxlan_free_belows(x);
	if (x->listening)
		fdb_unlisten(x->cfg.sw->fdb, &x->guests);
	ev_timer_cancel(&x->recount);
	ev_timer_cancel(&x->retry);
	free(x->pending);
	evpn_free(x->evpn);
	neigh_free(x->neigh);
	free(x);
}
