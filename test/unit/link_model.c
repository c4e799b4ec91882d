/* SPDX-License-Identifier: BSD-3-Clause */
#include "link_model.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include <cmocka.h>
#include <rte_common.h>

struct link_model lm;

void
lm_init(void)
{
	memset(&lm, 0, sizeof(lm));
	lm.offered = LM_OFFER;
	lm.backend = 0xe;
	lm.id = 1;
	lm.ring_max = 256;
	lm.range = (struct vhost_vdpa_iova_range){0x1234, UINT64_MAX};
	lm.config = (struct virtio_net_config){.mac = {2, 0, 0, 0, 0, 9},
					       .status = VIRTIO_NET_S_LINK_UP,
					       .mtu = 1500};
	lm.ngroups = lm.nas = 1;
}

static int
refuse(int error)
{
	errno = error;
	return -1;
}

static uint32_t
rings(void)
{
	return lm.nvqs != 0 ? lm.nvqs : 2;
}

/* --- the device's control queue --- */

static uint32_t
ctrl_ring(void)
{
	return 2u * lm.config.max_virtqueue_pairs;
}

/** The three parts of the one command there is, of either kind of ring. */
static void
read_command(uint32_t i, uint64_t addr[3], uint16_t *id)
{
	const bool packed = lm.features & LM_BIT(VIRTIO_F_RING_PACKED);
	uint8_t *desc = lm_at(i, lm.ring[i].addr.desc_user_addr);

	for (uint32_t k = 0; k < 3; k++) {
		const struct vring_desc *d = (const void *)(desc + k * sizeof(*d));
		const struct vring_packed_desc *p = (const void *)d;

		addr[k] = packed ? p->addr : d->addr;
		assert_int_equal(packed ? p->len : d->len, k == 2 ? 1 : 2);
		assert_int_equal((packed ? p->flags : d->flags) & VRING_DESC_F_WRITE,
				 k == 2 ? VRING_DESC_F_WRITE : 0);
		*id = packed ? p->id : 0;
	}
}

static void
give_back(uint32_t i, uint16_t id)
{
	struct vring_packed_desc *p = (void *)lm_at(i, lm.ring[i].addr.desc_user_addr);
	struct vring_used *u = (void *)lm_at(i, lm.ring[i].addr.used_user_addr);

	if (lm.answer == LM_BREAKS_RING)
		id = 999;
	if (lm.features & LM_BIT(VIRTIO_F_RING_PACKED)) {
		/* length, id and flags at once, as the driver reads them */
		__atomic_store_n((uint64_t *)(void *)&p->len,
				 1 | (uint64_t)id << 32 | UINT64_C(0x8080) << 48, __ATOMIC_RELEASE);
		return;
	}
	u->ring[0] = (struct vring_used_elem){id, 1};
	__atomic_store_n(&u->idx, 1, __ATOMIC_RELEASE);
}

static void
obey(uint32_t i)
{
	const uint8_t pairs_set[] = {VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET};
	uint64_t addr[3];
	uint16_t id, pairs;

	read_command(i, addr, &id);
	assert_memory_equal(lm_at(i, addr[0]), pairs_set, 2);
	memcpy(&pairs, lm_at(i, addr[1]), 2);
	*lm_at(i, addr[2]) = lm.answer == LM_REFUSES ? VIRTIO_NET_ERR : VIRTIO_NET_OK;
	lm.pairs = pairs;
	give_back(i, id);
	if (lm.answer != LM_FORGETS_INTERRUPT)
		assert_int_equal(eventfd_write(lm.call, 1), 0);
}

/** Carries out one command. */
static void *
control(void *arg)
{
	const uint32_t i = ctrl_ring();
	struct pollfd p = {.fd = lm.kick, .events = POLLIN};
	eventfd_t kicks;

	while (!lm.stop)
		if (poll(&p, 1, 5) == 1 && eventfd_read(p.fd, &kicks) == 0) {
			obey(i);
			break;
		}
	return NULL;
}

void
lm_fini(void)
{
	lm.stop = true;
	if (lm.threaded) {
		pthread_join(lm.thread, NULL);
		close(lm.kick);
		close(lm.call);
	}
	lm.stop = lm.threaded = false;
}

/* --- the kernel --- */

static void
reset(void)
{
	lm_fini();
	memset(lm.ring, 0, sizeof(lm.ring));
	memset(lm.asid, 0, sizeof(lm.asid));
	lm.features = 0;
	lm.pairs = 0;
}

