/* SPDX-License-Identifier: MIT */
/*
 * What `paraclock serve` publishes, read without the library: a vmclock page, by
 * its published layout, and ClockBound's segment.
 */
#ifndef PAGES_H
#define PAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "world.h"

#define PAGE_SIZE 4096

/* The fields of a vmclock page that count here. */
struct page {
	uint32_t seq;
	uint8_t status;
	uint64_t marker;
	uint64_t flags;
	uint64_t counter; /* reference point, ticks */
	/* The counter's period and the growth of the error, 2^-(64 + shift)
	 * s. */
	uint64_t period, maxerror_rate;
	uint8_t shift;
	uint64_t sec, frac; /* TAI */
	uint64_t maxerror_ns;
};

/* Map a page or a segment read only; NULL: it is not there, or too short. */
const void *page_map(const char *path, size_t size);
/* One state of it. false: none within a bound, or it is no vmclock page. */
bool page_copy(const void *live, struct page *ret_page);
/* Does it give a time and a bound? */
bool page_is_usable(const struct page *page);
/* Does it say that it repeats this kernel's clock? Beyond the published
 * layout. */
bool page_is_own_kernel(const struct page *page);
/* TAI and its bound at a counter value from the reference point on, ns. */
void page_at(const struct page *page, uint64_t counter, int64_t *ret_ns,
	     int64_t *ret_bound_ns);

/*
 * Do two pages that follow each other keep vmclock's promise? With the same
 * marker, the later centre lies within the earlier interval, from the later
 * reference point on. Returns NULL, or what is wrong.
 */
const char *page_follows(const struct page *before, const struct page *after);

#define SEGMENT_SIZE 80

enum segment_status {
	SEGMENT_UNKNOWN = 0,
	SEGMENT_SYNCHRONIZED = 1,
	SEGMENT_FREERUNNING = 2,
	SEGMENT_DISRUPTED = 3,
};

/* ClockBound's segment, as a client copies it. */
struct segment {
	uint16_t generation;
	int64_t as_of_ns, void_after_ns;
	int64_t bound_ns;
	uint64_t marker;
	uint32_t max_drift_ppb;
	uint32_t status; /* enum segment_status */
	uint8_t has_disruption_support;
};

/* false: none within a bound, or it is no segment of protocol 2. */
bool segment_copy(const void *live, struct segment *ret_segment);
/*
 * What a client makes of it: the status, and how far CLOCK_REALTIME is from
 * true time at most. @p marker: the device's own; NULL: the client sees none.
 */
enum segment_status segment_judge(const struct segment *segment,
				  int64_t monotonic_ns, const uint64_t *marker,
				  int64_t *ret_bound_ns);

#endif
