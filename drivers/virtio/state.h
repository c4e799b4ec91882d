/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIRTIO_STATE_H
#define VIRTIO_STATE_H

#include <stddef.h>

/** Journal file in @p dir for the socket @p sock (which need not exist). 0 or -errno. */
int virtio_state_path(const char *dir, const char *sock, char *out, size_t outlen);

#endif
