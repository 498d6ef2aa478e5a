// SPDX-License-Identifier: MIT
/* One writer at a time: who is it, and is it dead? */

#include <stdio.h>

#include "writers.h"

/* What /proc says. */
#define OTHER 4242
#define SELF  4711

static struct fake fake;
static struct paraclock_page_writer writer;
static const char *first, *other, *self, *pid_space, *time_space;
static int other_error;

static int read_proc(void *ctx, const char *path, char *buf, size_t size)
{
	const char *text = NULL;

	(void)ctx;
	if (strcmp(path, "/proc/1/stat") == 0)
		text = first;
	else if (strcmp(path, "/proc/4242/stat") == 0)
		text = other;
	else if (strcmp(path, "/proc/4711/stat") == 0)
		text = self;
	else if (strcmp(path, "/proc/self/ns/pid") == 0)
		text = pid_space;
	else if (strcmp(path, "/proc/self/ns/time") == 0)
		text = time_space;
	else
		fail_msg("%s", path);
	if (!text)
		return strcmp(path, "/proc/4242/stat") == 0 ? other_error
							    : -ENODEV;
	assert_true(strlen(text) < size);
	strcpy(buf, text);
	return (int)strlen(text);
}

/* As Linux 6 writes it: the state, the threads (1) and the start (1234). */
#define STAT(name, state, threads, started)                                 \
	"7 (" name ") " state                                               \
	" 1 7 7 0 -1 4194560 100 0 0 0 5 6 0 0 20 0 " threads " 0 " started \
	" 2703360 230 18446744073709551615 1 1 0"

static int start(void **state)
{
	(void)state;
	fake_init(&fake);
	fake.env.read_text = read_proc;
	memset(&writer, 0, sizeof(writer));
	first = STAT("init", "S", "1", "2");
	other = STAT("other", "R", "1", "1234");
	self = STAT("self", "R", "1", "5678");
	pid_space = "pid:[4026531836]";
	time_space = "time:[4026531834]";
	other_error = -ENODEV;
	return 0;
}

static int take_as(uint32_t pid)
{
	fake.process_id = pid;
	return paraclock_page_writer_take(&writer, &fake.env);
}

static int write_as(uint32_t pid)
{
	struct paraclock_timeline tl = timeline_of(&kinds[0], 1000000000);

	fake.process_id = pid;
	return paraclock_pvclock_write(fake.pvclock, &writer, &fake.env, &tl);
}

struct death {
	const char *name;
	const char *first, *other;
	int error; /* without other */
	int ret;
};

static struct death deaths[] = {
	/* clang-format off */
	{ "one that runs is alive", STAT("init", "S", "1", "2"),
	  STAT("other", "R", "1", "1234"), 0, -EBUSY },
	{ "one that is stopped is alive", STAT("init", "S", "1", "2"),
	  STAT("other", "T", "1", "1234"), 0, -EBUSY },
	{ "one that waits for a disk is alive", STAT("init", "S", "1", "2"),
	  STAT("other", "D", "1", "1234"), 0, -EBUSY },
	{ "one that is gone is dead", STAT("init", "S", "1", "2"), NULL,
	  -ENODEV, 0 },
	{ "one that started later is another one",
	  STAT("init", "S", "1", "2"), STAT("other", "R", "1", "1235"), 0, 0 },
	{ "a zombie is dead", STAT("init", "S", "1", "2"),
	  STAT("other", "Z", "1", "1234"), 0, 0 },
	{ "a first thread may end before the others",
	  STAT("init", "S", "1", "2"), STAT("other", "Z", "2", "1234"), 0,
	  -EBUSY },
	{ "a name is no state", STAT("init", "S", "1", "2"),
	  STAT("a) Z 1 7 (b", "R", "1", "1234"), 0, -EBUSY },
	{ "a name full of brackets", STAT("init", "S", "1", "2"),
	  STAT("))) Z", "S", "1", "1234"), 0, -EBUSY },
	{ "what may not be looked at may be alive",
	  STAT("init", "S", "1", "2"), NULL, -EACCES, -EBUSY },
	{ "without memory nobody is dead", STAT("init", "S", "1", "2"), NULL,
	  -ENOMEM, -EBUSY },
	{ "where processes are hidden nobody is dead", NULL, NULL, -ENODEV,
	  -EBUSY },
	{ "one of another namespace is not here",
	  STAT("init", "S", "1", "300"), NULL, -ENODEV, -EBUSY },
	{ "a text that is cut says nothing", STAT("init", "S", "1", "2"),
	  "7 (other) R 1", 0, -EBUSY },
	{ "nor does an empty one", STAT("init", "S", "1", "2"), "", 0,
	  -EBUSY },
	/* clang-format on */
};

static void check_death(void **state)
{
	const struct death *d = *state;
	struct paraclock_page_writer before;

	assert_int_equal(take_as(OTHER), 0);
	first = d->first;
	other = d->other;
	other_error = d->error;
	before = writer;
	assert_int_equal(take_as(SELF), d->ret);
	if (d->ret) {
		assert_memory_equal(&writer, &before, sizeof(writer));
		assert_int_equal(write_as(SELF), -EPERM);
		assert_int_equal(write_as(OTHER), 0);
	} else {
		assert_int_equal(write_as(OTHER), -EPERM);
		assert_int_equal(write_as(SELF), 0);
	}
}

/* Containers that were started together have first processes that were, too.
 */
