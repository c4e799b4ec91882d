/* SPDX-License-Identifier: BSD-3-Clause */
/* "decode FILE": a recording for people. */
#ifndef VQSCTL_DECODE_H
#define VQSCTL_DECODE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/** Print @p len bytes of a recording to @p out. NULL, or a sentence: the rest cannot be read. */
const char *decode_bytes(FILE *out, const uint8_t *data, size_t len);

/** The same with a file; an exit status. */
int decode(const char *path);

#endif
