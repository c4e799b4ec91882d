/* SPDX-License-Identifier: BSD-3-Clause */
#include "pkt/legend.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include "base/blob.h"
#include "base/counter.h"

#define NAME_MAX_LEN 40

#define AT(field)                                                             \
	{                                                                     \
		offsetof(struct pktq_stats, field) / sizeof(uint64_t), #field \
	}

static const struct {
	size_t word;
	const char *name;
} single[] = {
	AT(frames),    AT(bytes),    AT(offered),     AT(replicated),  AT(broadcast),
	AT(multicast), AT(notified), AT(bad_ip_csum), AT(bad_l4_csum),
};
static_assert(RTE_DIM(single) + PKTQ_SIZE_BINS + DROP_NUM == LEGEND_OWN,
	      "every counter has a name");

/** The name of a counter of this version. */
static void
name_of(size_t word, char *out, size_t len)
{
	const size_t drops = offsetof(struct pktq_stats, drop) / sizeof(uint64_t);
	const size_t sizes = offsetof(struct pktq_stats, size) / sizeof(uint64_t);
	size_t i;

	for (i = 0; i < RTE_DIM(single); i++)
		if (single[i].word == word)
			break;
	if (i < RTE_DIM(single))
		snprintf(out, len, "%s", single[i].name);
	else if (word >= drops)
		snprintf(out, len, "%s", drop_name((enum drop_reason)(word - drops)));
	else
		snprintf(out, len, "size%zu", word - sizes);
}

void
legend_put(struct blob *b, uint16_t type)
{
	char text[LEGEND_OWN * NAME_MAX_LEN];
	size_t word, len = 0;

	for (word = 0; word < LEGEND_OWN; word++) {
		name_of(word, text + len, NAME_MAX_LEN);
		len += strlen(text + len) + 1;
	}
	blob_put_record(b, &(struct blob_record){type, BLOB_MUST_KNOW, (uint32_t)len, 0}, text);
}

static uint16_t
find(const char *name)
{
	char own[NAME_MAX_LEN];
	uint16_t word;

	for (word = 0; word < LEGEND_OWN; word++) {
		name_of(word, own, sizeof(own));
		if (strcmp(own, name) == 0)
			break;
	}
	return word;
}

bool
legend_read(struct legend *l, const void *data, uint32_t len)
{
	const char *p = data, *end = p + len;

	l->n = 0;
	if (len == 0 || end[-1] != '\0')
		return false;
	for (; p < end && l->n < LEGEND_MAX; p += strlen(p) + 1)
		l->to[l->n++] = find(p);
	return p == end;
}

void
legend_values(const struct pktq_stats *s, uint64_t value[LEGEND_OWN])
{
	size_t i;

	for (i = 0; i < LEGEND_OWN; i++)
		value[i] = counter_read((const uint64_t *)s + i);
}

bool
legend_add(const struct legend *l, const void *values, uint32_t len, struct pktq_stats *to)
{
	uint64_t v;
	uint32_t i;

	if (len != l->n * sizeof(v))
		return false;
	for (i = 0; i < l->n; i++) {
		memcpy(&v, (const uint8_t *)values + i * sizeof(v), sizeof(v));
		if (l->to[i] < LEGEND_OWN)
			((uint64_t *)to)[l->to[i]] += v;
	}
	return true;
}
