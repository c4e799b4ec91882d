/* SPDX-License-Identifier: BSD-3-Clause */
#include "ethdev/dev.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_log.h>
#include <rte_malloc.h>

#include "base/log.h"
#include "ethdev/bond.h"

/* Offloads used whenever the device has them. */
#define RX_WANTED                                                       \
	(RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM | \
	 RTE_ETH_RX_OFFLOAD_TCP_CKSUM)
#define TX_WANTED                                                       \
	(RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM | \
	 RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO |    \
	 RTE_ETH_TX_OFFLOAD_MULTI_SEGS)

/* It would free an mbuf without looking at its reference count; ours are shared. */
#define TX_UNWANTED RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE

#define RSS_DEFAULT (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP)

/* 100 ms without a burst are too long for the driver of bonds. */
#define LACP_BURSTS_PER_S 50

/* A frame of the device's MTU with its Ethernet header and two VLAN tags. */
#define FRAME_OVERHEAD (RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN)

/* Drivers whose "offload" is a loop over the frame on the worker's core. */
static const struct {
	const char *driver;
	uint64_t rx, tx;
} emulated[] = {
	/*
	 * The kernel finishes checksums before the frame gets to the tap; of
	 * TCP's long frames the driver refuses those whose segments fill the MTU,
	 * as it takes their Ethernet header for a part of it.
	 */
	{"net_tap", RX_WANTED, RTE_ETH_TX_OFFLOAD_TCP_TSO},
};

/* Offloads to use of a device that has all. */
static void
offloads_wanted(const struct ethdev_port *e, uint64_t *rx, uint64_t *tx)
{
	*rx = RX_WANTED;
	*tx = TX_WANTED;
	for (size_t i = 0; i < RTE_DIM(emulated); i++)
		if (strcmp(e->info.driver_name, emulated[i].driver) == 0) {
			*rx &= ~emulated[i].rx;
			*tx &= ~emulated[i].tx;
		}
}

/* --- configuration --- */

static uint16_t
data_room(const struct ethdev_port *e)
{
	return (uint16_t)(rte_pktmbuf_data_room_size(e->port.sw->mp) - RTE_PKTMBUF_HEADROOM);
}

static uint64_t
supported(const struct ethdev_port *e, const char *dir, uint64_t asked, uint64_t capa)
{
	if ((asked & ~capa) != 0)
		log_warn(e->port.name, "%s offloads 0x%" PRIx64 " are not supported", dir,
			 asked & ~capa);
	return asked & capa;
}

static void
choose_offloads(struct ethdev_port *e)
{
	uint64_t rx = supported(e, "rx", e->cfg.rx_offloads, e->info.rx_offload_capa);
	uint64_t tx = supported(e, "tx", e->cfg.tx_offloads, e->info.tx_offload_capa);
	uint64_t rx_wanted, tx_wanted;

	offloads_wanted(e, &rx_wanted, &tx_wanted);
	rx |= rx_wanted & e->info.rx_offload_capa;
	if (e->port.mtu + FRAME_OVERHEAD > data_room(e))
		rx |= RTE_ETH_RX_OFFLOAD_SCATTER & e->info.rx_offload_capa;
	tx |= tx_wanted & e->info.tx_offload_capa;
	e->rx_offloads = rx;
	e->tx_offloads = tx & ~TX_UNWANTED;
}

static uint16_t
queue_count(uint16_t asked, uint16_t max)
{
	max = RTE_MIN(max, (uint16_t)ETHDEV_QUEUES_MAX);
	return asked == 0 ? 1 : RTE_MIN(asked, max);
}

static void
choose_queues(struct ethdev_port *e)
{
	e->nrx = queue_count(e->cfg.rxq, e->info.max_rx_queues);
	e->ntx = queue_count(e->cfg.txq, e->info.max_tx_queues);
	if (e->nrx < e->cfg.rxq || e->ntx < e->cfg.txq)
		log_notice(e->port.name, "device has only %u rx and %u tx queues", e->nrx, e->ntx);
}

static void
choose_rss(const struct ethdev_port *e, struct rte_eth_conf *conf)
{
	uint64_t hf = e->cfg.rss_hf != 0 ? e->cfg.rss_hf : RSS_DEFAULT;

	hf &= e->info.flow_type_rss_offloads;
	if (e->nrx == 1 || e->cfg.no_rss || hf == 0)
		return;
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rx_adv_conf.rss_conf.rss_hf = hf;
}

