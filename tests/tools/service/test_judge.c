// SPDX-License-Identifier: MIT
/*
 * What a measurement means, row by row: each verdict is what the rules for
 * whoever steers a clock say, worked out by hand.
 */

#include "service/judge.h"

#include "../../shared/rows.h"

#define US   1000LL
#define MS   (1000 * US)
#define SEC  (1000 * MS)
#define HOUR (3600 * SEC)
#define DAY  (24 * HOUR)

/* When the program was built, and the host clock a year later. */
#define BUILT (1790000000 * SEC)
#define NOW   (BUILT + 365 * DAY)

#define HALF (1ULL << 63)

/* --- what a row says ------------------------------------------------------ */

/* The situation. */
#define DISRUPTED 0x1U
#define RESTORED  0x2U
#define SYNCED	  0x4U
#define LEAP_NEAR 0x8U
/* The options. */
#define GO_BACK	  0x10U
#define AT_BOOT	  0x20U
#define ON_SLEW	  0x40U /* --on-disruption */
#define ON_REPORT 0x80U
#define ELSE_SLEW 0x100U /* --otherwise */
/* The measurement. */
#define NO_BOUND      0x200U  /* the host states none */
#define EXACT	      0x400U  /* no error at all */
#define NO_ASSUMPTION 0x800U  /* --assume-error 0 */
#define NO_TOLERANCE  0x1000U /* --step-above 0 */
#define NO_STEPS      0x2000U /* --max-step 0 */

/* Zero is the default of the command line, or an ordinary measurement. */
struct row {
	const char *name;
	int64_t offset_ns;
	unsigned int facts;
	enum keep_verdict verdict;
	enum keep_why why;
	uint64_t bound_ns; /* 0: 1 us */
	int64_t max_step_ns;
	int64_t step_above_ns;
	int64_t assume_error_ns;
	int64_t stepped_ns;
	int64_t utc_ns;
	uint32_t flags;	   /* of the sample */
	uint8_t timescale; /* 0: UTC */
	uint8_t reason;	   /* not OK: the sample is not valid */
	uint8_t leap;
	int error, utc_error;
};

static int64_t or_else(int64_t value, int64_t otherwise)
{
	return value ? value : otherwise;
}

static struct keep_rules rules_of(const struct row *row)
{
	struct keep_rules rules = {
		.on_disruption = KEEP_STEP,
		.otherwise = KEEP_REPORT,
		.step_above_ns = or_else(row->step_above_ns, 100 * MS),
		.assume_error_ns = or_else(row->assume_error_ns, SEC),
		.max_step_ns = or_else(row->max_step_ns, -1),
		.earliest_ns = BUILT,
		.backwards = row->facts & GO_BACK,
		.boot = row->facts & AT_BOOT,
	};

	if (row->facts & ON_SLEW)
		rules.on_disruption = KEEP_SLEW;
	if (row->facts & ON_REPORT)
		rules.on_disruption = KEEP_REPORT;
	if (row->facts & ELSE_SLEW)
		rules.otherwise = KEEP_SLEW;
	if (row->facts & NO_ASSUMPTION)
		rules.assume_error_ns = 0;
	if (row->facts & NO_TOLERANCE)
		rules.step_above_ns = 0;
	if (row->facts & NO_STEPS)
		rules.max_step_ns = 0;
	return rules;
}

static struct situation situation_of(const struct row *row)
{
	return (struct situation){
		.disrupted = row->facts & DISRUPTED,
		.restored = row->facts & RESTORED,
		.synchronized = row->facts & SYNCED,
		.leap_is_near = row->facts & LEAP_NEAR,
		.stepped_ns = row->stepped_ns,
	};
}

static struct measurement measurement_of(const struct row *row)
{
	struct measurement m = {
		.error = row->error,
		.utc_error = row->utc_error,
		.offset_ns = row->offset_ns,
		.bound_ns = row->bound_ns ? row->bound_ns : (uint64_t)US,
		.has_bound = !(row->facts & NO_BOUND),
		.utc_ns = or_else(row->utc_ns, NOW),
		.sample = {
			.valid = !row->reason,
			.reason = row->reason,
			.timescale = PARACLOCK_TIMESCALE_UTC,
			.leap = row->leap,
			.flags = row->flags,
		},
	};

