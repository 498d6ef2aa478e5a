/* SPDX-License-Identifier: MIT */
/*
 * PTP hardware clocks: the device's time and the counter as one pair, by the
 * best way that the driver offers. The backends know which devices they want.
 *
 * Source: Linux include/uapi/linux/ptp_clock.h, drivers/ptp/ptp_chardev.c.
 */
#ifndef PTP_H
#define PTP_H

#include <stdbool.h>

#include <paraclock/backend.h>

#include "base/counter.h"

/* Requests, with direction, size and the type '=' encoded. */
#define PTP_CLOCK_GETCAPS	0x80503d01UL
#define PTP_SYS_OFFSET_PRECISE	0xc0403d08UL
#define PTP_SYS_OFFSET_EXTENDED 0xc4c03d09UL

/* Readings that one PTP_SYS_OFFSET_EXTENDED may hold. */
#define PTP_MAX_SAMPLES 25

struct ptp_time {
	int64_t sec;
	uint32_t nsec;
	uint32_t reserved;
};

struct ptp_caps {
	int32_t adjust_and_pins[6];
	int32_t cross_timestamping; /* 1: PRECISE may work */
	int32_t reserved[13];
};
_Static_assert(sizeof(struct ptp_caps) == 80, "as the kernel's");
_Static_assert(offsetof(struct ptp_caps, cross_timestamping) == 24,
	       "as the kernel's");

struct ptp_precise {
	struct ptp_time device;
	struct ptp_time realtime;
	struct ptp_time monoraw;
	uint32_t reserved[4];
};
_Static_assert(sizeof(struct ptp_precise) == 64, "as the kernel's");

struct ptp_extended {
	uint32_t n_samples;
	/* The clock of the times around the device's. In Linux before 6.12 this
	 * is reserved: it must be 0, and the clock is REALTIME. */
	int32_t clock_id;
	uint32_t reserved[2];
	struct ptp_time time[PTP_MAX_SAMPLES][3]; /* before, device, after */
};
_Static_assert(sizeof(struct ptp_extended) == 1216, "as the kernel's");
_Static_assert(offsetof(struct ptp_extended, time) == 16, "as the kernel's");

struct ptp {
	/* A copy of the caller's env with a memory, for an env that has none:
	 * without one, a clock that is set in the middle of a measurement would
	 * not show. */
	struct paraclock_env own;
	struct paraclock_system_clocks own_clocks;
	const struct paraclock_env *env;
	enum counter_how how;
	int fd;
	bool cross; /* PRECISE may work */
	/* A pair this narrow is good enough, ns. */
	uint64_t good_ns;
	/* Ways that the driver has refused, see ptp_read.c, and when, by
	 * CLOCK_MONOTONIC_RAW, ns; relaxed atomics. */
	uint64_t refused, refused_ns;
	/* 1: the last read ended because the driver stayed busy; relaxed. */
	uint32_t busy;
	uint32_t number[2]; /* the device's major and minor, if numbered */
	bool numbered;
	char name[64]; /* of that number in sysfs; empty: unknown */
	char path[64];
	/* If no device was wanted, those that the backend did not know, cut to
	 * fit: "ptp0 (Intel I225), ptp1 (ena-ptp)". */
	char passed[160];
};

struct ptp_pair {
	int64_t host_ns; /* the device's time */
	uint64_t tsc;	 /* the counter at it */
	/* Half the width of the bracket, and the error of finding tsc; UNKNOWN
	 * if not coupled. */
	uint64_t error_ns;
	/* The device's time - CLOCK_REALTIME, ns; if ahead_known. */
	int64_t ahead_ns;
	/* The device's time - CLOCK_MONOTONIC, ns, modulo 2^64; only its
	 * changes mean anything. */
	uint64_t over_monotonic_ns;
	/* TAI - UTC by this kernel, s; 0: unknown. */
	int16_t tai_offset_sec;
	bool ahead_known;
	/* This kernel runs on the counter, so it trusts the counter. */
	bool coupled;
};

/* Does a backend want a device of this name? 1: it does; 0: it does not; -1: it
 * does not, but knows it as another backend's. */
typedef int ptp_wanted_fn(const char *name);

/*
 * Open options.device, or the first device that is wanted. The errors are those
 * of paraclock_open(), each with its sentence in options.detail. Only -ENODEV
 * without options.device has none: no device is wanted, and the backend says
 * what that means.
 */
int pclk_ptp_open(struct ptp *ptp, const struct paraclock_env *env,
		  const struct paraclock_options *opts, ptp_wanted_fn *wanted);
void pclk_ptp_close(struct ptp *ptp);

/*
 * A pair, now. -EAGAIN: clocks kept stepping, or the driver stayed busy;
 * -ETIMEDOUT: the device has no time at present; -ENODEV: it has gone; -EPROTO:
 * it returns an impossible time; -ERANGE: its time does not fit.
 */
int pclk_ptp_read(struct ptp *ptp, struct ptp_pair *ret_pair);

/* After a disruption: forget what the driver refused, for the host may be
 * another one. */
void pclk_ptp_forget(struct ptp *ptp);

void pclk_ptp_sample(const struct ptp *ptp, const struct ptp_pair *pair,
		     uint8_t timescale, struct paraclock_sample *ret_sample);
void pclk_ptp_explain(const struct ptp *ptp, int error,
		      const struct paraclock_sample *sample, char *buf,
		      size_t size);

#endif
