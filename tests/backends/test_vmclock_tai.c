// SPDX-License-Identifier: MIT
/* The two signs in which vmclock pages state the TAI offset. */

#include <paraclock/host.h>

#include "writers.h"

/* 2016-12-31T23:59:50, ten seconds before TAI - UTC became 37. */
#define BEFORE_SEC INT64_C(1483228790)

#define TAI_OFFSET_AT  36
#define BASE_TSC       1000
#define TICKS_A_SECOND 1000000000ULL

struct world {
	struct fake guest;
	struct fake host;
	struct paraclock_page_writer writer;
	struct paraclock_timeline tl;
};

static void init(struct world *w, uint8_t timescale)
{
	memset(w, 0, sizeof(*w));
	fake_init(&w->host);
	only_page(&w->guest, &kinds[2]);
	w->host.counter = BASE_TSC;
	w->tl = timeline_of(&kinds[2], TICKS_A_SECOND);
	w->tl.base_tsc = BASE_TSC;
	w->tl.base_sec = BEFORE_SEC;
	w->tl.timescale = timescale;
	w->tl.leap = PARACLOCK_LEAP_PRE_POS;
	w->tl.tai_offset_sec = 36;
	w->tl.flags = PARACLOCK_TIMELINE_TAI_OFFSET |
		      PARACLOCK_TIMELINE_MAXERROR |
		      PARACLOCK_TIMELINE_MAXERROR_RATE;
	assert_int_equal(
		paraclock_page_writer_acquire(&w->writer, &w->host.env), 0);
}

static int publish(struct world *w)
{
	return paraclock_vmclock_write(w->guest.vmclock, &w->writer,
				       &w->host.env, &w->tl);
}

static int16_t stated(const struct world *w)
{
	int16_t offset;

	memcpy(&offset, w->guest.vmclock + TAI_OFFSET_AT, sizeof(offset));
	return offset;
}

static void state(struct world *w, int16_t offset)
{
	put16(w->guest.vmclock, TAI_OFFSET_AT, (uint16_t)offset);
}

static struct paraclock_sample read_at(struct world *w, uint64_t counter)
{
	struct paraclock_sample sample;
	struct paraclock *clk;

	w->guest.counter = counter;
	clk = fake_open(&w->guest, "vmclock");
	assert_int_equal(paraclock_read(clk, &sample), 0);
	paraclock_close(clk);
	return sample;
}

/* TAI + offset = UTC, says version 1.1. */
static void we_write_the_present_one(void **unused)
{
	static const uint8_t scales[] = { PARACLOCK_TIMESCALE_UTC,
					  PARACLOCK_TIMESCALE_TAI,
					  PARACLOCK_TIMESCALE_MONOTONIC };
	struct world w;

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(scales); i++) {
		for (int16_t offset = 10; offset <= 100; offset++) {
			init(&w, scales[i]);
			w.tl.tai_offset_sec = offset;
			assert_int_equal(publish(&w), 0);
			assert_int_equal(stated(&w), -offset);
			assert_int_equal(read_at(&w, BASE_TSC).tai_offset_sec,
					 offset);
		}
	}
}

struct sign_case {
	const char *name;
	uint8_t timescale;
	int16_t stated;
	int16_t known;	     /* 0: absent */
	int16_t known_after; /* 30 s later, beyond the leap second */
	int64_t sec_after;   /* since the reference */
	uint8_t reason_after;
};

#define UTC    PARACLOCK_TIMESCALE_UTC
#define TAI    PARACLOCK_TIMESCALE_TAI
#define MONO   PARACLOCK_TIMESCALE_MONOTONIC
#define OK     PARACLOCK_REASON_OK
#define WINDOW PARACLOCK_REASON_WINDOW

/*
 * UTC's month ends 10 s later. On TAI, if it is 10 s before the month's end as
 * TAI counts, it ends later by the offset.
 */
