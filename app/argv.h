/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Our command line is dpdk-testpmd's: EAL options, "--", our options. Devices
 * of our own kinds (kinds.h) among the EAL options are ours, too: EAL would hand
 * a net_vhost to its PMD, whose sockets and rings are what this program replaces.
 */
#ifndef APP_ARGV_H
#define APP_ARGV_H

#include <stdbool.h>

struct argv_split {
	int eal_argc;
	char **eal_argv; /* program name and EAL's options */
	int argc;
	char **argv; /* program name and ours */
	int eal_nvdev;
	const char **eal_vdev;  /* every --vdev in order; EAL's own are among its options, too */
	const char *eal_prefix; /* "--file-prefix=NAME" of argv_beside(); NULL: none */
};

/**
 * Split @p argv; the strings stay where they are. When no option says which
 * CPUs to use and there is only one, control and a worker share it. 0 or -ENOMEM.
 */
int argv_split(int argc, char **argv, struct argv_split *s);

/**
 * Leave EAL what a rehearsal needs, of @p s its lcores and for each allowed device one that is
 * nowhere: nothing it shares with another process, no huge page. 0 or -ENOMEM.
 */
int argv_rehearse(struct argv_split *s);

#define ARGV_UPGRADE_FROM "--upgrade-from="

/** How many words that option has at argv[i]; 0: another one is there. */
int argv_upgrade_from(int argc, char **argv, int i);

/**
 * Have EAL run beside that of a predecessor: files of its own, huge pages under no name, and none
 * of the network devices of the command line.
 */
int argv_beside(struct argv_split *s);

/**
 * The command line for a successor of a process with @p argv: @p program (NULL: the same), and
 * @p option, which begins with ARGV_UPGRADE_FROM, in place of one there may be. free(); the words
 * stay their owners'. NULL: no memory.
 */
char **argv_successor(int argc, char **argv, const char *program, char *option);

void argv_free(struct argv_split *s);

#endif
