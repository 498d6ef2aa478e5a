// SPDX-License-Identifier: MIT
/*
 * kvmclock for real: KVM writes the page, our guest reads it in ring 0 and ring
 * 3, and KVM_GET_CLOCK gives the right answer.
 */

#include <paraclock/host.h>

#include "guest_test.h"

#define READS 10000

#define DAY_NS 86400000000000

/*
 * A smaller step is no disruption; KVM sets a clock to within some 100 ns, and
 * the step is measured, so that steps near this limit are not judged.
 */
#define JUMP_NS	      1000
#define JUMP_DOUBT_NS 50

/* A VM whose vCPU 0 has opened its own page. */
static void make(struct guest_vm *vm, unsigned int n_cpus)
{
	const char *why = guest_vm_make(vm, n_cpus, false);
	struct kvm_clock_data clock;

	if (why)
		fail_msg("%s", why);
	/* So that the test can set it back. */
	clock = guest_kvm_clock(vm);
	guest_set_kvm_clock(vm, &clock, DAY_NS);
	guest_use_pvclock(vm, 0, 0, true);
	guest_open(vm, 0, "kvmclock");
	guest_disrupted(vm, 0);
}

/* --- reading -------------------------------------------------------------- */

/*
 * The reads' answers, requested again by their counter values: equal to the
 * bit.
 */
static void check_reads_again(struct guest_vm *vm)
{
	static struct paraclock_sample samples[READS];
	struct guest_mailbox *mailbox = vm->cpu[0].mailbox;
	struct paraclock_sample *ring = vm->cpu[0].ring;

	mailbox->count = READS;
	guest_do(vm, 0, GUEST_READ);
	assert_int_equal(mailbox->ret, 0);
	assert_int_equal(mailbox->done, READS);
	memcpy(samples, ring, sizeof(samples));
	guest_do(vm, 0, GUEST_READ_AT);
	assert_int_equal(mailbox->done, READS);
	for (size_t i = 0; i < READS; i++) {
		assert_int_equal(samples[i].valid, 1);
		assert_memory_equal(&samples[i], &ring[i], sizeof(ring[i]));
	}
}

static void the_guest_reads_kvms_time(void **state)
{
	struct guest_vm vm;
	int64_t worst;

	(void)state;
	make(&vm, 1);
	assert_int_equal(guest_set_ring(&vm, 0, 3), 0);
	worst = guest_worst_off(&vm, 0, READS);
	print_message("%d reads: at worst %" PRId64 " ns from KVM_GET_CLOCK\n",
		      READS, worst);
	assert_in_range(worst + GUEST_ROUNDED_NS, 0, 2 * GUEST_ROUNDED_NS);
	check_reads_again(&vm);
	guest_vm_free(&vm);
}

static void ring_0_reads_the_same(void **state)
{
	struct guest_vm vm;
	int64_t worst;

	(void)state;
	make(&vm, 1);
	worst = guest_worst_off(&vm, 0, 100);
	assert_in_range(worst + GUEST_ROUNDED_NS, 0, 2 * GUEST_ROUNDED_NS);
	assert_int_equal(guest_read(&vm, 0).valid, 1);
	assert_int_equal(guest_read(&vm, 0).marker_class,
			 PARACLOCK_MARKER_HEURISTIC);
	guest_vm_free(&vm);
}

static void closing_ends_the_page(void **state)
{
	struct guest_vm vm;
	uint32_t *version;
	uint32_t before;

	(void)state;
	make(&vm, 1);
	version = guest_at(&vm, GUEST_PVCLOCK(0));
	guest_do(&vm, 0, GUEST_CLOSE);
	before = *version;
	guest_set_kvm_clock(&vm, &(struct kvm_clock_data){ 0 }, 0);
	guest_do(&vm, 0, GUEST_NOTHING);
	assert_int_equal(*version, before);
	guest_vm_free(&vm);
}

/* --- jumps ---------------------------------------------------------------- */

struct jump {
	const char *name;
	int64_t ahead_ns;
};

static struct jump jumps[] = {
	{ "a clock set 5 s ahead is a disruption", 5000000000 },
	{ "a clock set 5 s back is a disruption", -5000000000 },
	{ "a clock set an hour ahead is a disruption", 3600000000000 },
	{ "a clock set 10 us ahead is a disruption", 10000 },
	{ "a clock set 10 us back is a disruption", -10000 },
	{ "a clock set by next to nothing has that error", 0 },
};

