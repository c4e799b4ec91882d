/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Headers that most files include, for builds in which they are compiled in advance (by
 * test/precompile and for the fuzzers). They are read before each file; clang-tidy, which does
 * without, shows that files include what they use (test/lint/tidy.py).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if __has_include(<rte_ethdev.h>) /* not all programs are made with DPDK */
#include <rte_config.h>
#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_hash.h>
#include <rte_mbuf.h>
#include <rte_ring_elem.h>
#endif
