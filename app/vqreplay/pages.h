/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The other side of a userfaultfd: a back-end that waits for a page of the played memory gets
 * zeros, as all of that memory is. No page is withheld, and none comes before it is asked for.
 */
#ifndef VQREPLAY_PAGES_H
#define VQREPLAY_PAGES_H

#include <stdbool.h>
#include <stdint.h>

/** Take @p fd, if it is a userfaultfd: another one is left alone. False: it is none. */
bool pages_take(int *taken, int fd);

/** Bring the pages that are asked for now. Returns how many; -1: the descriptor is of no use. */
int pages_bring(int fd);

#endif
