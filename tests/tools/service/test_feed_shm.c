// SPDX-License-Identifier: MIT
/*
 * Samples as ntpd and chronyd find them in shared memory: byte by byte, by the
 * layout that is documented, not by the struct of the code.
 */

#include <stdio.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include "service/feed_shm.h"

#include "feed_bed.h"

static struct {
	int unit;
	struct feed_output output;
} shm;

static key_t key(void)
{
	return 0x4e545030 + shm.unit;
}

/* A unit that nobody uses. */
static int open_shm(void **state)
{
	(void)reset(state);
	for (shm.unit = 100 + getpid() % 100; shm.unit < FEED_UNIT_MAX;
	     shm.unit++) {
		if (shmget(key(), 0, 0) < 0 && errno == ENOENT)
			break;
	}
	assert_true(shm.unit < FEED_UNIT_MAX);
	feed_shm_open(&shm.output, shm.unit);
	return 0;
}

static int close_shm(void **state)
{
	int id = shmget(key(), 0, 0);

	(void)state;
	feed_output_close(&shm.output);
	return id < 0 ? 0 : shmctl(id, IPC_RMID, NULL);
}

static volatile char *attach(void)
{
	int id = shmget(key(), 96, 0);
	void *memory;

	assert_true(id >= 0);
	memory = shmat(id, NULL, 0);
	assert_true((intptr_t)memory != -1);
	return memory;
}

static int64_t at(const volatile char *memory, size_t offset, size_t size)
{
	return word((const void *)(uintptr_t)memory, offset, size);
}

struct shm_case {
	const char *name;
	int64_t real_ns, offset_ns;
	int64_t sec, ns; /* the true time */
	int64_t receive_sec, receive_ns;
};

static const struct shm_case shms[] = {
	/* The true time at the floored instant, to the ns. */
	{ "behind", 1795000000123456789, 1, 1795000000, 123456001, 1795000000,
	  123456000 },
	{ "ahead, over the second", 1795000000000000999, -1, 1794999999,
	  999999999, 1795000000, 0 },
	{ "1970", 5, 1795000000000000000, 1795000000, 0, 0, 0 },
};

static void check_shm(void **state)
{
	const struct shm_case *c = *state;
	const struct feed_sample sample = sample_of(c->real_ns, c->offset_ns);
	volatile char *memory;
	struct shmid_ds ds;
	int32_t count;

	assert_true(feed_output_send(&shm.output, &sample));
	memory = attach();
	assert_int_equal(shmctl(shmget(key(), 0, 0), IPC_STAT, &ds), 0);
	assert_int_equal(ds.shm_perm.mode & 0777, 0600);
	assert_int_equal(ds.shm_segsz, 96);
	assert_int_equal(at(memory, 0, 4), 1);
	assert_int_equal(at(memory, 8, 8), c->sec);
	assert_int_equal(at(memory, 16, 4), c->ns / 1000);
	assert_int_equal(at(memory, 24, 8), c->receive_sec);
	assert_int_equal(at(memory, 32, 4), c->receive_ns / 1000);
	assert_int_equal(at(memory, 36, 4), 1);
	/* 900 ns are less than 2^-20 s. */
	assert_int_equal(at(memory, 40, 4), -20);
	assert_int_equal(at(memory, 48, 4), 1);
	assert_int_equal(at(memory, 52, 4), c->ns);
	assert_int_equal(at(memory, 56, 4), c->receive_ns);
	for (size_t i = 60; i < 96; i++)
		assert_int_equal(memory[i], 0);
	/* Twice for each sample. */
	count = (int32_t)at(memory, 4, 4);
	assert_true(feed_output_send(&shm.output, &sample));
	assert_int_equal(at(memory, 4, 4), count + 2);
	shmdt((void *)(uintptr_t)memory);
}

static void
what_was_not_read_before_a_disruption_is_not_read_after(void **state)
{
	const struct feed_sample sample = sample_of(1795000000 * SEC, 1);
	volatile char *memory;
	int32_t count;

	(void)state;
	/* Nothing is attached: nothing happens. */
	feed_output_withdraw(&shm.output);
	assert_true(feed_output_send(&shm.output, &sample));
	memory = attach();
	count = (int32_t)at(memory, 4, 4);
	feed_output_withdraw(&shm.output);
	assert_int_equal(at(memory, 48, 4), 0);
	assert_int_equal(at(memory, 36, 4), 3);
	/* A reader that was copying sees that it was. */
	assert_int_not_equal(at(memory, 4, 4), count);
	assert_true(feed_output_send(&shm.output, &sample));
	assert_int_equal(at(memory, 48, 4), 1);
	/* Nor after feed has ended. */
	feed_output_close(&shm.output);
	assert_int_equal(at(memory, 48, 4), 0);
	shmdt((void *)(uintptr_t)memory);
}

