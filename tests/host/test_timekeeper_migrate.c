// SPDX-License-Identifier: MIT
/*
 * Timekeepers that are frozen, moved, acquired from others, and left by dead
 * writers.
 */

#include "host/timekeeper.h"
#include "timekeepers.h"

static struct keeper keeper;

static int freeze(void)
{
	return paraclock_timekeeper_freeze(&keeper.tk, &keeper.fake.env);
}

static int unfreeze(void)
{
	return paraclock_timekeeper_unfreeze(&keeper.tk, &keeper.fake.env);
}

static int reconfigure(const struct paraclock_timeline *tl)
{
	return paraclock_timekeeper_reconfigure(&keeper.tk, &keeper.fake.env,
						tl);
}

static int take(uint32_t flags)
{
	struct paraclock_timekeeper_options opts = {
		.size = sizeof(opts),
		.flags = flags,
	};

	return paraclock_timekeeper_acquire(&keeper.tk, &keeper.fake.env,
					    &opts);
}

static void running_at_5(void)
{
	struct paraclock_timeline tl = conv_at(NOW, 5);

	keeper_init(&keeper);
	tl.flags |= PARACLOCK_TIMELINE_MONOTONIC;
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
}

/* --- freeze, reconfigure, unfreeze ----------------------------------------
 */

static void a_frozen_timekeeper_refuses(void **state)
{
	struct paraclock_timeline tl = conv_at(NOW, 5);
	struct paraclock_timekeeper_info info;

	(void)state;
	running_at_5();
	keeper.fake.counter = NOW + TICKS_SEC;
	assert_int_equal(freeze(), 0);
	assert_refuses(&keeper, NOW + 2 * TICKS_SEC, -EAGAIN);
	/* It does not look like a dead writer's, not even after a long time. */
	keeper.fake.counter = NOW + 100 * TICKS_SEC;
	info = describe(&keeper);
	assert_int_equal(info.state, PARACLOCK_TIMEKEEPER_FROZEN);
	assert_int_equal(info.t_frozen, NOW + TICKS_SEC);
	assert_int_equal(info.seen_sec, 6);
	assert_int_equal(info.seen_frac, 0);
	assert_int_equal(info.migrations, 1);
	assert_int_equal(keeper_set(&keeper, &tl, 0), -EAGAIN);
	assert_int_equal(freeze(), 0);
	assert_int_equal(describe(&keeper).t_frozen, NOW + TICKS_SEC);
	/* Its lease is over. */
	assert_int_equal(unfreeze(), -ESTALE);
	assert_refuses(&keeper, NOW + TICKS_SEC, -EAGAIN);
	keeper.fake.counter = NOW + 2 * TICKS_SEC;
	assert_int_equal(unfreeze(), 0);
	assert_int_equal(unfreeze(), 0);
	assert_shows(&keeper, NOW + 3 * TICKS_SEC, 8 * SEC);
	assert_int_equal(describe(&keeper).t_frozen, 0);
}

static void moved_to_another_counter(void **state)
{
	struct paraclock_timeline tl = conv_at(1000, 6);
	struct paraclock_sample s;

	(void)state;
	running_at_5();
	keeper.fake.counter = NOW + TICKS_SEC;
	assert_int_equal(reconfigure(&tl), -EINVAL);
	assert_int_equal(freeze(), 0);
	/* Half the rate, far back, and a second later. */
	keeper.fake.counter = 1000;
	tl.flags |= PARACLOCK_TIMELINE_MONOTONIC;
	tl.period_shift--;
	tl.base_sec = 7;
	assert_int_equal(reconfigure(&tl), 0);
	assert_refuses(&keeper, 1000, -EAGAIN);
	assert_int_equal(describe(&keeper).migrations, 2);
	assert_int_equal(reconfigure(&tl), 0);
	assert_int_equal(unfreeze(), 0);
	assert_shows(&keeper, 1000, 7 * SEC);
	assert_shows(&keeper, 1000 + TICKS_SEC, 9 * SEC);
	assert_int_equal(keeper_read(&keeper, 1000, &s), 0);
	assert_int_equal(s.epoch, 3);
}

