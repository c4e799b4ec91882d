/* SPDX-License-Identifier: BSD-3-Clause */
#include "explain.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>
#include <cmdline_parse_string.h>
#include <rte_common.h>

#include "match.h"

#define LINE_MAX_LEN 8192
#define EXPECTED_MAX 64   /* different texts for one place of a line */
#define EXPECTED_LEN 1024 /* of all of them */
#define NEAR_MAX 2        /* letters in which a word differs from the one that was meant */

struct explain {
	cmdline_parse_token_hdr_t hdr; /* first member: the only token */
	cmdline_parse_ctx_t *grammar;
	char line[LINE_MAX_LEN];
	cmdline_parse_inst_t inst; /* last member: ends in a flexible array */
};

/* --- matching --- */

static bool
is_command(const struct explain *x, const char *line)
{
	for (size_t i = 0; x->grammar[i] != &x->inst; i++) {
		struct match m = match_command(x->grammar[i], line);

		if (m.next == NULL && match_ends_line(line[m.at]))
			return true;
	}
	return false;
}

/* Without @p out it is completion that asks, which has nothing to do with mistyped lines. */
static int
take_line(cmdline_parse_token_hdr_t *hdr, const char *text, void *out, unsigned int room)
{
	struct explain *x = (struct explain *)(void *)hdr;
	int len = 0;

	if (out == NULL || is_command(x, text))
		return -1;
	while (!match_ends_line(text[len]))
		len++;
	snprintf(x->line, sizeof(x->line), "%.*s", len, text);
	return len;
}

static int
complete_none(cmdline_parse_token_hdr_t *hdr)
{
	return 1;
}

static int
complete_fail(cmdline_parse_token_hdr_t *hdr, int i, char *out, unsigned int size)
{
	return -1;
}

static struct cmdline_token_ops ops = {
	.parse = take_line,
	.complete_get_nb = complete_none,
	.complete_get_elt = complete_fail,
};

/* --- the explanation --- */

/** Texts of what may stand at a place, each once. */
struct expected {
	unsigned int n;
	char text[EXPECTED_MAX][128];
};

static void
expect(struct expected *e, const char *text, size_t len)
{
	char one[sizeof(e->text[0])];

	snprintf(one, sizeof(one), "%.*s", (int)len, text);
	for (unsigned int i = 0; i < e->n; i++)
		if (strcmp(e->text[i], one) == 0)
			return;
	if (e->n < EXPECTED_MAX)
		strlcpy(e->text[e->n++], one, sizeof(one));
}

static void
expect_token(struct expected *e, cmdline_parse_token_hdr_t *token)
{
	const char *words;
	char text[128];

	if (token->ops != &cmdline_token_string_ops) {
		token->ops->get_help(token, text, sizeof(text));
		expect(e, text, strlen(text));
		return;
	}
	words = ((struct cmdline_token_string *)(void *)token)->string_data.str;
	for (; *words != '\0'; words += strspn(words, "#")) {
		size_t len = strcspn(words, "#");

		expect(e, words, len);
		words += len;
	}
}

/* Everything that may follow where the line stops to agree; @p ends: nothing may, too. */
static struct match
collect(const struct explain *x, struct expected *e, bool *ends)
{
	struct match best = {0};

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; x->grammar[i] != &x->inst; i++) {
			struct match m = match_command(x->grammar[i], x->line);

			if (m.n > best.n)
				best = m;
			if (pass == 0 || m.n != best.n)
				continue;
			if (m.next != NULL)
				expect_token(e, m.next);
			*ends |= m.next == NULL;
		}
	}
	return best;
}

static unsigned int
least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* Letters to change, add or leave out on the way from one word to another. */
static unsigned int
distance(const char *a, const char *b)
{
	unsigned int row[32];
	size_t n = RTE_MIN(strlen(b), RTE_DIM(row) - 1);

	for (size_t j = 0; j <= n; j++)
		row[j] = (unsigned int)j;
	for (unsigned int i = 1; *a != '\0'; a++, i++) {
		unsigned int diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			unsigned int up = row[j];

			row[j] = least(least(row[j], row[j - 1]) + 1, diagonal + (*a != b[j - 1]));
			diagonal = up;
		}
	}
	return row[n];
}

static const char *
nearest(const struct expected *e, const char *word)
{
	unsigned int differs = NEAR_MAX + 1;
	const char *best = NULL;

	for (unsigned int i = 0; i < e->n; i++) {
		unsigned int d = distance(word, e->text[i]);

		if (d < differs && 2 * d <= strlen(word)) {
			differs = d;
			best = e->text[i];
		}
	}
	return best;
}

static void
print_expected(const struct expected *e, bool ends, FILE *out)
{
	size_t len = 0;

	fputs(ends ? "expected the end" : "expected", out);
	for (unsigned int i = 0; i < e->n; i++) {
		len += strlen(e->text[i]) + 2;
		fprintf(out, "%s%s",
			i > 0  ? ", "
			: ends ? " or "
			       : " ",
			len > EXPECTED_LEN ? "..." : e->text[i]);
		if (len > EXPECTED_LEN)
			break;
	}
	fputc('\n', out);
}

void
explain_print(const struct explain *x, FILE *out)
{
	struct expected e = {0};
	bool ends = false;
	struct match m = collect(x, &e, &ends);
	size_t first = match_blanks(x->line), end = m.at;
	const char *meant;
	char word[128];

	snprintf(word, sizeof(word), "%.*s", (int)strcspn(x->line + m.at, " \t"), x->line + m.at);
	while (end > first && match_blanks(x->line + end - 1) > 0)
		end--;
	meant = nearest(&e, word);
	if (m.n == 0) {
		fprintf(out, "Command not found: '%s'; ", word);
		if (meant != NULL)
			fprintf(out, "did you mean '%s'?\n", meant);
		else
			fputs("\"help\" lists the commands\n", out);
		return;
	}
	fputs("Bad arguments: ", out);
	if (word[0] != '\0')
		fprintf(out, "'%s' behind \"%.*s\": ", word, (int)(end - first), x->line + first);
	else
		fprintf(out, "\"%.*s\" is not complete: ", (int)(end - first), x->line + first);
	if (meant != NULL && word[0] != '\0')
		fprintf(out, "did you mean '%s'? ", meant);
	print_expected(&e, ends, out);
}

/* --- life cycle --- */

struct explain *
explain_new(cmdline_parse_ctx_t *grammar, void (*f)(void *parsed, struct cmdline *cl, void *data),
	    void *data)
{
	struct explain *x = calloc(1, sizeof(*x) + 2 * sizeof(x->inst.tokens[0]));

	if (x == NULL)
		return NULL;
	x->hdr.ops = &ops;
	x->grammar = grammar;
	x->inst.f = f;
	x->inst.data = data;
	x->inst.help_str = "";
	x->inst.tokens[0] = &x->hdr;
	return x;
}

cmdline_parse_inst_t *
explain_inst(struct explain *x)
{
	return &x->inst;
}

void
explain_free(struct explain *x)
{
	free(x);
}
