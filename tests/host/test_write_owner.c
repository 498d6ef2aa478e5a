// SPDX-License-Identifier: MIT
/* One writer at a time: who is it, and is it dead? */

#include <stdio.h>

#include <paraclock/backend.h>
#include <paraclock/host.h>

#include "writers.h"

#define OTHER 4242
#define SELF  4711

static struct fake fake;
static struct paraclock_page_writer writer;

/* The env's answers: about itself, and about OTHER or the error. */
static struct paraclock_process self, other;
static int self_error, other_error;

static int identify(void *ctx, uint32_t id, struct paraclock_process *ret_who)
{
	(void)ctx;
	if (!id && !self_error)
		*ret_who = self;
	if (!id)
		return self_error;
	if (id != OTHER)
		return -ESRCH;
	if (!other_error)
		*ret_who = other;
	return other_error;
}

static struct paraclock_process process(uint64_t start_ticks, uint64_t space,
					uint64_t machine, uint32_t id)
{
	return (struct paraclock_process){
		.start = start_ticks,
		.space = space,
		.machine = machine,
		.id = id,
	};
}

#define SPACE	4026531836U
#define MACHINE 0x123456789abcdefU

static int start(void **state)
{
	(void)state;
	fake_init(&fake);
	fake.env.identify = identify;
	memset(&writer, 0, sizeof(writer));
	other = process(1234, SPACE, MACHINE, OTHER);
	self = process(5678, SPACE, MACHINE, SELF);
	self_error = other_error = 0;
	return 0;
}

static int acquire_by(struct paraclock_process who)
{
	self = who;
	fake.process_id = who.id;
	return paraclock_page_writer_acquire(&writer, &fake.env);
}

static int release_by(struct paraclock_process who)
{
	self = who;
	fake.process_id = who.id;
	return paraclock_page_writer_release(&writer, &fake.env);
}

static int write_by(struct paraclock_process who)
{
	struct paraclock_timeline tl = timeline_of(&kinds[0], 1000000000);

	self = who;
	fake.process_id = who.id;
	return paraclock_pvclock_write(fake.pvclock, &writer, &fake.env, &tl);
}

static int acquire_as(uint32_t pid)
{
	return acquire_by(
		process(pid == OTHER ? 1234 : 5678, SPACE, MACHINE, pid));
}

static int write_as(uint32_t pid)
{
	return write_by(
		process(pid == OTHER ? 1234 : 5678, SPACE, MACHINE, pid));
}

/* What the env can find out about an owner. */
struct death {
	const char *name;
	uint64_t start;
	uint32_t has_ended;
	int error; /* the env's error; then the rest is unknown */
	int ret;
};

static struct death deaths[] = {
	/* clang-format off */
	{ "a running process is alive", 1234, 0, 0, -EBUSY },
	{ "a process that is gone is dead", 0, 0, -ESRCH, 0 },
	{ "a process that started later is another one", 1235, 0, 0, 0 },
	{ "a start 46 hours later, to the tick, is another one",
	  1234 + (1 << 24), 0, 0, 0 },
	{ "a start 20 s later, to the tick, is another one",
	  1234 + 2048, 0, 0, 0 },
	{ "a start 2^32 ticks later is another one",
	  1234 + (1ULL << 32), 0, 0, 0 },
	{ "a zombie is dead", 1234, 1, 0, 0 },
	{ "a hidden process is alive", 0, 0, -ENODEV, -EBUSY },
	{ "a process that may not be looked at is alive",
	  0, 0, -EACCES, -EBUSY },
	{ "without memory every process counts as alive",
	  0, 0, -ENOMEM, -EBUSY },
	{ "without a descriptor every process counts as alive",
	  0, 0, -EMFILE, -EBUSY },
	{ "where reading fails every process counts as alive",
	  0, 0, -EIO, -EBUSY },
	{ "without identify() every process counts as alive",
	  0, 0, -EOPNOTSUPP, -EBUSY },
	{ "a process without a name counts as alive", 0, 0, -ENOENT, -EBUSY },
	/* clang-format on */
};

static void check_death(void **state)
{
	const struct death *d = *state;
	struct paraclock_page_writer before;

	assert_int_equal(acquire_as(OTHER), 0);
	other.start = d->start;
	other.has_ended = d->has_ended;
	other_error = d->error;
	before = writer;
	assert_int_equal(acquire_as(SELF), d->ret);
	if (d->ret) {
		assert_memory_equal(&writer, &before, sizeof(writer));
		assert_int_equal(write_as(SELF), -EPERM);
		assert_int_equal(write_as(OTHER), 0);
	} else {
		assert_int_equal(write_as(OTHER), -EPERM);
		assert_int_equal(write_as(SELF), 0);
	}
}

