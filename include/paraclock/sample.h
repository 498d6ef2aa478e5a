/* SPDX-License-Identifier: MIT */
/**
 * @file sample.h
 * One answer of a host clock, and the enums that it consists of.
 *
 * clock.h and timescale.h include it. It holds values only: nothing to open,
 * and no functions but those that name an enum's values.
 */
#ifndef PARACLOCK_SAMPLE_H
#define PARACLOCK_SAMPLE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @addtogroup clock
 * @{ */

/** Marks what the shared library exports. */
#define PARACLOCK_API __attribute__((visibility("default")))

/** The scale that a time is counted on. */
enum paraclock_timescale {
	/** The source does not say. */
	PARACLOCK_TIMESCALE_UNKNOWN = 0,
	/** Since an unspecified start; comparable only with itself. */
	PARACLOCK_TIMESCALE_MONOTONIC = 1,
	/** UTC since 1970-01-01, POSIX count: leap seconds are not counted. */
	PARACLOCK_TIMESCALE_UTC = 2,
	/** TAI since 1970-01-01 TAI. */
	PARACLOCK_TIMESCALE_TAI = 3,
	/** UTC, but its keeper may smear leap seconds over hours. */
	PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED = 4,
};

/** A CPU counter. */
enum paraclock_counter {
	/** No counter: host_tsc means nothing. */
	PARACLOCK_COUNTER_NONE = 0,
	/** x86 time-stamp counter, as RDTSC gives it here. */
	PARACLOCK_COUNTER_X86_TSC = 1,
	/** arm64 virtual counter, CNTVCT_EL0. */
	PARACLOCK_COUNTER_ARM_VCNT = 2,
	/** From here to 254: the caller's own counters, for couplings. */
	PARACLOCK_COUNTER_USER = 128,
	/**
	 * In an env only: any counter that a page declares is this env's. For
	 * decoding pages of other machines; never in a sample.
	 */
	PARACLOCK_COUNTER_ANY = 255,
};

/**
 * Why a sample is not valid: the first reason that applies, in the order
 * SEQUENCE, STATUS, COUNTER, HOST_CLOCK, UNSTABLE, DISRUPTED, WINDOW, WIDE,
 * IMPLAUSIBLE.
 */
enum paraclock_reason {
	/** It is valid. */
	PARACLOCK_REASON_OK = 0,
	/** The host gave a time, but no counter value with it. */
	PARACLOCK_REASON_HOST_CLOCK = 1,
	/** The counters of the CPUs are not known to agree. */
	PARACLOCK_REASON_UNSTABLE = 2,
	/** The host has switched the page off (its sequence says so). */
	PARACLOCK_REASON_SEQUENCE = 3,
	/** The host does not vouch for the time on the page. */
	PARACLOCK_REASON_STATUS = 4,
	/** The page counts with a counter that is not this machine's. */
	PARACLOCK_REASON_COUNTER = 5,
	/**
	 * The counter is outside of the page's window or from before the last
	 * disruption, the page is too old, or a leap second is ambiguous.
	 */
	PARACLOCK_REASON_WINDOW = 6,
	/** The pair is wider than the caller's max_pair_error_ns. */
	PARACLOCK_REASON_WIDE = 7,
	/** A disruption is pending: the page may still be the old one. */
	PARACLOCK_REASON_DISRUPTED = 8,
	/** A second clock contradicts this one. */
	PARACLOCK_REASON_IMPLAUSIBLE = 9,
};

/**
 * What equal epochs (sample.epoch) promise: the weakest promise of the sources
 * behind the clock. No class promises that the machine was not paused: a host
 * can stop and resume it without a trace; see paraclock-disruption(7).
 */
enum paraclock_marker_class {
	/** Nothing: no source of markers is open. */
	PARACLOCK_MARKER_NONE = 0,
	/** The page's parameters did not jump. Some disruptions do not make
	 * them jump. */
	PARACLOCK_MARKER_HEURISTIC = 1,
	/** The host's own marker is unchanged: no migration, restore, clone or
	 * other disruption for which the host changes it. */
	PARACLOCK_MARKER_AUTHORITATIVE = 2,
};

/** Leap second state, for one instant. */
enum paraclock_leap {
	/** No leap second is announced for the end of this UTC month, and none
	 * ended the last one. */
	PARACLOCK_LEAP_NONE = 0,
	/** A positive leap second ends this UTC month. */
	PARACLOCK_LEAP_PRE_POS = 1,
	/** A negative leap second ends this UTC month. */
	PARACLOCK_LEAP_PRE_NEG = 2,
	/** Now inside the inserted second, 23:59:60. */
	PARACLOCK_LEAP_POS = 3,
	/** The last UTC month ended with a positive leap second. NONE again
	 * from the end of this month on. */
	PARACLOCK_LEAP_POST_POS = 4,
	/** The last UTC month ended with a negative leap second. NONE again
	 * from the end of this month on. */
	PARACLOCK_LEAP_POST_NEG = 5,
	/** The source does not say. */
	PARACLOCK_LEAP_UNKNOWN = 255,
};

/** sample.flags: the source only repeats this kernel's own clock. */
#define PARACLOCK_FLAG_OWN_KERNEL 0x1U
/** sample.flags: tai_offset_sec is meaningful. */
#define PARACLOCK_FLAG_TAI_OFFSET 0x2U
/** sample.flags: the host promises that its clock never steps back. */
#define PARACLOCK_FLAG_MONOTONIC 0x4U
/** sample.flags: the driver of this PTP clock hides the age and status of its
 * page, so it is unknown whether the host still vouches for the time. Such a
 * source is opened by name only. */
#define PARACLOCK_FLAG_UNVOUCHED 0x8U

/** No bound is known; in pair_error_ns and clock_error_ns. */
#define PARACLOCK_ERROR_UNKNOWN UINT64_MAX

/** One answer of a host clock. 64 bytes. */
struct paraclock_sample {
	/** Host clock, ns since the start of @c timescale. */
	int64_t host_ns;
	/** Value of @c counter that host_ns belongs to, ticks. */
	uint64_t host_tsc;
	/**
	 * host_ns is within this of the host clock's reading at host_tsc, ns.
	 * 0: captured atomically. PARACLOCK_ERROR_UNKNOWN if not valid, except
	 * with WIDE.
	 */
	uint64_t pair_error_ns;
	/**
	 * The host clock is within this of its timescale, ns: the host's own
	 * bound. PARACLOCK_ERROR_UNKNOWN: no bound is known, or not valid.
	 */
	uint64_t clock_error_ns;
	/**
	 * Epoch of the handle: its count of the disruptions that it noticed. If
	 * two samples of one handle differ in it, a disruption lies between
	 * them.
	 */
	uint64_t epoch;
	/** 1: fit for correlation. 0: not; @c reason says why. */
	uint8_t valid;
	/** enum paraclock_reason. */
	uint8_t reason;
	/** enum paraclock_timescale. */
	uint8_t timescale;
	/** enum paraclock_counter. */
	uint8_t counter;
	/** enum paraclock_leap, for the sample's own instant. */
	uint8_t leap;
	/** enum paraclock_marker_class: what equal epochs promise. */
	uint8_t marker_class;
	/** TAI - UTC at the sample's instant, s; see flag TAI_OFFSET. */
	int16_t tai_offset_sec;
	/** PARACLOCK_FLAG_x. */
	uint32_t flags;
	/** Zero. */
	uint8_t reserved[12];
};

/**
 * Names of enum values, lower case with hyphens: "utc-maybe-smeared".
 *
 * @param value The value.
 * @return A constant string; "unknown" for a value that has no name.
 *
 * Threads: any thread; async-signal-safe.
 * @since 0.1
 * @{
 */
PARACLOCK_API const char *paraclock_timescale_name(unsigned int value);
PARACLOCK_API const char *paraclock_counter_name(unsigned int value);
PARACLOCK_API const char *paraclock_reason_name(unsigned int value);
PARACLOCK_API const char *paraclock_marker_class_name(unsigned int value);
PARACLOCK_API const char *paraclock_leap_name(unsigned int value);
/** @} */

/** @} */

#ifdef __cplusplus
static_assert(sizeof(struct paraclock_sample) == 64, "the sample is fixed");
}
#else
_Static_assert(sizeof(struct paraclock_sample) == 64, "the sample is fixed");
#endif

#endif
