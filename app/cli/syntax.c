/* SPDX-License-Identifier: BSD-3-Clause */
#include "syntax.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>
#include <cmdline_parse_etheraddr.h>
#include <cmdline_parse_num.h>
#include <rte_debug.h>
#include <rte_log.h>

#include "app.h"
#include "list.h"
#include "escape.h"
#include "switch/acl.h"
#include "switch/modes.h"
#include "switch/vlan.h"

#define CLI_BURSTS_MAX 10000 /* control sends them itself, and does nothing else meanwhile */

#define VNI_MAX 0xffffff

/** The meaning of an argument in parentheses. */
enum arg_kind {
	ARG_NUM,
	ARG_PORT,
	ARG_PORT_OR_ALL,
	ARG_LEVEL,
	ARG_MAC,
	ARG_MODE,
	ARG_SECTION,
	ARG_STRING,
	ARG_REST,
	ARG_DEVICE
};

static const struct arg {
	const char *name;
	enum arg_kind kind;
	uint64_t min, max;   /* of ARG_NUM; an end that means something of its own is not in it */
	const char *instead; /* of ARG_STRING: a word that means no text, see cmd_instead() */
} args[] = {
	{"port_id", ARG_PORT, 0, UINT16_MAX},
	{"port_id|all", ARG_PORT_OR_ALL, 0, UINT16_MAX},
	{"queue_id", ARG_NUM, 0, UINT16_MAX},
	{"desc_id", ARG_NUM, 0, UINT16_MAX},
	{"size", ARG_NUM, 0, UINT16_MAX},
	{"num", ARG_NUM, 0, UINT32_MAX},
	{"bursts", ARG_NUM, 0, CLI_BURSTS_MAX},
	{"value", ARG_NUM, 0, UINT32_MAX},
	{"rate", ARG_NUM, 1, UINT64_MAX},
	{"length", ARG_NUM, 0, UINT16_MAX},
	{"bytes", ARG_NUM, 1, UINT16_MAX},
	{"frames", ARG_NUM, 1, UINT64_MAX},
	{"seconds", ARG_NUM, 0, UINT32_MAX},
	{"seq", ARG_NUM, 1, ACL_SEQ_MAX},
	{"vlan_id", ARG_NUM, 0, UINT16_MAX},
	{"vlan", ARG_NUM, 1, VLAN_ID_MAX},
	{"vni", ARG_NUM, 1, VNI_MAX},
	{"udp_port", ARG_NUM, 1, UINT16_MAX},
	{"address", ARG_STRING},
	{"address|auto", ARG_STRING, .instead = "auto"},
	{"address[/length]", ARG_STRING},
	{"vtep[,vtep]*", ARG_REST},
	{"domain", ARG_NUM, 0, VLAN_DOMAINS - 1},
	{"mask", ARG_NUM, 0, UINT64_MAX},
	{"version", ARG_NUM, 0, UINT32_MAX},
	{"level", ARG_LEVEL, 0, RTE_LOG_MAX},
	{"XX:XX:XX:XX:XX:XX", ARG_MAC},
	{"mode", ARG_MODE},
	{"section|all", ARG_SECTION},
	{"name", ARG_STRING},
	{"name|all", ARG_STRING, .instead = "all"},
	{"file", ARG_STRING},
	{"x[,y]*", ARG_STRING},
	{"x[,y]*|all|vm=NAME", ARG_STRING},
	{"rule", ARG_REST},
	{"ident", ARG_DEVICE},
	{"path", ARG_REST},
	{"a[,b-c]*", ARG_REST},
};

/** A token and what its operations need. */
struct token {
	struct cmdline_token_hdr hdr; /* first member */
	union {
		struct cmdline_token_string_data str;
		struct cmdline_token_num_data num;
		struct cmdline_token_etheraddr mac;
	};
	const struct arg *arg; /* of all but words */
	const struct app *app; /* ARG_PORT, ARG_PORT_OR_ALL */
	char text[256];        /* what str points to */
};

