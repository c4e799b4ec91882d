/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /vqswitch/... endpoints of rte_telemetry, for dpdk-telemetry.py and the like.
 *
 * rte_telemetry has a thread per client. Such a thread has control collect the
 * answer (ctl_call()), so nothing here needs a lock.
 */
#ifndef APP_TELEMETRY_H
#define APP_TELEMETRY_H

struct app;

/** Register the endpoints; after rte_eal_init(), once. Control thread. */
void telemetry_init(struct app *app);

/** Answer the queries under way and refuse all others. Before the event loop is freed. */
void telemetry_fini(struct app *app);

#endif
