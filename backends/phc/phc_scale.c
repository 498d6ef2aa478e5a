// SPDX-License-Identifier: MIT
/*
 * References: Linux [1] drivers/hv/hv_util.c; [2] drivers/ptp/ptp_vmclock.c;
 * [3] drivers/virtio/virtio_rtc_driver.c; [4] drivers/ptp/ptp_kvm_common.c;
 * [5] Virtio specification, RTC device, clock types; [6] drivers/ptp/ptp_vmw.c.
 */

#include "phc_scale.h"
#include "base/fixed.h"
#include "base/text.h"

/* A system clock that is off by more says nothing about leap seconds, ns. */
#define CLOSE_NS 500000000ULL
/* The memory follows the device's drift in steps of this, ns. */
#define RENEW_NS 10000000

/* The memory's low bits: a timescale, or CONTRADICTED. */
#define SCALE_MASK   7ULL
#define CONTRADICTED 7

/* What follows prefix in text; NULL: text does not begin with it. */
static const char *after(const char *text, const char *prefix)
{
	for (; *prefix; prefix++, text++) {
		if (*text != *prefix)
			return NULL;
	}
	return text;
}

/* A decimal number up to 255 that ends with end; -1: anything else. */
static int number_up_to(const char *text, char end)
{
	int value = 0;

	if (!text || *text < '0' || *text > '9')
		return -1;
	for (; *text >= '0' && *text <= '9'; text++) {
		value = 10 * value + (*text - '0');
		if (value > 255)
			return -1;
	}
	return *text == end ? value : -1;
}

/* With or without a number. */
static bool is_vmclock(const char *name)
{
	const char *digit = after(name, "vmclock");

	while (digit && *digit >= '0' && *digit <= '9')
		digit++;
	return digit && !*digit;
}

/* See [5]. */
static uint8_t virtio_timescale(int type)
{
	switch (type) {
	case 0:
		return PARACLOCK_TIMESCALE_UTC;
	case 1:
		return PARACLOCK_TIMESCALE_TAI;
	case 2:
		return PARACLOCK_TIMESCALE_MONOTONIC;
	case 3:
	case 4:
		return PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED;
	default:
		return PARACLOCK_TIMESCALE_UNKNOWN;
	}
}

void pclk_phc_kind_of(const char *name, struct phc_kind *ret_kind)
{
	const char *virtio = after(name, "Virtio PTP ");
	struct phc_kind kind = { .timescale = PARACLOCK_TIMESCALE_UNKNOWN };

	if (pclk_text_equal(name, "hyperv") ||	/* [1] */
	    pclk_text_equal(name, "ptp_vmw")) { /* [6] */
		kind.paravirtual = true;
		kind.timescale = PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED;
	} else if (is_vmclock(name)) { /* [2] */
		kind.paravirtual = true;
		kind.measured = true;
	} else if (virtio) { /* [3] */
		kind.paravirtual = true;
		kind.timescale = virtio_timescale(
			number_up_to(after(virtio, "type "), '/'));
	} else if (pclk_text_equal(name, "KVM virtual PTP")) { /* [4] */
		/* Another backend's, but a caller may name it. */
		kind.timescale = PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED;
	}
	*ret_kind = kind;
}

static bool is_close(int64_t ns, int64_t to_sec)
{
	int64_t off;

	return !__builtin_sub_overflow(ns, to_sec * (int64_t)NSEC_PER_SEC,
				       &off) &&
	       off <= (int64_t)CLOSE_NS && off >= -(int64_t)CLOSE_NS;
}

/*
 * If a device is whole seconds ahead of a kernel that has no TAI offset, either
 * it counts TAI or the system clock is wrong by as much. That cannot be known,
 * and is not guessed.
 */
static uint8_t measure(const struct ptp_pair *pair)
{
	if (!pair->ahead_known)
		return PARACLOCK_TIMESCALE_UNKNOWN;
	if (pair->tai_offset_sec &&
	    is_close(pair->ahead_ns, pair->tai_offset_sec))
		return PARACLOCK_TIMESCALE_TAI;
	return is_close(pair->ahead_ns, 0) ? PARACLOCK_TIMESCALE_UTC
					   : PARACLOCK_TIMESCALE_UNKNOWN;
}

/*
 * The memory: the device's distance to CLOCK_MONOTONIC in units of 8 ns, and in
 * the low bits the timescale that was measured. Nobody sets CLOCK_MONOTONIC, so
 * while the distance stays (the two may drift apart by 500 ppm, which allows
 * minutes between two reads) the device was not set, and its timescale holds,
 * whatever happens to CLOCK_REALTIME. But if the device then fits another
 * timescale, the system clock was wrong at one of the two measurements, and
 * nothing shows at which.
 */
uint8_t pclk_phc_measure(uint64_t *memory, const struct ptp_pair *pair)
{
	const uint64_t was = __atomic_load_n(memory, __ATOMIC_RELAXED);
	const uint64_t distance = pair->over_monotonic_ns & ~SCALE_MASK;
	const uint64_t moved = distance - (was & ~SCALE_MASK) + CLOSE_NS;
	uint8_t known = (uint8_t)(was & SCALE_MASK);
	uint8_t now = measure(pair);

	if (moved > 2 * CLOSE_NS)
		known = PARACLOCK_TIMESCALE_UNKNOWN;
	if (known == PARACLOCK_TIMESCALE_UNKNOWN)
		known = now;
	else if (now != PARACLOCK_TIMESCALE_UNKNOWN && now != known)
		known = CONTRADICTED;
	/* Not with each read: other threads read the memory. */
	if (known != (was & SCALE_MASK) || moved < CLOSE_NS - RENEW_NS ||
	    moved > CLOSE_NS + RENEW_NS)
		__atomic_store_n(memory, distance | known, __ATOMIC_RELAXED);
	return known == CONTRADICTED ? PARACLOCK_TIMESCALE_UNKNOWN : known;
}
