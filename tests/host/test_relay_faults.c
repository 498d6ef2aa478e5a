// SPDX-License-Identifier: MIT
/*
 * Failures of a relay: targets that fail, a clock that is disrupted while it is
 * relayed, and a process that dies at any step. No reader below hangs, and none
 * gets a time that is valid and wrong.
 */

#include <paraclock/relay.h>

#include "relays.h"

#define HZ_ABOVE 2400000000U

static struct above above;
static struct below below[3];
static struct paraclock_target targets[3];
static struct paraclock_relay relay;

static void start(void)
{
	above_start(&above, &kinds[0], HZ_ABOVE, 1ULL << 45, 1000);
	for (size_t i = 0; i < 3; i++) {
		below_init(&below[i], &targets[i], &kinds[i], &above.fake.env);
		couple(&targets[i], 3ULL << 30, 32, 1000000 * i);
		targets[i].flags = PARACLOCK_TARGET_MONOTONIC;
	}
	relay = relay_of(&above, targets, 3);
	assert_int_equal(paraclock_relay_update(&relay), 0);
}

static uint64_t counter_at(size_t i)
{
	return counter_below(&targets[i], above.fake.counter);
}

static void all_right(void)
{
	for (size_t i = 0; i < 3; i++) {
		assert_running(&below[i]);
		assert_right(&above, &below[i], counter_at(i));
	}
}

static void move_above(void)
{
	above.fake.counter += 1000000000;
	add_ns(&above.conv, 123456789);
	above_write(&above);
}

static void an_unstable_clock_freezes(void **state)
{
	(void)state;
	start();
	above.conv.flags = 0;
	above_write(&above);
	assert_int_equal(paraclock_relay_update(&relay), -EAGAIN);
	for (size_t i = 0; i < 3; i++)
		assert_frozen(&below[i], counter_at(i));
	above_end(&above);
}

/* --- a target that fails -------------------------------------------------- */

static void a_page_with_another_owner(void **state)
{
	(void)state;
	start();
	assert_int_equal(paraclock_page_writer_release(&below[1].writer,
						       &above.fake.env),
			 0);
	move_above();
	assert_int_equal(paraclock_relay_update(&relay), -EPERM);
	assert_int_equal(targets[1].error, -EPERM);
	assert_int_equal(targets[1].marker, 1);
	/* It does not keep the others from going on. */
	assert_running(&below[0]);
	assert_running(&below[2]);
	assert_right(&above, &below[0], counter_at(0));
	assert_right(&above, &below[2], counter_at(2));
	assert_int_equal(paraclock_page_writer_acquire(&below[1].writer,
						       &above.fake.env),
			 0);
	assert_int_equal(paraclock_relay_update(&relay), 0);
	all_right();
	assert_int_equal(targets[1].marker, 2);
	above_end(&above);
}

static void a_guest_that_cannot_be_paused(void **state)
{
	(void)state;
	start();
	move_above();
	below[0].pause_error = -ETIMEDOUT;
	assert_int_equal(paraclock_relay_update(&relay), -ETIMEDOUT);
	assert_int_equal(targets[0].error, -ETIMEDOUT);
	assert_int_equal(targets[0].state, PARACLOCK_TARGET_RUNNING);
	assert_running(&below[1]);
	below[0].pause_error = 0;
	assert_int_equal(paraclock_relay_update(&relay), 0);
	all_right();
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(targets[i].marker, 2);
	above_end(&above);
}

static int stuck_pause(void *arg, int stop)
{
	return stop ? below_pause(arg, stop) : -EIO;
}

static void a_guest_that_cannot_be_resumed(void **state)
{
	(void)state;
	start();
	move_above();
	targets[0].pause = stuck_pause;
	assert_int_equal(paraclock_relay_update(&relay), -EIO);
	assert_int_equal(targets[0].state, PARACLOCK_TARGET_WRITTEN);
	assert_int_equal(below[0].paused, 1);
	/* It is written anew before it is released, whenever that is. */
	move_above();
	targets[0].pause = below_pause;
	assert_int_equal(paraclock_relay_update(&relay), 0);
	all_right();
	above_end(&above);
}

static void an_invalid_coupling(void **state)
{
	(void)state;
	start();
	targets[2].coupling.flags = PARACLOCK_COUPLING_FIXED;
	move_above();
	assert_int_equal(paraclock_relay_update(&relay), -EINVAL);
	assert_int_equal(targets[2].error, -EINVAL);
	assert_int_equal(targets[2].state, PARACLOCK_TARGET_FROZEN);
	assert_frozen(&below[2], above.fake.counter);
	assert_running(&below[1]);
	above_end(&above);
}

/* --- a disruption while one is relayed ------------------------------------ */

static unsigned int more;

static int pause_and_move(void *arg, int stop)
{
	if (stop && more) {
		more--;
		move_above();
	}
	return below_pause(arg, stop);
}

static void a_disruption_while_one_is_relayed(void **state)
{
	(void)state;
	start();
	targets[0].pause = pause_and_move;
	move_above();
	more = 1;
	assert_int_equal(paraclock_relay_update(&relay), 0);
	all_right();
	assert_int_equal(relay.disruptions, 2);
	above_end(&above);
}

static int write_and_move(void *page, struct paraclock_page_writer *writer,
			  const struct paraclock_env *env,
			  const struct paraclock_timeline *tl)
{
	int ret = paraclock_vmclock_write(page, writer, env, tl);

	move_above();
	return ret;
}

