/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Guest memory maps.
 *
 * A struct gmem is an immutable, sorted set of regions. Adding or removing a
 * slot makes a new gmem that shares the unchanged mappings with the old one;
 * the old one is put when no worker can look at it any more. Control makes,
 * references and frees them; workers only translate.
 *
 * A front-end's fds are hostile: the file may be truncated after it was mapped.
 * Every mapping is therefore registered with the fault guard (sigbus.h).
 *
 * vhost-user: SET_MEM_TABLE, ADD_MEM_REG, REM_MEM_REG, GET_MAX_MEM_SLOTS.
 */
#ifndef GMEM_GMEM_H
#define GMEM_GMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "gmem/file.h"
#include "gmem/sigbus.h"

/** Slots offered with CONFIGURE_MEM_SLOTS. */
#define GMEM_SLOTS_MAX 256

/** Bytes a front-end may have mapped at once: address space is shared with all other ports. */
#define GMEM_BYTES_MAX (UINT64_C(1) << 44)

struct present;
struct gmem_file; /* one mapping of a peer's fd, shared by the maps that contain it (file.h) */

/**
 * One guest memory region. Guest-physical [gpa, gpa + size) is at hva; no byte outside may be
 * accessed.
 */
struct gmem_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t uva; /* the front-end's own virtual address of gpa */
	uint8_t *hva; /* our address of gpa */
	struct gmem_file *file;
	uint32_t adds; /* [ctl] how often it was added, minus how often it was removed */
};

/**
 * [fixed] after construction, except refs, present and adds [ctl]. Regions ascend by gpa and
 * overlap neither in gpa nor in uva.
 */
struct gmem {
	uint32_t refs;
	uint32_t n;
	struct present *present; /* [ctl] owned: pages that have arrived; NULL: all are there */
	uint16_t *by_uva;        /* n: indices of the regions, ascending by uva */
	struct gmem_region r[];
};

/** A region as a front-end describes it. */
struct gmem_desc {
	uint64_t gpa;
	uint64_t size;
	uint64_t uva;
	uint64_t mmap_offset; /* bytes of the fd that precede the region */
	enum gmem_voucher voucher;
};

/** An empty map with one reference. NULL when out of memory. */
struct gmem *gmem_new(void);

/**
 * A new map: @p old plus the region @p d backed by @p fd.
 *
 * Checks at full width, before any side effect: size not 0, no wrap in gpa, uva
 * and offset + size, no overlap with another region, at most GMEM_SLOTS_MAX
 * regions and GMEM_BYTES_MAX bytes, fd a regular memfd/tmpfs/hugetlbfs file
 * (fstatfs) at least offset + size long; gpa, uva and offset equal modulo the
 * page size, so that an aligned guest address is an aligned host address.
 *
 * @p fd is not taken: the caller closes it. @p fault is set when an access to
 * the mapping faults; it must outlive the map.
 *
 * @param why  on failure: a static text that says what was wrong
 * @return     NULL on failure; @p old is left as it was either way
 */
struct gmem *gmem_add(const struct gmem *old, const struct gmem_desc *d, int fd,
		      struct gmem_fault *fault, const char **why);

/**
 * Whether @p m has exactly this region already; then it counts one more add.
 * QEMU before 8.2 adds and removes every region once for each queue pair.
 */
bool gmem_add_again(struct gmem *m, const struct gmem_desc *d, int fd);

/**
 * Whether the region that equals @p d (as for gmem_remove()) was added more
 * than once; then it counts one add less and stays.
 */
bool gmem_remove_again(struct gmem *m, const struct gmem_desc *d);

/**
 * A new map: @p old without the region that equals @p d (gpa, uva and size; offset ignored). NULL:
 * no such region.
 */
struct gmem *gmem_remove(const struct gmem *old, const struct gmem_desc *d);

struct gmem *gmem_ref(struct gmem *m);

/** Drop a reference; the last one unmaps what no other map shares. NULL is fine. */
void gmem_put(struct gmem *m);

/** The region that contains guest-physical @p gpa, or NULL. Any thread. */
const struct gmem_region *gmem_find(const struct gmem *m, uint64_t gpa);

/** The region that contains front-end-virtual @p uva, or NULL. Any thread. */
const struct gmem_region *gmem_find_uva(const struct gmem *m, uint64_t uva);

/**
 * Host address of front-end-virtual [uva, uva + len), which must lie in one region (or in regions
 * adjacent in uva, gpa and hva). NULL otherwise, or when len is 0. @p gpa, if not NULL, receives
 * the guest-physical address.
 */
void *gmem_uva_to_hva(const struct gmem *m, uint64_t uva, uint64_t len, uint64_t *gpa);

/**
 * Translate guest-physical @p gpa for at most @p len bytes.
 *
 * @param hint  index of the region that matched last; updated. May hold any
 *              value: it is checked, so it survives a change of the map.
 * @param got   receives the bytes usable at the returned address, <= len;
 *              fewer than len when the buffer continues in another region
 * @return      host address, or NULL when gpa is in no region
 *
 * Workers; the hot path is one comparison.
 */
static inline void *
gmem_translate(const struct gmem *m, uint64_t gpa, uint64_t len, uint32_t *hint, uint64_t *got)
{
	const struct gmem_region *r;
	uint32_t h = *hint;

	if (likely(h < m->n)) {
		r = &m->r[h];
		if (likely(gpa - r->gpa < r->size))
			goto hit;
	}
	r = gmem_find(m, gpa);
	if (unlikely(r == NULL))
		return NULL;
	*hint = (uint32_t)(r - m->r);
hit:
	*got = RTE_MIN(len, r->size - (gpa - r->gpa));
	return r->hva + (gpa - r->gpa);
}

#endif
