/* SPDX-License-Identifier: BSD-3-Clause */
#include "fields.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/param.h>

#include <linux/vduse.h>
#include <linux/virtio_net.h>

#include "vhost_user/wire.h"

#define DIM(a) (sizeof(a) / sizeof((a)[0]))

static const char *const requests[] = {
#define X(id, name) [id] = #name,
	VHU_REQUESTS(X)
#undef X
};

static const char *const backend_requests[] = {
	[VHU_BACKEND_IOTLB_MSG] = "IOTLB_MSG",
	[VHU_BACKEND_CONFIG_CHANGE] = "CONFIG_CHANGE",
	[VHU_BACKEND_VRING_HOST_NOTIFIER] = "VRING_HOST_NOTIFIER",
	[VHU_BACKEND_VRING_CALL] = "VRING_CALL",
	[VHU_BACKEND_VRING_ERR] = "VRING_ERR",
};

/* Newer than Debian's header. */
enum { VDUSE_SET_VQ_GROUP_ASID = 3, VDUSE_SET_VQ_READY, VDUSE_SUSPEND };

static const char *const vduse_requests[] = {
	[VDUSE_GET_VQ_STATE] = "GET_VQ_STATE", [VDUSE_SET_STATUS] = "SET_STATUS",
	[VDUSE_UPDATE_IOTLB] = "UPDATE_IOTLB", [VDUSE_SET_VQ_GROUP_ASID] = "SET_VQ_GROUP_ASID",
	[VDUSE_SET_VQ_READY] = "SET_VQ_READY", [VDUSE_SUSPEND] = "SUSPEND",
};

static const char *const facts[] = {
	[RECORD_FEATURES] = "features",
	[RECORD_RING] = "ring",
	[RECORD_MEMORY] = "memory",
};

static const char *
name_in(const char *const *names, size_t n, uint32_t i)
{
	return i < n && names[i] != NULL ? names[i] : "?";
}

const char *
message_name(enum record_transport transport, const struct record_message *m)
{
	if (m->channel == RECORD_CONTROL)
		return m->request == (VIRTIO_NET_CTRL_MQ << 8 | VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET)
			       ? "VQ_PAIRS_SET"
			       : "?";
	if (m->channel == RECORD_KERNEL)
		return name_in(facts, DIM(facts), m->request);
	if (transport == RECORD_VDUSE)
		return name_in(vduse_requests, DIM(vduse_requests), m->request);
	if (m->channel == RECORD_BACKEND)
		return name_in(backend_requests, DIM(backend_requests), m->request);
	return name_in(requests, DIM(requests), m->request);
}

/* --- fields --- */

/** @p v has what was said, and zeroes behind it. */
typedef void show_fn(FILE *out, const union vhu_payload *v, uint32_t size);

static void
show_u64(FILE *out, const union vhu_payload *v, uint32_t size)
{
	fprintf(out, " 0x%" PRIx64, v->u64);
}

static void
show_number(FILE *out, const union vhu_payload *v, uint32_t size)
{
	fprintf(out, " %" PRIu64, v->u64);
}

static void
show_protocol(FILE *out, const union vhu_payload *v, uint32_t size)
{
	static const char *const names[64] = {
#define X(bit, name) [bit] = #name,
		VHU_PROTOCOL_FEATURES(X)
#undef X
	};

	fprintf(out, " 0x%" PRIx64, v->u64);
	for (uint32_t i = 0; i < 64; i++)
		if ((v->u64 >> i & 1) != 0 && names[i] != NULL)
			fprintf(out, " %s", names[i]);
}

static void
show_state(FILE *out, const union vhu_payload *v, uint32_t size)
{
	fprintf(out, " ring=%u value=%u", v->state.index, v->state.num);
}

static void
show_addr(FILE *out, const union vhu_payload *v, uint32_t size)
{
	fprintf(out,
		" ring=%u flags=0x%x desc=0x%" PRIx64 " used=0x%" PRIx64 " avail=0x%" PRIx64
		" log=0x%" PRIx64,
		v->addr.index, v->addr.flags, v->addr.desc, v->addr.used, v->addr.avail,
		v->addr.log);
}