/* librte_cmdline looks for its own data right behind the header */
static_assert(offsetof(struct token, str) == offsetof(struct cmdline_token_string, string_data),
	      "a string token is a cmdline_token_string");

struct compiled {
	struct token *tokens;
	cmdline_parse_inst_t inst; /* last member: ends in a flexible array */
};

static const struct arg *
token_arg(cmdline_parse_token_hdr_t *hdr)
{
	return ((struct token *)(void *)hdr)->arg;
}

/* --- numbers and ports --- */

static int
parse_num(cmdline_parse_token_hdr_t *hdr, const char *text, void *out, unsigned int room)
{
	struct cmdline_token_num tk = {.num_data = {.type = RTE_UINT64}};
	uint64_t v = 0;
	int n = cmdline_parse_num(&tk.hdr, text, &v, sizeof(v));

	if (n <= 0 || v < token_arg(hdr)->min || v > token_arg(hdr)->max)
		return -1;
	if (out != NULL && room >= sizeof(v))
		memcpy(out, &v, sizeof(v));
	return n;
}

static int
help_num(cmdline_parse_token_hdr_t *hdr, char *out, unsigned int size)
{
	const struct arg *a = token_arg(hdr);

	snprintf(out, size, "%s: number from %" PRIu64 " to %" PRIu64, a->name, a->min, a->max);
	return 0;
}

static struct cmdline_token_ops num_ops = {
	.parse = parse_num,
	.get_help = help_num,
};

static const struct sw *
token_sw(cmdline_parse_token_hdr_t *hdr)
{
	return &((struct token *)(void *)hdr)->app->sw;
}

static bool
may_be_all(cmdline_parse_token_hdr_t *hdr)
{
	return token_arg(hdr)->kind == ARG_PORT_OR_ALL;
}

/* The bytes of a word that is the name of a port, 0: it is none. */
static int
parse_port_name(cmdline_parse_token_hdr_t *hdr, const char *text, uint64_t *value)
{
	cmdline_fixed_string_t name = "";
	uint16_t id;
	int n = 0;

	while (!cmdline_isendoftoken(text[n]))
		n++;
	if ((size_t)snprintf(name, sizeof(name), "%.*s", n, text) >= sizeof(name) ||
	    !cli_unescape(name) ||
	    !list_port_named(&((struct token *)(void *)hdr)->app->sw, name, strlen(name), &id))
		return 0;
	*value = id;
	return n;
}

static int
parse_port(cmdline_parse_token_hdr_t *hdr, const char *text, void *out, unsigned int room)
{
	uint64_t value = CLI_PORT_ALL;
	int n = 3;

	if (!may_be_all(hdr) || strncmp(text, "all", 3) != 0 || !cmdline_isendoftoken(text[3]))
		n = parse_port_name(hdr, text, &value);
	if (n == 0)
		return parse_num(hdr, text, out, room);
	if (out != NULL && room >= sizeof(value))
		memcpy(out, &value, sizeof(value));
	return n;
}

/* By number of the port; the last one is "all", where that may stand. */
static int
complete_port_count(cmdline_parse_token_hdr_t *hdr)
{
	return token_sw(hdr)->nports + (may_be_all(hdr) ? 1 : 0);
}

static int
complete_port(cmdline_parse_token_hdr_t *hdr, int i, char *out, unsigned int size)
{
	const struct sw *s = token_sw(hdr);

	if (i >= s->nports)
		return strlcpy(out, "all", size) < size ? 0 : -1;
	return s->port[i] != NULL && strlcpy(out, s->port[i]->name, size) < size ? 0 : -1;
}

static int
help_port(cmdline_parse_token_hdr_t *hdr, char *out, unsigned int size)
{
	snprintf(out, size, "number or name of a port%s", may_be_all(hdr) ? ", or all" : "");
	return 0;
}

static struct cmdline_token_ops port_ops = {
	.parse = parse_port,
	.complete_get_nb = complete_port_count,
	.complete_get_elt = complete_port,
	.get_help = help_port,
};

/* --- log levels: numbers, or the names DPDK gives them --- */