static struct sign_case sign_cases[] = {
	/* clang-format off */
	{ "UTC, 36",	    UTC,  36,	  36,  37, 29, OK },
	{ "UTC, -36",	    UTC,  -36,	  36,  37, 29, OK },
	{ "UTC, 10",	    UTC,  10,	  10,  11, 29, OK },
	{ "UTC, -10",	    UTC,  -10,	  10,  11, 29, OK },
	{ "UTC, -99",	    UTC,  -99,	  99,  100, 29, OK },
	{ "UTC, 9",	    UTC,  9,	  0,   0,  29, OK },
	{ "UTC, -9",	    UTC,  -9,	  0,   0,  29, OK },
	{ "UTC, -101",	    UTC,  -101,	  0,   0,  29, OK },
	{ "UTC, 0",	    UTC,  0,	  0,   0,  29, OK },
	{ "UTC, -32768",    UTC,  -32768, 0,   0,  29, OK },
	{ "TAI, 10",	    TAI,  10,	  10,  11, 30, OK },
	{ "TAI, -10",	    TAI,  -10,	  10,  11, 30, OK },
	{ "TAI, 36: not yet changed",  TAI, 36,	  36,  36, 30, OK },
	{ "TAI, -36: not yet changed", TAI, -36,  36,  36, 30, OK },
	{ "TAI, -9",	    TAI,  -9,	  0,   0,  0,  WINDOW },
	{ "TAI, -101",	    TAI,  -101,	  0,   0,  0,  WINDOW },
	{ "monotonic, 37",  MONO, 37,	  37,  37, 30, OK },
	{ "monotonic, -37", MONO, -37,	  37,  37, 30, OK },
	{ "monotonic, -9",  MONO, -9,	  0,   0,  30, OK },
	/* clang-format on */
};

static void assert_tai(const struct paraclock_sample *sample, int16_t known)
{
	assert_int_equal(sample->flags & PARACLOCK_FLAG_TAI_OFFSET,
			 known ? PARACLOCK_FLAG_TAI_OFFSET : 0);
	assert_int_equal(sample->tai_offset_sec, known);
}

static void either_is_read(void **row)
{
	const struct sign_case *c = *row;
	struct paraclock_sample sample;
	struct world w;

	init(&w, c->timescale);
	assert_int_equal(publish(&w), 0);
	state(&w, c->stated);
	/*
	 * MONOTONIC pages say nothing of leap seconds, whatever the fields
	 * hold.
	 */
	w.guest.vmclock[38] = PARACLOCK_LEAP_PRE_POS;
	sample = read_at(&w, BASE_TSC);
	assert_true(sample.valid);
	assert_tai(&sample, c->known);
	sample = read_at(&w, BASE_TSC + 30 * TICKS_A_SECOND + 1);
	assert_int_equal(sample.reason, c->reason_after);
	assert_int_equal(sample.host_ns / 1000000000 - BEFORE_SEC,
			 c->sec_after);
	assert_tai(&sample, c->known_after);
}

/* A UTC page whose writer uses the other sign, across its leap second. */
static void another_writers_page_is_continued(void **unused)
{
	struct paraclock_page_writer next = { 0 };
	struct paraclock_sample sample;
	struct world w;

	(void)unused;
	init(&w, UTC);
	assert_int_equal(publish(&w), 0);
	state(&w, 36);
	/* 20 s later, of which UTC counts 19. */
	w.tl.base_tsc += 20 * TICKS_A_SECOND;
	w.tl.base_sec += 19;
	w.tl.leap = PARACLOCK_LEAP_POST_POS;
	w.tl.tai_offset_sec = 37;
	w.host.counter = w.tl.base_tsc;
	assert_int_equal(paraclock_page_writer_acquire(&next, &w.host.env), 0);
	/* With a bound of 0, a step of 1 s would be refused. */
	assert_int_equal(paraclock_vmclock_write(w.guest.vmclock, &next,
						 &w.host.env, &w.tl),
			 0);
	assert_int_equal(stated(&w), -37);
	sample = read_at(&w, w.tl.base_tsc);
	assert_true(sample.valid);
	assert_int_equal(sample.host_ns, (BEFORE_SEC + 19) * 1000000000);
	assert_int_equal(sample.tai_offset_sec, 37);
}

/* A freeze leaves everything on the page but its status. */
static void a_freeze_keeps_the_other_fields(void **unused)
{
	struct paraclock_page_writer next = { 0 };
	struct world w;

	(void)unused;
	for (int16_t sign = -1; sign <= 1; sign += 2) {
		init(&w, TAI);
		memset(&next, 0, sizeof(next));
		assert_int_equal(publish(&w), 0);
		state(&w, (int16_t)(sign * 37));
		assert_int_equal(
			paraclock_page_writer_acquire(&next, &w.host.env), 0);
		assert_int_equal(paraclock_vmclock_freeze(w.guest.vmclock,
							  &next, &w.host.env),
				 0);
		assert_int_equal(stated(&w), sign * 37);
		assert_int_equal(read_at(&w, BASE_TSC).tai_offset_sec, 37);
	}
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(we_write_the_present_one),
		cmocka_unit_test(another_writers_page_is_continued),
		cmocka_unit_test(a_freeze_keeps_the_other_fields),
	};

	ADD_TESTS(others);
	ADD_ROWS(sign_cases, either_is_read);
	return run_suite(NULL, NULL);
}
