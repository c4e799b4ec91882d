/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every reason against a device that is known before rings are handed over, for
 * kinds of devices with different capabilities. With an argument the program
 * prints the table of doc/compat.md instead, which is compared with it where
 * VQS_SOURCE says where the source is.
 */
#include <limits.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "owner.h"
#include "vdev/engine.h"
#include "vhost_user/wire.h"

#define MODERN (F(VERSION_1) | F(PROTOCOL_FEATURES))
#define MRG_RXBUF (1ull << 15)
#define SIZE 64

/* --- devices --- */

static const char *
never(const struct engine *e, const struct vdev *d)
{
	return NULL;
}

static const struct engine_ops ops = {.check = never};

/*
 * In the table's columns. The second has what the mlx5 driver of DPDK 22.11 reports for a card, the
 * third what a VDUSE device of ours offers by way of Linux 6.12.
 */
static struct engine kinds[] = {
	{.ops = &ops,
	 .name = "sim",
	 .caps = {.formats = 1u << VDEV_MODERN | 1u << VDEV_LEGACY_LE, .queue_pairs = 8}},
	{.ops = &ops,
	 .name = "mlx5",
	 .caps = {.features = 0x114c60180bull,
		  .formats = 1u << VDEV_MODERN | 1u << VDEV_LEGACY_LE,
		  .queue_pairs = 8,
		  .regions = VHU_MEM_TABLE_MAX,
		  .pins = true,
		  .ipc_lock = true}},
	{.ops = &ops,
	 .name = "vhost-vdpa",
	 .caps = {.formats = 1u << VDEV_MODERN, .queue_pairs = 1}},
	{.ops = &ops,
	 .name = "least",
	 .caps = {.features = F(VERSION_1),
		  .formats = 1u << VDEV_MODERN,
		  .queue_pairs = 1,
		  .regions = 1,
		  .pins = true}},
};

/* --- guests --- */

static struct owner o;
static const char *needs;

static const char *
needs_software(const struct vdev *d)
{
	return needs;
}

static void
modern(void)
{
	owner_start(&o, MODERN, SIZE);
}

static void
mergeable(void)
{
	owner_start(&o, MODERN | MRG_RXBUF, SIZE);
}

static void
packed(void)
{
	owner_start(&o, MODERN | F(RING_PACKED), SIZE);
}

static void
legacy_le(void)
{
	owner_start(&o, F(PROTOCOL_FEATURES), SIZE);
}

static void
legacy_be(void)
{
	vdev_set_policy(o.d, VDEV_POLICY_LEGACY_BE);
	owner_start(&o, F(PROTOCOL_FEATURES), SIZE);
}

static void
iommu(void)
{
	owner_start(&o, MODERN | F(ACCESS_PLATFORM), SIZE);
}

static void
logging(void)
{
	owner_start(&o, MODERN, SIZE);
	assert_int_equal(vdev_set_features(o.d, MODERN | F(LOG_ALL)), 0);
}

static void
two_pairs(void)
{
	owner_start(&o, MODERN, SIZE);
	owner_start_ring(&o, 2, SIZE, 0);
	owner_start_ring(&o, 3, SIZE, 0);
}

/** The guest's memory in @p n parts of the same size. */
static void
regions(uint32_t n)
{
	const uint64_t size = OWNER_MEM / 16;
	struct gmem *m = gmem_new(), *next;
	const char *why;

	owner_start(&o, MODERN, SIZE);
	for (uint32_t i = 0; i < n; i++) {
		const struct gmem_desc part = owner_region(i * size, size);

		next = gmem_add(m, &part, o.memfd, &o.d->fault, &why);
		assert_non_null(next);
		gmem_put(m);
		m = next;
	}
	assert_int_equal(vdev_set_mem(o.d, m), 0);
	vdev_sync(o.d);
}

static void
two_regions(void)
{
	regions(2);
}

static void
nine_regions(void)
{
	regions(VHU_MEM_TABLE_MAX + 1);
}

