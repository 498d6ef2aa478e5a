// SPDX-License-Identifier: MIT
/* What is published, under which marker, and in which order: the page is a
 * variable, and the source says what each test wants. */

#include <stdio.h>

#include "service/serve_service.h"

#include "../../shared/rows.h"

#define SEC 1000000000LL
#define MS  1000000

#define TAI_NS (1800000000LL * SEC)

/* What the linker puts in place of the library's. */
__typeof__(paraclock_read) __wrap_paraclock_read;
__typeof__(paraclock_marker) __wrap_paraclock_marker;

static struct {
	struct paraclock_marker marker;
	uint8_t marker_class;
	int ret;
} source;

int __wrap_paraclock_read(const struct paraclock *clk,
			  struct paraclock_sample *ret_sample)
{
	(void)clk;
	*ret_sample = (struct paraclock_sample){
		.marker_class = source.marker_class,
	};
	return source.ret;
}

int __wrap_paraclock_marker(const struct paraclock *clk,
			    struct paraclock_marker *ret_marker)
{
	(void)clk;
	*ret_marker = source.marker;
	return source.ret;
}

/* --- what is done ------------------------------------------------------------ */

static struct paraclock_timeline shown;
static char acts[64];
static unsigned int logged;
static int page_error;
static int64_t since_ns; /* what the page then contradicts: its base */

static void note(const char *act)
{
	strncat(acts, act, sizeof(acts) - strlen(acts) - 1);
}

int serve_page_write(struct serve_page *page,
		     const struct paraclock_timeline *tl)
{
	page->file.memory = &shown;
	note(tl->status == PARACLOCK_STATUS_UNRELIABLE ? "-" : "+");
	if (page_error)
		return page_error;
	if (since_ns && tl->marker == shown.marker &&
	    tl->status != PARACLOCK_STATUS_UNRELIABLE)
		return -ESTALE;
	shown = *tl;
	return 0;
}

void serve_page_freeze(struct serve_page *page)
{
	(void)page;
	note("freeze ");
	shown.status = PARACLOCK_STATUS_UNRELIABLE;
}

void serve_bound(struct serve *serve)
{
	(void)serve;
	note("bound ");
}

static void forget(struct serve *serve)
{
	(void)serve;
	note("forget ");
}

void service_log(int level, const char *format, ...)
{
	(void)level;
	(void)format;
	logged++;
}

static struct serve serve;
static struct serve_options options;

static int start(void **unused)
{
	static int clk;

	(void)unused;
	memset(&source, 0, sizeof(source));
	memset(&shown, 0, sizeof(shown));
	memset(acts, 0, sizeof(acts));
	logged = 0;
	page_error = 0;
	since_ns = 0;
	memset(&options, 0, sizeof(options));
	memset(&serve, 0, sizeof(serve));
	serve.options = &options;
	serve.rules = (struct serve_rules){
		.fresh_ns = INT64_MAX,
		.alone_ns = INT64_MAX,
	};
	serve.marker = 7;
	serve.forget = forget;
	serve.observer.keeper.clk = (struct paraclock *)(void *)&clk;
	serve_track_init(&serve.track);
	return 0;
}

static void vouch(uint64_t marker, uint64_t generation)
{
	source.marker_class = PARACLOCK_MARKER_AUTHORITATIVE;
	source.marker.value = marker;
	source.marker.generation = generation;
	serve_find_marker(&serve);
}

/* At `ticks` of a counter of 1 GHz, off by so much. */
static void measure_at(uint64_t ticks, int64_t off_ns)
{
	const struct serve_claim claim = {
		.counter = ticks,
		.tai_ns = TAI_NS + (int64_t)ticks + off_ns,
		.bound_ns = MS,
		.hz_frac = (uint64_t)1000000000 << SERVE_HZ_BITS,
		.growth_ppb = 50000,
	};

	/* Readings that are close are one to the track. */
	serve.track.agreed_ns = 0;
	serve_measured(&serve, &claim, 0);
}

static void check(unsigned int status, uint64_t marker)
{
	assert_int_equal(shown.status, status);
	assert_int_equal(shown.marker, marker);
}

/* --- the marker --------------------------------------------------------------- */

static void without_a_marker(void **unused)
{
	(void)unused;
	serve_find_marker(&serve);
	measure_at(SEC, 0);
	check(PARACLOCK_STATUS_SYNCHRONIZED, 7);
	assert_true(shown.flags & PARACLOCK_TIMELINE_INFERRED);
	assert_false(shown.flags & PARACLOCK_TIMELINE_GENERATION);
	assert_false(shown.flags & PARACLOCK_TIMELINE_OWN_KERNEL);
	serve_disrupt(&serve, "disrupted", "restored");
	check(PARACLOCK_STATUS_UNRELIABLE, 8);
}

