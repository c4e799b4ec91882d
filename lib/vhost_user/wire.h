/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vhost-user wire format: message ids, flags and payloads.
 *
 * Every number is in the byte order of the machine both ends run on, not the guest's. A message is
 * a 12-byte header and a payload; descriptors travel beside the header. All sizes and values are
 * fixed by the protocol and checked at compile time.
 */
#ifndef VHOST_USER_WIRE_H
#define VHOST_USER_WIRE_H

#include <assert.h>
#include <stdint.h>

/* struct vhu_header.flags */
#define VHU_VERSION 0x1u
#define VHU_VERSION_MASK 0x3u
#define VHU_REPLY 0x4u
#define VHU_NEED_REPLY 0x8u

#define VHU_FDS_MAX 8        /* descriptors one message may carry */
#define VHU_MEM_TABLE_MAX 8  /* regions of SET_MEM_TABLE */
#define VHU_PAYLOAD_MAX 4096 /* more than any message needs: a longer one is not vhost-user */
#define VHU_CONFIG_MAX 256   /* bytes of config space one message may carry */

/* SET_VRING_KICK, _CALL, _ERR: the u64 */
#define VHU_VRING_INDEX_MASK 0xffu
#define VHU_VRING_NOFD 0x100u /* no descriptor: poll instead */

/* struct vhu_vring_addr.flags */
#define VHU_VRING_F_LOG 0x1u

/* VHOST_F_LOG_ALL and VHOST_USER_F_PROTOCOL_FEATURES share the virtio feature word. */
#define VHU_F_LOG_ALL 26
#define VHU_F_PROTOCOL_FEATURES 30

/* X(id, name): requests of the front-end. 44 and above are for devices other than net. */
#define VHU_REQUESTS(X)              \
	X(1, GET_FEATURES)           \
	X(2, SET_FEATURES)           \
	X(3, SET_OWNER)              \
	X(4, RESET_OWNER)            \
	X(5, SET_MEM_TABLE)          \
	X(6, SET_LOG_BASE)           \
	X(7, SET_LOG_FD)             \
	X(8, SET_VRING_NUM)          \
	X(9, SET_VRING_ADDR)         \
	X(10, SET_VRING_BASE)        \
	X(11, GET_VRING_BASE)        \
	X(12, SET_VRING_KICK)        \
	X(13, SET_VRING_CALL)        \
	X(14, SET_VRING_ERR)         \
	X(15, GET_PROTOCOL_FEATURES) \
	X(16, SET_PROTOCOL_FEATURES) \
	X(17, GET_QUEUE_NUM)         \
	X(18, SET_VRING_ENABLE)      \
	X(19, SEND_RARP)             \
	X(20, NET_SET_MTU)           \
	X(21, SET_BACKEND_REQ_FD)    \
	X(22, IOTLB_MSG)             \
	X(23, SET_VRING_ENDIAN)      \
	X(24, GET_CONFIG)            \
	X(25, SET_CONFIG)            \
	X(26, CREATE_CRYPTO_SESSION) \
	X(27, CLOSE_CRYPTO_SESSION)  \
	X(28, POSTCOPY_ADVISE)       \
	X(29, POSTCOPY_LISTEN)       \
	X(30, POSTCOPY_END)          \
	X(31, GET_INFLIGHT_FD)       \
	X(32, SET_INFLIGHT_FD)       \
	X(33, GPU_SET_SOCKET)        \
	X(34, RESET_DEVICE)          \
	X(35, VRING_KICK)            \
	X(36, GET_MAX_MEM_SLOTS)     \
	X(37, ADD_MEM_REG)           \
	X(38, REM_MEM_REG)           \
	X(39, SET_STATUS)            \
	X(40, GET_STATUS)            \
	X(41, GET_SHARED_OBJECT)     \
	X(42, SET_DEVICE_STATE_FD)   \
	X(43, CHECK_DEVICE_STATE)

enum vhu_request {
#define X(id, name) VHU_##name = id,
	VHU_REQUESTS(X)
#undef X
		VHU_REQUEST_NUM
};

/** Requests of the back-end, over the channel given by SET_BACKEND_REQ_FD. */
enum vhu_backend_request {
	VHU_BACKEND_IOTLB_MSG = 1,
	VHU_BACKEND_CONFIG_CHANGE = 2,
	VHU_BACKEND_VRING_HOST_NOTIFIER = 3,
	VHU_BACKEND_VRING_CALL = 4,
	VHU_BACKEND_VRING_ERR = 5,
};

/* X(bit, name): protocol features. 61-63 are ours, see doc/format-bits.md. */
#define VHU_PROTOCOL_FEATURES(X)       \
	X(0, MQ)                       \
	X(1, LOG_SHMFD)                \
	X(2, RARP)                     \
	X(3, REPLY_ACK)                \
	X(4, NET_MTU)                  \
	X(5, BACKEND_REQ)              \
	X(6, CROSS_ENDIAN)             \
	X(7, CRYPTO_SESSION)           \
	X(8, PAGEFAULT)                \
	X(9, CONFIG)                   \
	X(10, BACKEND_SEND_FD)         \
	X(11, HOST_NOTIFIER)           \
	X(12, INFLIGHT_SHMFD)          \
	X(13, RESET_DEVICE)            \
	X(14, INBAND_NOTIFICATIONS)    \
	X(15, CONFIGURE_MEM_SLOTS)     \
	X(16, STATUS)                  \
	X(17, XEN_MMAP)                \
	X(18, SHARED_OBJECT)           \
	X(19, DEVICE_STATE)            \
	X(20, GET_VRING_BASE_INFLIGHT) \
	X(21, GPA_ADDRESSES)           \
	X(61, FORMAT_LEGACY_LE)        \
	X(62, FORMAT_LEGACY_BE)        \
	X(63, FORMAT_MODERN)

