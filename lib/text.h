/* SPDX-License-Identifier: MIT */
/* Sentences without printf: ring 0 has none, and signal handlers may not. */
#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Bytes that text_number() may need. */
#define TEXT_NUMBER 21

/* Join strings up to a NULL; cut to fit, NUL at the end. buf may be NULL. */
void paraclock_text_join(char *buf, size_t size, const char *const *parts);

/* Decimal; returns a pointer into buf. */
const char *paraclock_text_number(char buf[TEXT_NUMBER], uint64_t value);

#define TEXT(buf, size, ...)           \
	paraclock_text_join(buf, size, \
			    (const char *const[]){ __VA_ARGS__, NULL })

#endif
