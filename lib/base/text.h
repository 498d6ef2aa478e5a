/* SPDX-License-Identifier: MIT */
/* Sentences without printf(): ring 0 has none, and signal handlers may not call
 * it. */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared.h"

/* Join strings up to a NULL, cut to fit and with a NUL at the end. buf may be
 * NULL. Cold: what builds sentences is compiled for size, not for speed. */
PCLK_SHARED void pclk_text_join(char *buf, size_t size,
				const char *const *parts) __attribute__((cold));

/* strcmp() == 0, which ring 0 need not have. */
bool pclk_text_equal(const char *a, const char *b);

/* "2096.06 MHz": only the digits that error_hz leaves certain. */
void pclk_text_hz(uint64_t hz, uint64_t error_hz, char ret_text[32]);

/* Write the number into buf; returns where it begins. */
const char *pclk_decimal(uint64_t value, char buf[24]);

#define TEXT(buf, size, ...) \
	pclk_text_join(buf, size, (const char *const[]){ __VA_ARGS__, NULL })

#endif
