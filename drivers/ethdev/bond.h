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

/** Whether the device @p dev is a member of a bond. */
bool bond_has(uint16_t dev);

/** Whether @p devargs is one of a bond that has the device @p dev as a member. */
bool bond_names(const char *devargs, uint16_t dev);

#endif
