// SPDX-License-Identifier: MIT
/*
 * One interval after the other, in worlds whose truth the test knows: a counter
 * that wanders, and a source that is right to within what it says, anywhere in
 * it.
 */

#include <stdio.h>

#include "service/serve_track.h"

#include "../../shared/rows.h"

#define SEC	 1000000000LL
#define START_NS (1800000000LL * SEC)
#define WORLDS	 400
#define CLAIMS	 60

/* --- chance --------------------------------------------------------------- */

static uint64_t state;

static uint64_t chance(uint64_t most)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return most ? state % (most + 1) : 0;
}

static int64_t either_way(uint64_t most)
{
	return (int64_t)chance(2 * most) - (int64_t)most;
}

/* 2^low to 2^high, by its logarithm. */
static uint64_t any_size(unsigned int low, unsigned int high)
{
	uint64_t least = (uint64_t)1 << (low + chance(high - low - 1));

	return least + chance(least);
}

/* --- a world -------------------------------------------------------------- */

struct world {
	long double hz;	     /* nominal */
	uint64_t drift_ppb;  /* two rates differ by no more */
	uint64_t rate_ppb;   /* the source knows the rate to this */
	uint64_t bound_bits; /* of the size of its bound */
	/* The truth now: ns since START_NS. */
	uint64_t counter;
	long double ns;
	long double rate_off; /* of the nominal rate */
};

static void begin(struct world *w, uint64_t seed)
{
	state = seed * 0x9e3779b97f4a7c15U + 1;
	(void)chance(1);
	*w = (struct world){
		.hz = 1e6L * (long double)(20 + chance(4000)),
		.drift_ppb = any_size(8, 18),
		.rate_ppb = any_size(1, 20),
		.bound_bits = 4 + chance(22),
		.counter = chance(UINT64_MAX / 4),
		.ns = 1,
	};
}

/* Time passes; the counter wanders by half of what it may, either way. */
static void pass(struct world *w, uint64_t ns)
{
	long double ticks;

	w->rate_off = 1e-9L * (long double)either_way(w->drift_ppb / 2);
	ticks = (long double)ns * 1e-9L * w->hz;
	w->counter += (uint64_t)ticks;
	w->ns +=
		(long double)(uint64_t)ticks * 1e9L / w->hz * (1 + w->rate_off);
}

static int64_t truth(const struct world *w)
{
	return START_NS + (int64_t)w->ns;
}

/* Right, and no more: anywhere in the bound. */
static struct serve_claim claim_in(const struct world *w)
{
	uint64_t bound = any_size(1, (unsigned int)w->bound_bits + 2);
	long double off = 1e-9L * (long double)either_way(w->rate_ppb);
	/* The rate of the counter now is (1 + rate_off) of a ns a ns. */
	long double hz = w->hz / (1 + w->rate_off) * (1 + off);

	return (struct serve_claim){
		.counter = w->counter,
		.tai_ns = truth(w) + either_way(bound - 1),
		.bound_ns = bound,
		.hz_frac = (uint64_t)(hz * (1U << SERVE_HZ_BITS)),
		/* 1 %: a share of one rate is not quite one of the other. */
		.growth_ppb = w->drift_ppb + w->rate_ppb + w->rate_ppb / 100 +
			      w->drift_ppb / 100 + 2,
	};
}

/* --- what is looked at ---------------------------------------------------- */

static bool is_inside(const struct paraclock_timeline *tl,
		      const struct world *w)
{
	int64_t tai_ns, now = truth(w);
	uint64_t bound_ns;

	assert_int_equal(serve_interval_at(tl, w->counter, &tai_ns, &bound_ns),
			 0);
	/* 1: the truth has a fraction, and so has the centre. */
	return now <= tai_ns + (int64_t)bound_ns + 1 &&
	       now >= tai_ns - (int64_t)bound_ns - 1;
}

