/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stores of frames to a guest's buffers.
 *
 * A guest may send a frame from where it received it, and another worker reads it there. The order
 * between the two is the guest's: it acquires the used index and releases the available one. A
 * guest that does not spoils its own frames only. ThreadSanitizer knows nothing of the guest's
 * half, so it leaves out the stores between begin and end; loads need no such mark, since nothing
 * else of ours is stored there.
 */
#ifndef VIRTQ_GUEST_WRITE_H
#define VIRTQ_GUEST_WRITE_H

#ifdef __SANITIZE_THREAD__
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);
#define guest_write_begin() AnnotateIgnoreWritesBegin(__FILE__, __LINE__)
#define guest_write_end() AnnotateIgnoreWritesEnd(__FILE__, __LINE__)
#else
#define guest_write_begin() ((void)0)
#define guest_write_end() ((void)0)
#endif

#endif
