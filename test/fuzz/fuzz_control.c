/* SPDX-License-Identifier: BSD-3-Clause */
/* A client of the control socket: any bytes, at once, and a reader that leaves early. */
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
	char *text = fuzz_text(data, size);

	fuzz_client(fuzz_app(), FUZZ_CONTROL, text, size);
	free(text);
	return 0;
}