static void check_jump(void **state)
{
	const struct jump *jump = *state;
	struct paraclock_sample before, after;
	struct kvm_clock_data was, now;
	struct guest_vm vm;
	int64_t gap;

	make(&vm, 1);
	before = guest_read(&vm, 0);
	was = guest_kvm_clock(&vm);
	guest_set_kvm_clock(&vm, &was, jump->ahead_ns);
	now = guest_kvm_clock(&vm);
	gap = (int64_t)now.clock -
	      guest_kvm_conversion(&vm, &was, now.host_tsc);
	print_message("asked for %" PRId64 " ns, got %" PRId64 "\n",
		      jump->ahead_ns, gap);

	after = guest_read(&vm, 0);
	assert_int_equal(after.valid, 1);
	if (imaxabs(gap) > JUMP_NS + JUMP_DOUBT_NS) {
		assert_int_equal(after.epoch, before.epoch + 1);
		assert_int_equal(guest_disrupted(&vm, 0), 1);
	} else if (imaxabs(gap) < JUMP_NS - JUMP_DOUBT_NS) {
		assert_int_equal(after.epoch, before.epoch);
		assert_int_equal(guest_disrupted(&vm, 0), 0);
	}
	guest_check_agrees(&vm, 0);
	assert_int_equal(guest_disrupted(&vm, 0), 0);
	guest_vm_free(&vm);
}

static void being_stopped_is_a_disruption(void **state)
{
	struct paraclock_sample before;
	struct guest_vm vm;
	uint8_t *flags;

	(void)state;
	make(&vm, 1);
	flags = (uint8_t *)guest_at(&vm, GUEST_PVCLOCK(0)) + 29;
	/* The second time as well, when the guest has cleared the flag. */
	for (int i = 0; i < 2; i++) {
		before = guest_read(&vm, 0);
		assert_int_equal(ioctl(vm.cpu[0].fd, KVM_KVMCLOCK_CTRL, 0), 0);
		assert_int_equal(guest_disrupted(&vm, 0), 1);
		assert_int_equal(*flags & 2, 2);
		assert_int_equal(guest_read(&vm, 0).valid, 1);
		assert_int_equal(guest_read(&vm, 0).epoch, before.epoch + 1);
		*flags &= (uint8_t)~2U;
		assert_int_equal(guest_disrupted(&vm, 0), 0);
	}
	guest_check_agrees(&vm, 0);
	guest_vm_free(&vm);
}

static void another_tsc_offset_is_a_disruption(void **state)
{
	struct paraclock_sample before, after;
	struct guest_vm vm;
	uint64_t offset;
	int ret;

	(void)state;
	make(&vm, 1);
	before = guest_read(&vm, 0);
	assert_int_equal(guest_get_offset(&vm, 0, &offset), 0);
	/* A second or less, ahead: a counter that goes back is tested below. */
	ret = guest_set_offset(&vm, 0, offset + 1000000000);
	if (ret) {
		print_message("skipped: this KVM does not change a TSC "
			      "offset: %d\n",
			      ret);
		guest_vm_free(&vm);
		skip();
	}
	after = guest_read(&vm, 0);
	assert_int_equal(after.epoch, before.epoch + 1);
	guest_check_agrees(&vm, 0);
	assert_int_equal(guest_set_offset(&vm, 0, offset), 0);
	after = guest_read(&vm, 0);
	assert_int_equal(after.epoch, before.epoch + 2);
	guest_check_agrees(&vm, 0);
	guest_vm_free(&vm);
}

/* --- jumps under a reader ------------------------------------------------- */

#define STEPS	100
#define STEP_NS 100000000LL

/* The values that the clock was set to, in order. */
struct steps {
	struct guest_vm *vm;
	uint64_t before[STEPS]; /* this machine's TSC before it was set, */
	struct kvm_clock_data clock[STEPS]; /* and after. */
};