static int
on_status(const uint8_t *status)
{
	if ((lm.status & ~*status) != 0 && *status != 0)
		return refuse(EINVAL);
	if (*status == 0)
		reset();
	lm.said[lm.nsaid++ % RTE_DIM(lm.said)] = *status;
	lm.status = *status & (uint8_t)~lm.refuses;
	if (*status != LM_DRIVER_OK)
		return 0;
	for (uint32_t i = 0; i < rings(); i++)
		if (lm.ring[i].num != 0 && !lm.ring[i].enabled)
			return refuse(EIO); /* not the kernel's: no server is told of a later one */
	if (!(lm.features & LM_BIT(VIRTIO_NET_F_CTRL_VQ)) || ctrl_ring() == 0 ||
	    ctrl_ring() >= rings() || lm.ring[ctrl_ring()].num == 0 || lm.answer == LM_IS_SILENT)
		return 0;
	/* the kernel keeps the files, whatever becomes of the driver's descriptors */
	lm.kick = dup(lm.ring[ctrl_ring()].kick);
	lm.call = dup(lm.ring[ctrl_ring()].call);
	lm.threaded = pthread_create(&lm.thread, NULL, control, NULL) == 0;
	return lm.threaded ? 0 : refuse(EAGAIN);
}

static int
on_ring(unsigned long request, void *arg)
{
	const struct vhost_vring_state *s = arg;

	if (s->index >= rings())
		return refuse(ENOBUFS);
	if (!(lm.status & VIRTIO_CONFIG_S_FEATURES_OK))
		return refuse(EINVAL);
	if (request == VHOST_SET_VRING_NUM)
		lm.ring[s->index].num = s->num;
	else if (request == VHOST_SET_VRING_BASE)
		lm.ring[s->index].base = s->num;
	else if (request == VHOST_SET_VRING_ADDR)
		lm.ring[s->index].addr = *(const struct vhost_vring_addr *)arg;
	else if (request == VHOST_SET_VRING_KICK)
		lm.ring[s->index].kick = (int)s->num;
	else if (request == VHOST_SET_VRING_CALL)
		lm.ring[s->index].call = (int)s->num;
	else if (request == VHOST_VDPA_SET_VRING_ENABLE)
		lm.ring[s->index].enabled = s->num;
	else
		return refuse(ENOTTY);
	return 0;
}

static int
on_group(struct vhost_vring_state *s)
{
	if (s->index >= rings())
		return refuse(ENOBUFS);
	if (lm.ngroups == 1)
		return refuse(EOPNOTSUPP);
	s->num = lm.group[s->index];
	return 0;
}

static int
on_group_asid(const struct vhost_vring_state *s)
{
	if (s->index >= lm.ngroups || s->num >= lm.nas)
		return refuse(EINVAL);
	if (lm.keeps_spaces)
		return refuse(EOPNOTSUPP);
	if (lm.status & VIRTIO_CONFIG_S_DRIVER_OK)
		return refuse(EBUSY);
	lm.asid[s->index] = s->num;
	return 0;
}

static int
on_config(struct vhost_vdpa_config *c)
{
	if (c->off + c->len > sizeof(lm.config))
		return refuse(E2BIG);
	memcpy(c->buf, (uint8_t *)&lm.config + c->off, c->len);
	return 0;
}

static int
on_features(const uint64_t *f)
{
	if (lm.status & VIRTIO_CONFIG_S_FEATURES_OK)
		return refuse(EBUSY);
	if (*f & ~lm.offered)
		return refuse(EINVAL);
	lm.features = *f;
	return 0;
}

/** Requests that ask for one number. False: it is none of them. */
static bool
says_number(unsigned long request, void *arg)
{
	const struct {
		unsigned long request;
		uint64_t value;
	} rows[] = {
		{VHOST_VDPA_GET_DEVICE_ID, lm.id},
		{VHOST_GET_FEATURES, lm.offered},
		{VHOST_GET_BACKEND_FEATURES, lm.backend},
		{VHOST_VDPA_GET_VRING_NUM, lm.ring_max},
		{VHOST_VDPA_GET_CONFIG_SIZE, sizeof(lm.config)},
		{VHOST_VDPA_GET_STATUS, lm.status},
		{VHOST_VDPA_GET_GROUP_NUM, lm.ngroups},
		{VHOST_VDPA_GET_AS_NUM, lm.nas},
	};

	for (size_t i = 0; i < RTE_DIM(rows); i++)
		if (rows[i].request == request) {
			memcpy(arg, &rows[i].value, _IOC_SIZE(request));
			return true;
		}
	return false;
}

