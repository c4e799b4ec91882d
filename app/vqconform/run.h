/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs one check in a process of its own, which is ended at its deadline. */
#ifndef VQCONFORM_RUN_H
#define VQCONFORM_RUN_H

#include "check.h"
#include "outcome.h"

/** @p deadline_ms: after which the check is ended, and has failed. */
struct outcome run_check(const struct check *c, int deadline_ms);

#endif