static void promise_is_kept_across_a_move(void **state)
{
	struct paraclock_timeline tl = conv_at(1000, 5);

	(void)state;
	running_at_5();
	keeper.fake.counter = NOW + TICKS_SEC;
	assert_int_equal(freeze(), 0);
	keeper.fake.counter = 1000;
	tl.flags |= PARACLOCK_TIMELINE_MONOTONIC;
	tl.base_frac = 0 - ((uint64_t)1 << 40);
	assert_int_equal(reconfigure(&tl), 0);
	assert_int_equal(unfreeze(), -ESTALE);
	assert_refuses(&keeper, 1000, -EAGAIN);
	/* A timeline that is less than a ns behind is lifted. */
	tl.base_frac = 0 - ((uint64_t)1 << 30);
	assert_int_equal(reconfigure(&tl), 0);
	assert_int_equal(unfreeze(), 0);
	assert_shows(&keeper, 1000, 6 * SEC);
	/* Without the promise a timekeeper may go back. */
	assert_int_equal(freeze(), 0);
	tl = conv_at(1000, 1);
	assert_int_equal(reconfigure(&tl), 0);
	assert_int_equal(unfreeze(), 0);
	assert_shows(&keeper, 1000, SEC);
}

/* The time of the freeze is not known: perhaps the end of the lease. */
static void promise_outlives_a_reset(void **state)
{
	struct paraclock_timeline tl;

	(void)state;
	running_at_5();
	keeper.fake.counter = 1000;
	assert_int_equal(freeze(), 0);
	assert_int_equal(describe(&keeper).seen_sec, 15);
	assert_int_equal(describe(&keeper).seen_frac, 0);

	running_at_5();
	assert_shows(&keeper, NOW + TICKS_SEC, 6 * SEC);
	keeper.fake.counter = 1000;
	tl = conv_at(1000, 14);
	tl.flags |= PARACLOCK_TIMELINE_MONOTONIC;
	assert_int_equal(keeper_set(&keeper, &tl, 0), -ESTALE);
	/* Of the timeline that comes last. */
	tl.base_sec = 15;
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	assert_shows(&keeper, 1000, 15 * SEC);

	/* But nobody has seen a timeline that has not begun. */
	keeper_init(&keeper);
	tl = conv_at(NOW + TICKS_SEC, 50);
	tl.flags |= PARACLOCK_TIMELINE_MONOTONIC;
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	tl.base_sec = 5;
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	assert_shows(&keeper, NOW + TICKS_SEC, 5 * SEC);
}

static void an_empty_timekeeper_may_be_frozen(void **state)
{
	struct paraclock_timeline tl = conv_at(NOW, 5);

	(void)state;
	keeper_init(&keeper);
	assert_int_equal(freeze(), 0);
	assert_int_equal(describe(&keeper).state, PARACLOCK_TIMEKEEPER_FROZEN);
	assert_int_equal(unfreeze(), 0);
	assert_int_equal(describe(&keeper).state, PARACLOCK_TIMEKEEPER_EMPTY);
	assert_int_equal(freeze(), 0);
	assert_int_equal(reconfigure(&tl), 0);
	assert_int_equal(unfreeze(), 0);
	assert_shows(&keeper, NOW, 5 * SEC);
}

/* --- a sequence that is the same by chance -------------------------------- */

/*
 * The guest is moved while a reader has read the sequence and its counter, but
 * not the time. The other host has a timekeeper of its own in that memory, with
 * as many updates.
 */
struct move_case {
	const char *name;
	uint64_t migrations; /* what the other host begins with */
	int64_t ns;	     /* the time that the reader considers valid */
	uint64_t disruption;
	unsigned int looks; /* at the counter */
};

/*
 * There it is 20 s, by a counter that has run for 2 s less. A mix is that
 * host's time at this host's counter.
 */
static struct move_case move_cases[] = {
	{ "a reader notices a counted migration", 2, 20 * SEC, 2, 3 },
	{ "without a count a reader mixes both hosts", 1, 22 * SEC, 1, 1 },
};

static struct paraclock_timekeeper other_host;
static unsigned int looks;

static uint64_t moving_counter(void *ctx)
{
	struct keeper *k = ctx;

	if (looks++)
		return NOW;
	k->tk = other_host;
	return NOW + 2 * TICKS_SEC;
}

static void sequence_is_the_same(void **state)
{
	const struct move_case *c = *state;
	struct paraclock_timekeeper_options opts = { .size = sizeof(opts) };
	struct paraclock_timeline tl = conv_at(NOW, 20);
	struct paraclock_timekeeper_info here, there;
	struct paraclock_sample s;

	keeper_init(&keeper);
	memset(&keeper.tk, 0, sizeof(keeper.tk));
	opts.migrations = c->migrations;
	assert_int_equal(paraclock_timekeeper_acquire(&keeper.tk,
						      &keeper.fake.env, &opts),
			 0);
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	there = describe(&keeper);
	other_host = keeper.tk;
	running_at_5();
	here = describe(&keeper);
	assert_int_equal(here.updates, there.updates);
	looks = 0;
	keeper.fake.env.counter = moving_counter;
	assert_int_equal(
		paraclock_timekeeper_read(&keeper.tk, &keeper.fake.env, &s), 0);
	assert_int_equal(s.valid, 1);
	assert_int_equal(s.host_ns, c->ns);
	assert_int_equal(s.epoch, c->disruption);
	assert_int_equal(looks, c->looks);
}

