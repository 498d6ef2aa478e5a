/* SPDX-License-Identifier: MIT */
/* What chrony.conf has to say, so that chronyd's own bound holds the host's. */
#ifndef FEED_CONFIG_H
#define FEED_CONFIG_H

#include <stdio.h>

#include "feed_options.h"
#include "feed_sample.h"

/* The 'delay' of a refclock, ns: twice the bound with something to spare, for a
 * host's bound grows between two of its corrections. Two digits. */
int64_t feed_config_delay(const struct feed_sample *sample,
			  int64_t assume_error_ns);
/* What a delay allows the bound to be. */
uint64_t feed_config_limit(int64_t delay_ns);

/* "0.0026": every digit that is needed. */
const char *feed_format_seconds(uint64_t ns, char *buf, size_t size);

void feed_config_print(FILE *to, const struct feed_options *options,
		       const struct feed_sample *sample);

#endif
