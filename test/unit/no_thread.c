/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* Instead of pthread_create(), by the linker, in tests that are not listed as threaded. */
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
			  void *arg);

int
__wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
		      void *arg)
{
	(void)thread;
	(void)attr;
	(void)start;
	(void)arg;
	fputs("a thread begins in a test that is not in the list \"threaded\"\n", stderr);
	abort();
}
