// SPDX-License-Identifier: MIT
#include "text.h"

void paraclock_text_join(char *buf, size_t size, const char *const *parts)
{
	size_t used = 0;

	if (!buf || !size)
		return;
	for (; *parts; parts++) {
		for (const char *c = *parts; *c && used + 1 < size; c++)
			buf[used++] = *c;
	}
	buf[used] = '\0';
}

bool paraclock_text_equal(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}
