/* SPDX-License-Identifier: BSD-3-Clause */
/* The kind of a descriptor, as recordings have it. Without DPDK. Any thread. */
#ifndef BASE_RECORD_FD_H
#define BASE_RECORD_FD_H

#include "base/record_format.h"

/** In the byte order of the host. No file system is asked: a peer's may not answer. */
struct record_fd record_fd_of(int fd);

#endif
