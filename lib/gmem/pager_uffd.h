/* SPDX-License-Identifier: BSD-3-Clause */
/* A userfaultfd of this process. */
#ifndef GMEM_PAGER_UFFD_H
#define GMEM_PAGER_UFFD_H

/**
 * One that tells of missing pages of files in memory. -1 with a static text in @p why that says
 * what there is not.
 */
int pager_uffd_open(const char **why);

#endif
