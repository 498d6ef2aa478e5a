/* SPDX-License-Identifier: MIT */
/*
 * A machine whose time is known to the femtosecond, whatever its counter and
 * its clocks show: a counter that moves by many ticks at a time, or jumps, or
 * stands still; clocks that move once in a jiffy.
 */
#ifndef FAKE_MACHINE_H
#define FAKE_MACHINE_H

#include "fake.h"
#include "random.h"

#define FS_PER_NS  1000000U
#define FS_PER_SEC 1000000000000000U

/* The counter moves at moves_hz, each time by num / den ticks. */
struct fake_counter {
	const char *name;
	uint64_t moves_hz, num, den;
};

struct fake_machine {
	struct fake world; /* first: its env.ctx is this struct */
	uint64_t now;	   /* fs since power on */
	struct fake_counter is;
	uint64_t since, from; /* from's instant, fs */
	bool stopped;
	/* The clocks move once in this time, fs, with a phase; 0: every ns. */
	uint64_t quantum, phase;
	/* Or as the counter moves. */
	bool by_counter;
	bool stand; /* the clocks stand still */
	int64_t real_ns, boot_ns;
	uint64_t mono_ppm; /* MONOTONIC is this much faster than RAW */
	/* The cost of reading a clock, fs, beyond that of the counter. */
	uint64_t read_cost;
	char source[32];
	uint8_t kind;
	unsigned int source_reads, clock_reads, counter_reads;
	struct paraclock_system_clocks system_clocks;
};

static inline uint64_t fake_machine_tick_hz(const struct fake_machine *m)
{
	return (uint64_t)((u128)m->is.moves_hz * m->is.num / m->is.den);
}

/* The counter's step, ticks, rounded up. */
static inline uint64_t fake_machine_stride(const struct fake_machine *m)
{
	return (m->is.num + m->is.den - 1) / m->is.den;
}

static inline uint64_t fake_machine_counter(const struct fake_machine *m)
{
	uint64_t moves = (uint64_t)((u128)(m->now - m->since) * m->is.moves_hz /
				    FS_PER_SEC);

	if (m->stopped)
		return m->from;
	return m->from + (uint64_t)((u128)moves * m->is.num / m->is.den);
}

/* The instant that a counter value stands for, fs, rounded down. */
static inline uint64_t fake_machine_instant(const struct fake_machine *m,
					    uint64_t counter)
{
	return m->since + (uint64_t)((u128)(counter - m->from) * m->is.den *
				     FS_PER_SEC / m->is.num / m->is.moves_hz);
}

/* The clock that is meant: the kernel's ideal value, ns. */
static inline int64_t fake_machine_clock(const struct fake_machine *m,
					 enum paraclock_clock clock,
					 uint64_t fs)
{
	int64_t ns = (int64_t)(fs / FS_PER_NS);
	int64_t mono = (int64_t)((u128)fs * (1000000 + m->mono_ppm) / 1000000 /
				 FS_PER_NS);

	switch (clock) {
	case PARACLOCK_CLOCK_REALTIME:
		return mono + m->real_ns;
	case PARACLOCK_CLOCK_MONOTONIC_RAW:
		return ns;
	case PARACLOCK_CLOCK_BOOTTIME:
		return mono + m->boot_ns;
	case PARACLOCK_CLOCK_TAI:
		return mono + m->real_ns + 37000000000;
	default:
		return mono;
	}
}

/* Up to this much, at random. */
static inline void fake_machine_pass(struct fake_machine *m, uint64_t fs)
{
	m->now += fs;
}

static inline uint64_t fake_machine_read(void *ctx)
{
	struct fake_machine *m = ctx;
	uint64_t counter;

	m->counter_reads++;
	m->now += 4 * FS_PER_NS + random_word() % (8 * FS_PER_NS);
	counter = fake_machine_counter(m);
	m->now += 4 * FS_PER_NS + random_word() % (8 * FS_PER_NS);
	/* An interrupt, once in a while. */
	if (random_word() % 4096 == 0)
		m->now += random_word() % (20000UL * FS_PER_NS);
	return counter;
}

