/* SPDX-License-Identifier: MIT */
/*
 * A row of the matrix in paraclock-disruption(7): a cause at a source, and the
 * promise. test_disruption_matrix.c has the rows of pages,
 * test_disruption_own.c the others.
 */
#ifndef DISRUPTIONS_H
#define DISRUPTIONS_H

#include "events.h"

#define TIMES 1000

/* The host's clock, as its pages should say: ns at counter 0, exact. */
static uint64_t host_ns;
static bool stopped; /* The host's time on the page. */

/* The first reference point; 1000 others fit before it. */
#define START 3000

typedef void write_fn(uint32_t i, uint64_t at);

static void step_forward(uint32_t i, write_fn *write)
{
	host_ns += 5000;
	write(i, START + i);
}

static void be_stopped(uint32_t i, write_fn *write)
{
	stopped = true;
	write(i, START + i);
}

enum when {
	BY_THE_READ,  /* the very next one has another epoch */
	BY_THE_EVENT, /* paraclock_next_event() is the first to know */
	NOT_COUNTED,  /* an event, and no disruption */
	NEVER,
};

struct row {
	const char *name;
	const char *backend;
	write_fn *write;
	void (*cause)(uint32_t i, write_fn *write);
	enum when when;
	uint8_t kind;
	uint8_t class;
	const char *source;
	bool with_vmclock;
	int64_t gap_ns;
};

#define HEURISTIC     PARACLOCK_MARKER_HEURISTIC
#define AUTHORITATIVE PARACLOCK_MARKER_AUTHORITATIVE
#define KIND(x)	      PARACLOCK_EVENT_##x

static uint64_t read_epoch(const struct paraclock *clk)
{
	struct paraclock_sample sample;

	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.valid, 1);
	return sample.epoch;
}

static void check_event(struct paraclock *clk, const struct row *row,
			uint64_t epoch)
{
	struct paraclock_event event = next_event(clk);

	assert_int_equal(event.kind, row->kind);
	assert_int_equal(event.marker_class, row->class);
	assert_string_equal(event.source, row->source);
	assert_int_equal(event.epoch, epoch);
	assert_int_equal(event.flags & PARACLOCK_EVENT_LOST, 0);
	/* The scales of vmclock and Hyper-V are rounded. */
	assert_in_range(event.gap_ns - row->gap_ns + 100, 0, 200);
}

/* TIMES times; go_on() is what the guest does in between, which is no event. */
static void check_row(const struct row *row, struct paraclock *clk,
		      void (*go_on)(void))
{
	uint64_t epoch = read_epoch(clk);

	for (uint32_t i = 1; i <= TIMES; i++) {
		row->cause(i, row->write);
		if (row->when == BY_THE_READ)
			epoch++;
		assert_int_equal(read_epoch(clk), epoch);
		if (row->when == BY_THE_EVENT)
			epoch++;
		if (row->when != NEVER)
			check_event(clk, row, epoch);
		no_event(clk);
		assert_int_equal(paraclock_epoch(clk), epoch);
		go_on();
		assert_int_equal(read_epoch(clk), epoch);
		no_event(clk);
	}
	paraclock_close(clk);
	assert_int_equal(world.opened, world.closed);
	assert_int_equal(fake->allocs, fake->frees);
}

#endif
