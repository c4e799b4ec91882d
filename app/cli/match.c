/* SPDX-License-Identifier: BSD-3-Clause */
#include "match.h"

#include <string.h>

#include <cmdline_parse_string.h>

size_t
match_blanks(const char *text)
{
	return strspn(text, " \t");
}

bool
match_ends_line(char c)
{
	return c == '\0' || c == '#' || c == '\n' || c == '\r';
}

struct match
match_command(const cmdline_parse_inst_t *inst, const char *line)
{
	static cmdline_multi_string_t value;
	struct match m = {.at = match_blanks(line)};

	while (inst->tokens[m.n] != NULL && !match_ends_line(line[m.at])) {
		cmdline_parse_token_hdr_t *token = inst->tokens[m.n];
		int len = token->ops->parse(token, line + m.at, value, sizeof(value));

		if (len <= 0)
			break;
		m.n++;
		m.at += (size_t)len;
		m.at += match_blanks(line + m.at);
	}
	m.next = inst->tokens[m.n];
	return m;
}
