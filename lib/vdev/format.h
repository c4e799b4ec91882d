/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data format of a guest: which byte order its rings and headers have.
 *
 * No message states it alone, so it is derived when a ring starts, never earlier, from the facts
 * known then. The rules in their order:
 *
 *   1. VIRTIO_F_VERSION_1 acked: modern, whatever byte order was stated.
 *   2. A byte order stated for the ring (SET_VRING_ENDIAN): legacy of that order.
 *   3. A format bit (private protocol features 61-63) or the port's policy.
 *   4. The order of this host, as QEMU means it when it says nothing.
 *
 * Statements that contradict each other are refused with a reason: a ring read
 * in the wrong order corrupts the guest. Pure functions; any thread.
 */
#ifndef VDEV_FORMAT_H
#define VDEV_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

enum vdev_format { VDEV_MODERN, VDEV_LEGACY_LE, VDEV_LEGACY_BE, VDEV_FORMAT_NUM };

/**
 * A set of formats, 1 << enum vdev_format: what a port can serve, what a front-end said it needs.
 */
#define VDEV_FORMATS_ALL ((1u << VDEV_FORMAT_NUM) - 1)

/**
 * What the operator wants of a port: X(symbol, word, formats it allows). "auto" takes a forced one
 * back.
 */
#define VDEV_POLICIES(X)                                 \
	X(ANY, "any", VDEV_FORMATS_ALL)                  \
	X(MODERN_ONLY, "modern-only", 1u << VDEV_MODERN) \
	X(LEGACY_LE, "legacy-le", 1u << VDEV_LEGACY_LE)  \
	X(LEGACY_BE, "legacy-be", 1u << VDEV_LEGACY_BE)  \
	X(AUTO, "auto", VDEV_FORMATS_ALL)

enum vdev_policy {
#define X(sym, word, formats) VDEV_POLICY_##sym,
	VDEV_POLICIES(X)
#undef X
		VDEV_POLICY_NUM
};

/** The facts about one ring's format. */
struct vdev_format_facts {
	uint64_t features; /* acked virtio features */
	uint32_t needed;   /* formats acked with the format bits: one, or 0 when none was */
	bool endian_set;   /* stated for this ring ... */
	bool big_endian;   /* ... with this value */
	enum vdev_policy policy;
};

struct vdev_format_verdict {
	enum vdev_format format; /* valid when refused is NULL */
	const char *how;         /* static: by which statement it was decided */
	const char *refused;     /* static: the contradiction, or NULL */
};

struct vdev_format_verdict vdev_format_decide(const struct vdev_format_facts *f);

/** "modern", "legacy-le", "legacy-be" */
const char *vdev_format_name(enum vdev_format f);

const char *vdev_policy_name(enum vdev_policy p);

/** Whether @p word names a policy, and which. */
bool vdev_policy_parse(const char *word, enum vdev_policy *out);

/** The formats @p p allows, as a set. */
uint32_t vdev_policy_formats(enum vdev_policy p);

/**
 * Features that may be offered under @p p: without VERSION_1 and what needs it when only legacy is
 * allowed.
 */
uint64_t vdev_policy_features(enum vdev_policy p, uint64_t features);

#endif
