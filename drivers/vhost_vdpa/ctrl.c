/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: a lane. */
#include "vhost_vdpa/ctrl.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <rte_byteorder.h>
#include <rte_common.h>

#include "base/ev.h"

/* Offsets in the memory, of lines of their own: one is the device's to write. */
#define DATA_AT 64u
#define ACK_AT 128u
#define NO_ANSWER 0xff /* neither VIRTIO_NET_OK nor VIRTIO_NET_ERR */
#define LOOK_MS 100    /* a device that forgets its interrupt is looked at so often */
#define NS_PER_MS 1000000u

static void
take_interrupt(const struct ctrl *c, uint64_t left_ns)
{
	struct pollfd p = {.fd = c->call_fd, .events = POLLIN};
	uint64_t count;

	if (poll(&p, 1, (int)RTE_MIN(left_ns / NS_PER_MS + 1, (uint64_t)LOOK_MS)) == 1 &&
	    read(c->call_fd, &count, sizeof(count)) < 0)
		return; /* nothing depends on it: the ring is looked at */
}

/** Until the chain has come back. 0 or -errno. */
static int
await(const struct ctrl *c, uint32_t ms)
{
	const uint64_t end = ev_now_ns() + (uint64_t)ms * NS_PER_MS;
	uint64_t now, user_data;
	uint32_t len;

	while (!vqd_get(c->ring, &user_data, &len)) {
		if (c->ring->broken)
			return -EPROTO;
		now = ev_now_ns();
		if (now >= end)
			return -ETIMEDOUT;
		if (!vqd_arm(c->ring))
			take_interrupt(c, end - now);
	}
	return 0;
}

static int
command(const struct ctrl *c, struct virtio_net_ctrl_hdr h, const void *data, uint32_t len,
	uint32_t ms)
{
	const struct vqd_buf part[] = {
		{c->iova, sizeof(h)},
		{c->iova + DATA_AT, len},
		{c->iova + ACK_AT, 1},
	};
	const struct vqd_chain chain = {.buf = part, .nout = 2, .nin = 1};
	volatile const uint8_t *ack = c->mem + ACK_AT;
	int ret;

	memcpy(c->mem, &h, sizeof(h));
	memcpy(c->mem + DATA_AT, data, len);
	c->mem[ACK_AT] = NO_ANSWER;
	ret = vqd_add(c->ring, &chain);
	if (ret != 0)
		return ret;
	vqd_flush(c->ring);
	ret = await(c, ms);
	if (ret != 0)
		return ret;
	return *ack == VIRTIO_NET_OK ? 0 : -EPERM;
}

int
ctrl_set_pairs(const struct ctrl *c, uint16_t n, uint32_t ms)
{
	const uint16_t pairs = rte_cpu_to_le_16(n);

	return command(c,
		       (struct virtio_net_ctrl_hdr){VIRTIO_NET_CTRL_MQ,
						    VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET},
		       &pairs, sizeof(pairs), ms);
}
