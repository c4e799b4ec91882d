/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * The life of a switch and its ports, and settings of them that workers see.
 */
#ifndef SWITCH_SW_PORTS_H
#define SWITCH_SW_PORTS_H

#include <stdbool.h>
#include <stdint.h>

struct dp_intercept;
struct ev_loop;
struct fdb_config;
struct mirror_filter;
struct port;
struct rte_mempool;
struct sw;

/** 0 or -errno. @p fdb_cfg->qsbr and workers are filled in. */
int sw_init(struct sw *s, uint32_t nworkers, const struct fdb_config *fdb_cfg,
	    struct rte_mempool *mp, struct ev_loop *loop);
void sw_fini(struct sw *s); /* closes all ports; workers are offline */

/** Give @p p the lowest free id from p->id on, start and add it. 0, -EEXIST, -ENOSPC, -ENOMEM. */
int sw_port_add(struct sw *s, struct port *p);
/** For kinds of ports: the link, the peer or the datapath of @p p may be another one. */
void sw_port_changed(struct port *p);
/**
 * @p p is about to be removed, as others may be: after the next publication, which the caller
 * makes, sw_port_remove() needs none of its own.
 */
void sw_port_leave(struct port *p);
/** All ports leave, and are published so: to build a snapshot less each of many takes seconds. */
void sw_leave_all(struct sw *s);
/** Take @p p out of the snapshot, flush its addresses, close and free it. */
void sw_port_remove(struct sw *s, struct port *p);
/** The port with the number or the name @p word, or NULL. */
struct port *sw_port_named(const struct sw *s, const char *word);
struct port *sw_port_by_name(const struct sw *s, const char *name);

/** Whether @p p is among those that forward: sw_list_ports(). */
bool sw_port_listed(const struct port *p);

/** Let these forward, from the next sw_publish() on. @p list: ids of ports, each once. */
void sw_list_ports(struct sw *s, const uint16_t *list, uint16_t n);

/**
 * Frames that come in at ports in @p domain < VLAN_DOMAINS, but for tunnels' and ports with an
 * intercept of their own, go to @p i first (NULL: to none), from the next publication on.
 */
void sw_intercept_domain(struct sw *s, uint16_t domain, const struct dp_intercept *i);

/**
 * IP packets of more than @p mtu bytes (0: of none) do not pass all of a domain < VLAN_DOMAINS:
 * ports that can tell their peers do so, from the next publication on.
 */
void sw_limit_mtu(struct sw *s, uint16_t domain, uint16_t mtu);

/** Count bursts from 0 again (WATCH_BURSTS). Publishes. */
void sw_clear_bursts(struct sw *s);

/* MAC control frames (PAUSE) are never relayed: they speak to one end of a link. */
#define SW_GROUP_FWD_MAX 0xfffdu

/**
 * Let the learning switch relay frames to reserved groups 01:80:c2:00:00:0X (802.1Q 8.6.3) that
 * come in at @p p (NULL: at any port), by bit X of @p mask. -EINVAL: not within SW_GROUP_FWD_MAX.
 */
int sw_set_group_fwd(struct sw *s, struct port *p, uint64_t mask);

#define SW_ANY_WORKER UINT64_MAX

/**
 * Have @p worker poll receive queue @p queue of @p p, which the port need not have yet, whenever
 * that worker is active (SW_ANY_WORKER: any may, and the one that does goes on). A queue that
 * changes hands rests for a grace period. -EINVAL: no queue can have that number. -ENOENT: no such
 * worker.
 */
int sw_set_rxq_worker(struct port *p, uint64_t queue, uint64_t worker);

/**
 * Whether addresses are learned from frames that come in at @p p, as they are at first. Switched
 * off, those it has are forgotten.
 */
void sw_set_learning(struct port *p, bool on);

/**
 * Have @p to (NULL: none) get copies of all frames @p p sends and is sent, whatever domain and
 * VLANs it is in itself. -EINVAL: the same port.
 */
int sw_mirror(struct port *p, struct port *to);

/** Let the mirror of @p p have those of its frames only that fit; NULL: all. 0 or -ENOMEM. */
int sw_mirror_filter(struct port *p, const struct mirror_filter *f);

#endif