static inline int fake_machine_time(void *ctx, int clock_id, int64_t *ret_ns)
{
	static const uint8_t clock_of[] = {
		[0] = PARACLOCK_CLOCK_REALTIME,
		[1] = PARACLOCK_CLOCK_MONOTONIC,
		[4] = PARACLOCK_CLOCK_MONOTONIC_RAW,
		[7] = PARACLOCK_CLOCK_BOOTTIME,
		[11] = PARACLOCK_CLOCK_TAI,
	};
	struct fake_machine *m = ctx;
	uint64_t fs;

	m->clock_reads++;
	m->now += (4 + random_word() % 8) * FS_PER_NS + random_word() % 1000 +
		  m->read_cost / 2;
	fs = m->now;
	if (m->by_counter)
		fs = fake_machine_instant(m, fake_machine_counter(m));
	if (m->quantum)
		fs -= (fs + m->phase) % m->quantum;
	if (m->stand)
		fs = FS_PER_SEC;
	*ret_ns = fake_machine_clock(
		m, (enum paraclock_clock)clock_of[clock_id], fs);
	m->now += (4 + random_word() % 8) * FS_PER_NS + random_word() % 1000 +
		  m->read_cost / 2;
	return 0;
}

static inline int fake_machine_source(void *ctx, char ret_name[32],
				      uint8_t *ret_kind)
{
	struct fake_machine *m = ctx;

	m->source_reads++;
	memcpy(ret_name, m->source, sizeof(m->source));
	*ret_kind = m->kind;
	return 0;
}

static inline void fake_machine_become(struct fake_machine *m,
				       const char *source, uint8_t kind,
				       uint64_t read_cost)
{
	memset(m->source, 0, sizeof(m->source));
	memcpy(m->source, source, strlen(source));
	m->kind = kind;
	m->read_cost = read_cost;
}

/* The counter goes on from another value; the clocks do not change. */
static inline void fake_machine_move_counter(struct fake_machine *m,
					     uint64_t to)
{
	m->since = m->now;
	m->from = to;
}

static inline void fake_machine_stop(struct fake_machine *m)
{
	fake_machine_move_counter(m, fake_machine_counter(m));
	m->stopped = true;
}

static inline void fake_machine_go(struct fake_machine *m)
{
	m->since = m->now;
	m->stopped = false;
}

static inline void fake_machine_init(struct fake_machine *m,
				     const struct fake_counter *counter)
{
	memset(m, 0, sizeof(*m));
	fake_init(&m->world);
	m->is = *counter;
	m->now = 10 * FS_PER_SEC + random_word() % FS_PER_SEC;
	m->real_ns = 1795000000123456789;
	m->mono_ppm = 12;
	fake_machine_become(m, "tsc", PARACLOCK_CLOCKSOURCE_COUNTER, 0);
	m->world.machine.counter_hz = fake_machine_tick_hz(m);
	m->world.env.counter = fake_machine_read;
	m->world.env.read_clock = fake_machine_time;
	m->world.env.clocksource = fake_machine_source;
	m->world.env.system_clocks = &m->system_clocks;
}

/*
 * Fails the test if a clock at a counter value is off by more than its bound,
 * at any instant at which the counter may show that value.
 */
static inline void fake_machine_check(const struct fake_machine *m,
				      enum paraclock_clock clock, int64_t ns,
				      uint64_t counter, uint64_t error_ns)
{
	uint64_t ends[2] = {
		fake_machine_instant(m, counter),
		fake_machine_instant(m, counter + fake_machine_stride(m)),
	};

	for (unsigned int i = 0; i < 2; i++) {
		int64_t truth = fake_machine_clock(m, clock, ends[i]);

		if (distance(ns, truth) <= error_ns)
			continue;
		fail_msg("%s, clock %u: %lld ns off, by its own word at most "
			 "%llu",
			 m->is.name, (unsigned int)clock,
			 (long long)(ns - truth), (unsigned long long)error_ns);
	}
}

static inline void
fake_machine_check_snapshot(const struct fake_machine *m,
			    const struct paraclock_snapshot *snap)
{
	for (unsigned int i = 0; i < PARACLOCK_CLOCKS; i++) {
		if (snap->known >> i & 1)
			fake_machine_check(m, (enum paraclock_clock)i,
					   snap->ns[i], snap->counter,
					   snap->uncertainty_ns);
	}
}

#endif