/* --- who the writer is ---------------------------------------------------- */

static void one_writer_at_a_time(void **state)
{
	struct paraclock_timeline tl = conv_at(NOW, 50);

	(void)state;
	running_at_5();
	assert_int_equal(take(0), -EBUSY);
	keeper.alive = keeper.fake.process_id;
	keeper.fake.process_id = 99;
	assert_int_equal(take(0), -EBUSY);
	assert_int_equal(keeper_set(&keeper, &tl, 0), -EPERM);
	assert_int_equal(freeze(), -EPERM);
	assert_int_equal(unfreeze(), -EPERM);
	assert_int_equal(reconfigure(&tl), -EPERM);
	assert_int_equal(paraclock_timekeeper_release(&keeper.tk,
						      &keeper.fake.env),
			 -EPERM);
	assert_shows(&keeper, NOW + TICKS_SEC, 6 * SEC);
	/* It dies. */
	keeper.alive = 0;
	assert_int_equal(take(0), 0);
	assert_shows(&keeper, NOW + TICKS_SEC, 6 * SEC);
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	assert_shows(&keeper, NOW + TICKS_SEC, 51 * SEC);
	assert_int_equal(
		paraclock_timekeeper_release(&keeper.tk, &keeper.fake.env), 0);
	assert_int_equal(keeper_set(&keeper, &tl, 0), -EPERM);
	assert_shows(&keeper, NOW + TICKS_SEC, 51 * SEC);
}

static void an_orphan_is_frozen_and_counted(void **state)
{
	struct paraclock_timeline tl = conv_at(1000, 14);

	(void)state;
	running_at_5();
	keeper.alive = keeper.fake.process_id;
	keeper.fake.process_id = 99;
	keeper.fake.counter = 1000;
	assert_int_equal(take(2), -EINVAL);
	assert_int_equal(take(PARACLOCK_TIMEKEEPER_ORPHAN), 0);
	assert_int_equal(describe(&keeper).migrations, 2);
	assert_refuses(&keeper, 1000, -EAGAIN);
	assert_int_equal(unfreeze(), -ESTALE);
	/* It is unknown how far the old host got: to the end of its lease. */
	tl.flags |= PARACLOCK_TIMELINE_MONOTONIC;
	assert_int_equal(reconfigure(&tl), 0);
	assert_int_equal(unfreeze(), -ESTALE);
	tl.base_sec = 15;
	assert_int_equal(reconfigure(&tl), 0);
	assert_int_equal(unfreeze(), 0);
	assert_shows(&keeper, 1000, 15 * SEC);
	/* It must not be unfrozen unchanged, wherever the counter is here. */
	keeper_init(&keeper);
	tl = conv_at(NOW, 5);
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	assert_int_equal(take(PARACLOCK_TIMEKEEPER_ORPHAN), 0);
	assert_int_equal(unfreeze(), -ESTALE);
	assert_refuses(&keeper, NOW, -EAGAIN);
}

static int refuse_counter(void *ctx)
{
	(void)ctx;
	return -EACCES;
}

/* A caller that cannot become the writer does not dislodge the present one. */
static void a_failed_orphan_call_changes_nothing(void **state)
{
	struct paraclock_timeline tl = conv_at(NOW, 50);
	const uint32_t orphan = PARACLOCK_TIMEKEEPER_ORPHAN;
	struct paraclock_timekeeper was;
	uint32_t pid;

	(void)state;
	running_at_5();
	was = keeper.tk;
	pid = keeper.fake.process_id;
	keeper.alive = pid;
	keeper.fake.process_id = 1U << 24;
	assert_int_equal(take(orphan), -EOPNOTSUPP);
	keeper.fake.process_id = 99;
	keeper.fake.env.check_counter = refuse_counter;
	assert_int_equal(take(orphan), -EACCES);
	keeper.fake.env.check_counter = NULL;
	keeper.fake.env.size--;
	assert_int_equal(take(orphan), -EINVAL);
	keeper.fake.env.size++;
	assert_memory_equal(&keeper.tk, &was, sizeof(was));
	keeper.fake.process_id = pid;
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
}

/* --- death ----------------------------------------------------------------
 */

