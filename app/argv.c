/* SPDX-License-Identifier: BSD-3-Clause */
#include "argv.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>

#include "kinds.h"

/* Options that choose lcores; any of them means the user has decided. */
static bool
chooses_lcores(const char *arg)
{
	static const char *const options[] = {"-l", "-c", "-s", "-S", "--lcores"};

	for (size_t i = 0; i < RTE_DIM(options); i++) {
		if (strncmp(arg, options[i], strlen(options[i])) == 0)
			return true;
	}
	return false;
}

/* The device of "--vdev=DEV" or "--vdev DEV" at argv[i]; @p words: how many those are. */
static const char *
vdev_at(char **argv, int end, int i, int *words)
{
	*words = 1;
	if (strncmp(argv[i], "--vdev=", 7) == 0)
		return argv[i] + 7;
	if (strcmp(argv[i], "--vdev") != 0 || i + 1 >= end)
		return NULL;
	*words = 2;
	return argv[i + 1];
}

static int
only_cpu(void)
{
	cpu_set_t set;
	int cpu = 0;

	if (sched_getaffinity(0, sizeof(set), &set) < 0 || CPU_COUNT(&set) != 1)
		return -1;
	while (!CPU_ISSET(cpu, &set))
		cpu++;
	return cpu;
}

static void
share_only_cpu(struct argv_split *s)
{
	static char lcores[64];
	int cpu = only_cpu();

	if (cpu < 0)
		return;
	snprintf(lcores, sizeof(lcores), "--lcores=0@%d,1@%d", cpu, cpu);
	s->eal_argv[s->eal_argc++] = lcores;
}

int
argv_split(int argc, char **argv, struct argv_split *s)
{
	bool lcores = false;
	int end = 1;

	while (end < argc && strcmp(argv[end], "--") != 0)
		end++;
	*s = (struct argv_split){0};
	/* one more than there are, for --lcores, and the NULL that ends an argv */
	s->eal_argv = calloc((size_t)end + 2, sizeof(*s->eal_argv));
	s->argv = calloc((size_t)(argc - end) + 2, sizeof(*s->argv));
	s->eal_vdev = calloc((size_t)end + 1, sizeof(*s->eal_vdev));
	if (s->eal_argv == NULL || s->argv == NULL || s->eal_vdev == NULL) {
		argv_free(s);
		return -ENOMEM;
	}
	s->eal_argv[s->eal_argc++] = argv[0];
	s->argv[s->argc++] = argv[0];
	for (int i = 1, words; i < end; i += words) {
		const char *dev = vdev_at(argv, end, i, &words);

		if (dev != NULL)
			s->eal_vdev[s->eal_nvdev++] = dev;
		if (dev != NULL && kind_is_ours(dev))
			continue;
		lcores |= chooses_lcores(argv[i]);
		memcpy(s->eal_argv + s->eal_argc, argv + i, (size_t)words * sizeof(*argv));
		s->eal_argc += words;
	}
	for (int i = end + 1; i < argc; i++)
		s->argv[s->argc++] = argv[i];
	if (!lcores)
		share_only_cpu(s);
	return 0;
}

/* "-a X", "-aX", "--allow X", "--allow=X": one device each. */
static bool
allows_device(const char *arg)
{
	return strncmp(arg, "-a", 2) == 0 || strncmp(arg, "--allow", 7) == 0;
}

