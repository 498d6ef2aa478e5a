// SPDX-License-Identifier: MIT
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "feed_start.h"
#include "service.h"

static bool name(const char *folder, char *path, size_t size)
{
	int length = snprintf(path, size, "%s/start.void", folder);

	return length > 0 && (size_t)length < size;
}

int feed_start_set_void(const char *folder, int64_t start_utc_ns)
{
	char path[PATH_MAX], text[32];

	if (!name(folder, path, sizeof(path)))
		return -ENAMETOOLONG;
	snprintf(text, sizeof(text), "%" PRId64 "\n", start_utc_ns);
	return state_write(path, text);
}

bool feed_start_is_void(const char *folder, int64_t start_utc_ns)
{
	char path[PATH_MAX], text[32] = "", want[32];
	FILE *file =
		name(folder, path, sizeof(path)) ? fopen(path, "re") : NULL;
	bool is_void;

	if (!file)
		return false;
	snprintf(want, sizeof(want), "%" PRId64 "\n", start_utc_ns);
	is_void = fgets(text, sizeof(text), file) && !strcmp(text, want);
	fclose(file);
	return is_void;
}
