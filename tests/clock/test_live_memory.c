// SPDX-License-Identifier: MIT
/*
 * Readers beside the one thread that looks at a page in physical memory: each
 * change is one event, and every reader sees whole markers.
 */

#include "live.h"
#include "memories.h"

/* Of each reader. */
#define READS 200000

static struct paraclock *clk;
static bool stop;
/* Changes that were told, and faults. */
static uint64_t changes, faults;

static void is_right(bool right)
{
	if (!right)
		__atomic_fetch_add(&faults, 1, __ATOMIC_RELAXED);
}

static void set_page(uint64_t number)
{
	put64(fake->vmclock, 16, number);
	world_set_generation(&world, 3 * number);
}

/* Another thread may be committing the change: ask until it is told. */
static struct paraclock_event ask(void)
{
	struct paraclock_event event = { .size = sizeof(event) };

	while (paraclock_next_event(clk, &event))
		sched_yield();
	return event;
}

static void *look_on(void *arg)
{
	struct paraclock_event event;

	for (uint64_t number = 8; !__atomic_load_n(&stop, __ATOMIC_RELAXED);
	     number++) {
		set_page(number);
		event = ask();
		is_right(event.kind == PARACLOCK_EVENT_RESTORED &&
			 event.epoch == number - 6 &&
			 event.marker_before.value == number - 1 &&
			 event.marker_after.value == number &&
			 event.marker_after.generation == 3 * number &&
			 !(event.flags & PARACLOCK_EVENT_LOST));
		is_right(paraclock_next_event(clk, &event) == -EAGAIN);
		__atomic_fetch_add(&changes, 1, __ATOMIC_RELAXED);
	}
	return arg;
}

static void *read_on(void *arg)
{
	const struct live_span *span = arg;
	struct paraclock_marker marker;
	struct paraclock_sample sample;
	uint64_t epoch = 0, value = 0;

	for (uint64_t i = 0;
	     live_goes_on(span, i,
			  __atomic_load_n(&changes, __ATOMIC_RELAXED) > 100);
	     i++) {
		is_right(!paraclock_read(clk, &sample) &&
			 sample.epoch >= epoch);
		epoch = sample.epoch;
		is_right(!paraclock_marker(clk, &marker) &&
			 marker.generation == 3 * marker.value &&
			 marker.value >= value);
		value = marker.value;
		is_right(paraclock_disrupted(clk, epoch) >= -EAGAIN);
	}
	return NULL;
}

static void readers_see_whole_markers(void **state)
{
	struct live_span span[LIVE_READERS_MAX];
	unsigned int n = live_readers();

	(void)state;
	set_page(7);
	clk = open_clock("kvmclock");
	for (unsigned int i = 0; i < n; i++)
		span[i] = live_span(READS);
	live_run(look_on, &stop, read_on, span, sizeof(span[0]), n);
	assert_int_equal(faults, 0);
	assert_true(changes > 100);
	close_clock(clk);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_see_whole_markers),
	};

	each_test(make_memory, NULL);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
