// SPDX-License-Identifier: MIT
#include <string.h>

#include "sha1.h"

static uint32_t rotate(uint32_t value, unsigned int by)
{
	return value << by | value >> (32 - by);
}

/* FIPS 180-4, 4.1.1: choose, parity, majority, parity, with the constants of
 * 4.2.1. t is the step, from 0 to 79. */
static uint32_t mix(unsigned int t, uint32_t b, uint32_t c, uint32_t d)
{
	if (t < 20)
		return (d ^ (b & (c ^ d))) + 0x5a827999U;
	if (t < 40)
		return (b ^ c ^ d) + 0x6ed9eba1U;
	if (t < 60)
		return ((b & c) | (d & (b | c))) + 0x8f1bbcdcU;
	return (b ^ c ^ d) + 0xca62c1d6U;
}

/* 6.1.3: the schedule overwrites the block, 16 words at a time. */
static uint32_t schedule(uint32_t *w, unsigned int t)
{
	if (t >= 16)
		w[t % 16] = rotate(w[(t + 13) % 16] ^ w[(t + 8) % 16] ^
					   w[(t + 2) % 16] ^ w[t % 16],
				   1);
	return w[t % 16];
}

static void hash_block(struct sha1 *sha)
{
	uint32_t v[SHA1_WORDS];

	memcpy(v, sha->hash, sizeof(v));
	for (unsigned int t = 0; t < 80; t++) {
		uint32_t next = rotate(v[0], 5) + mix(t, v[1], v[2], v[3]) +
				v[4] + schedule(sha->block, t);

		v[4] = v[3];
		v[3] = v[2];
		v[2] = rotate(v[1], 30);
		v[1] = v[0];
		v[0] = next;
	}
	for (unsigned int i = 0; i < SHA1_WORDS; i++)
		sha->hash[i] += v[i];
}

void pclk_sha1_start(struct sha1 *sha)
{
	*sha = (struct sha1){
		.hash = { 0x67452301U, 0xefcdab89U, 0x98badcfeU, 0x10325476U,
			  0xc3d2e1f0U },
	};
}

void pclk_sha1_add(struct sha1 *sha, uint8_t byte)
{
	uint32_t *word = &sha->block[sha->bytes / 4 % 16];

	/* Four shifts push out what was in the word. */
	*word = *word << 8 | byte;
	sha->bytes++;
	if (sha->bytes % 64 == 0)
		hash_block(sha);
}

void pclk_sha1_end(struct sha1 *sha)
{
	uint64_t bits = sha->bytes * 8;

	pclk_sha1_add(sha, 0x80);
	while (sha->bytes % 64 != 56)
		pclk_sha1_add(sha, 0);
	for (unsigned int i = 0; i < 8; i++)
		pclk_sha1_add(sha, (uint8_t)(bits >> (56 - 8 * i)));
}
