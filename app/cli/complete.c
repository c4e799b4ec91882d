/* SPDX-License-Identifier: BSD-3-Clause */
#include "complete.h"

#include <search.h>
#include <stdbool.h>
#include <string.h>

#include <bsd/string.h>

#include "escape.h"
#include "match.h"

#define WORDS_MAX 2560 /* as many as there may be ports, and more */
#define WORD_LEN 96

/** Each word once. */
struct words {
	unsigned int n;
	char word[WORDS_MAX][WORD_LEN];
	void *tree; /* of them, for tsearch(): a port is a word of many commands */
};

static int
compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void
add_word(struct words *w, const char *word)
{
	char *const *found;
	char *new;

	if (w->n == WORDS_MAX)
		return;
	new = w->word[w->n];
	if (strlcpy(new, word, WORD_LEN) >= WORD_LEN)
		return;
	found = tsearch(new, &w->tree, compare);
	if (found != NULL && *found == new)
		w->n++;
}

static void
keep_word(void *word)
{
}

static void
add_token(struct words *w, cmdline_parse_token_hdr_t *token)
{
	char text[WORD_LEN];
	int n = 0;

	if (token->ops->complete_get_nb != NULL)
		n = token->ops->complete_get_nb(token);
	for (int i = 0; i < n; i++)
		if (token->ops->complete_get_elt(token, i, text, sizeof(text)) == 0)
			add_word(w, text);
}

void
complete_line(cmdline_parse_ctx_t *grammar, const char *line, FILE *out)
{
	static struct words w; /* large, and of one thread */

	w.n = 0;
	w.tree = NULL;
	for (size_t i = 0; grammar[i] != NULL; i++) {
		struct match m = match_command(grammar[i], line);

		if (m.next != NULL && match_ends_line(line[m.at]))
			add_token(&w, m.next);
	}
	for (unsigned int i = 0; i < w.n; i++) {
		cli_escape(out, w.word[i]); /* a port's name may have blanks */
		fputc('\n', out);
	}
	tdestroy(w.tree, keep_word);
}
