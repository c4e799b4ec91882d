/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fault guard: a peer that truncates a file we have mapped must lose its own
 * port only.
 *
 * Guarded ranges are kept in a fixed, lock-free table. The SIGBUS handler looks the address up,
 * maps anonymous memory from there to the end of the range so that the access can be finished, and
 * sets the owner's dead flag: the worker sees it when it polls the queue next. A truncated file has
 * lost its end, so a range has two parts at most, however many pages fault: the mappings of a
 * process are limited, and all ports share them. A fault outside every range is a bug of this
 * program and is re-raised with the default action. The handler takes no lock and allocates
 * nothing.
 */
#ifndef GMEM_SIGBUS_H
#define GMEM_SIGBUS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct lane;

/** State of an owner's mappings. */
struct gmem_fault {
	atomic_bool dead;  /* set in signal context when a page cannot be read */
	struct lane *lane; /* [fixed] where its files are closed; NULL: on control */
};

/** Install the handler. Once, before any mapping. 0 or -errno. */
int sigbus_install(void);

/**
 * Guard [addr, addr + len), pages of @p page_size. 0, or -ENOSPC when the table is full or the
 * process has as many mappings as it may have. Control.
 */
int sigbus_guard(void *addr, size_t len, size_t page_size, struct gmem_fault *fault);

/** Forget a range; call before munmap(). Control. */
void sigbus_unguard(void *addr);

#endif
