// SPDX-License-Identifier: MIT
/*
 * References: Linux [1] drivers/hv/hv_util.c; [2] drivers/ptp/ptp_vmclock.c;
 * [3] drivers/virtio/virtio_rtc_driver.c; [4] drivers/ptp/ptp_kvm_common.c;
 * [5] Virtio specification, RTC device, clock types; [6] drivers/ptp/ptp_vmw.c.
 */

#include "phc_scale.h"
#include "base/fixed.h"
#include "base/text.h"

/* A local clock that is off by more says nothing of leap seconds, ns. */
#define CLOSE_NS 500000000ULL
/* The memory follows the device's drift in steps of this, ns. */
#define RENEW_NS 10000000

/* In the memory's low bits: a timescale, or that two do not agree. */
#define SCALE_MASK   7ULL
#define CONTRADICTED 7

/* What follows prefix in text; NULL: it does not begin so. */
static const char *after(const char *text, const char *prefix)
{
	for (; *prefix; prefix++, text++) {
		if (*text != *prefix)
			return NULL;
	}
	return text;
}

/* A decimal number up to 255 that ends with end; -1: it is none. */
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

/* With any number, or with none. */
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
		/* Another backend's, but it may be named. */
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
 * A device that is whole seconds ahead of a kernel that has no TAI offset may
 * be one that counts TAI, or the local clock may be wrong by as much: that is
 * not known, and not guessed.
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
 * The memory: what was measured below the device's distance to
 * CLOCK_MONOTONIC, which nobody sets, in 8 ns. As long as that stays (the
 * two may drift apart by 500 ppm, so between two reads of some minutes) the
 * device was not set either, and counts as it did, whatever becomes of
 * CLOCK_REALTIME. But if that then fits another timescale, one of the two
 * measurements was of a wrong local clock, and it is not known which.
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
	/* Not with each read: other threads read it. */
	if (known != (was & SCALE_MASK) || moved < CLOSE_NS - RENEW_NS ||
	    moved > CLOSE_NS + RENEW_NS)
		__atomic_store_n(memory, distance | known, __ATOMIC_RELAXED);
	return known == CONTRADICTED ? PARACLOCK_TIMESCALE_UNKNOWN : known;
}