static void
show_word(FILE *out, const union vhu_payload *v, uint32_t size)
{
	fprintf(out, " ring=%" PRIu64 "%s", v->u64 & VHU_VRING_INDEX_MASK,
		(v->u64 & VHU_VRING_NOFD) != 0 ? " nofd" : "");
}

static void
show_region(FILE *out, const struct vhu_mem_region *r)
{
	fprintf(out, " gpa=0x%" PRIx64 ",size=0x%" PRIx64 ",uva=0x%" PRIx64 ",offset=0x%" PRIx64,
		r->gpa, r->size, r->uva, r->mmap_offset);
}

static void
show_table(FILE *out, const union vhu_payload *v, uint32_t size)
{
	fprintf(out, " regions=%u", v->mem_table.n);
	for (uint32_t i = 0; i < v->mem_table.n && i < VHU_MEM_TABLE_MAX; i++)
		show_region(out, &v->mem_table.r[i]);
}

/** The front-end's word, in post-copy, that it has the addresses of the answer. */
static bool
is_taken(const struct record_message *m)
{
	return m->request == VHU_SET_MEM_TABLE && m->from == RECORD_FROM_PEER &&
	       m->channel == RECORD_MAIN && m->size == sizeof(uint64_t) && m->nfds == 0;
}

static void
show_mem(FILE *out, const union vhu_payload *v, uint32_t size)
{
	show_region(out, &v->mem.r);
}

static void
show_log(FILE *out, const union vhu_payload *v, uint32_t size)
{
	fprintf(out, " size=0x%" PRIx64 " offset=0x%" PRIx64, v->log.size, v->log.offset);
}

static void
show_iotlb(FILE *out, const union vhu_payload *v, uint32_t size)
{
	static const char *const types[] = {
		[VHU_IOTLB_MISS] = "miss",
		[VHU_IOTLB_UPDATE] = "update",
		[VHU_IOTLB_INVALIDATE] = "invalidate",
		[VHU_IOTLB_ACCESS_FAIL] = "access-fail",
		[VHU_IOTLB_BATCH_BEGIN] = "batch-begin",
		[VHU_IOTLB_BATCH_END] = "batch-end",
	};

	fprintf(out, " %s iova=0x%" PRIx64 " size=0x%" PRIx64 " uva=0x%" PRIx64 " perm=%u",
		name_in(types, DIM(types), v->iotlb.type), v->iotlb.iova, v->iotlb.size,
		v->iotlb.uva, v->iotlb.perm);
}

static void
show_config(FILE *out, const union vhu_payload *v, uint32_t size)
{
	fprintf(out, " offset=%u size=%u flags=0x%x data=", v->config.offset, v->config.size,
		v->config.flags);
	for (uint32_t i = offsetof(struct vhu_config_msg, data); i < size && i < sizeof(v->config);
	     i++)
		fprintf(out, "%02x", v->bytes[i]);
}

static void
show_inflight(FILE *out, const union vhu_payload *v, uint32_t size)
{
	fprintf(out, " size=0x%" PRIx64 " offset=0x%" PRIx64 " queues=%u queue-size=%u",
		v->inflight.mmap_size, v->inflight.mmap_offset, v->inflight.num_queues,
		v->inflight.queue_size);
}

static void
show_device_state(FILE *out, const union vhu_payload *v, uint32_t size)
{
	fprintf(out, " %s phase=%u", v->device_state.direction == VHU_STATE_SAVE ? "save" : "load",
		v->device_state.phase);
}

static void
show_area(FILE *out, const union vhu_payload *v, uint32_t size)
{
	show_word(out, v, size);
	fprintf(out, " size=0x%" PRIx64 " offset=0x%" PRIx64, v->area.size, v->area.offset);
}

