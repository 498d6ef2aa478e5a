/* SPDX-License-Identifier: MIT */
/* Reading a script: what its files but those of a play share. */
#ifndef SCRIPT_PARSER_H
#define SCRIPT_PARSER_H

#include "script.h"

/* A usage, or a list of words, fits this. */
#define SENTENCE_MAX 512

/* State while a script is being read. */
struct parser {
	struct paraclock_sim_script *script;
	const char *word[LINE_MAX_BYTES / 2 + 2]; /* ends with NULL */
	/* The line as it was written; NULL: the message is not about one. */
	const char *text;
	size_t length;
	const char *cut;     /* the copy that the words lie in */
	uint32_t line;	     /* from 1 */
	unsigned int column; /* what a message is about, from 1 */
	unsigned int end;    /* the column after the last word */
	uint64_t passed_ns;
	uint64_t work;
	uint8_t count[KINDS]; /* of names, by kind */
	char *detail;
	size_t detail_size;
};

/* --- wrong.c -------------------------------------------------------------- */

/* -EPROTO, with line, column, what is wrong, and the line itself in detail. */
int pclk_sim_script_wrong(struct parser *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* A time in the largest unit of which it is a whole number: "1500ms". */
void pclk_sim_script_print_time(uint64_t ns, char *buf, size_t size);

/* Longer words are like no other. */
#define WORD_MAX_BYTES 31

/* A word, and the one most like it of those that were considered. */
struct nearest {
	const char *word;
	size_t length;
	unsigned int beyond; /* what differs so much is not like it */
	char hint[WORD_MAX_BYTES + 24]; /* " (did you mean 'x'?)", or empty */
};

struct nearest pclk_sim_script_nearest(const char *word, size_t length);
void pclk_sim_script_consider(struct nearest *n, const char *candidate);

/* --- budget.c ------------------------------------------------------------- */

/* ns pass; -EPROTO if the script takes too long by now. */
int pclk_sim_script_pass(struct parser *p, uint64_t ns);

/* --- arguments.c ---------------------------------------------------------- */

/* From now on messages are about that word of the line, or about its end. */
void pclk_sim_script_blame(struct parser *p, const char *word);
/* The argument of that kind at p->word[*at], which moves on. */
int pclk_sim_script_argument(struct parser *p, unsigned int kind,
			     unsigned int *at, int64_t *ret_value);

/* --- check.c -------------------------------------------------------------- */

/* -EPROTO if s contradicts the statements before it. */
int pclk_sim_script_check(struct parser *p, const struct statement *s);

#endif