enum vhu_protocol_feature {
#define X(bit, name) VHU_PF_##name = bit,
	VHU_PROTOCOL_FEATURES(X)
#undef X
};

#define VHU_PF(name) (1ull << VHU_PF_##name)

struct vhu_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* of the payload */
};
static_assert(sizeof(struct vhu_header) == 12, "vhost-user header");

struct vhu_vring_state {
	uint32_t index;
	uint32_t num;
};
static_assert(sizeof(struct vhu_vring_state) == 8, "vring state");

struct vhu_vring_addr {
	uint32_t index;
	uint32_t flags; /* VHU_VRING_F_LOG */
	uint64_t desc;  /* ring addresses: of the front-end, or IOVAs with ACCESS_PLATFORM */
	uint64_t used;  /* packed: device event suppression */
	uint64_t avail; /* packed: driver event suppression */
	uint64_t log;   /* guest-physical address of the used ring */
};
static_assert(sizeof(struct vhu_vring_addr) == 40, "vring address");

struct vhu_mem_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t uva;
	uint64_t mmap_offset;
};
static_assert(sizeof(struct vhu_mem_region) == 32, "memory region");

struct vhu_mem_table {
	uint32_t n;
	uint32_t padding;
	struct vhu_mem_region r[VHU_MEM_TABLE_MAX];
};
static_assert(sizeof(struct vhu_mem_table) == 8 + 32 * VHU_MEM_TABLE_MAX, "memory table");

struct vhu_mem_single {
	uint64_t padding;
	struct vhu_mem_region r;
};
static_assert(sizeof(struct vhu_mem_single) == 40, "single region");

struct vhu_log {
	uint64_t size;
	uint64_t offset;
};
static_assert(sizeof(struct vhu_log) == 16, "dirty log");

/* struct vhu_iotlb.type */
#define VHU_IOTLB_MISS 1
#define VHU_IOTLB_UPDATE 2
#define VHU_IOTLB_INVALIDATE 3
#define VHU_IOTLB_ACCESS_FAIL 4
#define VHU_IOTLB_BATCH_BEGIN 5
#define VHU_IOTLB_BATCH_END 6

struct vhu_iotlb {
	uint64_t iova;
	uint64_t size;
	uint64_t uva;
	uint8_t perm; /* 1 read, 2 write, 3 both */
	uint8_t type;
	uint8_t padding[6];
};
static_assert(sizeof(struct vhu_iotlb) == 32, "iotlb message");

/* struct vhu_config_msg.flags */
#define VHU_CONFIG_WRITABLE 0  /* the guest wrote a writable field */
#define VHU_CONFIG_MIGRATION 1 /* the front-end restores the space */

/** Only the first 12 bytes and @c size bytes of data are sent. */
struct vhu_config_msg {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
	uint8_t data[VHU_CONFIG_MAX];
};
static_assert(sizeof(struct vhu_config_msg) == 12 + VHU_CONFIG_MAX, "config space");

struct vhu_inflight {
	uint64_t mmap_size;
	uint64_t mmap_offset;
	uint16_t num_queues;
	uint16_t queue_size;
	uint8_t padding[4]; /* some front-ends leave it out */
};
static_assert(sizeof(struct vhu_inflight) == 24, "inflight");
#define VHU_INFLIGHT_SIZE_MIN 20

/** VRING_HOST_NOTIFIER_MSG */
struct vhu_vring_area {
	uint64_t index; /* as in SET_VRING_KICK: index and VHU_VRING_NOFD */
	uint64_t size;
	uint64_t offset;
};
static_assert(sizeof(struct vhu_vring_area) == 24, "vring area");

#define VHU_STATE_SAVE 0
#define VHU_STATE_LOAD 1
#define VHU_STATE_PHASE_STOPPED 0
#define VHU_STATE_NOFD 0x100u /* reply: no descriptor is returned, yours is used */

struct vhu_device_state {
	uint32_t direction;
	uint32_t phase;
};
static_assert(sizeof(struct vhu_device_state) == 8, "device state");

union vhu_payload {
	uint64_t u64;
	struct vhu_vring_state state;
	struct vhu_vring_addr addr;
	struct vhu_mem_table mem_table;
	struct vhu_mem_single mem;
	struct vhu_log log;
	struct vhu_iotlb iotlb;
	struct vhu_config_msg config;
	struct vhu_inflight inflight;
	struct vhu_vring_area area;
	struct vhu_device_state device_state;
	uint8_t bytes[VHU_PAYLOAD_MAX];
};

/**
 * A message in memory. Not the wire image: the payload is aligned here, so it is sent and received
 * as two buffers (iovec), header.size bytes of the second one.
 */
struct vhu_msg {
	struct vhu_header header;
	union vhu_payload payload;
};

#endif
