/* SPDX-License-Identifier: BSD-3-Clause */
/* The other end of a vhost-user connection, by hand: a test says what no front-end would. */
#ifndef TEST_PEER_H
#define TEST_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vhost_user/wire.h"

/** Contents a message may have. */
union peer_value {
	uint64_t u64;
	struct vhu_vring_state state;
	struct vhu_vring_addr addr;
	struct vhu_mem_table table;
	struct vhu_mem_single mem;
	struct vhu_log log;
	struct vhu_iotlb iotlb;
	struct vhu_inflight inflight;
	struct vhu_config_msg config;
	struct vhu_device_state device_state;
	uint8_t bytes[sizeof(struct vhu_mem_table)];
};

/** Send raw bytes with @p n descriptors, which stay the caller's. Returns bytes sent, or -1. */
int peer_write(int fd, const void *data, size_t len, const int *fds, uint32_t n);

/** Send one message of header and payload. */
void peer_send(int fd, uint32_t request, uint32_t flags, const void *payload, uint32_t size,
	       const int *fds, uint32_t n);

/** Take one message, and its descriptor if there is one (-1). False: nothing there, or the end. */
bool peer_recv(int fd, struct vhu_msg *m, int *got_fd);

/** Whether the other side has closed the connection. Takes what is unread. */
bool peer_closed(int fd);

#endif
