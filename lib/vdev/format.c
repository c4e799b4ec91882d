/* SPDX-License-Identifier: BSD-3-Clause */
/* The data format of a guest; the rules are in format.h. */
#include <assert.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <rte_byteorder.h>
#include <rte_common.h>

#include "vdev/format.h"

static const char *const format_name[] = {
	[VDEV_MODERN] = "modern",
	[VDEV_LEGACY_LE] = "legacy-le",
	[VDEV_LEGACY_BE] = "legacy-be",
};
static_assert(RTE_DIM(format_name) == VDEV_FORMAT_NUM, "format_name[] is incomplete");

static const struct {
	const char *word;
	uint32_t formats;
} policy_row[] = {
#define X(sym, name, set) [VDEV_POLICY_##sym] = {name, set},
	VDEV_POLICIES(X)
#undef X
};
static_assert(RTE_DIM(policy_row) == VDEV_POLICY_NUM, "policy_row[] is incomplete");

const char *
vdev_format_name(enum vdev_format f)
{
	return f < VDEV_FORMAT_NUM ? format_name[f] : "?";
}

const char *
vdev_policy_name(enum vdev_policy p)
{
	return p < VDEV_POLICY_NUM ? policy_row[p].word : "?";
}

uint32_t
vdev_policy_formats(enum vdev_policy p)
{
	return policy_row[p].formats;
}

bool
vdev_policy_parse(const char *word, enum vdev_policy *out)
{
	size_t i;

	for (i = 0; i < RTE_DIM(policy_row); i++) {
		if (strcmp(word, policy_row[i].word) == 0) {
			*out = (enum vdev_policy)i;
			return true;
		}
	}
	return false;
}

uint64_t
vdev_policy_features(enum vdev_policy p, uint64_t features)
{
	if (policy_row[p].formats & (1u << VDEV_MODERN))
		return features;
	return features & UINT32_MAX;
}

static enum vdev_format
host_order(void)
{
	return RTE_BYTE_ORDER == RTE_BIG_ENDIAN ? VDEV_LEGACY_BE : VDEV_LEGACY_LE;
}

/** The only format in @p set, or VDEV_FORMAT_NUM when there are none or several. */
static enum vdev_format
only_one(uint32_t set)
{
	switch (set) {
	case 1u << VDEV_MODERN:
		return VDEV_MODERN;
	case 1u << VDEV_LEGACY_LE:
		return VDEV_LEGACY_LE;
	case 1u << VDEV_LEGACY_BE:
		return VDEV_LEGACY_BE;
	default:
		return VDEV_FORMAT_NUM;
	}
}

/** The format by the first statement there is; later ones are checked against it. */
static struct vdev_format_verdict
derive(const struct vdev_format_facts *f)
{
	enum vdev_format needed = only_one(f->needed);
	enum vdev_format forced = only_one(vdev_policy_formats(f->policy));

	if (f->features & 1ull << VIRTIO_F_VERSION_1)
		return (struct vdev_format_verdict){VDEV_MODERN, "VIRTIO_F_VERSION_1 was acked",
						    NULL};
	if (f->endian_set)
		return (struct vdev_format_verdict){f->big_endian ? VDEV_LEGACY_BE : VDEV_LEGACY_LE,
						    "no VERSION_1, byte order stated by the "
						    "front-end",
						    NULL};
	if (needed == VDEV_LEGACY_LE || needed == VDEV_LEGACY_BE)
		return (struct vdev_format_verdict){needed, "the front-end acked its format bit",
						    NULL};
	if (forced == VDEV_LEGACY_LE || forced == VDEV_LEGACY_BE)
		return (struct vdev_format_verdict){forced, "forced by the port's policy", NULL};
	return (struct vdev_format_verdict){host_order(),
					    "no VERSION_1 and no byte order stated: the host's",
					    NULL};
}

struct vdev_format_verdict
vdev_format_decide(const struct vdev_format_facts *f)
{
	static const char *const against_bit[] = {
		[VDEV_MODERN] = "the front-end's format bit says legacy but VERSION_1 was acked",
		[VDEV_LEGACY_LE] =
			"the front-end's format bit does not allow a little-endian legacy ring",
		[VDEV_LEGACY_BE] =
			"the front-end's format bit does not allow a big-endian legacy ring",
	};
	static const char *const against_policy[] = {
		[VDEV_MODERN] = "the port is forced to a legacy format but the guest is modern",
		[VDEV_LEGACY_LE] = "the port's policy does not allow a little-endian legacy guest",
		[VDEV_LEGACY_BE] = "the port's policy does not allow a big-endian legacy guest",
	};
	struct vdev_format_verdict v = derive(f);

	if ((f->needed & (f->needed - 1)) != 0)
		v.refused = "more than one format bit was acked";
	else if (f->needed != 0 && !(f->needed & (1u << v.format)))
		v.refused = against_bit[v.format];
	else if (!(vdev_policy_formats(f->policy) & (1u << v.format)))
		v.refused = against_policy[v.format];
	return v;
}
