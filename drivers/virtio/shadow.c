/* SPDX-License-Identifier: BSD-3-Clause */
#include "virtio/shadow.h"

#include <inttypes.h>

#include "switch/join.h"
#include "switch/port_kind.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"
#include "vdev/netcfg.h"
#include "vhost_user/backend.h"
#include "virtio/devargs.h"

static bool
has_shadow(const struct virtio_shadow *s)
{
	return s->args->shadow[0] != '\0';
}

/** The port that "shadow=" names, or NULL. */
static const struct port *
named(const struct virtio_shadow *s)
{
	return sw_port_named(s->port->sw, s->args->shadow);
}

bool
virtio_shadow_joins(const struct virtio_shadow *s, const struct port **with)
{
	if (has_shadow(s))
		*with = named(s);
	return has_shadow(s);
}

uint16_t
virtio_shadow_mtu(const struct virtio_shadow *s)
{
	return s->port->partner != NULL ? s->port->partner->mtu : 0;
}

/* A front-end that reads the configuration elsewhere has an address of its own for the guest. */
const struct rte_ether_addr *
virtio_shadow_mac(const struct virtio_shadow *s)
{
	if (!has_shadow(s) || s->port->partner == NULL || s->args->mac_set ||
	    !(s->args->options & VHU_OPTION_CONFIG))
		return NULL;
	return &s->port->partner->mac;
}

void
virtio_shadow_published(const struct virtio_shadow *s)
{
	const struct port *with = s->port->partner;

	if (has_shadow(s))
		vdev_config_set_carrier(s->dev, with != NULL && with->ops->link_up(with));
}

static const char *
why_unjoined(const struct virtio_shadow *s, char *buf, size_t len)
{
	const struct port *to = named(s);

	if (to == NULL)
		snprintf(buf, len, "its device's port, shadow=%s, is not there", s->args->shadow);
	else if (!to->ops->joinable)
		snprintf(buf, len, "port %u (%s), which shadow= names, is the driver of no device",
			 to->id, to->name);
	else if (to->partner != NULL)
		snprintf(buf, len, "the device of port %u (%s) is that of port %u's guest", to->id,
			 to->name, to->partner->id);
	else
		snprintf(buf, len, "it is about to be joined to port %u (%s)", to->id, to->name);
	return buf;
}

const char *
virtio_shadow_why(const struct virtio_shadow *s, char *buf, size_t len)
{
	const struct port *with = s->port->partner;
	char inner[256];
	const char *why;

	if (!has_shadow(s))
		return NULL;
	if (with == NULL)
		return why_unjoined(s, buf, len);
	why = with->ops->why(with, inner, sizeof(inner));
	if (why == NULL)
		return NULL;
	snprintf(buf, len, "its device, port %u (%s): %s", with->id, with->name, why);
	return buf;
}

/** The format of the guest's rings; NULL: none runs. */
static const char *
guest_format(const struct virtio_shadow *s)
{
	const struct vdev *d = s->dev;

	for (uint32_t i = 0; i < d->nqueues; i++)
		if (d->q[i].running)
			return vdev_format_name(d->q[i].format);
	return NULL;
}

static void
show_cost(const struct port *p, const char *way, FILE *out)
{
	struct join_cost c;

	join_get_cost(p, &c);
	fprintf(out, "  %s: %" PRIu64 " frames", way, c.frames);
	if (c.frames != 0)
		fprintf(out, ", %.1f cycles per frame", (double)c.cycles / (double)c.frames);
	fputc('\n', out);
}

void
virtio_shadow_show(const struct virtio_shadow *s, FILE *out)
{
	const struct port *with = s->port->partner;
	const char *format = guest_format(s);
	char buf[256];

	if (!has_shadow(s))
		return;
	if (with == NULL) {
		fprintf(out, "  no shadow: %s\n", why_unjoined(s, buf, sizeof(buf)));
		return;
	}
	fprintf(out, "  shadow of the device of port %u (%s), guest: %s, device: %s\n", with->id,
		with->name, format != NULL ? format : "no ring runs",
		vdev_format_name(VDEV_MODERN));
	show_cost(s->port, "from the guest", out);
	show_cost(with, "to the guest", out);
}

uint32_t
virtio_shadow_details(const struct virtio_shadow *s, struct port_detail *out)
{
	const char *format = guest_format(s);
	uint32_t n = join_details(s->port, out);

	if (n != 0 && format != NULL)
		out[n++] = (struct port_detail){"shadow_format", format, 0};
	return n;
}