/* What a vmclock promises: the new centre within the old interval. */
static bool is_kept(const struct paraclock_timeline *old,
		    const struct paraclock_timeline *tl, uint64_t counter)
{
	int64_t was_ns, is_ns, off;
	uint64_t bound_ns, ignored;

	if (serve_interval_at(old, counter, &was_ns, &bound_ns) ||
	    serve_interval_at(tl, counter, &is_ns, &ignored))
		return true;
	off = is_ns - was_ns;
	return (uint64_t)(off < 0 ? -off : off) <= bound_ns;
}

static struct paraclock_timeline blank(void)
{
	return (struct paraclock_timeline){
		.size = sizeof(struct paraclock_timeline),
		.timescale = PARACLOCK_TIMESCALE_TAI,
		.status = PARACLOCK_STATUS_SYNCHRONIZED,
	};
}

static struct paraclock_timeline next_in(const struct world *w,
					 const struct paraclock_timeline *old)
{
	const struct serve_claim claim = claim_in(w);
	struct paraclock_timeline tl = blank();

	assert_int_equal(serve_next(old, NULL, &claim, &tl), 0);
	return tl;
}

static void check_inside(const struct world *w,
			 const struct paraclock_timeline *tl)
{
	struct world later = *w;

	assert_true(is_inside(tl, &later));
	for (int i = 0; i < 6; i++) {
		pass(&later, any_size(10, 34));
		assert_true(is_inside(tl, &later));
	}
}

static void truth_is_inside(void **unused)
{
	struct world w;

	(void)unused;
	for (uint64_t seed = 1; seed <= WORLDS; seed++) {
		struct paraclock_timeline tl;

		begin(&w, seed);
		tl = next_in(&w, NULL);
		for (int i = 0; i < CLAIMS; i++) {
			check_inside(&w, &tl);
			pass(&w, any_size(16, 31));
			assert_true(is_inside(&tl, &w));
			tl = next_in(&w, &tl);
		}
	}
}

static void centre_is_kept(void **unused)
{
	struct world w;

	(void)unused;
	for (uint64_t seed = 1; seed <= WORLDS; seed++) {
		struct paraclock_timeline tl, old;

		begin(&w, seed);
		tl = next_in(&w, NULL);
		for (int i = 0; i < CLAIMS; i++) {
			pass(&w, any_size(16, 31));
			old = tl;
			tl = next_in(&w, &old);
			for (unsigned int k = 0; k < 40; k++)
				assert_true(is_kept(&old, &tl,
						    w.counter + ((uint64_t)1
								 << k)));
		}
	}
}

/* A reader that is preempted misses some pages. */
static void missed_pages(void **unused)
{
	struct world w;

	(void)unused;
	for (uint64_t seed = 1; seed <= WORLDS; seed++) {
		struct paraclock_timeline seen[SERVE_PAST];
		struct serve_track track;

		begin(&w, seed);
		serve_track_init(&track);
		for (int i = 0; i < CLAIMS; i++) {
			const struct serve_claim claim = claim_in(&w);

			assert_int_equal(serve_track_measured(&track, &claim,
							      0),
					 SERVE_PUBLISH);
			assert_true(is_inside(&track.tl, &w));
			for (int k = 0; k < i && k < SERVE_PAST; k++)
				assert_true(is_kept(&seen[k], &track.tl,
						    w.counter));
			seen[i % SERVE_PAST] = track.tl;
			pass(&w, any_size(16, 31));
		}
	}
}

/* What was published before may have been wrong, by less than shows. */
static void old_one_was_wrong(void **unused)
{
	struct world w;

	(void)unused;
	for (uint64_t seed = 1; seed <= 20 * WORLDS; seed++) {
		struct paraclock_timeline old = blank(), tl = blank();
		struct serve_claim lie, claim;

		begin(&w, seed);
		lie = claim_in(&w);
		lie.tai_ns += either_way(2 * lie.bound_ns);
		lie.hz_frac += (uint64_t)either_way(lie.hz_frac >> 12);
		assert_int_equal(serve_next(NULL, NULL, &lie, &old), 0);
		pass(&w, any_size(10, 20));
		claim = claim_in(&w);
		if (!serve_next(&old, NULL, &claim, &tl))
			check_inside(&w, &tl);
	}
}

