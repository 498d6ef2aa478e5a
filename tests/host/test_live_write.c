// SPDX-License-Identifier: MIT
/*
 * Two readers and a live writer of each kind of page. The writer follows a
 * clock whose rate changes at random with each update; every reading must be
 * that of a timeline that was on the page during the read, and none may be
 * behind an earlier one of any reader.
 */

#include <stdio.h>

#include <paraclock/host.h>

#include "base/counter.h"
#include "base/fixed.h"
#include "live.h"
#include "writers.h"

/* Of each reader. */
#define READS 1000000

/*
 * The writer's updates, for as long as a reader may have to look them up: 30
 * ms.
 */
#define RING (1U << 17)

/* 10 ppm either way of a ns a tick. */
#define HZ	  1000000000U
#define HZ_SPREAD 10000U

/*
 * Each timeline begins at random up to this long ago: a mix of two is off by as
 * much, or at least by 20 ppm of it.
 */
#define BACK_TICKS (1U << 20)

/* A timeline, in words that are written one by one. */
struct entry {
	uint64_t base_tsc, base_sec, base_frac, period_frac, period_shift;
};

static struct writer {
	struct fake guest;
	struct paraclock_page_writer handle;
	struct writer_kind *kind;
	struct paraclock *clk;
	struct entry ring[RING];
	struct live_span span;
	double cpu;	  /* the writer's, s */
	uint64_t tried;	  /* entries that may be on the page */
	uint64_t written; /* entries up to this one were replaced */
	uint64_t put;	  /* how many were written */
	uint64_t refused;
	int64_t seen; /* the latest that any reader has read, ns */
	uint32_t ready, stop;
} w;

#define LOAD(x)	      __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define STORE(x, val) __atomic_store_n(&(x), val, __ATOMIC_RELAXED)

/* --- the writer ----------------------------------------------------------- */

static void note(const struct paraclock_timeline *tl, uint64_t n)
{
	struct entry *entry = &w.ring[n % RING];

	STORE(entry->base_tsc, tl->base_tsc);
	STORE(entry->base_sec, tl->base_sec);
	STORE(entry->base_frac, tl->base_frac);
	STORE(entry->period_frac, tl->period_frac);
	STORE(entry->period_shift, tl->period_shift);
	__atomic_store_n(&w.tried, n + 1, __ATOMIC_RELEASE);
	/* Before the update is on the page, where readers may find it. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static bool try_conversion(const struct paraclock_timeline *tl, uint64_t n)
{
	int ret;

	note(tl, n);
	ret = w.kind->write(page_of(&w.guest, w.kind), &w.handle, NULL, tl);
	if (ret) {
		/* Preempted: by now the slower timeline is behind. */
		assert_int_equal(ret, -ESTALE);
		w.refused++;
		return false;
	}
	__atomic_store_n(&w.written, n, __ATOMIC_RELEASE);
	STORE(w.put, w.put + 1);
	return true;
}

static uint64_t wanted_period(void)
{
	struct paraclock_machine machine = { .size = sizeof(machine) };
	uint64_t rate = live_setting("PARACLOCK_LIVE_UPDATES", 0);

	if (!rate || paraclock_describe_machine(NULL, &machine))
		return 0;
	return machine.counter_hz / rate;
}

static void *write_on(void *arg)
{
	struct paraclock_timeline conv = *(struct paraclock_timeline *)arg;
	const uint64_t period = wanted_period();
	uint64_t next_tsc = counter_fenced();
	uint64_t dices = 6;

	for (uint64_t n = 1; !LOAD(w.stop); n++) {
		struct paraclock_timeline next = conv;

		assert_int_equal(
			paraclock_timeline_rebase(&next, counter_fenced()), 0);
		(void)paraclock_timeline_set_hz(
			&next, HZ - HZ_SPREAD + dice(&dices) % (2 * HZ_SPREAD),
			0);
		assert_int_equal(
			paraclock_timeline_rebase(
				&next,
				next.base_tsc - dice(&dices) % BACK_TICKS),
			0);
		if (try_conversion(&next, n))
			conv = next;
		__atomic_store_n(&w.ready, 1, __ATOMIC_RELEASE);
		next_tsc += period;
		while (period && counter_fenced() < next_tsc)
			cpu_relax();
	}
	w.cpu = live_cpu();
	return NULL;
}