static show_fn *const shows[] = {
	[VHU_GET_FEATURES] = show_u64,
	[VHU_SET_FEATURES] = show_u64,
	[VHU_SET_MEM_TABLE] = show_table,
	[VHU_SET_LOG_BASE] = show_log,
	[VHU_SET_VRING_NUM] = show_state,
	[VHU_SET_VRING_ADDR] = show_addr,
	[VHU_SET_VRING_BASE] = show_state,
	[VHU_GET_VRING_BASE] = show_state,
	[VHU_SET_VRING_KICK] = show_word,
	[VHU_SET_VRING_CALL] = show_word,
	[VHU_SET_VRING_ERR] = show_word,
	[VHU_GET_PROTOCOL_FEATURES] = show_protocol,
	[VHU_SET_PROTOCOL_FEATURES] = show_protocol,
	[VHU_GET_QUEUE_NUM] = show_number,
	[VHU_SET_VRING_ENABLE] = show_state,
	[VHU_SEND_RARP] = show_u64,
	[VHU_NET_SET_MTU] = show_number,
	[VHU_IOTLB_MSG] = show_iotlb,
	[VHU_SET_VRING_ENDIAN] = show_state,
	[VHU_GET_CONFIG] = show_config,
	[VHU_SET_CONFIG] = show_config,
	[VHU_GET_INFLIGHT_FD] = show_inflight,
	[VHU_SET_INFLIGHT_FD] = show_inflight,
	[VHU_GET_MAX_MEM_SLOTS] = show_number,
	[VHU_ADD_MEM_REG] = show_mem,
	[VHU_REM_MEM_REG] = show_mem,
	[VHU_SET_STATUS] = show_u64,
	[VHU_GET_STATUS] = show_u64,
	[VHU_SET_DEVICE_STATE_FD] = show_device_state,
	[VHU_CHECK_DEVICE_STATE] = show_u64,
};

static show_fn *const backend_shows[] = {
	[VHU_BACKEND_IOTLB_MSG] = show_iotlb,
	[VHU_BACKEND_VRING_HOST_NOTIFIER] = show_area,
};

/** A reply of eight bytes to what is longer says how it ended: 0 or an errno. */
static bool
is_result(const struct record_message *m)
{
	return (m->header_flags & VHU_REPLY) != 0 && m->size == sizeof(uint64_t) &&
	       (m->channel == RECORD_BACKEND ||
		(m->request < DIM(shows) &&
		 !(m->request == VHU_GET_FEATURES || m->request == VHU_GET_PROTOCOL_FEATURES ||
		   m->request == VHU_GET_VRING_BASE || m->request == VHU_GET_QUEUE_NUM ||
		   m->request == VHU_GET_STATUS || m->request == VHU_GET_MAX_MEM_SLOTS)));
}

static void
vduse_fields(FILE *out, const struct recording_event *e)
{
	const struct record_message *m = &e->u.message;
	struct vduse_dev_response answer = {0};
	struct vduse_dev_request ask = {0};

	if (m->from == RECORD_FROM_US) {
		memcpy(&answer, e->payload, m->size < sizeof(answer) ? m->size : sizeof(answer));
		fprintf(out, " %s", answer.result == VDUSE_REQ_RESULT_OK ? "ok" : "failed");
		return;
	}
	memcpy(&ask, e->payload, m->size < sizeof(ask) ? m->size : sizeof(ask));
	if (m->request == VDUSE_SET_STATUS)
		fprintf(out, " 0x%x", ask.s.status);
	else if (m->request == VDUSE_UPDATE_IOTLB)
		fprintf(out, " first=0x%llx last=0x%llx", (unsigned long long)ask.iova.start,
			(unsigned long long)ask.iova.last);
	else if (m->request == VDUSE_SET_VQ_GROUP_ASID)
		fprintf(out, " group=%u space=%u", ask.padding[0], ask.padding[1]);
	else if (m->request == VDUSE_SET_VQ_READY)
		fprintf(out, " ring=%u ready=%u", ask.padding[0], ask.padding[1]);
	else if (m->request != VDUSE_SUSPEND)
		fprintf(out, " ring=%u", ask.vq_state.index);
}

