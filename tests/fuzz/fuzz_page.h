/* SPDX-License-Identifier: MIT */
/* Shared by the fuzz targets of the three pages. */
#ifndef FUZZ_PAGE_H
#define FUZZ_PAGE_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "page/page.h"

/* What must hold for any input. */
#define CHECK(x)                                                           \
	do {                                                               \
		if (!(x)) {                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, \
				#x);                                       \
			abort();                                           \
		}                                                          \
	} while (0)

/* The first bytes of an input; two states of the page follow. */
struct fuzz_input {
	uint64_t counter;
	uint64_t later; /* ticks after counter */
	uint64_t max_age_ns;
	uint8_t is_file;    /* odd: behind pread, else in memory */
	uint8_t file_size;  /* bytes of it, if it is a file */
	uint8_t counter_id; /* the env's, modulo 3 */
	uint8_t has_device; /* odd: the caller named it */
	uint8_t reserved[4];
};

/* The time by one kind of page, computed without the library's reader. */
struct fuzz_kind {
	const char *backend;
	const struct page_shape *shape;
	/* size: bytes that can be read; errors as paraclock_read(). */
	int (*convert)(const uint8_t *page, size_t size,
		       const struct paraclock_env *env, uint64_t max_age_ns,
		       uint64_t counter, struct paraclock_sample *ret_sample,
		       const char **ret_bad);
};

/*
 * A page that counts with the TSC is invalid with COUNTER in an env that has
 * none.
 */
bool fuzz_has_tsc(const struct paraclock_env *env);
void fuzz_foreign(struct paraclock_sample *sample, uint64_t counter);

/* Both states of the page in turn: open, read, read_at, and compare. */
void fuzz_page(const struct fuzz_kind *kind, const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
