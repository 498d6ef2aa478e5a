// SPDX-License-Identifier: MIT
#include "text.h"

void pclk_text_join(char *buf, size_t size, const char *const *parts)
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

bool pclk_text_equal(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

#define HZ_PER_MHZ 1000000

void pclk_text_hz(uint64_t hz, uint64_t error_hz, char ret_text[32])
{
	static const char unit[] = " MHz";
	unsigned int decimals = 6, at = 31 - sizeof(unit);
	uint64_t scale = 1;

	/* Drop digits until the last one is off by one at most. */
	for (; scale / 2 < error_hz && (decimals || error_hz < hz);
	     decimals -= decimals > 0)
		scale *= 10;
	/* Round to the nearest, without the digits that are not known. */
	hz = hz / scale + (hz % scale >= scale - scale / 2 && scale > 1);
	/* A whole number of MHz keeps all its digits, as zeros. */
	for (; scale > HZ_PER_MHZ; scale /= 10)
		hz *= 10;
	for (unsigned int i = 0; i < sizeof(unit); i++)
		ret_text[at + i] = unit[i];
	for (unsigned int i = 0; hz || i <= decimals; i++) {
		ret_text[--at] = (char)('0' + hz % 10);
		hz /= 10;
		if (i + 1 == decimals)
			ret_text[--at] = '.';
	}
	for (unsigned int i = at; i < 32; i++)
		ret_text[i - at] = ret_text[i];
	for (unsigned int i = 32 - at; i < 32; i++)
		ret_text[i] = '\0';
}

const char *pclk_decimal(uint64_t value, char buf[24])
{
	char *at = buf + 23;

	*at = '\0';
	do {
		*--at = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	return at;
}