/* Callers that differ from the owner in one thing. */
struct stranger {
	const char *name;
	struct paraclock_process who;
	int ret; /* the result of acquiring, when the id is gone there */
};

static struct stranger strangers[] = {
	/* clang-format off */
	{ "another container's process, with the same id",
	  { 1234, 4026532200, MACHINE, OTHER, 0 }, -EBUSY },
	{ "a process of a namespace that is one number on",
	  { 1234, SPACE + 1, MACHINE, OTHER, 0 }, -EBUSY },
	{ "a process of a namespace that is 2^28 numbers off",
	  { 1234, SPACE - (1 << 28), MACHINE, OTHER, 0 }, -EBUSY },
	{ "a process of another time namespace",
	  { 1234, SPACE | 4026532201ULL << 32, MACHINE, OTHER, 0 }, -EBUSY },
	{ "of another machine", { 1234, SPACE, MACHINE + 1, OTHER, 0 },
	  -EBUSY },
	{ "a process of this machine after another boot",
	  { 1234, SPACE, ~(uint64_t)MACHINE, OTHER, 0 }, -EBUSY },
	{ "a process of an unknown namespace", { 1234, 0, MACHINE, OTHER, 0 },
	  -EBUSY },
	{ "a process that does not know itself",
	  { (1ULL << 63) | 77, 0, 0, OTHER, 0 }, -EBUSY },
	{ "a recycled id", { 1235, SPACE, MACHINE, OTHER, 0 }, 0 },
	{ "an id recycled after 46 hours",
	  { 1234 + (1 << 24), SPACE, MACHINE, OTHER, 0 }, 0 },
	{ "an id recycled after 20 s",
	  { 1234 + 2048, SPACE, MACHINE, OTHER, 0 }, 0 },
	{ "another process", { 1234, SPACE, MACHINE, SELF, 0 }, 0 },
	/* clang-format on */
};

/*
 * It sets nothing, releases nothing, and acquires a page only if it knows that
 * the owner is dead: then the owner before is not the owner any more.
 */
static void a_stranger_is_no_owner(void **state)
{
	const struct stranger *c = *state;
	const struct paraclock_process owner =
		process(1234, SPACE, MACHINE, OTHER);
	struct paraclock_page_writer before;

	assert_int_equal(acquire_by(owner), 0);
	assert_int_equal(write_by(owner), 0);
	before = writer;
	assert_int_equal(write_by(c->who), -EPERM);
	assert_int_equal(release_by(c->who), -EPERM);
	assert_memory_equal(&writer, &before, sizeof(writer));
	other = owner;
	if (c->who.id == SELF)
		other_error = -ESRCH;
	else
		other = c->who;
	assert_int_equal(acquire_by(c->who), c->ret);
	if (c->ret) {
		assert_memory_equal(&writer, &before, sizeof(writer));
		/* An owner that is gone here need not be dead, either. */
		other_error = -ESRCH;
		assert_int_equal(acquire_by(c->who), -EBUSY);
		assert_int_equal(write_by(owner), 0);
		assert_int_equal(release_by(owner), 0);
	} else {
		assert_int_equal(write_by(owner), -EPERM);
		assert_int_equal(release_by(owner), -EPERM);
		assert_int_equal(write_by(c->who), 0);
		assert_int_equal(release_by(c->who), 0);
	}
}

/*
 * An owner that identify() knows nothing of is never judged by others, either.
 */
static void a_failed_identify_acquires_nothing(void **state)
{
	(void)state;
	self_error = -ENOMEM;
	assert_int_equal(paraclock_page_writer_acquire(&writer, &fake.env),
			 -ENOMEM);
	self_error = 0;
	assert_int_equal(acquire_by(process(77, 0, 0, OTHER)), 0);
	other_error = -ESRCH;
	assert_int_equal(acquire_as(SELF), -EBUSY);
	self_error = -EMFILE;
	assert_int_equal(paraclock_page_writer_release(&writer, &fake.env),
			 -EPERM);
	self_error = 0;
	assert_int_equal(release_by(process(77, 0, 0, OTHER)), 0);
}

static void release_makes_it_free(void **state)
{
	(void)state;
	assert_int_equal(write_as(SELF), -EPERM);
	assert_int_equal(acquire_as(SELF), 0);
	assert_int_equal(write_as(SELF), 0);
	assert_int_equal(release_by(process(1234, SPACE, MACHINE, OTHER)),
			 -EPERM);
	assert_int_equal(release_by(process(5678, SPACE, MACHINE, SELF)), 0);
	assert_int_equal(release_by(process(5678, SPACE, MACHINE, SELF)),
			 -EPERM);
	assert_int_equal(write_as(SELF), -EPERM);
	assert_int_equal(acquire_as(OTHER), 0);
	assert_int_equal(write_as(OTHER), 0);
}

