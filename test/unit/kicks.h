/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kick eventfds, which a guest shares, as control must not write to them: the kernel works for as
 * long as the guest makes it. For tests that are linked with --wrap=notify_peer.
 */
#ifndef TEST_KICKS_H
#define TEST_KICKS_H

#include "owner.h"

/** Look at the rings of @p o (NULL: of none) from now on. The main thread is control. */
void kicks_watch(const struct owner *o);

/** Kicks of theirs that control has made itself since. */
unsigned int kicks_by_control(void);

#endif
