/* SPDX-License-Identifier: BSD-3-Clause */
#include "virtio/hardware.h"

#include <string.h>

#include "switch/port.h"
#include "vdpa/vdpa.h"
#include "switch/port_limits.h"
#include "switch/publish.h"
#include "switch/snoop.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"

/* --- reasons for software --- */

/** The port that "uplink=" names, or NULL. */
static struct port *
named_uplink(const struct virtio_hw *h)
{
	return sw_port_named(h->port->sw, h->args->uplink);
}

static const char *
needs_stopped(const struct virtio_hw *h)
{
	const struct port *p = h->port;

	if (!p->started)
		return "the port is stopped";
	if (!sw_port_listed(p))
		return "the port is not among those that forward";
	return p->sw->forwarding ? NULL : "forwarding is stopped";
}

/** Hardware passes frames on as they are, to the wire. */
static const char *
needs_mode(const struct virtio_hw *h)
{
	const char *name = h->port->sw->mode->name;

	if (strcmp(name, "switch") == 0 || strcmp(name, "io") == 0)
		return NULL;
	return "the forwarding mode works on frames";
}

static const char *
needs_limits(const struct virtio_hw *h)
{
	struct limits l;

	port_limits_in_force(h->port, &l);
	if (l.locked)
		return "the port's source addresses are locked";
	if (h->port->egress_limiter != NULL)
		return "the port has egress limits";
	return l.pps != 0 || l.bps != 0 || l.storm != 0 ? "the port has limits" : NULL;
}

static const char *
needs_guard(const struct virtio_hw *h)
{
	return h->port->guard != NULL ? "the port has a guard" : NULL;
}

static const char *
needs_snooping(const struct virtio_hw *h)
{
	return snoop_get(h->port->sw, h->port->domain).on ? "multicast is snooped in its domain"
							  : NULL;
}

static const char *
needs_acl(const struct virtio_hw *h)
{
	const struct port *p = h->port;

	return p->acl[ACL_IN] != NULL || p->acl[ACL_OUT] != NULL ? "the port has an acl" : NULL;
}

static const char *
needs_copies(const struct virtio_hw *h)
{
	const struct port *p = h->port;
	const struct sw *s = p->sw;

	if (p->mirror != NULL)
		return "the port is mirrored";
	for (uint16_t i = 0; i < s->nports; i++)
		if (s->port[i] != NULL && s->port[i]->mirror == p)
			return "another port is mirrored to it";
	if (s->capture != NULL && (s->captured.port == SW_CAPTURE_ALL || s->captured.port == p->id))
		return "the port's frames are captured";
	return NULL;
}

static const char *
needs_separation(const struct virtio_hw *h)
{
	if (h->port->vlans != NULL)
		return "the port has VLANs";
	return h->port->isolated ? "the port is isolated" : NULL;
}

/* Work of the uplink that frames between the guest and the wire would pass by. */
static const char *
uplink_works(const struct port *up)
{
	const struct sw *s = up->sw;

	if (up->vlans != NULL)
		return "its uplink has VLANs";
	if (up->limiter != NULL || up->egress_limiter != NULL)
		return "its uplink has limits";
	if (up->guard != NULL)
		return "its uplink has a guard";
	if (up->acl[ACL_IN] != NULL || up->acl[ACL_OUT] != NULL)
		return "its uplink has an acl";
	if (up->mirror != NULL)
		return "its uplink is mirrored";
	return s->capture != NULL && s->captured.port == up->id ? "its uplink's frames are captured"
								: NULL;
}

static const char *
needs_uplink(const struct virtio_hw *h)
{
	const struct port *up;

	if (h->args->uplink[0] == '\0')
		return NULL;
	up = named_uplink(h);
	if (up == NULL || up == h->port)
		return "there is no port of its uplink's name";
	if (!up->started || !sw_port_listed(up))
		return "its uplink is stopped or does not forward";
	if (up->domain != h->port->domain)
		return "its uplink is in another domain";
	/* even while workers have them: two such ports that name each other would take turns */
	if (up->has_hardware)
		return "its uplink has vDPA devices itself";
	return uplink_works(up);
}

const char *
virtio_hw_needs_software(const struct virtio_hw *h)
{
	static const char *(*const needs[])(const struct virtio_hw *h) = {
		needs_stopped, needs_mode,   needs_limits,     needs_guard,  needs_snooping,
		needs_acl,     needs_copies, needs_separation, needs_uplink,
	};
	const char *why = NULL;

	for (size_t i = 0; i < RTE_DIM(needs) && why == NULL; i++)
		why = needs[i](h);
	return why;
}

/* --- the way to the guest --- */

const struct port *
virtio_hw_uplink(const struct virtio_hw *h)
{
	if (vdev_hardware(h->dev) == NULL || !vdev_link_up(h->dev) || h->args->uplink[0] == '\0')
		return NULL;
	return named_uplink(h);
}

