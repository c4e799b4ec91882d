/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The options after "--": dpdk-testpmd's with their meaning there, and ours.
 * One table row each; --help is printed from the table.
 */
#ifndef APP_OPTIONS_H
#define APP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <rte_ether.h>

#include "switch/dataplane.h"
#include "switch/port.h"
#include "switch/sw.h"

#define OPT_PEERS_MAX 64
#define OPT_TXPKTS_MAX 8 /* segments, testpmd's limit */

#define OPT_BURST_MAX 512 /* testpmd's */
#define OPT_QUEUES_MAX 1024
#define OPT_LEN_MIN 65 /* of the longest frame */
#define OPT_LEN_MAX 65600
#define OPT_FDB_MAX 16777216
#define OPT_AGE_MAX 1000000

#define OPT_UNSET UINT32_MAX

#define OPT_TOPOLOGIES (SW_LOOP + 1)
extern const char *const options_topologies[OPT_TOPOLOGIES]; /* names */

struct opt_peer {
	uint16_t port;
	struct rte_ether_addr mac;
};

struct options {
	/* running */
	bool help;
	bool version;
	bool print_commands;
	bool interactive;
	bool auto_start;
	bool tx_first;
	bool disable_device_start;
	bool record_core_cycles;
	bool record_burst_stats;
	bool disable_link_check;
	uint32_t stats_period; /* seconds, 0: never */
	const char *cmdline_file;

	/* forwarding */
	const char *forward_mode; /* NULL: the program's default */
	enum sw_topology topology;
	uint32_t nb_cores, nb_ports; /* 0: all */
	uint64_t coremask, portmask; /* 0: not given */
	const char *portlist;
	uint32_t burst;
	uint32_t rxq, txq; /* OPT_UNSET: what each port has */
	uint32_t rxd, txd;
	uint32_t rxfreet, txfreet, txrst;
	uint64_t rx_offloads, tx_offloads;
	uint32_t max_pkt_len;
	uint32_t ntxpkts;
	uint32_t txpkts[OPT_TXPKTS_MAX];
	uint32_t npeers;
	struct opt_peer peer[OPT_PEERS_MAX];
	struct fwd_gen_flow tx_flow;
	bool txonly_multi_flow;
	uint32_t flowgen_flows;

	/* memory */
	uint32_t total_num_mbufs;
	uint32_t mbuf_size;
	uint32_t mbcache;

	/* ours */
	bool poll;
	uint32_t idle_us;
	uint32_t fdb_limit, fdb_port_limit, fdb_age;
	const char *state_dir;
	bool no_keep;
	const char *upgrade_from; /* control socket; NULL: from no process */
	bool check;
	const char *control; /* NULL: in the state directory, if there is one */
	mode_t control_mode;
	bool no_control;
	const char *metrics; /* NULL: none */
	mode_t socket_mode;
	uid_t socket_owner;
	gid_t socket_group;
};

void options_init(struct options *o);

/** 0, or -EINVAL with a sentence in @p err. Keeps pointers into @p argv. */
int options_parse(struct options *o, int argc, char **argv, char *err, size_t errlen);

void options_usage(FILE *out, const char *prog);

#endif