	if (row->timescale)
		m.sample.timescale = row->timescale;
	if (row->facts & EXACT)
		m.bound_ns = 0;
	return m;
}

static void check_row(void **state)
{
	const struct row *row = *state;
	struct keep_rules rules = rules_of(row);
	struct situation situation = situation_of(row);
	struct measurement m = measurement_of(row);
	struct judgement got = judge(&rules, &situation, &m);

	if (got.verdict != row->verdict || got.why != row->why)
		fail_msg("verdict %d because of %s; expected %d, %s",
			 got.verdict, keep_why_name(got.why), row->verdict,
			 keep_why_name(row->why));
}

#define SAYS(x, y) .verdict = KEEP_##x, .why = KEEP_WHY_##y
#define RIGHT	   SAYS(IS_RIGHT, NONE)
#define STEP	   SAYS(DO_STEP, NONE)
#define SLEW	   SAYS(DO_SLEW, NONE)
#define WAIT(y)	   SAYS(WAIT, y)
#define LEAVE(y)   SAYS(LEAVE, y)

/* clang-format off */

/* --- is the source fit? --------------------------------------------------- */

static const struct row sources[] = {
	{ "rule 1: own kernel is never a reason to step",
	  30 * SEC, DISRUPTED | RESTORED, LEAVE(OWN_KERNEL),
	  .flags = PARACLOCK_FLAG_OWN_KERNEL },
	{ "own kernel does not even make the clock right",
	  0, 0, LEAVE(OWN_KERNEL), .flags = PARACLOCK_FLAG_OWN_KERNEL },
	{ "own kernel outweighs every other flag",
	  30 * SEC, DISRUPTED, LEAVE(OWN_KERNEL),
	  .flags = PARACLOCK_FLAG_OWN_KERNEL | PARACLOCK_FLAG_TAI_OFFSET |
		   PARACLOCK_FLAG_MONOTONIC },
	{ "unvouched: nobody knows whether the page is alive",
	  30 * SEC, DISRUPTED | RESTORED, LEAVE(UNVOUCHED),
	  .flags = PARACLOCK_FLAG_UNVOUCHED },
	{ "unvouched does not make the clock right",
	  0, 0, LEAVE(UNVOUCHED), .flags = PARACLOCK_FLAG_UNVOUCHED },
	{ "harmless flags change nothing",
	  30 * SEC, DISRUPTED, STEP,
	  .flags = PARACLOCK_FLAG_TAI_OFFSET | PARACLOCK_FLAG_MONOTONIC },
	{ "no answer: measure again",
	  30 * SEC, DISRUPTED, WAIT(NO_ANSWER), .error = -EAGAIN },
	{ "no answer outweighs what an old sample says",
	  0, 0, WAIT(NO_ANSWER), .error = -ESTALE,
	  .reason = PARACLOCK_REASON_STATUS },
	{ "not valid, status: wait",
	  30 * SEC, DISRUPTED | RESTORED, WAIT(NOT_VALID),
	  .reason = PARACLOCK_REASON_STATUS },
	{ "not valid, disruption pending: wait",
	  30 * SEC, DISRUPTED, WAIT(NOT_VALID),
	  .reason = PARACLOCK_REASON_DISRUPTED },
	{ "not valid, pair too wide: wait",
	  30 * SEC, DISRUPTED, WAIT(NOT_VALID),
	  .reason = PARACLOCK_REASON_WIDE },
	{ "not valid, and the offset looks right: wait all the same",
	  0, 0, WAIT(NOT_VALID), .reason = PARACLOCK_REASON_WINDOW },
	{ "MONOTONIC says nothing of UTC",
	  30 * SEC, DISRUPTED | RESTORED, LEAVE(NO_UTC),
	  .timescale = PARACLOCK_TIMESCALE_MONOTONIC },
	{ "MONOTONIC with an offset of 0 is not right either",
	  0, 0, LEAVE(NO_UTC), .timescale = PARACLOCK_TIMESCALE_MONOTONIC },
	{ "a timescale that does not exist",
	  30 * SEC, DISRUPTED, LEAVE(NO_UTC), .timescale = 77 },
	{ "TAI will do",
	  30 * SEC, DISRUPTED, STEP, .timescale = PARACLOCK_TIMESCALE_TAI },
	{ "UTC that may be smeared will do when no leap second is near",
	  30 * SEC, DISRUPTED, STEP,
	  .timescale = PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED },
	{ "rule 5: TAI without an offset and without a list",
	  30 * SEC, DISRUPTED, WAIT(NO_TAI_OFFSET),
	  .timescale = PARACLOCK_TIMESCALE_TAI, .utc_error = -EOPNOTSUPP },
	{ "rule 5: TAI with an expired list",
	  37 * SEC, DISRUPTED | RESTORED, WAIT(NO_TAI_OFFSET),
	  .timescale = PARACLOCK_TIMESCALE_TAI, .utc_error = -ESTALE },
	{ "TAI without an offset is not right, whatever the offset",
	  0, 0, WAIT(NO_TAI_OFFSET), .timescale = PARACLOCK_TIMESCALE_TAI,
	  .utc_error = -ERANGE },
};

