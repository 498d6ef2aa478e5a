// SPDX-License-Identifier: MIT
/*
 * Reenlightenment in a real guest: Hyper-V (this VMM) moves it to a host with
 * another TSC, and announces that by MSRs and an interrupt. vCPU 0 plays L1;
 * vCPU 1 plays its guest, L2, which has a vmclock by L1's relay.
 */

#include <paraclock/host.h>

#include "partition.h"

#define TICKS_SEC 2000000000

/* L2's vmclock adds no more than this to what L1's page says, ns. */
#define RELAY_NS 2

static struct move moves[] = {
	{ "to a slower host", 0xcccccccd, TICKS_SEC, false, false },
	{ "to a faster host", 0x14ccccccd, TICKS_SEC, false, false },
	{ "to a host whose counter is behind", 0xf0000000, -TICKS_SEC, false,
	  false },
	{ "the page comes late", 0xcccccccd, TICKS_SEC, true, false },
	{ "the interrupt was lost", 0xcccccccd, TICKS_SEC, false, true },
};

/* L1's counter is the env's: the TSC, until a move scales it. L2's is ahead by
 * a constant. */
static void make(struct partition *part)
{
	partition_make(part, 2);
	part->vm.cpu[0].mailbox->mult = 1ULL << 32;
	part->vm.cpu[1].mailbox->mult = 1ULL << 32;
	part->vm.cpu[1].mailbox->offset = GUEST_L2_TICKS;
	guest_do(&part->vm, 0, GUEST_MOVE_START);
	assert_int_equal(part->vm.cpu[0].mailbox->ret, 0);
	guest_disrupted(&part->vm, 0);
	assert_int_equal(part->control, 1ULL << 16 | GUEST_VECTOR);
	assert_int_equal(part->emulation, 1);
	part->vm.cpu[1].mailbox->vmclock = GUEST_VMCLOCK;
	guest_open(&part->vm, 1, "vmclock");
	guest_disrupted(&part->vm, 1);
}

/* Is the time that L1 and L2 read right? The counter value selects the host. */
static struct paraclock_sample check_right(struct partition *part,
					   unsigned int cpu)
{
	struct paraclock_sample sample = guest_read(&part->vm, cpu);
	int64_t off = partition_off(&part->timeline, &sample,
				    cpu ? GUEST_L2_TICKS : 0);

	assert_int_equal(sample.reason, PARACLOCK_REASON_OK);
	assert_int_equal(sample.valid, 1);
	assert_int_equal(sample.timescale, PARACLOCK_TIMESCALE_MONOTONIC);
	assert_int_equal(sample.marker_class, PARACLOCK_MARKER_AUTHORITATIVE);
	if (imaxabs(off) > PAGE_NS + RELAY_NS)
		fail_msg("vCPU %u is %" PRId64 " ns off", cpu, off);
	return sample;
}

static void check_not_valid(struct partition *part, unsigned int cpu,
			    uint8_t reason)
{
	for (int i = 0; i < 5; i++) {
		struct paraclock_sample sample = guest_read(&part->vm, cpu);

		assert_int_equal(sample.valid, 0);
		assert_int_equal(sample.reason, reason);
	}
}

/* The emulation is ended first, and the frequency read after that. */
static void check_order(const struct partition *part)
{
	unsigned int ended = 0;

	for (unsigned int i = 0; i < part->n_used; i++) {
		if (part->used[i] == (MSR_STATUS | MSR_WRITTEN))
			ended = i + 1;
		if (part->used[i] == MSR_FREQUENCY)
			assert_true(ended);
	}
	assert_true(ended);
}

static void run_move(struct partition *part, const struct move *move)
{
	const struct guest_mailbox *mailbox = part->vm.cpu[0].mailbox;

	guest_do(&part->vm, 0, GUEST_MOVE_RUN);
	check_order(part);
	assert_int_equal(part->status, 0);
	/* L2's counter changed while its page had no time. */
	assert_int_equal(part->l2_status, PARACLOCK_STATUS_UNRELIABLE);
	if (!move->page_is_late) {
		assert_int_equal(mailbox->ret, 0);
		return;
	}
	assert_int_equal(mailbox->ret, -EAGAIN);
	check_not_valid(part, 0, PARACLOCK_REASON_DISRUPTED);
	check_not_valid(part, 1, PARACLOCK_REASON_STATUS);
	assert_int_equal(partition_write_page(part), 0);
	guest_do(&part->vm, 0, GUEST_MOVE_RUN);
	assert_int_equal(mailbox->ret, 0);
}

static void check_move(void **state)
{
	const struct move *move = *state;
	struct paraclock_sample before[2], after[2];
	struct partition part;

	make(&part);
	for (unsigned int i = 0; i < 2; i++)
		before[i] = check_right(&part, i);
	partition_move(&part, move);
	/* With the emulated TSC the old pages are right. */
	if (move->interrupt_is_lost)
		check_right(&part, 0);
	else
		check_not_valid(&part, 0, PARACLOCK_REASON_DISRUPTED);
	check_right(&part, 1);
	run_move(&part, move);

	for (unsigned int i = 0; i < 20; i++) {
		after[i % 2] = check_right(&part, i % 2);
		sleep_ms(1);
	}
	for (unsigned int i = 0; i < 2; i++) {
		assert_true(after[i].host_ns > before[i].host_ns);
		assert_int_equal(after[i].epoch, before[i].epoch + 1);
		assert_int_equal(guest_disrupted(&part.vm, i), 1);
	}
	partition_free(&part);
}

/* Nothing is announced any more. */
static void stopping_cancels_the_announcements(void **state)
{
	struct partition part;

	(void)state;
	make(&part);
	guest_do(&part.vm, 0, GUEST_MOVE_STOP);
	assert_int_equal(part.vm.cpu[0].mailbox->ret, 0);
	assert_int_equal(part.control, 0);
	assert_int_equal(part.emulation, 0);
	partition_free(&part);
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(stopping_cancels_the_announcements),
	};
	const char *why = partition_why_not();

	if (why) {
		printf("skipped: %s\n", why);
		return SKIP;
	}
	ADD_TESTS(others);
	ADD_ROWS(moves, check_move);
	return run_suite(NULL, NULL);
}
