/* SPDX-License-Identifier: BSD-3-Clause */
/* A client of the metrics listener. */
#include <stdlib.h>

#include "fuzz/program.h"

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	fuzz_app();
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_client(fuzz_app(), FUZZ_METRICS, data, size);
	return 0;
}
