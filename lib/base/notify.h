/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Notifying a peer through an eventfd it gave us.
 *
 * The peer shares the open file description: it can make it blocking and fill
 * the counter at any time, so a write may block however carefully it is
 * checked. A worker therefore asks first whether a write would block - a full
 * counter means that a notification is pending, so none is needed - and leaves
 * a note of what it is writing to. Control looks at the notes now and then; it
 * frees a stuck worker by reading the eventfd empty and cuts off the peer.
 */
#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/**
 * Notify through eventfd @p fd without blocking as far as that is up to us. True: it was written.
 * Workers.
 */
bool notify_write(int fd);

/**
 * Notify through eventfd @p fd from control, which nobody watches over: a write the peer holds up
 * is interrupted after a millisecond. False: it was; such a peer should not get another chance.
 */
bool notify_tell(int fd);

/**
 * Find a thread that has been in notify_write() for at least @p ns because the
 * eventfd is full, and return that fd, or -1. A thread that merely lost its CPU
 * there is not stuck. Control; the answer is about the moment of the call, and
 * the fd stays open as long as control does not close it.
 */
int notify_stuck(uint64_t ns);

/**
 * Free such a thread by taking what is in the eventfd. Never blocks, whatever
 * the peer does with its flags. The fd as for notify_stuck(). Control.
 */
int notify_rescue(uint64_t ns);

#endif
