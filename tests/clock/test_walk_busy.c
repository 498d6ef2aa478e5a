// SPDX-License-Identifier: MIT
/* Signals and children that come while a change is being committed. */

#include <sys/wait.h>
#include <unistd.h>

#include "clock/clock.h"
#include "fake.h"

static struct fake fake;

#define NOW    1000000000
#define NOW_NS (NOW - 1000 + 5000)

static int setup(void **state)
{
	(void)state;
	fake_init(&fake);
	return 0;
}

/* A source whose tuple changes at every look, and that is interrupted. */
static struct busy {
	struct paraclock *clk;
	void (*interrupt)(void);
	unsigned int depth;
	uint64_t changes;
	struct paraclock_sample inner;
	int inner_ret;
} busy;

static int busy_open(const struct paraclock_env *env,
		     const struct paraclock_options *opts, void *arg,
		     void **ret_state)
{
	(void)env;
	(void)opts;
	(void)arg;
	*ret_state = &busy;
	return 0;
}

static int busy_get_conversion(void *state, struct paraclock_sample *ret_sample,
			       struct paraclock_conversion *ret_conv)
{
	(void)state;
	*ret_sample = (struct paraclock_sample){
		.host_ns = 42,
		.host_tsc = NOW,
		.valid = 1,
		.timescale = PARACLOCK_TIMESCALE_TAI,
		.counter = PARACLOCK_COUNTER_X86_TSC,
	};
	memset(ret_conv, 0, sizeof(*ret_conv));
	if (busy.interrupt && busy.depth++ == 0) {
		busy.changes++;
		busy.interrupt();
		busy.depth = 0;
	}
	ret_conv->key[0] = busy.changes;
	return 0;
}

static int busy_get_time(void *state, struct paraclock_sample *ret_sample)
{
	struct paraclock_conversion conv;

	return busy_get_conversion(state, ret_sample, &conv);
}

static void busy_close(void *state)
{
	(void)state;
}

static uint32_t real_process_id(void *ctx)
{
	(void)ctx;
	return (uint32_t)getpid();
}

static const struct paraclock_backend busy_backend = {
	.size = sizeof(struct paraclock_backend),
	.name = "busy",
	.open = busy_open,
	.get_time = busy_get_time,
	.get_conversion = busy_get_conversion,
	.close = busy_close,
};

static void open_busy(void)
{
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.env = &fake.env,
	};

	fake.env.process_id = real_process_id;
	busy = (struct busy){ 0 };
	assert_int_equal(paraclock_open_backend(&busy.clk, &busy_backend, NULL,
						&opts),
			 0);
}

static struct paraclock_sample check_valid(const struct paraclock *clk)
{
	struct paraclock_sample sample;

	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.reason, PARACLOCK_REASON_OK);
	assert_int_equal(sample.valid, 1);
	return sample;
}

/* As a signal handler would, or another thread's read. */
static void read_within(void)
{
	if (__atomic_load_n(&busy.clk->owner, __ATOMIC_RELAXED))
		busy.inner_ret = paraclock_read(busy.clk, &busy.inner);
}

static void a_read_within_a_change_is_refused_not_hung(void **state)
{
	struct paraclock_sample sample;

	(void)state;
	open_busy();
	busy.inner_ret = 1;
	busy.interrupt = read_within;
	assert_int_equal(paraclock_read(busy.clk, &sample), 0);
	assert_int_equal(busy.inner_ret, 0);
	assert_int_equal(busy.inner.valid, 0);
	assert_int_equal(busy.inner.reason, PARACLOCK_REASON_DISRUPTED);
	assert_int_equal(busy.inner.epoch, 1);
	busy.interrupt = NULL;
	check_valid(busy.clk);
	assert_int_equal(busy.clk->owner, 0);
	paraclock_close(busy.clk);
}

