/* SPDX-License-Identifier: MIT */
/*
 * A world for `paraclock serve` on this machine's real counter: what the true
 * time is at a counter value, what CLOCK_REALTIME says there, when the machine
 * was disrupted, and what readers found. In a file that all processes map.
 */
#ifndef WORLD_H
#define WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <paraclock/sample.h>

__extension__ typedef unsigned __int128 u128;
__extension__ typedef __int128 s128;

#define NS_PER_SEC INT64_C(1000000000)
/* TAI - UTC since 2017. */
#define TAI_SEC 37

/* Ticks to ns: 2^-48 ns a tick, so that 2^41 ticks are sure to 8 ps. */
#define RATE_BITS 48

#define SPANS_MAX   16384
#define READERS_MAX 8

/* span.flags */
#define SPAN_DISRUPTION 0x1U /* the machine did not run just before it */
#define SPAN_MARKED	0x2U /* and the host's marker says so */

/* From a counter value on, until the next span. */
struct span {
	uint64_t from; /* ticks */
	int64_t ns;    /* at from */
	uint64_t rate; /* 2^-48 ns a tick */
	uint32_t flags;
	uint32_t phase;
};

/* A piecewise affine clock. Spans are only ever added, at the horizon or
 * later. */
struct clock_line {
	uint32_t spans;
	uint32_t reserved;
	struct span span[SPANS_MAX];
};

/* What `chronyc tracking` gets for an answer; see chronyc.c. */
enum chronyd_state {
	CHRONYD_DEAD,
	CHRONYD_SYNCHRONIZED,
	CHRONYD_NOT_SYNCHRONIZED,
	CHRONYD_SILENT,	 /* none */
	CHRONYD_GARBAGE, /* not chronyd's */
};

struct chronyd {
	uint32_t seq;	      /* odd while it changes */
	uint32_t state;	      /* enum chronyd_state */
	uint64_t reference;   /* ticks; the members below count from then on */
	int64_t reference_ns; /* UTC */
	int64_t bound_ns;     /* root delay / 2 + root dispersion, then */
	double frequency_ppm; /* of the system clock, were it not corrected */
	uint32_t answers_late_ms;
	/* How often it was told to. */
	uint32_t resets, bursts;
	uint32_t answers;
};

/* What one read was that should not have been. */
struct fault {
	const char *what; /* constant: readers are forks */
	uint32_t phase;
	uint32_t reserved;
	uint64_t counter;
	int64_t earliest_ns, latest_ns; /* of the read */
	int64_t truth_ns;
	uint64_t page; /* reference counter of the page that it came from */
	int64_t since_disruption_ns;
};

#define FAULTS_KEPT 8

/* [0]: of a disruption that no marker tells; [1]: of one that the host marks,
 * where only serve can see it. */
struct excused {
	uint64_t count[2];
	uint64_t late[2]; /* of them, after the first 100 ms */
	int64_t longest_ns[2];
};

/* One reader writes it, others look at it when it has ended. */
struct findings {
	uint64_t reads;
	uint64_t valid;
	uint64_t reason[16]; /* of those that are not */
	uint64_t error[3];   /* -EAGAIN, -ENODEV, any other */
	uint64_t reopened;
	uint64_t pages; /* how many were seen to follow each other */
	/* Of them: against a promise that a disruption without a marker made
	 * void. */
	uint64_t unlike;
	/* Wrong, but of a page from before a disruption that the reader cannot
	 * see. */
	struct excused excused;
	/* Narrowest and widest interval that was valid. */
	int64_t narrowest_ns, widest_ns;
	uint64_t faults;
	uint32_t faults_kept;
	uint32_t reserved;
	struct fault fault[FAULTS_KEPT];
	struct {
		uint64_t reads;
		uint64_t status[4];
		uint64_t none; /* no segment, or never at rest */
		uint64_t widest_ns;
		struct excused excused;
	} clockbound;
};

struct world {
	/* Up to this counter value the lines do not change any more. */
	uint64_t horizon;
	uint32_t phase;
	uint32_t ends; /* readers are to end */
	/* Do readers see the device that the host marks? */
	uint32_t device_is_visible;
	/* How many reads a reader makes before it pauses. */
	uint32_t batch;
	/* Valid reads of any reader whose page is from this counter or later. */
	uint64_t newest_page;
	/* serve's process, and in how many of its steps it is to stop, or to
	 * die; 0: it is not. A step is a call that other_clock.c sees. */
	int32_t serve;
	uint32_t stops_in;
	uint32_t dies;
	uint32_t steps; /* that it has made */
	double ticks_per_ns;
	uint64_t raw_rate;	    /* by CLOCK_MONOTONIC_RAW */
	struct clock_line truth;    /* TAI */
	struct clock_line real;	    /* CLOCK_REALTIME */
	struct clock_line estimate; /* UTC, as chronyd believes */
	struct chronyd chronyd;
	struct findings findings[READERS_MAX];
};

/* The counter, ordered after every earlier load. */
static inline uint64_t counter_now(void)
{
#if defined(__x86_64__)
	uint32_t low, high;

	__asm__ __volatile__("lfence\n\trdtsc\n\tlfence"
			     : "=a"(low), "=d"(high)
			     :
			     : "memory");
	return (uint64_t)high << 32 | low;
#else
	uint64_t value;

	__asm__ __volatile__("isb\n\tmrs %0, cntvct_el0"
			     : "=r"(value)
			     :
			     : "memory");
	return value;
#endif
}

/* --- world.c -------------------------------------------------------------- */

/* Make the world's file anew, or map an existing one; NULL: errno says why. */
struct world *world_make(const char *path);
struct world *world_map(const char *path);

/* What a line says at a counter value below the horizon, ns. */
int64_t line_at(const struct clock_line *line, uint64_t counter);
const struct span *line_find(const struct clock_line *line, uint64_t counter);
/* Wait until the lines are settled at this counter value. false: whoever makes
 * the world has died. */
bool world_wait(const struct world *world, uint64_t counter);

/* A rate that is faster than another by this. */
uint64_t rate_faster(uint64_t rate, double ppm);
/* The counter value that is this much later. */
uint64_t ticks_of(const struct world *world, int64_t ns);
int64_t ns_of(const struct world *world, uint64_t ticks);

/*
 * For whoever makes the world: add a span at the horizon, which continues from
 * the line's value there, @p jump_ns ahead.
 */
void line_add(struct world *world, struct clock_line *line, uint64_t rate,
	      int64_t jump_ns, uint32_t flags);
/* The lines do not change for this long from now on. */
void world_settle(struct world *world, int64_t ns);

#endif
