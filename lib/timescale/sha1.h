/* SPDX-License-Identifier: MIT */
/* SHA-1 (FIPS 180-4), byte by byte: for integrity, not for security. */
#ifndef SHA1_H
#define SHA1_H

#include <stdint.h>

#define SHA1_WORDS 5

struct sha1 {
	uint32_t hash[SHA1_WORDS];
	uint64_t bytes;
	uint32_t block[16]; /* big-endian words that are being filled */
};

void pclk_sha1_start(struct sha1 *sha);
void pclk_sha1_add(struct sha1 *sha, uint8_t byte);
/* Finish: sha->hash is the result. */
void pclk_sha1_end(struct sha1 *sha);

#endif
