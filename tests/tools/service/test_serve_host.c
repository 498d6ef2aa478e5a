// SPDX-License-Identifier: MIT
/* What a host clock says, as a claim: on a host that says what each row wants. */

#include <sys/timex.h>

#include "service/serve_service.h"

#include "../../shared/rows.h"

#define SEC 1000000000LL

#define MID_JUNE   1781524800LL /* 2026-06-15 12:00 */
#define LAST_DAY   1782820800LL /* 2026-06-30 12:00 */
#define MONTHS_END 1782864000LL
#define DAY_AFTER  1782907200LL /* 2026-07-01 12:00 */

#define NOW 20000000000U /* the counter, which begins at 1 GHz */

/* What the linker puts in place of the library's. */
__typeof__(paraclock_read) __wrap_paraclock_read;
__typeof__(paraclock_read_at) __wrap_paraclock_read_at;
__typeof__(paraclock_backend_name) __wrap_paraclock_backend_name;
__typeof__(paraclock_explain) __wrap_paraclock_explain;
__typeof__(adjtimex) __wrap_adjtimex;

/* --- the host --------------------------------------------------------------- */

static struct {
	struct paraclock_sample sample; /* host_ns and the error: at `from` */
	uint64_t from, now;
	int64_t fast_ppb, growth_ppb;
	uint64_t oldest; /* the page's reference */
	int ret, ret_at;
} host;

static int read_at(uint64_t counter, struct paraclock_sample *ret_sample)
{
	int64_t ns = (int64_t)(counter - host.from);

	if (counter < host.oldest)
		return -ERANGE;
	*ret_sample = host.sample;
	ret_sample->host_tsc = counter;
	ret_sample->host_ns += ns + ns / 1000 * host.fast_ppb / 1000000;
	if (host.sample.clock_error_ns != PARACLOCK_ERROR_UNKNOWN)
		ret_sample->clock_error_ns +=
			(uint64_t)(ns / 1000 * host.growth_ppb / 1000000);
	return 0;
}

int __wrap_paraclock_read(const struct paraclock *clk,
			  struct paraclock_sample *ret_sample)
{
	(void)clk;
	return host.ret ? host.ret : read_at(host.now, ret_sample);
}

int __wrap_paraclock_read_at(const struct paraclock *clk, uint64_t counter,
			     struct paraclock_sample *ret_sample)
{
	(void)clk;
	return host.ret_at ? host.ret_at : read_at(counter, ret_sample);
}

const char *__wrap_paraclock_backend_name(const struct paraclock *clk)
{
	(void)clk;
	return "host";
}

int __wrap_paraclock_explain(const struct paraclock *clk, int error,
			     const struct paraclock_sample *sample, char *buf,
			     size_t size)
{
	(void)clk;
	(void)sample;
	return snprintf(buf, size, "because of %d", error);
}

/* --- the rest of the world -------------------------------------------------- */

/* What a list says of the end of June. */
enum list {
	NO_LIST,
	NO_LEAP,
	A_LEAP,
};

static enum list list;
static int kernel_tai;

int leap_list_get(struct leap_list *unused,
		  struct paraclock_leap_table *ret_table)
{
	(void)unused;
	if (list == NO_LIST)
		return -ESTALE;
	*ret_table = (struct paraclock_leap_table){
		.expires_sec = MONTHS_END + 1000 * 86400,
		.count = list == A_LEAP ? 2 : 1,
		.entry = { { 1483228800, 37, { 0 } },
			   { MONTHS_END, 38, { 0 } } },
	};
	return 0;
}

int __wrap_adjtimex(struct timex *now)
{
	now->tai = kernel_tai;
	return 0;
}

/* --- what it says ------------------------------------------------------------ */

static struct {
	struct serve_claim claim;
	unsigned int measured, contradicted;
	char why[32], text[2048];
} said;

void serve_measured(struct serve *serve, const struct serve_claim *claim,
		    int64_t age_ns)
{
	assert_int_equal(age_ns, 0);
	said.claim = *claim;
	said.measured++;
	said.why[0] = '\0';
	(void)serve_track_measured(&serve->track, claim, SEC);
}

void serve_not_measured(struct serve *serve, const char *why,
			const char *format, ...)
{
	va_list ap;

	(void)serve;
	va_start(ap, format);
	vsnprintf(said.text, sizeof(said.text), format, ap);
	va_end(ap);
	snprintf(said.why, sizeof(said.why), "%s", why);
}

void serve_contradict(struct serve *serve)
{
	serve_track_contradict(&serve->track);
	said.contradicted++;
}

void serve_bound(struct serve *serve)
{
	(void)serve;
}

