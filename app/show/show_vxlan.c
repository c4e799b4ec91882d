/* SPDX-License-Identifier: BSD-3-Clause */
#include "show_vxlan.h"

#include <inttypes.h>
#include <stdatomic.h>

#include "app.h"
#include "vxlan/vxlan.h"
#include "switch/why.h"

/** Each VTEP with its VNI and tunnel. */
struct each {
	struct app *app;
	const struct vxlan_tunnel *t;
	const struct vxlan_vni *n;
	const struct vxlan_vtep *v;
	FILE *out;
};

static uint64_t
drops(const struct pktq_stats *s)
{
	uint64_t n = 0;

	for (int r = 0; r < DROP_NUM; r++)
		n += s->drop[r];
	return n;
}

static uint32_t
count_vteps(const struct vxlan_vni *n)
{
	const struct vxlan_vtep *v;
	uint32_t count = 0;

	STAILQ_FOREACH (v, &n->vteps, entry)
		count++;
	return count;
}

static uint32_t
longest_frame(const struct vxlan_vtep *v)
{
	const struct outer *o = atomic_load(&v->port->outer);

	return o != NULL ? o->max_len : 0;
}

/* --- text --- */

void
show_tunnels(const struct app *app, FILE *out)
{
	const struct vxlan_tunnel *t;
	const struct vxlan_vni *n;
	char text[EVPN_IP_TEXT];

	fprintf(out, "Tunnel   VNIs  UDP port  Local address    Port below\n");
	STAILQ_FOREACH (t, vxlan_all(app->vxlan), entry) {
		uint32_t count = 0;

		STAILQ_FOREACH (n, &t->vnis, entry)
			count++;
		fprintf(out, "%-7s  %4u  %8u  %-15s  %s\n", t->name, count, t->udp_port,
			evpn_ip_text(&t->local, text), t->below);
	}
}

void
show_vnis(struct app *app, FILE *out)
{
	const struct vxlan_tunnel *t;
	const struct vxlan_vni *n;

	fprintf(out, "VNI       Tunnel   Domain  VLAN  VTEPs  MTU of guests  From    Addresses "
		     "here, elsewhere  IP here, elsewhere  Answered\n");
	STAILQ_FOREACH (t, vxlan_all(app->vxlan), entry)
		STAILQ_FOREACH (n, &t->vnis, entry) {
			struct vxlan_vni_stats s;

			vxlan_vni_stats(app->vxlan, n, &s);
			fprintf(out,
				"%-8u  %-7s  %6u  %4u  %5u  %13u  %-6s  %14u  %9u  %7u  %9u  "
				"%8" PRIu64 "\n",
				n->vni, t->name, n->domain, n->vlan, count_vteps(n),
				vxlan_inner_mtu(n), n->evpn ? "EVPN" : "a list", s.ours, s.remote,
				s.ip_ours, s.ip_remote, s.arp + s.nd);
		}
}

static void
show_vtep(const struct each *e)
{
	const struct port *p = &e->v->port->port;
	struct port_stats s;
	char buf[256];
	const char *why = sw_why(&e->app->sw, p, buf, sizeof(buf));

	port_get_stats(p, &s);
	fprintf(e->out, "%-8u  %-15s  %4u  %10u  %10" PRIu64 "  %10" PRIu64 "  %7" PRIu64 "  %s\n",
		e->n->vni, e->v->port->text, p->id, longest_frame(e->v), s.rx.frames, s.tx.frames,
		drops(&s.rx) + drops(&s.tx), why != NULL ? why : "up");
}

void
show_vteps(struct app *app, FILE *out)
{
	struct each e = {.app = app, .out = out};

	fprintf(out,
		"VNI       VTEP             Port  Frame most    Received        Sent  Dropped  "
		"State\n");
	STAILQ_FOREACH (e.t, vxlan_all(app->vxlan), entry)
		STAILQ_FOREACH (e.n, &e.t->vnis, entry)
			STAILQ_FOREACH (e.v, &e.n->vteps, entry)
				show_vtep(&e);
}

