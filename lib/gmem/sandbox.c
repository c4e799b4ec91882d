/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_common.h>

#include "gmem/sandbox.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#undef ARCH
#endif

/* To set the capabilities there are is always granted, but by a filter. */
bool
sandbox_may_drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct now[_LINUX_CAPABILITY_U32S_3] = {{0}};

	return syscall(SYS_capget, &header, now) == 0 && syscall(SYS_capset, &header, now) == 0;
}

bool
sandbox_drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

	return syscall(SYS_capset, &header, none) == 0;
}

#ifdef ARCH
static const uint32_t allowed[] = {
	SYS_recvmsg,    SYS_sendmsg,      SYS_ioctl,           SYS_mmap,
	SYS_munmap,     SYS_mincore,      SYS_futex,           SYS_close,
	SYS_exit_group, SYS_rt_sigreturn, SYS_restart_syscall,
};

#define CHECKS (3 + RTE_DIM(allowed) + 2)

/** A comparison for each call; a match jumps to the last instruction, the rest to the other. */
static void
make_filter(struct sock_filter f[CHECKS])
{
	const uint32_t n = RTE_DIM(allowed);
	uint32_t i;

	f[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					    offsetof(struct seccomp_data, arch));
	f[1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 0, n + 1);
	f[2] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					    offsetof(struct seccomp_data, nr));
	for (i = 0; i < n; i++)
		f[3 + i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i],
							(uint8_t)(n - i), 0);
	f[3 + n] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
	f[4 + n] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
}

int
sandbox_enter(void)
{
	struct sock_filter filter[CHECKS];
	const struct sock_fprog prog = {.len = CHECKS, .filter = filter};

	make_filter(filter);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) != 0)
		return -errno;
	return 0;
}
#else
int
sandbox_enter(void)
{
	return 0;
}
#endif