static void
post_copy(void)
{
	owner_start(&o, MODERN, SIZE);
	vdev_set_arriving(o.d, true);
}

static void
set_ipc_lock(bool on)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	assert_int_equal(syscall(SYS_capget, &header, data), 0);
	data[0].effective &= ~CAP_TO_MASK(CAP_IPC_LOCK);
	if (on)
		data[0].effective |= data[0].permitted & CAP_TO_MASK(CAP_IPC_LOCK);
	assert_int_equal(syscall(SYS_capset, &header, data), 0);
}

static bool
has_ipc_lock(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	assert_int_equal(syscall(SYS_capget, &header, data), 0);
	return data[0].effective & CAP_TO_MASK(CAP_IPC_LOCK);
}

static void
memlock(void)
{
	struct rlimit rl;

	owner_start(&o, MODERN, SIZE);
	set_ipc_lock(false);
	assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &rl), 0);
	rl.rlim_cur = OWNER_MEM / 2;
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &rl), 0);
}

static void
work(void)
{
	owner_start(&o, MODERN, SIZE);
	needs = "the port is mirrored";
}

static void
operators_word(void)
{
	owner_start(&o, MODERN, SIZE);
	vdev_set_hw(o.d, VDEV_HW_NEVER);
}

/* --- the table --- */

#define LOG "a migration has writes logged and it has no dirty log"
#define IOMMU "the guest's buffers are behind an IOMMU"
#define CANNOT ", which it cannot serve"
#define PAGES "a post-copy migration has yet to bring pages of the guest's memory"

static const struct row {
	const char *guest;
	void (*make)(void);
	const char *why[RTE_DIM(kinds)]; /* the reason's beginning; NULL: hardware takes over */
} rows[] = {
	{"modern, split ring", modern, {NULL, NULL, NULL, NULL}},
	{"mergeable buffers",
	 mergeable,
	 {NULL, "the guest negotiated VIRTIO_NET_F_MRG_RXBUF (bit 15)" CANNOT, NULL,
	  "the guest negotiated VIRTIO_NET_F_MRG_RXBUF (bit 15)" CANNOT}},
	{"packed ring",
	 packed,
	 {NULL, "the guest negotiated VIRTIO_F_RING_PACKED (bit 34)" CANNOT,
	  "the guest negotiated VIRTIO_F_RING_PACKED (bit 34)" CANNOT,
	  "the guest negotiated VIRTIO_F_RING_PACKED (bit 34)" CANNOT}},
	{"legacy, little-endian",
	 legacy_le,
	 {NULL, NULL, "the guest's data format is legacy-le" CANNOT,
	  "the guest's data format is legacy-le" CANNOT}},
	{"legacy, big-endian",
	 legacy_be,
	 {"the guest's data format is legacy-be" CANNOT,
	  "the guest's data format is legacy-be" CANNOT,
	  "the guest's data format is legacy-be" CANNOT,
	  "the guest's data format is legacy-be" CANNOT}},
	{"behind an IOMMU", iommu, {IOMMU, IOMMU, IOMMU, IOMMU}},
	{"writes are logged",
	 logging,
	 {LOG, "a migration has writes logged, which software does (migrate=software)", LOG, LOG}},
	{"two queue pairs",
	 two_pairs,
	 {NULL, NULL, "the guest uses 2 queue pairs and it has 1",
	  "the guest uses 2 queue pairs and it has 1"}},
	{"two memory regions",
	 two_regions,
	 {NULL, NULL, NULL, "the guest has 2 memory regions and it takes 1"}},
	{"nine memory regions",
	 nine_regions,
	 {NULL, "the guest has 9 memory regions and it takes 8", NULL,
	  "the guest has 9 memory regions and it takes 1"}},
	{"pages have yet to come (post-copy)", post_copy, {PAGES, PAGES, PAGES, PAGES}},
	{"more memory than RLIMIT_MEMLOCK, no CAP_IPC_LOCK",
	 memlock,
	 {NULL, "it locks the guest's memory", NULL, "it locks the guest's memory"}},
	{"the port is mirrored",
	 work,
	 {"the port is mirrored", "the port is mirrored", "the port is mirrored",
	  "the port is mirrored"}},
	{"hw=never",
	 operators_word,
	 {"the operator has software move the frames (hw=never)",
	  "the operator has software move the frames (hw=never)",
	  "the operator has software move the frames (hw=never)",
	  "the operator has software move the frames (hw=never)"}},
};

