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
#include <stdint.h>

struct gmem_fault;
struct gmem_file;

/**
 * Map [offset, offset + size) of @p fd, shared and writable.
 *
 * @p fd must be a regular file in memory (memfd, tmpfs, hugetlbfs): a
 * page of any other file system can stall a core for as long as its server
 * likes. It must be at least offset + size bytes long and is not taken.
 *
 * @param fault  set when an access to the mapping faults; outlives it
 * @param data   receives the address of byte @p offset
 * @param why    on failure: a static text that says what was wrong
 * @return       one reference, or NULL
 */
struct gmem_file *gmem_file_map(int fd, uint64_t offset, uint64_t size, struct gmem_fault *fault,
				uint8_t **data, const char **why);

/**
 * The same for a file of the kernel's own, which has no length and which no process can truncate
 * or delay. The caller knows the origin and the kind of @p fd.
 */
struct gmem_file *gmem_file_map_kernel(int fd, uint64_t offset, uint64_t size,
				       struct gmem_fault *fault, uint8_t **data, const char **why);

struct gmem_file *gmem_file_ref(struct gmem_file *f);

/**
 * Whether @p fd is a file in memory. Asks the kernel alone: any other question goes to the file
 * system, and one in user space may never answer.
 */
bool gmem_file_in_memory(int fd);

/** Whether @p data, in the mapping of @p f, is byte @p offset of the file behind @p fd. */
bool gmem_file_is(const struct gmem_file *f, const uint8_t *data, int fd, uint64_t offset);

/**
 * A descriptor of the file, for another component that maps it; it belongs to @p f and is valid as
 * long. @p offset receives the byte of the file that is at @p data, which is in the mapping.
 */
int gmem_file_fd(const struct gmem_file *f, const uint8_t *data, uint64_t *offset);

/** Drop a reference; the last one unmaps, in portions (reaper.h). NULL is fine. */
void gmem_file_put(struct gmem_file *f);

#endif
