// SPDX-License-Identifier: MIT
/*
 * The four ways to move a guest of a guest, with every page above on every page
 * below and random hosts. L2's clock is L0's, less where L2 began; it goes on
 * through the move, for as long as that took.
 */

#include <paraclock/relay.h>
#include <paraclock/timekeeper.h>

#include "relays.h"

#define PASSES 150

/*
 * L0's clock has a counter of its own, 1 GHz, that no move touches; L1 and L2
 * see only theirs.
 */
#define TRUE_HZ 1000000000U

/* A machine that gives L2 its time, with its relay. */
struct host {
	struct above above;
	struct paraclock_relay relay;
	struct paraclock_target target;
};

struct pair {
	struct writer_kind *up, *down;
};

static struct host here, there;
static struct below guest;

static uint64_t random_hz(void)
{
	return 900000000U + random_word() % 4000000000U;
}

static uint64_t random_tsc(void)
{
	return (1ULL << 40) + (random_word() >> 15);
}

/* Half to twice L1's rate, as hardware scales it; or not scaled. */
static void random_coupling(struct paraclock_target *target)
{
	uint64_t mult = (1ULL << 47) + random_word() % (3ULL << 47);

	if (random_word() % 3 == 0)
		mult = 1ULL << 48;
	couple(target, mult, 48, random_word() >> 16);
}

static void host_start(struct host *host, const struct pair *pair)
{
	memset(host, 0, sizeof(*host));
	above_start(&host->above, pair->up, random_hz(), random_tsc(),
		    1000000 + random_word() % 1000000);
	host->relay = relay_of(&host->above, &host->target, 1);
}

static uint64_t counter_of(const struct host *host)
{
	return counter_below(&host->target, host->above.fake.counter);
}

/* L2 runs here, and has done so for a while. */
static void set_up(struct pair *pair)
{
	host_start(&here, pair);
	below_init(&guest, &here.target, pair->down, &here.above.fake.env);
	random_coupling(&here.target);
	here.target.flags = PARACLOCK_TARGET_MONOTONIC;
	here.target.marker = 100;
	if (pair->up->write != paraclock_vmclock_write)
		assert_int_equal(paraclock_relay_align(&here.relay,
						       &here.target,
						       here.above.fake.counter,
						       random_word() % 1000, 0),
				 0);
	assert_int_equal(paraclock_relay_update(&here.relay), 0);
	here.above.fake.counter += random_word() % (100 * random_hz());
	assert_int_equal(paraclock_relay_update(&here.relay), 0);
	assert_running(&guest);
	assert_right(&here.above, &guest, counter_of(&here));
}

static void hold_target(struct host *host)
{
	host->target.flags |= PARACLOCK_TARGET_HELD;
	assert_int_equal(paraclock_relay_update(&host->relay), 0);
	assert_frozen(&guest, counter_of(host));
}

/* --- L2 moves, its L1 does not -------------------------------------------- */

/* Saved, and restored a while later, with another counter. */
static void back_to_an_unmoved_l1(void **state)
{
	for (unsigned int i = 0; i < PASSES; i++) {
		set_up(*state);
		hold_target(&here);
		here.above.fake.counter += random_word() >> 24;
		random_coupling(&here.target);
		here.target.flags = PARACLOCK_TARGET_MONOTONIC;
		assert_int_equal(paraclock_relay_update(&here.relay), 0);
		assert_running(&guest);
		for (unsigned int k = 0; k < 3; k++) {
			assert_right(&here.above, &guest, counter_of(&here));
			here.above.fake.counter += random_word() >> 28;
		}
		assert_int_equal(here.target.marker, 101);
		assert_int_equal(here.relay.disruptions, 0);
		above_end(&here.above);
	}
}

/* --- L2 moves to another L1 ----------------------------------------------- */

/* The target's time at a counter value of its own, by its timeline. */
static u128 target_time(const struct paraclock_target *target, uint64_t counter)
{
	const struct paraclock_timeline *tl = &target->timeline;

	return time_of(tl) +
	       ((u128)(counter - tl->base_tsc) * tl->period_frac >>
		tl->period_shift);
}

/*
 * L2 brings its memory, the page included, and its VMM the rest: its clock and
 * the duration of the move, its marker, and what readers saw.
 */
