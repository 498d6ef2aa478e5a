// SPDX-License-Identifier: MIT
/*
 * The acts of keep on the kernel's clock, against a model of adjtimex(2), and
 * the lock between processes.
 *
 * Source: Linux kernel/time/timekeeping.c, timekeeping_validate_timex() and
 * do_adjtimex(); kernel/time/ntp.c, ntp_adjtimex().
 */

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/timex.h>
#include <unistd.h>

#include "service/steer.h"

#include "../../shared/rows.h"

#define SEC 1000000000LL

/* The program is linked with --wrap=adjtimex. */
int __wrap_adjtimex(struct timex *tx);

static struct {
	int status, state;
	int64_t set_ns; /* how far it was set, modulo 2^64 */
	long slew_us;
	unsigned int sets, slews;
	int error; /* of a set */
} kernel;

static int fail_with(int error)
{
	errno = error;
	return -1;
}

static int set_offset(const struct timex *tx)
{
	long most = tx->modes & ADJ_NANO ? 1000000000 : 1000000;
	int64_t ns = tx->time.tv_usec;

	if (kernel.error)
		return fail_with(kernel.error);
	if (tx->time.tv_usec < 0 || tx->time.tv_usec >= most)
		return fail_with(EINVAL);
	if (!(tx->modes & ADJ_NANO))
		ns *= 1000;
	kernel.set_ns = (int64_t)((uint64_t)kernel.set_ns +
				  (uint64_t)tx->time.tv_sec * (uint64_t)SEC +
				  (uint64_t)ns);
	kernel.sets++;
	kernel.status |= STA_UNSYNC;
	return 0;
}

int __wrap_adjtimex(struct timex *tx)
{
	/* adjtime(3)'s: it is a bit of its own, and no other mode counts. */
	if (tx->modes == ADJ_OFFSET_SINGLESHOT) {
		kernel.slews++;
		kernel.slew_us = tx->offset;
		tx->modes = 0;
	}
	if (tx->modes & ADJ_SETOFFSET && set_offset(tx))
		return -1;
	/* What others rely on: keep must not touch it. */
	assert_int_equal(tx->modes & ~(unsigned int)(ADJ_SETOFFSET | ADJ_NANO |
						     ADJ_MICRO),
			 0);
	if (tx->modes & ADJ_NANO)
		kernel.status |= STA_NANO;
	if (tx->modes & ADJ_MICRO)
		kernel.status &= ~STA_NANO;
	tx->status = kernel.status;
	return kernel.status & STA_UNSYNC ? TIME_ERROR : kernel.state;
}

static int reset(void **state)
{
	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	return 0;
}

/* --- rule 3: steps -------------------------------------------------------- */

struct step {
	const char *name;
	int64_t by_ns;
	int status; /* before */
};

static const struct step steps[] = {
	{ "rule 3: ahead by a ns", 1, 0 },
	{ "rule 3: back by a ns: the ns are floored", -1, 0 },
	{ "ahead by seconds and ns", 30 * SEC + 5, 0 },
	{ "back by seconds", -30 * SEC, 0 },
	{ "back by half a second", -SEC / 2, 0 },
	{ "back by a second and a ns", -SEC - 1, 0 },
	{ "ahead by almost a second", SEC - 1, 0 },
	{ "as far ahead as there are numbers", INT64_MAX, 0 },
	{ "as far back as there are numbers", INT64_MIN, 0 },
	{ "rule 3: other daemons count in us: put back as it was", 7, STA_PLL },
	{ "other daemons count in ns: left as it was", 7, STA_PLL | STA_NANO },
	{ "a clock that nobody has synchronised", -7, STA_UNSYNC },
};

static void check_step(void **state)
{
	const struct step *step = *state;

	kernel.status = step->status;
	assert_int_equal(steer_step(NULL, step->by_ns), 0);
	assert_int_equal(kernel.set_ns, step->by_ns);
	assert_int_equal(kernel.sets, 1);
	/* It is not synchronised any more, and nothing else has changed. */
	assert_int_equal(kernel.status, step->status | STA_UNSYNC);
}

static void time_error_is_success(void **state)
{
	(void)state;
	kernel.state = TIME_OK;
	kernel.status = STA_UNSYNC;
	assert_int_equal(steer_step(NULL, SEC), 0);
	assert_int_equal(kernel.sets, 1);
}

