/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Poll-mode workers: every lcore but the main one.
 */
#ifndef APP_WORKER_H
#define APP_WORKER_H

struct app;

/** Make a struct worker for every worker lcore. 0 or -ENOMEM. */
int workers_init(struct app *app);

/** Let them run; the first snapshot has been published. */
void workers_launch(struct app *app);

/** End and wait for them. */
void workers_join(struct app *app);
void workers_fini(struct app *app);

#endif
