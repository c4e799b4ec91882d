/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver of a vhost-vdpa device: against a model of the kernel that refuses what the kernel
 * refuses, with a device behind it that returns what it is sent.
 */
#include <errno.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <cmocka.h>
#include <rte_common.h>

#include "eal.h"
#include "frame.h"
#include "owner.h"
#include "switch/port_kind.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"
#include "vhost_vdpa/link.h"
#include "vhost_vdpa/port.h"
#include "vhost_vdpa/queue.h"
#include "virtq/fmt.h"

#define BIT(n) (UINT64_C(1) << (n))
#define OFFER                                                                                    \
	(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_ACCESS_PLATFORM) | BIT(VIRTIO_NET_F_CSUM) |      \
	 BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) |                            \
	 BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_NET_F_STATUS) | \
	 BIT(VIRTIO_NET_F_MTU) | BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_CTRL_RX) |             \
	 BIT(VIRTIO_RING_F_INDIRECT_DESC))
#define DRIVER_OK 0xf

/* --- the kernel --- */

static struct {
	/* set by a test */
	uint64_t offered, backend;
	uint32_t id;
	uint16_t ring_max;
	uint8_t refuses; /* bits of the status it does not keep */
	struct vhost_vdpa_iova_range range;
	struct virtio_net_config config;
	int busy;     /* errno of open() */
	bool partial; /* of a message about memory a part is taken */
	/* of the session */
	uint64_t features;
	uint8_t status, said[8];
	uint32_t nsaid, batch, batches;
	bool owned;
	struct vhost_iotlb_msg region;
	struct {
		uint32_t num, base, enabled;
		struct vhost_vring_addr addr;
		int kick, call;
		uint16_t next;
	} ring[2];
} k;

static int
refuse(int error)
{
	errno = error;
	return -1;
}

static int
on_status(const uint8_t *status)
{
	if ((k.status & ~*status) != 0 && *status != 0)
		return refuse(EINVAL);
	k.said[k.nsaid++ % RTE_DIM(k.said)] = *status;
	k.status = *status & (uint8_t)~k.refuses;
	if (*status == DRIVER_OK && (k.ring[0].enabled & k.ring[1].enabled) == 0)
		return refuse(EIO); /* not the kernel's: no server hears of a later one */
	return 0;
}

static int
on_ring(unsigned long request, void *arg)
{
	const struct vhost_vring_state *s = arg;

	if (s->index > 1)
		return refuse(ENOBUFS);
	if (!(k.status & VIRTIO_CONFIG_S_FEATURES_OK))
		return refuse(EINVAL);
	if (request == VHOST_SET_VRING_NUM)
		k.ring[s->index].num = s->num;
	else if (request == VHOST_SET_VRING_BASE)
		k.ring[s->index].base = s->num;
	else if (request == VHOST_SET_VRING_ADDR)
		k.ring[s->index].addr = *(const struct vhost_vring_addr *)arg;
	else if (request == VHOST_SET_VRING_KICK)
		k.ring[s->index].kick = (int)s->num;
	else if (request == VHOST_SET_VRING_CALL)
		k.ring[s->index].call = (int)s->num;
	else
		k.ring[s->index].enabled = s->num;
	return 0;
}

static int
on_config(struct vhost_vdpa_config *c)
{
	if (c->off + c->len > sizeof(k.config))
		return refuse(E2BIG);
	memcpy(c->buf, (uint8_t *)&k.config + c->off, c->len);
	return 0;
}

static int
on_features(const uint64_t *f)
{
	if (k.status & VIRTIO_CONFIG_S_FEATURES_OK)
		return refuse(EBUSY);
	if (*f & ~k.offered)
		return refuse(EINVAL);
	k.features = *f;
	return 0;
}

