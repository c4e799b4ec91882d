/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands from a terminal: libedit has the line, its history, and TAB asks the switch. */
#include <histedit.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include "vqsctl.h"

#define HISTORY_LINES 1000
#define BLANKS " \t"

/** The argument of functions that libedit calls. */
struct terminal {
	int fd;
};

static char *
prompt_text(EditLine *el)
{
	static char text[] = "vqswitch> ";

	return text;
}

/* --- TAB --- */

/** Words that may stand at the cursor: those that begin with what is there. */
struct choices {
	unsigned int n;
	size_t common; /* letters of the first one that all have */
	char *first;
};

static void
take_choice(struct choices *c, char *word)
{
	size_t i = 0;

	if (c->n++ == 0) {
		c->first = word;
		c->common = strlen(word);
	}
	while (i < c->common && word[i] == c->first[i])
		i++;
	c->common = i;
}

static void
print_choices(char *words, const char *part, size_t len)
{
	fputc('\n', stdout);
	for (char *word = words; *word != '\0'; word += strlen(word) + 1)
		if (strncmp(word, part, len) == 0)
			printf("%s  ", word);
	fputc('\n', stdout);
	fflush(stdout);
}

/* The answer's lines as strings, one behind the other, behind the last one an empty one. */
static void
split(char *answer)
{
	for (; *answer != '\0'; answer++)
		if (*answer == '\n')
			*answer = '\0';
}

static unsigned char
insert(EditLine *el, const struct choices *c, size_t len)
{
	char text[LINE_LEN_MAX];

	snprintf(text, sizeof(text), "%.*s%s", (int)(c->common - len), c->first + len,
		 c->n == 1 ? " " : "");
	return el_insertstr(el, text) == 0 ? CC_REFRESH : CC_ERROR;
}

static unsigned char
offer(EditLine *el, char *words, const char *part, size_t len)
{
	struct choices c = {0};

	for (char *word = words; *word != '\0'; word += strlen(word) + 1)
		if (strncmp(word, part, len) == 0)
			take_choice(&c, word);
	if (c.n == 0)
		return CC_ERROR;
	if (c.n == 1 || c.common > len)
		return insert(el, &c, len);
	print_choices(words, part, len);
	return CC_REDISPLAY;
}

static unsigned char
on_tab(EditLine *el, int key)
{
	const LineInfo *li = el_line(el);
	size_t all = (size_t)(li->cursor - li->buffer), len = 0;
	char text[LINE_LEN_MAX], *words;
	struct terminal *t;
	unsigned char ret;

	while (len < all && strchr(BLANKS, li->cursor[-1 - (ptrdiff_t)len]) == NULL)
		len++;
	el_get(el, EL_CLIENTDATA, &t);
	if ((size_t)snprintf(text, sizeof(text), "\t%.*s\n", (int)(all - len), li->buffer) >=
	    sizeof(text))
		return CC_ERROR;
	words = answer_to(t->fd, text);
	if (words == NULL)
		return CC_ERROR;
	split(words);
	ret = offer(el, words, li->cursor - len, len);
	free(words);
	return ret;
}

/* --- lines --- */

static bool
history_path(char *path, size_t size)
{
	const char *home = getenv("HOME");

	return home != NULL && (size_t)snprintf(path, size, "%s/.vqsctl_history", home) < size;
}

/* DONE, REFUSED or, to end, UNUSABLE. */
static int
run(struct terminal *t, History *h, const char *line)
{
	char text[LINE_LEN_MAX];
	HistEvent ev;

	if (strspn(line, BLANKS "\n") == strlen(line))
		return DONE;
	history(h, &ev, H_ENTER, line);
	strlcpy(text, line, sizeof(text) - 1);
	if (strchr(text, '\n') == NULL)
		strlcat(text, "\n", sizeof(text));
	return command(t->fd, text, stdout);
}

static int
read_lines(EditLine *el, struct terminal *t, History *h)
{
	int n, worst = DONE;
	const char *line;

	while ((line = el_gets(el, &n)) != NULL && n > 0) {
		int status = run(t, h, line);

		if (status > worst)
			worst = status;
		if (status == UNUSABLE)
			return worst;
	}
	fputc('\n', stdout);
	return worst;
}

static void
set_up(EditLine *el, struct terminal *t, History *h)
{
	el_set(el, EL_PROMPT, prompt_text);
	el_set(el, EL_EDITOR, "emacs");
	el_set(el, EL_HIST, history, h);
	el_set(el, EL_CLIENTDATA, t);
	el_set(el, EL_ADDFN, "complete", "words that may stand here", on_tab);
	el_set(el, EL_BIND, "^I", "complete", NULL);
	el_source(el, NULL); /* ~/.editrc */
}

int
prompt(int fd)
{
	EditLine *el = el_init("vqsctl", stdin, stdout, stderr);
	History *h = history_init();
	struct terminal t = {.fd = fd};
	char path[PATH_MAX];
	int status = UNUSABLE;
	HistEvent ev;

	if (el != NULL && h != NULL) {
		history(h, &ev, H_SETSIZE, HISTORY_LINES);
		history(h, &ev, H_SETUNIQUE, 1);
		if (history_path(path, sizeof(path)))
			history(h, &ev, H_LOAD, path);
		set_up(el, &t, h);
		status = read_lines(el, &t, h);
		if (history_path(path, sizeof(path)))
			history(h, &ev, H_SAVE, path);
	}
	if (h != NULL)
		history_end(h);
	if (el != NULL)
		el_end(el);
	return status;
}