/** A command of a control queue, or the device's answer. */
static void
control_fields(FILE *out, const struct recording_event *e)
{
	const struct record_message *m = &e->u.message;
	const uint8_t *b = e->payload;

	if (m->from == RECORD_FROM_US && m->size == 1)
		fprintf(out, " %s", b[0] == VIRTIO_NET_OK ? "ok" : "failed");
	else if (m->size == 2)
		fprintf(out, " pairs=%u", b[0] | (unsigned int)b[1] << 8);
	else
		fprintf(out, " %u bytes", m->size);
}

/** A ring and a region of memory as the kernel describes them. */
static void
kernel_fields(FILE *out, const struct recording_event *e)
{
	const struct record_message *m = &e->u.message;
	struct {
		uint64_t features;
		struct vduse_vq_info ring;
		struct vduse_iotlb_entry memory;
	} v = {0};

	if (m->request == RECORD_FEATURES) {
		memcpy(&v.features, e->payload, MIN(m->size, sizeof(v.features)));
		fprintf(out, " 0x%" PRIx64, v.features);
	} else if (m->request == RECORD_RING) {
		memcpy(&v.ring, e->payload, MIN(m->size, sizeof(v.ring)));
		fprintf(out, " %u size=%u desc=0x%llx driver=0x%llx device=0x%llx", v.ring.index,
			v.ring.num, (unsigned long long)v.ring.desc_addr,
			(unsigned long long)v.ring.driver_addr,
			(unsigned long long)v.ring.device_addr);
	} else if (m->request == RECORD_MEMORY) {
		memcpy(&v.memory, e->payload, MIN(m->size, sizeof(v.memory)));
		fprintf(out, " first=0x%llx last=0x%llx offset=0x%llx perm=%u",
			(unsigned long long)v.memory.start, (unsigned long long)v.memory.last,
			(unsigned long long)v.memory.offset, v.memory.perm);
	} else {
		fprintf(out, " %u bytes", m->size);
	}
}

static show_fn *
show_of(const struct record_message *m)
{
	if (m->channel == RECORD_BACKEND)
		return m->request < DIM(backend_shows) ? backend_shows[m->request] : NULL;
	return m->request < DIM(shows) ? shows[m->request] : NULL;
}

void
message_fields(FILE *out, enum record_transport transport, const struct recording_event *e)
{
	const struct record_message *m = &e->u.message;
	static union vhu_payload v; /* 4096 bytes */
	show_fn *show = show_of(m);

	if (e->payload == NULL && m->size > 0)
		fprintf(out, " %u bytes that are left out", m->size);
	if (e->payload == NULL || m->size == 0)
		return;
	if (m->channel == RECORD_CONTROL) {
		control_fields(out, e);
		return;
	}
	if (m->channel == RECORD_KERNEL) {
		kernel_fields(out, e);
		return;
	}
	if (transport == RECORD_VDUSE) {
		vduse_fields(out, e);
		return;
	}
	memset(&v, 0, sizeof(v));
	memcpy(&v, e->payload, m->size < sizeof(v) ? m->size : sizeof(v));
	if (is_result(m))
		fprintf(out, v.u64 == 0 ? " ok" : " refused: %s", strerror((int)v.u64));
	else if (is_taken(m))
		fputs(v.u64 == 0 ? " addresses taken" : " addresses not taken", out);
	else if (show != NULL)
		show(out, &v, m->size);
	else
		fprintf(out, " %u bytes", m->size);
}

void
message_fds(FILE *out, const struct recording_event *e)
{
	static const char *const kinds[] = {
#define X(number, sym, name) [number] = name,
		RECORD_FD_KINDS(X)
#undef X
	};

	for (uint32_t i = 0; i < e->u.message.nfds; i++) {
		const struct record_fd *fd = &e->fd[i];

		fprintf(out, " fd=%s", name_in(kinds, DIM(kinds), fd->kind));
		if (fd->kind == RECORD_FD_MEMORY)
			fprintf(out, ",0x%" PRIx64 ",page=%u,file=%" PRIu64, fd->size, fd->page,
				fd->file);
	}
}
