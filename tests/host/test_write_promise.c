// SPDX-License-Identifier: MIT
/* MONOTONIC, and vmclock's error bound: what writers keep or refuse. */

#include <paraclock/host.h>

#include "written.h"

/* A ns in 2^-64 s. */
#define NSEC_FRAC 18446744074U

/* --- MONOTONIC ------------------------------------------------------------ */

struct promise {
	const char *name;
	unsigned int kind;
	int64_t by_ns; /* what the next timeline is shifted by */
	int ret;
	int64_t change_ns; /* the difference that readers see */
	uint64_t tsc;	   /* the counter's value then */
};

static struct promise promises[] = {
	/* clang-format off */
	{ "pvclock: a step ahead", 0, 1000, 0, 1000, LONG },
	{ "pvclock: the same again", 0, 0, 0, 0, LONG },
	{ "pvclock: back by its own rounding", 0, -3, 0, 0, LONG },
	{ "pvclock: back by more", 0, -4, -ESTALE, 0, LONG },
	{ "pvclock: back by a second", 0, -1000000000, -ESTALE, 0, LONG },
	{ "hyperv: a step ahead", 1, 1000, 0, 1000, LONG },
	{ "hyperv: the same again", 1, 0, 0, 0, LONG },
	{ "hyperv: back by its own rounding", 1, -50, 0, 0, LONG },
	{ "hyperv: back by a rounding that it could not make up for",
	  1, -100, -ESTALE, 0,
	  LONG },
	{ "hyperv: back by more", 1, -200, -ESTALE, 0, LONG },
	{ "hyperv: back by a second", 1, -1000000000, -ESTALE, 0, LONG },
	{ "hyperv: back by rounding, with a young counter: a unit ahead", 1,
	  -100, 0, 99, SHORT },
	{ "hyperv: back by more, with a young counter", 1, -200, -ESTALE, 0,
	  SHORT },
	{ "vmclock: a step ahead", 2, 1000, 0, 1000, LONG },
	{ "vmclock: the same again", 2, 0, 0, 0, LONG },
	{ "vmclock: back by a ns", 2, -1, 0, 0, LONG },
	{ "vmclock: back by more", 2, -2, -ESTALE, 0, LONG },
	{ "vmclock: back by a second", 2, -1000000000, -ESTALE, 0, LONG },
	/* clang-format on */
};

/* In both tests a dead writer may have left the page busy. */
static void check_promise_from(const struct promise *p, bool busy)
{
	const struct writer_kind *kind = &kinds[p->kind];
	int64_t before, after;
	uint8_t was[4096];
	uint8_t *page;
	uint64_t at;

	start(kind, p->tsc);
	page = page_of(&guest, kind);
	conv.flags |= PARACLOCK_TIMELINE_MONOTONIC;
	assert_int_equal(write_timeline(kind), 0);
	host.counter += 1000000;
	at = host.counter + 1000;
	before = read_ns(kind, at);
	memcpy(was, page, sizeof(was));
	if (busy) {
		put32(page, kind->seq, p->kind == 1 ? 0 : 3);
		put64(page, kind->size - 16, 0x0123456789abcdef);
		put64(page, kind->size - 24, 0x0123456789abcdef);
	}
	shift_conversion(p->by_ns);
	assert_int_equal(write_timeline(kind), p->ret);
	if (p->ret && !busy)
		assert_memory_equal(page, was, sizeof(was));
	if (busy)
		assert_int_equal(sequence_at(&guest, kind),
				 p->kind == 1 ? 2 : 4);
	after = read_ns(kind, at);
	/* 1: both are rounded, from different points on. */
	assert_in_range(after - before + 1, p->change_ns, p->change_ns + 2);
	/* Without the promise a step back is the caller's business. */
	conv.flags &= ~PARACLOCK_TIMELINE_MONOTONIC;
	assert_int_equal(write_timeline(kind), 0);
	assert_in_range(read_ns(kind, at) - before + 51 - p->by_ns, 0, 101);
}

