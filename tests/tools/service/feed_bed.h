/* SPDX-License-Identifier: MIT */
/* Shared by the tests of feed's outputs: a sample, and a log that counts. */
#ifndef FEED_BED_H
#define FEED_BED_H

#include "service/feed_output.h"
#include "service/service.h"

#include "../../shared/rows.h"

#define SEC 1000000000LL

static unsigned int logged;

void service_log(int level, const char *format, ...)
{
	(void)level;
	(void)format;
	logged++;
}

static inline struct feed_sample sample_of(int64_t real_ns, int64_t offset_ns)
{
	return (struct feed_sample){
		.real_ns = real_ns,
		.offset_ns = offset_ns,
		.bound_ns = 1000020,
		.precision_ns = 20,
		.spread_ns = 900,
		.n = 5,
		.epoch = 3,
		.leap = PARACLOCK_LEAP_PRE_POS,
		.timescale = PARACLOCK_TIMESCALE_TAI,
		.has_bound = true,
		.backend = "vmclock",
	};
}

static inline int64_t word(const void *data, size_t at, size_t size)
{
	int32_t word32;
	int64_t word64;

	memcpy(&word32, (const char *)data + at, 4);
	if (size == 4)
		return word32;
	memcpy(&word64, (const char *)data + at, 8);
	return word64;
}

static inline int reset(void **state)
{
	(void)state;
	logged = 0;
	return 0;
}

#endif
