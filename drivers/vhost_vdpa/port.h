/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A port of the switch that is the driver of a vhost-vdpa device.
 *
 * Control does not wait for the kernel: the device is opened, read and closed in the port's lane,
 * which posts the result. A device that is not there, busy, gone or in need of a reset is opened
 * again, once a second. A job that is being done when the port ends posts nothing: control's loop
 * may have ended, too. Control thread only, except the jobs.
 */
#ifndef VHOST_VDPA_PORT_H
#define VHOST_VDPA_PORT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/ev.h"
#include "base/lane.h"
#include "base/log.h"
#include "switch/port.h"
#include "vhost_vdpa/link.h"
#include "vhost_vdpa/queue.h"

#define VV_PATH_MAX 108
#define VV_TEXT_MAX 512

/** The device argument. */
struct vv_devargs {
	char name[PORT_NAME_MAX];
	char text[VV_TEXT_MAX]; /* behind the name, as given */
	char path[VV_PATH_MAX];
	bool packed;
	uint32_t pairs;
};

struct vv_port {
	struct port port; /* first member */
	struct vv_devargs args;
	struct link_config cfg;
	struct lane lane;
	struct lane_job job;
	struct ev_work done;     /* of the job */
	bool busy;               /* [ctl] a job is in the lane or its result is posted */
	bool closed;             /* [ctl] the port has ended; set under a lock that jobs take */
	struct link *link;       /* [ctl] that runs; NULL: none */
	struct link *made;       /* [job] while it is busy */
	int result;              /* [job] likewise */
	char err[160];           /* [job] likewise; then why there is no link */
	char told[160];          /* [ctl] what the log has said of it */
	struct ev_timer again;   /* open it, or look whether it is there */
	struct ev_source config; /* the device's configuration has changed */
	struct log_limit log_limit;
	uint64_t connects;
	char few[LINK_FEW_MAX]; /* link->few, while there is one */
	struct vv_rxq *rx[LINK_PAIRS_MAX];
	struct vv_txq *tx[LINK_PAIRS_MAX];
};

static inline struct vv_port *
vv_of(const struct port *p)
{
	return (struct vv_port *)(uintptr_t)p;
}

/** Make the port and have the device opened. NULL with a sentence in r->err. */
struct port *vv_port_new(const struct port_request *r, const struct vv_devargs *a);

/** report.c */
void vv_argument(const struct port *p, FILE *out);
bool vv_same(const struct port *p, const struct port_request *r);
void vv_facts(const struct port *p, const struct port_defaults *d, struct port_facts *out);
void vv_show(const struct port *p, FILE *out);
uint32_t vv_details(const struct port *p, struct port_detail *out);
void vv_negotiation(const struct port *p, FILE *out);
void vv_datapath(const struct port *p, FILE *out);

/** kind.c: 0, or -EINVAL with a sentence in @p r->err. */
int vv_devargs_of(const struct port_request *r, struct vv_devargs *a);

#endif
