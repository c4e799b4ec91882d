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

#include <cmocka.h>
#include <rte_common.h>

#include "eal.h"
#include "frame.h"
#include "link_model.h"
#include "owner.h"
#include "switch/port_kind.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"
#include "vhost_vdpa/link.h"
#include "vhost_vdpa/port.h"
#include "vhost_vdpa/queue.h"
#include "virtq/fmt.h"

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
	const struct link_config cfg = {.path = CHARDEV_PREFIX "0",
					.pairs = 1,
					.sys = &link_model_sys};

	return link_open(&cfg, err, sizeof(err));
}

static int
setup(void **state)
{
	lm_init();
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
	const uint8_t order[] = {0, 1, 3, 0xb, LM_DRIVER_OK};

	begin();
	assert_int_equal(lm.nsaid, sizeof(order));
	assert_memory_equal(lm.said, order, sizeof(order));
	assert_int_equal(lm.batch, 1);
	assert_int_equal(lm.batches, 1);
	assert_true(lm.region[0].m.iova >= lm.range.first);
	assert_int_equal(lm.features & (LM_BIT(VIRTIO_NET_F_CTRL_RX) |
					LM_BIT(VIRTIO_RING_F_INDIRECT_DESC)),
			 0);
	assert_true(link_is_up(l));
	lm.config.status = 0;
	assert_int_equal(link_read_config(l), 0);
	assert_true(link_is_up(l));
	link_take_config(l);
	assert_false(link_is_up(l));
	lm.status |= CHARDEV_NEEDS_RESET;
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
		assert_int_equal(lm_echo(0), 1);
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

	lm.offered &= ~LM_BIT(VIRTIO_NET_F_MRG_RXBUF);
	lm.config.mtu = 9000;
	begin();
	assert_false(VQ_HAS(l->features, VIRTIO_NET_F_GUEST_TSO4));
	bytes = frame(&p, 9014, 3);
	assert_int_equal(vv_tx_ops.tx(&tx.q, &ptr, 1), 1);
	assert_int_equal(lm_echo(0), 1);
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
	assert_int_equal(lm_echo(0), 20);
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
	d = lm_next_buffer(1, &head);
	memcpy(&h, lm_at(1, d->addr), sizeof(h));
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
		lm_deliver(0, bytes, wrong[i].len, wrong[i].claim);
		memset(bytes, 0, 12);
		lm_deliver(0, bytes, 72, 0);
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

	lm.ring_max = 64;
	begin();
	lm_deliver(0, bytes, sizeof(bytes), 100);
	lm_deliver(0, bytes, sizeof(bytes), 0);
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
	lm_deliver(0, bytes, sizeof(bytes), 2);
	assert_int_equal(receive(PKT_BATCH_MAX), 0);
	assert_false(vv_rx_ops.arm(&rx.q));
	lm_deliver(0, bytes, sizeof(bytes), 0);
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
		lm_deliver(0, bytes, sizeof(struct virtio_net_hdr_mrg_rxbuf) + f.len, 0);
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
	const struct vv_devargs a = {.name = "net_vhost_vdpa0",
				     .path = CHARDEV_PREFIX "0",
				     .pairs = 1};
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
	return lm_open(path);
}

/* The program ends while the kernel has the device opened: nothing is left, and no loop told. */
static void
test_end_while_opening(void **state)
{
	static const struct chardev_sys slow = {slow_open, lm_ioctl, lm_write};

	make_port(&slow);
	end_program();
	assert_int_equal(sem_post(&may_go), 0);
	lanes_end();
	assert_int_equal(lm.status, LM_DRIVER_OK);
}

/** The configuration has been read when the status is asked for. */
static int
held_ioctl(int fd, unsigned long request, void *arg)
{
	if (request == VHOST_VDPA_GET_STATUS && held) {
		sem_post(&asked);
		sem_wait(&may_go);
	}
	return lm_ioctl(fd, request, arg);
}

/* Control uses the configuration that a lane reads when the lane is done. */
static void
test_configuration_changes(void **state)
{
	static const struct chardev_sys slow = {lm_open, held_ioctl, lm_write};
	struct vv_port *v = make_port(&slow);

	while (v->busy)
		ev_run_once(sw.loop, 10);
	assert_true(v->port.ops->link_up(&v->port));
	lm.config.status = 0;
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
	lm.busy = EBUSY;
	refused("busy");
	lm.id = 2;
	refused("no network device");
	lm.offered &= ~LM_BIT(VIRTIO_F_VERSION_1);
	refused("legacy");
	lm.backend = 0;
	refused("no messages about memory");
	lm.refuses = VIRTIO_CONFIG_S_FEATURES_OK;
	refused("does not accept");
	lm.range = (struct vhost_vdpa_iova_range){0, 4096};
	refused("too little memory");
	lm.partial = true;
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