static const char *const levels[RTE_LOG_MAX + 1] = {
	[0] = "disabled",
	[RTE_LOG_EMERG] = "emergency",
	[RTE_LOG_ALERT] = "alert",
	[RTE_LOG_CRIT] = "critical",
	[RTE_LOG_ERR] = "error",
	[RTE_LOG_WARNING] = "warning",
	[RTE_LOG_NOTICE] = "notice",
	[RTE_LOG_INFO] = "info",
	[RTE_LOG_DEBUG] = "debug",
};

/* RTE_DIM(levels): no such name. */
static uint64_t
level_named(const char *text, size_t len)
{
	uint64_t i = 0;

	while (i < RTE_DIM(levels) &&
	       (strlen(levels[i]) != len || strncmp(levels[i], text, len) != 0))
		i++;
	return i;
}

static int
parse_level(cmdline_parse_token_hdr_t *hdr, const char *text, void *out, unsigned int room)
{
	uint64_t level;
	int n = 0;

	while (!cmdline_isendoftoken(text[n]))
		n++;
	level = level_named(text, (size_t)n);
	if (level == RTE_DIM(levels))
		return parse_num(hdr, text, out, room);
	if (out != NULL && room >= sizeof(level))
		memcpy(out, &level, sizeof(level));
	return n;
}

static int
complete_level_count(cmdline_parse_token_hdr_t *hdr)
{
	return RTE_DIM(levels);
}

static int
complete_level(cmdline_parse_token_hdr_t *hdr, int i, char *out, unsigned int size)
{
	return strlcpy(out, levels[i], size) < size ? 0 : -1;
}

static int
help_level(cmdline_parse_token_hdr_t *hdr, char *out, unsigned int size)
{
	snprintf(out, size, "level: number from 0 to %u, or its name", RTE_LOG_MAX);
	return 0;
}

static struct cmdline_token_ops level_ops = {
	.parse = parse_level,
	.complete_get_nb = complete_level_count,
	.complete_get_elt = complete_level,
	.get_help = help_level,
};

/* --- texts --- */

static int
parse_text(cmdline_parse_token_hdr_t *hdr, const char *text, void *out, unsigned int room)
{
	const char *instead = token_arg(hdr)->instead;
	int n = cmdline_parse_string(hdr, text, out, room);

	if (n <= 0 || out == NULL)
		return n;
	if (!cli_unescape(out))
		return -1;
	if (instead != NULL && strcmp(out, instead) == 0)
		*(char *)out = '\0';
	return n;
}

static int
help_text(cmdline_parse_token_hdr_t *hdr, char *out, unsigned int size)
{
	snprintf(out, size, "%s: text", token_arg(hdr)->name);
	return 0;
}

static struct cmdline_token_ops text_ops = {
	.parse = parse_text,
	.get_help = help_text,
};

/* --- device arguments, in the place of which a command may have words of its own --- */

static bool
begins_with_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	return strncmp(text, word, len) == 0 && cmdline_isendoftoken(text[len]);
}

static int
parse_device(cmdline_parse_token_hdr_t *hdr, const char *text, void *out, unsigned int room)
{
	static const char *const words[] = {"domain", "vlan", "stopped"};

	for (size_t i = 0; i < RTE_DIM(words); i++)
		if (begins_with_word(text, words[i]))
			return -1;
	return parse_text(hdr, text, out, room);
}

static struct cmdline_token_ops device_ops = {
	.parse = parse_device,
	.get_help = help_text,
};

/* --- compilation --- */

static const struct arg *
find_arg(const char *name)
{
	for (size_t i = 0; i < RTE_DIM(args); i++) {
		if (strcmp(args[i].name, name) == 0)
			return &args[i];
	}
	return NULL;
}

/* Words to choose from: librte_cmdline separates them by '#'. */
static void
make_words(struct token *t, const char *words)
{
	if (strlcpy(t->text, words, sizeof(t->text)) >= sizeof(t->text))
		rte_panic("too many alternatives in '%s'\n", words);
	for (char *c = t->text; *c != '\0'; c++) {
		if (*c == '|')
			*c = '#';
	}
	t->hdr.ops = &cmdline_token_string_ops;
	t->str.str = t->text;
}

