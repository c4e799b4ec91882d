/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A pager has the pages of a guest's memory brought that a post-copy migration has not copied yet.
 *
 * Such a page is brought when a thread touches it: the kernel holds the thread and tells who has
 * the userfaultfd, the front-end. But a userfaultfd lets its holder do more than that. It can hold
 * any access to the address space the descriptor is of, and put pages where none are. So that
 * address space is not this program's: each pager is a process of its own (pager_process.c) that
 * has the guest's memory mapped, and nothing else to lose. It touches the pages and says what is
 * there. A front-end that never brings a page, or spoils that process, costs its own port the page.
 *
 * Life cycle: pager_new() begins to start the process; when its descriptor is there it is taken for
 * the front-end. pager_map() has a memory map mapped; then pages may be wanted. pager_free() ends
 * the process, also while it waits for a page. Control thread; nothing here blocks.
 */
#ifndef GMEM_PAGER_H
#define GMEM_PAGER_H

#include <stdbool.h>
#include <stdint.h>

struct ev_loop;
struct gmem;
struct lane;
struct pager;

enum pager_state {
	PAGER_STARTING,
	PAGER_IDLE,    /* nothing is mapped */
	PAGER_MAPPING, /* pager_map() was called */
	PAGER_SERVING, /* pages may be wanted */
	PAGER_DEAD,    /* for good: pager_why() */
};

struct pager_ops {
	/** Pages have arrived, or the state is another. */
	void (*event)(struct pager *p, void *ctx);
};

/** For display. */
struct pager_counters {
	uint64_t wanted;  /* pages that were asked for */
	uint64_t waiting; /* of them have not arrived yet */
	uint64_t arrived; /* pages known to be there */
	/* times in which pages were awaited; one that goes on counts so far */
	uint64_t stalls, stalled_us, longest_us;
};

/** The reason why there is no post-copy on this machine, static text; NULL: there is. */
const char *pager_unavailable(void);

/** Start a process in lane @p l, which the pager keeps. NULL with errno set. */
struct pager *pager_new(struct ev_loop *loop, struct lane *l, const struct pager_ops *ops,
			void *ctx);
void pager_free(struct pager *p); /* NULL is fine */

enum pager_state pager_state(const struct pager *p);
const char *pager_why(const struct pager *p); /* static text, NULL: nothing is wrong */

/** The userfaultfd, for the front-end; the caller's from now on. -1: there is none (any more). */
int pager_take_fd(struct pager *p);

/**
 * Have @p m mapped, in place of what was; its pages are in m->present, which it has. @p m must be
 * there until another is mapped, pager_unmap() or the end. 0 or -errno.
 */
int pager_map(struct pager *p, struct gmem *m);
void pager_unmap(struct pager *p);

/** The address at which the process has mapped region @p i of the map. */
uint64_t pager_address(const struct pager *p, uint32_t i);

/**
 * Have page @p page of region @p i brought, on behalf of ring @p ring. False: not now, since too
 * many are awaited; try again when some have arrived.
 */
bool pager_want(struct pager *p, uint32_t i, uint64_t page, uint32_t ring);

void pager_counters(const struct pager *p, struct pager_counters *out);

#endif
