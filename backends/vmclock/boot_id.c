// SPDX-License-Identifier: MIT
/* Source: Linux drivers/char/random.c, boot_id: a random UUID. */

#include <string.h>

#include "base/env_call.h"
#include "boot_id.h"

#define PATH	    "/proc/sys/kernel/random/boot_id"
#define ID_BYTES    16
#define TEXT_LENGTH 36

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 8-4-4-4-12 digits. */
static bool has_hyphen(unsigned int at)
{
	return at == 8 || at == 13 || at == 18 || at == 23;
}

static bool parse(const char *text, struct boot_id *ret_id)
{
	uint8_t byte[ID_BYTES] = { 0 };
	unsigned int n = 0;

	for (unsigned int i = 0; i < TEXT_LENGTH; i++) {
		int digit = digit_of(text[i]);

		if (has_hyphen(i) ? text[i] != '-' : digit < 0)
			return false;
		if (has_hyphen(i))
			continue;
		byte[n / 2] = (uint8_t)(byte[n / 2] << 4 | digit);
		n++;
	}
	memcpy(ret_id->word, byte, sizeof(ret_id->word));
	return true;
}

struct boot_id pclk_boot_id(const struct paraclock_env *env)
{
	struct boot_id id = { { 0 } };
	char text[64];

	if (pclk_env_text(env, PATH, text, sizeof(text)) == TEXT_LENGTH)
		(void)parse(text, &id);
	return id;
}
