// SPDX-License-Identifier: MIT
/* A claim of UTC becomes one of TAI: what the list and the kernel know. */

#include <sys/timex.h>

#include "service/serve_service.h"

#include "../../shared/rows.h"

#define SEC  1000000000LL
#define HOUR 3600

#define MID_JUNE   1781524800LL /* 2026-06-15 12:00 */
#define MONTHS_END 1782864000LL

#define NONE	 PARACLOCK_LEAP_NONE
#define PRE_POS	 PARACLOCK_LEAP_PRE_POS
#define POST_POS PARACLOCK_LEAP_POST_POS
#define PRE_NEG	 PARACLOCK_LEAP_PRE_NEG

/* What the linker puts in place of the C library's. */
__typeof__(adjtimex) __wrap_adjtimex;

/* What a list says of the end of June: a leap second of so many seconds. */
static const int *list;
static int kernel_tai;

int leap_list_get(struct leap_list *unused,
		  struct paraclock_leap_table *ret_table)
{
	(void)unused;
	if (!list)
		return -ESTALE;
	*ret_table = (struct paraclock_leap_table){
		.expires_sec = MONTHS_END + 1000 * 86400,
		.count = *list ? 2 : 1,
		.entry = { { 1483228800, 37, { 0 } },
			   { MONTHS_END, (int16_t)(37 + *list), { 0 } } },
	};
	return 0;
}

int __wrap_adjtimex(struct timex *now)
{
	now->tai = kernel_tai;
	return 0;
}

static const int no_leap = 0, inserted = 1, deleted = -1;

static struct {
	const char *name;
	const int *list;
	int kernel;
	int64_t at_sec, since_sec;
	/* Wanted: */
	int ret, offset;
	uint8_t leap;
} claims[] = {
	/* clang-format off */
	{ "the list counts, not the kernel", &no_leap, 36, MID_JUNE,
	  MID_JUNE - 64, 0, 37, NONE },
	{ "without a list the kernel counts", NULL, 36, MID_JUNE, MID_JUNE - 64,
	  0, 36, NONE },
	{ "neither knows", NULL, 0, MID_JUNE, MID_JUNE - 64, -ESTALE, 0, 0 },
	{ "a kernel that was told nonsense", NULL, 101, MID_JUNE, MID_JUNE - 64,
	  -ESTALE, 0, 0 },
	{ "a leap second at the end of the month", &inserted, 0,
	  MONTHS_END - HOUR, MONTHS_END - HOUR - 64, 0, 37, PRE_POS },
	{ "one that is left out", &deleted, 0, MONTHS_END - HOUR,
	  MONTHS_END - HOUR - 64, 0, 37, PRE_NEG },
	{ "it came since the last measurement", &inserted, 38, MONTHS_END + 5,
	  MONTHS_END - 60, -EDOM, 0, 0 },
	{ "one was left out since", &deleted, 36, MONTHS_END + 5,
	  MONTHS_END - 60, -EDOM, 0, 0 },
	{ "in the second that is repeated", &inserted, 37, MONTHS_END - 1,
	  MONTHS_END - 60, -EDOM, 0, 0 },
	{ "in the second that is left out", &deleted, 37, MONTHS_END - 1,
	  MONTHS_END - 60, -EDOM, 0, 0 },
	{ "measured again after it", &inserted, 37, MONTHS_END + 64,
	  MONTHS_END + 5, 0, 38, POST_POS },
	{ "a month's end without one", &no_leap, 0, MONTHS_END + 5,
	  MONTHS_END - 60, 0, 37, NONE },
	/* clang-format on */
};

static void check_claim(void **row)
{
	const __typeof__(claims[0]) *c = *row;
	struct serve serve = { 0 };
	struct paraclock_timeline tl = { .leap = 99 };
	struct serve_claim claim = { .tai_ns = c->at_sec * SEC + 17 };

	list = c->list;
	kernel_tai = c->kernel;
	assert_int_equal(serve_utc_to_tai(&serve, c->since_sec * SEC, &claim,
					  &tl),
			 c->ret);
	if (c->ret) {
		assert_int_equal(claim.tai_ns, c->at_sec * SEC + 17);
		assert_int_equal(tl.leap, 99);
		return;
	}
	assert_int_equal(claim.tai_ns, (c->at_sec + c->offset) * SEC + 17);
	assert_int_equal(tl.tai_offset_sec, c->offset);
	assert_int_equal(tl.leap, c->leap);
	assert_int_equal(tl.flags, PARACLOCK_TIMELINE_TAI_OFFSET);
}

static void after_a_restore(void **unused)
{
	struct serve serve = { .observer.keeper.disruptions = 1 };
	struct paraclock_timeline tl = { 0 };
	struct serve_claim claim = { .tai_ns = MID_JUNE * SEC };

	(void)unused;
	list = NULL;
	kernel_tai = 37;
	assert_int_equal(serve_utc_to_tai(&serve, MID_JUNE * SEC, &claim, &tl),
			 -ESTALE);
	list = &no_leap;
	assert_int_equal(serve_utc_to_tai(&serve, MID_JUNE * SEC, &claim, &tl),
			 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST("the kernel's offset is as old as a restored machine",
		     after_a_restore),
	};

	ADD_ROWS(claims, check_claim);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
