// SPDX-License-Identifier: MIT
/* Apart from source.c: feed's printed configuration names them as well. */

#include <stdio.h>

#include "tools.h"

const char *source_timescales(const struct source *source,
			      char buf[TIMESCALES_TEXT])
{
	size_t n = 0;

	if (!source->timescales)
		return NULL;
	for (unsigned int i = 0; source->timescales >> i; i++) {
		if (source->timescales >> i & 1)
			n += (size_t)snprintf(buf + n, TIMESCALES_TEXT - n,
					      "%s%s", n ? "," : "",
					      paraclock_timescale_name(i));
	}
	return buf;
}
