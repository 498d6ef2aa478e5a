// SPDX-License-Identifier: MIT
/*
 * Many threads on one clock, and a writer that updates and now and then jumps:
 * every valid sample is right for the epoch that it names.
 */

#include <pthread.h>
#include <sched.h>

#include "base/counter.h"
#include "base/fixed.h"
#include "fake.h"
#include "live.h"

#define THREADS 8
/* Of each thread; more by PARACLOCK_LIVE_READS. */
#define READS 1000000
/* However long they take. */
#define JUMPS 10
/* Updates from one jump to the next. */
#define UPDATES 64
#define JUMP_NS 10000000

struct world {
	const char *name;
	const char *backend;
	void (*publish)(uint32_t sequence, uint64_t epoch);
	int64_t (*truth)(uint64_t tsc, uint64_t epoch);
};

static struct fake fake;
static struct paraclock *clk;
static struct world *world;
static bool stop;
static uint64_t jumps, overcounted;

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

/*
 * Half a ns a tick, and a lead that grows by every jump: only the jumps show.
 */
static int64_t pvclock_truth(uint64_t tsc, uint64_t epoch)
{
	return (int64_t)(tsc / 2 + (epoch - 1) * JUMP_NS);
}

static void publish_pvclock(uint32_t version, uint64_t epoch)
{
	uint64_t now = counter_fenced() & ~1ULL;

	store32(fake.pvclock, 0, version - 1);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	store64(fake.pvclock, 8, now);
	store64(fake.pvclock, 16, (uint64_t)pvclock_truth(now, epoch));
	/* mul 2^31, shift 0, stable. */
	store64(fake.pvclock, 24, (uint64_t)1 << 40 | 1U << 31);
	__atomic_store_n((uint32_t *)(void *)fake.pvclock, version,
			 __ATOMIC_RELEASE);
}

/* 2^-30 s a tick, and a second by every jump: the marker shows. */
static int64_t vmclock_truth(uint64_t tsc, uint64_t epoch)
{
	u128 time = (u128)tsc << 34;

	return (int64_t)(((uint64_t)(time >> 64) + epoch) * NSEC_PER_SEC +
			 mul_high((uint64_t)time, NSEC_PER_SEC));
}

static void publish_vmclock(uint32_t sequence, uint64_t epoch)
{
	uint64_t now = counter_fenced();
	u128 time = (u128)now << 34;

	store32(fake.vmclock, 12, sequence - 1);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	store64(fake.vmclock, 16, epoch);
	/* Synchronized, TAI offset 37. */
	store64(fake.vmclock, 32, (uint64_t)2 << 16 | (uint64_t)37 << 32);
	store64(fake.vmclock, 40, now);
	store64(fake.vmclock, 48, (uint64_t)1 << 34);
	store64(fake.vmclock, 72, (uint64_t)(time >> 64) + epoch);
	store64(fake.vmclock, 80, (uint64_t)time);
	__atomic_store_n((uint32_t *)(void *)(fake.vmclock + 12), sequence,
			 __ATOMIC_RELEASE);
}

/* Two jumps that nobody noticed in between would share one epoch. */
static void wait_until_noticed(uint64_t epoch)
{
	uint64_t now;

	while ((now = paraclock_epoch(clk)) < epoch)
		sched_yield();
	overcounted += now > epoch;
}

static void *write_on(void *arg)
{
	uint64_t epoch = 1;
	uint32_t sequence = 2;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		for (unsigned int i = 0; i < UPDATES; i++) {
			world->publish(sequence += 2, epoch);
			for (unsigned int k = 0; k < 100; k++)
				cpu_relax();
		}
		world->publish(sequence += 2, ++epoch);
		wait_until_noticed(epoch);
		__atomic_store_n(&jumps, epoch - 1, __ATOMIC_RELAXED);
	}
	return arg;
}

/* --- readers -------------------------------------------------------------- */

struct reader {
	uint64_t reads, valid, disrupted, again;
	uint64_t wrong, other, backward;
};

static void judge(struct reader *reader, const struct paraclock_sample *sample,
		  uint64_t *epoch)
{
	reader->backward += sample->epoch < *epoch;
	*epoch = sample->epoch;
	if (sample->valid) {
		int64_t off = sample->host_ns -
			      world->truth(sample->host_tsc, sample->epoch);

		reader->valid++;
		reader->wrong += off < -1 || off > 1;
	} else if (sample->reason == PARACLOCK_REASON_DISRUPTED) {
		reader->disrupted++;
	} else {
		reader->other++;
	}
}

static uint64_t wanted_reads(void)
{
	const char *text = getenv("PARACLOCK_LIVE_READS");

	return text ? strtoull(text, NULL, 0) : READS;
}

/*
 * Both must get through, or the test has shown nothing; how often depends on
 * the machine.
 */
static bool is_enough(const struct reader *reader)
{
	return reader->valid > 0 &&
	       __atomic_load_n(&jumps, __ATOMIC_RELAXED) > JUMPS;
}

static void *read_on(void *arg)
{
	const uint64_t wanted = wanted_reads();
	struct reader *reader = arg;
	uint64_t epoch = 0;

	for (; reader->reads < wanted || !is_enough(reader); reader->reads++) {
		struct paraclock_sample sample;
		int ret = paraclock_read(clk, &sample);

		/* There are more threads than CPUs. */
		if (reader->reads % 1024 == 0)
			sched_yield();

		if (ret == -EAGAIN)
			reader->again++;
		else if (ret)
			reader->other++;
		else
			judge(reader, &sample, &epoch);
	}
	return NULL;
}

static void check(const struct reader *readers)
{
	struct reader sum = { 0 };

	for (unsigned int i = 0; i < THREADS; i++) {
		sum.reads += readers[i].reads;
		sum.valid += readers[i].valid;
		sum.disrupted += readers[i].disrupted;
		sum.again += readers[i].again;
		sum.wrong += readers[i].wrong;
		sum.other += readers[i].other;
		sum.backward += readers[i].backward;
	}
	print_message("%llu reads, %llu valid, %llu disrupted, %llu EAGAIN; "
		      "%llu jumps\n",
		      (unsigned long long)sum.reads,
		      (unsigned long long)sum.valid,
		      (unsigned long long)sum.disrupted,
		      (unsigned long long)sum.again, (unsigned long long)jumps);
	assert_int_equal(overcounted, 0);
	assert_int_equal(sum.wrong, 0);
	assert_int_equal(sum.other, 0);
	assert_int_equal(sum.backward, 0);
}

static void threads_agree(void **state)
{
	struct reader readers[THREADS];

	world = *state;
	fake_init(&fake);
	fake.env.counter = NULL;
	jumps = overcounted = 0;
	stop = false;
	fake_set_vmclock(&fake, 0, 1, 0, 0);
	if (strcmp(world->backend, "vmclock") == 0)
		fake.vmclock_error = 0;
	world->publish(2, 1);
	clk = fake_open(&fake, world->backend);
	memset(readers, 0, sizeof(readers));
	live_run(write_on, &stop, read_on, readers, sizeof(readers[0]),
		 THREADS);
	check(readers);
	paraclock_close(clk);
}

static struct world worlds[] = {
	{ "threads agree on jumps without a marker", "kvmclock",
	  publish_pvclock, pvclock_truth },
	{ "threads agree on jumps with a marker", "vmclock", publish_vmclock,
	  vmclock_truth },
};

int main(void)
{
	ADD_ROWS(worlds, threads_agree);
	return run_suite(NULL, NULL);
}