int
lm_ioctl(int fd, unsigned long request, void *arg)
{
	if (request == VHOST_SET_OWNER) {
		lm.owned = true;
		return 0;
	}
	assert_true(lm.owned || request == VHOST_VDPA_GET_DEVICE_ID);
	if (says_number(request, arg))
		return 0;
	switch (request) {
	case VHOST_SET_FEATURES:
		return on_features(arg);
	case VHOST_SET_BACKEND_FEATURES:
		return *(uint64_t *)arg & ~lm.backend ? refuse(EOPNOTSUPP) : 0;
	case VHOST_VDPA_GET_IOVA_RANGE:
		*(struct vhost_vdpa_iova_range *)arg = lm.range;
		return 0;
	case VHOST_VDPA_GET_VQS_COUNT:
		*(uint32_t *)arg = lm.nvqs;
		return lm.nvqs == 0 ? refuse(ENOTTY) : 0;
	case VHOST_VDPA_GET_VRING_GROUP:
		return on_group(arg);
	case VHOST_VDPA_SET_GROUP_ASID:
		return on_group_asid(arg);
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

ssize_t
lm_write(int fd, const void *buf, size_t len)
{
	const struct vhost_msg_v2 *m = buf;

	assert_int_equal(len, sizeof(*m));
	assert_int_equal(m->type, VHOST_IOTLB_MSG_V2);
	if (m->asid >= lm.nas)
		return refuse(EINVAL);
	if (m->iotlb.type == VHOST_IOTLB_BATCH_BEGIN) {
		lm.batch++;
	} else if (m->iotlb.type == VHOST_IOTLB_BATCH_END) {
		lm.batches++;
	} else if ((m->iotlb.iova | m->iotlb.size | m->iotlb.uaddr) % 4096 != 0) {
		return refuse(EINVAL);
	} else {
		assert_in_range(lm.nregions, 0, LM_REGIONS - 1);
		lm.region[lm.nregions].asid = m->asid;
		lm.region[lm.nregions++].m = m->iotlb;
	}
	errno = 0;
	return lm.partial ? (ssize_t)len / 2 : (ssize_t)len;
}

/** All that was mapped went with the last file. */
int
lm_open(const char *path)
{
	if (lm.busy != 0)
		return refuse(lm.busy);
	lm_fini();
	lm.owned = false;
	lm.status = 0;
	lm.nregions = 0;
	lm.opens++;
	return eventfd(0, EFD_CLOEXEC);
}

const struct chardev_sys link_model_sys = {lm_open, lm_ioctl, lm_write, NULL};

/* --- the device's rings --- */

uint8_t *
lm_at(uint32_t i, uint64_t iova)
{
	const uint32_t asid = lm.asid[lm.group[i]];

	for (uint32_t k = 0; k < lm.nregions; k++) {
		const struct vhost_iotlb_msg *m = &lm.region[k].m;

		if (lm.region[k].asid == asid && iova - m->iova < m->size)
			return (uint8_t *)(uintptr_t)(m->uaddr + iova - m->iova);
	}
	fail_msg("ring %u: 0x%lx is not mapped in space %u", i, iova, asid);
	return NULL;
}

struct vring_desc *
lm_next_buffer(uint32_t i, uint16_t *head)
{
	const struct vring_avail *a = (const void *)lm_at(i, lm.ring[i].addr.avail_user_addr);
	struct vring_desc *d = (void *)lm_at(i, lm.ring[i].addr.desc_user_addr);

	if (__atomic_load_n(&a->idx, __ATOMIC_ACQUIRE) == lm.ring[i].next)
		return NULL;
	*head = a->ring[lm.ring[i].next % lm.ring[i].num];
	return &d[*head];
}

static void
use(uint32_t i, uint16_t head, uint32_t len)
{
	struct vring_used *u = (void *)lm_at(i, lm.ring[i].addr.used_user_addr);

	u->ring[lm.ring[i].next++ % lm.ring[i].num] = (struct vring_used_elem){head, len};
	__atomic_store_n(&u->idx, lm.ring[i].next, __ATOMIC_RELEASE);
}

void
lm_deliver(uint32_t pair, const uint8_t *data, uint32_t len, uint16_t claim)
{
	const uint32_t i = 2 * pair;
	uint8_t *first = NULL;
	uint16_t head, n = 0;
	uint32_t part;

	do {
		const struct vring_desc *d = lm_next_buffer(i, &head);

		assert_non_null(d);
		part = RTE_MIN(len, d->len);
		memcpy(lm_at(i, d->addr), data, part);
		if (n++ == 0)
			first = lm_at(i, d->addr);
		use(i, head, part);
		data += part;
		len -= part;
	} while (len != 0);
	n = claim != 0 ? claim : n;
	if (part >= 12 || n > 1)
		memcpy(first + 10, &n, sizeof(n));
}

uint32_t
lm_echo(uint32_t pair)
{
	const uint32_t i = 2 * pair + 1;
	const struct vring_desc *d;
	uint32_t n = 0;
	uint16_t head;

	while ((d = lm_next_buffer(i, &head)) != NULL) {
		lm_deliver(pair, lm_at(i, d->addr), d->len, 0);
		use(i, head, 0);
		n++;
	}
	return n;
}