/* In the child nobody will ever release the lock that the parent holds. */
static void fork_within(void)
{
	struct paraclock_sample sample;
	int status = -1;
	pid_t child;

	if (!__atomic_load_n(&busy.clk->owner, __ATOMIC_RELAXED))
		return;
	busy.interrupt = NULL;
	child = fork();
	if (child == 0) {
		int ret = paraclock_read(busy.clk, &sample);

		_exit(ret ? 2 : !sample.valid);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	busy.inner_ret = WEXITSTATUS(status);
}

static void a_child_forked_within_a_change_reads_on(void **state)
{
	struct paraclock_sample sample;

	(void)state;
	open_busy();
	busy.inner_ret = -1;
	busy.interrupt = fork_within;
	assert_int_equal(paraclock_read(busy.clk, &sample), 0);
	assert_int_equal(busy.inner_ret, 0);
	check_valid(busy.clk);
	paraclock_close(busy.clk);
}

/* --- a child forked while the parent wrote its memory --------------------- */

/*
 * fork() in the middle of another thread's write leaves half of the write, and
 * no writer.
 */
static void lose_memory(struct paraclock *clk)
{
	clk->gen |= 1;
	clk->owner = fake.process_id;
	fake.process_id++;
}

static void a_child_that_lost_its_memory_starts_a_new_epoch(void **state)
{
	struct paraclock *clk = fake_open(&fake, "kvmclock");
	uint64_t epoch = check_valid(clk).epoch;
	struct paraclock_sample then;

	(void)state;
	fake.affinity_error = 0;
	lose_memory(clk);
	assert_int_equal(check_valid(clk).epoch, epoch + 1);
	assert_int_equal(paraclock_disrupted(clk, epoch), 1);
	/* It knows nothing of what was before. */
	assert_int_equal(paraclock_read_at(clk, NOW - 1, &then), 0);
	assert_int_equal(then.valid, 0);
	assert_int_equal(then.reason, PARACLOCK_REASON_WINDOW);
	paraclock_close(clk);
}

static void a_child_that_lost_its_memory_mistrusts_the_page(void **state)
{
	struct paraclock_sample sample;
	struct paraclock *clk;

	(void)state;
	fake_set_vmclock_marker(&fake, 1);
	fake.vmclock_error = 0;
	clk = fake_open(&fake, "kvmclock");
	check_valid(clk);
	/* Moved; vCPU 0 has not run, and its page is 5 s wrong. */
	put64(fake.vmclock, 16, 2);
	lose_memory(clk);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.valid, 0);
	assert_int_equal(sample.reason, PARACLOCK_REASON_DISRUPTED);
	fake_set_pvclock(&fake, 4, 1000, 5000005000);
	assert_int_equal(check_valid(clk).host_ns, NOW_NS + 5000000000);
	paraclock_close(clk);
}

/* The parent had noticed, and waited for vCPU 0. */
static void a_child_that_lost_its_memory_waits_as_its_parent(void **state)
{
	struct paraclock_sample sample;
	struct paraclock *clk;

	(void)state;
	fake_set_vmclock_marker(&fake, 1);
	fake.vmclock_error = 0;
	clk = fake_open(&fake, "kvmclock");
	put64(fake.vmclock, 16, 2);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.reason, PARACLOCK_REASON_DISRUPTED);
	lose_memory(clk);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.valid, 0);
	assert_int_equal(sample.reason, PARACLOCK_REASON_DISRUPTED);
	paraclock_close(clk);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST("a read within a change is refused, not hung",
		     a_read_within_a_change_is_refused_not_hung),
		TEST("a child forked within a change reads on",
		     a_child_forked_within_a_change_reads_on),
		TEST("a child that lost its memory starts a new epoch",
		     a_child_that_lost_its_memory_starts_a_new_epoch),
		TEST("a child that lost its memory mistrusts the page",
		     a_child_that_lost_its_memory_mistrusts_the_page),
		TEST("a child that lost its memory waits as its parent did",
		     a_child_that_lost_its_memory_waits_as_its_parent),
	};

	each_test(setup, NULL);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