/* The width has to come back after a source was wide for once. */
static void width_returns(void **unused)
{
	struct serve_claim claim = {
		.counter = 1000,
		.tai_ns = START_NS,
		.bound_ns = 1000000,
		.hz_frac = (uint64_t)SEC << SERVE_HZ_BITS,
		.growth_ppb = 50000,
	};
	struct paraclock_timeline tl = blank();

	(void)unused;
	assert_int_equal(serve_next(NULL, NULL, &claim, &tl), 0);
	claim.bound_ns = 10;
	claim.counter += 1000;
	claim.tai_ns += 1000 + 900000;
	assert_int_equal(serve_next(&tl, NULL, &claim, &tl), 0);
	/* Within the old interval nothing is clamped. */
	assert_in_range(tl.maxerror_ns, 10, 12);
	claim.bound_ns = 1000;
	claim.tai_ns += 1000;
	assert_int_equal(serve_next(&tl, NULL, &claim, &tl), 0);
	/* Outside of it by 990, but the two overlap. */
	assert_in_range(tl.maxerror_ns, 1000 + 980, 1000 + 1000);
	assert_int_equal(serve_next(&tl, NULL, &claim, &tl), 0);
	assert_in_range(tl.maxerror_ns, 1000, 1002);
}

/* --- what does not fit ---------------------------------------------------- */

static struct serve_claim plain(void)
{
	return (struct serve_claim){
		.counter = 5000,
		.tai_ns = START_NS,
		.bound_ns = 1000,
		.hz_frac = (uint64_t)SEC << SERVE_HZ_BITS,
		.growth_ppb = 50000,
	};
}

static void disjoint_is_refused(void **unused)
{
	struct serve_claim claim = plain();
	struct paraclock_timeline old = blank(), tl = blank(), before;

	(void)unused;
	assert_int_equal(serve_next(NULL, NULL, &claim, &old), 0);
	before = tl;
	claim.tai_ns += 2010;
	assert_int_equal(serve_next(&old, NULL, &claim, &tl), -ESTALE);
	assert_memory_equal(&tl, &before, sizeof(tl));
	claim.tai_ns -= 4020;
	assert_int_equal(serve_next(&old, NULL, &claim, &tl), -ESTALE);
	claim.tai_ns += 20;
	assert_int_equal(serve_next(&old, NULL, &claim, &tl), 0);
}

static struct {
	const char *name;
	struct serve_claim claim;
} bad[] = {
	{ "before 1970", { 5000, -1, 1, 1ULL << 60, 1 } },
	{ "no rate", { 5000, START_NS, 1, 0, 1 } },
	{ "a bound of centuries",
	  { 5000, START_NS, UINT64_MAX, 1ULL << 60, 1 } },
	{ "a counter from before", { 4999, START_NS, 1, 1ULL << 60, 1 } },
	{ "a tick of a second", { 5000, START_NS, 1, 1ULL << 20, 1 } },
};

static void claim_is_refused(void **row)
{
	const struct serve_claim *claim =
		(const void *)((const char *)*row +
			       offsetof(__typeof__(bad[0]), claim));
	struct serve_claim first = plain();
	struct paraclock_timeline old = blank(), tl = blank(), before = tl;

	assert_int_equal(serve_next(NULL, NULL, &first, &old), 0);
	assert_int_equal(serve_next(&old, NULL, claim, &tl), -ERANGE);
	assert_memory_equal(&tl, &before, sizeof(tl));
}

/* --- the track ------------------------------------------------------------ */

static const struct serve_rules rules = { SEC, 60 * SEC };

