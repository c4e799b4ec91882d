/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a pager and its process tell each other, a packet a message, over a socket pair. Both are of
 * one program, so there are no versions; but what the process says is checked like a peer's word.
 */
#ifndef GMEM_PAGER_WIRE_H
#define GMEM_PAGER_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PAGER_FD 3      /* the process's end */
#define PAGER_REGIONS 8 /* of a memory map */
#define PAGER_LANES 8   /* threads of the process: rings wait for pages independently */
/*
 * Pages requested and not answered: so few that the buffer of the socket has room for what may have
 * to be said at any time, to forget the table and to map another one.
 */
#define PAGER_WANTED 128
#define PAGER_HAVE_MAX 512u /* pages of one PAGER_HAVE */

enum pager_op {
	/* to the process */
	PAGER_FORGET, /* all that is mapped: a new table comes */
	/* region: its file is passed along; first: its byte there; count: bytes; page: a size */
	PAGER_MAP,
	PAGER_WANT, /* page first of region, for lane */
	/* from the process */
	PAGER_READY,  /* its userfaultfd is passed along */
	PAGER_MAPPED, /* region: first is its address */
	PAGER_FAILED, /* error: an errno */
	PAGER_HAVE,   /* pages [first, first + count) of region are there */
};

struct pager_msg {
	uint32_t op;
	uint32_t table; /* which table of regions it is about: messages may be late */
	uint32_t region;
	uint32_t lane;
	uint64_t first, count;
	int32_t error;
	uint32_t answer; /* PAGER_HAVE: so many requests are answered */
	uint64_t page;
};

/** Send @p m, and descriptor @p fd with it unless that is -1. @p flags: of sendmsg(). */
bool pager_send(int sock, const struct pager_msg *m, int fd, int flags);

/**
 * Receive a message. *@p fd is the descriptor that came with it, the caller's, or -1. Returns as
 * recvmsg(), whose flags @p flags are; less than sizeof(*m) is no message.
 */
ssize_t pager_receive(int sock, struct pager_msg *m, int *fd, int flags);

/** The name it is started by; the process begins, and ends, before main(). */
extern const char pager_process_name[];

#endif
