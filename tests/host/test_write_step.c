// SPDX-License-Identifier: MIT
/*
 * The writers, an instruction at a time: a reader reads between any two of
 * them, and the writer dies at each of them. So the test meets the critical
 * place without luck.
 */

#include <signal.h>
#include <stdio.h>
#include <ucontext.h>

#include <paraclock/backend.h>
#include <paraclock/host.h>

#include "writers.h"

#if defined(__x86_64__)
#define TRAP_FLAG 0x100

/* Two of the library's many explanations for a page. */
static struct world {
	struct fake guest, host;
	struct paraclock_page_writer writer;
	const struct writer_kind *kind;
	struct paraclock_timeline conv[2];
	struct paraclock *clk;
	bool dead;
} w;

#define BASE (1ULL << 50)

static uint64_t guest_counter(void *ctx)
{
	struct fake *fake = ctx;

	/* A reader gives up after 2^18 ticks. */
	return fake->counter += 1 << 16;
}

/* The writer is process 4711; its successor is 4712. */
static int identify(void *ctx, uint32_t id, struct paraclock_process *ret_who)
{
	if (id == 4711 && w.dead)
		return -ESRCH;
	*ret_who = (struct paraclock_process){
		.start = 19,
		.space = 1,
		.id = id ? id : ((struct fake *)ctx)->process_id,
	};
	return 0;
}

/* Two timelines, 5 s and 50 ppm apart, that no mixture of them comes near. */
static void start(const struct writer_kind *kind)
{
	w.kind = kind;
	w.dead = false;
	only_page(&w.guest, kind);
	w.guest.env.counter = guest_counter;
	w.guest.counter = BASE;
	fake_init(&w.host);
	w.host.counter = BASE + 1000;
	w.host.counter_step = 200;
	w.host.env.identify = identify;
	memset(&w.writer, 0, sizeof(w.writer));
	w.conv[0] = timeline_of(kind, 1000000000);
	w.conv[0].base_tsc = BASE - 1000000000;
	w.conv[0].base_sec = 1000;
	w.conv[0].flags |= PARACLOCK_TIMELINE_MONOTONIC;
	w.conv[1] = timeline_of(kind, 999950000);
	w.conv[1].base_tsc = BASE - 500000000;
	w.conv[1].base_sec = 1005;
	w.conv[1].flags |= PARACLOCK_TIMELINE_MONOTONIC;
	assert_int_equal(paraclock_page_writer_acquire(&w.writer, &w.host.env),
			 0);
}

static int write_timeline(unsigned int n)
{
	return w.kind->write(page_of(&w.guest, w.kind), &w.writer, &w.host.env,
			     &w.conv[n]);
}

/* --- the reader ----------------------------------------------------------- */

static struct tally {
	unsigned int steps, valid, again, other, wrong, first, second;
} tally;

static bool is_near(const struct paraclock_sample *sample, unsigned int n)
{
	int64_t ns;

	return paraclock_timeline_ns(&w.conv[n], sample->host_tsc, &ns) == 0 &&
	       sample->host_ns - ns <= w.kind->lifted &&
	       ns - sample->host_ns <= w.kind->below;
}

static void read_once(struct tally *t)
{
	struct paraclock_sample sample;
	int ret = paraclock_read(w.clk, &sample);

	t->steps++;
	t->again += ret == -EAGAIN;
	if (ret == -EAGAIN)
		return;
	if (ret || !sample.valid) {
		t->other += ret || sample.reason != PARACLOCK_REASON_SEQUENCE;
		return;
	}
	t->valid++;
	t->first += is_near(&sample, 0);
	t->second += is_near(&sample, 1);
	t->wrong += !is_near(&sample, 0) && !is_near(&sample, 1);
}

/* --- an instruction at a time --------------------------------------------- */

/* What outlives a dead writer: its page and its handle. */
struct remains {
	uint8_t page[128];
	struct paraclock_page_writer writer;
};

#define STEPS_MAX 20000

static struct remains *found; /* NULL: the reader reads instead */
static unsigned int steps;
static volatile sig_atomic_t stepping;

static void on_trap(int sig, siginfo_t *info, void *arg)
{
	ucontext_t *context = arg;
	struct remains *remains;

	(void)sig;
	(void)info;
	if (!stepping) {
		context->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
		return;
	}
	context->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
	if (!found) {
		read_once(&tally);
	} else if (steps < STEPS_MAX) {
		remains = &found[steps++];
		memcpy(remains->page, page_of(&w.guest, w.kind),
		       sizeof(remains->page));
		remains->writer = w.writer;
	}
}

/* Between this and unwatch() the handler sees each instruction. */
static void watch(struct remains *where)
{
	struct sigaction action = { .sa_flags = SA_SIGINFO };

	action.sa_sigaction = on_trap;
	assert_int_equal(sigaction(SIGTRAP, &action, NULL), 0);
	memset(&tally, 0, sizeof(tally));
	found = where;
	steps = 0;
	stepping = 1;
	/* The handler sets the flag for what follows. */
	raise(SIGTRAP);
}

static void unwatch(void)
{
	stepping = 0;
}

