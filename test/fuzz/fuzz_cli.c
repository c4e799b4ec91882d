/* SPDX-License-Identifier: BSD-3-Clause */
/* Command lines, one after another, in the running program. */
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "cli/cli.h"
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
	struct app *app = fuzz_app();
	char *text = fuzz_text(data, size), *rest = text, *line;

	while ((line = strsep(&rest, "\n")) != NULL) {
		cli_run_line(app->cli, line, fuzz_nowhere());
		fuzz_iteration(app);
	}
	free(text);
	return 0;
}
