/* SPDX-License-Identifier: BSD-3-Clause */
/* Arguments of a vhost device. They are refused with a sentence, or parsed to values in range. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/program.h"
#include "virtio/devargs.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct virtio_devargs a;
	char err[256] = "";

	virtio_devargs_init(&a);
	if (virtio_devargs_parse(text, &a, err, sizeof(err)) == 0) {
		CHECK(a.queues > 0 && a.path[0] != '\0');
		CHECK(memchr(a.path, '\0', sizeof(a.path)) != NULL);
		CHECK(memchr(a.vm, '\0', sizeof(a.vm)) != NULL);
	} else {
		CHECK(err[0] != '\0' && memchr(err, '\0', sizeof(err)) != NULL);
	}
	free(text);
	return 0;
}