static struct serve serve;
static struct serve_options options;

static int start(void **unused)
{
	static int clk;

	(void)unused;
	memset(&host, 0, sizeof(host));
	host.sample = (struct paraclock_sample){
		.host_ns = MID_JUNE * SEC + 37 * SEC,
		.clock_error_ns = 1000,
		.epoch = 3,
		.valid = 1,
		.timescale = PARACLOCK_TIMESCALE_TAI,
		.counter = PARACLOCK_COUNTER_X86_TSC,
		.leap = PARACLOCK_LEAP_NONE,
		.tai_offset_sec = 37,
		.flags = PARACLOCK_FLAG_TAI_OFFSET,
	};
	host.from = host.now = NOW;
	list = NO_LIST;
	kernel_tai = 0;
	memset(&said, 0, sizeof(said));
	options = (struct serve_options){
		.assume_error_ns = -1,
		.drift_ppb = 50000,
	};
	memset(&serve, 0, sizeof(serve));
	serve.options = &options;
	serve.observer.keeper.clk = (struct paraclock *)(void *)&clk;
	serve.observer.keeper.state = KEEP_RIGHT;
	serve_track_init(&serve.track);
	return 0;
}

static void look(void)
{
	struct measurement *m = &serve.observer.keeper.last;

	m->sample = host.sample;
	m->utc_ns = host.sample.host_ns;
	serve_host_look(&serve);
}

/* --- one reading ------------------------------------------------------------- */

#define UTC	 PARACLOCK_TIMESCALE_UTC
#define TAI	 PARACLOCK_TIMESCALE_TAI
#define SMEARED	 PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED
#define NONE	 PARACLOCK_LEAP_NONE
#define PRE_POS	 PARACLOCK_LEAP_PRE_POS
#define POST_POS PARACLOCK_LEAP_POST_POS
#define ANY	 PARACLOCK_LEAP_UNKNOWN
#define NO_BOUND PARACLOCK_ERROR_UNKNOWN
#define MS	 1000000

static struct {
	const char *name;
	uint8_t timescale, leap;
	int offset; /* 0: not told */
	int64_t at_sec;
	uint64_t error_ns;
	int64_t assume_ns;
	enum list list;
	int kernel;
	/* Wanted: */
	const char *why; /* NULL: it is measured */
	int tai_offset;
	uint64_t bound_ns; /* without the pair's, and the rounding */
	uint8_t published;
} readings[] = {
	/* clang-format off */
	{ "TAI, its offset, and its bound", TAI, NONE, 37, MID_JUNE, 1000, -1,
	  NO_LIST, 0, NULL, 37, 1000, NONE },
	{ "UTC with an offset", UTC, NONE, 37, MID_JUNE, 1000, -1,
	  NO_LIST, 0, NULL, 37, 1000, NONE },
	{ "UTC, and the list knows the offset", UTC, NONE, 0, MID_JUNE, 1000, -1,
	  NO_LEAP, 36, NULL, 37, 1000, NONE },
	{ "UTC, and the kernel knows the offset", UTC, NONE, 0, MID_JUNE, 1000,
	  -1, NO_LIST, 37, NULL, 37, 1000, NONE },
	{ "UTC, and nobody knows the offset", UTC, NONE, 0, MID_JUNE, 1000, -1,
	  NO_LIST, 0, "no-tai-offset", 0, 0, 0 },
	{ "an offset of the kernel that is none", UTC, NONE, 0, MID_JUNE, 1000,
	  -1, NO_LIST, 9, "no-tai-offset", 0, 0, 0 },
	{ "no bound", UTC, NONE, 37, MID_JUNE, NO_BOUND, -1, NO_LIST, 0,
	  "no-bound", 0, 0, 0 },
	{ "no bound, and one is assumed", UTC, NONE, 37, MID_JUNE, NO_BOUND, MS,
	  NO_LIST, 0, NULL, 37, MS, NONE },
	{ "a bound counts, not what is assumed", UTC, NONE, 37, MID_JUNE, 1000,
	  MS, NO_LIST, 0, NULL, 37, 1000, NONE },
	{ "a host that may smear, whatever bound it states", SMEARED, ANY, 0,
	  MID_JUNE, 1000, -1, NO_LEAP, 0, "no-bound", 0, 0, 0 },
	{ "a host that may smear, and an error is assumed", SMEARED, ANY, 0,
	  MID_JUNE, 1000, MS, NO_LEAP, 0, NULL, 37, MS, NONE },
	{ "a host that may smear, and states a larger one", SMEARED, ANY, 0,
	  MID_JUNE, 5 * MS, MS, NO_LEAP, 0, NULL, 37, 5 * MS, NONE },
	{ "in a month without a leap second", UTC, ANY, 37, LAST_DAY, 1000, -1,
	  NO_LEAP, 0, NULL, 37, 1000, NONE },
	{ "no word on leap seconds, and no month ends", UTC, ANY, 37, MID_JUNE,
	  1000, -1, NO_LIST, 0, NULL, 37, 1000, NONE },
	{ "no word on leap seconds at the end of a month", UTC, ANY, 37,
	  LAST_DAY, 1000, -1, NO_LIST, 0, "leap", 0, 0, 0 },
	{ "the day after, a host that does not smear", UTC, ANY, 37, DAY_AFTER,
	  1000, -1, NO_LIST, 0, NULL, 37, 1000, NONE },
	{ "the day after, a host that may smear", SMEARED, ANY, 37, DAY_AFTER,
	  1000, MS, NO_LIST, 0, "leap", 0, 0, 0 },
	{ "the list announces a leap second", UTC, ANY, 0, LAST_DAY, 1000, -1,
	  A_LEAP, 0, NULL, 37, 1000, PRE_POS },
	{ "the host announces a leap second", UTC, PRE_POS, 37, LAST_DAY, 1000,
	  -1, NO_LIST, 0, NULL, 37, 1000, PRE_POS },
	{ "the host says that one was", UTC, POST_POS, 38, DAY_AFTER, 1000, -1,
	  NO_LIST, 0, NULL, 38, 1000, POST_POS },
	{ "a leap second is near, and the host may smear it", SMEARED, ANY, 0,
	  LAST_DAY, 1000, MS, A_LEAP, 0, "leap", 0, 0, 0 },
	{ "it was near, and the host may smear it", SMEARED, ANY, 0, DAY_AFTER,
	  1000, MS, A_LEAP, 0, "leap", 0, 0, 0 },
	{ "the host announces one, and may smear it", SMEARED, PRE_POS, 37,
	  LAST_DAY, 1000, MS, NO_LIST, 0, "leap", 0, 0, 0 },
	/* clang-format on */
};

