// SPDX-License-Identifier: MIT
/*
 * Reading a script: lines, words, and the arguments of a statement. verbs.c
 * says which arguments a statement has.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parser.h"

static int expected_usage(struct parser *p, const struct verb *verb,
			  const char *what)
{
	char usage[SENTENCE_MAX];

	pclk_sim_script_usage(verb, usage, sizeof(usage));
	return pclk_sim_script_wrong(p, "%s; expected: %s", what, usage);
}

static int expected_kind(struct parser *p, unsigned int kind, const char *word)
{
	char like[SENTENCE_MAX];

	pclk_sim_script_describe(kind, like, sizeof(like));
	if (!word)
		return pclk_sim_script_wrong(
			p, "the line ends too early; expected %s", like);
	return pclk_sim_script_wrong(p, "'%s' does not fit; expected %s", word,
				     like);
}

/* --- names ---------------------------------------------------------------- */

static bool is_name(const char *text)
{
	size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_");

	return text[0] >= 'a' && text[0] <= 'z' && !text[length] &&
	       length <= NAME_MAX_BYTES;
}

static int new_name(struct parser *p, unsigned int kind, const char *word,
		    int64_t *ret_value)
{
	struct paraclock_sim_script *script = p->script;
	struct name *name;

	if (!is_name(word))
		return expected_kind(p, kind, word);
	if (pclk_sim_script_find_name(script, word))
		return pclk_sim_script_wrong(
			p, "'%s' exists already; expected a new name", word);
	if (script->names == NAMES_MAX)
		return pclk_sim_script_wrong(
			p, "too many names; expected at most %d", NAMES_MAX);
	name = &script->name[script->names++];
	memcpy(name->text, word, strlen(word) + 1);
	if (kind == KIND_NEW_HOST)
		name->kind = KIND_HOST;
	else
		name->kind = kind == KIND_NEW_VM ? KIND_VM : KIND_STATE;
	name->index = p->count[name->kind]++;
	*ret_value = name->index;
	return 0;
}

static int old_name(struct parser *p, unsigned int kind, const char *word,
		    int64_t *ret_value)
{
	const struct name *name = pclk_sim_script_find_name(p->script, word);

	if (!name || name->kind != kind)
		return expected_kind(p, kind, word);
	*ret_value = name->index;
	return 0;
}

/* --- a statement ---------------------------------------------------------- */

static int parse_value(struct parser *p, unsigned int kind, unsigned int *at,
		       int64_t *ret_value)
{
	const char *word = p->word[*at];

	if (kind == KIND_NONE)
		return 0;
	if (kind == KIND_BOUND && word && strcmp(word, "<") == 0)
		word = p->word[++*at];
	else if (kind == KIND_BOUND)
		word = NULL;
	if (!word)
		return expected_kind(p, kind, p->word[*at]);
	++*at;
	switch (kind) {
	case KIND_NEW_HOST:
	case KIND_NEW_VM:
	case KIND_NEW_STATE:
		return new_name(p, kind, word, ret_value);
	case KIND_HOST:
	case KIND_VM:
	case KIND_STATE:
		return old_name(p, kind, word, ret_value);
	default:
		break;
	}
	return pclk_sim_script_value(kind, word, ret_value)
		       ? 0
		       : expected_kind(p, kind, word);
}

static int parse_required(struct parser *p, struct statement *s,
			  unsigned int *at)
{
	for (unsigned int i = 0; i < s->verb->required; i++) {
		const struct arg *arg = &s->verb->arg[i];
		int ret;

		if (arg->word &&
		    (!p->word[*at] || strcmp(arg->word, p->word[(*at)++]) != 0))
			return expected_usage(p, s->verb, "a word is missing");
		ret = parse_value(p, arg->kind, at, &s->value[i]);
		if (ret)
			return ret;
		s->given |= 1U << i;
	}
	return 0;
}

static unsigned int find_other(const struct verb *verb, const char *word)
{
	unsigned int i = verb->required;

	while (i < ARGS_MAX &&
	       (!verb->arg[i].word || strcmp(verb->arg[i].word, word) != 0))
		i++;
	return i;
}

static int parse_others(struct parser *p, struct statement *s, unsigned int at)
{
	unsigned int n = 0;
	char what[LINE_MAX_BYTES + 64];

	for (; p->word[at]; n++) {
		const char *word = p->word[at++];
		unsigned int i = find_other(s->verb, word);
		int ret;

		if (i == ARGS_MAX || GIVEN(s, i)) {
			snprintf(what, sizeof(what), "'%s' %s", word,
				 i == ARGS_MAX ? "does not belong here"
					       : "is given twice");
			return expected_usage(p, s->verb, what);
		}
		ret = parse_value(p, s->verb->arg[i].kind, &at, &s->value[i]);
		if (ret)
			return ret;
		s->given |= 1U << i;
	}
	if (n < s->verb->min_others)
		return expected_usage(p, s->verb, "the line ends too early");
	if (s->verb->max_others && n > s->verb->max_others)
		return expected_usage(p, s->verb,
				      "only one of these is allowed");
	return 0;
}

