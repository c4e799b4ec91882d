/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Notifies a peer through an eventfd it gave us.
 *
 * The peer shares the open file description: it can make it blocking, and fill and empty the
 * counter at any time, so write(2) may block whatever was checked just before. The kernel itself
 * adds to an eventfd without waiting and leaves a full counter full. It does so at the end of an
 * asynchronous operation that names an eventfd, so a notification is an operation that does nothing
 * and ends at once (io_submit(2) with IOCB_FLAG_RESFD). Nothing the peer does to its eventfd
 * affects the caller.
 */
#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

#include <stdbool.h>

/**
 * Set up the asynchronous I/O contexts of all lcores. 0 or -errno: -EAGAIN when fs.aio-max-nr is
 * used up, -ENOSYS where the kernel has no asynchronous I/O. Control, before the lcores run. Other
 * threads set up theirs at their first notification.
 */
int notify_init(void);

/**
 * Add 1 to the counter of eventfd @p fd (-1: none), which stays the caller's. Never blocks. True:
 * the counter was added to or is full. False: there is no such eventfd. Any thread.
 */
bool notify_peer(int fd);

#endif