/*
 * The publication that takes the queues away leads to the uplink, and the one that brings them back
 * leads to the port. Addresses stay the port's; those first seen at the uplink meanwhile may be the
 * guest's, so they are forgotten and found again by flooding.
 */
void
virtio_hw_changed(struct virtio_hw *h)
{
	const struct port *up = virtio_hw_uplink(h);
	uint16_t via = up != NULL ? up->id : FDB_PORT_NONE, before = h->via;
	struct fdb *f = h->port->sw->fdb;

	if (via == before)
		return;
	h->via = via;
	sw_publish(h->port->sw);
	fdb_set_via(f, h->port->id, via);
	if (before != FDB_PORT_NONE)
		fdb_forget_port(f, before);
}

static void
on_due(struct ev_timer *t)
{
	vdev_sync(container_of(t, struct virtio_hw, due)->dev);
}

void
virtio_hw_published(struct virtio_hw *h)
{
	const char *needs = h->args->nvdpa != 0 ? virtio_hw_needs_software(h) : NULL;

	if (needs == h->needs)
		return;
	h->needs = needs;
	if (h->port->sw->loop == NULL)
		return;
	h->due.cb = on_due;
	ev_timer_arm(h->port->sw->loop, &h->due, 0);
}

/* --- life --- */

int
virtio_hw_init(struct virtio_hw *h, struct port *p, struct vdev *d, const struct virtio_devargs *a,
	       char *err, size_t errlen)
{
	uint32_t i;

	*h = (struct virtio_hw){.port = p, .dev = d, .args = a, .via = FDB_PORT_NONE};
	p->has_hardware = a->nvdpa != 0;
	for (i = 0; i < a->nvdpa; i++) {
		h->list[i] = vdpa_open(a->vdpa[i], d, err, errlen);
		if (h->list[i] == NULL)
			break;
	}
	/* complete or not: the device closes those that are in its list */
	h->list[i] = &soft_engine;
	vdev_set_hw(d, a->hw);
	vdev_set_migrate(d, a->migrate);
	vdev_set_engines(d, h->list);
	/* what a device can do is known before a guest comes, if it takes time to ask */
	if (!a->rehearsal)
		vdev_retry(d);
	return i == a->nvdpa ? 0 : -1;
}

void
virtio_hw_fini(struct virtio_hw *h)
{
	ev_timer_cancel(&h->due);
}

/* --- explaining --- */

const char *
virtio_hw_why(const struct virtio_hw *h, char *buf, size_t len)
{
	const struct engine *e = vdev_hardware(h->dev);
	const struct port *up = virtio_hw_uplink(h);

	if (e == NULL)
		return NULL;
	if (h->dev->stopping)
		snprintf(buf, len, "%s is to release its rings and has not yet", e->name);
	else if (up != NULL)
		snprintf(buf, len, "nothing: %s moves its frames, port %u (%s) is its uplink",
			 e->name, up->id, up->name);
	else
		snprintf(buf, len,
			 "nothing, but %s moves its frames and they bypass the switch: it has no "
			 "uplink",
			 e->name);
	return buf;
}

void
virtio_hw_show(const struct virtio_hw *h, FILE *out)
{
	const struct engine *e = vdev_hardware(h->dev);
	const struct port *up = virtio_hw_uplink(h);
	char why[ENGINE_WHY_MAX];

	fprintf(out, "datapath: %s", e != NULL ? e->name : soft_engine.name);
	if (up != NULL)
		fprintf(out, ", uplink port %u (%s)", up->id, up->name);
	else if (e != NULL)
		fputs(", its frames bypass the switch", out);
	if (h->dev->stopping)
		fputs(", which has not released the rings yet", out);
	fputc('\n', out);
	for (uint32_t i = 0; i < h->args->nvdpa && h->list[i] != e; i++)
		fprintf(out, "  not %s: %s\n", h->list[i]->name,
			engine_against(h->list[i], h->dev, why, sizeof(why)));
}

uint32_t
virtio_hw_details(const struct virtio_hw *h, struct port_detail *out)
{
	const struct engine *e = vdev_hardware(h->dev);
	const struct port *up = virtio_hw_uplink(h);
	uint32_t n = 0;

	out[n++] = (struct port_detail){"datapath", e != NULL ? e->name : soft_engine.name, 0};
	if (h->args->nvdpa == 0)
		return n;
	out[n++] = (struct port_detail){"hw", vdev_hw_name(h->dev->hw), 0};
	out[n++] = (struct port_detail){"migrate", vdev_migrate_name(h->dev->migrate), 0};
	if (up != NULL)
		out[n++] = (struct port_detail){"uplink", up->name, 0};
	return n;
}