static int
model_ioctl(int fd, unsigned long request, void *arg)
{
	if (request == VHOST_VDPA_GET_DEVICE_ID) {
		*(uint32_t *)arg = k.id;
		return 0;
	}
	if (request == VHOST_SET_OWNER) {
		k.owned = true;
		return 0;
	}
	assert_true(k.owned);
	switch (request) {
	case VHOST_GET_FEATURES:
		*(uint64_t *)arg = k.offered;
		return 0;
	case VHOST_SET_FEATURES:
		return on_features(arg);
	case VHOST_GET_BACKEND_FEATURES:
		*(uint64_t *)arg = k.backend;
		return 0;
	case VHOST_SET_BACKEND_FEATURES:
		return *(uint64_t *)arg & ~k.backend ? refuse(EOPNOTSUPP) : 0;
	case VHOST_VDPA_GET_IOVA_RANGE:
		*(struct vhost_vdpa_iova_range *)arg = k.range;
		return 0;
	case VHOST_VDPA_GET_VRING_NUM:
		*(uint16_t *)arg = k.ring_max;
		return 0;
	case VHOST_VDPA_GET_VQS_COUNT:
		return refuse(ENOTTY);
	case VHOST_VDPA_GET_CONFIG_SIZE:
		*(uint32_t *)arg = sizeof(k.config);
		return 0;
	case VHOST_VDPA_GET_STATUS:
		*(uint8_t *)arg = k.status;
		return 0;
	case VHOST_VDPA_SET_STATUS:
		return on_status(arg);
	case VHOST_VDPA_GET_CONFIG:
		return on_config(arg);
	case VHOST_VDPA_SET_CONFIG_CALL:
		return 0;
	default:
		return on_ring(request, arg);
	}
}

static ssize_t
model_write(int fd, const void *buf, size_t len)
{
	const struct vhost_msg_v2 *m = buf;

	assert_int_equal(len, sizeof(*m));
	assert_int_equal(m->type, VHOST_IOTLB_MSG_V2);
	if (m->iotlb.type == VHOST_IOTLB_BATCH_BEGIN)
		k.batch++;
	else if (m->iotlb.type == VHOST_IOTLB_BATCH_END)
		k.batches++;
	else if ((m->iotlb.iova | m->iotlb.size | m->iotlb.uaddr) % 4096 != 0)
		return refuse(EINVAL);
	else
		k.region = m->iotlb;
	errno = 0;
	return k.partial ? (ssize_t)len / 2 : (ssize_t)len;
}

static int
model_open(const char *path)
{
	return k.busy != 0 ? refuse(k.busy) : eventfd(0, EFD_CLOEXEC);
}

static const struct chardev_sys model = {model_open, model_ioctl, model_write};

/* --- the device --- */

static uint8_t *
at(uint64_t iova)
{
	assert_in_range(iova, k.region.iova, k.region.iova + k.region.size - 1);
	return (uint8_t *)(uintptr_t)(k.region.uaddr + iova - k.region.iova);
}

static struct vring_desc *
next_buffer(uint32_t i, uint16_t *head)
{
	const struct vring_avail *a = (const void *)at(k.ring[i].addr.avail_user_addr);
	struct vring_desc *d = (void *)at(k.ring[i].addr.desc_user_addr);

	if (__atomic_load_n(&a->idx, __ATOMIC_ACQUIRE) == k.ring[i].next)
		return NULL;
	*head = a->ring[k.ring[i].next % k.ring[i].num];
	return &d[*head];
}

static void
use(uint32_t i, uint16_t head, uint32_t len)
{
	struct vring_used *u = (void *)at(k.ring[i].addr.used_user_addr);

	u->ring[k.ring[i].next++ % k.ring[i].num] = (struct vring_used_elem){head, len};
	__atomic_store_n(&u->idx, k.ring[i].next, __ATOMIC_RELEASE);
}

/** Deliver @p len bytes, header first, as @p claim buffers (0: as many as there are). */
static void
deliver(const uint8_t *data, uint32_t len, uint16_t claim)
{
	uint8_t *first = NULL;
	uint16_t head, n = 0;
	uint32_t part;

	do {
		const struct vring_desc *d = next_buffer(0, &head);

		assert_non_null(d);
		part = RTE_MIN(len, d->len);
		memcpy(at(d->addr), data, part);
		if (n++ == 0)
			first = at(d->addr);
		use(0, head, part);
		data += part;
		len -= part;
	} while (len != 0);
	n = claim != 0 ? claim : n;
	if (part >= 12 || n > 1)
		memcpy(first + 10, &n, sizeof(n));
}

