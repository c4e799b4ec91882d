/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <linux/virtio_net.h>
#include <stddef.h>
#include <string.h>

#include <rte_byteorder.h>

#include "vdev/netcfg.h"
#include "vdev/transport.h"
#include "vdev/vdev.h"

#define SPEED_UNKNOWN 0xffffffffu
#define DUPLEX_UNKNOWN 0xffu

/** Whether the guest reads it big-endian: a legacy guest whose byte order was stated. */
static bool
big_endian(const struct vdev *d)
{
	struct vdev_format_verdict v = vdev_vq_format(d, 0);

	return v.refused == NULL && v.format == VDEV_LEGACY_BE;
}

static uint16_t
guest16(bool be, uint16_t v)
{
	return be ? rte_cpu_to_be_16(v) : rte_cpu_to_le_16(v);
}

static bool
in_space(uint32_t offset, uint32_t len)
{
	return len <= sizeof(struct virtio_net_config) &&
	       offset <= sizeof(struct virtio_net_config) - len;
}

uint16_t
vdev_config_mtu(const struct vdev *d)
{
	uint16_t mtu = d->mtu != 0 ? d->mtu : d->cfg.mtu;

	return d->mtu_most != 0 && (mtu == 0 || mtu > d->mtu_most) ? d->mtu_most : mtu;
}

static bool
has_link(const struct vdev *d)
{
	return !d->no_carrier && vdev_link_up(d);
}

int
vdev_config_read(const struct vdev *d, uint32_t offset, uint32_t len, uint8_t *out)
{
	bool be = big_endian(d);
	struct virtio_net_config c = {
		.status = guest16(be, has_link(d) ? VIRTIO_NET_S_LINK_UP : 0),
		.max_virtqueue_pairs = guest16(be, (uint16_t)d->cfg.queue_pairs),
		.mtu = guest16(be, vdev_config_mtu(d)),
		.speed = SPEED_UNKNOWN,
		.duplex = DUPLEX_UNKNOWN,
	};

	if (!in_space(offset, len))
		return -EINVAL;
	memcpy(c.mac, d->cfg.mac, sizeof(c.mac));
	memcpy(out, (const uint8_t *)&c + offset, len);
	return 0;
}

int
vdev_config_restore(struct vdev *d, uint32_t offset, uint32_t len, const uint8_t *in)
{
	uint32_t i;

	if (!in_space(offset, len))
		return -EINVAL;
	for (i = 0; i < len && offset + i < sizeof(d->cfg.mac); i++)
		d->cfg.mac[offset + i] = in[i];
	return 0;
}

void
vdev_config_limit_mtu(struct vdev *d, uint16_t most)
{
	d->mtu_next = most;
	if (d->transport == NULL)
		d->mtu_most = most;
}

static void
changed(struct vdev *d)
{
	if (d->transport != NULL && d->transport->ops->config_changed != NULL)
		d->transport->ops->config_changed(d->transport);
}

void
vdev_config_set_mtu(struct vdev *d, uint16_t mtu)
{
	bool differs = d->cfg.mtu != mtu;

	d->cfg.mtu = mtu;
	d->cfg.features |= VDEV_F(NET_MTU);
	if (differs)
		changed(d);
}

void
vdev_config_set_carrier(struct vdev *d, bool on)
{
	bool differs = d->no_carrier == on;

	d->no_carrier = !on;
	if (differs)
		changed(d);
}

void
vdev_config_set_mac(struct vdev *d, const uint8_t mac[6])
{
	bool differs = memcmp(d->cfg.mac, mac, sizeof(d->cfg.mac)) != 0;

	memcpy(d->cfg.mac, mac, sizeof(d->cfg.mac));
	d->cfg.features |= UINT64_C(1) << VIRTIO_NET_F_MAC;
	if (differs)
		changed(d);
}