static void a_refusal_is_returned(void **state)
{
	static const int errors[] = { EPERM, EINVAL };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		kernel.error = errors[i];
		assert_int_equal(steer_step(NULL, SEC), -errors[i]);
		assert_int_equal(kernel.sets, 0);
		assert_int_equal(kernel.status, 0);
	}
}

/* --- slews ---------------------------------------------------------------- */

struct slew {
	const char *name;
	int64_t by_ns;
	int ret;
	long us;
};

static const struct slew slews[] = {
	{ "a slew counts in us", 1500000, 0, 1500 },
	{ "a slew back", -1500000, 0, -1500 },
	{ "less than a us is no slew", 999, 0, 0 },
	{ "as far ahead as there are numbers, slewed", INT64_MAX, 0,
	  INT64_MAX / 1000 },
	{ "as far back as there are numbers, slewed", INT64_MIN, 0,
	  INT64_MIN / 1000 },
};

static void check_slew(void **state)
{
	const struct slew *slew = *state;

	assert_int_equal(steer_slew(NULL, slew->by_ns), slew->ret);
	assert_int_equal(kernel.slews, 1);
	assert_int_equal(kernel.slew_us, slew->us);
	assert_int_equal(kernel.sets, 0);
}

/* --- what the kernel says ------------------------------------------------- */

struct said {
	const char *name;
	int status, state;
	unsigned int said;
};

static const struct said said[] = {
	{ "synchronised", STA_PLL, TIME_OK, KEEP_KERNEL_SYNCHRONIZED },
	{ "not synchronised", STA_UNSYNC, TIME_OK, 0 },
	{ "a second is to be inserted", STA_INS, TIME_OK,
	  KEEP_KERNEL_SYNCHRONIZED | KEEP_KERNEL_LEAP },
	{ "a second is to be deleted, and nobody synchronises",
	  STA_UNSYNC | STA_DEL, TIME_OK, KEEP_KERNEL_LEAP },
	{ "in the inserted second", STA_PLL, TIME_OOP,
	  KEEP_KERNEL_SYNCHRONIZED | KEEP_KERNEL_LEAP },
};

static void check_said(void **state)
{
	const struct said *row = *state;

	kernel.status = row->status;
	kernel.state = row->state;
	assert_int_equal(steer_kernel(NULL), row->said);
	assert_int_equal(kernel.status, row->status);
	assert_int_equal(kernel.sets, 0);
}

/* --- rule 2: the lock, and who sets the clock ----------------------------- */

static void one_at_a_time_holds_the_lock(void **state)
{
	char folder[] = "/tmp/paraclock-steer-XXXXXX", path[64], why[256];
	struct steer keep, agent;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/step.lock", folder);
	assert_int_equal(steer_open(&keep, path, why, sizeof(why)), 0);
	assert_int_equal(steer_open(&agent, path, why, sizeof(why)), 0);
	assert_int_equal(steer_acquire(&keep), 0);
	assert_int_equal(steer_acquire(&agent), -EBUSY);
	steer_release(&keep);
	assert_int_equal(steer_acquire(&agent), 0);
	assert_int_equal(steer_acquire(&keep), -EBUSY);
	/* One that dies holds nothing. */
	steer_close(&agent);
	assert_int_equal(steer_acquire(&keep), 0);
	steer_close(&keep);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
}

static void nobody_has_set_the_clock(void **state)
{
	char why[256];
	struct steer steer;

	(void)state;
	assert_int_equal(
		steer_open(&steer, "/nowhere/step.lock", why, sizeof(why)), 0);
	assert_int_equal(steer_arm(&steer), 0);
	assert_false(steer_was_set(&steer));
	/* Again, as for each measurement. */
	assert_int_equal(steer_arm(&steer), 0);
	assert_false(steer_was_set(&steer));
	/* Without a folder there is nobody to lock out. */
	assert_int_equal(steer_acquire(&steer), 0);
	steer_release(&steer);
	steer_close(&steer);
}

int main(void)
{
	each_test(reset, NULL);
	ADD_ROWS(steps, check_step);
	add_test("rule 3: TIME_ERROR is success", time_error_is_success);
	add_test("a refusal is returned, and nothing has changed",
		 a_refusal_is_returned);
	ADD_ROWS(slews, check_slew);
	ADD_ROWS(said, check_said);
	add_test("rule 2: one at a time holds the lock",
		 one_at_a_time_holds_the_lock);
	add_test("nobody has set the clock", nobody_has_set_the_clock);
	return run_suite(NULL, NULL);
}