/* What another feed, killed in the middle, leaves behind. */
static void a_writer_that_died_in_the_middle(void **state)
{
	const struct feed_sample sample = sample_of(1795000000 * SEC, 1);
	int id = shmget(key(), 96, IPC_CREAT | 0600);
	struct feed_shm *memory = shmat(id, NULL, 0);

	(void)state;
	memory->mode = 0;
	memory->count = INT32_MAX;
	memory->valid = 1;
	memory->clock_sec = 5;
	assert_true(feed_output_send(&shm.output, &sample));
	assert_int_equal(memory->mode, 1);
	assert_int_equal(memory->valid, 1);
	assert_int_equal(memory->clock_sec, 1795000000);
	/* Cleared, and written: counted on beyond INT32_MAX. */
	assert_int_equal(memory->count, INT32_MIN + 3);
	shmdt(memory);
}

static void a_segment_that_is_too_small(void **state)
{
	const struct feed_sample sample = sample_of(1795000000 * SEC, 1);
	int id = shmget(key(), 80, IPC_CREAT | 0600);

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_false(feed_output_send(&shm.output, &sample));
	assert_int_equal(shm.output.error, -EINVAL);
	assert_int_equal(logged, 1);
	/* Removed: the next sample finds another. */
	assert_int_equal(shmctl(id, IPC_RMID, NULL), 0);
	assert_true(feed_output_send(&shm.output, &sample));
}

static void a_larger_segment_will_do(void **state)
{
	const struct feed_sample sample = sample_of(1795000000 * SEC, 1);

	(void)state;
	assert_true(shmget(key(), 8192, IPC_CREAT | 0600) >= 0);
	assert_true(feed_output_send(&shm.output, &sample));
}

static void a_segment_that_everybody_may_write(void **state)
{
	const struct feed_sample sample = sample_of(1795000000 * SEC, 1);

	(void)state;
	assert_true(shmget(key(), 96, IPC_CREAT | 0666) >= 0);
	assert_false(feed_output_send(&shm.output, &sample));
	assert_int_equal(shm.output.error, -EPERM);
}

/* A user who was first could set the clock of whoever reads it. */
static void a_segment_of_another_user(void **state)
{
	const struct feed_sample sample = sample_of(1795000000 * SEC, 1);
	int status, id;
	pid_t child;

	(void)state;
	if (geteuid()) {
		printf("skipped: a segment of another user: not root\n");
		skip();
	}
	child = fork();
	if (!child)
		_exit(setuid(65534) || shmget(key(), 96, IPC_CREAT | 0600) < 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_false(feed_output_send(&shm.output, &sample));
	assert_int_equal(shm.output.error, -EPERM);
	id = shmget(key(), 0, 0);
	assert_int_equal(shmctl(id, IPC_RMID, NULL), 0);
}

static void a_segment_that_is_removed_and_made_anew(void **state)
{
	const struct feed_sample sample = sample_of(1795000000 * SEC, 1);
	volatile char *memory;

	(void)state;
	assert_true(feed_output_send(&shm.output, &sample));
	assert_int_equal(shmctl(shmget(key(), 0, 0), IPC_RMID, NULL), 0);
	assert_true(shmget(key(), 96, IPC_CREAT | 0600) >= 0);
	memory = attach();
	assert_true(feed_output_send(&shm.output, &sample));
	assert_int_equal(at(memory, 48, 4), 1);
	shmdt((void *)(uintptr_t)memory);
}

static void times_that_do_not_fit(void **state)
{
	struct feed_sample sample = sample_of(INT64_MAX - 5, 6);

	(void)state;
	assert_false(feed_output_send(&shm.output, &sample));
	assert_int_equal(shm.output.error, -ERANGE);
	sample = sample_of(5, -6);
	assert_false(feed_output_send(&shm.output, &sample));
	sample = sample_of(-1, 6);
	assert_false(feed_output_send(&shm.output, &sample));
}

static const struct CMUnitTest tests[] = {
	TEST("what was not read before a disruption is not read after it",
	     what_was_not_read_before_a_disruption_is_not_read_after),
	TEST("a writer before died in the middle",
	     a_writer_that_died_in_the_middle),
	TEST("a segment that is too small", a_segment_that_is_too_small),
	TEST("a larger segment will do", a_larger_segment_will_do),
	TEST("a segment that everybody may write is refused",
	     a_segment_that_everybody_may_write),
	TEST("a segment of another user is refused", a_segment_of_another_user),
	TEST("a segment that is removed and made anew",
	     a_segment_that_is_removed_and_made_anew),
	TEST("times that do not fit", times_that_do_not_fit),
};

int main(void)
{
	each_test(open_shm, close_shm);
	ADD_ROWS(shms, check_shm);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
