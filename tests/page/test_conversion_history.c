// SPDX-License-Identifier: MIT
/*
 * A handle that has read before, a fresh one, and the test's own computation
 * agree, wherever the counter goes: back before the page's reference point,
 * around 2^64, and to and fro over a leap second.
 */

#include "events.h"
#include "leaps.h"

#define WORLDS	 4000
#define READINGS 12

/* xorshift64*: the same worlds in every run. */
static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t any(uint64_t below)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (seed * 0x2545f4914f6cdd1d >> 16) % below;
}

/* The expected answer. */
struct answer {
	int error; /* then nothing else counts */
	uint8_t reason;
	int64_t host_ns;
	uint8_t leap;
	int tai; /* 0: not given */
};

static void check(int ret, const struct paraclock_sample *sample,
		  uint64_t counter, const struct answer *answer)
{
	struct paraclock_sample clean;

	assert_int_equal(ret, answer->error);
	if (ret) {
		memset(&clean, 0x5a, sizeof(clean));
		assert_memory_equal(sample, &clean, sizeof(clean));
		return;
	}
	assert_int_equal(sample->reason, answer->reason);
	assert_int_equal(sample->valid, !answer->reason);
	assert_int_equal(sample->host_ns, answer->host_ns);
	assert_int_equal(sample->host_tsc, counter);
	assert_int_equal(sample->leap, answer->leap);
	assert_int_equal(sample->flags & PARACLOCK_FLAG_TAI_OFFSET,
			 answer->tai ? PARACLOCK_FLAG_TAI_OFFSET : 0);
	assert_int_equal(sample->tai_offset_sec, answer->tai);
	assert_int_equal(sample->epoch, 1);
}

static void check_read(const struct paraclock *clk, const struct answer *answer)
{
	struct paraclock_sample sample;
	int ret;

	memset(&sample, 0x5a, sizeof(sample));
	ret = paraclock_read(clk, &sample);
	check(ret, &sample, fake->counter, answer);
}

static void check_read_at(const struct paraclock *clk, uint64_t counter,
			  const struct answer *answer)
{
	struct paraclock_sample sample;
	int ret;

	memset(&sample, 0x5a, sizeof(sample));
	ret = paraclock_read_at(clk, counter, &sample);
	check(ret, &sample, counter, answer);
}

/* --- vmclock, half a second a tick ---------------------------------------- */

struct page {
	uint64_t base;
	int64_t ref_sec;
	uint8_t scale; /* VMCLOCK's: 0 UTC, 1 TAI */
	uint8_t leap;
	int tai;	 /* 0: not given */
	int64_t end_sec; /* of the month, UTC */
	uint32_t seq;
};

static void write_page(struct page *page)
{
	page->seq += 2;
	put32(fake->vmclock, 12, page->seq - 1);
	fake_set_vmclock(fake, page->seq - 1, 7, page->base,
			 (uint64_t)page->ref_sec);
	fake->vmclock[11] = page->scale;
	put64(fake->vmclock, 24, page->tai != 0);
	put16(fake->vmclock, 36, (uint16_t)page->tai);
	fake->vmclock[38] = page->leap;
	fake->vmclock[39] = 0;
	put64(fake->vmclock, 48, 1ULL << 63);
	/* Half a ns more: next to a whole ns there is no conversion. */
	put64(fake->vmclock, 80, (1ULL << 63) / SEC);
	put32(fake->vmclock, 12, page->seq);
}

/* In half seconds of the page's own scale: a leap second at the month's end. */
static void leap_over(const struct page *page, int64_t *half,
		      struct answer *answer)
{
	bool pos = page->leap == PARACLOCK_LEAP_PRE_POS;
	int64_t first = page->end_sec - !pos + (page->scale ? page->tai : 0);

	if ((!pos && page->leap != PARACLOCK_LEAP_PRE_NEG) || *half < 2 * first)
		return;
	if (page->tai)
		answer->tai += pos ? 1 : -1;
	if (!pos)
		answer->leap = PARACLOCK_LEAP_POST_NEG;
	else if (*half < 2 * first + 2)
		answer->leap = PARACLOCK_LEAP_POS;
	else
		answer->leap = PARACLOCK_LEAP_POST_POS;
	if (!page->scale)
		*half += pos ? -2 : 2;
}

static struct answer vmclock_answer(const struct page *page, uint64_t counter)
{
	struct answer answer = { .leap = page->leap, .tai = page->tai };
	int64_t half = 2 * page->ref_sec;

	if (counter < page->base || counter - page->base > 2 * 3600) {
		answer.reason = PARACLOCK_REASON_WINDOW;
	} else {
		half += (int64_t)(counter - page->base);
		leap_over(page, &half, &answer);
	}
	answer.host_ns = half * (SEC / 2);
	return answer;
}

