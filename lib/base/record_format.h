/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The format of a recording, which doc/record.md describes: a head, then records. All numbers are
 * little-endian.
 *
 * A record is 8 bytes - type (2), flags (1), zero (1), length of the data (4) - and its data,
 * padded to 8 bytes: a struct of this header, behind it the part of variable length.
 */
#ifndef BASE_RECORD_FORMAT_H
#define BASE_RECORD_FORMAT_H

#include <assert.h>
#include <stdint.h>

#define RECORD_MAGIC "VQSREC\r\n"
#define RECORD_VERSION 1
#define RECORD_ALIGN 8
#define RECORD_TEXT_MAX 512u
#define RECORD_PAYLOAD_MAX 4096u
#define RECORD_FDS_MAX 16u

/** Flag of a record: a reader that does not know the type cannot go on. */
#define RECORD_MUST_KNOW 1u

enum record_type {
	RECORD_BEGIN = 1,      /* struct record_begin */
	RECORD_CONNECT = 2,    /* struct record_connect */
	RECORD_DISCONNECT = 3, /* struct record_text */
	RECORD_MESSAGE = 4,    /* struct record_message, its descriptors, its payload */
	RECORD_VERDICT = 5,    /* struct record_verdict */
	RECORD_LOST = 6,       /* struct record_lost */
	RECORD_END = 7,        /* struct record_text */
};

struct record_file_head {
	char magic[8];
	uint16_t version;
	uint16_t size; /* of this head */
	uint32_t zero;
};
static_assert(sizeof(struct record_file_head) == 16, "head of a recording");

struct record_head {
	uint16_t type; /* enum record_type */
	uint8_t flags; /* RECORD_MUST_KNOW */
	uint8_t zero;
	uint32_t len; /* of the data, without padding */
};
static_assert(sizeof(struct record_head) == 8, "head of a record");

enum record_transport {
	RECORD_VHOST_USER = 1,
	RECORD_VDUSE = 2,
};

struct record_begin {
	uint64_t wall_ns;   /* since 1970, when times of the other records are 0 */
	uint32_t transport; /* enum record_transport */
	uint32_t queues;    /* rings the port has */
	char port[64];      /* texts end with a NUL */
	char program[64];
};
static_assert(sizeof(struct record_begin) == 144, "begin");

struct record_connect {
	uint64_t when_ns;
	uint64_t session; /* counts from 1 */
	uint32_t pid;     /* of the peer, 0: not known */
	uint32_t uid;
};
static_assert(sizeof(struct record_connect) == 24, "connect");

/** The text fills the rest of the data. */
struct record_text {
	uint64_t when_ns;
};

enum record_channel {
	RECORD_MAIN = 0,    /* requests of the front-end, or of the kernel */
	RECORD_BACKEND = 1, /* requests of the back-end, SET_BACKEND_REQ_FD */
	RECORD_CONTROL = 2, /* commands of a virtio-net control queue: class << 8 | command */
	RECORD_KERNEL = 3,  /* what the kernel says when it is asked: enum record_kernel_fact */
};

/** VDUSE: the request of a message of RECORD_KERNEL. */
enum record_kernel_fact {
	RECORD_FEATURES = 1, /* uint64_t */
	RECORD_RING = 2,     /* struct vduse_vq_info */
	RECORD_MEMORY = 3,   /* struct vduse_iotlb_entry; its descriptor comes along */
};

enum record_from {
	RECORD_FROM_PEER = 0,
	RECORD_FROM_US = 1,
};

#define RECORD_NO_PAYLOAD 1u /* struct record_message.flags: its bytes are left out */

struct record_message {
	uint64_t when_ns;
	uint8_t channel, from;
	uint8_t nfds;  /* struct record_fd behind this */
	uint8_t flags; /* RECORD_NO_PAYLOAD */
	uint32_t request;
	uint32_t header_flags;
	uint32_t size; /* of the payload as the message's header says */
};
static_assert(sizeof(struct record_message) == 24, "message");

/* X(number, symbol, name): what a descriptor is. */
#define RECORD_FD_KINDS(X)       \
	X(0, OTHER, "other")     \
	X(1, EVENTFD, "eventfd") \
	X(2, MEMORY, "memory")   \
	X(3, FILE, "file")       \
	X(4, SOCKET, "socket")   \
	X(5, PIPE, "pipe")       \
	X(6, DEVICE, "device")   \
	X(7, USERFAULTFD, "userfaultfd")

enum record_fd_kind {
#define X(number, sym, name) RECORD_FD_##sym = number,
	RECORD_FD_KINDS(X)
#undef X
		RECORD_FD_KIND_NUM
};

/** A descriptor that came with a message. */
struct record_fd {
	uint32_t kind; /* enum record_fd_kind */
	uint32_t page; /* MEMORY: size of its pages */
	uint64_t size; /* MEMORY: of the file */
	uint64_t file; /* MEMORY: its number; descriptors of one file have the same */
};
static_assert(sizeof(struct record_fd) == 24, "descriptor");

/** On the last message of the peer; the reason for a refusal fills the rest of the data. */
struct record_verdict {
	uint64_t when_ns;
	uint32_t request;
	uint32_t error; /* 0: accepted, else an errno of Linux */
};
static_assert(sizeof(struct record_verdict) == 16, "verdict");

struct record_lost {
	uint64_t when_ns;
	uint64_t records; /* lost here: the disk was slow, or full */
};
static_assert(sizeof(struct record_lost) == 16, "lost");

#endif