static int unknown_verb(struct parser *p)
{
	char list[SENTENCE_MAX] = "";
	size_t n = 0;

	for (size_t i = 0; i < VERBS; i++)
		n += (size_t)snprintf(list + n, sizeof(list) - n, " %s",
				      pclk_sim_script_verbs[i].name);
	return pclk_sim_script_wrong(
		p, "'%s' is not a statement; expected one of%s", p->word[0],
		list);
}

/* The words are in p->word. */
static int parse_statement(struct parser *p, char **pool)
{
	struct paraclock_sim_script *script = p->script;
	struct statement *s = &script->statement[script->statements];
	unsigned int at = 1;
	int ret;

	if (script->statements == STATEMENTS_MAX)
		return pclk_sim_script_wrong(p,
					     "too long; expected at most %d "
					     "statements",
					     STATEMENTS_MAX);
	s->line = p->line;
	s->verb = pclk_sim_script_find_verb(p->word[0]);
	if (!s->verb)
		return unknown_verb(p);
	ret = parse_required(p, s, &at);
	if (!ret)
		ret = parse_others(p, s, at);
	if (!ret)
		ret = pclk_sim_script_check(p, s);
	if (ret)
		return ret;
	/* The words again, with single blanks: what a play reports. */
	s->text = *pool;
	for (unsigned int i = 0; p->word[i]; i++) {
		size_t length = strlen(p->word[i]);

		memcpy(*pool, p->word[i], length);
		*pool += length;
		*(*pool)++ = p->word[i + 1] ? ' ' : '\0';
	}
	script->statements++;
	return 0;
}

/* --- lines ---------------------------------------------------------------- */

/* Cut into words, up to a '#'. */
static int split(struct parser *p, char *line)
{
	unsigned int n = 0;

	/* Comments may have any bytes: cut them off before the check. */
	line[strcspn(line, "#")] = '\0';
	for (char *c = line; *c; c++) {
		if (*c == ' ' || *c == '\t' || *c == '\r') {
			*c = '\0';
			continue;
		}
		if (*c < '!' || *c > '~')
			return pclk_sim_script_wrong(
				p, "a byte that is not printable ASCII; "
				   "expected such a byte only in a comment");
		if (c == line || !c[-1])
			p->word[n++] = c;
	}
	p->word[n] = NULL;
	return 0;
}

static int parse_line(struct parser *p, const char *text, size_t size,
		      char **pool)
{
	char line[LINE_MAX_BYTES + 1];
	int ret;

	p->line++;
	if (size > LINE_MAX_BYTES)
		return pclk_sim_script_wrong(
			p, "the line is too long; expected at most %d bytes",
			LINE_MAX_BYTES);
	if (memchr(text, '\0', size))
		return pclk_sim_script_wrong(p, "a NUL byte; expected text");
	memcpy(line, text, size);
	line[size] = '\0';
	ret = split(p, line);
	return ret || !p->word[0] ? ret : parse_statement(p, pool);
}

static int parse_lines(struct parser *p, const char *text, size_t size)
{
	char *pool = p->script->text;
	int ret = 0;

	p->line = 1;
	if (size > PARACLOCK_SIM_SCRIPT_MAX)
		return pclk_sim_script_wrong(
			p, "too long; expected at most %d bytes",
			PARACLOCK_SIM_SCRIPT_MAX);
	p->line = 0;
	while (!ret && size) {
		const char *end = memchr(text, '\n', size);
		size_t length = end ? (size_t)(end - text) : size;

		ret = parse_line(p, text, length, &pool);
		text += length;
		size -= length;
		if (end) {
			text++;
			size--;
		}
	}
	return ret;
}

int paraclock_sim_script_parse(struct paraclock_sim_script **ret_script,
			       const char *text, size_t size, char *detail,
			       size_t detail_size)
{
	struct parser p = { .detail = detail, .detail_size = detail_size };
	size_t pool = size < PARACLOCK_SIM_SCRIPT_MAX
			      ? size
			      : PARACLOCK_SIM_SCRIPT_MAX;
	int ret = -ENOMEM;

	if (!ret_script || !text)
		return -EINVAL;
	p.script = calloc(1, sizeof(*p.script));
	if (!p.script)
		return -ENOMEM;
	p.script->text = malloc(pool + 1);
	p.script->statement =
		calloc(STATEMENTS_MAX + 1, sizeof(*p.script->statement));
	if (p.script->text && p.script->statement)
		ret = parse_lines(&p, text, size);
	if (ret)
		paraclock_sim_script_free(p.script);
	else
		*ret_script = p.script;
	return ret;
}

void paraclock_sim_script_free(struct paraclock_sim_script *script)
{
	if (!script)
		return;
	free(script->statement);
	free(script->text);
	free(script);
}