/* --- the readers ---------------------------------------------------------- */

struct tally {
	pthread_t thread;
	uint64_t reads;
	uint64_t valid, again, off, other, wrong, back, late, slowest;
	int64_t wrong_ns, back_ns;
};

static int64_t entry_ns(const struct entry *entry, uint64_t tsc)
{
	uint64_t ticks = tsc - LOAD(entry->base_tsc);
	u128 time =
		((u128)LOAD(entry->base_sec) << 64 | LOAD(entry->base_frac)) +
		((u128)ticks * LOAD(entry->period_frac) >>
		 LOAD(entry->period_shift));

	return (int64_t)((uint64_t)(time >> 64) * NSEC_PER_SEC +
			 mul_high((uint64_t)time, NSEC_PER_SEC));
}

/* Is this the reading of a timeline between those two? The newest first. */
static bool is_right(const struct paraclock_sample *sample, uint64_t first,
		     uint64_t last, int64_t *ret_off)
{
	int64_t best = INT64_MAX;

	for (uint64_t n = last + 1; n-- > first;) {
		const struct entry *entry = &w.ring[n % RING];
		int64_t off;

		if (LOAD(entry->base_tsc) > sample->host_tsc)
			continue;
		off = sample->host_ns - entry_ns(entry, sample->host_tsc);
		/* 1: the entry's own ns is rounded down. */
		if (off >= -w.kind->below - 1 && off <= w.kind->lifted + 1)
			return true;
		if (llabs(off) < llabs(best))
			best = off;
	}
	*ret_off = best;
	return false;
}

static void judge(const struct paraclock_sample *sample, uint64_t first,
		  int64_t seen, struct tally *t)
{
	uint64_t last = __atomic_load_n(&w.tried, __ATOMIC_ACQUIRE) - 1;
	int64_t off = 0;

	t->valid++;
	if (last - first >= RING / 2 || !is_right(sample, first, last, &off)) {
		/*
		 * Pairs with the fence of note(): a reader that has seen a word
		 * of a later entry sees here that it was begun. This thread may
		 * have been preempted while the writer went once around.
		 */
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (LOAD(w.tried) - first >= RING / 2) {
			t->late++;
		} else {
			t->wrong++;
			t->wrong_ns = off;
		}
	}
	if (sample->host_ns < seen) {
		t->back++;
		t->back_ns = seen - sample->host_ns;
	}
	while (sample->host_ns > seen &&
	       !__atomic_compare_exchange_n(&w.seen, &seen, sample->host_ns,
					    true, __ATOMIC_ACQ_REL,
					    __ATOMIC_ACQUIRE))
		;
}

/* Writer and reader must both get through, or the test has shown nothing. */
static bool is_enough(const struct tally *t)
{
	return t->valid - t->late > 100 && LOAD(w.put) > 100;
}

static void *read_on(void *arg)
{
	struct tally *t = arg;

	for (; live_goes_on(&w.span, t->reads, is_enough(t)); t->reads++) {
		uint64_t first = __atomic_load_n(&w.written, __ATOMIC_ACQUIRE);
		int64_t seen = __atomic_load_n(&w.seen, __ATOMIC_ACQUIRE);
		uint64_t took = counter_fenced();
		struct paraclock_sample sample;
		int ret = paraclock_read(w.clk, &sample);

		took = counter_fenced() - took;
		t->slowest = took > t->slowest ? took : t->slowest;
		if (!ret && sample.valid)
			judge(&sample, first, seen, t);
		else if (ret == -EAGAIN)
			t->again++;
		else if (!ret && sample.reason == PARACLOCK_REASON_SEQUENCE)
			t->off++;
		else if (!ret && sample.reason == PARACLOCK_REASON_DISRUPTED)
			t->again++;
		else
			t->other++;
	}
	return NULL;
}

