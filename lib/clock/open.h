/* SPDX-License-Identifier: MIT */
/* What opening and listing share. */
#ifndef CLOCK_OPEN_H
#define CLOCK_OPEN_H

#include <paraclock/backend.h>

/* Check the options of a caller, which may be NULL, and put every default in
 * its place. Errors as paraclock_open(). */
int pclk_options_complete(struct paraclock_options *full,
			  const struct paraclock_options *opts);

/* The backend of the highest quality below that of another; ties go by the
 * order of the table. NULL: the first of all. */
const struct paraclock_backend *
pclk_next_backend(const struct paraclock_backend *after);

#endif