/* --- how large, how sure -------------------------------------------------- */

static const struct row sizes[] = {
	{ "no offset is right",
	  0, DISRUPTED, RIGHT },
	{ "exactly --step-above is right",
	  100 * MS, DISRUPTED, RIGHT },
	{ "one ns more is not",
	  100 * MS + 1, DISRUPTED, STEP },
	{ "exactly --step-above ahead is right",
	  -100 * MS, DISRUPTED, RIGHT },
	{ "one ns more ahead is not",
	  -100 * MS - 1, DISRUPTED, LEAVE(BACKWARDS) },
	{ "--step-above 0: no offset is right",
	  0, DISRUPTED | NO_TOLERANCE, RIGHT },
	{ "--step-above 0: one ns is not",
	  1, DISRUPTED | NO_TOLERANCE | EXACT, STEP },
	{ "--step-above INT64_MAX: everything behind is right",
	  INT64_MAX, DISRUPTED, RIGHT, .step_above_ns = INT64_MAX },
	{ "--step-above INT64_MAX: INT64_MIN is still further",
	  INT64_MIN, DISRUPTED, LEAVE(BACKWARDS), .step_above_ns = INT64_MAX },
	{ "a bound as wide as the offset: wait",
	  30 * SEC, DISRUPTED, WAIT(TOO_WIDE), .bound_ns = 30 * SEC },
	{ "a bound one ns narrower: step",
	  30 * SEC, DISRUPTED, STEP, .bound_ns = 30 * SEC - 1 },
	{ "a bound wider than the offset, after a restore",
	  30 * SEC, DISRUPTED | RESTORED, WAIT(TOO_WIDE),
	  .bound_ns = 31 * SEC },
	{ "a measurement wider than the offset, of a host without a bound",
	  30 * SEC, DISRUPTED | RESTORED | NO_BOUND, WAIT(TOO_WIDE),
	  .bound_ns = 30 * SEC },
	{ "the clock is ahead by less than the bound",
	  -30 * SEC, DISRUPTED | GO_BACK, WAIT(TOO_WIDE),
	  .bound_ns = 30 * SEC },
	{ "an unknown bound never corrects INT64_MAX",
	  INT64_MAX, DISRUPTED, WAIT(TOO_WIDE), .bound_ns = UINT64_MAX },
	{ "an unknown bound never corrects INT64_MIN",
	  INT64_MIN, DISRUPTED | GO_BACK, WAIT(TOO_WIDE),
	  .bound_ns = UINT64_MAX },
	{ "INT64_MIN is 2^63 off: a bound of 2^63 is too wide",
	  INT64_MIN, DISRUPTED | GO_BACK, WAIT(TOO_WIDE), .bound_ns = HALF },
	{ "INT64_MIN is 2^63 off: a bound of 2^63 - 1 will do",
	  INT64_MIN, DISRUPTED | GO_BACK, STEP, .bound_ns = HALF - 1 },
	{ "INT64_MAX with a bound of as much",
	  INT64_MAX, DISRUPTED, WAIT(TOO_WIDE), .bound_ns = INT64_MAX },
	{ "INT64_MAX with one ns less",
	  INT64_MAX, DISRUPTED, STEP, .bound_ns = INT64_MAX - 1 },
};

