// SPDX-License-Identifier: MIT
/*
 * A reader and a live writer of each kind of page, at full speed. The writer
 * publishes one host clock in ever different words: reference point, time
 * there, rate and shift all change with each update, and mean the same. A mix
 * of two updates means something else, by far.
 */

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "base/counter.h"
#include "base/fixed.h"
#include "fake.h"

/*
 * Enough for a few seconds in all; PARACLOCK_LIVE_READS sets more reads,
 * PARACLOCK_LIVE_UPDATES fewer updates a second.
 */
#define READS 2000000

/*
 * Reference points begin about 18 minutes back: a vmclock page is believed for
 * an hour.
 */
#define BACK_MAX (1ULL << 40)
/* Ticks from one reference point to the next; a mixed pair is off by these. */
#define STEP 4096

struct page_kind {
	const char *name;
	const char *backend;
	void (*start)(void);
	void (*update)(void);
	int64_t (*truth)(uint64_t tsc);
	int64_t tolerance_ns;
	/* Updates first, and then as many counts of idling. */
	uint32_t burst, pause;
	/*
	 * A page that is mixed from here on means the same: only the rate is in
	 * other words. 0: no such place.
	 */
	size_t same_at;
	const char *cannot; /* Set by start: why the test cannot run here. */
};

/* Only the writer writes these once it runs. */
static struct writer {
	struct fake fake;
	struct page_kind *kind;
	uint64_t first;	   /* counter before any update */
	uint64_t base_tsc; /* of the last update */
	uint64_t step;	   /* ticks from one to the next */
	uint64_t updates;
	uint64_t last_tsc; /* an update is based there, or later */
	bool started, stop;
} w;

static void store32(uint8_t *page, size_t offset, uint32_t value)
{
	__atomic_store_n((uint32_t *)(void *)(page + offset), value,
			 __ATOMIC_RELAXED);
}

static void store64(uint8_t *page, size_t offset, uint64_t value)
{
	__atomic_store_n((uint64_t *)(void *)(page + offset), value,
			 __ATOMIC_RELAXED);
}

