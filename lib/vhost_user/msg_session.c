/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages about the session as a whole: owner, features, queue count, MTU, RARP. */
#include <errno.h>

#include <rte_ether.h>

#include "gmem/pager.h"
#include "vhost_user/session.h"

/* The format bits in the order of enum vdev_format. */
static const uint64_t format_bit[] = {
	[VDEV_MODERN] = VHU_PF(FORMAT_MODERN),
	[VDEV_LEGACY_LE] = VHU_PF(FORMAT_LEGACY_LE),
	[VDEV_LEGACY_BE] = VHU_PF(FORMAT_LEGACY_BE),
};
static_assert(RTE_DIM(format_bit) == VDEV_FORMAT_NUM, "every format has its bit");

static int
answer_u64(struct vhu_msg *m, uint64_t value)
{
	m->payload.u64 = value;
	m->header.size = sizeof(m->payload.u64);
	return 0;
}

uint64_t
vhu_offered(const struct vhu_session *s)
{
	uint32_t formats = vdev_formats_offered(s->dev);
	uint64_t bits = VHU_PF_ALWAYS | (s->extra & VHU_PF_OPTIONAL);
	int f;

	for (f = 0; f < VDEV_FORMAT_NUM; f++)
		if (formats & (1u << f))
			bits |= format_bit[f];
	if ((bits & VHU_PF(PAGEFAULT)) && vhu_postcopy_unavailable(s) != NULL)
		bits &= ~VHU_PF(PAGEFAULT);
	/* the answer that says where memory is mapped is one of tables */
	if (bits & VHU_PF(PAGEFAULT))
		bits &= ~VHU_PF(CONFIGURE_MEM_SLOTS);
	/* a card has doorbells of its own for the guest */
	if (vdev_has_hardware(s->dev))
		bits |= VHU_PF(HOST_NOTIFIER);
	return bits;
}

int
vhu_get_features(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	return answer_u64(m, vdev_features_offered(s->dev));
}

int
vhu_set_features(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	uint64_t before = s->dev->features;
	int ret = vdev_set_features(s->dev, m->payload.u64);

	if (ret == 0)
		vdev_use_enable(s->dev, m->payload.u64 & VDEV_F(PROTOCOL_FEATURES));
	if (ret == 0 && ((before ^ m->payload.u64) & VDEV_F(RING_PACKED)))
		vhu_bases_again(s);
	if (ret == -EINVAL)
		s->why = "feature bits that were not offered";
	else if (ret == -EBUSY)
		s->why = "features other than LOG_ALL cannot change while rings run";
	return ret;
}

int
vhu_set_owner(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	return 0; /* every session has one owner: its connection */
}

int
vhu_reset_owner(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	vdev_disable(s->dev);
	return 0;
}

int
vhu_get_protocol_features(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	return answer_u64(m, vhu_offered(s));
}

int
vhu_set_protocol_features(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	uint32_t needed = 0;
	int f, ret;

	if (m->payload.u64 & ~vhu_offered(s))
		return vhu_refuse(s, EINVAL, "protocol features that were not offered");
	for (f = 0; f < VDEV_FORMAT_NUM; f++)
		if (m->payload.u64 & format_bit[f])
			needed |= 1u << f;
	ret = vdev_set_formats(s->dev, needed);
	if (ret == -EINVAL)
		s->why = "more than one format bit";
	else if (ret == -EBUSY)
		s->why = "the format cannot change while rings run";
	if (ret == 0)
		s->protocol_features = m->payload.u64;
	return ret;
}

int
vhu_get_queue_num(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	return answer_u64(m, s->dev->cfg.queue_pairs);
}

int
vhu_send_rarp(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	struct rte_ether_addr mac;

	/* the address as bytes in memory, independent of the byte order */
	memcpy(&mac, m->payload.bytes, sizeof(mac));
	if (!rte_is_valid_assigned_ether_addr(&mac))
		return vhu_refuse(s, EINVAL, "not the address of a station");
	if (s->dev->cfg.ops->rarp != NULL)
		s->dev->cfg.ops->rarp(s->dev, mac.addr_bytes);
	return 0;
}

int
vhu_set_mtu(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	if (m->payload.u64 > UINT16_MAX || vdev_set_mtu(s->dev, (uint16_t)m->payload.u64) != 0)
		return vhu_refuse(s, EINVAL, "MTU out of range");
	return 0;
}