/* The modes there are. */
static void
make_modes(struct token *t)
{
	char words[sizeof(t->text)] = "";

	for (const struct fwd_mode *m = fwd_modes; m->name != NULL; m++) {
		if (m != fwd_modes)
			strlcat(words, "|", sizeof(words));
		strlcat(words, m->name, sizeof(words));
	}
	make_words(t, words);
}

/* The parts of the help, and all of them. */
static void
make_sections(struct token *t)
{
	char words[sizeof(t->text)] = "all";

	for (size_t i = 0; cli_section_name(i) != NULL; i++) {
		strlcat(words, "|", sizeof(words));
		strlcat(words, cli_section_name(i), sizeof(words));
	}
	make_words(t, words);
}

static void
make_arg(struct token *t, const struct arg *a)
{
	t->arg = a;
	switch (a->kind) {
	case ARG_NUM:
		t->hdr.ops = &num_ops;
		break;
	case ARG_PORT:
	case ARG_PORT_OR_ALL:
		t->hdr.ops = &port_ops;
		break;
	case ARG_LEVEL:
		t->hdr.ops = &level_ops;
		break;
	case ARG_MAC:
		t->hdr.ops = &cmdline_token_etheraddr_ops;
		break;
	case ARG_MODE:
		make_modes(t);
		break;
	case ARG_SECTION:
		make_sections(t);
		break;
	case ARG_STRING:
		t->hdr.ops = &text_ops;
		t->str.str = NULL;
		break;
	case ARG_REST:
	case ARG_DEVICE:
		t->hdr.ops = a->kind == ARG_REST ? &text_ops : &device_ops;
		t->hdr.offset = offsetof(struct cli_words, rest);
		t->str.str = TOKEN_STRING_MULTI;
		break;
	}
}

static void
make_token(struct token *t, char *word, size_t index)
{
	size_t len = strlen(word);
	const struct arg *a;

	t->hdr.offset = (unsigned int)(index * sizeof(union cli_word));
	if (word[0] != '(') {
		make_words(t, word);
		return;
	}
	if (word[len - 1] != ')')
		rte_panic("malformed word '%s' in the syntax of a command\n", word);
	word[len - 1] = '\0';
	a = find_arg(word + 1);
	if (a != NULL)
		make_arg(t, a);
	else
		make_words(t, word + 1);
}

static size_t
count_words(const char *syntax)
{
	size_t n = 1;

	for (const char *c = syntax; *c != '\0'; c++)
		n += *c == ' ';
	return n;
}

cmdline_parse_inst_t *
cli_compile(const struct app *app, const struct cli_row *row,
	    void (*f)(void *, struct cmdline *, void *), void *data)
{
	size_t n = count_words(row->syntax), i = 0;
	struct compiled *c;
	char text[512], *word, *save;

	if (n > CLI_WORDS_MAX || strlcpy(text, row->syntax, sizeof(text)) >= sizeof(text))
		rte_panic("syntax '%s' is too long\n", row->syntax);
	c = calloc(1, sizeof(*c) + (n + 1) * sizeof(c->inst.tokens[0]));
	if (c == NULL)
		return NULL;
	c->tokens = calloc(n, sizeof(*c->tokens));
	if (c->tokens == NULL) {
		free(c);
		return NULL;
	}
	c->inst.f = f;
	c->inst.data = data;
	c->inst.help_str = row->syntax;
	for (word = strtok_r(text, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
		c->tokens[i].app = app;
		make_token(&c->tokens[i], word, i);
		c->inst.tokens[i] = &c->tokens[i].hdr;
		i++;
	}
	return &c->inst;
}

void
cli_compiled_free(cmdline_parse_inst_t *inst)
{
	struct compiled *c = container_of(inst, struct compiled, inst);

	free(c->tokens);
	free(c);
}