static void three_have_to_agree(void **unused)
{
	struct serve_track track;
	struct serve_claim claim = plain();

	(void)unused;
	serve_track_init(&track);
	assert_int_equal(serve_track_measured(&track, &claim, 0),
			 SERVE_PUBLISH);
	claim.tai_ns += SEC;
	assert_int_equal(serve_track_measured(&track, &claim, 0),
			 SERVE_CONTRADICTED);
	assert_int_equal(track.tl.status, PARACLOCK_STATUS_UNRELIABLE);
	claim.tai_ns -= SEC;
	assert_int_equal(serve_track_measured(&track, &claim, 0), SERVE_WAIT);
	/* The same reading once more does not count. */
	for (int64_t ms = 0; ms < 19; ms++)
		assert_int_equal(serve_track_measured(&track, &claim,
						      ms * SEC / 1000),
				 SERVE_WAIT);
	assert_int_equal(serve_track_measured(&track, &claim, SEC / 50),
			 SERVE_WAIT);
	assert_false(serve_track_has_time(&track));
	assert_int_equal(serve_track_measured(&track, &claim, SEC / 25),
			 SERVE_PUBLISH);
	assert_true(serve_track_has_time(&track));
}

static void disruption_ends_a_promise(void **unused)
{
	struct serve_track track;
	struct serve_claim claim = plain();

	(void)unused;
	serve_track_init(&track);
	(void)serve_track_measured(&track, &claim, 0);
	serve_track_disrupt(&track);
	assert_int_equal(track.tl.status, PARACLOCK_STATUS_UNRELIABLE);
	claim.tai_ns += 3600 * SEC;
	claim.counter = 1;
	assert_int_equal(serve_track_measured(&track, &claim, 0),
			 SERVE_PUBLISH);
}

static void doubt_does_not_end_a_promise(void **unused)
{
	struct serve_track track;
	struct serve_claim claim = plain();

	(void)unused;
	serve_track_init(&track);
	(void)serve_track_measured(&track, &claim, 0);
	assert_true(serve_track_doubt(&track));
	assert_false(serve_track_doubt(&track));
	assert_false(serve_track_has_time(&track));
	claim.tai_ns += SEC;
	assert_int_equal(serve_track_measured(&track, &claim, 0),
			 SERVE_CONTRADICTED);
}

static void it_grows_old(void **unused)
{
	struct serve_track track;
	struct serve_claim claim = plain();

	(void)unused;
	serve_track_init(&track);
	(void)serve_track_measured(&track, &claim, 10 * SEC);
	assert_false(serve_track_age(&track, &rules, false, 11 * SEC));
	assert_true(serve_track_age(&track, &rules, true, 11 * SEC + 1));
	assert_int_equal(track.tl.status, PARACLOCK_STATUS_FREERUNNING);
	assert_false(serve_track_age(&track, &rules, true, 12 * SEC));
	/* chronyd has measured long ago, and a restore would go unseen. */
	(void)serve_track_measured(&track, &claim, 100 * SEC);
	track.reference_ns = 39 * SEC;
	assert_false(serve_track_age(&track, &rules, true, 100 * SEC));
	assert_true(serve_track_age(&track, &rules, false, 100 * SEC));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST("truth is inside at every later counter value",
		     truth_is_inside),
		TEST("nor outside of what readers hold that missed some",
		     missed_pages),
		TEST("it holds even if the old one did not", old_one_was_wrong),
		TEST("the centre stays inside what readers hold",
		     centre_is_kept),
		TEST("the half width is the new bound and the shift",
		     width_returns),
		TEST("disjoint intervals are a contradiction",
		     disjoint_is_refused),
		TEST("three measurements have to agree after a contradiction",
		     three_have_to_agree),
		TEST("a disruption ends a promise", disruption_ends_a_promise),
		TEST("a source in doubt does not end it",
		     doubt_does_not_end_a_promise),
		TEST("what is not measured again grows old", it_grows_old),
	};

	ADD_TESTS(tests);
	ADD_ROWS(bad, claim_is_refused);
	return run_suite(NULL, NULL);
}
