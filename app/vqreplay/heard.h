/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A message of the back-end with its descriptors. The back-end may be hostile: a message has a
 * deadline as a whole, however slowly its bytes come, and descriptors that are too many are closed.
 */
#ifndef VQREPLAY_HEARD_H
#define VQREPLAY_HEARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/record_format.h"
#include "vhost_user/wire.h"

struct heard {
	struct vhu_msg m;
	int fd[RECORD_FDS_MAX]; /* of the first nfds; -1: taken */
	uint32_t nfds;
	bool more; /* there were more of them, which are closed */
};

/** The deadline that is @p ms from now. */
uint64_t deadline_in(int ms);

/** The time until a deadline for poll(); 0: it is over. */
int deadline_left(uint64_t deadline);

/**
 * Read a header and its payload. False: the peer has ended, the time is up, or it is too long; then
 * there are no descriptors. Else heard_drop() ends it.
 */
bool heard_read(struct heard *h, int fd, uint64_t deadline);
void heard_drop(struct heard *h);

#endif
