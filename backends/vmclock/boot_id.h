/* SPDX-License-Identifier: MIT */
/*
 * Whose kernel's clock does a page repeat? A page that is made from a kernel's
 * own clock has flag 63, and behind the fields of the specification the id of
 * the boot of that kernel: nobody may steer a clock by itself.
 */
#ifndef BOOT_ID_H
#define BOOT_ID_H

#include <stdbool.h>
#include <stdint.h>

#include <paraclock/backend.h>

#include "base/shared.h"

/* Where it stands on the page: 16 bytes. */
#define BOOT_ID_OFFSET 0x80

/* The 16 bytes, in the order in which their digits are printed. Zero: not
 * known; no boot has this id. */
struct boot_id {
	uint64_t word[2];
};

/* The id of the boot that env is in; zero if it does not say. */
PCLK_SHARED struct boot_id pclk_boot_id(const struct paraclock_env *env);

/* 1: both are known, and differ. */
static inline bool boot_id_differs(const struct boot_id *a,
				   const struct boot_id *b)
{
	return (a->word[0] | a->word[1]) && (b->word[0] | b->word[1]) &&
	       (a->word[0] != b->word[0] || a->word[1] != b->word[1]);
}

/* Write one onto a page, within an update. */
static inline void boot_id_put(void *page, const uint64_t word[2])
{
	uint64_t *live = (void *)((char *)page + BOOT_ID_OFFSET);

	for (unsigned int i = 0; i < 2; i++)
		__atomic_store_n(&live[i], word[i], __ATOMIC_RELAXED);
}

#endif
