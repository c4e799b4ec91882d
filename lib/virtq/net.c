/* SPDX-License-Identifier: BSD-3-Clause */
#include "virtq/net.h"

#include <string.h>

#define BIT(name) (UINT64_C(1) << VIRTIO_NET_F_##name)

/* Needs of a frame, and the features by which either side says that it takes such frames. */
static const struct {
	uint32_t need;
	uint64_t side[2]; /* NET_DRIVER, NET_DEVICE */
} offloads[] = {
	{PKT_NEED_CSUM | PKT_NEED_EXT, {BIT(GUEST_CSUM), BIT(CSUM)}},
	{PKT_NEED_TSO4, {BIT(GUEST_TSO4), BIT(HOST_TSO4) | BIT(GSO)}},
	{PKT_NEED_TSO6, {BIT(GUEST_TSO6), BIT(HOST_TSO6) | BIT(GSO)}},
	{PKT_NEED_ECN, {BIT(GUEST_ECN), BIT(HOST_ECN) | BIT(GSO)}},
	{PKT_NEED_UFO, {BIT(GUEST_UFO), BIT(HOST_UFO) | BIT(GSO)}},
	{PKT_NEED_USO4, {BIT(GUEST_USO4), BIT(HOST_USO)}},
	{PKT_NEED_USO6, {BIT(GUEST_USO6), BIT(HOST_USO)}},
};

uint32_t
net_offloads(uint64_t features, enum net_side side)
{
	uint32_t need = 0;

	for (uint32_t i = 0; i < RTE_DIM(offloads); i++)
		if ((features & offloads[i].side[side]) != 0)
			need |= offloads[i].need;
	return need;
}

uint16_t
net_driver_mask(uint64_t features)
{
	const uint8_t bytes[2] = {VIRTIO_NET_HDR_F_NEEDS_CSUM, UINT8_MAX};
	uint16_t mask = 0;

	/* a driver that accepted no offload leaves the header zero */
	if (net_offloads(features, NET_DEVICE) != 0)
		memcpy(&mask, bytes, sizeof(mask));
	return mask;
}