static void check_promise(void **state)
{
	check_promise_from(*state, false);
}

static void check_promise_of_the_dead(void **state)
{
	check_promise_from(*state, true);
}

/* The times that readers saw are unknown, and a refusal repairs nothing. */
static void a_broken_page_of_others_is_written(void **state)
{
	const struct writer_kind *kind = *state;

	start(kind, 1000);
	put32(page_of(&guest, kind), 0, 0);
	if (kind->seq)
		fake_set_vmclock(&guest, 3, 1, 5, UINT64_MAX);
	else if (kind->write == paraclock_pvclock_write)
		fake_set_pvclock(&guest, 3, 5, UINT64_MAX);
	else
		fake_set_hyperv(&guest, 0, INT64_MAX);
	conv.flags |= PARACLOCK_TIMELINE_MONOTONIC;
	assert_int_equal(write_timeline(kind), 0);
	(void)read_ns(kind, 2000);
}

/* Readers saw the page that another tool wrote. */
static void a_good_page_of_others_is_kept_to(void **state)
{
	const struct writer_kind *kind = *state;
	uint8_t before[4096];
	uint8_t *page;

	start(kind, 1000);
	page = page_of(&guest, kind);
	if (kind->seq)
		fake_set_vmclock(&guest, 2, 1, 1000, 2000);
	else if (kind->write == paraclock_pvclock_write)
		fake_set_pvclock(&guest, 2, 1000, 2000ULL * NSEC_PER_SEC);
	else
		fake_set_hyperv(&guest, 1, 2000LL * 10000000);
	memcpy(before, page, sizeof(before));
	conv.flags |= PARACLOCK_TIMELINE_MONOTONIC;
	assert_int_equal(write_timeline(kind), -ESTALE);
	assert_memory_equal(page, before, sizeof(before));
	conv.base_sec = 2001;
	assert_int_equal(write_timeline(kind), 0);
}

/*
 * A clock that is slewed, as by NTP, and written onto the page every so often:
 * readers never see it step back, and the page never deviates from it.
 */
static void follow(const struct writer_kind *kind, int updates, int wait_bits)
{
	struct paraclock *clk = NULL;
	uint64_t dices = 4;
	int64_t last = 0, below = 0, above = 0;

	start(kind, LONG);
	conv.flags |= PARACLOCK_TIMELINE_MONOTONIC;
	for (int i = 0; i < updates; i++) {
		uint64_t wait = dice(&dices) % (1 << (10 + i % wait_bits));
		struct paraclock_sample sample;
		int64_t truth;

		/* Up to 100 ppm either way, from the present time on. */
		assert_int_equal(paraclock_timeline_rebase(&conv, host.counter),
				 0);
		assert_int_equal(
			paraclock_timeline_set_hz(
				&conv, HZ - 100000 + dice(&dices) % 200000, 0),
			0);
		assert_int_equal(write_timeline(kind), 0);
		guest.counter = host.counter;
		if (!clk)
			clk = fake_open(&guest, kind->backend);
		for (int j = 0; j < 2; j++) {
			assert_int_equal(paraclock_read(clk, &sample), 0);
			assert_true(sample.valid);
			assert_true(sample.host_ns >= last);
			last = sample.host_ns;
			assert_int_equal(paraclock_timeline_ns(
						 &conv, guest.counter, &truth),
					 0);
			if (last - truth > above)
				above = last - truth;
			if (truth - last > below)
				below = truth - last;
			guest.counter += wait;
		}
		host.counter = guest.counter - wait + 1;
	}
	paraclock_close(clk);
	print_message("%s: %lld ns below to %lld ns above\n", kind->name,
		      (long long)below, (long long)above);
	/* 1: of the multiplier, within half a second. */
	assert_true(below <= kind->below + 1);
	assert_true(above <= kind->lifted);
}

static void a_slewed_clock_is_followed(void **state)
{
	follow(*state, 20000, 20);
}