static const char *
origin_of(const struct vxlan_address *a)
{
	if (evpn_ip_is_set(&a->ip))
		return a->vtep != NULL ? "EVPN" : "a guest";
	return a->origin == FDB_EXTERN ? "EVPN" : a->origin == FDB_STATIC ? "static" : "learned";
}

/* The VTEP, or the port of this switch. */
static void
show_place(const struct vxlan_address *a, FILE *out)
{
	if (a->vtep != NULL)
		fprintf(out, "VTEP %-15s", a->vtep);
	else if (a->port != FDB_PORT_NONE)
		fprintf(out, "port %-15u", a->port);
	else
		fprintf(out, "%-20s", "not known");
	fprintf(out, "  %-7s%s\n", origin_of(a), a->announced ? "  announced" : "");
}

static bool
show_address(const struct vxlan_address *a, void *arg)
{
	char ip[EVPN_IP_TEXT], mac[RTE_ETHER_ADDR_FMT_SIZE];
	FILE *out = arg;

	rte_ether_format_addr(mac, sizeof(mac), &a->mac);
	fprintf(out, "%-8u  ", a->vni);
	if (evpn_ip_is_set(&a->ip))
		fprintf(out, "%-25s  ", evpn_ip_text(&a->ip, ip));
	fprintf(out, "%s  ", mac);
	show_place(a, out);
	return !ferror(out);
}

void
show_vxlan_macs(struct app *app, FILE *out)
{
	fprintf(out, "VNI       Address            Behind                From\n");
	vxlan_walk_macs(app->vxlan, show_address, out);
}

void
show_vxlan_ips(struct app *app, FILE *out)
{
	struct neigh_refusals r;

	fprintf(out,
		"VNI       IP address                 Address            Behind                "
		"From\n");
	vxlan_walk_ips(app->vxlan, show_address, out);
	vxlan_refusals(app->vxlan, &r);
	fprintf(out,
		"Not taken: %" PRIu64 " over a port's limit, %" PRIu64 " over its rate of changes, "
		"%" PRIu64 " without their address, %" PRIu64 " without room\n",
		r.port_limit, r.rate, r.unknown, r.full);
}

/* --- JSON --- */

static void
add(json_t *d, const char *name, uint64_t value)
{
	json_object_set_new(d, name, json_integer((json_int_t)value));
}

static json_t *
report_vtep(struct app *app, const struct vxlan_vtep *v)
{
	const struct port *p = &v->port->port;
	json_t *d = json_object();
	struct port_stats s;
	char buf[256];
	const char *why = sw_why(&app->sw, p, buf, sizeof(buf));

	port_get_stats(p, &s);
	json_object_set_new(d, "vtep", json_string(v->port->text));
	add(d, "port", p->id);
	add(d, "frame_most", longest_frame(v));
	add(d, "rx_frames", s.rx.frames);
	add(d, "tx_frames", s.tx.frames);
	add(d, "drops", drops(&s.rx) + drops(&s.tx));
	if (why != NULL)
		json_object_set_new(d, "why", json_string(why));
	return d;
}

static void
add_counts(json_t *d, const struct app *app, const struct vxlan_vni *n)
{
	struct vxlan_vni_stats s;

	vxlan_vni_stats(app->vxlan, n, &s);
	add(d, "addresses_elsewhere", s.remote);
	if (!n->evpn)
		return;
	add(d, "addresses_here", s.ours);
	add(d, "addresses_not_taken", s.unknown);
	add(d, "ip_here", s.ip_ours);
	add(d, "ip_elsewhere", s.ip_remote);
	add(d, "answered_arp", s.arp);
	add(d, "answered_nd", s.nd);
}

static json_t *
report_vni(struct app *app, const struct vxlan_vni *n)
{
	json_t *d = json_object(), *list = json_array();
	const struct vxlan_vtep *v;

	add(d, "vni", n->vni);
	add(d, "domain", n->domain);
	if (n->vlan != 0)
		add(d, "vlan", n->vlan);
	json_object_set_new(d, "evpn", json_boolean(n->evpn));
	add(d, "mtu", vxlan_inner_mtu(n));
	add_counts(d, app, n);
	STAILQ_FOREACH (v, &n->vteps, entry)
		json_array_append_new(list, report_vtep(app, v));
	json_object_set_new(d, "vteps", list);
	return d;
}

