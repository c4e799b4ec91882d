/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Recordings from a stranger, read and printed. Input that is no recording gets a right head, so
 * that its records are looked at. The text that is printed drives no terminal.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/record_format.h"
#include "fuzz/fuzz.h"
#include "vqsctl/decode.h"

#define MAX 8192

static void
print(const uint8_t *data, size_t size)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	CHECK(out != NULL);
	(void)decode_bytes(out, data, size);
	fclose(out);
	for (size_t i = 0; i < len; i++)
		CHECK((text[i] >= ' ' && text[i] < 0x7f) || text[i] == '\n');
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct record_file_head head = {RECORD_MAGIC, RECORD_VERSION, sizeof(head), 0};
	uint8_t *copy;

	if (size > MAX)
		return 0;
	print(data, size);
	copy = malloc(sizeof(head) + size);
	CHECK(copy != NULL);
	memcpy(copy, &head, sizeof(head));
	memcpy(copy + sizeof(head), data, size);
	print(copy, sizeof(head) + size);
	free(copy);
	return 0;
}
