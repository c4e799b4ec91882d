/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fault guard: a peer that truncates a file we have mapped must lose its own
 * port only.
 *
 * Guarded ranges are kept in a fixed, lock-free table. The SIGBUS handler looks
 * the address up, maps an anonymous page over it so that the access can be
 * finished, sets the owner's dead flag and wakes nobody: the worker sees the
 * flag at its next turn. A fault outside every range is a bug of ours and is
 * re-raised with the default action. The handler takes no lock and allocates
 * nothing.
 */
#ifndef GMEM_SIGBUS_H
#define GMEM_SIGBUS_H

#include <stddef.h>

struct gmem_fault;

/** Install the handler. Once, before any mapping. 0 or -errno. */
int sigbus_install(void);

/**
 * Guard [addr, addr + len), pages of @p page_size. 0, or -ENOSPC when the table is full. Control.
 */
int sigbus_guard(void *addr, size_t len, size_t page_size, struct gmem_fault *fault);

/** Forget a range; call before munmap(). Control. */
void sigbus_unguard(void *addr);

#endif