/* The page's protocol: no reader sees a word of the body before this one. */
static void begin(uint8_t *page, size_t offset, uint32_t sequence)
{
	store32(page, offset, sequence);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static void end(uint8_t *page, size_t offset, uint32_t sequence)
{
	__atomic_store_n((uint32_t *)(void *)(page + offset), sequence,
			 __ATOMIC_RELEASE);
}

/* Reference points go ahead faster than time, and do not overtake it. */
static void advance(void)
{
	w.base_tsc += STEP;
	while (w.base_tsc > counter_fenced() &&
	       !__atomic_load_n(&w.stop, __ATOMIC_RELAXED))
		cpu_relax();
	w.updates++;
}

/* --- pvclock: half a ns a tick -------------------------------------------- */

static int64_t half_ns(uint64_t tsc)
{
	return (int64_t)(tsc / 2);
}

static void update_pvclock(void)
{
	uint8_t *page = w.fake.pvclock;
	bool odd = w.updates & 1;
	uint32_t version;

	advance();
	version = (uint32_t)(2 * w.updates);
	begin(page, 0, version + 1);
	store64(page, 8, w.base_tsc);
	store64(page, 16, w.base_tsc / 2);
	/* mul, shift, flags: 2^31, or 2^30 of twice the ticks. */
	store32(page, 24, 1U << (odd ? 31 : 30));
	store32(page, 28, odd ? 0x100 : 0x101);
	end(page, 0, version + 2);
}

/* --- Hyper-V: the same within 100 ns -------------------------------------- */

/* Half a ns a tick: 2^64 / 200 units, and 0.2 ppm more. */
#define SCALE	   92233720368547758U
#define SCALE_MORE (SCALE / 5000000)
#define HYPERV_NS  1000

static void update_hyperv(void)
{
	uint8_t *page = w.fake.hyperv;
	uint64_t scale = SCALE + (w.updates & 1 ? SCALE_MORE : 0);
	uint64_t now = counter_fenced();
	int64_t offset = (int64_t)(now / 200) - (int64_t)mul_high(now, scale);
	uint32_t sequence = (uint32_t)++w.updates;

	begin(page, 0, 0);
	store64(page, 8, scale);
	store64(page, 16, (uint64_t)offset);
	/* 0 and 2^32 - 1 are not sequences. */
	if (sequence == 0 || sequence == UINT32_MAX)
		sequence = 1;
	end(page, 0, sequence);
	__atomic_store_n(&w.last_tsc, now, __ATOMIC_RELEASE);
}

/* The error of a mixed pair while the counter is still this low. */
static void start_hyperv(void)
{
	if (mul_high(counter_fenced(), SCALE_MORE) < 1000)
		w.kind->cannot = "the counter has not run for long enough "
				 "to detect a mixed pair";
}

/* --- vmclock: 2^-30 s a tick ---------------------------------------------- */

/* In the page's form: seconds, and 2^-64 of them. */
static u128 at_2_30_hz(uint64_t tsc)
{
	return (u128)tsc << 34;
}

static int64_t ns_at_2_30_hz(uint64_t tsc)
{
	u128 time = at_2_30_hz(tsc);

	return (int64_t)((uint64_t)(time >> 64) * NSEC_PER_SEC +
			 mul_high((uint64_t)time, NSEC_PER_SEC));
}

static void update_vmclock(void)
{
	uint8_t *page = w.fake.vmclock;
	bool odd = w.updates & 1;
	uint32_t sequence;
	u128 time;

	advance();
	time = at_2_30_hz(w.base_tsc);
	sequence = (uint32_t)(2 * w.updates);
	begin(page, 12, sequence + 1);
	/* Status, TAI offset 37; the period is 2^34, or 2^63 with 29 more
	 * bits behind the point. */
	store64(page, 32,
		(uint64_t)2 << 16 | (uint64_t)37 << 32 |
			(odd ? (uint64_t)29 << 56 : 0));
	store64(page, 40, w.base_tsc);
	store64(page, 48, (uint64_t)1 << (odd ? 63 : 34));
	store64(page, 72, (uint64_t)(time >> 64));
	store64(page, 80, (uint64_t)time);
	end(page, 12, sequence + 2);
}

static void start_vmclock(void)
{
	fake_set_vmclock(&w.fake, 0, 1, 0, 0);
	w.fake.vmclock_error = 0;
}

static void start_pvclock_with_markers(void)
{
	fake_set_vmclock_marker(&w.fake, 1);
	w.fake.vmclock_error = 0;
}

static void start_pvclock(void)
{
}

/* --- the writer ----------------------------------------------------------- */

/* Ticks from one update to the next; 0: as fast as it goes. */
static uint64_t wanted_period(void)
{
	struct paraclock_machine machine = { .size = sizeof(machine) };
	const char *text = getenv("PARACLOCK_LIVE_UPDATES");
	uint64_t rate = text ? strtoull(text, NULL, 0) : 0;

	if (!rate || paraclock_describe_machine(NULL, &machine))
		return 0;
	return machine.counter_hz / rate;
}

static void *write_on(void *arg)
{
	const struct page_kind *kind = w.kind;
	const uint64_t period = wanted_period();
	uint64_t next = counter_fenced();

	while (!__atomic_load_n(&w.stop, __ATOMIC_RELAXED)) {
		for (uint32_t i = 0; i < kind->burst; i++)
			kind->update();
		for (uint32_t i = 0; i < kind->pause; i++)
			cpu_relax();
		__atomic_store_n(&w.started, true, __ATOMIC_RELEASE);
		next += period * kind->burst;
		while (period && counter_fenced() < next)
			cpu_relax();
	}
	return arg;
}

static void start_world(struct page_kind *kind)
{
	uint64_t now;

	fake_init(&w.fake);
	w.fake.env.counter = NULL;
	w.kind = kind;
	now = counter_fenced();
	w.base_tsc = now - (now / 2 < BACK_MAX ? now / 2 : BACK_MAX);
	w.base_tsc &= ~1ULL;
	w.updates = 0;
	w.started = false;
	w.stop = false;
	kind->start();
	kind->update();
	if (strcmp(kind->backend, "hyperv") == 0)
		w.fake.hyperv_error = 0;
}

/* --- the reader ----------------------------------------------------------- */

struct tally {
	uint64_t reads, valid, again, off, torn, other, epochs;
	int64_t torn_ns; /* Of the last torn pair. */
};

static void judge(const struct page_kind *kind,
		  const struct paraclock_sample *sample, uint64_t last,
		  struct tally *tally)
{
	int64_t wrong = sample->host_ns - kind->truth(sample->host_tsc);
	int64_t within = kind->tolerance_ns;

	/*
	 * Two rates, 0.2 ppm of half a ns a tick apart, if the writer was
	 * stopped after the update of then.
	 */
	if (within >= HYPERV_NS && sample->host_tsc > last)
		within += (int64_t)((sample->host_tsc - last) / 10000000);

	if (!sample->valid) {
		if (sample->reason == PARACLOCK_REASON_SEQUENCE)
			tally->off++;
		else
			tally->other++;
		return;
	}
	tally->valid++;
	if (llabs(wrong) <= within)
		return;
	tally->torn++;
	tally->torn_ns = wrong;
}

static struct tally read_on(const struct paraclock *clk, uint64_t reads)
{
	struct tally tally = { 0 };
	uint64_t epoch = paraclock_epoch(clk);

	/*
	 * A reader must also get through, not only be right when it does; how
	 * often depends on the machine.
	 */
	for (; tally.reads < reads || !tally.valid; tally.reads++) {
		uint64_t last = __atomic_load_n(&w.last_tsc, __ATOMIC_ACQUIRE);
		struct paraclock_sample sample;
		int ret = paraclock_read(clk, &sample);

		if (ret) {
			assert_int_equal(ret, -EAGAIN);
			tally.again++;
			continue;
		}
		tally.epochs += sample.epoch != epoch;
		epoch = sample.epoch;
		judge(w.kind, &sample, last, &tally);
	}
	return tally;
}

static uint64_t wanted_reads(void)
{
	const char *text = getenv("PARACLOCK_LIVE_READS");

	return text ? strtoull(text, NULL, 0) : READS;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Two threads on one CPU alternate in milliseconds, and never race. */
static void keep_apart(pthread_t writer)
{
	cpu_set_t all, one;
	int n = 0;

	if (pthread_getaffinity_np(pthread_self(), sizeof(all), &all))
		return;
	for (size_t cpu = 0; cpu < CPU_SETSIZE && n < 2; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		(void)pthread_setaffinity_np(n++ ? pthread_self() : writer,
					     sizeof(one), &one);
	}
}

static struct tally race(struct paraclock *clk)
{
	double start = seconds();
	struct tally tally;
	pthread_t writer;
	cpu_set_t cpus;
	double took;

	CPU_ZERO(&cpus);
	(void)pthread_getaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	assert_int_equal(pthread_create(&writer, NULL, write_on, NULL), 0);
	keep_apart(writer);
	while (__atomic_load_n(&w.started, __ATOMIC_ACQUIRE) == 0)
		cpu_relax();
	tally = read_on(clk, wanted_reads());
	__atomic_store_n(&w.stop, true, __ATOMIC_RELAXED);
	pthread_join(writer, NULL);
	(void)pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	took = seconds() - start;
	print_message(
		"%llu reads, %llu valid, %llu EAGAIN, %llu off, "
		"%llu torn (%lld ns); %.3g reads and %.3g updates a second\n",
		(unsigned long long)tally.reads,
		(unsigned long long)tally.valid,
		(unsigned long long)tally.again, (unsigned long long)tally.off,
		(unsigned long long)tally.torn, (long long)tally.torn_ns,
		(double)tally.reads / took, (double)w.updates / took);
	return tally;
}

static void check_kind(void **state)
{
	struct page_kind *kind = *state;
	struct paraclock *clk;
	struct tally tally;

	start_world(kind);
	if (kind->cannot) {
		print_message("skipped: %s\n", kind->cannot);
		skip();
	}
	clk = fake_open(&w.fake, kind->backend);
	tally = race(clk);
	assert_int_equal(tally.torn, 0);
	assert_int_equal(tally.other, 0);
	/* An update with the same meaning is no disruption. */
	assert_int_equal(tally.epochs, 0);
	assert_int_equal(paraclock_epoch(clk), 1);
	assert_true(w.updates > 1);
	paraclock_close(clk);
}

/* --- would a torn pair be detected? --------------------------------------- */

/*
 * Without its protocol each writer must be caught, or the test has shown
 * nothing.
 */
static void a_mixed_pair_would_be_detected(void **state)
{
	/* Where one field ends and the next begins, on any of the pages. */
	static const size_t cuts[] = { 16, 24, 28, 40, 48, 72, 80 };
	uint8_t other[4096];
	struct page_kind *kind = *state;
	uint8_t *page;

	start_world(kind);
	if (kind->cannot)
		skip();
	page = strcmp(kind->backend, "hyperv") == 0    ? w.fake.hyperv
	       : strcmp(kind->backend, "vmclock") == 0 ? w.fake.vmclock
						       : w.fake.pvclock;
	for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
		const size_t cut = cuts[i];
		struct paraclock_sample sample;
		struct tally tally = { 0 };
		struct paraclock *clk;

		start_world(kind);
		memcpy(other, page, sizeof(other));
		kind->update();
		/* From here on, the update before. */
		if (cut == kind->same_at ||
		    memcmp(page + 16, other + 16, cut - 16) == 0 ||
		    memcmp(page + cut, other + cut, 112 - cut) == 0)
			continue;
		memcpy(page + cut, other + cut, sizeof(other) - cut);
		clk = fake_open(&w.fake, kind->backend);
		if (!paraclock_read(clk, &sample))
			judge(kind, &sample, sample.host_tsc, &tally);
		assert_int_equal(tally.torn + tally.other, 1);
		paraclock_close(clk);
	}
}

static struct page_kind kinds[] = {
	/* clang-format off */
	{ "pvclock", "kvmclock", start_pvclock, update_pvclock, half_ns,
	  1, 1, 0, 24, NULL },
	{ "pvclock, in bursts", "kvmclock", start_pvclock, update_pvclock,
	  half_ns, 1, 4, 1000, 24, NULL },
	{ "pvclock, with markers", "kvmclock", start_pvclock_with_markers,
	  update_pvclock, half_ns, 1, 1, 100, 24, NULL },
	{ "hyperv", "hyperv", start_hyperv, update_hyperv, half_ns,
	  HYPERV_NS, 1, 0, 0, NULL },
	{ "hyperv, in bursts", "hyperv", start_hyperv, update_hyperv,
	  half_ns, HYPERV_NS, 4, 1000, 0, NULL },
	{ "vmclock", "vmclock", start_vmclock, update_vmclock,
	  ns_at_2_30_hz, 1, 1, 0, 0, NULL },
	{ "vmclock, in bursts", "vmclock", start_vmclock, update_vmclock,
	  ns_at_2_30_hz, 1, 4, 1000, 0, NULL },
	/* clang-format on */
};

int main(void)
{
	static char names[ARRAY_LEN(kinds)][80];

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		snprintf(names[i], sizeof(names[i]),
			 "%s: a mixed pair would be detected", kinds[i].name);
		add_row(names[i], a_mixed_pair_would_be_detected, &kinds[i]);
		add_row(kinds[i].name, check_kind, &kinds[i]);
	}
	return run_suite(NULL, NULL);
}