static void check_reading(void **row)
{
	const __typeof__(readings[0]) *c = *row;
	int64_t utc_ns = c->at_sec * SEC + 17;

	host.sample.host_ns =
		c->timescale == TAI ? utc_ns + c->offset * SEC : utc_ns;
	host.sample.timescale = c->timescale;
	host.sample.leap = c->leap;
	host.sample.tai_offset_sec = (int16_t)c->offset;
	host.sample.flags = c->offset ? PARACLOCK_FLAG_TAI_OFFSET : 0;
	host.sample.clock_error_ns = c->error_ns;
	host.sample.pair_error_ns = 20;
	options.assume_error_ns = c->assume_ns;
	list = c->list;
	kernel_tai = c->kernel;
	look();
	assert_string_equal(said.why, c->why ? c->why : "");
	assert_int_equal(said.measured, !c->why);
	if (c->why)
		return;
	assert_int_equal(said.claim.tai_ns, utc_ns + c->tai_offset * SEC);
	assert_int_equal(said.claim.counter, NOW);
	assert_int_equal(said.claim.bound_ns, c->bound_ns + 20 + 1);
	assert_true(serve.track.tl.flags & PARACLOCK_TIMELINE_TAI_OFFSET);
	assert_int_equal(serve.track.tl.tai_offset_sec, c->tai_offset);
	assert_int_equal(serve.track.tl.leap, c->published);
}

static void kernels_offset_after_a_restore(void **unused)
{
	(void)unused;
	host.sample.flags = 0;
	host.sample.timescale = UTC;
	kernel_tai = 37;
	serve.observer.keeper.disruptions = 1;
	look();
	assert_string_equal(said.why, "no-tai-offset");
}

static void not_valid(void **unused)
{
	(void)unused;
	host.sample.valid = 0;
	host.sample.reason = PARACLOCK_REASON_STATUS;
	look();
	assert_string_equal(said.why, "not-valid");
	host.ret = -EAGAIN;
	look();
	assert_string_equal(said.why, "no-answer");
	serve.observer.keeper.state = KEEP_WAITING;
	look();
	assert_string_equal(said.why, keep_why_name(serve.observer.keeper.why));
	assert_int_equal(said.measured, 0);
}

/* The epoch that the keeper has judged is another one. */
static void disrupted_meanwhile(void **unused)
{
	(void)unused;
	serve.observer.keeper.last.sample.epoch = 2;
	serve_host_look(&serve);
	assert_string_equal(said.why, "not-valid");
	assert_int_equal(said.measured, 0);
}

