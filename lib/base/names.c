// SPDX-License-Identifier: MIT
/* Names of values, as the command line prints them. */

#include <errno.h>
#include <stddef.h>

#include <paraclock/clock.h>
#include <paraclock/events.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#ifndef PARACLOCK_VERSION
#error "the build gives PARACLOCK_VERSION"
#endif

static const char *name_of(const char *const *names, size_t count,
			   unsigned int value)
{
	return value < count ? names[value] : "unknown";
}

const char *paraclock_timescale_name(unsigned int value)
{
	static const char *const names[] = {
		[PARACLOCK_TIMESCALE_UNKNOWN] = "unknown",
		[PARACLOCK_TIMESCALE_MONOTONIC] = "monotonic",
		[PARACLOCK_TIMESCALE_UTC] = "utc",
		[PARACLOCK_TIMESCALE_TAI] = "tai",
		[PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED] = "utc-maybe-smeared",
	};

	return name_of(names, ARRAY_LEN(names), value);
}

const char *paraclock_counter_name(unsigned int value)
{
	static const char *const names[] = {
		[PARACLOCK_COUNTER_NONE] = "none",
		[PARACLOCK_COUNTER_X86_TSC] = "x86-tsc",
		[PARACLOCK_COUNTER_ARM_VCNT] = "arm-vcnt",
	};

	return name_of(names, ARRAY_LEN(names), value);
}

const char *paraclock_reason_name(unsigned int value)
{
	static const char *const names[] = {
		[PARACLOCK_REASON_OK] = "ok",
		[PARACLOCK_REASON_HOST_CLOCK] = "host-clock",
		[PARACLOCK_REASON_UNSTABLE] = "unstable",
		[PARACLOCK_REASON_SEQUENCE] = "sequence",
		[PARACLOCK_REASON_STATUS] = "status",
		[PARACLOCK_REASON_COUNTER] = "counter",
		[PARACLOCK_REASON_WINDOW] = "window",
		[PARACLOCK_REASON_WIDE] = "wide",
		[PARACLOCK_REASON_DISRUPTED] = "disrupted",
		[PARACLOCK_REASON_IMPLAUSIBLE] = "implausible",
	};

	return name_of(names, ARRAY_LEN(names), value);
}

const char *paraclock_marker_class_name(unsigned int value)
{
	static const char *const names[] = {
		[PARACLOCK_MARKER_NONE] = "none",
		[PARACLOCK_MARKER_HEURISTIC] = "heuristic",
		[PARACLOCK_MARKER_AUTHORITATIVE] = "authoritative",
	};

	return name_of(names, ARRAY_LEN(names), value);
}

const char *paraclock_leap_name(unsigned int value)
{
	static const char *const names[] = {
		[PARACLOCK_LEAP_NONE] = "none",
		[PARACLOCK_LEAP_PRE_POS] = "pre-pos",
		[PARACLOCK_LEAP_PRE_NEG] = "pre-neg",
		[PARACLOCK_LEAP_POS] = "pos",
		[PARACLOCK_LEAP_POST_POS] = "post-pos",
		[PARACLOCK_LEAP_POST_NEG] = "post-neg",
	};

	return name_of(names, ARRAY_LEN(names), value);
}

const char *paraclock_event_kind_name(unsigned int value)
{
	static const char *const names[] = {
		[0] = "unknown",
		[PARACLOCK_EVENT_UPDATED] = "updated",
		[PARACLOCK_EVENT_PAUSED] = "paused",
		[PARACLOCK_EVENT_JUMPED] = "jumped",
		[PARACLOCK_EVENT_MIGRATED] = "migrated",
		[PARACLOCK_EVENT_RESTORED] = "restored",
		[PARACLOCK_EVENT_CLOCK_SET] = "clock-set",
		[PARACLOCK_EVENT_CLOCKSOURCE_CHANGED] = "clocksource-changed",
		[PARACLOCK_EVENT_SOURCE_LOST] = "source-lost",
		[PARACLOCK_EVENT_SOURCE_FOUND] = "source-found",
	};

	return name_of(names, ARRAY_LEN(names), value);
}

const char *paraclock_error_name(int error)
{
	switch (error) {
	case 0:
		return "OK";
	case -EACCES:
		return "EACCES";
	case -EAGAIN:
		return "EAGAIN";
	case -EBUSY:
		return "EBUSY";
	case -EINVAL:
		return "EINVAL";
	case -EIO:
		return "EIO";
	case -ENODEV:
		return "ENODEV";
	case -ENOMEM:
		return "ENOMEM";
	case -EOPNOTSUPP:
		return "EOPNOTSUPP";
	case -EPERM:
		return "EPERM";
	case -EPROTO:
		return "EPROTO";
	case -ERANGE:
		return "ERANGE";
	case -ESTALE:
		return "ESTALE";
	case -ETIMEDOUT:
		return "ETIMEDOUT";
	default:
		return "unknown";
	}
}

const char *paraclock_version(void)
{
	return PARACLOCK_VERSION;
}
