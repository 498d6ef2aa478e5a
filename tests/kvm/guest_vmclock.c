// SPDX-License-Identifier: MIT
/*
 * A VMM publishes a vmclock with our writer, in its guest's memory, while the
 * guest reads it with our reader at full speed.
 */

#include <paraclock/host.h>

#include "guest_test.h"

#define NSEC_PER_SEC 1000000000

/* The page is exact; a step along a timeline loses less than a ns. */
#define EXACT_NS 1

/*
 * Two clocks so far apart in time and rate that no mix of them is near either.
 */
#define APART_SEC 1000
#define SLOWER	  1001

#define RACES	4
#define RACE_MS 500

struct publisher {
	struct paraclock_page_writer writer;
	struct paraclock_env env;
	struct guest_vm *vm;
	struct paraclock_timeline timeline[2];
	uint64_t marker;
	uint64_t marks_every; /* so many updates have one marker */
};

static uint64_t tsc_hz(const struct guest_vm *vm)
{
	int khz = ioctl(vm->cpu[0].fd, KVM_GET_TSC_KHZ, 0);

	assert_true(khz > 0);
	return (uint64_t)khz * 1000;
}

static void make_timeline(const struct guest_vm *vm,
			  struct paraclock_timeline *tl)
{
	*tl = (struct paraclock_timeline){
		.size = sizeof(*tl),
		.base_tsc = guest_host_tsc() + guest_offset(vm, 0),
		.base_sec = 1800000000,
		.marker = 1,
		.timescale = PARACLOCK_TIMESCALE_TAI,
		.counter = PARACLOCK_COUNTER_X86_TSC,
		.status = PARACLOCK_STATUS_SYNCHRONIZED,
		.leap = PARACLOCK_LEAP_NONE,
	};
	assert_int_equal(paraclock_timeline_set_hz(tl, tsc_hz(vm), 0), 0);
}

/* A page as of now, with that timeline, and the marker if that changes. */
static int publish(struct publisher *pub, unsigned int which, uint32_t flags)
{
	struct paraclock_timeline tl = pub->timeline[which];
	int ret =
		paraclock_timeline_rebase(&tl, pub->env.counter(pub->env.ctx));

	tl.marker = pub->marker;
	tl.flags = flags;
	return ret ? ret
		   : paraclock_vmclock_write(guest_at(pub->vm, GUEST_VMCLOCK),
					     &pub->writer, &pub->env, &tl);
}

static void make(struct publisher *pub, struct guest_vm *vm)
{
	const char *why = guest_vm_make(vm, 1, false);

	if (why)
		fail_msg("%s", why);
	*pub = (struct publisher){ .vm = vm, .marker = 1 };
	pub->env = guest_writer_env(vm);
	make_timeline(vm, &pub->timeline[0]);
	pub->timeline[1] = pub->timeline[0];
	pub->timeline[1].base_sec += APART_SEC;
	pub->timeline[1].period_frac =
		pub->timeline[0].period_frac / SLOWER * 1000;
	assert_int_equal(paraclock_page_writer_acquire(&pub->writer, &pub->env),
			 0);
	assert_int_equal(publish(pub, 0, 0), 0);
	vm->cpu[0].mailbox->vmclock = GUEST_VMCLOCK;
	vm->cpu[0].mailbox->rate = ((uint64_t)NSEC_PER_SEC << 32) / tsc_hz(vm);
	vm->cpu[0].mailbox->slack_ns = EXACT_NS;
	guest_open(vm, 0, "vmclock");
	guest_disrupted(vm, 0);
}

static void done(struct publisher *pub)
{
	assert_int_equal(paraclock_page_writer_release(&pub->writer, &pub->env),
			 0);
	guest_vm_free(pub->vm);
}

static bool is_on(const struct publisher *pub, unsigned int which,
		  const struct paraclock_sample *sample)
{
	int64_t ns;

	assert_int_equal(paraclock_timeline_ns(&pub->timeline[which],
					       sample->host_tsc, &ns),
			 0);
	return imaxabs(sample->host_ns - ns) <= EXACT_NS;
}

/* --- one step at a time --------------------------------------------------- */

static void each_change_is_seen_by_the_next_read(void **state)
{
	struct paraclock_sample before, after;
	struct publisher pub;
	struct guest_vm vm;

	(void)state;
	make(&pub, &vm);
	before = guest_read(&vm, 0);
	assert_int_equal(before.valid, 1);
	assert_int_equal(before.timescale, PARACLOCK_TIMESCALE_TAI);
	assert_int_equal(before.marker_class, PARACLOCK_MARKER_AUTHORITATIVE);
	assert_true(is_on(&pub, 0, &before));
	for (unsigned int i = 1; i < 20; i++) {
		pub.marker++;
		assert_int_equal(publish(&pub, i % 2, 0), 0);
		after = guest_read(&vm, 0);
		assert_int_equal(after.valid, 1);
		assert_int_equal(after.epoch, before.epoch + i);
		assert_true(is_on(&pub, i % 2, &after));
	}
	done(&pub);
}

