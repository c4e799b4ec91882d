/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The queues this process has of a tap of the kernel, all at once: it gives them back for a
 * while and keeps the interface with its addresses and routes, while another process uses it.
 * The driver (net_tap) opened them; they are found among the process's descriptors by the
 * interface's name. Internal to drivers/ethdev; control thread.
 */
#ifndef ETHDEV_TAP_QUEUES_H
#define ETHDEV_TAP_QUEUES_H

#include <stdbool.h>
#include <stdint.h>

/** Whether this process has a queue of interface @p name, in use or not. */
bool tap_queues_any(const char *name);

/**
 * The kernel puts no more frames into the queues of interface @p name; those that wait there are
 * dropped. How many queues that are, their descriptors, the driver's, in @p fd of room for @p max;
 * 0: none, it has none here or they cannot be given back.
 */
uint32_t tap_queues_detach(const char *name, int *fd, uint32_t max);

/** These @p n queues are used again. False: not all of them. */
bool tap_queues_attach(const int *fd, uint32_t n);

#endif