static void a_clock_that_is_disrupted_all_the_time(void **state)
{
	(void)state;
	start();
	targets[2].write = write_and_move;
	move_above();
	assert_int_equal(paraclock_relay_update(&relay), -EAGAIN);
	for (size_t i = 0; i < 3; i++)
		assert_frozen(&below[i], counter_at(i));
	targets[2].write = paraclock_vmclock_write;
	assert_int_equal(paraclock_relay_update(&relay), 0);
	all_right();
	above_end(&above);
}

/* --- a relay that dies ---------------------------------------------------- */

static jmp_buf death;
static unsigned int steps; /* until then; 0: it lives */

static void step(void)
{
	if (steps && !--steps)
		longjmp(death, 1);
}

static uint64_t counter_or_death(void *ctx)
{
	struct fake *fake = ctx;

	step();
	fake->counter += fake->counter_step;
	return fake->counter;
}

static int pause_or_death(void *arg, int stop)
{
	int ret;

	step();
	ret = below_pause(arg, stop);
	step();
	return ret;
}

/* Each reader gets the right time or none; and always an answer. */
static void check_left(void)
{
	for (size_t i = 0; i < 3; i++) {
		struct paraclock_sample sample;
		struct paraclock *clk;
		int ret;
		s128 off;

		if (below[i].paused)
			continue;
		below[i].fake.counter_step = 1 << 12;
		below[i].fake.counter = counter_at(i);
		clk = fake_open(&below[i].fake, kinds[i].backend);
		ret = paraclock_read(clk, &sample);
		paraclock_close(clk);
		if (ret == -EAGAIN)
			continue;
		assert_int_equal(ret, 0);
		if (!sample.valid)
			continue;
		off = NS(sample.host_ns) -
		      truth(&above, &below[i], sample.host_tsc);
		assert_true(off < NS(410) && off > -NS(60));
	}
}

/* Another process, with what the first one was told. */
static void replace_the_relay(void)
{
	above.fake.process_id++;
	for (size_t i = 0; i < 3; i++) {
		struct paraclock_target *target = &targets[i];

		target->state = PARACLOCK_TARGET_NEW;
		target->marker += 2;
		memset(target->opaque, 0, sizeof(target->opaque));
		memset(&below[i].writer, 0, sizeof(below[i].writer));
		below[i].paused = 0;
		assert_int_equal(paraclock_page_writer_acquire(&below[i].writer,
							       &above.fake.env),
				 0);
	}
	relay = relay_of(&above, targets, 3);
	assert_int_equal(paraclock_relay_update(&relay), 0);
	for (size_t i = 0; i < 3; i++)
		below[i].seen = 0;
	all_right();
}

static int nothing(struct paraclock_relay *unused)
{
	(void)unused;
	return 0;
}

/*
 * The first call; the process dies in the second, and L1 is then in this state.
 */
static struct death_case {
	const char *name;
	int (*before)(struct paraclock_relay *relay);
	int (*call)(struct paraclock_relay *relay);
	bool moves;   /* in between */
	bool updates; /* a small one, above */
} death_cases[] = {
	{ "a process that dies in a freeze leaves the right time or none",
	  nothing, paraclock_relay_freeze, false, false },
	{ "a process that dies in a resume leaves the right time or none",
	  paraclock_relay_freeze, paraclock_relay_resume, true, false },
	{ "a process that dies in an update leaves the right time or none",
	  nothing, paraclock_relay_update, false, true },
};

static bool dies(const struct death_case *c, unsigned int after)
{
	volatile bool died = true;

	start();
	for (size_t i = 0; i < 3; i++)
		targets[i].pause = targets[i].pause ? pause_or_death : NULL;
	above.fake.env.counter = counter_or_death;
	assert_int_equal(c->before(&relay), 0);
	if (c->moves)
		move_above();
	if (c->updates) {
		above.fake.counter += 1000000;
		add_ns(&above.conv, 40);
		above_write(&above);
	}
	if (!setjmp(death)) {
		steps = after;
		assert_int_equal(c->call(&relay), 0);
		died = false;
	}
	steps = 0;
	check_left();
	if (died)
		replace_the_relay();
	/* Its work in progress is lost with the process. */
	paraclock_close(above.clk);
	return died;
}

static void dies_at_any_step(void **state)
{
	unsigned int after = 1;

	while (dies(*state, after))
		after++;
	/* It did die in the middle of each page. */
	assert_true(after > 6);
}

int main(void)
{
	add_test("a clock above that is not stable freezes what is below",
		 an_unstable_clock_freezes);
	add_test("a page with another owner does not stop the others",
		 a_page_with_another_owner);
	add_test("a guest that cannot be paused is tried again",
		 a_guest_that_cannot_be_paused);
	add_test("a guest that cannot be resumed is written again",
		 a_guest_that_cannot_be_resumed);
	add_test("a target with an invalid coupling is frozen",
		 an_invalid_coupling);
	add_test("a disruption while one is relayed",
		 a_disruption_while_one_is_relayed);
	add_test("a clock that is disrupted all the time",
		 a_clock_that_is_disrupted_all_the_time);
	ADD_ROWS(death_cases, dies_at_any_step);
	return run_suite(NULL, NULL);
}