/* The error of an update that is not exact must not add up. */
static void a_million_updates_a_second_do_not_lead_away(void **state)
{
	follow(*state, 100000, 1);
}

/*
 * A caller that keeps one timeline for hours may write it as often as it likes:
 * the page's rounding does not grow with the timeline's age.
 */
static void an_old_timeline_is_as_good_as_a_new_one(void **state)
{
	const struct writer_kind *kind = *state;
	struct paraclock_timeline old, new;
	int64_t truth;

	start(kind, LONG);
	conv.flags |= PARACLOCK_TIMELINE_MONOTONIC;
	assert_int_equal(paraclock_timeline_set_hz(&conv, 2596122131, 0), 0);
	old = conv;
	for (int i = 0; i < 100; i++) {
		uint64_t now = LONG + (uint64_t)(i + 1) * HZ * 3000;

		host.counter = now;
		new = old;
		assert_int_equal(paraclock_timeline_rebase(&new, now), 0);
		conv = i & 1 ? new : old;
		assert_int_equal(write_timeline(kind), 0);
		now = host.counter;
		assert_int_equal(paraclock_timeline_ns(&old, now, &truth), 0);
		assert_in_range(read_ns(kind, now) - truth + kind->below, 0,
				kind->below + kind->lifted);
	}
}

/*
 * The counter value at which the promise is judged is read well after the page
 * was closed, however slow the writer was before.
 */
static void the_promise_is_judged_when_readers_are_gone(void **state)
{
	const struct writer_kind *kind = *state;
	uint64_t before;

	start(kind, LONG);
	conv.flags |= PARACLOCK_TIMELINE_MONOTONIC;
	assert_int_equal(write_timeline(kind), 0);
	before = host.counter;
	assert_int_equal(write_timeline(kind), 0);
	/* 100 ns of 1 GHz, and no endless wait. */
	assert_in_range(host.counter - before, 100, 200);
	/* Nor does it wait for a counter that stands still. */
	host.counter_step = 0;
	assert_int_equal(write_timeline(kind), 0);
}

/* --- vmclock's error bound ------------------------------------------------ */

struct bound_case {
	const char *name;
	int64_t by_ns;
	uint64_t marker;
	uint32_t flags;
	int ret;
};

#define BOTH (PARACLOCK_TIMELINE_MAXERROR | PARACLOCK_TIMELINE_MAXERROR_RATE)

static struct bound_case bounds[] = {
	/* clang-format off */
	{ "ahead within the bound", 1990, 1, BOTH, 0 },
	{ "behind within the bound", -1990, 1, BOTH, 0 },
	{ "ahead of the bound", 2010, 1, BOTH, -ESTALE },
	{ "behind the bound", -2010, 1, BOTH, -ESTALE },
	{ "no bound after a disruption", 1000000, 2, BOTH, 0 },
	{ "no bound without its rate", 1000000, 1, PARACLOCK_TIMELINE_MAXERROR,
	  0 },
	{ "no bound without the bound", 1000000, 1,
	  PARACLOCK_TIMELINE_MAXERROR_RATE, 0 },
	/* clang-format on */
};

static void check_bound(void **state)
{
	const struct bound_case *c = *state;
	uint8_t before[4096];

	start(&kinds[2], LONG);
	conv.flags |= c->flags;
	/* 1 us, and a ppm: 2 us after a second. */
	conv.maxerror_ns = 1000;
	conv.maxerror_rate_frac = conv.period_frac / 1000000;
	assert_int_equal(write_timeline(&kinds[2]), 0);
	memcpy(before, guest.vmclock, sizeof(before));
	host.counter = LONG + HZ;
	shift_conversion(c->by_ns);
	conv.marker = c->marker;
	assert_int_equal(write_timeline(&kinds[2]), c->ret);
	if (c->ret)
		assert_memory_equal(guest.vmclock, before, sizeof(before));
}

static uint64_t word_at(size_t offset)
{
	uint64_t word;

	memcpy(&word, guest.vmclock + offset, sizeof(word));
	return word;
}