/* --- rule 4: trust has a size --------------------------------------------- */

static const struct row trust[] = {
	{ "rule 4: a host with a bound corrects half a second",
	  500 * MS, DISRUPTED, STEP },
	{ "rule 4: a host without a bound does not",
	  500 * MS, DISRUPTED | NO_BOUND, LEAVE(ASSUMED) },
	{ "exactly --assume-error is left alone",
	  SEC, DISRUPTED | NO_BOUND, LEAVE(ASSUMED) },
	{ "one ns more is stepped",
	  SEC + 1, DISRUPTED | NO_BOUND, STEP },
	{ "ahead by exactly --assume-error is left alone",
	  -SEC, DISRUPTED | NO_BOUND | GO_BACK, LEAVE(ASSUMED) },
	{ "ahead by one ns more is stepped if that is allowed",
	  -SEC - 1, DISRUPTED | NO_BOUND | GO_BACK, STEP },
	{ "ahead by one ns more is left alone if it is not",
	  -SEC - 1, DISRUPTED | NO_BOUND, LEAVE(BACKWARDS) },
	{ "a known restore: the clock has no claim at all",
	  100 * MS + 1, DISRUPTED | RESTORED | NO_BOUND, STEP },
	{ "a known restore: --step-above decides",
	  100 * MS, DISRUPTED | RESTORED | NO_BOUND, RIGHT },
	{ "--assume-error 0: as if the host were exact",
	  100 * MS + 1, DISRUPTED | NO_BOUND | NO_ASSUMPTION, STEP },
	{ "--assume-error INT64_MAX: never",
	  INT64_MAX, DISRUPTED | NO_BOUND, LEAVE(ASSUMED),
	  .assume_error_ns = INT64_MAX },
	{ "--assume-error INT64_MAX: INT64_MIN is still further",
	  INT64_MIN, DISRUPTED | NO_BOUND | GO_BACK, STEP,
	  .assume_error_ns = INT64_MAX },
	{ "within --assume-error nothing is slewed either",
	  500 * MS, DISRUPTED | NO_BOUND | ON_SLEW, LEAVE(ASSUMED) },

	{ "rule 4: synchronised, no restore: one hour is stepped",
	  HOUR, DISRUPTED | SYNCED, STEP },
	{ "rule 4: synchronised, no restore: one ns more is not",
	  HOUR + 1, DISRUPTED | SYNCED, LEAVE(MAX_STEP) },
	{ "a migration to a host a day ahead does not take the guest with it",
	  DAY, DISRUPTED | SYNCED, LEAVE(MAX_STEP) },
	{ "nor does one to a host without a bound",
	  DAY, DISRUPTED | SYNCED | NO_BOUND, LEAVE(MAX_STEP) },
	{ "nor does one to a host a day behind, with --backwards",
	  -DAY, DISRUPTED | SYNCED | GO_BACK, LEAVE(MAX_STEP) },
	{ "a restore of a synchronised guest has no limit",
	  300 * DAY, DISRUPTED | SYNCED | RESTORED, STEP },
	{ "a guest that nobody synchronised has no limit",
	  300 * DAY, DISRUPTED, STEP },
	{ "the whole range has no limit: INT64_MAX",
	  INT64_MAX, DISRUPTED, STEP },
	{ "--max-step: exactly that much",
	  10 * SEC, DISRUPTED, STEP, .max_step_ns = 10 * SEC },
	{ "--max-step: one ns more",
	  10 * SEC + 1, DISRUPTED, LEAVE(MAX_STEP), .max_step_ns = 10 * SEC },
	{ "--max-step holds after a restore as well",
	  10 * SEC + 1, DISRUPTED | RESTORED, LEAVE(MAX_STEP),
	  .max_step_ns = 10 * SEC },
	{ "--max-step may allow more than an hour",
	  DAY, DISRUPTED | SYNCED, STEP, .max_step_ns = 2 * DAY },
	{ "--max-step holds backwards as well",
	  -10 * SEC - 1, DISRUPTED | GO_BACK, LEAVE(MAX_STEP),
	  .max_step_ns = 10 * SEC },
	{ "--max-step 0 allows no step",
	  100 * MS + 1, DISRUPTED | NO_STEPS, LEAVE(MAX_STEP) },
	{ "--max-step INT64_MAX: INT64_MIN is still further",
	  INT64_MIN, DISRUPTED | GO_BACK, LEAVE(MAX_STEP),
	  .max_step_ns = INT64_MAX },
	{ "rule 4: a slew is a correction too: --max-step",
	  10 * SEC + 1, DISRUPTED | ON_SLEW, LEAVE(MAX_STEP),
	  .max_step_ns = 10 * SEC },
	{ "a slew towards a host a day ahead is refused",
	  DAY, DISRUPTED | SYNCED | ON_SLEW, LEAVE(MAX_STEP) },
	{ "a slew that no disruption asks for keeps to --max-step",
	  -10 * SEC - 1, ELSE_SLEW, LEAVE(MAX_STEP), .max_step_ns = 10 * SEC },
};