static int
configure(struct ethdev_port *e)
{
	struct rte_eth_conf conf = {
		.rxmode.offloads = e->rx_offloads,
		.rxmode.mtu = e->port.mtu,
		.txmode.offloads = e->tx_offloads,
		.intr_conf.rxq = e->interrupts,
		.intr_conf.lsc = (*e->info.dev_flags & RTE_ETH_DEV_INTR_LSC) != 0,
		.intr_conf.rmv = (*e->info.dev_flags & RTE_ETH_DEV_INTR_RMV) != 0,
	};

	choose_rss(e, &conf);
	return rte_eth_dev_configure(e->dev, e->nrx, e->ntx, &conf);
}

/* --- queues --- */

static void *
new_queue(const struct ethdev_port *e, size_t size)
{
	return rte_zmalloc_socket("ethdev_queue", size, RTE_CACHE_LINE_SIZE,
				  rte_eth_dev_socket_id(e->dev));
}

struct pktq *
ethdev_dev_queue(struct ethdev_port *e, bool tx, uint16_t index)
{
	if (tx && e->tx[index] == NULL)
		e->tx[index] = new_queue(e, sizeof(*e->tx[index]));
	if (tx)
		return e->tx[index] != NULL ? &e->tx[index]->q : NULL;
	if (e->rx[index] == NULL)
		e->rx[index] = new_queue(e, sizeof(*e->rx[index]));
	return e->rx[index] != NULL ? &e->rx[index]->q : NULL;
}

static int
make_queues(struct ethdev_port *e)
{
	for (uint16_t i = 0; i < e->nrx; i++)
		if (ethdev_dev_queue(e, false, i) == NULL)
			return -ENOMEM;
	for (uint16_t i = 0; i < e->ntx; i++)
		if (ethdev_dev_queue(e, true, i) == NULL)
			return -ENOMEM;
	return 0;
}

static int
setup_rx(struct ethdev_port *e, uint16_t i, uint16_t ndesc)
{
	struct rte_eth_rxconf conf = e->info.default_rxconf;

	conf.offloads = e->rx_offloads;
	return rte_eth_rx_queue_setup(e->dev, i, ndesc, rte_eth_dev_socket_id(e->dev), &conf,
				      e->port.sw->mp);
}

static int
setup_tx(struct ethdev_port *e, uint16_t i, uint16_t ndesc)
{
	struct rte_eth_txconf conf = e->info.default_txconf;

	conf.offloads = e->tx_offloads;
	return rte_eth_tx_queue_setup(e->dev, i, ndesc, rte_eth_dev_socket_id(e->dev), &conf);
}

