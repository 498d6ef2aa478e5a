/* SPDX-License-Identifier: MIT */
/* Hexadecimal numbers in the kernel's texts. */
#ifndef HEX_H
#define HEX_H

#include <stddef.h>
#include <stdint.h>

static inline int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Returns what follows the number; NULL: not a number of up to 64 bits. */
static inline const char *parse_hex(const char *at, uint64_t *ret_value)
{
	uint64_t value = 0;
	unsigned int digits = 0;

	for (; hex_digit(*at) >= 0; at++) {
		if (++digits > 16)
			return NULL;
		value = value << 4 | (uint64_t)hex_digit(*at);
	}
	*ret_value = value;
	return digits ? at : NULL;
}

#endif