static void bring(struct host *host, const struct paraclock_target *from,
		  const struct pair *pair, uint64_t took_ns)
{
	u128 time = ((u128)from->seen_sec << 64 | from->seen_frac) +
		    (((u128)took_ns << 64) / NSEC_PER_SEC + 1);

	host->target = (struct paraclock_target){
		.size = sizeof(host->target),
		.page = from->page,
		.writer = from->writer,
		.write = from->write,
		.freeze = from->freeze,
		.pause = from->pause,
		.arg = from->arg,
		.flags = PARACLOCK_TARGET_MONOTONIC,
		.marker = from->marker + 1,
		.seen_sec = from->seen_sec,
		.seen_frac = from->seen_frac,
	};
	memset(&guest.writer, 0, sizeof(guest.writer));
	guest.target = &host->target;
	guest.paused = 0;
	assert_int_equal(paraclock_page_writer_acquire(&guest.writer,
						       &host->above.fake.env),
			 0);
	random_coupling(&host->target);
	if (pair->up->write != paraclock_vmclock_write)
		assert_int_equal(paraclock_relay_align(&host->relay,
						       &host->target,
						       host->above.fake.counter,
						       (uint64_t)(time >> 64),
						       (uint64_t)time),
				 0);
}

static void to_another_l1(void **state)
{
	struct pair *pair = *state;

	for (unsigned int i = 0; i < PASSES; i++) {
		uint64_t took_ns = random_word() >> 28;
		int64_t seen;

		set_up(pair);
		hold_target(&here);
		seen = guest.seen;
		host_start(&there, pair);
		/* Time of the day is the same on all hosts. */
		if (pair->up->write == paraclock_vmclock_write) {
			there.above.conv.base_sec = here.target.seen_sec + 1;
			there.above.conv.marker = 2;
			above_write(&there.above);
		}
		bring(&there, &here.target, pair, took_ns);
		assert_int_equal(paraclock_relay_update(&there.relay), 0);
		assert_running(&guest);
		assert_right(&there.above, &guest, counter_of(&there));
		if (pair->up->write != paraclock_vmclock_write) {
			/*
			 * The move took some time, and the last reading was a
			 * little before it.
			 */
			assert_in_range(guest.seen - seen,
					(int64_t)took_ns - 500,
					(int64_t)took_ns + 5000);
		}
		there.above.fake.counter += random_word() >> 28;
		assert_right(&there.above, &guest, counter_of(&there));
		assert_int_equal(there.target.marker, 101);
		above_end(&here.above);
		above_end(&there.above);
	}
}

/* --- L2 moves to a physical host ------------------------------------------ */

/*
 * There is no page above: the host's own timekeeper has the time, and the host
 * plays L1 below.
 */
static void to_a_physical_host(void **state)
{
	static struct paraclock_timekeeper tk;
	struct pair *pair = *state;

	for (unsigned int i = 0; i < PASSES; i++) {
		struct paraclock_timeline conv;
		struct paraclock_sample sample;
		struct paraclock *clk;
		uint64_t counter;
		u128 want;

		set_up(pair);
		hold_target(&here);
		host_start(&there, pair);
		conv = there.above.conv;
		conv.base_sec = here.target.seen_sec + 10;
		conv.t_end = UINT64_MAX >> 1;
		memset(&tk, 0, sizeof(tk));
		assert_int_equal(paraclock_timekeeper_acquire(
					 &tk, &there.above.fake.env, NULL),
				 0);
		assert_int_equal(paraclock_timekeeper_set(
					 &tk, &there.above.fake.env, &conv, 0),
				 0);
		assert_int_equal(paraclock_timekeeper_open(
					 &clk, &tk, &there.above.fake.env),
				 0);
		there.above.fake.counter += 1000000;
		there.relay.clk = clk;
		there.relay.timekeeper = &tk;
		bring(&there, &here.target, pair, 7000000000);
		assert_int_equal(paraclock_relay_update(&there.relay), 0);
		assert_running(&guest);
		there.above.fake.counter += random_word() >> 30;
		counter = counter_of(&there);
		assert_int_equal(below_sample(&guest, counter, &sample), 0);
		assert_int_equal(sample.valid, 1);
		assert_true(sample.host_ns >= guest.seen);
		/* By the host's timeline; a tick of L1's is 1.2 ns at most. */
		want = time_of(&conv) +
		       ((counter_above(&there.target, counter) -
			 ((u128)conv.base_tsc << TICK_BITS)) *
				conv.period_frac >>
			(conv.period_shift + TICK_BITS));
		want += (u128)(uint64_t)there.target.offset_sec << 64 |
			there.target.offset_frac;
		want = (u128)(uint64_t)(want >> 64) * NSEC_PER_SEC +
		       mul_high((uint64_t)want, NSEC_PER_SEC);
		assert_in_range(sample.host_ns,
				(int64_t)want - pair->down->below - 40,
				(int64_t)want + pair->down->lifted + 2);
		/*
		 * Also by the time that the released timeline would show there.
		 */
		assert_true(target_time(&there.target, counter) >> 64 ==
				    (uint64_t)sample.host_ns / NSEC_PER_SEC ||
			    sample.host_ns % NSEC_PER_SEC > 999999000 ||
			    sample.host_ns % NSEC_PER_SEC < 1000);
		paraclock_close(clk);
		above_end(&here.above);
		above_end(&there.above);
	}
}