static void a_frozen_page_is_not_valid(void **state)
{
	struct paraclock_sample sample;
	struct publisher pub;
	struct guest_vm vm;

	(void)state;
	make(&pub, &vm);
	assert_int_equal(paraclock_vmclock_freeze(guest_at(&vm, GUEST_VMCLOCK),
						  &pub.writer, &pub.env),
			 0);
	sample = guest_read(&vm, 0);
	assert_int_equal(sample.valid, 0);
	assert_int_equal(sample.reason, PARACLOCK_REASON_STATUS);
	assert_int_equal(publish(&pub, 0, 0), 0);
	sample = guest_read(&vm, 0);
	assert_int_equal(sample.valid, 1);
	assert_true(is_on(&pub, 0, &sample));
	done(&pub);
}

/* --- at full speed -------------------------------------------------------- */

static int swap(void *arg, uint64_t i)
{
	struct publisher *pub = arg;

	pub->marker += i % pub->marks_every == 0;
	return publish(pub, i % 2, 0);
}

static void check_each(const struct publisher *pub)
{
	const struct guest_cpu *cpu = &pub->vm->cpu[0];

	for (uint64_t i = 0; i < cpu->mailbox->done; i++) {
		const struct paraclock_sample *sample = &cpu->ring[i];

		assert_int_equal(sample->reason, PARACLOCK_REASON_OK);
		assert_int_equal(sample->valid, 1);
		if (!is_on(pub, 0, sample) && !is_on(pub, 1, sample))
			fail_msg("sample %" PRIu64 " is on neither clock", i);
		/* The even ones come after the odd ones, on the other clock or
		 * the same. */
		if (pub->marks_every == 1 && i && i % 2 == 0 &&
		    is_on(pub, 0, sample) != is_on(pub, 0, sample - 1))
			assert_int_not_equal(sample->epoch, sample[-1].epoch);
	}
}

static void race(uint64_t marks_every)
{
	uint64_t updates = 0, reads = 0, again = 0, epochs = 0;
	const struct guest_mailbox *mailbox;
	struct publisher pub;
	struct guest_vm vm;

	make(&pub, &vm);
	pub.marks_every = marks_every;
	mailbox = vm.cpu[0].mailbox;
	for (unsigned int i = 0; i < RACES; i++) {
		updates += guest_watch_while(&vm, 0, RACE_MS, swap, &pub);
		check_each(&pub);
		reads += mailbox->count;
		again += mailbox->again;
		epochs += vm.cpu[0].ring[mailbox->done - 1].epoch -
			  vm.cpu[0].ring[0].epoch;
	}
	print_message("%" PRIu64 " updates under %" PRIu64 " reads: %" PRIu64
		      " epochs, %" PRIu64 " times -EAGAIN, none mixed\n",
		      updates, reads, epochs, again);
	assert_true(epochs > 0);
	done(&pub);
}

static void no_read_mixes_two_migrations(void **state)
{
	(void)state;
	race(1);
}

/* No marker tells that the page has changed, only its sequence. */
static void no_read_mixes_two_pages(void **state)
{
	(void)state;
	race(16);
}

/* The same clock, whose pages differ a little: base and rounding. */
static int renew(void *arg, uint64_t i)
{
	(void)i;
	return publish(arg, 0, PARACLOCK_TIMELINE_MONOTONIC);
}

static void a_monotonic_clock_never_goes_back(void **state)
{
	const struct guest_mailbox *mailbox;
	struct publisher pub;
	struct guest_vm vm;
	uint64_t updates;

	(void)state;
	make(&pub, &vm);
	mailbox = vm.cpu[0].mailbox;
	updates = guest_watch_while(&vm, 0, RACE_MS, renew, &pub);
	for (uint64_t i = 0; i < mailbox->done; i++) {
		assert_int_equal(vm.cpu[0].ring[i].valid, 1);
		assert_true(is_on(&pub, 0, &vm.cpu[0].ring[i]));
	}
	print_message("%" PRIu64 " updates under %" PRIu64 " reads: %" PRIu64
		      " went back, %" PRIu64 " times -EAGAIN\n",
		      updates, mailbox->count, mailbox->back, mailbox->again);
	assert_int_equal(mailbox->back, 0);
	assert_int_equal(guest_disrupted(&vm, 0), 0);
	done(&pub);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_change_is_seen_by_the_next_read),
		cmocka_unit_test(a_frozen_page_is_not_valid),
		cmocka_unit_test(no_read_mixes_two_migrations),
		cmocka_unit_test(no_read_mixes_two_pages),
		cmocka_unit_test(a_monotonic_clock_never_goes_back),
	};
	const char *why = guest_why_not();

	if (why) {
		printf("skipped: %s\n", why);
		return SKIP;
	}
	return cmocka_run_group_tests_name("guest_vmclock", tests, NULL, NULL);
}
