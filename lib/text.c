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

const char *paraclock_text_number(char buf[TEXT_NUMBER], uint64_t value)
{
	char *at = buf + TEXT_NUMBER - 1;

	*at = '\0';
	do {
		*--at = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	return at;
}
