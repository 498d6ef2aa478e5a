// SPDX-License-Identifier: MIT
/*
 * One writer, two readers: no entry is torn, and each pair is neighbours of one
 * run, around the value.
 */

#include <pthread.h>
#include <sched.h>

#include "base/counter.h"
#include "fake.h"
#include "live.h"
#include "system/history.h"

#define READERS 2
/* Of each reader; more by PARACLOCK_LIVE_READS. */
#define READS 1000000
/* Ticks between two entries. */
#define STEP 1000
/* Entries from one drop of all to the next. */
#define RUN 4096

struct world {
	const char *name;
	unsigned int entries;
	unsigned int pause; /* of the writer, between two entries */
};

static struct paraclock_history *hist;
static const struct world *world;
static bool stop;
static uint64_t newest, added;

/* Every member is derived from the counter, so that a torn entry shows. */
static struct paraclock_snapshot snapshot_at(uint64_t counter)
{
	struct paraclock_snapshot snap = {
		.size = sizeof(snap),
		.brackets = (uint32_t)counter,
		.counter_id = PARACLOCK_COUNTER_X86_TSC,
		.clocksource_kind = PARACLOCK_CLOCKSOURCE_COUNTER,
		.valid_for_correlation = 1,
		.known = (1U << PARACLOCK_CLOCKS) - 1,
		.counter = counter,
		.uncertainty_ns = counter * 3,
		.clock_was_set_seq = (uint32_t)(counter >> 3),
		.clocksource_changed_seq = (uint32_t)(counter / STEP / RUN),
		.tai_offset_sec = (int16_t)counter,
	};

	for (unsigned int i = 0; i < PARACLOCK_CLOCKS; i++)
		snap.ns[i] = (int64_t)(counter * (i + 5));
	for (size_t i = 0; i < sizeof(snap.clocksource) - 1; i++)
		snap.clocksource[i] = (char)('a' + counter / STEP % 26);
	return snap;
}

static bool is_whole(const struct paraclock_snapshot *snap)
{
	struct paraclock_snapshot want = snapshot_at(snap->counter);

	return memcmp(snap, &want, sizeof(want)) == 0;
}

static void *write_on(void *arg)
{
	uint64_t counter = STEP;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		struct paraclock_snapshot snap = snapshot_at(counter);

		/* Readers wait for no more entries. */
		if (paraclock_history_add(hist, &snap)) {
			__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
			break;
		}
		__atomic_store_n(&newest, counter, __ATOMIC_RELEASE);
		counter += STEP;
		added++;
		for (unsigned int i = 0; i < world->pause; i++)
			cpu_relax();
	}
	return arg;
}

struct reader {
	uint64_t reads, found, older, too_old, again;
	uint64_t torn, not_around, not_neighbours, other;
};

static bool is_neighbours(const struct paraclock_snapshot *a,
			  const struct paraclock_snapshot *b)
{
	return a->counter == b->counter || a->counter + STEP == b->counter;
}

static void count(struct reader *reader, int ret)
{
	reader->found += ret == 0;
	reader->older += ret == 1;
	reader->too_old += ret == -EINVAL;
	reader->again += ret == -EAGAIN;
	reader->other +=
		ret != 0 && ret != 1 && ret != -EINVAL && ret != -EAGAIN;
}

static uint64_t wanted_reads(void)
{
	const char *text = getenv("PARACLOCK_LIVE_READS");

	return text ? strtoull(text, NULL, 0) : READS;
}

/* The ring went round twice, and readers found entries in it and behind it. */
static bool is_enough(const struct reader *reader)
{
	uint64_t now = __atomic_load_n(&newest, __ATOMIC_RELAXED);

	if (__atomic_load_n(&stop, __ATOMIC_RELAXED))
		return true;
	return reader->found && reader->older &&
	       now / STEP > 2 * (uint64_t)world->entries + 1;
}

static void *read_on(void *arg)
{
	const uint64_t wanted = wanted_reads();
	struct reader *reader = arg;
	uint64_t turn = 0;

	while (!__atomic_load_n(&newest, __ATOMIC_ACQUIRE))
		cpu_relax();
	for (; reader->reads < wanted || !is_enough(reader); reader->reads++) {
		struct paraclock_snapshot before, after;
		uint64_t now = __atomic_load_n(&newest, __ATOMIC_ACQUIRE);
		uint64_t back = turn++ % (world->entries + 2) * (STEP / 2);
		uint64_t at = back < now ? now + STEP / 4 - back : now;
		int ret = pclk_history_find(hist, at, &before, &after);

		/* There are more threads than CPUs. */
		if (reader->reads % 1024 == 0)
			sched_yield();
		count(reader, ret);
		if (ret < 0)
			continue;
		reader->torn += !is_whole(&before);
		reader->not_around += before.counter > at;
		/* The entry was there before the search. */
		reader->not_around += ret == 1 && before.counter < now;
		if (ret)
			continue;
		reader->torn += !is_whole(&after);
		reader->not_around += after.counter < at;
		reader->not_neighbours += !is_neighbours(&before, &after);
		reader->not_neighbours += before.clocksource_changed_seq !=
					  after.clocksource_changed_seq;
	}
	return NULL;
}

static void check(const struct reader *readers)
{
	struct reader sum = { 0 };

	for (unsigned int i = 0; i < READERS; i++) {
		sum.reads += readers[i].reads;
		sum.found += readers[i].found;
		sum.older += readers[i].older;
		sum.too_old += readers[i].too_old;
		sum.again += readers[i].again;
		sum.torn += readers[i].torn;
		sum.not_around += readers[i].not_around;
		sum.not_neighbours += readers[i].not_neighbours;
		sum.other += readers[i].other;
	}
	print_message("%llu reads: %llu between, %llu after all, %llu before "
		      "all, %llu EAGAIN; %llu entries\n",
		      (unsigned long long)sum.reads,
		      (unsigned long long)sum.found,
		      (unsigned long long)sum.older,
		      (unsigned long long)sum.too_old,
		      (unsigned long long)sum.again, (unsigned long long)added);
	assert_int_equal(sum.torn, 0);
	assert_int_equal(sum.not_around, 0);
	assert_int_equal(sum.not_neighbours, 0);
	assert_int_equal(sum.other, 0);
	assert_true(added > 2 * world->entries);
}

static void entries_are_whole(void **state)
{
	struct reader readers[READERS];

	world = *state;
	stop = false;
	newest = added = 0;
	assert_int_equal(paraclock_history_new(&hist, NULL, world->entries), 0);
	memset(readers, 0, sizeof(readers));
	live_run(write_on, &stop, read_on, readers, sizeof(readers[0]),
		 READERS);
	check(readers);
	paraclock_history_free(hist);
}

static struct world worlds[] = {
	{ "the smallest ring, as fast as it turns", 2, 0 },
	{ "a small ring, as fast as it turns", 16, 0 },
	{ "a large ring", 1000, 100 },
};

int main(void)
{
	ADD_ROWS(worlds, entries_are_whole);
	return run_suite(NULL, NULL);
}
