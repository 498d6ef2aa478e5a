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

/* What is wrong with the blamed word, and how the statement goes. */
static int expected_usage(struct parser *p, const struct verb *verb,
			  const char *what)
{
	char usage[SENTENCE_MAX];

	pclk_sim_script_usage(verb, usage, sizeof(usage));
	return pclk_sim_script_wrong(p, "%s; expected: %s", what, usage);
}

/* --- a statement ---------------------------------------------------------- */

/* The word that leads to an argument: "to" of "migrate VM to HOST". */
static int parse_lead(struct parser *p, const struct verb *verb,
		      const char *lead, unsigned int *at)
{
	const char *word = p->word[*at];
	char what[LINE_MAX_BYTES + 64];

	if (word && strcmp(lead, word) == 0) {
		++*at;
		return 0;
	}
	pclk_sim_script_blame(p, word);
	if (word)
		snprintf(what, sizeof(what), "'%s' stands where '%s' belongs",
			 word, lead);
	else
		snprintf(what, sizeof(what), "the line ends before '%s'", lead);
	return expected_usage(p, verb, what);
}

/* Argument i of s, whose first word is p->word[*at]. */
static int parse_argument(struct parser *p, struct statement *s, unsigned int i,
			  unsigned int *at)
{
	const struct arg *arg = &s->verb->arg[i];
	/* Of a word alone, that word. */
	const char *first = p->word[arg->kind == KIND_NONE ? *at - 1 : *at];
	int ret = pclk_sim_script_argument(p, arg->kind, at, &s->value[i]);

	if (ret)
		return ret;
	s->given |= 1U << i;
	s->column[i] = (uint8_t)(first - p->cut + 1);
	return 0;
}

static int parse_required(struct parser *p, struct statement *s,
			  unsigned int *at)
{
	for (unsigned int i = 0; i < s->verb->required; i++) {
		const char *lead = s->verb->arg[i].word;
		int ret = lead ? parse_lead(p, s->verb, lead, at) : 0;

		if (!ret)
			ret = parse_argument(p, s, i, at);
		if (ret)
			return ret;
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

static int wrong_other(struct parser *p, const struct verb *verb,
		       const char *word, bool twice)
{
	struct nearest near = pclk_sim_script_nearest(word, strlen(word));
	char what[LINE_MAX_BYTES + 128];

	for (unsigned int i = verb->required; i < ARGS_MAX; i++) {
		if (verb->arg[i].word)
			pclk_sim_script_consider(&near, verb->arg[i].word);
	}
	snprintf(what, sizeof(what), "'%s' %s%s", word,
		 twice ? "is given twice" : "does not belong here",
		 twice ? "" : near.hint);
	return expected_usage(p, verb, what);
}

static int parse_others(struct parser *p, struct statement *s, unsigned int at)
{
	const struct verb *verb = s->verb;
	unsigned int n = 0;

	for (; p->word[at]; n++) {
		const char *word = p->word[at++];
		unsigned int i = find_other(verb, word);
		int ret;

		pclk_sim_script_blame(p, word);
		if (i == ARGS_MAX || GIVEN(s, i))
			return wrong_other(p, verb, word, i != ARGS_MAX);
		if (verb->max_others && n == verb->max_others)
			return expected_usage(
				p, verb,
				"only one of the words in brackets is allowed");
		ret = parse_argument(p, s, i, &at);
		if (ret)
			return ret;
	}
	if (n >= verb->min_others)
		return 0;
	pclk_sim_script_blame(p, NULL);
	return expected_usage(p, verb,
			      "the line ends before any of the words in "
			      "brackets, of which it needs one");
}

static int unknown_verb(struct parser *p)
{
	const char *word = p->word[0];
	struct nearest near = pclk_sim_script_nearest(word, strlen(word));
	char list[SENTENCE_MAX] = "";
	size_t n = 0;

	for (size_t i = 0; i < VERBS; i++) {
		const char *name = pclk_sim_script_verbs[i].name;

		pclk_sim_script_consider(&near, name);
		n += (size_t)snprintf(list + n, sizeof(list) - n, " %s", name);
	}
	return pclk_sim_script_wrong(
		p, "'%s' is not a statement%s; expected one of%s", word,
		near.hint, list);
}

/* The words again, with single blanks: what a play reports. */
static void keep_text(const struct parser *p, struct statement *s, char **pool)
{
	s->text = *pool;
	for (unsigned int i = 0; p->word[i]; i++) {
		size_t length = strlen(p->word[i]);

		memcpy(*pool, p->word[i], length);
		*pool += length;
		*(*pool)++ = p->word[i + 1] ? ' ' : '\0';
	}
}

/* The words are in p->word. */
static int parse_statement(struct parser *p, char **pool)
{
	struct paraclock_sim_script *script = p->script;
	struct statement *s = &script->statement[script->statements];
	unsigned int at = 1;
	int ret;

	pclk_sim_script_blame(p, p->word[0]);
	if (script->statements == STATEMENTS_MAX)
		return pclk_sim_script_wrong(
			p, "too many statements; expected at most %d",
			STATEMENTS_MAX);
	s->line = p->line;
	s->at = (uint8_t)p->column;
	s->verb = pclk_sim_script_find_verb(p->word[0]);
	if (!s->verb)
		return unknown_verb(p);
	ret = parse_required(p, s, &at);
	if (!ret)
		ret = parse_others(p, s, at);
	if (!ret) {
		p->column = s->at;
		ret = pclk_sim_script_check(p, s);
	}
	if (ret)
		return ret;
	keep_text(p, s, pool);
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
	p->cut = line;
	for (char *c = line; *c; c++) {
		p->column = (unsigned int)(c - line) + 1;
		if (*c == ' ' || *c == '\t' || *c == '\r') {
			*c = '\0';
			continue;
		}
		if (*c < '!' || *c > '~')
			return pclk_sim_script_wrong(
				p,
				"byte 0x%02x is not printable ASCII; expected "
				"such a byte in comments only",
				(unsigned char)*c);
		if (c == line || !c[-1])
			p->word[n++] = c;
		p->end = p->column + 1;
	}
	p->word[n] = NULL;
	return 0;
}

static int parse_line(struct parser *p, const char *text, size_t size,
		      char **pool)
{
	char line[LINE_MAX_BYTES + 1];
	const char *nul = memchr(text, '\0', size);
	int ret;

	p->line++;
	p->text = text;
	p->length = size;
	p->column = LINE_MAX_BYTES + 1;
	if (size > LINE_MAX_BYTES)
		return pclk_sim_script_wrong(
			p, "the line is too long; expected at most %d bytes",
			LINE_MAX_BYTES);
	p->column = nul ? (unsigned int)(nul - text) + 1 : 1;
	if (nul)
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

static int parse_text(struct parser *p, const char *text, size_t size)
{
	int ret;

	if (size > PARACLOCK_SIM_SCRIPT_MAX) {
		p->line = 1;
		p->column = 1;
		return pclk_sim_script_wrong(
			p, "the script is too long; expected at most %d bytes",
			PARACLOCK_SIM_SCRIPT_MAX);
	}
	ret = parse_lines(p, text, size);
	if (ret || p->script->statements)
		return ret;
	p->line = 1;
	p->column = 1;
	p->text = NULL;
	return pclk_sim_script_wrong(
		p,
		"the script has no statement%s; expected at least a host, a VM "
		"on it and a clock in the VM: 'host a', 'vm v on a', 'open v' "
		"and 'read v', a line each; paraclock-script(5) has the others",
		size ? ", only blanks and comments" : "");
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
		ret = parse_text(&p, text, size);
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