static void a_page_is_acquired_once(void **state)
{
	(void)state;
	assert_int_equal(acquire_as(SELF), 0);
	assert_int_equal(acquire_as(SELF), -EBUSY);
	assert_int_equal(write_as(SELF), 0);
}

/* Without /proc and processes a page has one writer by construction. */
static void ring_0_has_one_writer(void **state)
{
	struct paraclock_timeline tl = timeline_of(&kinds[0], 1000000000);

	(void)state;
	fake.env.identify = NULL;
	fake.env.process_id = NULL;
	assert_int_equal(acquire_as(0), 0);
	assert_int_equal(acquire_as(0), -EBUSY);
	assert_int_equal(paraclock_pvclock_write(fake.pvclock, &writer,
						 &fake.env, &tl),
			 0);
	assert_int_equal(paraclock_page_writer_release(&writer, &fake.env), 0);
	assert_int_equal(acquire_as(0), 0);
}

static void an_env_without_identify_acquires_no_foreign_page(void **state)
{
	(void)state;
	fake.env.identify = NULL;
	assert_int_equal(acquire_as(OTHER), 0);
	other_error = -ESRCH;
	assert_int_equal(acquire_as(SELF), -EBUSY);
	fake.env.identify = identify;
	assert_int_equal(acquire_as(SELF), -EBUSY);
	assert_int_equal(write_by(process(0, 0, 0, OTHER)), 0);
}

static int forbidden(void *ctx)
{
	(void)ctx;
	return -EACCES;
}

static void a_refused_acquisition(void **state)
{
	static const struct paraclock_page_writer zero;

	(void)state;
	assert_int_equal(paraclock_page_writer_acquire(NULL, &fake.env),
			 -EINVAL);
	assert_int_equal(paraclock_page_writer_release(NULL, &fake.env),
			 -EINVAL);
	assert_int_equal(acquire_as(1U << 24), -EOPNOTSUPP);
	assert_int_equal(acquire_as(0), -EOPNOTSUPP);
	fake.env.check_counter = forbidden;
	assert_int_equal(acquire_as(SELF), -EACCES);
	fake.env.size--;
	assert_int_equal(acquire_as(SELF), -EINVAL);
	assert_int_equal(paraclock_page_writer_release(&writer, &fake.env),
			 -EINVAL);
	assert_memory_equal(&writer, &zero, sizeof(zero));
}

/* A signal handler that interrupts a write asks for the page. */
static int nested, given;

static uint64_t counter_of_a_handler(void *ctx)
{
	struct paraclock_timeline tl = timeline_of(&kinds[0], 1000000000);

	nested = paraclock_pvclock_write(((struct fake *)ctx)->pvclock, &writer,
					 &fake.env, &tl);
	given = paraclock_page_writer_release(&writer, &fake.env);
	return 1000;
}

static void a_write_inside_a_write_is_refused(void **state)
{
	(void)state;
	assert_int_equal(acquire_as(SELF), 0);
	assert_int_equal(write_as(SELF), 0);
	fake.env.counter = counter_of_a_handler;
	assert_int_equal(write_as(SELF), 0);
	assert_int_equal(nested, -EBUSY);
	assert_int_equal(given, -EBUSY);
	assert_int_equal(sequence_at(&fake, &kinds[0]), 6);
}

/* This machine's own env and /proc. */
static void this_process_is_the_writer(void **state)
{
	struct paraclock_timeline tl = timeline_of(&kinds[0], 1000000000);

	(void)state;
	assert_int_equal(paraclock_page_writer_acquire(&writer, NULL), 0);
	assert_int_equal(
		paraclock_pvclock_write(fake.pvclock, &writer, NULL, &tl), 0);
	assert_int_equal(paraclock_page_writer_acquire(&writer, NULL), -EBUSY);
	assert_int_equal(paraclock_page_writer_release(&writer, NULL), 0);
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(release_makes_it_free),
		cmocka_unit_test(a_page_is_acquired_once),
		cmocka_unit_test(ring_0_has_one_writer),
		cmocka_unit_test(a_failed_identify_acquires_nothing),
		cmocka_unit_test(
			an_env_without_identify_acquires_no_foreign_page),
		cmocka_unit_test(a_refused_acquisition),
		cmocka_unit_test(a_write_inside_a_write_is_refused),
		cmocka_unit_test(this_process_is_the_writer),
	};

	each_test(start, NULL);
	ADD_TESTS(others);
	ADD_ROWS(deaths, check_death);
	ADD_ROWS(strangers, a_stranger_is_no_owner);
	return run_suite(NULL, NULL);
}
