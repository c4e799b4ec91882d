/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/text.h"

#include <stdbool.h>
#include <stdio.h>

#define HEX_LEN 4 /* \xHH */

static bool
is_control(unsigned char c)
{
	return c < ' ' || c == 0x7f;
}

static bool
is_no_ascii(unsigned char c)
{
	return is_control(c) || c >= 0x80;
}

static const char *
escaped(const char *text, bool (*is_bad)(unsigned char c), char *buf, size_t len)
{
	const char *at = text;
	size_t n = 0;

	while (*at != '\0' && !is_bad((unsigned char)*at))
		at++;
	if (*at == '\0')
		return text;
	for (at = text; *at != '\0' && n + HEX_LEN < len; at++) {
		unsigned char c = (unsigned char)*at;

		if (is_bad(c))
			n += (size_t)snprintf(buf + n, len - n, "\\x%02x", c);
		else
			buf[n++] = *at;
	}
	buf[n] = '\0';
	return buf;
}

const char *
text_shown(const char *text, char *buf, size_t len)
{
	return escaped(text, is_control, buf, len);
}

const char *
text_ascii(const char *text, char *buf, size_t len)
{
	return escaped(text, is_no_ascii, buf, len);
}
