/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#include "gmem/sigbus.h"

#define RANGES_MAX 65536

/*
 * [atomic] Written by control, read by the handler on any thread. While seq is odd or changes, the
 * entry is being set or cleared; the handler passes over it: the range it looks for is mapped and
 * in use, so control does not change that one.
 */
struct range {
	atomic_uint seq;
	atomic_uintptr_t addr; /* 0: free */
	atomic_size_t len;
	atomic_size_t page_size;
	_Atomic(struct gmem_fault *) fault;
};

struct hit {
	uintptr_t addr;
	size_t len;
	size_t page_size;
	struct gmem_fault *fault;
};

#define RESERVE 8

/*
 * Mappings to give up where the process has as many as it may have: the kernel then changes none in
 * any way. [atomic] Control fills it, a handler takes from it; NULL: taken.
 */
static _Atomic(void *) reserve[RESERVE];

static struct range ranges[RANGES_MAX];
static atomic_uint used; /* entries from here on were never used */

static_assert(ATOMIC_POINTER_LOCK_FREE == 2 && ATOMIC_LONG_LOCK_FREE == 2 &&
		      ATOMIC_BOOL_LOCK_FREE == 2,
	      "the handler may not take a lock");

/* A consistent copy of an entry; false: free or being changed. Pairs with range_set(). */
static bool
range_read(struct range *r, struct hit *h)
{
	unsigned int seq = atomic_load_explicit(&r->seq, memory_order_acquire);

	h->addr = atomic_load_explicit(&r->addr, memory_order_relaxed);
	h->len = atomic_load_explicit(&r->len, memory_order_relaxed);
	h->page_size = atomic_load_explicit(&r->page_size, memory_order_relaxed);
	h->fault = atomic_load_explicit(&r->fault, memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	return h->addr != 0 && seq % 2 == 0 &&
	       seq == atomic_load_explicit(&r->seq, memory_order_relaxed);
}

/* Pairs with range_read(). */
static void
range_set(struct range *r, const struct hit *h)
{
	unsigned int seq = atomic_load_explicit(&r->seq, memory_order_relaxed);

	atomic_store_explicit(&r->seq, seq + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&r->addr, h->addr, memory_order_relaxed);
	atomic_store_explicit(&r->len, h->len, memory_order_relaxed);
	atomic_store_explicit(&r->page_size, h->page_size, memory_order_relaxed);
	atomic_store_explicit(&r->fault, h->fault, memory_order_relaxed);
	atomic_store_explicit(&r->seq, seq + 2, memory_order_release);
}

static bool
range_find(uintptr_t addr, struct hit *h)
{
	unsigned int n = atomic_load_explicit(&used, memory_order_acquire);
	unsigned int i;

	for (i = 0; i < n; i++)
		if (range_read(&ranges[i], h) && addr - h->addr < h->len)
			return true;
	return false;
}

static bool
map_zeroes(uintptr_t addr, size_t len)
{
	return mmap((void *)addr, len, PROT_READ | PROT_WRITE,
		    MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED;
}

/** Make room for a mapping. False: there is none left to be given up. */
static bool
reserve_take(void)
{
	void *page = NULL;
	size_t i;

	for (i = 0; i < RESERVE && page == NULL; i++)
		page = atomic_exchange_explicit(&reserve[i], NULL, memory_order_relaxed);
	return page != NULL && munmap(page, 1) == 0;
}

/** False: the process has no mapping to spare. */
static bool
reserve_fill(void)
{
	size_t i;

	for (i = 0; i < RESERVE; i++) {
		void *page;

		if (atomic_load_explicit(&reserve[i], memory_order_relaxed) != NULL)
			continue;
		/* shared memory is not joined with its neighbours to one mapping */
		page = mmap(NULL, 1, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (page == MAP_FAILED)
			return false;
		atomic_store_explicit(&reserve[i], page, memory_order_relaxed);
	}
	return true;
}

/*
 * Let the access go on in zeroes, which take the place of the rest of the range:
 * of a page that cannot be read the pages after it are gone, too, and one mapping
 * serves all of them. Pages before it stay as they are; where the kernel cannot
 * split the mapping (its limit of mappings is reached), all of it is replaced, by a mapping from
 * the reserve where not even that can be done.
 */
static bool
range_patch(const struct hit *h, uintptr_t addr)
{
	uintptr_t page = addr & ~(h->page_size - 1);

	atomic_store_explicit(&h->fault->dead, true, memory_order_release);
	if (map_zeroes(page, h->addr + h->len - page))
		return true;
	do {
		if (map_zeroes(h->addr, h->len))
			return true;
	} while (reserve_take());
	return false;
}

static void
sigbus_handler(int sig, siginfo_t *info, void *ctx)
{
	int saved = errno;
	struct hit h;

	/* si_code <= 0: sent by a process, si_addr means nothing */
	if (info->si_code <= 0 || !range_find((uintptr_t)info->si_addr, &h) ||
	    !range_patch(&h, (uintptr_t)info->si_addr)) {
		signal(sig, SIG_DFL);
		raise(sig); /* delivered on return */
	}
	errno = saved;
}

int
sigbus_install(void)
{
	struct sigaction sa = {.sa_sigaction = sigbus_handler, .sa_flags = SA_SIGINFO | SA_RESTART};

	(void)reserve_fill(); /* sigbus_guard() insists */
	sigfillset(&sa.sa_mask);
	return sigaction(SIGBUS, &sa, NULL) < 0 ? -errno : 0;
}

int
sigbus_guard(void *addr, size_t len, size_t page_size, struct gmem_fault *fault)
{
	const struct hit h = {(uintptr_t)addr, len, page_size, fault};
	unsigned int i, n = atomic_load_explicit(&used, memory_order_relaxed);

	for (i = 0; i < n; i++)
		if (atomic_load_explicit(&ranges[i].addr, memory_order_relaxed) == 0)
			break;
	if (i == RANGES_MAX || !reserve_fill())
		return -ENOSPC;
	range_set(&ranges[i], &h);
	if (i == n)
		atomic_store_explicit(&used, n + 1, memory_order_release);
	return 0;
}

void
sigbus_unguard(void *addr)
{
	static const struct hit none;
	unsigned int i, n = atomic_load_explicit(&used, memory_order_relaxed);

	for (i = 0; i < n; i++) {
		if (atomic_load_explicit(&ranges[i].addr, memory_order_relaxed) != (uintptr_t)addr)
			continue;
		range_set(&ranges[i], &none);
		return;
	}
}
