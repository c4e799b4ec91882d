/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A mapping of a file that a peer gave us: a memory region, a dirty log, an inflight area. The peer
 * keeps its own descriptor of the same file, so the facts checked here can change later: the
 * mapping is under the fault guard.
 *
 * Control makes, references and frees it; any thread may access the bytes.
 */
#ifndef GMEM_FILE_H
#define GMEM_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gmem_fault;
struct gmem_file;

/** The one that vouches for a file: that its pages are there and stay. */
enum gmem_voucher {
	GMEM_PEER,   /* none: the peer passed it and may truncate it; it has to be in memory */
	GMEM_KERNEL, /* the kernel, whose own it is: no process can truncate or delay it */
};

/**
 * Map [offset, offset + size) of @p fd, shared and writable.
 *
 * @p fd must be a regular file in memory (memfd, tmpfs, hugetlbfs): a
 * page of any other file system can stall a core for as long as its server
 * wants to. It must be at least offset + size bytes long and is not taken.
 *
 * @param fault  set when an access to the mapping faults; outlives it
 * @param data   receives the address of byte @p offset
 * @param why    on failure: a static text that says what was wrong
 * @return       one reference, or NULL
 */
struct gmem_file *gmem_file_map(int fd, uint64_t offset, uint64_t size, struct gmem_fault *fault,
				uint8_t **data, const char **why);

/**
 * The same for a file of the kernel's own (GMEM_KERNEL), which has no length. The caller knows the
 * origin and the kind of @p fd.
 */
struct gmem_file *gmem_file_map_kernel(int fd, uint64_t offset, uint64_t size,
				       struct gmem_fault *fault, uint8_t **data, const char **why);

struct gmem_file *gmem_file_ref(struct gmem_file *f);

/**
 * Whether @p fd is a file in memory. Asks the kernel alone: any other question goes to the file
 * system, and one in user space may never answer.
 */
bool gmem_file_in_memory(int fd);

/**
 * Whether the owner of the file has seen to it, after it passed it, that the range cannot be mapped
 * again: it truncated the file, or forbade others to write to it. A peer's doing, no want of
 * resources.
 */
bool gmem_file_withdrawn(int fd, uint64_t offset, uint64_t size);

/**
 * Whether @p data, in the mapping of @p f, is byte @p offset of the file behind @p fd, which a peer
 * passed: it is none of the kernel's.
 */
bool gmem_file_is(const struct gmem_file *f, const uint8_t *data, int fd, uint64_t offset);

/**
 * A descriptor of the file, for another component that maps it; it belongs to @p f and is valid as
 * long. @p offset receives the byte of the file that is at @p data, which is in the mapping.
 */
int gmem_file_fd(const struct gmem_file *f, const uint8_t *data, uint64_t *offset);

/** By which of the functions above it was mapped. */
enum gmem_voucher gmem_file_voucher(const struct gmem_file *f);

/** A whole mapping, in pages of the file's. */
struct gmem_file_range {
	void *base;
	uint64_t start; /* base is this byte of the file */
	size_t len, page;
};

struct gmem_file_range gmem_file_range(const struct gmem_file *f);

/** Drop a reference; the last one unmaps, in portions (reaper.h). NULL is fine. */
void gmem_file_put(struct gmem_file *f);

#endif