static void hosts_marker(void **unused)
{
	(void)unused;
	vouch(42, 5);
	measure_at(SEC, 0);
	check(PARACLOCK_STATUS_SYNCHRONIZED, 42);
	assert_int_equal(shown.generation, 5);
	assert_true(shown.flags & PARACLOCK_TIMELINE_GENERATION);
	assert_false(shown.flags & PARACLOCK_TIMELINE_INFERRED);
	/* For readers another one would be a disruption. */
	source.ret = -EAGAIN;
	serve_find_marker(&serve);
	measure_at(2 * SEC, 0);
	check(PARACLOCK_STATUS_SYNCHRONIZED, 42);
}

/* The host's marker has changed after the events were taken. */
static void late_marker(void **row)
{
	(void)row;
	vouch(42, 5);
	measure_at(SEC, 0);
	acts[0] = '\0';
	vouch(43, 5);
	check(PARACLOCK_STATUS_UNRELIABLE, 43);
	assert_string_equal(acts, "-bound forget ");
	assert_true(serve.is_disrupted);
	assert_string_equal(serve.why, "disrupted");
	measure_at(2 * SEC, SEC);
	check(PARACLOCK_STATUS_SYNCHRONIZED, 43);
	assert_false(serve.is_disrupted);
	/* A clone has another generation, and may have the same marker. */
	vouch(43, 6);
	check(PARACLOCK_STATUS_UNRELIABLE, 43);
	assert_int_equal(shown.generation, 6);
}

/* What was published before it is not known to be from after it. */
static void marker_that_appears(void **unused)
{
	(void)unused;
	serve_find_marker(&serve);
	measure_at(SEC, 0);
	vouch(42, 0);
	check(PARACLOCK_STATUS_UNRELIABLE, 42);
	assert_false(shown.flags & PARACLOCK_TIMELINE_GENERATION);
}

/* --- what voids it ------------------------------------------------------------ */

static void disruption(void **unused)
{
	(void)unused;
	vouch(42, 5);
	measure_at(SEC, 0);
	serve.readings.count = 3;
	source.marker.value = 43;
	acts[0] = '\0';
	serve_disrupt(&serve, "disrupted", "this machine was migrated");
	/* The page first: every reader from now on knows. */
	assert_string_equal(acts, "-bound forget ");
	check(PARACLOCK_STATUS_UNRELIABLE, 43);
	assert_int_equal(serve.readings.count, 0);
	assert_string_equal(serve.text, "this machine was migrated");
	/* Nothing of before it binds what comes: a day ahead. */
	measure_at(2 * SEC, 86400 * SEC);
	check(PARACLOCK_STATUS_SYNCHRONIZED, 43);
	assert_string_equal(serve.why, "");
}

static void contradiction(void **unused)
{
	(void)unused;
	vouch(42, 5);
	measure_at(SEC, 0);
	acts[0] = '\0';
	measure_at(2 * SEC, SEC);
	assert_string_equal(acts, "forget -");
	check(PARACLOCK_STATUS_UNRELIABLE, ~(uint64_t)42);
	assert_string_equal(serve.why, "contradicted");
	assert_true(serve.is_disrupted);
	measure_at(3 * SEC, SEC);
	assert_int_equal(shown.status, PARACLOCK_STATUS_UNRELIABLE);
	measure_at(4 * SEC, SEC);
	check(PARACLOCK_STATUS_SYNCHRONIZED, 42);
	assert_string_equal(serve.why, "");
}

/* A disruption in the middle of it: the host has said why. */
static void contradiction_that_is_told(void **unused)
{
	(void)unused;
	vouch(42, 5);
	measure_at(SEC, 0);
	serve_contradict(&serve);
	check(PARACLOCK_STATUS_UNRELIABLE, ~(uint64_t)42);
	source.marker.value = 43;
	serve_disrupt(&serve, "disrupted", "");
	check(PARACLOCK_STATUS_UNRELIABLE, 43);
	measure_at(2 * SEC, SEC);
	check(PARACLOCK_STATUS_SYNCHRONIZED, 43);
}

