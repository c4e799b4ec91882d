/* SPDX-License-Identifier: BSD-3-Clause */
#include "virtio/report.h"

#include <errno.h>
#include <inttypes.h>

#include "base/irq.h"
#include "base/record.h"
#include "base/text.h"
#include "gmem/gmem.h"
#include "gmem/node.h"
#include "vdev/netcfg.h"
#include "virtio/hardware.h"
#include "virtio/port.h"
#include "virtio/shadow.h"
#include "switch/why.h"

/* --- the device argument --- */

void
virtio_argument(const struct port *p, FILE *out)
{
	virtio_devargs_print(virtio_port_devargs(p), out);
}

bool
virtio_same(const struct port *p, const struct port_request *r)
{
	struct virtio_devargs a;

	return virtio_devargs_of(r, &a) == 0 && virtio_devargs_same(&a, virtio_port_devargs(p));
}

/* --- facts --- */

/* The rings of a device are pages that are in use; it may be that no others are known. */
const char *
virtio_node(const struct port *p, int *node)
{
	const struct vdev *d = virtio_port_vdev(p);
	const void *used[GMEM_NODE_PAGES / 2];
	uint32_t n = 0;

	for (uint32_t i = 0; i < d->nqueues; i++)
		for (uint32_t k = 0; k < VQ_AREAS && d->q[i].running && n < RTE_DIM(used); k++)
			used[n++] = d->q[i].map.area[k].hva;
	*node = d->gmem != NULL && n != 0 ? gmem_node(d->gmem, used, n) : GMEM_NODE_NONE;
	return *node != GMEM_NODE_NONE ? "the guest's memory" : NULL;
}

/* Those of DPDK's net_vhost PMD. */
#define RX_OFFLOADS                                                     \
	(RTE_ETH_RX_OFFLOAD_VLAN_STRIP | RTE_ETH_RX_OFFLOAD_UDP_CKSUM | \
	 RTE_ETH_RX_OFFLOAD_TCP_CKSUM)
#define TX_OFFLOADS                                                      \
	(RTE_ETH_TX_OFFLOAD_VLAN_INSERT | RTE_ETH_TX_OFFLOAD_UDP_CKSUM | \
	 RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_MULTI_SEGS)

static const struct rte_eth_desc_lim ring_limits = {
	.nb_max = UINT16_MAX,
	.nb_align = 1,
	.nb_seg_max = UINT16_MAX,
	.nb_mtu_seg_max = UINT16_MAX,
};

void
virtio_facts(const struct port *p, const struct port_defaults *d, struct port_facts *out)
{
	const struct virtio_devargs *a = virtio_port_devargs(p);

	*out = (struct port_facts){
		.info =
			{
				.driver_name = "net_vhost",
				.max_rx_pktlen = UINT32_MAX,
				.max_mac_addrs = 1,
				.max_rx_queues = (uint16_t)a->queues,
				.max_tx_queues = (uint16_t)a->queues,
				.rx_offload_capa = RX_OFFLOADS,
				.tx_offload_capa = TX_OFFLOADS,
				.rx_desc_lim = ring_limits,
				.tx_desc_lim = ring_limits,
				.switch_info.domain_id = RTE_ETH_DEV_SWITCH_DOMAIN_ID_INVALID,
			},
		.link =
			{
				.link_speed = RTE_ETH_SPEED_NUM_10G,
				.link_duplex = RTE_ETH_LINK_FULL_DUPLEX,
				.link_status = p->ops->link_up(p),
			},
		.devargs = a->text,
		.nrx = (uint16_t)a->queues,
		.ntx = (uint16_t)a->queues,
		.promisc = true,
		.allmulti = true,
		.rx_offloads = d->rx_offloads,
		.tx_offloads = d->tx_offloads,
		.is_eal_vdev = true,
	};
}

static void
show_interrupts(const struct port *p, FILE *out)
{
	struct irq_info i;

	irq_group_info(virtio_port_vdev(p)->irqs, &i);
	fprintf(out, "Interrupts made by another thread: %" PRIu64, i.left);
	if (i.offences > 0)
		fprintf(out, ", times they took too long: %" PRIu64, i.offences);
	if (i.apart)
		fprintf(out, "; all of them for %u.%u s more", i.apart_ms / 1000,
			i.apart_ms / 100 % 10);
	fputc('\n', out);
}

