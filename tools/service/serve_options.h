/* SPDX-License-Identifier: MIT */
/* What the user asks of serve. */
#ifndef SERVE_OPTIONS_H
#define SERVE_OPTIONS_H

#include "observer.h"

#define SERVE_FOLDER "/run/paraclock/serve"

struct serve_options {
	struct observer_options observer;
	struct keep_rules rules;
	bool from_kernel;
	bool in_container;
	bool json;
	int64_t assume_error_ns; /* -1: a source without a bound is refused */
	uint64_t drift_ppb;
	uint64_t slew_ppb;
	const char *folder;
	const char *clockbound;	    /* NULL: no segment */
	const char *chronyc_socket; /* NULL: at its usual place */
};

extern const struct argp serve_argp;

#endif
