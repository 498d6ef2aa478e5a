/* SPDX-License-Identifier: MIT */
/*
 * A fake outside world whose system clocks are exactly known at each counter
 * value. Time passes only when the counter or a clock is read.
 */
#ifndef FAKE_CLOCKS_H
#define FAKE_CLOCKS_H

#include "fake.h"

/* floor(ticks * num / den) + base, ns. */
struct fake_rate {
	int64_t base;
	uint64_t num, den;
};

struct fake_clocks {
	struct fake world; /* first: its env.ctx is this struct */
	struct fake_rate raw, mono;
	uint64_t origin;	 /* the counter value that the rates start at */
	int64_t real_minus_mono; /* ns */
	int64_t boot_minus_mono; /* ns */
	int64_t tai_sec;
	uint64_t read_ticks; /* a clock is read in the middle of these */
	char source[32];
	uint8_t kind;
	int source_error;
	unsigned int source_reads;
	unsigned int clock_reads;
	int clock_error;
	/* Called at the instant at which a clock is read. */
	void (*on_read)(struct fake_clocks *clocks, int clock_id);
	/* The next answers of watch_clock(), and its arguments. */
	int watch_answer;
	unsigned int watches, closes;
	struct paraclock_system_clocks system_clocks;
};

/*
 * A TSC of 2.6 GHz that moves by 39 ticks a look, clocksource tsc, NTP slewing
 * by 12 ppm, TAI offset 37, no history.
 */
void fake_clocks_init(struct fake_clocks *clocks);

/* The kernel's value at a counter value, by enum paraclock_clock. */
int64_t fake_clock_at(const struct fake_clocks *clocks,
		      enum paraclock_clock clock, uint64_t counter);

/* Let time pass. */
void fake_clocks_pass(struct fake_clocks *clocks, uint64_t ticks);

/* A device of the caller's, for paraclock_correlate(); its ctx. */
struct fake_device {
	struct fake_clocks *clocks;
	uint64_t counter; /* its answer; 0: the counter now */
	int64_t ns;
	uint8_t counter_id;
	uint8_t invalid; /* a reason */
	int error;
	unsigned int calls;
	unsigned int acts; /* act() is called in the first so many */
	void (*act)(struct fake_clocks *clocks);
};

/* Answers now, by the TSC. */
void fake_device_init(struct fake_device *device, struct fake_clocks *clocks);
int fake_device_time(void *ctx, struct paraclock_sample *ret_sample);

/*
 * Fails the test if a known clock is off by more than its bound, or an unknown
 * one is not 0.
 */
void fake_check_truth(const struct fake_clocks *clocks, uint8_t known,
		      const int64_t ns[PARACLOCK_CLOCKS], uint64_t counter,
		      uint64_t uncertainty_ns);

#endif