static void
show_record(const struct port *p, FILE *out)
{
	char path[TEXT_SHOWN_MAX];
	struct record_info i;

	if (!record_get_info(virtio_port_record(p), &i))
		return;
	if (i.why != NULL) {
		fprintf(out, "Not recorded: %s\n", i.why);
		return;
	}
	fprintf(out, "Recorded in: %s, %" PRIu64 " bytes, records lost: %" PRIu64 "%s\n",
		text_shown(i.path, path, sizeof(path)), i.bytes, i.lost,
		i.full ? "; the limit is reached" : "");
}

void
virtio_show(const struct port *p, FILE *out)
{
	struct transport_info info;
	char where[TEXT_SHOWN_MAX];

	virtio_port_info(p, &info);
	fprintf(out, "%s: %s (%s, %s)\n", info.kind, text_shown(info.where, where, sizeof(where)),
		info.role, info.connected ? "connected" : "no peer");
	fprintf(out, "Features: 0x%" PRIx64 ", protocol features: 0x%" PRIx64 "\n",
		virtio_port_vdev(p)->features, info.protocol_features);
	fprintf(out,
		"Connections: %" PRIu64 ", messages: %" PRIu64 ", refused: %" PRIu64
		", unknown: %" PRIu64 "\n",
		info.connects, info.messages, info.refused, info.unknown);
	if (vdev_config_mtu(virtio_port_vdev(p)) != 0)
		fprintf(out, "MTU announced: %u\n", vdev_config_mtu(virtio_port_vdev(p)));
	if (info.last_error != NULL)
		fprintf(out, "Last error: %s\n", info.last_error);
	show_record(p, out);
	show_interrupts(p, out);
	virtio_datapath(p, out);
}

static uint32_t
record_details(const struct port *p, struct port_detail *out)
{
	struct record_info i;

	if (!record_get_info(virtio_port_record(p), &i))
		return 0;
	out[0] = (struct port_detail){"record", i.path, 0};
	if (i.why != NULL) {
		out[1] = (struct port_detail){"record_error", i.why, 0};
		return 2;
	}
	out[1] = (struct port_detail){"record_bytes", NULL, i.bytes};
	out[2] = (struct port_detail){"records_lost", NULL, i.lost};
	out[3] = (struct port_detail){"record_full", NULL, i.full};
	return 4;
}

uint32_t
virtio_details(const struct port *p, struct port_detail *out)
{
	struct transport_info info;
	struct transport_fact facts[TRANSPORT_FACTS_MAX];
	struct irq_info irqs;
	uint32_t nfacts, n = 0;

	virtio_port_info(p, &info);
	irq_group_info(virtio_port_vdev(p)->irqs, &irqs);
	out[n++] = (struct port_detail){"socket", info.where, 0};
	out[n++] = (struct port_detail){"connected", NULL, info.connected};
	out[n++] = (struct port_detail){"connections", NULL, info.connects};
	out[n++] = (struct port_detail){"features", NULL, virtio_port_vdev(p)->features};
	out[n++] = (struct port_detail){"protocol_features", NULL, info.protocol_features};
	out[n++] =
		(struct port_detail){"mtu_announced", NULL, vdev_config_mtu(virtio_port_vdev(p))};
	out[n++] = (struct port_detail){"messages", NULL, info.messages};
	out[n++] = (struct port_detail){"messages_refused", NULL, info.refused};
	out[n++] = (struct port_detail){"messages_unknown", NULL, info.unknown};
	out[n++] = (struct port_detail){"interrupts_left", NULL, irqs.left};
	out[n++] = (struct port_detail){"interrupts_apart", NULL, irqs.apart};
	out[n++] = (struct port_detail){"interrupts_apart_ms", NULL, irqs.apart_ms};
	out[n++] = (struct port_detail){"interrupts_held_up", NULL, irqs.offences};
	n += record_details(p, out + n);
	n += virtio_hw_details(virtio_port_hw(p), out + n);
	n += virtio_shadow_details(virtio_port_shadow(p), out + n);
	nfacts = virtio_port_facts(p, facts);
	for (uint32_t i = 0; i < nfacts; i++)
		out[n++] = (struct port_detail){facts[i].name, facts[i].text, facts[i].number};
	return n;
}

/* --- settings --- */