static int make_step(void *arg, uint64_t i)
{
	struct steps *steps = arg;
	struct kvm_clock_data set;
	int fd = steps->vm->fd;

	sleep_ms(2);
	if (++i == STEPS)
		return 1;
	/*
	 * Ahead, and less far back. No sequence of them, which a starved vCPU
	 * sees as one step, adds up to zero.
	 */
	set = steps->clock[i - 1];
	set.clock += i * (uint64_t)(i % 2 ? 3 * STEP_NS : -STEP_NS);
	set.flags = KVM_CLOCK_REALTIME;
	steps->before[i] = guest_host_tsc();
	return ioctl(fd, KVM_SET_CLOCK, &set) ||
			       ioctl(fd, KVM_GET_CLOCK, &steps->clock[i])
		       ? -errno
		       : 0;
}

/* Is this the clock after that step? */
static bool is_on_step(const struct steps *steps, unsigned int i,
		       const struct paraclock_sample *sample)
{
	int64_t off = sample->host_ns - guest_kvm_conversion(steps->vm,
							     &steps->clock[i],
							     sample->host_tsc);

	return imaxabs(off) <= GUEST_ROUNDED_NS;
}

/*
 * Until the vCPU has left the guest and entered it again its page is the old
 * one. How long that took, ticks; 0 if it is already renewed.
 */
static uint64_t how_late(const struct steps *steps,
			 const struct paraclock_sample *sample)
{
	unsigned int i = STEPS - 1;

	while (i && steps->before[i] > sample->host_tsc)
		i--;
	if (is_on_step(steps, i, sample))
		return 0;
	assert_true(i > 0);
	assert_true(is_on_step(steps, i - 1, sample));
	return sample->host_tsc - steps->before[i];
}

static void check_steps(const struct steps *steps)
{
	const struct guest_mailbox *mailbox = steps->vm->cpu[0].mailbox;
	const struct paraclock_sample *ring = steps->vm->cpu[0].ring;
	uint64_t late = 0, not_valid = 0, epochs;

	for (uint64_t i = 0; i < mailbox->done; i++) {
		uint64_t took = ring[i].valid ? how_late(steps, &ring[i]) : 0;

		late = took > late ? took : late;
		not_valid += !ring[i].valid;
		/*
		 * Each step has another epoch: the even ones come after the odd
		 * ones.
		 */
		if (i && i % 2 == 0 && ring[i].valid && ring[i - 1].valid)
			assert_int_not_equal(ring[i].epoch, ring[i - 1].epoch);
	}
	/* A reader that did not run in between sees two steps as one. */
	epochs = ring[mailbox->done - 1].epoch - ring[0].epoch;
	assert_in_range(epochs, 1, STEPS - 1);
	print_message("%d steps under %" PRIu64 " reads: %" PRIu64
		      " epochs, %" PRIu64 " not valid, %" PRIu64
		      " times -EAGAIN; KVM's page followed within %" PRIu64
		      " us\n",
		      STEPS - 1, mailbox->count, epochs, not_valid,
		      mailbox->again,
		      late * guest_rate(steps->vm) / 1000 >> 32);
}

static void no_step_under_a_reader_is_missed(void **state)
{
	static struct steps steps;
	struct guest_mailbox *mailbox;
	struct guest_vm vm;

	(void)state;
	make(&vm, 1);
	mailbox = vm.cpu[0].mailbox;
	mailbox->rate = guest_rate(&vm);
	mailbox->slack_ns = GUEST_ROUNDED_NS;
	steps = (struct steps){ .vm = &vm };
	steps.clock[0] = guest_kvm_clock(&vm);
	assert_int_equal(guest_watch_while(&vm, 0, 3600000, make_step, &steps),
			 STEPS - 1);
	check_steps(&steps);
	guest_vm_free(&vm);
}

/* --- the page of another vCPU --------------------------------------------- */

#define STALE_NS 5000000000

/*
 * What user space under Linux has: vCPU 0's page, whichever CPU it is on.
 * false: with two vCPUs this KVM vouches for no page.
 */
static bool make_stale(struct guest_vm *vm,
		       struct paraclock_page_writer *writer)
{
	make(vm, 2);
	if (!(*((uint8_t *)guest_at(vm, GUEST_PVCLOCK(0)) + 29) & 1)) {
		print_message("skipped: TSC_STABLE is clear with two vCPUs\n");
		guest_vm_free(vm);
		return false;
	}
	guest_use_pvclock(vm, 1, 0, false);
	if (writer) {
		guest_mark(vm, writer, 1);
		vm->cpu[1].mailbox->vmclock = GUEST_VMCLOCK;
	}
	guest_open(vm, 1, "kvmclock");
	guest_disrupted(vm, 1);
	assert_int_equal(guest_read(vm, 1).valid, 1);
	return true;
}

