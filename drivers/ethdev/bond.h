/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bonds of DPDK (net_bonding): the devices that are members of one move its frames and are no
 * ports. Internal to drivers/ethdev; control thread only.
 */
#ifndef ETHDEV_BOND_H
#define ETHDEV_BOND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * At the start, before ports are made: have every bond take the members its device argument names,
 * which it does when it is configured. 0, or -1 with a sentence in @p err.
 */
int bonds_take_members(char *err, size_t errlen);

/** The same for the device @p dev, if it is a bond. False: a member is missing or does not fit. */
bool bond_take_members(uint16_t dev);

/** The members of @p dev to @p list of @p max; 0: it is no bond. How many. */
uint16_t bond_members(uint16_t dev, uint16_t *list, uint16_t max);

/** Whether the device argument @p args of a bond, without its name, has a member by its number. */
bool bond_counts(const char *args);

/**
 * Whether the device @p dev is a bond that speaks LACP (mode=4). Its driver sends what LACP has to
 * say when frames are sent, so something is to be sent every 100 ms, if only no frame.
 */
bool bond_has_lacp(uint16_t dev);

/** Whether the device @p dev is a member of a bond. */
bool bond_has(uint16_t dev);

/** Whether @p devargs is one of a bond that has the device @p dev as a member. */
bool bond_names(const char *devargs, uint16_t dev);

#endif
