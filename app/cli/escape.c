/* SPDX-License-Identifier: BSD-3-Clause */
#include "escape.h"

#include <ctype.h>
#include <string.h>

#define HEX_LEN 4 /* \xHH */

void
cli_escape(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '\\')
			fputs("\\\\", out);
		else if (c <= ' ' || c >= 0x7f || c == '#')
			fprintf(out, "\\x%02x", c);
		else
			fputc(c, out);
	}
}

static int
digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

static bool
is_hex(const char *s)
{
	return s[0] == '\\' && s[1] == 'x' && isxdigit((unsigned char)s[2]) &&
	       isxdigit((unsigned char)s[3]);
}

bool
cli_unescape(char *text)
{
	char *to = text;

	while (*text != '\0') {
		if (is_hex(text)) {
			*to = (char)(digit(text[2]) << 4 | digit(text[3]));
			text += HEX_LEN;
			if (*to++ == '\0')
				return false;
		} else {
			text += strncmp(text, "\\\\", 2) == 0;
			*to++ = *text++;
		}
	}
	*to = '\0';
	return true;
}
