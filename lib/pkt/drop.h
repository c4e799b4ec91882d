/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Why a frame was not delivered. Every drop in the datapath is counted under
 * exactly one of these, in the stats of the queue whose owner dropped it; so
 * that, per ingress queue,
 *
 *     rx frames = handed on - replicated + sum of drops        (DROP_RX_*)
 *
 * and, per egress queue,
 *
 *     offered = tx frames + sum of drops                       (DROP_TX_*)
 *
 * hold exactly whenever no worker is in the middle of a burst.
 */
#ifndef PKT_DROP_H
#define PKT_DROP_H

/* X(enumerator suffix, name shown to users, meaning) */
#define DROP_REASONS(X)                                                                           \
	X(RX_BAD_CHAIN, "rx_bad_chain", "descriptor chain of the guest is malformed")             \
	X(RX_BAD_OFFLOAD, "rx_bad_offload", "virtio-net header does not fit the frame")           \
	X(RX_RUNT, "rx_runt", "shorter than an Ethernet header")                                  \
	X(RX_TOO_LONG, "rx_too_long", "longer than the largest frame or too many fragments")      \
	X(RX_DISABLED, "rx_disabled", "ring is started but disabled (SET_VRING_ENABLE 0)")        \
	X(RX_BAD_SOURCE, "rx_bad_source", "source address is multicast or zero")                  \
	X(RX_SAME_PORT, "rx_same_port", "destination is behind the port it came from")            \
	X(RX_RESERVED, "rx_reserved", "to a group that bridges do not relay (group-fwd-mask)")    \
	X(RX_FLOOD, "rx_flood", "more copies than one poll makes, from a tunnel or limited port") \
	X(RX_NO_EGRESS, "rx_no_egress", "no port to send it to, or that port is not running")     \
	X(RX_VLAN, "rx_vlan", "not a VLAN of the port's, or a second tag (vlan qinq)")            \
	X(RX_RATE, "rx_rate", "over the port's rate limit")                                       \
	X(RX_STORM, "rx_storm", "over the port's broadcast-storm limit")                          \
	X(RX_LOCKED, "rx_locked", "source address is not the one the port is locked to")          \
	X(RX_GUARD, "rx_guard", "an IP address that the port's guard does not let through")       \
	X(RX_GUARD_DHCP, "rx_guard_dhcp", "from a DHCP server, which the port's guard refuses")   \
	X(RX_GUARD_RA, "rx_guard_ra", "router advertisement or redirect, refused by the guard")   \
	X(RX_GUARD_HIDDEN, "rx_guard_hidden", "headers are cut off, or hidden from the guard")    \
	X(RX_ACL, "rx_acl", "the port's list of rules (acl in) does not let the packet in")       \
	X(RX_ACL_HIDDEN, "rx_acl_hidden", "headers are cut off, or hidden from the acl")          \
	X(RX_CT_FULL, "rx_ct_full", "a connection that there is no room for (conntrack limit)")   \
	X(RX_CT_INVALID, "rx_ct_invalid", "malformed TCP or ICMP header, to a rule that tracks")  \
	X(RX_INJECT, "rx_inject", "announced for the guest (SEND_RARP), but too often")           \
	X(RX_MCAST_BAD, "rx_mcast_bad",                                                           \
	  "malformed message of IGMP, MLD or PIM, where those are snooped")                       \
	X(RX_MCAST_QUERY, "rx_mcast_query",                                                       \
	  "of a multicast router, which the port is not to have")                                 \
	X(RX_MCAST_NONE, "rx_mcast_none", "to a multicast group that no other port has joined")   \
	X(RX_OUTER, "rx_outer", "tunnel frame whose outer header is malformed")                   \
	X(RX_VNI, "rx_vni", "tunnel frame for a VNI that is not configured")                      \
	X(RX_VTEP, "rx_vtep", "tunnel frame from an address that is not a VTEP of its VNI")       \
	X(RX_ECN, "rx_ecn", "congestion was marked on a tunnel frame whose sender knows no ECN")  \
	X(RX_CONSUMED, "rx_consumed", "taken by a mode that only receives")                       \
	X(RX_MERGED, "rx_merged", "delivered as part of the frame before it (GRO)")               \
	X(RX_NO_MEMORY, "rx_no_memory", "no mbuf for a frame that needs one")                     \
	X(RX_SOFT_OFFLOAD, "rx_soft_offload", "segmentation or checksum in software failed")      \
	X(TX_NO_BUFFER, "tx_no_buffer", "receiver has no free buffer (ring full)")                \
	X(TX_TOO_BIG, "tx_too_big", "frame does not fit the receiver's buffer or MTU")            \
	X(TX_BAD_CHAIN, "tx_bad_chain", "receiver's buffer is malformed")                         \
	X(TX_ACL, "tx_acl", "the port's list of rules (acl out) does not let the packet out")     \
	X(TX_ACL_HIDDEN, "tx_acl_hidden", "headers are cut off, or hidden from the acl")          \
	X(TX_CT_FULL, "tx_ct_full", "a connection that there is no room for (conntrack limit)")   \
	X(TX_CT_INVALID, "tx_ct_invalid", "malformed TCP or ICMP header, to a rule that tracks")  \
	X(TX_RATE, "tx_rate", "over the port's egress rate limit")                                \
	X(TX_BROKEN, "tx_broken", "receiver's ring is broken")                                    \
	X(TX_IOTLB, "tx_iotlb", "too many frames wait for an IOMMU translation or a page")        \
	X(TX_NO_MEMORY, "tx_no_memory", "no mbuf for the copy")                                   \
	X(TX_OFFLOAD, "tx_offload", "device cannot finish the frame's checksum or segmentation")  \
	X(TX_MTU, "tx_mtu", "with its tunnel header longer than the way to the VTEP allows")      \
	X(TX_NO_HOP, "tx_no_hop", "no route to the VTEP, or its next hop does not answer")

enum drop_reason {
#define X(sym, name, text) DROP_##sym,
	DROP_REASONS(X) DROP_NUM
#undef X
};

/** Name ("tx_no_buffer") and one-line meaning of a reason; r < DROP_NUM. Any thread. */
const char *drop_name(enum drop_reason r);
const char *drop_text(enum drop_reason r);

#endif
