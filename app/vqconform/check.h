/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A check: a name, the paragraph of a specification that it tests, and a function that runs in a
 * process of its own and ends with a call of outcome.h; one that returns has passed.
 *
 * Paragraphs are those of VIRTIO 1.2, and the titles of sections and messages of the vhost-user
 * protocol (docs/interop/vhost-user.rst of QEMU).
 */
#ifndef VQCONFORM_CHECK_H
#define VQCONFORM_CHECK_H

#include <stdbool.h>
#include <stddef.h>

struct check {
	const char *name; /* GROUP.WORDS */
	const char *paragraph;
	void (*run)(const void *arg);
	const void *arg; /* of run(): what its brothers do with another one; NULL: nothing */
	bool hostile;    /* may end the peer */
};

struct check_group {
	const struct check *check;
	size_t n;
};

extern const struct check_group checks_of_negotiation;
extern const struct check_group checks_of_order;
extern const struct check_group checks_of_formats;
extern const struct check_group checks_of_chains;
extern const struct check_group checks_of_events;
extern const struct check_group checks_of_resets;
extern const struct check_group checks_of_log;
extern const struct check_group checks_of_iommu;
extern const struct check_group checks_of_inflight;
extern const struct check_group checks_of_postcopy;
extern const struct check_group checks_of_faults;

#define CHECK_GROUP(name, checks) \
	const struct check_group name = {checks, sizeof(checks) / sizeof((checks)[0])}

#endif