/* --- L1 moves with its L2 inside ------------------------------------------ */

enum how {
	ANNOUNCED,
	BY_PAGE
};

/* L1's counter has another rate, and another value; its clock goes on. */
static void move_l1(struct host *host, uint64_t took_ns)
{
	struct above *above = &host->above;
	struct paraclock_timeline *conv = &above->conv;

	assert_int_equal(paraclock_timeline_rebase(conv, above->fake.counter),
			 0);
	add_ns(conv, (int64_t)took_ns);
	above->fake.counter = random_tsc();
	conv->base_tsc = above->fake.counter;
	assert_int_equal(paraclock_timeline_set_hz(conv, random_hz(), 0), 0);
	conv->marker++;
	/* Another machine: the page's writer there knows nothing. */
	memset(&above->writer, 0, sizeof(above->writer));
	assert_int_equal(paraclock_page_writer_acquire(&above->writer,
						       &above->fake.env),
			 0);
	if (above->kind->write != paraclock_pvclock_write)
		memset(page_of(&above->fake, above->kind), 0, 4096);
	above_write(above);
}

static void move_with_l2(struct pair *pair, enum how how)
{
	for (unsigned int i = 0; i < PASSES; i++) {
		set_up(pair);
		if (how == ANNOUNCED) {
			assert_int_equal(paraclock_relay_freeze(&here.relay),
					 0);
			assert_frozen(&guest, counter_of(&here));
		} else {
			/*
			 * A promise that readers derived from the old page
			 * meanwhile cannot be kept.
			 */
			here.target.flags = 0;
		}
		move_l1(&here, random_word() >> 28);
		here.above.fake.counter += 1000;
		if (how == ANNOUNCED) {
			assert_frozen(&guest, counter_of(&here));
			assert_int_equal(paraclock_relay_resume(&here.relay),
					 0);
		} else {
			assert_int_equal(paraclock_relay_update(&here.relay),
					 0);
			guest.seen = 0;
		}
		assert_running(&guest);
		for (unsigned int k = 0; k < 3; k++) {
			assert_right(&here.above, &guest, counter_of(&here));
			here.above.fake.counter += random_word() >> 28;
		}
		/* A move of L1 is a move of L2. */
		assert_int_equal(here.relay.disruptions, 1);
		assert_int_equal(here.target.marker, 101);
		if (pair->down->write == paraclock_vmclock_write)
			assert_int_equal(get64(guest.fake.vmclock, 16), 101);
		above_end(&here.above);
	}
}

static void l1_with_its_l2_announced(void **state)
{
	move_with_l2(*state, ANNOUNCED);
}

static void l1_with_its_l2_by_the_page(void **state)
{
	move_with_l2(*state, BY_PAGE);
}

static struct {
	const char *name;
	void (*fn)(void **state);
} moves[] = {
	{ "back to an unmoved L1", back_to_an_unmoved_l1 },
	{ "to another L1", to_another_l1 },
	{ "to a physical host", to_a_physical_host },
	{ "L1 moves with its L2 inside, announced", l1_with_its_l2_announced },
	{ "L1 moves with its L2 inside, seen on the page",
	  l1_with_its_l2_by_the_page },
};

int main(void)
{
	static struct pair pairs[9];
	static char names[64][100];
	size_t n = 0;

	for (size_t i = 0; i < 9 * ARRAY_LEN(moves); i++) {
		struct pair *pair = &pairs[i % 9];

		pair->up = &kinds[i % 3];
		pair->down = &kinds[i % 9 / 3];
		/*
		 * A page with the time of the day cannot be relayed onto the
		 * others.
		 */
		if (pair->up == &kinds[2] && pair->down != &kinds[2])
			continue;
		(void)snprintf(names[n], sizeof(names[n]), "%s: %s on %s",
			       moves[i / 9].name, pair->up->name,
			       pair->down->name);
		add_row(names[n++], moves[i / 9].fn, pair);
	}
	return run_suite(NULL, NULL);
}