/* At each instruction a reader gets the old timeline, the new one, or none. */
static void a_reader_between_any_two_instructions(void **state)
{
	int ret;

	start(*state);
	assert_int_equal(write_timeline(0), 0);
	w.clk = fake_open(&w.guest, w.kind->backend);
	watch(NULL);
	ret = write_timeline(1);
	unwatch();
	assert_int_equal(ret, 0);
	print_message(
		"%s: %u reads between instructions: %u of the old timeline, "
		"%u of the new one, %u EAGAIN, %u off, %u wrong\n",
		w.kind->name, tally.steps, tally.first, tally.second,
		tally.again,
		tally.steps - tally.valid - tally.again - tally.other,
		tally.wrong);
	assert_int_equal(tally.wrong, 0);
	assert_int_equal(tally.other, 0);
	assert_true(tally.first > 10);
	assert_true(tally.second > 0);
	/* In between it gets none: otherwise it was never in the middle. */
	assert_true(tally.steps > tally.valid + 10);
	paraclock_close(w.clk);
}

/* The world as a writer left it when it died there, and readers in it. */
static void die_at(const struct writer_kind *kind,
		   const struct remains *remains)
{
	start(kind);
	assert_int_equal(write_timeline(0), 0);
	w.clk = fake_open(&w.guest, kind->backend);
	memcpy(page_of(&w.guest, kind), remains->page, sizeof(remains->page));
	w.writer = remains->writer;
}

/* Another process comes, which must be sure that the writer is dead. */
static void take_over(void)
{
	w.host.process_id = 4712;
	assert_int_equal(paraclock_page_writer_acquire(&w.writer, &w.host.env),
			 -EBUSY);
	w.dead = true;
	assert_int_equal(paraclock_page_writer_acquire(&w.writer, &w.host.env),
			 0);
}

/*
 * The next update is written, or refused with the page unchanged: either way
 * the page has one of the two timelines.
 */
static unsigned int repair(bool refuse)
{
	memset(&tally, 0, sizeof(tally));
	if (refuse) {
		w.conv[0].base_sec = 0;
		assert_int_equal(write_timeline(0), -ESTALE);
		w.conv[0].base_sec = 1000;
	} else {
		assert_int_equal(write_timeline(1), 0);
	}
	read_once(&tally);
	assert_int_equal(tally.first + tally.second, 1);
	return tally.second;
}

/*
 * The writer dies at each instruction: readers return with nothing wrong, and
 * the next writer repairs the page.
 */
static void a_death_at_any_instruction(void **state)
{
	struct remains *all = calloc(STEPS_MAX, sizeof(*all));
	struct tally alone = { 0 };
	unsigned int n;

	assert_non_null(all);
	start(*state);
	assert_int_equal(write_timeline(0), 0);
	watch(all);
	assert_int_equal(write_timeline(1), 0);
	unwatch();
	n = steps;
	assert_in_range(n, 100, STEPS_MAX - 1);
	for (unsigned int i = 0; i < 2 * n; i++) {
		unsigned int seen = alone.second;

		die_at(*state, &all[i / 2]);
		read_once(&alone);
		take_over();
		/*
		 * The times that readers saw bind the next writer, also if this
		 * one had no time to record its write.
		 */
		if (alone.second > seen)
			assert_int_equal(write_timeline(0), -ESTALE);
		if (!(i & 1))
			assert_int_equal(repair(false), 1);
		else
			(void)repair(true);
		paraclock_close(w.clk);
	}
	print_message("%s: %u deaths, %u of them in the middle, %u wrong\n",
		      w.kind->name, n, n - alone.valid / 2, alone.wrong);
	assert_int_equal(alone.wrong, 0);
	assert_int_equal(alone.other, 0);
	assert_true(n - alone.valid / 2 > 10);
	free(all);
}

/* --- would a mistake be detected? ----------------------------------------- */

/*
 * Straight from one sequence to the next, as a careless reading of Hyper-V's
 * protocol would allow.
 */
static void naive_write(uint8_t *page, const uint8_t *from, uint32_t sequence)
{
	uint64_t word;

	memcpy(&word, from + 8, sizeof(word));
	put64(page, 8, word);
	memcpy(&word, from + 16, sizeof(word));
	put64(page, 16, word);
	put32(page, 0, sequence);
}

static void without_the_zero_sequence_a_reader_is_wrong(void **state)
{
	uint8_t next[32];

	(void)state;
	start(&kinds[1]);
	assert_int_equal(write_timeline(1), 0);
	memcpy(next, w.guest.hyperv, sizeof(next));
	start(&kinds[1]);
	assert_int_equal(write_timeline(0), 0);
	w.clk = fake_open(&w.guest, "hyperv");
	watch(NULL);
	naive_write(w.guest.hyperv, next, 2);
	unwatch();
	print_message("without the 0: %u reads, %u of them wrong and valid\n",
		      tally.steps, tally.wrong);
	assert_true(tally.wrong > 0);
	assert_true(tally.second > 0);
	paraclock_close(w.clk);
}

#define EACH(fn)                                               \
	{ #fn ", pvclock", fn, NULL, NULL, &kinds[0] },        \
		{ #fn ", hyperv", fn, NULL, NULL, &kinds[1] }, \
	{                                                      \
#fn ", vmclock", fn, NULL, NULL, &kinds[2]     \
	}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		EACH(a_reader_between_any_two_instructions),
		EACH(a_death_at_any_instruction),
		cmocka_unit_test(without_the_zero_sequence_a_reader_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	printf("skipped: single steps by the trap flag are x86's\n");
	return 77;
}

#endif
