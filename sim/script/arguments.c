// SPDX-License-Identifier: MIT
/* Reading one argument of a statement: a value, a name, or a new name. */

#include <stdio.h>
#include <string.h>

#include "parser.h"

void pclk_sim_script_blame(struct parser *p, const char *word)
{
	p->column = word ? (unsigned int)(word - p->cut) + 1 : p->end;
}

static int ends_early(struct parser *p, unsigned int kind)
{
	char like[SENTENCE_MAX];

	pclk_sim_script_blame(p, NULL);
	pclk_sim_script_describe(kind, like, sizeof(like));
	return pclk_sim_script_wrong(p, "the line ends too early; expected %s",
				     like);
}

/* --- values --------------------------------------------------------------- */

static int wrong_value(struct parser *p, unsigned int kind, const char *word,
		       const struct flaw *flaw)
{
	struct nearest near =
		pclk_sim_script_nearest(word + flaw->at, flaw->length);
	char like[SENTENCE_MAX];
	const char *candidate;

	pclk_sim_script_blame(p, word + flaw->at);
	pclk_sim_script_describe(kind, like, sizeof(like));
	for (unsigned int i = 0;
	     (candidate = pclk_sim_script_nth_word(kind, i)); i++)
		pclk_sim_script_consider(&near, candidate);
	return pclk_sim_script_wrong(
		p, "'%.*s' %s%s%s; expected %s", (int)flaw->length,
		word + flaw->at, flaw->says ? flaw->says : "is not ",
		flaw->says ? "" : pclk_sim_script_noun(kind),
		flaw->says ? "" : near.hint, like);
}

static int value(struct parser *p, unsigned int kind, const char *word,
		 int64_t *ret_value)
{
	struct flaw flaw = { 0, strlen(word), NULL };

	return pclk_sim_script_value(kind, word, ret_value, &flaw)
		       ? 0
		       : wrong_value(p, kind, word, &flaw);
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
	const struct flaw all = { 0, strlen(word), NULL };
	const struct name *other = pclk_sim_script_find_name(script, word);
	struct name *name;

	pclk_sim_script_blame(p, word);
	if (!is_name(word))
		return wrong_value(p, kind, word, &all);
	if (other)
		return pclk_sim_script_wrong(
			p,
			"'%s' is already the name of %s; expected a new name",
			word, pclk_sim_script_noun(other->kind));
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

/* The names of a kind so far, and the one most like the word. */
static void list_names(const struct paraclock_sim_script *script,
		       unsigned int kind, struct nearest *near, char *buf,
		       size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (unsigned int i = 0; i < script->names; i++) {
		const struct name *name = &script->name[i];

		if (name->kind != kind)
			continue;
		pclk_sim_script_consider(near, name->text);
		if (n + sizeof(name->text) + 4 < size)
			n += (size_t)snprintf(buf + n, size - n, "%s%s",
					      n ? " " : "", name->text);
	}
}

static int unknown_name(struct parser *p, unsigned int kind, const char *word)
{
	const struct name *other = pclk_sim_script_find_name(p->script, word);
	const char *noun = pclk_sim_script_noun(kind);
	struct nearest near = pclk_sim_script_nearest(word, strlen(word));
	char list[SENTENCE_MAX / 2], what[LINE_MAX_BYTES + 64];

	pclk_sim_script_blame(p, word);
	list_names(p->script, kind, &near, list, sizeof(list));
	if (other)
		snprintf(what, sizeof(what), "'%s' is %s, not %s", word,
			 pclk_sim_script_noun(other->kind), noun);
	else
		snprintf(what, sizeof(what), "no %s is named '%s'",
			 noun + strlen("a "), word);
	if (!list[0])
		return pclk_sim_script_wrong(
			p, "%s; expected a line before this one that makes %s",
			what, noun);
	return pclk_sim_script_wrong(p, "%s%s; expected the name of %s: %s",
				     what, near.hint, noun, list);
}

static int old_name(struct parser *p, unsigned int kind, const char *word,
		    int64_t *ret_value)
{
	const struct name *name = pclk_sim_script_find_name(p->script, word);

	if (!name || name->kind != kind)
		return unknown_name(p, kind, word);
	*ret_value = name->index;
	return 0;
}

/* --- one argument --------------------------------------------------------- */

/* The '<' of a bound. */
static int less_than(struct parser *p, unsigned int *at)
{
	const char *word = p->word[*at];

	if (!word)
		return ends_early(p, KIND_BOUND);
	pclk_sim_script_blame(p, word);
	++*at;
	return strcmp(word, "<") == 0
		       ? 0
		       : pclk_sim_script_wrong(
				 p,
				 "'%s' is not '<'; expected '<', a blank "
				 "and a time such as 10ns",
				 word);
}

int pclk_sim_script_argument(struct parser *p, unsigned int kind,
			     unsigned int *at, int64_t *ret_value)
{
	const char *word;
	int ret = 0;

	if (kind == KIND_NONE)
		return 0;
	if (kind == KIND_BOUND)
		ret = less_than(p, at);
	if (ret)
		return ret;
	word = p->word[*at];
	if (!word)
		return ends_early(p, kind);
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
		return value(p, kind, word, ret_value);
	}
}
