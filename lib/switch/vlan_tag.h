/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * Tags of 802.1Q, in views of frames.
 */
#ifndef SWITCH_VLAN_TAG_H
#define SWITCH_VLAN_TAG_H

#include "switch/vlan.h"

/** Take the tag off @p p, tag and inner type are copies. False: there is none to take off whole. */
bool vlan_pop(struct pkt *p, uint16_t *tci);

/**
 * A view of @p p with a tag of type 0x8100, which lies in @p header; fragments come from @p batch.
 * False: it has no room for one more.
 */
bool vlan_push(struct pkt *view, const struct pkt *p, uint8_t *header, uint16_t tci,
	       struct pkt_batch *batch);

#endif
