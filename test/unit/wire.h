/* SPDX-License-Identifier: BSD-3-Clause */
/* A vhost-user session with a front-end played by the test, one message at a time. */
#ifndef TEST_WIRE_H
#define TEST_WIRE_H

#include "owner.h"
#include "peer.h"
#include "vhost_user/session.h"

/* Offered by option, but for post-copy, which has no memory slots. */
#define WIRE_EXTRA (VHU_PF_OPTIONAL & ~VHU_PF(PAGEFAULT))
/* Everything there is to negotiate but the format bits and what addresses mean. */
#define WIRE_ALL (VHU_PF_ALWAYS | (WIRE_EXTRA & ~VHU_PF(GPA_ADDRESSES)))
#define WIRE_GONE UINT64_MAX         /* wire_ask(): the connection was closed */
#define WIRE_SILENT (UINT64_MAX - 1) /* no reply, and none was due */

struct wire {
	struct owner o;
	struct vhu_session s;
	int peer;
	unsigned int closed;
	const char *closed_why;
	struct vhu_msg reply; /* the last one */
	int reply_fd;         /* -1: none; closed by the next wire_ask() */
};

/** A fresh session, connected, @p protocol_features acked. */
void wire_init(struct wire *w, uint64_t protocol_features);
void wire_fini(struct wire *w);

/** The session's connection anew, the device as it is after a disconnect. */
void wire_reconnect(struct wire *w, uint64_t protocol_features);

/** Send a message and let it be handled. The u64 of the reply, WIRE_SILENT or WIRE_GONE. */
uint64_t wire_send(struct wire *w, uint32_t request, uint32_t flags, const void *payload,
		   uint32_t size, const int *fds, uint32_t n);

/** wire_send() with NEED_REPLY; for messages without a payload of interest. */
uint64_t wire_ask(struct wire *w, uint32_t request, const void *payload, uint32_t size);
uint64_t wire_ask_u64(struct wire *w, uint32_t request, uint64_t value);
uint64_t wire_ask_state(struct wire *w, uint32_t request, uint32_t index, uint32_t num);

/** wire_ask_u64() with a descriptor, which is closed here. */
uint64_t wire_ask_fd(struct wire *w, uint32_t request, uint64_t value, int fd);

/** Why the last message was refused, "" when it was not. */
const char *wire_why(const struct wire *w);

/** Announce the guest's whole memory; set ring @p i up and start it, as QEMU does. */
void wire_give_memory(struct wire *w);
void wire_start_ring(struct wire *w, uint32_t i, uint32_t size, uint32_t base);

/** Features, memory, rings 0 and 1 running and enabled. */
void wire_start(struct wire *w, uint64_t features);

#endif
