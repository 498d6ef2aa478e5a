/* SPDX-License-Identifier: MIT */
/* Reading a script: what parse.c, check.c and budget.c share. */
#ifndef SCRIPT_PARSER_H
#define SCRIPT_PARSER_H

#include "script.h"

/* A usage, or a list of words, fits this. */
#define SENTENCE_MAX 512

/* State while a script is being read. */
struct parser {
	struct paraclock_sim_script *script;
	const char *word[LINE_MAX_BYTES / 2 + 2]; /* ends with NULL */
	uint32_t line;
	uint64_t passed_ns;
	uint64_t work;
	uint8_t count[KINDS]; /* of names, by kind */
	char *detail;
	size_t detail_size;
};

/* names.c. -EPROTO, with the line number and what is wrong in detail. */
int pclk_sim_script_wrong(struct parser *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* budget.c. ns pass; -EPROTO if the script takes too long by now. */
int pclk_sim_script_pass(struct parser *p, uint64_t ns);

/* check.c. -EPROTO if s contradicts the statements before it. */
int pclk_sim_script_check(struct parser *p, const struct statement *s);

#endif
