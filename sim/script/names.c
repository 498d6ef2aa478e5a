// SPDX-License-Identifier: MIT
/* The names of a script, and the message about a wrong line. */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "parser.h"

int pclk_sim_script_wrong(struct parser *p, const char *format, ...)
{
	char what[SENTENCE_MAX + LINE_MAX_BYTES];
	va_list list;

	va_start(list, format);
	vsnprintf(what, sizeof(what), format, list);
	va_end(list);
	if (p->detail)
		snprintf(p->detail, p->detail_size, "%u: %s", p->line, what);
	return -EPROTO;
}

struct name *pclk_sim_script_find_name(struct paraclock_sim_script *script,
				       const char *text)
{
	for (unsigned int i = 0; i < script->names; i++) {
		if (strcmp(script->name[i].text, text) == 0)
			return &script->name[i];
	}
	return NULL;
}

struct name *pclk_sim_script_name_of(struct paraclock_sim_script *script,
				     unsigned int kind, int64_t index)
{
	for (unsigned int i = 0; i < script->names; i++) {
		if (script->name[i].kind == kind &&
		    script->name[i].index == index)
			return &script->name[i];
	}
	return NULL;
}