static struct paraclock_timeline start_world(struct writer_kind *kind)
{
	struct paraclock_timeline conv = timeline_of(kind, HZ);

	memset(&w, 0, sizeof(w));
	w.kind = kind;
	only_page(&w.guest, kind);
	w.guest.env.counter = NULL;
	conv.base_tsc = counter_fenced();
	conv.base_sec = 1000;
	conv.flags |= PARACLOCK_TIMELINE_MONOTONIC;
	assert_int_equal(paraclock_page_writer_acquire(&w.handle, NULL), 0);
	assert_true(try_conversion(&conv, 0));
	w.clk = fake_open(&w.guest, kind->backend);
	return conv;
}

static void add(struct tally *sum, const struct tally *t)
{
	sum->reads += t->reads;
	sum->valid += t->valid;
	sum->again += t->again;
	sum->off += t->off;
	sum->other += t->other;
	sum->wrong += t->wrong;
	sum->back += t->back;
	sum->late += t->late;
	if (t->slowest > sum->slowest)
		sum->slowest = t->slowest;
	if (t->wrong)
		sum->wrong_ns = t->wrong_ns;
	if (t->back)
		sum->back_ns = t->back_ns;
}

static void report(const struct tally *t, double took)
{
	print_message("%s: %llu updates, %.3g a second (of its CPU: %.3g), "
		      "%llu refused; %llu reads, %.3g a second: %llu valid, "
		      "%llu EAGAIN, %llu "
		      "off, %llu torn or wrong (%lld ns), %llu back (%lld ns), "
		      "%llu too late to say; the slowest took %llu ticks\n",
		      w.kind->name, (unsigned long long)w.tried,
		      (double)w.tried / took, (double)w.tried / w.cpu,
		      (unsigned long long)w.refused,
		      (unsigned long long)t->reads, (double)t->reads / took,
		      (unsigned long long)t->valid,
		      (unsigned long long)t->again, (unsigned long long)t->off,
		      (unsigned long long)t->wrong, (long long)t->wrong_ns,
		      (unsigned long long)t->back, (long long)t->back_ns,
		      (unsigned long long)t->late,
		      (unsigned long long)t->slowest);
}

static void a_writer_and_readers(void **state)
{
	struct paraclock_timeline conv = start_world(*state);
	struct tally reader[LIVE_READERS_MAX] = { 0 };
	const unsigned int readers = live_readers();
	struct tally sum = { 0 };
	double start = live_now();
	pthread_t writer;

	assert_int_equal(pthread_create(&writer, NULL, write_on, &conv), 0);
	live_keep_apart(writer, true);
	while (!__atomic_load_n(&w.ready, __ATOMIC_ACQUIRE))
		cpu_relax();
	w.span = live_span(READS);
	for (unsigned int i = 0; i < readers; i++) {
		assert_int_equal(pthread_create(&reader[i].thread, NULL,
						read_on, &reader[i]),
				 0);
		live_keep_apart(reader[i].thread, false);
	}
	for (unsigned int i = 0; i < readers; i++) {
		pthread_join(reader[i].thread, NULL);
		add(&sum, &reader[i]);
	}
	STORE(w.stop, 1);
	pthread_join(writer, NULL);
	report(&sum, live_now() - start);
	paraclock_close(w.clk);
	assert_int_equal(sum.wrong, 0);
	assert_int_equal(sum.back, 0);
	assert_int_equal(sum.other, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{ "pvclock", a_writer_and_readers, NULL, NULL, &kinds[0] },
		{ "hyperv", a_writer_and_readers, NULL, NULL, &kinds[1] },
		{ "vmclock", a_writer_and_readers, NULL, NULL, &kinds[2] },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