static void who_is_in_another_namespace_is_never_dead(void **state)
{
	static const char *const spaces[][2] = {
		{ "pid:[4026532200]", "time:[4026531834]" },
		{ "pid:[4026531835]", "time:[4026531834]" },
		{ "pid:[4026531837]", "time:[4026531834]" },
		{ "pid:[4026531836]", "time:[4026532200]" },
		{ "pid:[4026531836]", "time:[4026531833]" },
		{ NULL, "time:[4026531834]" },
		{ "pid:[4026531836]", NULL },
	};

	(void)state;
	assert_int_equal(take_as(OTHER), 0);
	other = NULL;
	for (size_t i = 0; i < ARRAY_LEN(spaces); i++) {
		pid_space = spaces[i][0];
		time_space = spaces[i][1];
		assert_int_equal(take_as(SELF), -EBUSY);
	}
	/* A kernel may have none of them, and then there is one of each. */
	assert_int_equal(start(NULL), 0);
	pid_space = NULL;
	time_space = NULL;
	assert_int_equal(take_as(OTHER), 0);
	other = NULL;
	assert_int_equal(take_as(SELF), 0);
}

static void it_is_given_back(void **state)
{
	(void)state;
	assert_int_equal(write_as(SELF), -EPERM);
	assert_int_equal(take_as(SELF), 0);
	assert_int_equal(write_as(SELF), 0);
	fake.process_id = OTHER;
	assert_int_equal(paraclock_page_writer_give(&writer, &fake.env),
			 -EPERM);
	fake.process_id = SELF;
	assert_int_equal(paraclock_page_writer_give(&writer, &fake.env), 0);
	assert_int_equal(paraclock_page_writer_give(&writer, &fake.env),
			 -EPERM);
	assert_int_equal(write_as(SELF), -EPERM);
	assert_int_equal(take_as(OTHER), 0);
	assert_int_equal(write_as(OTHER), 0);
}

static void it_is_taken_once(void **state)
{
	(void)state;
	assert_int_equal(take_as(SELF), 0);
	assert_int_equal(take_as(SELF), -EBUSY);
	assert_int_equal(write_as(SELF), 0);
}

/* Without /proc and processes there is one by construction. */
static void ring_0_has_one_writer(void **state)
{
	struct paraclock_timeline tl = timeline_of(&kinds[0], 1000000000);

	(void)state;
	fake.env.read_text = NULL;
	fake.env.process_id = NULL;
	assert_int_equal(take_as(0), 0);
	assert_int_equal(take_as(0), -EBUSY);
	assert_int_equal(paraclock_pvclock_write(fake.pvclock, &writer,
						 &fake.env, &tl),
			 0);
	assert_int_equal(paraclock_page_writer_give(&writer, &fake.env), 0);
	assert_int_equal(take_as(0), 0);
}

static void without_proc_nobody_is_dead(void **state)
{
	(void)state;
	fake.env.read_text = NULL;
	assert_int_equal(take_as(OTHER), 0);
	fake.env.read_text = read_proc;
	other = NULL;
	assert_int_equal(take_as(SELF), -EBUSY);
}

static int forbidden(void *ctx)
{
	(void)ctx;
	return -EACCES;
}

static void what_cannot_be_taken(void **state)
{
	static const struct paraclock_page_writer zero;

	(void)state;
	assert_int_equal(paraclock_page_writer_take(NULL, &fake.env), -EINVAL);
	assert_int_equal(paraclock_page_writer_give(NULL, &fake.env), -EINVAL);
	assert_int_equal(take_as(1U << 24), -EOPNOTSUPP);
	assert_int_equal(take_as(0), -EOPNOTSUPP);
	fake.env.check_counter = forbidden;
	assert_int_equal(take_as(SELF), -EACCES);
	fake.env.size--;
	assert_int_equal(take_as(SELF), -EINVAL);
	assert_int_equal(paraclock_page_writer_give(&writer, &fake.env),
			 -EINVAL);
	assert_memory_equal(&writer, &zero, sizeof(zero));
}

/* What a signal handler does that interrupts a write: it asks for the page. */
static int nested, given;

static uint64_t counter_of_a_handler(void *ctx)
{
	struct paraclock_timeline tl = timeline_of(&kinds[0], 1000000000);

	nested = paraclock_pvclock_write(((struct fake *)ctx)->pvclock, &writer,
					 &fake.env, &tl);
	given = paraclock_page_writer_give(&writer, &fake.env);
	return 1000;
}

static void a_write_inside_a_write_is_refused(void **state)
{
	(void)state;
	assert_int_equal(take_as(SELF), 0);
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
	assert_int_equal(paraclock_page_writer_take(&writer, NULL), 0);
	assert_int_equal(
		paraclock_pvclock_write(fake.pvclock, &writer, NULL, &tl), 0);
	assert_int_equal(paraclock_page_writer_take(&writer, NULL), -EBUSY);
	assert_int_equal(paraclock_page_writer_give(&writer, NULL), 0);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_LEN(deaths) + 7] = {
		cmocka_unit_test_setup(it_is_given_back, start),
		cmocka_unit_test_setup(it_is_taken_once, start),
		cmocka_unit_test_setup(ring_0_has_one_writer, start),
		cmocka_unit_test_setup(
			who_is_in_another_namespace_is_never_dead, start),
		cmocka_unit_test_setup(without_proc_nobody_is_dead, start),
		cmocka_unit_test_setup(what_cannot_be_taken, start),
		cmocka_unit_test_setup(a_write_inside_a_write_is_refused,
				       start),
		cmocka_unit_test_setup(this_process_is_the_writer, start),
	};
	struct CMUnitTest *test = &tests[7];

	for (size_t i = 0; i < ARRAY_LEN(deaths); i++)
		*test++ = (struct CMUnitTest){ .name = deaths[i].name,
					       .test_func = check_death,
					       .setup_func = start,
					       .initial_state = &deaths[i] };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
