// SPDX-License-Identifier: MIT
/* The message about a wrong line: where, what, and what may have been meant. */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "parser.h"

/* So much of a line is shown, and its column lies in it. */
#define SHOWN_BYTES  72
#define BEFORE_BYTES 60

/* One character for each byte, whatever is in the line: the caret below it is
 * right, and a terminal gets no control characters. */
static char shown(char c)
{
	if (c == '\t')
		return ' ';
	if (c < ' ' || c > '~')
		return '?';
	return c;
}

/* Add the line, and below it a caret at the column. */
static void show_line(const struct parser *p, char *buf, size_t size)
{
	size_t at = p->column - 1;
	size_t from = at > BEFORE_BYTES ? at - BEFORE_BYTES : 0;
	char line[SHOWN_BYTES + 1], below[SHOWN_BYTES + 1];
	size_t n = 0;

	for (; n < SHOWN_BYTES && from + n < p->length; n++)
		line[n] = shown(p->text[from + n]);
	while (n && line[n - 1] == ' ')
		n--;
	line[n] = '\0';
	memset(below, ' ', at - from);
	below[at - from] = '\0';
	snprintf(buf, size, "\n    %s\n    %s^", line, below);
}

int pclk_sim_script_wrong(struct parser *p, const char *format, ...)
{
	char what[SENTENCE_MAX + LINE_MAX_BYTES];
	char line[2 * SHOWN_BYTES + 16] = "";
	va_list list;

	va_start(list, format);
	vsnprintf(what, sizeof(what), format, list);
	va_end(list);
	if (p->text)
		show_line(p, line, sizeof(line));
	if (p->detail)
		snprintf(p->detail, p->detail_size, "%u:%u: %s%s", p->line,
			 p->column, what, line);
	return -EPROTO;
}

void pclk_sim_script_print_time(uint64_t ns, char *buf, size_t size)
{
	static const char *const unit[] = { "ns", "us", "ms", "s" };
	unsigned int i = 0;

	while (ns && ns % 1000 == 0 && i < ARRAY_LEN(unit) - 1) {
		ns /= 1000;
		i++;
	}
	snprintf(buf, size, "%lu%s", (unsigned long)ns, unit[i]);
}

/* --- what was meant ------------------------------------------------------- */

static char lower(char c)
{
	if (c < 'A' || c > 'Z')
		return c;
	return (char)(c + ('a' - 'A'));
}

static unsigned int least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* Levenshtein's: how many letters to insert, remove or replace. */
static unsigned int distance(const struct nearest *n, const char *to)
{
	unsigned int row[WORD_MAX_BYTES + 1];

	for (unsigned int i = 0; i <= n->length; i++)
		row[i] = i;
	for (; *to; to++) {
		unsigned int before = row[0]++;

		for (size_t i = 0; i < n->length; i++) {
			unsigned int same =
				before + (lower(n->word[i]) != lower(*to));

			before = row[i + 1];
			row[i + 1] = least(same, least(row[i], before) + 1);
		}
	}
	return row[n->length];
}

struct nearest pclk_sim_script_nearest(const char *word, size_t length)
{
	/* The shorter a word, the more of it must be right. */
	struct nearest n = { .word = word,
			     .length = length,
			     .beyond = length < 3   ? 1
				       : length < 6 ? 2
						    : 3 };

	return n;
}

void pclk_sim_script_consider(struct nearest *n, const char *candidate)
{
	unsigned int d;

	if (n->length > WORD_MAX_BYTES)
		return;
	d = distance(n, candidate);
	if (d >= n->beyond)
		return;
	n->beyond = d;
	snprintf(n->hint, sizeof(n->hint), " (did you mean '%s'?)", candidate);
}
