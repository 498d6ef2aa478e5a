// SPDX-License-Identifier: MIT
/*
 * Writers in processes of their own, killed at random: readers return in time
 * with nothing wrong and valid, and the next writer repairs the page.
 */

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <paraclock/host.h>

#include "base/counter.h"
#include "base/fixed.h"
#include "writers.h"

/* More by PARACLOCK_LIVE_KILLS. */
#define DEATHS 100

/*
 * A read of a page that stays odd ends after 2^18 ticks: looks at the counter,
 * of which each but the first and the last takes at least a tick.
 */
#define LOOKS_MAX ((1U << 18) + 2)

/* In shared memory. */
struct shared {
	struct fake guest;
	struct paraclock_page_writer writer;
	uint64_t updates;
};

static struct shared *shared;

/* The parent's: how many looks a read of it made. */
static uint64_t looks;

static uint64_t counter_of_reader(void *ctx)
{
	(void)ctx;
	looks++;
	return counter_fenced();
}

static unsigned int deaths(void)
{
	const char *text = getenv("PARACLOCK_LIVE_KILLS");

	return text ? (unsigned int)strtoul(text, NULL, 0) : DEATHS;
}

/* One clock in ever different words: 1 ns a tick from 0 on. */
static struct paraclock_timeline words_of(const struct writer_kind *kind,
					  uint64_t now, uint64_t n)
{
	struct paraclock_timeline tl = timeline_of(kind, 1000000000);

	tl.base_tsc = now - (n * 7919) % (1 << 24);
	tl.base_sec = tl.base_tsc / NSEC_PER_SEC;
	tl.base_frac = (uint64_t)(((u128)(tl.base_tsc % NSEC_PER_SEC) << 64) /
				  NSEC_PER_SEC);
	tl.flags |= n & 1 ? PARACLOCK_TIMELINE_MONOTONIC : 0;
	tl.marker = 1;
	return tl;
}

static void write_on(const struct writer_kind *kind)
{
	uint8_t *page = page_of(&shared->guest, kind);

	for (uint64_t n = 0;; n++) {
		struct paraclock_timeline tl =
			words_of(kind, counter_fenced(), n);
		int ret = kind->write(page, &shared->writer, NULL, &tl);

		/* A timeline that is slower by rounding may be behind. */
		if (ret && ret != -ESTALE)
			_exit(1);
		__atomic_fetch_add(&shared->updates, 1, __ATOMIC_RELEASE);
	}
}

static pid_t start_writer(const struct writer_kind *kind)
{
	uint64_t before = __atomic_load_n(&shared->updates, __ATOMIC_ACQUIRE);
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		if (paraclock_page_writer_acquire(&shared->writer, NULL))
			_exit(2);
		write_on(kind);
	}
	while (__atomic_load_n(&shared->updates, __ATOMIC_ACQUIRE) == before) {
		assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
		sched_yield();
	}
	return pid;
}

struct tally {
	uint64_t reads, valid, again, off, busy, wrong, other, most;
	int64_t worst_ns;
};

static bool read_once(const struct writer_kind *kind, struct paraclock *clk,
		      struct tally *t)
{
	struct paraclock_sample sample;
	int64_t off;
	int ret;

	looks = 0;
	ret = paraclock_read(clk, &sample);
	t->most = looks > t->most ? looks : t->most;
	t->reads++;
	if (ret || !sample.valid) {
		t->again += ret == -EAGAIN;
		t->off += !ret && sample.reason == PARACLOCK_REASON_SEQUENCE;
		t->other +=
			(ret && ret != -EAGAIN) ||
			(!ret && sample.reason != PARACLOCK_REASON_SEQUENCE);
		return false;
	}
	t->valid++;
	off = sample.host_ns - (int64_t)sample.host_tsc;
	if (llabs(off) > t->worst_ns)
		t->worst_ns = llabs(off);
	/* 7: seven timelines that are a ns off each are still no step. */
	t->wrong += llabs(off) > kind->below + kind->lifted + 7;
	return true;
}

static void one_death(const struct writer_kind *kind, struct paraclock *clk,
		      struct tally *t, uint64_t *dices)
{
	struct timespec nap = { .tv_nsec = (long)(dice(dices) % 200000) };
	struct paraclock_timeline tl;
	pid_t pid = start_writer(kind);
	bool valid;
	int status;

	read_once(kind, clk, t);
	/* It is alive, whatever it is doing. */
	assert_int_equal(paraclock_page_writer_acquire(&shared->writer, NULL),
			 -EBUSY);
	nanosleep(&nap, NULL);
	kill(pid, SIGKILL);
	read_once(kind, clk, t);
	/* Dead, and not yet waited for. */
	while (paraclock_page_writer_acquire(&shared->writer, NULL) == -EBUSY)
		sched_yield();
	valid = read_once(kind, clk, t);
	t->busy += !valid;
	tl = words_of(kind, counter_fenced(), 0);
	assert_int_equal(kind->write(page_of(&shared->guest, kind),
				     &shared->writer, NULL, &tl),
			 0);
	assert_true(read_once(kind, clk, t));
	assert_int_equal(paraclock_page_writer_release(&shared->writer, NULL),
			 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void killed_at_random(void **state)
{
	const struct writer_kind *kind = *state;
	struct paraclock_timeline tl;
	struct tally t = { 0 };
	struct paraclock *clk;
	uint64_t dices = 5;

	memset(shared, 0, sizeof(*shared));
	only_page(&shared->guest, kind);
	shared->guest.env.counter = counter_of_reader;
	shared->guest.env.process_id = NULL;
	assert_int_equal(paraclock_page_writer_acquire(&shared->writer, NULL),
			 0);
	tl = words_of(kind, counter_fenced(), 0);
	assert_int_equal(kind->write(page_of(&shared->guest, kind),
				     &shared->writer, NULL, &tl),
			 0);
	assert_int_equal(paraclock_page_writer_release(&shared->writer, NULL),
			 0);
	clk = fake_open(&shared->guest, kind->backend);
	for (unsigned int i = 0; i < deaths(); i++)
		one_death(kind, clk, &t, &dices);
	print_message("%s: %u deaths in %llu updates, %llu in the middle; "
		      "%llu reads: %llu valid, %llu EAGAIN, %llu off, %llu "
		      "wrong (the worst %lld ns), %llu looks at the counter in "
		      "one at most\n",
		      kind->name, deaths(), (unsigned long long)shared->updates,
		      (unsigned long long)t.busy, (unsigned long long)t.reads,
		      (unsigned long long)t.valid, (unsigned long long)t.again,
		      (unsigned long long)t.off, (unsigned long long)t.wrong,
		      (long long)t.worst_ns, (unsigned long long)t.most);
	assert_int_equal(t.wrong, 0);
	assert_int_equal(t.other, 0);
	assert_in_range(t.most, 1, LOOKS_MAX);
	/*
	 * How often it was killed in the middle is luck; test_write_step leaves
	 * nothing to luck.
	 */
	assert_true(t.valid >= deaths());
	paraclock_close(clk);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{ "pvclock", killed_at_random, NULL, NULL, &kinds[0] },
		{ "hyperv", killed_at_random, NULL, NULL, &kinds[1] },
		{ "vmclock", killed_at_random, NULL, NULL, &kinds[2] },
	};

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
