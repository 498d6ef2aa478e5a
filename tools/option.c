// SPDX-License-Identifier: MIT
/* What is wrong with an option that getopt refused. Its own words differ from C
 * library to C library, and take a line of their own. */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "option.h"

/* The options that a word may mean. */
struct matches {
	const struct argp_option *exact;
	const struct argp_option *first;
	unsigned int count;
};

/* The short one, with @p length 0: its letter is in @p word[0]. */
static bool is_meant(const struct argp_option *option, const char *word,
		     size_t length)
{
	if (!length)
		return option->key == word[0];
	return option->name && strncmp(option->name, word, length) == 0;
}

static void find(const struct argp *argp, const char *word, size_t length,
		 struct matches *matches)
{
	const struct argp_option *option = argp->options;
	const struct argp_child *child = argp->children;

	for (; option && (option->name || option->key || option->doc);
	     option++) {
		if (!is_meant(option, word, length))
			continue;
		if (!matches->first)
			matches->first = option;
		/* The same option may be in two tables. */
		matches->count += option->key != matches->first->key ||
				  option == matches->first;
		if (!length || (option->name && !option->name[length]))
			matches->exact = option;
	}
	for (; child && child->argp; child++)
		find(child->argp, word, length, matches);
}

static bool explain_long(const struct argp *argp, const char *word, char *buf,
			 size_t size)
{
	const int length = (int)strcspn(word, "=");
	struct matches matches = { 0 };
	const struct argp_option *option;

	find(argp, word, (size_t)length, &matches);
	option = matches.exact ? matches.exact : matches.first;
	if (!option)
		snprintf(buf, size, "--%.*s: no such option", length, word);
	else if (!matches.exact && matches.count > 1)
		snprintf(buf, size, "--%.*s: more than one option begins so",
			 length, word);
	else if (!option->arg && word[length])
		snprintf(buf, size, "--%s: it takes no value", option->name);
	else if (option->arg && !word[length])
		snprintf(buf, size, "--%s: its value is missing", option->name);
	else
		return false;
	return true;
}

/* Letters up to the first that takes the rest as its value. */
static bool explain_short(const struct argp *argp, const char *letters,
			  char *buf, size_t size)
{
	for (; *letters; letters++) {
		struct matches matches = { 0 };

		find(argp, letters, 0, &matches);
		if (!matches.first) {
			snprintf(buf, size, "-%c: no such option", *letters);
			return true;
		}
		if (matches.first->arg) {
			snprintf(buf, size, "-%c: its value is missing",
				 *letters);
			return !letters[1];
		}
	}
	return false;
}

static bool explain(const struct argp *argp, const char *word, char *buf,
		    size_t size)
{
	if (!word || word[0] != '-' || !word[1])
		return false;
	if (word[1] == '-')
		return explain_long(argp, word + 2, buf, size);
	return explain_short(argp, word + 1, buf, size);
}

void option_explain(const struct argp *argp, char **argv, int next, char *buf,
		    size_t size)
{
	/* getopt has passed the word, unless letters are left in it. */
	if ((next > 1 && explain(argp, argv[next - 1], buf, size)) ||
	    explain(argp, argv[next], buf, size))
		return;
	snprintf(buf, size, "%s: not understood",
		 next > 1 ? argv[next - 1] : "options");
}