/* --- rule 2: one step, once ----------------------------------------------- */

static const struct row overshoots[] = {
	{ "ahead after a restore: left alone",
	  -30 * SEC, DISRUPTED | RESTORED, LEAVE(BACKWARDS) },
	{ "rule 2: undoing an overshoot is no step backwards",
	  -30 * SEC, DISRUPTED, STEP, .stepped_ns = 30 * SEC },
	{ "a part of what was stepped is undone",
	  -20 * SEC, DISRUPTED, STEP, .stepped_ns = 30 * SEC },
	{ "what was stepped, the bound and --step-above are undone",
	  -30 * SEC - US - 100 * MS, DISRUPTED, STEP, .stepped_ns = 30 * SEC },
	{ "one ns more cannot have been our step",
	  -30 * SEC - US - 100 * MS - 1, DISRUPTED, LEAVE(BACKWARDS),
	  .stepped_ns = 30 * SEC },
	{ "without a bound, --assume-error as well",
	  -31 * SEC - US - 100 * MS, DISRUPTED | NO_BOUND, STEP,
	  .stepped_ns = 30 * SEC },
	{ "without a bound, one ns more cannot have been our step",
	  -31 * SEC - US - 100 * MS - 1, DISRUPTED | NO_BOUND,
	  LEAVE(BACKWARDS), .stepped_ns = 30 * SEC },
	{ "undoing is not bound by --max-step",
	  -30 * SEC, DISRUPTED, STEP, .stepped_ns = 30 * SEC,
	  .max_step_ns = 10 * SEC },
	{ "a step back that went too far is undone as well",
	  30 * SEC, DISRUPTED | GO_BACK, STEP, .stepped_ns = -30 * SEC,
	  .max_step_ns = 10 * SEC },
	{ "further behind than before is no overshoot",
	  30 * SEC, DISRUPTED, LEAVE(MAX_STEP), .stepped_ns = 30 * SEC,
	  .max_step_ns = 10 * SEC },
	{ "further ahead than before is no overshoot",
	  -30 * SEC, DISRUPTED | GO_BACK, LEAVE(MAX_STEP),
	  .stepped_ns = -30 * SEC, .max_step_ns = 10 * SEC },
	{ "no step of ours: nothing to undo",
	  -1 * SEC, DISRUPTED, LEAVE(BACKWARDS) },
	{ "the disruption is dealt with: an overshoot is undone all the same",
	  -30 * SEC, 0, STEP, .stepped_ns = 30 * SEC },
	{ "the disruption is dealt with: no more than an overshoot is undone",
	  -30 * SEC - US - 100 * MS - 1, 0, LEAVE(POLICY),
	  .stepped_ns = 30 * SEC },
	{ "an overshoot within the bound waits",
	  -30 * SEC, DISRUPTED, WAIT(TOO_WIDE), .stepped_ns = 30 * SEC,
	  .bound_ns = 30 * SEC },
	{ "an overshoot by a host that is not valid waits",
	  -30 * SEC, DISRUPTED, WAIT(NOT_VALID), .stepped_ns = 30 * SEC,
	  .reason = PARACLOCK_REASON_STATUS },
	{ "2^63 - 1 stepped, 2^63 ahead, and the bound is the difference",
	  INT64_MIN, DISRUPTED, STEP, .stepped_ns = INT64_MAX },
	{ "2^63 stepped back, the widest bound: the sum still fits",
	  INT64_MAX, DISRUPTED, STEP, .stepped_ns = INT64_MIN,
	  .bound_ns = INT64_MAX - 1, .max_step_ns = SEC },
	{ "2^63 - 1 stepped, the widest bound: the sum still fits",
	  INT64_MIN, DISRUPTED, STEP, .stepped_ns = INT64_MAX,
	  .bound_ns = HALF - 1 },
	{ "whatever is trusted, the sum does not overflow",
	  INT64_MIN, DISRUPTED | NO_BOUND, STEP, .stepped_ns = INT64_MAX,
	  .bound_ns = HALF - 1, .assume_error_ns = INT64_MAX - 1 },
	{ "one ns stepped, and all ahead: no overshoot",
	  INT64_MIN, DISRUPTED, LEAVE(BACKWARDS), .stepped_ns = 1 },
};