static void set_ahead(struct guest_vm *vm)
{
	struct kvm_clock_data clock = guest_kvm_clock(vm);

	guest_set_kvm_clock(vm, &clock, STALE_NS);
}

static void a_stale_page_is_not_valid_after_a_marker(void **state)
{
	struct paraclock_page_writer writer = { 0 };
	struct paraclock_sample before, sample;
	struct guest_vm vm;

	(void)state;
	if (!make_stale(&vm, &writer))
		skip();
	before = guest_read(&vm, 1);
	set_ahead(&vm);
	guest_mark(&vm, &writer, 2);
	for (int i = 0; i < 50; i++) {
		sample = guest_read(&vm, 1);
		assert_int_equal(sample.valid, 0);
		assert_int_equal(sample.reason, PARACLOCK_REASON_DISRUPTED);
		assert_int_equal(sample.epoch, before.epoch + 1);
		sleep_ms(4);
	}
	assert_int_equal(guest_disrupted(&vm, 1), 1);
	/* vCPU 0 enters, and its page is renewed. */
	guest_do(&vm, 0, GUEST_NOTHING);
	sample = guest_read(&vm, 1);
	assert_int_equal(sample.valid, 1);
	assert_int_equal(sample.marker_class, PARACLOCK_MARKER_AUTHORITATIVE);
	guest_check_agrees(&vm, 1);
	guest_vm_free(&vm);
}

/* The HEURISTIC of paraclock-kvmclock(7), for real. */
static void without_a_marker_a_stale_page_says_heuristic(void **state)
{
	struct paraclock_sample before, sample;
	struct kvm_clock_data now;
	struct guest_vm vm;

	(void)state;
	if (!make_stale(&vm, NULL))
		skip();
	before = guest_read(&vm, 1);
	set_ahead(&vm);
	sample = guest_read(&vm, 1);
	now = guest_kvm_clock(&vm);
	assert_int_equal(sample.epoch, before.epoch);
	assert_int_equal(sample.marker_class, PARACLOCK_MARKER_HEURISTIC);
	print_message("vCPU 0's page on vCPU 1: %" PRId64
		      " ns off until vCPU 0 runs, and says heuristic\n",
		      sample.host_ns -
			      guest_kvm_conversion(
				      &vm, &now,
				      sample.host_tsc - guest_offset(&vm, 1)));
	guest_do(&vm, 0, GUEST_NOTHING);
	assert_int_equal(guest_read(&vm, 1).epoch, before.epoch + 1);
	guest_check_agrees(&vm, 1);
	guest_vm_free(&vm);
}

static void each_vcpus_own_page_is_never_stale(void **state)
{
	struct guest_vm vm;

	(void)state;
	if (!make_stale(&vm, NULL))
		skip();
	guest_do(&vm, 1, GUEST_CLOSE);
	guest_use_pvclock(&vm, 1, 1, true);
	guest_open(&vm, 1, "kvmclock");
	for (unsigned int i = 0; i < 4; i++) {
		set_ahead(&vm);
		assert_int_equal(guest_disrupted(&vm, i % 2), 1);
		guest_check_agrees(&vm, i % 2);
	}
	guest_vm_free(&vm);
}

int main(void)
{
	const struct CMUnitTest fixed[] = {
		cmocka_unit_test(the_guest_reads_kvms_time),
		cmocka_unit_test(ring_0_reads_the_same),
		cmocka_unit_test(closing_ends_the_page),
		cmocka_unit_test(being_stopped_is_a_disruption),
		cmocka_unit_test(another_tsc_offset_is_a_disruption),
		cmocka_unit_test(no_step_under_a_reader_is_missed),
		cmocka_unit_test(a_stale_page_is_not_valid_after_a_marker),
		cmocka_unit_test(without_a_marker_a_stale_page_says_heuristic),
		cmocka_unit_test(each_vcpus_own_page_is_never_stale),
	};
	const char *why = guest_why_not();

	if (why) {
		printf("skipped: %s\n", why);
		return SKIP;
	}
	ADD_TESTS(fixed);
	ADD_ROWS(jumps, check_jump);
	return run_suite(NULL, NULL);
}