/* The counter is read only between the publications, so this visits each. */
static struct death {
	unsigned int calls, at;
	struct paraclock_timekeeper left;
} death;

static uint64_t dying_counter(void *ctx)
{
	struct keeper *k = ctx;

	if (++death.calls == death.at)
		death.left = k->tk;
	return k->fake.counter++;
}

static void do_set(void)
{
	struct paraclock_timeline tl = conv_at(NOW, 6);

	tl.flags |= PARACLOCK_TIMELINE_MONOTONIC;
	assert_int_equal(keeper_set(&keeper, &tl, NOW + TICKS_SEC / 2), 0);
}

static void do_freeze(void)
{
	assert_int_equal(freeze(), 0);
}

struct death_case {
	const char *name;
	void (*change)(void);
};

static struct death_case death_cases[] = {
	{ "a writer that dies in a change leaves the old time, or none",
	  do_set },
	{ "a writer that dies in a freeze leaves the old time, or none",
	  do_freeze },
};

/* No valid time is wrong, and the next writer goes on. */
static void check_left(const struct paraclock_timekeeper *left)
{
	struct paraclock_timeline tl = conv_at(NOW, 30);
	struct paraclock_sample s;
	int ret;

	keeper.tk = *left;
	for (uint64_t at = NOW; at < NOW + TICKS_SEC; at += TICKS_SEC / 16) {
		ret = keeper_read(&keeper, at, &s);
		assert_true(ret == 0 || ret == -EAGAIN);
		if (ret)
			continue;
		assert_int_equal(s.valid, 1);
		assert_int_equal(
			s.host_ns,
			5 * SEC + (int64_t)((at - NOW) / 1024 * SEC /
					    (int64_t)(TICKS_SEC / 1024)));
	}
	keeper.alive = 0;
	keeper.fake.process_id++;
	assert_int_equal(take(0), 0);
	assert_int_equal(freeze(), 0);
	tl.flags |= PARACLOCK_TIMELINE_MONOTONIC;
	assert_int_equal(reconfigure(&tl), 0);
	assert_int_equal(unfreeze(), 0);
	assert_shows(&keeper, NOW + TICKS_SEC, 31 * SEC);
}

static void dies_between_publications(void **state)
{
	const struct death_case *c = *state;
	uint64_t (*counter)(void *ctx);
	unsigned int deaths = 0;

	for (unsigned int i = 1;; i++) {
		running_at_5();
		counter = keeper.fake.env.counter;
		keeper.fake.env.counter = dying_counter;
		memset(&death, 0, sizeof(death));
		death.at = i;
		c->change();
		keeper.fake.env.counter = counter;
		keeper.fake.counter = NOW + TICKS_SEC;
		if (death.calls < i)
			break;
		deaths++;
		check_left(&death.left);
	}
	assert_true(deaths > 1);
}

/*
 * A publication writes the copy that is not in use, word by word: nobody reads
 * it meanwhile, and the next publication writes it anew.
 */
static void dies_in_a_publication(void **state)
{
	struct tk *tk = (void *)&keeper.tk;
	struct paraclock_timekeeper before;
	uint64_t *other;

	(void)state;
	running_at_5();
	before = keeper.tk;
	for (size_t n = 0; n <= TK_SLOT_WORDS; n++) {
		running_at_5();
		assert_memory_equal(&keeper.tk, &before, sizeof(before));
		other = (void *)&tk->slot[(tk->state + 1) & 1];
		memset(other, 0xa5, n * sizeof(uint64_t));
		death.left = keeper.tk;
		check_left(&death.left);
	}
}

int main(void)
{
	add_test("a frozen timekeeper refuses, and says that it is frozen",
		 a_frozen_timekeeper_refuses);
	add_test("moved to another counter", moved_to_another_counter);
	add_test("the promise is kept across a move",
		 promise_is_kept_across_a_move);
	add_test("the promise outlives a counter's reset",
		 promise_outlives_a_reset);
	add_test("an empty timekeeper may be frozen",
		 an_empty_timekeeper_may_be_frozen);
	ADD_ROWS(move_cases, sequence_is_the_same);
	add_test("one writer at a time", one_writer_at_a_time);
	add_test("an orphan is frozen, and the migration counted",
		 an_orphan_is_frozen_and_counted);
	add_test("a caller that cannot acquire an orphan changes nothing",
		 a_failed_orphan_call_changes_nothing);
	ADD_ROWS(death_cases, dies_between_publications);
	add_test("a writer that dies in a publication leaves the old time",
		 dies_in_a_publication);
	return run_suite(NULL, NULL);
}