static uint32_t
echo(void)
{
	const struct vring_desc *d;
	uint32_t n = 0;
	uint16_t head;

	while ((d = next_buffer(1, &head)) != NULL) {
		deliver(at(d->addr), d->len, 0);
		use(1, head, 0);
		n++;
	}
	return n;
}

/* --- the port's queues --- */

static struct link *l;
static struct vv_rxq rx;
static struct vv_txq tx;
static struct pkt_batch batch;
static unsigned int fds_before;
static char err[160];

static struct link *
open_link(void)
{
	const struct link_config cfg = {CHARDEV_PREFIX "0", false, &model};

	return link_open(&cfg, err, sizeof(err));
}

static int
setup(void **state)
{
	memset(&k, 0, sizeof(k));
	k.offered = OFFER;
	k.backend = 0xe;
	k.id = 1;
	k.ring_max = 256;
	k.range = (struct vhost_vdpa_iova_range){0x1234, UINT64_MAX};
	k.config = (struct virtio_net_config){.mac = {2, 0, 0, 0, 0, 9},
					      .status = VIRTIO_NET_S_LINK_UP,
					      .mtu = 1500};
	fds_before = open_fds();
	return 0;
}

static void
begin(void)
{
	l = open_link();
	if (l == NULL)
		fail_msg("%s", err);
	memset(&rx, 0, sizeof(rx));
	memset(&tx, 0, sizeof(tx));
	atomic_store(&rx.q.ops, &vv_rx_ops);
	atomic_store(&tx.q.ops, &vv_tx_ops);
	vv_rxq_use(&rx, l, 0);
	vv_txq_use(&tx, l, 0);
}

static int
teardown(void **state)
{
	link_close(l);
	l = NULL;
	return open_fds() == fds_before ? 0 : -1;
}