int
argv_rehearse(struct argv_split *s)
{
	static char alone[][32] = {"--no-huge",
				   "-m",
				   "256",
				   "--no-shconf",
				   "--no-pci",
				   "--no-telemetry",
				   "--log-level",
				   "lib.*:warning",
				   "--file-prefix=vqswitch-check"};
	/* the first ports are NICs: numbers of the others must be the same */
	static char nic[RTE_MAX_ETHPORTS][32];
	char **words = calloc((size_t)s->eal_argc + RTE_DIM(alone) + 1, sizeof(*words));
	unsigned int nnic = 0;
	int n = 0;

	if (words == NULL)
		return -ENOMEM;
	words[n++] = s->eal_argv[0];
	for (int i = 1; i < s->eal_argc; i++) {
		if (allows_device(s->eal_argv[i]) && nnic < RTE_DIM(nic)) {
			snprintf(nic[nnic], sizeof(nic[0]), "--vdev=net_null_nic%u", nnic);
			words[n++] = nic[nnic++];
		}
		if (!chooses_lcores(s->eal_argv[i]))
			continue;
		words[n++] = s->eal_argv[i];
		if (i + 1 < s->eal_argc && s->eal_argv[i + 1][0] != '-')
			words[n++] = s->eal_argv[++i];
	}
	for (size_t i = 0; i < RTE_DIM(alone); i++)
		words[n++] = alone[i];
	free(s->eal_argv);
	s->eal_argv = words;
	s->eal_argc = n;
	return 0;
}

/* Options of EAL after which a file-prefix of its own means nothing, or huge pages are not kept. */
static bool
has_option(const struct argv_split *s, const char *option)
{
	for (int i = 1; i < s->eal_argc; i++)
		if (strncmp(s->eal_argv[i], option, strlen(option)) == 0)
			return true;
	return false;
}

/* Network devices, which the predecessor still has: those it hands over are opened in the stop. */
static bool
is_network_device(const char *dev)
{
	static const char *const prefixes[] = {"net_", "eth_", "virtio_user"};
	bool found = false;

	for (size_t i = 0; dev != NULL && i < RTE_DIM(prefixes); i++)
		found |= strncmp(dev, prefixes[i], strlen(prefixes[i])) == 0;
	return found;
}

int
argv_beside(struct argv_split *s)
{
	static char prefix[48], unlinked[] = "--huge-unlink=always";
	char **words = calloc((size_t)s->eal_argc + 3, sizeof(*words));
	int n = 0;

	if (words == NULL)
		return -ENOMEM;
	for (int i = 0, len; i < s->eal_argc; i += len) {
		if (is_network_device(vdev_at(s->eal_argv, s->eal_argc, i, &len)))
			continue;
		memcpy(words + n, s->eal_argv + i, (size_t)len * sizeof(*words));
		n += len;
	}
	snprintf(prefix, sizeof(prefix), "--file-prefix=vqswitch-%d", getpid());
	if (!has_option(s, "--in-memory"))
		s->eal_prefix = words[n++] = prefix;
	if (!has_option(s, "--in-memory") && !has_option(s, "--no-huge") &&
	    !has_option(s, "--huge-unlink"))
		words[n++] = unlinked;
	free(s->eal_argv);
	s->eal_argv = words;
	s->eal_argc = n;
	return 0;
}

int
argv_upgrade_from(int argc, char **argv, int i)
{
	const size_t name = strlen(ARGV_UPGRADE_FROM) - 1; /* without the '=' */

	if (strncmp(argv[i], ARGV_UPGRADE_FROM, name) != 0)
		return 0;
	if (argv[i][name] == '\0')
		return i + 1 < argc ? 2 : 1;
	return argv[i][name] == '=';
}

char **
argv_successor(int argc, char **argv, const char *program, char *option)
{
	char **words = calloc((size_t)argc + 3, sizeof(*words));
	static char dashes[] = "--";
	bool split = false;
	int n = 0;

	if (words == NULL)
		return NULL;
	words[n++] = program != NULL ? (char *)(uintptr_t)program : argv[0];
	for (int i = 1, skip; i < argc; i += RTE_MAX(skip, 1)) {
		skip = argv_upgrade_from(argc, argv, i);
		split |= skip == 0 && strcmp(argv[i], dashes) == 0;
		if (skip == 0)
			words[n++] = argv[i];
	}
	if (!split)
		words[n++] = dashes;
	words[n++] = option;
	return words;
}

void
argv_free(struct argv_split *s)
{
	free(s->eal_argv);
	free(s->argv);
	free(s->eal_vdev);
}
