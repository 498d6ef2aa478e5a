// SPDX-License-Identifier: MIT
/*
 * Hyper-V's reference TSC page, which our VMM writes with our writer and our
 * guest reads with our reader.
 */

#include <paraclock/host.h>

#include "partition.h"

#define READS	10000
#define RACES	4
#define RACE_MS 500

/*
 * Two clocks so far apart in time and rate that no mix of them is near either.
 */
#define APART_SEC  1000
#define APART_RATE 1001

static void open_plain(struct partition *part)
{
	partition_make(part, 1);
	guest_open(&part->vm, 0, "hyperv");
	guest_disrupted(&part->vm, 0);
}

static void assert_right(const struct partition *part,
			 const struct paraclock_sample *sample)
{
	assert_int_equal(sample->reason, PARACLOCK_REASON_OK);
	assert_int_equal(sample->valid, 1);
	assert_int_equal(sample->timescale, PARACLOCK_TIMESCALE_MONOTONIC);
	assert_true(imaxabs(partition_off(&part->timeline, sample, 0)) <=
		    PAGE_NS);
}

/* --- the page ------------------------------------------------------------- */

static void the_guest_reads_the_page_that_its_msr_names(void **state)
{
	struct partition part;
	struct paraclock_sample *ring;
	int64_t worst = 0;

	(void)state;
	open_plain(&part);
	assert_int_equal(part.reference, GUEST_HYPERV | REFERENCE_ON);
	assert_right(&part, (const struct paraclock_sample[]){
				    guest_read(&part.vm, 0) });
	assert_int_equal(guest_set_ring(&part.vm, 0, 3), 0);
	part.vm.cpu[0].mailbox->count = READS;
	guest_do(&part.vm, 0, GUEST_READ);
	assert_int_equal(part.vm.cpu[0].mailbox->done, READS);
	ring = part.vm.cpu[0].ring;
	for (size_t i = 0; i < READS; i++) {
		int64_t off = partition_off(&part.timeline, &ring[i], 0);

		assert_right(&part, &ring[i]);
		assert_int_equal(ring[i].marker_class,
				 PARACLOCK_MARKER_HEURISTIC);
		if (imaxabs(off) > imaxabs(worst))
			worst = off;
	}
	print_message("%d reads: at worst %" PRId64 " ns from the timeline\n",
		      READS, worst);
	partition_free(&part);
}

static void closing_switches_the_page_off(void **state)
{
	struct partition part;

	(void)state;
	open_plain(&part);
	guest_do(&part.vm, 0, GUEST_CLOSE);
	assert_int_equal(part.reference & REFERENCE_ON, 0);
	partition_free(&part);
}

static void a_page_that_is_off_is_not_valid(void **state)
{
	struct paraclock_sample sample;
	struct partition part;

	(void)state;
	open_plain(&part);
	assert_int_equal(
		paraclock_hyperv_freeze(guest_at(&part.vm, GUEST_HYPERV),
					&part.writer, &part.env),
		0);
	sample = guest_read(&part.vm, 0);
	assert_int_equal(sample.valid, 0);
	assert_int_equal(sample.reason, PARACLOCK_REASON_SEQUENCE);
	assert_int_equal(sample.host_ns, 0);
	assert_int_equal(partition_write_page(&part), 0);
	sample = guest_read(&part.vm, 0);
	assert_right(&part, &sample);
	assert_int_equal(guest_disrupted(&part.vm, 0), 0);
	/* Switched on again with another time. */
	part.timeline.base_sec += APART_SEC;
	assert_int_equal(partition_write_page(&part), 0);
	sample = guest_read(&part.vm, 0);
	assert_right(&part, &sample);
	assert_int_equal(guest_disrupted(&part.vm, 0), 1);
	partition_free(&part);
}

/* --- at full speed -------------------------------------------------------- */

/* A clock, and another that is far from it in time and rate. */
struct swaps {
	struct partition part;
	struct paraclock_timeline timeline[2];
};

static int swap(void *arg, uint64_t i)
{
	struct swaps *swaps = arg;

	swaps->part.timeline = swaps->timeline[i % 2];
	return partition_write_page(&swaps->part);
}

static bool is_on(const struct paraclock_timeline *timeline,
		  const struct paraclock_sample *sample)
{
	return imaxabs(partition_off(timeline, sample, 0)) <= PAGE_NS;
}

static void check_each(const struct swaps *swaps)
{
	const struct guest_cpu *cpu = &swaps->part.vm.cpu[0];

	for (uint64_t i = 0; i < cpu->mailbox->done; i++) {
		const struct paraclock_sample *sample = &cpu->ring[i];

		/*
		 * Off for longer than a reader waits, because its writer was
		 * preempted.
		 */
		if (sample->reason == PARACLOCK_REASON_SEQUENCE) {
			assert_int_equal(sample->valid, 0);
			continue;
		}
		assert_int_equal(sample->valid, 1);
		if (!is_on(&swaps->timeline[0], sample) &&
		    !is_on(&swaps->timeline[1], sample))
			fail_msg("sample %" PRIu64 " is on neither clock", i);
	}
}

static void no_read_mixes_two_pages(void **state)
{
	uint64_t updates = 0, reads = 0, again = 0, epochs = 0;
	static struct swaps swaps;
	struct guest_cpu *cpu = &swaps.part.vm.cpu[0];

	(void)state;
	open_plain(&swaps.part);
	swaps.timeline[0] = swaps.timeline[1] = swaps.part.timeline;
	swaps.timeline[1].base_sec += APART_SEC;
	swaps.timeline[1].period_frac -=
		swaps.timeline[1].period_frac / APART_RATE;
	for (unsigned int i = 0; i < RACES; i++) {
		updates += guest_watch_while(&swaps.part.vm, 0, RACE_MS, swap,
					     &swaps);
		check_each(&swaps);
		reads += cpu->mailbox->count;
		again += cpu->mailbox->again;
		epochs += cpu->ring[cpu->mailbox->done - 1].epoch -
			  cpu->ring[0].epoch;
	}
	print_message("%" PRIu64 " jumps under %" PRIu64 " reads: %" PRIu64
		      " of them seen, %" PRIu64 " times -EAGAIN, none mixed\n",
		      updates, reads, epochs, again);
	assert_true(epochs > 0);
	partition_free(&swaps.part);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_guest_reads_the_page_that_its_msr_names),
		cmocka_unit_test(closing_switches_the_page_off),
		cmocka_unit_test(a_page_that_is_off_is_not_valid),
		cmocka_unit_test(no_read_mixes_two_pages),
	};
	const char *why = partition_why_not();

	if (why) {
		printf("skipped: %s\n", why);
		return SKIP;
	}
	return cmocka_run_group_tests_name("guest_hyperv", tests, NULL, NULL);
}