static struct page random_page(void)
{
	bool pos = any(2);
	struct page page = {
		.base = any(2) ? 1000000 + any(1000) : UINT64_MAX - any(500),
		.scale = (uint8_t)any(2),
		.leap = pos ? PARACLOCK_LEAP_PRE_POS : PARACLOCK_LEAP_PRE_NEG,
		.tai = pos ? 36 : 37,
		.end_sec = pos ? T2017_01 : T2035_01,
	};

	if (!any(4))
		page.leap = PARACLOCK_LEAP_NONE;
	page.ref_sec = page.end_sec - 3 - (int64_t)any(60);
	if (page.scale)
		page.ref_sec += page.tai;
	else if (!any(3))
		page.tai = 0;
	return page;
}

/* Mostly around the leap second, and modulo 2^64. */
static uint64_t random_counter(const struct page *page)
{
	switch (any(8)) {
	case 0:
		return page->base - 1 - any(100);
	case 1:
		return page->base + any(2);
	case 2:
		return page->base + 7190 + any(20);
	case 3:
		return any(1000);
	default:
		return page->base + any(160);
	}
}

/* The host writes its page anew, some time after the old reference point. */
static void renew(struct page *page)
{
	uint64_t later = 2 * any(80);
	struct answer then = vmclock_answer(page, page->base + later);

	/*
	 * In the inserted second UTC alone does not say which second it means.
	 */
	if (page->base + later < page->base || then.leap == PARACLOCK_LEAP_POS)
		return;
	page->base += later;
	page->ref_sec = then.host_ns / SEC;
	page->leap = then.leap;
	page->tai = then.tai;
	write_page(page);
}

static void check_vmclock(struct paraclock *old, const struct page *page)
{
	struct answer answer = vmclock_answer(page, fake->counter);
	struct paraclock *fresh = fake_open(fake, "vmclock");
	uint64_t past = fake->counter - any(200);

	check_read(old, &answer);
	check_read_at(old, fake->counter, &answer);
	check_read(fresh, &answer);
	check_read_at(fresh, fake->counter, &answer);
	if (past <= fake->counter) {
		answer = vmclock_answer(page, past);
		check_read_at(old, past, &answer);
		check_read_at(fresh, past, &answer);
	}
	paraclock_close(fresh);
}

static void a_vmclock_page(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < WORLDS; i++) {
		struct page page = random_page();
		struct paraclock *old;

		world_init(&world);
		fake->vmclock_error = 0;
		write_page(&page);
		fake->counter = random_counter(&page);
		old = fake_open(fake, "vmclock");
		for (unsigned int n = 0; n < READINGS; n++) {
			fake->counter = random_counter(&page);
			check_vmclock(old, &page);
			if (!any(6))
				renew(&page);
		}
		paraclock_close(old);
	}
}

/* --- pvclock, a ns a tick ------------------------------------------------- */

static struct answer pvclock_answer(uint64_t base, int64_t ns, uint64_t counter)
{
	struct answer answer = { .host_ns = ns,
				 .leap = PARACLOCK_LEAP_UNKNOWN };
	uint64_t ticks = counter - base;

	if (counter < base)
		answer.reason = PARACLOCK_REASON_WINDOW;
	else if (ticks > (uint64_t)(INT64_MAX - ns))
		answer.error = -ERANGE;
	else
		answer.host_ns += (int64_t)ticks;
	return answer;
}

static uint64_t any_counter(uint64_t base)
{
	switch (any(6)) {
	case 0:
		return base - 1 - any(1000);
	case 1:
		return any(1000000000000);
	case 2:
		return (any(1ULL << 32) << 32) | any(1ULL << 32);
	default:
		return base + any(1ULL << 40);
	}
}

static void a_pvclock_page(void **state)
{
	static const uint64_t bases[] = { 1, 1ULL << 62, 1ULL << 63,
					  0xf000000000000000,
					  UINT64_MAX - (1ULL << 40) };

	(void)state;
	for (unsigned int i = 0; i < WORLDS; i++) {
		uint64_t base = bases[any(ARRAY_LEN(bases))] + any(1000000);
		int64_t ns = any(3) ? 5000 : INT64_MAX - (int64_t)any(1 << 30);
		struct paraclock *old, *fresh;

		world_init(&world);
		fake_set_pvclock(fake, 2, base, (uint64_t)ns);
		fake->counter = any_counter(base);
		old = fake_open(fake, "kvmclock");
		for (unsigned int n = 0; n < READINGS; n++) {
			uint64_t counter = any_counter(base);
			struct answer answer =
				pvclock_answer(base, ns, counter);

			fake->counter = counter;
			fresh = fake_open(fake, "kvmclock");
			check_read(old, &answer);
			check_read_at(old, counter, &answer);
			check_read(fresh, &answer);
			check_read_at(fresh, counter, &answer);
			paraclock_close(fresh);
		}
		paraclock_close(old);
	}
}