static void
test_refusals(void **state)
{
	struct vdev_ops with_needs = owner_ops;
	char buf[ENGINE_WHY_MAX];
	struct rlimit before;

	with_needs.needs_software = needs_software;
	kinds[0].caps.features = vdev_features_all() & ~(F(LOG_ALL) | F(ACCESS_PLATFORM));
	kinds[2].caps.features = kinds[0].caps.features & ~(F(RING_PACKED) | F(NET_MQ));
	assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &before), 0);
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		owner_init(&o, NULL);
		o.d->cfg.ops = &with_needs;
		needs = NULL;
		rows[i].make();
		for (size_t k = 0; k < RTE_DIM(kinds); k++) {
			const char *why = engine_against(&kinds[k], o.d, buf, sizeof(buf));

			if (rows[i].why[k] == NULL)
				assert_null(why);
			else if (why == NULL)
				fail_msg("%s by %s: no reason", rows[i].guest, kinds[k].name);
			else
				assert_memory_equal(why, rows[i].why[k], strlen(rows[i].why[k]));
		}
		assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &before), 0);
		set_ipc_lock(true);
		owner_fini(&o);
	}
}

/* Drivers of InfiniBand and VFIO do not limit a process that has CAP_IPC_LOCK; vhost_vdpa does. */
static void
test_memlock_of_the_privileged(void **state)
{
	char buf[ENGINE_WHY_MAX];
	struct rlimit before;

	assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &before), 0);
	owner_init(&o, NULL);
	memlock();
	set_ipc_lock(true);
	assert_int_equal(engine_against(&kinds[1], o.d, buf, sizeof(buf)) == NULL, has_ipc_lock());
	assert_non_null(engine_against(&kinds[3], o.d, buf, sizeof(buf)));
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &before), 0);
	owner_fini(&o);
}

static void
print_table(FILE *out)
{
	fprintf(out, "| guest or port |");
	for (size_t k = 0; k < RTE_DIM(kinds); k++)
		fprintf(out, " %s |", kinds[k].name);
	fprintf(out, "\n| --- | --- | --- | --- | --- |\n");
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		fprintf(out, "| %s |", rows[i].guest);
		for (size_t k = 0; k < RTE_DIM(kinds); k++)
			fprintf(out, " %s |", rows[i].why[k] != NULL ? rows[i].why[k] : "yes");
		fprintf(out, "\n");
	}
}

/** All of the document; freed by the caller. */
static char *
document(const char *source)
{
	char path[PATH_MAX], *text = NULL;
	size_t len = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/doc/compat.md", source);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_true(getdelim(&text, &len, '\0', f) > 0);
	fclose(f);
	return text;
}

/* The document says what was tested: "test_refusals print" prints it. */
static void
test_document(void **state)
{
	const char *source = getenv("VQS_SOURCE");
	char *text, *table = NULL;
	size_t len;
	FILE *f;

	if (source == NULL)
		skip();
	f = open_memstream(&table, &len);
	assert_non_null(f);
	print_table(f);
	fclose(f);
	text = document(source);
	if (strstr(text, table) == NULL)
		fail_msg("doc/compat.md has another table than this:\n%s", table);
	free(text);
	free(table);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_memlock_of_the_privileged),
		cmocka_unit_test(test_document),
	};

	if (argc <= 1)
		return cmocka_run_group_tests(tests, NULL, NULL);
	print_table(stdout);
	return 0;
}
