/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files that EAL leaves behind of a process that ends. The next process with the same file prefix
 * removes them, but none has the prefix of one that was upgraded. Control thread.
 */
#ifndef APP_EAL_FILES_H
#define APP_EAL_FILES_H

/**
 * Unlink the files of this process's huge pages, which would stay allocated as long as they have a
 * name. It still has them. Harmless without huge pages; before rte_eal_cleanup().
 */
void eal_files_unlink_pages(void);

/**
 * Remove the directory of run-time files if @p prefix ("--file-prefix=NAME", NULL: none) is this
 * process's alone. As the last thing of all.
 */
void eal_files_remove(const char *prefix);

#endif
