/* SPDX-License-Identifier: MIT */
/* What opening and listing share. */
#ifndef CLOCK_OPEN_H
#define CLOCK_OPEN_H

#include <stdbool.h>

#include <paraclock/backend.h>

/* Check the options of a caller, which may be NULL, and put every default in
 * its place. Errors as paraclock_open(). */
int pclk_options_complete(struct paraclock_options *full,
			  const struct paraclock_options *opts);

/* The backend of the highest quality below that of another; ties go by the
 * order of the table. NULL: the first of all. */
const struct paraclock_backend *
pclk_next_backend(const struct paraclock_backend *after);

/* How to open one source. */
struct opening {
	struct paraclock_options opts; /* of a backend */
	bool want_memory;	       /* PARACLOCK_DEVICE_MEMORY */
	bool need_valid;	       /* it is being chosen */
	void *arg;
	/* Set on failure: no other source would do better. */
	bool is_final;
	/* The one just tried is valid, but on this timescale, which is not
	 * wanted. */
	bool is_unwanted;
	uint8_t unwanted_scale;
};

/* Open one source. On failure opts.detail says why. */
int pclk_open_one(struct paraclock **ret_clk,
		  const struct paraclock_backend *be, struct opening *opening);

#endif