static u128 page_time(uint64_t tsc)
{
	return ((u128)word_at(72) << 64 | word_at(80)) +
	       ((u128)(tsc - word_at(40)) * word_at(48) >> guest.vmclock[39]);
}

/* Not even by a part of a ns, and the bound accounts for it. */
static void a_lifted_vmclock_says_so_in_its_bound(void **state)
{
	uint64_t rate;
	u128 before;

	(void)state;
	start(&kinds[2], LONG);
	conv.flags |= BOTH | PARACLOCK_TIMELINE_MONOTONIC;
	conv.maxerror_ns = 1000;
	conv.maxerror_rate_frac = conv.period_frac / 1000000;
	rate = conv.maxerror_rate_frac;
	assert_int_equal(write_timeline(&kinds[2]), 0);
	shift_conversion(-1);
	/* Readers last saw the page's time at the beginning of this. */
	before = page_time(host.counter);
	assert_int_equal(write_timeline(&kinds[2]), 0);
	/* At least a tick later, and a ns later than the timeline alone. */
	assert_true(page_time(host.counter) >= before);
	before = (u128)conv.base_sec << 64 | conv.base_frac;
	before += (u128)(host.counter - LONG) * conv.period_frac >>
		  conv.period_shift;
	assert_true(page_time(host.counter) - before > 18000000000U);
	assert_in_range(word_at(96), 1001, 1003);
	assert_int_equal(word_at(64), rate + (conv.period_frac >> 32));
	assert_int_equal(word_at(48),
			 conv.period_frac - (conv.period_frac >> 32));
}

/*
 * The page is made slower from its reference point on. An hour after that, by
 * 3600 s / 2^32 = 838.2 ns.
 */
static void a_lift_of_an_old_vmclock_takes_nothing_back(void **state)
{
	uint64_t judged;
	u128 shown;

	(void)state;
	start(&kinds[2], LONG);
	conv.flags |= BOTH | PARACLOCK_TIMELINE_MONOTONIC;
	conv.base_frac = 1;
	conv.maxerror_ns = 1000;
	host.counter = LONG + 3600ULL * HZ;
	assert_int_equal(write_timeline(&kinds[2]), 0);
	/* Behind by 2^-64 s. */
	conv.base_frac = 0;
	assert_int_equal(write_timeline(&kinds[2]), 0);
	/* There the two were compared: exactly what readers saw. */
	judged = host.counter - host.counter_step;
	shown = ((u128)conv.base_sec << 64 | 1) +
		((u128)(judged - LONG) * conv.period_frac >> conv.period_shift);
	assert_true(page_time(judged) == shown);
	assert_int_equal(word_at(40), LONG);
	assert_int_equal(word_at(72), 1000);
	/* The bound grows by as much, rounded up. */
	assert_in_range(word_at(80), 838 * NSEC_FRAC, 839 * NSEC_FRAC);
	assert_int_equal(word_at(96), 1839);
}

/*
 * A reference point 200 ns before midnight and half an hour ago: a lift would
 * move it by 419 ns, into January, for which no leap second is announced.
 */
static void a_lift_stays_in_the_month(void **state)
{
	const int64_t midnight_ns = 1483228800 * (int64_t)NSEC_PER_SEC;
	uint8_t before[4096];

	(void)state;
	start(&kinds[2], LONG);
	conv.timescale = PARACLOCK_TIMESCALE_UTC;
	conv.flags |= PARACLOCK_TIMELINE_MONOTONIC;
	conv.leap = PARACLOCK_LEAP_PRE_POS;
	conv.base_sec = 1483228799;
	conv.base_frac = 0 - 200 * NSEC_FRAC;
	host.counter = LONG + 1800ULL * HZ;
	assert_int_equal(write_timeline(&kinds[2]), 0);
	memcpy(before, guest.vmclock, sizeof(before));
	conv.base_frac--;
	assert_int_equal(write_timeline(&kinds[2]), -ESTALE);
	assert_memory_equal(guest.vmclock, before, sizeof(before));
	/* 500 ns before midnight there is room for it. */
	conv.base_frac -= 300 * NSEC_FRAC;
	conv.flags &= ~PARACLOCK_TIMELINE_MONOTONIC;
	assert_int_equal(write_timeline(&kinds[2]), 0);
	conv.base_frac--;
	conv.flags |= PARACLOCK_TIMELINE_MONOTONIC;
	assert_int_equal(write_timeline(&kinds[2]), 0);
	assert_true(word_at(80) > 0 - 100 * NSEC_FRAC);
	/* Less the second that was inserted; 1: rounded down. */
	assert_int_equal(read_ns(&kinds[2], LONG + 1801ULL * HZ),
			 midnight_ns + 1800LL * NSEC_PER_SEC - 500 - 1);
}

