/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Notifying a peer through an eventfd it gave us.
 *
 * The peer shares the open file description: it can make it blocking, and fill
 * and empty the counter at any time, so write(2) may block however carefully it
 * is checked before. The kernel itself adds to an eventfd without ever waiting:
 * at a full counter it leaves it full. It does so for whoever asks to be told of
 * the end of an asynchronous operation, so a notification is an operation that
 * does nothing and ends at once (io_submit(2) with IOCB_FLAG_RESFD). All that
 * the peer can do to its eventfd makes no difference to the caller.
 */
#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

#include <stdbool.h>

/**
 * Get what notify_peer() needs for all lcores. 0 or -errno: -EAGAIN when
 * fs.aio-max-nr is used up, -ENOSYS where the kernel has no asynchronous I/O. Control, before the
 * lcores run. Other threads get it with their first notification.
 */
int notify_init(void);

/**
 * Add 1 to the counter of eventfd @p fd (-1: none), which stays the caller's. Never blocks. True:
 * the counter was added to or is full. False: there is no such eventfd. Any thread.
 */
bool notify_peer(int fd);

#endif