static json_t *
report_tunnel(struct app *app, const struct vxlan_tunnel *t)
{
	json_t *d = json_object(), *list = json_array();
	const struct vxlan_vni *n;
	char text[EVPN_IP_TEXT];

	json_object_set_new(d, "name", json_string(t->name));
	json_object_set_new(d, "local", json_string(evpn_ip_text(&t->local, text)));
	add(d, "udp_port", t->udp_port);
	json_object_set_new(d, "below", json_string(t->below));
	STAILQ_FOREACH (n, &t->vnis, entry)
		json_array_append_new(list, report_vni(app, n));
	json_object_set_new(d, "vnis", list);
	return d;
}

json_t *
report_tunnels(struct app *app)
{
	json_t *d = json_object(), *list = json_array();
	const struct vxlan_tunnel *t;

	STAILQ_FOREACH (t, vxlan_all(app->vxlan), entry)
		json_array_append_new(list, report_tunnel(app, t));
	json_object_set_new(d, "tunnels", list);
	return d;
}

json_t *
report_vnis(struct app *app)
{
	json_t *d = json_object(), *list = json_array();
	const struct vxlan_tunnel *t;
	const struct vxlan_vni *n;

	STAILQ_FOREACH (t, vxlan_all(app->vxlan), entry)
		STAILQ_FOREACH (n, &t->vnis, entry)
			json_array_append_new(list, report_vni(app, n));
	json_object_set_new(d, "vnis", list);
	return d;
}

json_t *
report_vteps(struct app *app)
{
	json_t *d = json_object(), *list = json_array(), *one;
	const struct vxlan_tunnel *t;
	const struct vxlan_vtep *v;
	const struct vxlan_vni *n;

	STAILQ_FOREACH (t, vxlan_all(app->vxlan), entry)
		STAILQ_FOREACH (n, &t->vnis, entry)
			STAILQ_FOREACH (v, &n->vteps, entry) {
				one = report_vtep(app, v);
				add(one, "vni", n->vni);
				json_array_append_new(list, one);
			}
	json_object_set_new(d, "vteps", list);
	return d;
}

static bool
report_address(const struct vxlan_address *a, void *arg)
{
	char ip[EVPN_IP_TEXT], mac[RTE_ETHER_ADDR_FMT_SIZE];
	json_t *d = json_object();

	rte_ether_format_addr(mac, sizeof(mac), &a->mac);
	add(d, "vni", a->vni);
	if (evpn_ip_is_set(&a->ip))
		json_object_set_new(d, "ip", json_string(evpn_ip_text(&a->ip, ip)));
	json_object_set_new(d, "mac", json_string(mac));
	if (a->vtep != NULL)
		json_object_set_new(d, "vtep", json_string(a->vtep));
	if (a->port != FDB_PORT_NONE)
		add(d, "port", a->port);
	json_object_set_new(d, "from", json_string(origin_of(a)));
	json_object_set_new(d, "announced", json_boolean(a->announced));
	return json_array_append_new(arg, d) == 0;
}

json_t *
report_vxlan_macs(struct app *app)
{
	json_t *d = json_object(), *list = json_array();

	vxlan_walk_macs(app->vxlan, report_address, list);
	json_object_set_new(d, "addresses", list);
	return d;
}

json_t *
report_vxlan_ips(struct app *app)
{
	json_t *d = json_object(), *list = json_array();
	struct neigh_refusals r;

	vxlan_walk_ips(app->vxlan, report_address, list);
	json_object_set_new(d, "neighbours", list);
	vxlan_refusals(app->vxlan, &r);
	add(d, "refused_port_limit", r.port_limit);
	add(d, "refused_rate", r.rate);
	add(d, "refused_unknown", r.unknown);
	add(d, "refused_full", r.full);
	return d;
}
