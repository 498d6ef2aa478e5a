// SPDX-License-Identifier: MIT
/* The names of a script. */

#include <string.h>

#include "script.h"

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
