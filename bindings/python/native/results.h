/* SPDX-License-Identifier: MIT */
/* What core.c fills in for Python. */
#ifndef RESULTS_H
#define RESULTS_H

#include <paraclock/paraclock.h>

#define SOURCES_MAX 32

/* What paraclock_list() says of a backend; its strings end with the call. */
struct source {
	int quality;
	int error;
	uint8_t gives_time;
	uint8_t own_kernel;
	struct paraclock_sample sample;
	char name[64];
	char detail[512];
};

struct sources {
	size_t count;
	/* Those that found no room. */
	size_t missing;
	struct source source[SOURCES_MAX];
};

/* What a page image says. */
struct decoded {
	struct paraclock_sample sample;
	struct paraclock_marker marker;
	int has_marker;
	/* What failed, or why the sample is not valid. */
	char detail[512];
};

#endif