/* --- Hyper-V, which has no reference point -------------------------------- */

/* floor(counter * scale * 100 / 2^64), in halves of 64 bits. */
static int64_t hyperv_ns(uint64_t counter, uint64_t scale)
{
	__extension__ unsigned __int128 product =
		(unsigned __int128)counter * scale;
	__extension__ unsigned __int128 low =
		(unsigned __int128)(uint64_t)product * 100;

	return (int64_t)((uint64_t)(product >> 64) * 100 +
			 (uint64_t)(low >> 64));
}

static void a_hyperv_page(void **state)
{
	const uint64_t scale = 184467440737095516; /* fake.c's */

	(void)state;
	for (unsigned int i = 0; i < WORLDS; i++) {
		struct paraclock *old, *fresh;

		world_init(&world);
		fake->hyperv_error = 0;
		fake_set_hyperv(fake, 2, 0);
		fake->counter = any(1ULL << 62);
		old = fake_open(fake, "hyperv");
		for (unsigned int n = 0; n < READINGS; n++) {
			struct answer answer = {
				.leap = PARACLOCK_LEAP_UNKNOWN,
			};

			fake->counter = any(2) ? any(1ULL << 62) : any(1000);
			answer.host_ns = hyperv_ns(fake->counter, scale);
			fresh = fake_open(fake, "hyperv");
			check_read(old, &answer);
			check_read_at(old, fake->counter, &answer);
			check_read(fresh, &answer);
			check_read_at(fresh, fake->counter, &answer);
			paraclock_close(fresh);
		}
		paraclock_close(old);
	}
}

/* --- by hand -------------------------------------------------------------- */

static void a_counter_that_was_reset_is_before_the_base(void **state)
{
	struct answer answer = { .host_ns = 5000 + SEC,
				 .leap = PARACLOCK_LEAP_UNKNOWN };
	struct paraclock_event event;
	struct paraclock *clk;

	(void)state;
	world_init(&world);
	fake_set_pvclock(fake, 2, 0xf000000000000000, 5000);
	fake->counter = 0xf000000000000000 + SEC;
	clk = fake_open(fake, "kvmclock");
	check_read(clk, &answer);
	fake->counter = 1000000000000;
	answer.reason = PARACLOCK_REASON_WINDOW;
	answer.host_ns = 5000;
	check_read(clk, &answer);
	check_read_at(clk, fake->counter, &answer);
	/* The event has no time before it, nor a gap that fits 64 bits. */
	assert_int_equal(paraclock_event_fd(clk), GROUP_FD);
	no_event(clk);
	fake->counter += SEC;
	fake_set_pvclock(fake, 4, 1000000000000, 7000);
	event = next_event(clk);
	assert_int_equal(event.counter_before, 1000000000000);
	assert_int_equal(event.flags, PARACLOCK_EVENT_AFTER);
	assert_int_equal(event.host_ns_after, 7000 + SEC);
	paraclock_close(clk);
}

static void a_page_of_before_the_leap_second_that_is_opened_after(void **state)
{
	struct page page = { .base = 1000,
			     .ref_sec = T2017_01 - 10,
			     .leap = PARACLOCK_LEAP_PRE_POS,
			     .tai = 36,
			     .end_sec = T2017_01 };
	const struct answer after = { .host_ns = (T2017_01 + 4) * SEC,
				      .leap = PARACLOCK_LEAP_POST_POS,
				      .tai = 37 };
	const struct answer before = { .host_ns = (T2017_01 - 5) * SEC,
				       .leap = PARACLOCK_LEAP_PRE_POS,
				       .tai = 36 };
	struct paraclock *clk;

	(void)state;
	world_init(&world);
	fake->vmclock_error = 0;
	write_page(&page);
	fake->counter = 1000 + 30;
	clk = fake_open(fake, "vmclock");
	for (unsigned int i = 0; i < 3; i++) {
		fake->counter = 1000 + 30;
		check_read(clk, &after);
		check_read_at(clk, 1000 + 10, &before);
		fake->counter = 1000 + 10;
		check_read(clk, &before);
		check_read_at(clk, 1000 + 10, &before);
	}
	paraclock_close(clk);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_counter_that_was_reset_is_before_the_base),
		cmocka_unit_test(
			a_page_of_before_the_leap_second_that_is_opened_after),
		cmocka_unit_test(a_vmclock_page),
		cmocka_unit_test(a_pvclock_page),
		cmocka_unit_test(a_hyperv_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