/** A frame of @p len bytes that counts from @p seed. */
static uint8_t *
frame(struct pkt *p, uint32_t len, uint8_t seed)
{
	static uint8_t bytes[PKT_LEN_MAX];

	for (uint32_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(seed + i * 7);
	*p = (struct pkt){.data = bytes, .len = len, .data_len = len, .nsegs = 1};
	memcpy(p->eth_bytes, bytes, sizeof(p->eth_bytes));
	return bytes;
}

static void
compare(const struct pkt *p, const uint8_t *bytes, uint32_t len)
{
	uint32_t done = p->data_len;

	assert_int_equal(p->len, len);
	assert_memory_equal(p->data, bytes, p->data_len);
	assert_memory_equal(p->eth_bytes, bytes, sizeof(p->eth_bytes));
	for (uint16_t i = 0; i + 1 < p->nsegs; i++) {
		assert_memory_equal(p->segs[i].data, bytes + done, p->segs[i].len);
		done += p->segs[i].len;
	}
	assert_int_equal(done, len);
}

static uint16_t
receive(uint16_t max)
{
	batch.max = max;
	batch.left = 0;
	return vv_rx_ops.rx(&rx.q, &batch);
}

/* --- tests --- */

static void
test_start(void **state)
{
	const uint8_t order[] = {0, 1, 3, 0xb, DRIVER_OK};

	begin();
	assert_int_equal(k.nsaid, sizeof(order));
	assert_memory_equal(k.said, order, sizeof(order));
	assert_int_equal(k.batch, 1);
	assert_int_equal(k.batches, 1);
	assert_true(k.region.iova >= k.range.first);
	assert_int_equal(k.features &
				 (BIT(VIRTIO_NET_F_CTRL_RX) | BIT(VIRTIO_RING_F_INDIRECT_DESC)),
			 0);
	assert_true(link_is_up(l));
	k.config.status = 0;
	assert_int_equal(link_read_config(l), 0);
	assert_true(link_is_up(l));
	link_take_config(l);
	assert_false(link_is_up(l));
	k.status |= CHARDEV_NEEDS_RESET;
	assert_int_equal(link_read_config(l), -EIO);
}

/** Each size comes back as it was sent. */
static void
test_frames(void **state)
{
	static const uint32_t sizes[] = {60, 61, 1514, 2036, 2037, 4096, 9000, 65535};
	struct pkt p, *ptr = &p;

	begin();
	for (uint32_t i = 0; i < 50 * RTE_DIM(sizes); i++) {
		const uint32_t len = sizes[i % RTE_DIM(sizes)];
		const uint8_t *bytes = frame(&p, len, (uint8_t)i);

		assert_int_equal(vv_tx_ops.tx(&tx.q, &ptr, 1), 1);
		assert_int_equal(echo(), 1);
		assert_int_equal(receive(PKT_BATCH_MAX), 1);
		assert_int_equal(batch.n, 1);
		compare(&batch.pkt[0], bytes, len);
		vv_rx_ops.rx_done(&rx.q, &batch);
	}
	assert_int_equal(rx.q.stats.frames, 50 * RTE_DIM(sizes));
	assert_int_equal(tx.q.stats.frames, 50 * RTE_DIM(sizes));
	assert_int_equal(tx.q.stats.bytes, rx.q.stats.bytes);
}

/* Buffers that are merged only by devices that can. */
static void
test_whole_buffers(void **state)
{
	struct pkt p, *ptr = &p;
	const uint8_t *bytes;

	k.offered &= ~BIT(VIRTIO_NET_F_MRG_RXBUF);
	k.config.mtu = 9000;
	begin();
	assert_false(VQ_HAS(l->features, VIRTIO_NET_F_GUEST_TSO4));
	bytes = frame(&p, 9014, 3);
	assert_int_equal(vv_tx_ops.tx(&tx.q, &ptr, 1), 1);
	assert_int_equal(echo(), 1);
	assert_int_equal(receive(1), 1);
	compare(&batch.pkt[0], bytes, 9014);
	vv_rx_ops.rx_done(&rx.q, &batch);
}

/* Frames that are not taken stay, in their order. */
static void
test_left(void **state)
{
	struct pkt p, *ptr = &p;
	uint8_t seed = 0;

	begin();
	for (uint8_t i = 0; i < 20; i++) {
		frame(&p, 5000, i);
		assert_int_equal(vv_tx_ops.tx(&tx.q, &ptr, 1), 1);
	}
	assert_int_equal(echo(), 20);
	while (receive(7) != 0) {
		for (uint16_t i = 0; i < batch.ndone; i++)
			compare(&batch.pkt[i], frame(&p, 5000, (uint8_t)(seed + i)), 5000);
		batch.ndone = (uint16_t)RTE_MIN(batch.ndone, 3);
		seed = (uint8_t)(seed + batch.ndone);
		vv_rx_ops.rx_done(&rx.q, &batch);
	}
	assert_int_equal(seed, 20);
}

/* A frame for the device to segment. */
static void
test_offload(void **state)
{
	struct pkt p, *ptr = &p;
	uint16_t head;
	const struct vring_desc *d;
	struct virtio_net_hdr h;

	begin();
	assert_true(tx.q.offloads & PKT_NEED_TSO4);
	assert_false(tx.q.offloads & PKT_NEED_TSO6);
	frame(&p, 9000, 1);
	p.need = PKT_NEED_CSUM | PKT_NEED_TSO4;
	p.vnet = (struct pkt_vnet){VIRTIO_NET_HDR_F_NEEDS_CSUM,
				   VIRTIO_NET_HDR_GSO_TCPV4,
				   54,
				   1448,
				   34,
				   16};
	assert_int_equal(vv_tx_ops.tx(&tx.q, &ptr, 1), 1);
	d = next_buffer(1, &head);
	memcpy(&h, at(d->addr), sizeof(h));
	assert_int_equal(h.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(h.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(h.gso_size, 1448);
	assert_int_equal(d->len, 9012);
}

/* A full ring: each frame is sent or counted. */
static void
test_full(void **state)
{
	struct pkt p, *ptr[PKT_BATCH_MAX];
	uint32_t sent = 0;

	begin();
	frame(&p, 60, 0);
	for (uint32_t i = 0; i < PKT_BATCH_MAX; i++)
		ptr[i] = &p;
	for (uint32_t i = 0; i < 8; i++)
		sent += vv_tx_ops.tx(&tx.q, ptr, PKT_BATCH_MAX);
	assert_int_equal(sent, 256);
	assert_int_equal(tx.q.stats.offered, 8 * PKT_BATCH_MAX);
	assert_int_equal(tx.q.stats.drop[DROP_TX_NO_BUFFER], 8 * PKT_BATCH_MAX - 256);
}

/* The device's word about its buffers is checked; the next frame comes through. */
static void
test_wrong_device(void **state)
{
	static const struct {
		uint32_t len;
		uint16_t claim;
		uint8_t flags, gso_type;
	} wrong[] = {
		{4, 0, 0, 0},
		{12, 0, 0, 0},
		{20, 0, 0, 0},
		{72, 0xffff, 0, 0},
		{72, 0, 1, 0},
		{72, 0, 0, 0x7f},
		{72, 0, 1, VIRTIO_NET_HDR_GSO_TCPV4},
	};
	uint8_t bytes[128] = {0};

	begin();
	for (uint32_t i = 0; i < RTE_DIM(wrong); i++) {
		uint32_t frames = 0;

		memset(bytes, 0, 12);
		bytes[0] = wrong[i].flags;
		bytes[1] = wrong[i].gso_type;
		bytes[6] = 0xff; /* csum_start beyond the frame */
		deliver(bytes, wrong[i].len, wrong[i].claim);
		memset(bytes, 0, 12);
		deliver(bytes, 72, 0);
		while (receive(PKT_BATCH_MAX) != 0) {
			frames += batch.n;
			vv_rx_ops.rx_done(&rx.q, &batch);
		}
		assert_in_range(frames, 1, 2);
	}
	assert_int_equal(rx.n, 0);
	assert_false(l->queue[0].vqd.broken);
}

/* A frame of more buffers than the ring has never comes whole: the ones behind it come through. */
static void
test_more_than_the_ring(void **state)
{
	uint8_t bytes[72] = {0};
	uint32_t frames = 0;

	k.ring_max = 64;
	begin();
	deliver(bytes, sizeof(bytes), 100);
	deliver(bytes, sizeof(bytes), 0);
	while (receive(PKT_BATCH_MAX) != 0) {
		frames += batch.n;
		vv_rx_ops.rx_done(&rx.q, &batch);
	}
	assert_int_equal(frames, 2);
}

/* A worker can sleep until a frame is whole. */
static void
test_part_of_a_frame(void **state)
{
	uint8_t bytes[72] = {0};

	begin();
	deliver(bytes, sizeof(bytes), 2);
	assert_int_equal(receive(PKT_BATCH_MAX), 0);
	assert_false(vv_rx_ops.arm(&rx.q));
	deliver(bytes, sizeof(bytes), 0);
	assert_true(vv_rx_ops.arm(&rx.q));
	assert_int_equal(receive(PKT_BATCH_MAX), 1);
	assert_int_equal(batch.pkt[0].nsegs, 2);
	vv_rx_ops.rx_done(&rx.q, &batch);
}

/* Frames that become very many are one batch each. */
static void
test_cost(void **state)
{
	static struct frame f;
	static uint8_t bytes[PKT_LEN_MAX + sizeof(struct virtio_net_hdr_mrg_rxbuf)];
	struct virtio_net_hdr h = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = 1,
	};
	uint32_t frames = 0;

	begin();
	frame_build(&f, false, true, PKT_BATCH_COST);
	h.csum_start = f.vnet.csum_start;
	h.csum_offset = f.vnet.csum_offset;
	memcpy(bytes, &h, sizeof(h));
	memcpy(bytes + sizeof(struct virtio_net_hdr_mrg_rxbuf), f.b, f.len);
	for (uint32_t i = 0; i < 3; i++)
		deliver(bytes, sizeof(struct virtio_net_hdr_mrg_rxbuf) + f.len, 0);
	while (receive(PKT_BATCH_MAX) != 0) {
		assert_int_equal(batch.n, 1);
		assert_true(batch.pkt[0].need & PKT_NEED_TSO4);
		vv_rx_ops.rx_done(&rx.q, &batch);
		frames++;
	}
	assert_int_equal(frames, 3);
}

/* The file has its size for good: who gets it of the kernel cannot have our accesses fail. */
static void
test_memory(void **state)
{
	begin();
	assert_int_equal(ftruncate(l->memfd, 0), -1);
	assert_int_equal(ftruncate(l->memfd, (off_t)l->size + 4096), -1);
}

/* --- the port --- */

static struct sw sw;
static sem_t asked, may_go;
static atomic_bool held;

/** A port that is told to open its device, which @p sys has. */
static struct vv_port *
make_port(const struct chardev_sys *sys)
{
	static const struct fdb_config fdb = {.limit = 100, .ageing_s = 300};
	static const struct port_defaults defaults;
	const struct vv_devargs a = {.name = "net_vhost_vdpa0", .path = CHARDEV_PREFIX "0"};
	const struct port_request r = {.sw = &sw,
				       .defaults = &defaults,
				       .err = err,
				       .errlen = sizeof(err)};
	struct port *p;

	assert_int_equal(sem_init(&asked, 0, 0), 0);
	assert_int_equal(sem_init(&may_go, 0, 0), 0);
	assert_int_equal(sw_init(&sw, 1, &fdb, NULL, ev_loop_new()), 0);
	p = vv_port_new(&r, &a);
	assert_non_null(p);
	vv_of(p)->cfg.sys = sys;
	ev_run_once(sw.loop, 0);
	assert_true(vv_of(p)->busy);
	return vv_of(p);
}

/** The end of the program. */
static void
end_program(void)
{
	struct ev_loop *loop = sw.loop;

	sw_fini(&sw);
	ev_loop_free(loop);
}

static void
lanes_end(void)
{
	while (!lane_all_idle())
		usleep(100);
}

static int
slow_open(const char *path)
{
	sem_wait(&may_go);
	return model_open(path);
}

/* The program ends while the kernel has the device opened: nothing is left, and no loop told. */
static void
test_end_while_opening(void **state)
{
	static const struct chardev_sys slow = {slow_open, model_ioctl, model_write};

	make_port(&slow);
	end_program();
	assert_int_equal(sem_post(&may_go), 0);
	lanes_end();
	assert_int_equal(k.status, DRIVER_OK);
}

/** The configuration has been read when the status is asked for. */
static int
held_ioctl(int fd, unsigned long request, void *arg)
{
	if (request == VHOST_VDPA_GET_STATUS && held) {
		sem_post(&asked);
		sem_wait(&may_go);
	}
	return model_ioctl(fd, request, arg);
}

/* Control uses the configuration that a lane reads when the lane is done. */
static void
test_configuration_changes(void **state)
{
	static const struct chardev_sys slow = {model_open, held_ioctl, model_write};
	struct vv_port *v = make_port(&slow);

	while (v->busy)
		ev_run_once(sw.loop, 10);
	assert_true(v->port.ops->link_up(&v->port));
	k.config.status = 0;
	held = true;
	assert_int_equal(eventfd_write(v->link->config_fd, 1), 0);
	while (!v->busy)
		ev_run_once(sw.loop, 10);
	sem_wait(&asked);
	assert_true(v->port.ops->link_up(&v->port));
	held = false;
	sem_post(&may_go);
	while (v->busy)
		ev_run_once(sw.loop, 10);
	assert_false(v->port.ops->link_up(&v->port));
	end_program();
	lanes_end();
}

/** Each is refused with a sentence, and nothing stays open. */
static void
refused(const char *says)
{
	l = open_link();
	assert_null(l);
	if (strstr(err, says) == NULL)
		fail_msg("'%s' does not say '%s'", err, says);
	assert_int_equal(open_fds(), fds_before);
	setup(NULL);
}

static void
test_refusals(void **state)
{
	k.busy = EBUSY;
	refused("busy");
	k.id = 2;
	refused("no network device");
	k.offered &= ~BIT(VIRTIO_F_VERSION_1);
	refused("legacy");
	k.backend = 0;
	refused("no messages about memory");
	k.refuses = VIRTIO_CONFIG_S_FEATURES_OK;
	refused("does not accept");
	k.range = (struct vhost_vdpa_iova_range){0, 4096};
	refused("too little memory");
	k.partial = true;
	refused("memory cannot be mapped for the device: Input/output error");
}

static int
group_setup(void **state)
{
	return eal_start("0", 128);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(start),           T(frames),
		T(whole_buffers),   T(left),
		T(offload),         T(full),
		T(wrong_device),    T(more_than_the_ring),
		T(part_of_a_frame), T(cost),
		T(memory),          T(end_while_opening),
		T(refusals),        T(configuration_changes),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