/* --- rules 8 and 10, and what the user wants ------------------------------ */

static const struct row others[] = {
	{ "rule 8: a leap second is near and the host may smear it",
	  30 * SEC, DISRUPTED | LEAP_NEAR, WAIT(LEAP),
	  .timescale = PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED },
	{ "rule 8: a restore makes no difference",
	  DAY, DISRUPTED | RESTORED | LEAP_NEAR, WAIT(LEAP),
	  .timescale = PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED },
	{ "rule 8: it is not slewed either",
	  30 * SEC, DISRUPTED | ON_SLEW | LEAP_NEAR, WAIT(LEAP),
	  .timescale = PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED },
	{ "rule 8: nor is an overshoot undone",
	  -30 * SEC, DISRUPTED | LEAP_NEAR, WAIT(LEAP), .stepped_ns = 30 * SEC,
	  .timescale = PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED },
	{ "a leap second is near, and the clock is right",
	  MS, DISRUPTED | LEAP_NEAR, RIGHT,
	  .timescale = PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED },
	{ "a leap second is near, and the host does not smear: UTC",
	  30 * SEC, DISRUPTED | LEAP_NEAR, STEP },
	{ "a leap second is near, and the host does not smear: TAI",
	  30 * SEC, DISRUPTED | LEAP_NEAR, STEP,
	  .timescale = PARACLOCK_TIMESCALE_TAI,
	  .leap = PARACLOCK_LEAP_PRE_POS },
	{ "in the inserted second UTC has one number for two instants",
	  30 * SEC, DISRUPTED, WAIT(LEAP), .leap = PARACLOCK_LEAP_POS },
	{ "so has TAI that was converted to UTC",
	  30 * SEC, DISRUPTED | RESTORED, WAIT(LEAP),
	  .timescale = PARACLOCK_TIMESCALE_TAI, .leap = PARACLOCK_LEAP_POS },
	{ "after the inserted second it is over",
	  30 * SEC, DISRUPTED, STEP, .leap = PARACLOCK_LEAP_POST_POS },

	{ "rule 10: at boot the clock may go back",
	  -9 * 365 * DAY, DISRUPTED | AT_BOOT, STEP },
	{ "rule 10: not if somebody has synchronised it",
	  -30 * SEC, DISRUPTED | AT_BOOT | SYNCED, LEAVE(BACKWARDS) },
	{ "rule 10: to the instant of the build",
	  -9 * 365 * DAY, DISRUPTED | AT_BOOT, STEP, .utc_ns = BUILT },
	{ "rule 10: one ns before the build is refused",
	  -9 * 365 * DAY, DISRUPTED | AT_BOOT, LEAVE(EARLIEST),
	  .utc_ns = BUILT - 1 },
	{ "a guest that boots in 1970 is not put into 1980 by its host",
	  10 * 365 * DAY, DISRUPTED, LEAVE(EARLIEST),
	  .utc_ns = 10 * 365 * DAY },
	{ "--backwards does not go below the build either",
	  -30 * SEC, DISRUPTED | GO_BACK, LEAVE(EARLIEST),
	  .utc_ns = BUILT - 1 },
	{ "nor does undoing an overshoot",
	  -30 * SEC, DISRUPTED, LEAVE(EARLIEST), .stepped_ns = 30 * SEC,
	  .utc_ns = BUILT - 1 },
	{ "a guest in 1970 is not right because its host is there, too",
	  0, 0, LEAVE(EARLIEST), .utc_ns = 365 * DAY },
	{ "nor does a slew lead there",
	  30 * SEC, DISRUPTED | ON_SLEW, LEAVE(EARLIEST), .utc_ns = BUILT - 1 },
	{ "a guest that boots in 1970 is put right",
	  NOW, DISRUPTED, STEP },
	{ "--backwards: the clock goes back",
	  -30 * SEC, DISRUPTED | GO_BACK, STEP },

	{ "--on-disruption report",
	  30 * SEC, DISRUPTED | RESTORED | ON_REPORT, LEAVE(POLICY) },
	{ "--on-disruption slew",
	  30 * SEC, DISRUPTED | ON_SLEW, SLEW },
	{ "--on-disruption slew: slower is not backwards",
	  -30 * SEC, DISRUPTED | ON_SLEW, SLEW },
	{ "--on-disruption slew is for whoever is synchronised as well",
	  30 * SEC, DISRUPTED | SYNCED | ON_SLEW, SLEW },
	{ "rule 1: no disruption, no step: somebody set the clock",
	  30 * SEC, 0, LEAVE(POLICY) },
	{ "rule 1: no disruption, no step, whatever the options",
	  -30 * SEC, GO_BACK | AT_BOOT, LEAVE(POLICY) },
	{ "--otherwise slew",
	  30 * SEC, ELSE_SLEW, SLEW },
	{ "rule 7: day-to-day discipline is the other daemon's",
	  30 * SEC, ELSE_SLEW | SYNCED, LEAVE(SYNCHRONIZED) },
	{ "--otherwise slew is not for disruptions",
	  30 * SEC, DISRUPTED | ON_REPORT | ELSE_SLEW, LEAVE(POLICY) },
	{ "--on-disruption slew is for disruptions only",
	  30 * SEC, ON_SLEW, LEAVE(POLICY) },
};

/* clang-format on */

/* Scripts tell them apart by the names; people need a sentence. */
static void each_reason_has_words(void **state)
{
	(void)state;
	assert_string_equal(keep_why_name(KEEP_WHY_NONE), "none");
	assert_string_equal(keep_why_text(KEEP_WHY_NONE), "");
	for (unsigned int i = 0; i < KEEP_WHYS; i++) {
		assert_non_null(keep_why_name(i));
		assert_true(i == KEEP_WHY_NONE || keep_why_text(i)[0]);
		for (unsigned int k = 0; k < i; k++) {
			assert_string_not_equal(keep_why_name(i),
						keep_why_name(k));
			assert_string_not_equal(keep_why_text(i),
						keep_why_text(k));
		}
	}
}

int main(void)
{
	ADD_ROWS(sources, check_row);
	ADD_ROWS(sizes, check_row);
	ADD_ROWS(trust, check_row);
	ADD_ROWS(overshoots, check_row);
	ADD_ROWS(others, check_row);
	add_test("each reason has a name and a sentence of its own",
		 each_reason_has_words);
	return run_suite(NULL, NULL);
}
