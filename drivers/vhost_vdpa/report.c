/* SPDX-License-Identifier: BSD-3-Clause */
/* Display of a vhost-vdpa port. Control. */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "switch/join.h"
#include "switch/port_kind.h"
#include "vhost_vdpa/port.h"
#include "virtq/fmt.h"

void
vv_argument(const struct port *p, FILE *out)
{
	fprintf(out, "%s,%s", vv_of(p)->args.name, vv_of(p)->args.text);
}

bool
vv_same(const struct port *p, const struct port_request *r)
{
	const struct vv_devargs *own = &vv_of(p)->args;
	struct vv_devargs a;

	return vv_devargs_of(r, &a) == 0 && strcmp(a.name, own->name) == 0 &&
	       strcmp(a.path, own->path) == 0 && a.packed == own->packed && a.pairs == own->pairs;
}

void
vv_facts(const struct port *p, const struct port_defaults *d, struct port_facts *out)
{
	const struct vv_port *v = vv_of(p);
	const uint16_t n = (uint16_t)v->args.pairs;

	*out = (struct port_facts){
		.info =
			{
				.driver_name = "net_vhost_vdpa",
				.max_rx_pktlen = UINT32_MAX,
				.max_mac_addrs = 1,
				.max_rx_queues = n,
				.max_tx_queues = n,
				.switch_info.domain_id = RTE_ETH_DEV_SWITCH_DOMAIN_ID_INVALID,
			},
		.link =
			{
				.link_speed = RTE_ETH_SPEED_NUM_10G,
				.link_duplex = RTE_ETH_LINK_FULL_DUPLEX,
				.link_status = p->ops->link_up(p),
			},
		.devargs = v->args.text,
		.nrx = n,
		.ntx = n,
		.promisc = true,
		.allmulti = true,
		.is_eal_vdev = true,
	};
}

/** In one line, with the reason why they are fewer than were wanted. */
static void
show_pairs(const struct vv_port *v, FILE *out)
{
	fprintf(out, "Queue pairs: %u of %u%s%s\n", v->link->pairs, v->args.pairs,
		v->few[0] != '\0' ? ": " : "", v->few);
}

/** Below the answer of "why port". */
void
vv_datapath(const struct port *p, FILE *out)
{
	const struct vv_port *v = vv_of(p);

	if (v->few[0] != '\0')
		show_pairs(v, out);
}

void
vv_show(const struct port *p, FILE *out)
{
	const struct vv_port *v = vv_of(p);
	char path[TEXT_SHOWN_MAX];

	fprintf(out, "Device: %s (driver, %s)\n", text_shown(v->args.path, path, sizeof(path)),
		v->link != NULL ? "runs" : "not open");
	if (v->link != NULL)
		show_pairs(v, out);
	if (v->link != NULL)
		fprintf(out, "Features: 0x%" PRIx64 ", offered 0x%" PRIx64 "\n", v->link->features,
			v->link->dev.offered);
	fprintf(out, "Opened: %" PRIu64 " times\n", v->connects);
	if (v->told[0] != '\0')
		fprintf(out, "Last error: %s\n", v->told);
	if (p->partner != NULL)
		fprintf(out,
			"Its device serves port %u (%s) alone, by a shadow of its guest's rings\n",
			p->partner->id, p->partner->name);
}

uint32_t
vv_details(const struct port *p, struct port_detail *out)
{
	const struct vv_port *v = vv_of(p);
	uint32_t n = 0;

	out[n++] = (struct port_detail){"device", v->args.path, 0};
	out[n++] = (struct port_detail){"connected", NULL, v->link != NULL};
	out[n++] = (struct port_detail){"connections", NULL, v->connects};
	out[n++] = (struct port_detail){"features", NULL, v->link != NULL ? v->link->features : 0};
	out[n++] = (struct port_detail){"queue_pairs", NULL, v->link != NULL ? v->link->pairs : 0};
	out[n++] = (struct port_detail){"queue_pairs_wanted", NULL, v->args.pairs};
	out[n++] = (struct port_detail){"queue_pairs_why", v->few, 0};
	out[n++] = (struct port_detail){"control_queue_apart", NULL,
					v->link != NULL && v->link->apart};
	return n + join_details(p, out + n);
}

void
vv_negotiation(const struct port *p, FILE *out)
{
	const struct vv_port *v = vv_of(p);
	const struct link *l = v->link;
	char path[TEXT_SHOWN_MAX], buf[256];
	const char *why = p->ops->why(p, buf, sizeof(buf));

	fprintf(out, "Port %u (%s): driver of %s\n", p->id, p->name,
		text_shown(v->args.path, path, sizeof(path)));
	if (why != NULL)
		fprintf(out, "  passes no traffic: %s\n", why);
	if (l == NULL)
		return;
	fprintf(out, "  features: offered 0x%016" PRIx64 ", accepted 0x%016" PRIx64 "\n",
		l->dev.offered, l->features);
	fprintf(out, "  %s rings of %u entries, %u queue pair%s%s%s%s, buffers %s\n",
		VQ_HAS(l->features, VIRTIO_F_RING_PACKED) ? "packed" : "split",
		l->queue[0].vqd.size, l->pairs, l->pairs == 1 ? "" : "s",
		v->few[0] != '\0' ? " (" : "", v->few, v->few[0] != '\0' ? ")" : "",
		l->mergeable ? "mergeable" : "of whole frames");
	if (l->pairs > 1)
		fprintf(out, "  control queue in %s\n",
			l->apart ? "an address space of its own" : "the rings' address space");
	fprintf(out,
		"  device status 0x%02x, IOVA 0x%" PRIx64 " to 0x%" PRIx64 ", %zu KiB mapped\n",
		l->said.status, l->dev.iova_first, l->dev.iova_last, l->size >> 10);
}