void
virtio_running(const struct port *p, FILE *out)
{
	const struct vdev_config *cfg = &virtio_port_vdev(p)->cfg;
	const struct virtio_devargs *a = virtio_port_devargs(p);

	if (cfg->mtu != a->mtu)
		fprintf(out, "port config mtu %u %u\n", p->id, p->mtu);
	if (virtio_port_mac_set(p))
		fprintf(out, "mac_addr set %u " RTE_ETHER_ADDR_PRT_FMT "\n", p->id,
			RTE_ETHER_ADDR_BYTES(&p->mac));
	if (cfg->policy != a->policy)
		fprintf(out, "set port %u format %s\n", p->id, vdev_policy_name(cfg->policy));
	if (virtio_port_vdev(p)->hw != a->hw)
		fprintf(out, "set port %u hw %s\n", p->id, vdev_hw_name(virtio_port_vdev(p)->hw));
	if (virtio_port_vdev(p)->wanted == VDEV_STATE_RUNNING_P2P)
		fprintf(out, "port quiesce %u\n", p->id);
	else if (virtio_port_vdev(p)->wanted != VDEV_STATE_RUNNING)
		fprintf(out, "port state %u stop\n", p->id); /* also on the way of a migration */
}

void
virtio_negotiation(const struct port *p, FILE *out)
{
	char buf[256];
	const char *why = sw_why(p->sw, p, buf, sizeof(buf));

	if (why == NULL)
		why = vdev_why(virtio_port_vdev(p), buf, sizeof(buf));
	fprintf(out, "Port %u (%s): %s\n", p->id, p->name, why);
	virtio_shadow_show(virtio_port_shadow(p), out);
	virtio_port_show(p, out);
}

int
virtio_set_format(struct port *p, const char *format)
{
	struct vdev *d = virtio_port_device(p);
	enum vdev_policy policy;

	if (!vdev_policy_parse(format, &policy))
		return -EINVAL;
	vdev_set_policy(d, policy);
	vdev_sync(d);
	return 0;
}

void
virtio_datapath(const struct port *p, FILE *out)
{
	struct transport_info info;

	virtio_port_info(p, &info);
	if (info.few != NULL)
		fprintf(out, "Queue pairs: %u of %u: %s\n", info.pairs,
			virtio_port_devargs(p)->queues, info.few);
	virtio_hw_show(virtio_port_hw(p), out);
	virtio_shadow_show(virtio_port_shadow(p), out);
}

bool
virtio_in_hardware(const struct port *p)
{
	return vdev_hardware(virtio_port_vdev(p)) != NULL;
}

int
virtio_set_hw(struct port *p, const char *word)
{
	struct vdev *d = virtio_port_device(p);
	enum vdev_hw hw;

	if (virtio_port_devargs(p)->nvdpa == 0)
		return -ENODEV;
	if (!vdev_hw_parse(word, &hw))
		return -EINVAL;
	vdev_set_hw(d, hw);
	vdev_retry(d);
	vdev_sync(d);
	return 0;
}

/* --- states --- */

static const char *
get_state(const struct port *p)
{
	return vdev_state_name(vdev_state(virtio_port_vdev(p)));
}

/* The devices of @p n ports. */
static void
devices_of(struct port *const *p, uint32_t n, struct vdev **out)
{
	for (uint32_t i = 0; i < n; i++)
		out[i] = virtio_port_device(p[i]);
}

static int
set_state(struct port *const *p, uint32_t n, const char *state)
{
	struct vdev *d[DP_PORTS_MAX];
	int to = vdev_state_parse(state);

	if (to < 0)
		return to;
	devices_of(p, n, d);
	return vdev_state_set(d, n, (enum vdev_state)to);
}

static int
quiesce(struct port *const *p, uint32_t n)
{
	struct vdev *d[DP_PORTS_MAX];

	devices_of(p, n, d);
	return vdev_quiesce(d, n);
}

static int
resume(struct port *const *p, uint32_t n)
{
	struct vdev *d[DP_PORTS_MAX];

	devices_of(p, n, d);
	return vdev_resume(d, n);
}

static const char *
vm_of(const struct port *p)
{
	return virtio_port_devargs(p)->vm;
}

static bool
state_moves(const char *state)
{
	int s = vdev_state_parse(state);

	return s == VDEV_STATE_RUNNING || s == VDEV_STATE_PRE_COPY;
}

const struct port_state_ops virtio_states = {
	.get = get_state,
	.moves = state_moves,
	.set = set_state,
	.quiesce = quiesce,
	.resume = resume,
	.vm = vm_of,
};