/* Every backend says why it is not here. */
static void long_reason(void **unused)
{
	char *detail = serve.observer.detail;

	(void)unused;
	memset(detail, 'x', sizeof(serve.observer.detail) - 1);
	serve.observer.keeper.clk = NULL;
	look();
	assert_string_equal(said.why, "no-source");
	assert_string_equal(said.text, detail);
	assert_true(sizeof(serve.text) >= sizeof(serve.observer.detail));
}

/* --- the rate ---------------------------------------------------------------- */

static double hz(void)
{
	return (double)said.claim.hz_frac / (1U << SERVE_HZ_BITS);
}

static void rate_of_the_conversion(void **unused)
{
	(void)unused;
	host.fast_ppb = 200000;
	look();
	/* A clock that is fast shows more in the same ticks. */
	assert_in_range((uint64_t)hz(), 999800036, 999800044);
	assert_in_range(said.claim.growth_ppb, 50000, 50004);
}

static void growth_of_the_source(void **unused)
{
	(void)unused;
	host.sample.clock_error_ns = MS;
	host.growth_ppb = 70000;
	look();
	assert_in_range(said.claim.growth_ppb, 70000, 70010);
	host.growth_ppb = 30000;
	look();
	assert_in_range(said.claim.growth_ppb, 50000, 50004);
}

static void young_page(void **unused)
{
	(void)unused;
	host.oldest = NOW - 1000;
	look();
	assert_string_equal(said.why, "rate");
	/* Less far back is less sure. */
	host.oldest = NOW - 1000000;
	look();
	assert_string_equal(said.why, "");
	assert_in_range(said.claim.growth_ppb, 50000 + 1000, 50000 + 5000);
}

static void only_now(void **unused)
{
	(void)unused;
	host.ret_at = -EOPNOTSUPP;
	host.sample.pair_error_ns = 100;
	look();
	assert_string_equal(said.why, "rate");
	host.now += 10 * SEC;
	look();
	assert_string_equal(said.why, "");
	/* 1101 ns at both ends, in 10 s. */
	assert_in_range(said.claim.growth_ppb, 50000 + 220, 50000 + 224);
	assert_int_equal(said.contradicted, 0);
	/* Moved, and nothing told of it. */
	host.from = host.now;
	host.sample.host_ns += 10 * SEC;
	host.fast_ppb = 250000;
	host.now += SEC;
	look();
	assert_int_equal(said.contradicted, 1);
	assert_string_equal(said.why, "rate");
}

/* --- between two looks ------------------------------------------------------- */

/* From where it is now, the host runs on differently. */
static void bend(int64_t by_ns, int64_t fast_ppb)
{
	host.sample.host_ns += (int64_t)(host.now - host.from) + by_ns;
	host.from = host.now;
	host.fast_ppb = fast_ppb;
}

static void unchanged(void **unused)
{
	(void)unused;
	look();
	for (int i = 0; i < 40; i++) {
		host.now += SEC / 20;
		serve_host_check(&serve);
	}
	assert_int_equal(said.measured, 1);
	assert_int_equal(said.contradicted, 0);
}

static void jumped(void **unused)
{
	(void)unused;
	look();
	host.now += SEC / 20;
	bend(-SEC / 4, 0);
	serve_host_check(&serve);
	assert_int_equal(said.contradicted, 1);
	assert_false(serve_track_has_time(&serve.track));
	/* There is nothing left to contradict. */
	serve_host_check(&serve);
	assert_int_equal(said.contradicted, 1);
}

static void rate_changed(void **unused)
{
	(void)unused;
	look();
	host.now += SEC / 20;
	bend(0, 50000);
	host.oldest = host.now;
	host.now += SEC / 20;
	serve_host_check(&serve);
	assert_int_equal(said.contradicted, 0);
	assert_int_equal(said.measured, 2);
	/* A bracket's noise is no change. */
	host.sample.pair_error_ns = 500;
	host.now += SEC;
	serve_host_check(&serve);
	assert_int_equal(said.measured, 2);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST("the kernel's offset after a disruption",
		     kernels_offset_after_a_restore),
		TEST("what is not valid is no claim", not_valid),
		TEST("a disruption after the keeper's look",
		     disrupted_meanwhile),
		TEST("a long reason is told whole", long_reason),
		TEST("a conversion knows its rate", rate_of_the_conversion),
		TEST("the larger growth counts", growth_of_the_source),
		TEST("a page that is too young", young_page),
		TEST("a source that only knows now", only_now),
		TEST("a source that has not changed", unchanged),
		TEST("a source that has jumped", jumped),
		TEST("a source whose rate has changed", rate_changed),
	};

	each_test(start, NULL);
	ADD_ROWS(readings, check_reading);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
