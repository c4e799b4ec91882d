/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * The VLANs of all domains, and those a port carries.
 */
#ifndef SWITCH_VLAN_TABLE_H
#define SWITCH_VLAN_TABLE_H

#include "switch/vlan.h"

struct port;
struct sw;

/** Numbers of the VLANs of all domains. [ctl] */
struct vlan_table {
	uint32_t n;
	struct {
		uint16_t domain, id;
	} owner[VLAN_FID_MIRROR - VLAN_FID_FIRST];
	uint16_t *fid[VLAN_DOMAINS]; /* by VLAN; 0: none yet; NULL: the domain has none */
};

/** Whether both say the same. Any thread. */
bool vlan_config_same(const struct vlan_config *a, const struct vlan_config *b);

/** Set the VLANs of a port. 0, -EINVAL (no such VLAN), -ENOSPC (too many in all), -ENOMEM. */
int port_set_vlan(struct port *p, const struct vlan_config *c);

/**
 * Domain and VLANs of a port that no snapshot has; the caller publishes. Same errors, -EINVAL for
 * the domain, too.
 */
int port_begin_vlan(struct port *p, uint16_t domain, const struct vlan_config *c);

/** Move a port and its VLANs to another domain below VLAN_DOMAINS. Same errors. */
int port_set_domain(struct port *p, uint16_t domain);

/** The number of VLAN @p id in @p domain to *@p fid; 0: the domain itself. Same errors. */
int vlan_fid(struct sw *s, uint16_t domain, uint16_t id, uint16_t *fid);

/** The domain and VLAN of an FID; *@p id is 0 when it is in no VLAN. */
void vlan_of_fid(const struct sw *s, uint16_t fid, uint16_t *domain, uint16_t *id);

/** A port has @p v no more; NULL is fine. The last one frees it: no worker sees it. */
void vlan_put(struct dp_vlan *v);

void vlan_table_free(struct vlan_table *t);

#endif