/* serve was dead for a while, and its page promises something else. */
static void page_of_another(void **unused)
{
	(void)unused;
	vouch(42, 5);
	shown.marker = 42;
	since_ns = 1;
	measure_at(SEC, 0);
	assert_string_equal(acts, "+forget -");
	check(PARACLOCK_STATUS_UNRELIABLE, ~(uint64_t)42);
	assert_string_equal(serve.why, "contradicted");
	measure_at(2 * SEC, 0);
	measure_at(3 * SEC, 0);
	measure_at(4 * SEC, 0);
	check(PARACLOCK_STATUS_SYNCHRONIZED, 42);
}

static void doubt(void **unused)
{
	(void)unused;
	vouch(42, 5);
	measure_at(SEC, 0);
	acts[0] = '\0';
	serve_doubt(&serve);
	assert_string_equal(acts, "-bound ");
	check(PARACLOCK_STATUS_UNRELIABLE, 42);
	serve_doubt(&serve);
	assert_string_equal(acts, "-bound bound ");
	assert_false(serve.is_disrupted);
	measure_at(2 * SEC, 0);
	check(PARACLOCK_STATUS_SYNCHRONIZED, 42);
}

/* --- age, and failures --------------------------------------------------------- */

static void it_grows_old(void **unused)
{
	(void)unused;
	measure_at(SEC, 0);
	serve_not_measured(&serve, "not-valid", "%s", "the host says so");
	check(PARACLOCK_STATUS_SYNCHRONIZED, 7);
	serve.rules.fresh_ns = -1;
	serve_not_measured(&serve, "not-valid", "%s", "the host says so");
	check(PARACLOCK_STATUS_FREERUNNING, 7);
	assert_string_equal(serve.why, "not-valid");
	assert_string_equal(serve.text, "the host says so");
}

/* A source that has not itself measured for long. */
static void alone(void **unused)
{
	struct serve_claim claim = {
		.counter = SEC,
		.tai_ns = TAI_NS,
		.bound_ns = MS,
		.hz_frac = (uint64_t)1000000000 << SERVE_HZ_BITS,
	};

	(void)unused;
	serve.rules.alone_ns = 60 * SEC;
	serve_measured(&serve, &claim, 61 * SEC);
	check(PARACLOCK_STATUS_FREERUNNING, 7);
	claim.counter += SEC;
	claim.tai_ns += SEC;
	serve_measured(&serve, &claim, 10 * SEC);
	check(PARACLOCK_STATUS_SYNCHRONIZED, 7);
	/* A host's marker shows a restore. */
	vouch(42, 0);
	claim.counter += SEC;
	claim.tai_ns += SEC;
	serve_measured(&serve, &claim, 1000 * SEC);
	check(PARACLOCK_STATUS_SYNCHRONIZED, 42);
}

static void full_disk(void **unused)
{
	(void)unused;
	measure_at(SEC, 0);
	assert_int_equal(serve.publications, 1);
	acts[0] = '\0';
	page_error = -ENOSPC;
	measure_at(2 * SEC, 0);
	measure_at(3 * SEC, 0);
	/* Nobody may believe what is there any longer. */
	assert_string_equal(acts, "+freeze +freeze ");
	assert_int_equal(logged, 1);
	assert_int_equal(serve.publications, 1);
	page_error = 0;
	serve_age(&serve);
	check(PARACLOCK_STATUS_SYNCHRONIZED, 7);
	assert_int_equal(serve.publications, 2);
	page_error = -ENOSPC;
	measure_at(4 * SEC, 0);
	assert_int_equal(logged, 2);
}

static void whole_reason(void **unused)
{
	char text[OBSERVER_DETAIL_MAX];

	(void)unused;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	serve_not_measured(&serve, "no-source", "%s", text);
	assert_string_equal(serve.text, text);
}

static void own_kernel(void **unused)
{
	(void)unused;
	options.from_kernel = true;
	measure_at(SEC, 0);
	assert_true(shown.flags & PARACLOCK_TIMELINE_OWN_KERNEL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST("without a host's marker it counts itself",
		     without_a_marker),
		TEST("the host's marker and generation are passed on",
		     hosts_marker),
		TEST("a marker that changes after the look", late_marker),
		TEST("a marker that appears", marker_that_appears),
		TEST("a disruption: the page first", disruption),
		TEST("a contradiction has another marker", contradiction),
		TEST("a contradiction that a disruption explains",
		     contradiction_that_is_told),
		TEST("the page of an earlier serve contradicts it",
		     page_of_another),
		TEST("a doubt is no disruption", doubt),
		TEST("it grows old", it_grows_old),
		TEST("60 s without the source's own measurement", alone),
		TEST("a full disk is told once, and tried again", full_disk),
		TEST("a reason is told whole", whole_reason),
		TEST("this kernel's clock is told to be that", own_kernel),
	};

	each_test(start, NULL);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
