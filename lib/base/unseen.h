/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls that change memory under a lock of DPDK's: that of its heap, which rte_malloc() clears.
 *
 * The lock lies in a library that is not built with ThreadSanitizer, and what two threads have had
 * one after the other seems to be written by both at once. So the stores between begin and end are
 * left out.
 */
#ifndef BASE_UNSEEN_H
#define BASE_UNSEEN_H

#ifdef __SANITIZE_THREAD__
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);
#define unseen_begin() AnnotateIgnoreWritesBegin(__FILE__, __LINE__)
#define unseen_end() AnnotateIgnoreWritesEnd(__FILE__, __LINE__)
#else
#define unseen_begin() ((void)0)
#define unseen_end() ((void)0)
#endif

#endif