/* At midnight UTC repeats a second, which does not break the bound. */
static void a_leap_second_is_no_step(void **state)
{
	struct paraclock_timeline after;

	(void)state;
	start(&kinds[2], LONG);
	conv.timescale = PARACLOCK_TIMESCALE_UTC;
	conv.flags |= BOTH | PARACLOCK_TIMELINE_MONOTONIC;
	conv.leap = PARACLOCK_LEAP_PRE_POS;
	/* 2016-12-31T23:59:50; the same in 20 s is 2017-01-01T00:00:09. */
	conv.base_sec = 1483228790;
	assert_int_equal(write_timeline(&kinds[2]), 0);
	after = conv;
	after.base_tsc += 20ULL * HZ;
	after.base_sec += 20;
	after.leap = PARACLOCK_LEAP_POST_POS;
	host.counter = after.base_tsc + 100;
	conv = after;
	conv.base_sec--;
	assert_int_equal(write_timeline(&kinds[2]), 0);
	/* Without the leap second it is a second off. */
	conv = after;
	assert_int_equal(write_timeline(&kinds[2]), -ESTALE);
}

/* --- all of them ---------------------------------------------------------- */

static struct CMUnitTest singles[] = {
	cmocka_unit_test(a_leap_second_is_no_step),
	cmocka_unit_test(a_lift_of_an_old_vmclock_takes_nothing_back),
	cmocka_unit_test(a_lift_stays_in_the_month),
	cmocka_unit_test(a_lifted_vmclock_says_so_in_its_bound),
	FOR_KIND(a_broken_page_of_others_is_written, 0),
	FOR_KIND(a_broken_page_of_others_is_written, 1),
	FOR_KIND(a_broken_page_of_others_is_written, 2),
	FOR_KIND(a_good_page_of_others_is_kept_to, 0),
	FOR_KIND(a_good_page_of_others_is_kept_to, 1),
	FOR_KIND(a_good_page_of_others_is_kept_to, 2),
	FOR_KIND(a_slewed_clock_is_followed, 0),
	FOR_KIND(a_slewed_clock_is_followed, 1),
	FOR_KIND(a_slewed_clock_is_followed, 2),
	FOR_KIND(a_million_updates_a_second_do_not_lead_away, 0),
	FOR_KIND(a_million_updates_a_second_do_not_lead_away, 1),
	FOR_KIND(a_million_updates_a_second_do_not_lead_away, 2),
	FOR_KIND(an_old_timeline_is_as_good_as_a_new_one, 0),
	FOR_KIND(an_old_timeline_is_as_good_as_a_new_one, 1),
	FOR_KIND(the_promise_is_judged_when_readers_are_gone, 0),
	FOR_KIND(the_promise_is_judged_when_readers_are_gone, 1),
	FOR_KIND(the_promise_is_judged_when_readers_are_gone, 2),
};

int main(void)
{
	ADD_TESTS(singles);
	ADD_ROWS(promises, check_promise);
	ADD_ROWS(promises, check_promise_of_the_dead);
	ADD_ROWS(bounds, check_bound);
	return run_suite(NULL, NULL);
}