static int
setup_queues(struct ethdev_port *e)
{
	uint16_t rxd = e->cfg.rxd, txd = e->cfg.txd; /* 0: the driver's default */
	int ret = rte_eth_dev_adjust_nb_rx_tx_desc(e->dev, &rxd, &txd);

	if (ret < 0 && ret != -ENOTSUP)
		return ret;
	for (uint16_t i = 0; i < e->nrx; i++) {
		ret = setup_rx(e, i, e->cfg.rxd == 0 ? 0 : rxd);
		if (ret < 0)
			return ret;
	}
	for (uint16_t i = 0; i < e->ntx; i++) {
		ret = setup_tx(e, i, e->cfg.txd == 0 ? 0 : txd);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* --- sleeping --- */

static bool
is_eventfd(int fd)
{
	char path[64], link[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return false;
	link[n] = '\0';
	return strcmp(link, "anon_inode:[eventfd]") == 0;
}

/*
 * A tap is not read before a signal has arrived (tap_trigger), which control
 * handles as a rule, some time after the worker that sleeps on the descriptor
 * was woken. Nothing would wake that worker again for the same frame.
 */
static bool
reads_when_told(const struct ethdev_port *e)
{
	return strcmp(e->info.driver_name, "net_tap") == 0;
}

/* A device without interrupts is no error. */
static int
interrupt_fd(const struct ethdev_port *e, uint16_t queue)
{
	int level = rte_log_get_level(rte_eth_dev_logtype), fd;

	if (!e->interrupts)
		return -1;
	rte_log_set_level(rte_eth_dev_logtype, RTE_LOG_CRIT);
	fd = rte_eth_dev_rx_intr_ctl_q_get_fd(e->dev, queue);
	rte_log_set_level(rte_eth_dev_logtype, (uint32_t)level);
	return fd;
}

/* --- from the device to our queues --- */

static void
fill_rx(struct ethdev_port *e, uint16_t i)
{
	struct ethdev_rxq *r = e->rx[i];

	r->dev = e->dev;
	r->queue = i;
	r->q.port = e->port.id;
	r->q.index = i;
	r->q.event_fd = interrupt_fd(e, i);
	r->drain = r->q.event_fd >= 0 && is_eventfd(r->q.event_fd);
	r->late = r->q.event_fd >= 0 && reads_when_told(e);
	atomic_store(&r->q.ops, r->q.event_fd >= 0 ? &ethdev_rx_ops : &ethdev_rx_poll_ops);
}

/* Bytes of a frame in as many mbufs as the device takes; a device need not report it. */
static uint32_t
longest_chain(const struct ethdev_port *e)
{
	uint16_t max = e->info.tx_desc_lim.nb_seg_max;

	return max == 0 ? UINT32_MAX : (uint32_t)max * data_room(e);
}

static void
speak_lacp(struct ethdev_txq *t)
{
	t->idle_max = rte_get_tsc_hz() / LACP_BURSTS_PER_S;
	t->q.can_backlog = t->q.keep_alive = true;
	t->q.backlog = 1;
	atomic_store(&t->q.ops, &ethdev_tx_lacp_ops);
}

static void
fill_tx(struct ethdev_port *e, uint16_t i)
{
	struct ethdev_txq *t = e->tx[i];

	t->dev = e->dev;
	t->queue = i;
	t->mp = e->port.sw->mp;
	t->room = data_room(e);
	t->offloads = e->tx_offloads;
	t->q.port = e->port.id;
	t->q.index = i;
	t->q.event_fd = -1;
	t->q.offloads = ethdev_tx_accepts(e->tx_offloads, longest_chain(e));
	/* rings and the like have an MTU in name only */
	t->frame_max = e->info.max_rx_pktlen == UINT32_MAX ? 0 : e->port.mtu + FRAME_OVERHEAD;
	t->q.max_len = t->q.offloads & PKT_NEED_GSO ? PKT_LEN_MAX : t->frame_max;
	atomic_store(&t->q.ops, &ethdev_tx_ops);
	if (i == 0 && bond_has_lacp(e->dev))
		speak_lacp(t);
}

static void
fill_queues(struct ethdev_port *e)
{
	for (uint16_t i = 0; i < e->nrx; i++)
		fill_rx(e, i);
	for (uint16_t i = 0; i < e->ntx; i++)
		fill_tx(e, i);
}

/* --- start and stop --- */

static int
try_start(struct ethdev_port *e, bool interrupts)
{
	int ret;

	e->interrupts = interrupts;
	ret = configure(e);
	if (ret == 0)
		ret = setup_queues(e);
	return ret != 0 ? ret : rte_eth_dev_start(e->dev);
}

int
ethdev_dev_start(struct ethdev_port *e)
{
	int ret;

	if (e->running)
		return 0;
	choose_offloads(e);
	choose_queues(e);
	ret = make_queues(e);
	if (ret < 0)
		return ret;
	/* not every driver has rx interrupts in every setting, and some refuse only here */
	ret = try_start(e, true);
	if (ret != 0)
		ret = try_start(e, false);
	if (ret != 0) {
		log_err(e->port.name, "device does not start: %s", strerror(-ret));
		return ret;
	}
	fill_queues(e);
	e->running = true;
	/* most drivers start with their link up */
	if (e->link_down)
		rte_eth_dev_set_link_down(e->dev);
	return 0;
}

void
ethdev_dev_stop(struct ethdev_port *e)
{
	int ret;

	if (!e->running)
		return;
	e->running = false;
	ret = rte_eth_dev_stop(e->dev);
	if (ret != 0)
		log_warn(e->port.name, "device does not stop: %s", strerror(-ret));
	for (uint16_t i = 0; i < e->nrx; i++)
		ethdev_rxq_flush(e->rx[i]);
}

int
ethdev_dev_set_mtu(struct ethdev_port *e, uint16_t mtu)
{
	int ret = rte_eth_dev_set_mtu(e->dev, mtu);

	if (ret == -ENOTSUP && e->info.max_rx_pktlen == UINT32_MAX)
		ret = 0; /* no buffer is too small */
	if (ret == 0)
		e->port.mtu = mtu;
	return ret;
}
