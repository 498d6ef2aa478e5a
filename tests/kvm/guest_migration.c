// SPDX-License-Identifier: MIT
/*
 * Save on one VM, restore on another: registers, memory, clock and TSC offset,
 * by the recipe of Linux Documentation/virt/kvm/devices/vcpu.rst. The guest's
 * open clock goes along.
 */

#include <stdlib.h>

#include <paraclock/host.h>

#include "guest_test.h"

#define DAY_NS	86400000000000
#define DOWN_MS 100

/* A smaller step is no disruption; steps near this limit are not judged. */
#define JUMP_NS	      1000
#define JUMP_DOUBT_NS 50

/* MSRs that hold a guest's kvmclock. */
static const uint32_t kept_msrs[] = { 0x4b564d00, 0x4b564d01 };

union msrs {
	struct kvm_msrs head;
	char room[sizeof(struct kvm_msrs) +
		  ARRAY_LEN(kept_msrs) * sizeof(struct kvm_msr_entry)];
};

/* The state that is carried over. */
struct saved {
	unsigned int n_cpus;
	struct {
		struct kvm_regs regs;
		struct kvm_sregs sregs;
		uint64_t msrs[ARRAY_LEN(kept_msrs)];
		uint64_t offset;
	} cpu[GUEST_CPUS];
	struct kvm_clock_data clock;
	uint64_t khz;
	char *memory;
};

/* --- the recipe ----------------------------------------------------------- */

/* KVM_GET_MSRS or KVM_SET_MSRS. */
static void do_msrs(int fd, unsigned long request,
		    uint64_t values[ARRAY_LEN(kept_msrs)])
{
	union msrs msrs = { .head.nmsrs = ARRAY_LEN(kept_msrs) };

	for (size_t i = 0; i < ARRAY_LEN(kept_msrs); i++) {
		msrs.head.entries[i].index = kept_msrs[i];
		msrs.head.entries[i].data = values[i];
	}
	assert_int_equal(ioctl(fd, request, &msrs), ARRAY_LEN(kept_msrs));
	for (size_t i = 0; i < ARRAY_LEN(kept_msrs); i++)
		values[i] = msrs.head.entries[i].data;
}

static void save_cpu(struct guest_vm *vm, unsigned int n, struct saved *saved)
{
	int fd = vm->cpu[n].fd;

	/* Its last action is complete only when it runs again. */
	vm->cpu[n].run->immediate_exit = 1;
	assert_int_equal(ioctl(fd, KVM_RUN, 0), -1);
	assert_int_equal(errno, EINTR);
	vm->cpu[n].run->immediate_exit = 0;
	assert_int_equal(ioctl(fd, KVM_GET_REGS, &saved->cpu[n].regs), 0);
	assert_int_equal(ioctl(fd, KVM_GET_SREGS, &saved->cpu[n].sregs), 0);
	do_msrs(fd, KVM_GET_MSRS, saved->cpu[n].msrs);
	saved->cpu[n].offset = guest_offset(vm, n);
}

static void save(struct guest_vm *vm, struct saved *saved)
{
	*saved = (struct saved){ .n_cpus = vm->n_cpus };
	for (unsigned int i = 0; i < vm->n_cpus; i++)
		save_cpu(vm, i, saved);
	saved->khz = (uint64_t)ioctl(vm->cpu[0].fd, KVM_GET_TSC_KHZ, 0);
	saved->clock = guest_kvm_clock(vm);
	saved->memory = malloc(GUEST_BYTES);
	assert_non_null(saved->memory);
	memcpy(saved->memory, vm->memory, GUEST_BYTES);
}

static void restore_cpu(struct guest_vm *vm, unsigned int n,
			struct saved *saved)
{
	int fd = vm->cpu[n].fd;

	assert_int_equal(ioctl(fd, KVM_SET_SREGS, &saved->cpu[n].sregs), 0);
	assert_int_equal(ioctl(fd, KVM_SET_REGS, &saved->cpu[n].regs), 0);
	do_msrs(fd, KVM_SET_MSRS, saved->cpu[n].msrs);
}

/* As many ticks as the guest's clock needs for this. */
static uint64_t ticks_of(const struct saved *saved, int64_t ns)
{
	return (uint64_t)(ns / 1000000 * (int64_t)saved->khz +
			  ns % 1000000 * (int64_t)saved->khz / 1000000);
}

/*
 * A KVM that does not change an offset is good enough if it has the wanted one
 * anyway.
 */
static void set_offset(struct guest_vm *vm, unsigned int cpu, uint64_t offset)
{
	int ret = guest_set_offset(vm, cpu, offset);

	assert_true(!ret || ret == -EOPNOTSUPP);
	if (ret)
		print_message("skipped: a TSC offset, which this KVM does not "
			      "change: %" PRId64
			      " is wanted, and stays %" PRId64 "\n",
			      (int64_t)offset, (int64_t)guest_offset(vm, cpu));
}

/* The guest's TSC goes on by as much as its clock did. */
static void set_offsets(struct guest_vm *vm, const struct saved *saved)
{
	struct kvm_clock_data now = guest_kvm_clock(vm);
	int64_t behind = (int64_t)(saved->clock.clock - now.clock);

	for (unsigned int i = 0; i < vm->n_cpus; i++) {
		uint64_t offset = saved->cpu[i].offset -
				  ticks_of(saved, behind) +
				  (saved->clock.host_tsc - now.host_tsc);

		set_offset(vm, i, offset);
	}
}

struct move {
	const char *name;
	/*
	 * The clock goes on by the time that the move took; without this it
	 * stops.
	 */
	bool by_realtime;
	/* The TSC goes on like the clock; without this it runs on. */
	bool by_recipe;
	bool marked;
	unsigned int n_cpus;
};

static void restore(struct guest_vm *vm, struct saved *saved,
		    const struct move *move)
{
	const struct kvm_clock_data set = {
		.clock = saved->clock.clock,
		.flags = move->by_realtime ? KVM_CLOCK_REALTIME : 0,
		.realtime = saved->clock.realtime,
	};
	const char *why = guest_vm_make(vm, saved->n_cpus, false);

	if (why)
		fail_msg("%s", why);
	memcpy(vm->memory, saved->memory, GUEST_BYTES);
	for (unsigned int i = 0; i < vm->n_cpus; i++)
		restore_cpu(vm, i, saved);
	assert_int_equal(ioctl(vm->fd, KVM_SET_CLOCK, &set), 0);
	if (move->by_recipe)
		set_offsets(vm, saved);
	else
		for (unsigned int i = 0; i < vm->n_cpus; i++)
			set_offset(vm, i, saved->cpu[i].offset);
}

/* --- moves ---------------------------------------------------------------- */

static struct move moves[] = {
	{ "by the recipe, without a word to the guest", true, true, false, 1 },
	{ "by the recipe, with another marker", true, true, true, 1 },
	{ "the clock stopped, without a word to the guest", false, false, false,
	  1 },
	{ "the clock stopped, with another marker", false, false, true, 1 },
	{ "the clock went on, without a word to the guest", true, false, false,
	  1 },
	{ "two vCPUs, by the recipe, with another marker", true, true, true,
	  2 },
};

static void make(struct guest_vm *vm, const struct move *move,
		 struct paraclock_page_writer *writer)
{
	const char *why = guest_vm_make(vm, move->n_cpus, false);
	struct kvm_clock_data clock;

	if (why)
		fail_msg("%s", why);
	clock = guest_kvm_clock(vm);
	guest_set_kvm_clock(vm, &clock, DAY_NS);
	if (move->marked)
		guest_mark(vm, writer, 1);
	for (unsigned int i = 0; i < move->n_cpus; i++) {
		guest_use_pvclock(vm, i, 0, i == 0);
		if (move->marked)
			vm->cpu[i].mailbox->vmclock = GUEST_VMCLOCK;
		guest_open(vm, i, "kvmclock");
		guest_disrupted(vm, i);
	}
}

/* The guest's own conversion before the move, from its own samples. */
static int64_t gap_of(const struct guest_vm *vm,
		      const struct paraclock_sample *before,
		      const struct paraclock_sample *after)
{
	const struct kvm_clock_data was = {
		.clock = (uint64_t)before->host_ns,
		.host_tsc = before->host_tsc,
	};

	return after->host_ns - guest_kvm_conversion(vm, &was, after->host_tsc);
}

static void check_first_read(struct guest_vm *vm, const struct move *move,
			     const struct paraclock_sample *before)
{
	struct paraclock_sample after = guest_read(vm, 0);
	struct kvm_clock_data now = guest_kvm_clock(vm);
	int64_t gap = gap_of(vm, before, &after);
	int64_t off = after.host_ns -
		      guest_kvm_conversion(
			      vm, &now, after.host_tsc - guest_offset(vm, 0));
	uint64_t epochs = after.epoch - before->epoch;

	print_message("the clock jumped by %" PRId64 " ns, %" PRIu64
		      " disruption(s); the first read is %" PRId64
		      " ns from KVM_GET_CLOCK\n",
		      gap, epochs, off);
	assert_int_equal(after.valid, 1);
	assert_in_range(off + GUEST_ROUNDED_NS, 0, 2 * GUEST_ROUNDED_NS);
	if (move->marked || imaxabs(gap) > JUMP_NS + JUMP_DOUBT_NS)
		assert_int_equal(epochs, 1);
	else if (imaxabs(gap) < JUMP_NS - JUMP_DOUBT_NS)
		assert_int_equal(epochs, 0);
	assert_int_equal(guest_disrupted(vm, 0), epochs);
	assert_int_equal(after.marker_class,
			 move->marked ? PARACLOCK_MARKER_AUTHORITATIVE
				      : PARACLOCK_MARKER_HEURISTIC);
}

/* vCPU 1 sees vCPU 0's page, which is the old host's until that runs. */
static void check_other_cpu(struct guest_vm *vm)
{
	for (int i = 0; i < 20; i++) {
		struct paraclock_sample sample = guest_read(vm, 1);

		assert_int_equal(sample.valid, 0);
		/*
		 * A KVM may have written it when its MSR was restored, with
		 * TSC_STABLE clear: that reason comes first.
		 */
		if (sample.reason != PARACLOCK_REASON_UNSTABLE)
			assert_int_equal(sample.reason,
					 PARACLOCK_REASON_DISRUPTED);
		sleep_ms(5);
	}
	assert_int_equal(guest_disrupted(vm, 1), 1);
}

/* A sample from before the move is of no clock here. */
static void check_past(struct guest_vm *vm,
		       const struct paraclock_sample *before)
{
	struct guest_mailbox *mailbox = vm->cpu[0].mailbox;

	vm->cpu[0].ring[0] = *before;
	mailbox->count = 1;
	guest_do(vm, 0, GUEST_READ_AT);
	/* Where its counter went back, that value is later than now. */
	if (mailbox->ret == -EINVAL) {
		assert_true(before->host_tsc >
			    guest_host_tsc() + guest_offset(vm, 0));
		return;
	}
	assert_int_equal(mailbox->ret, 0);
	assert_int_equal(vm->cpu[0].ring[0].valid, 0);
	assert_int_equal(vm->cpu[0].ring[0].reason, PARACLOCK_REASON_WINDOW);
}

static void check_restored(struct guest_vm *vm, const struct move *move,
			   const struct paraclock_sample *before)
{
	if (move->n_cpus > 1)
		check_other_cpu(vm);
	check_first_read(vm, move, before);
	check_past(vm, before);
	for (unsigned int i = 0; i < move->n_cpus; i++)
		guest_check_agrees(vm, i);
}

static void check_move(void **state)
{
	const struct move *move = *state;
	struct paraclock_page_writer writer = { 0 };
	struct paraclock_sample before;
	struct guest_vm source, target;
	struct saved saved;

	make(&source, move, &writer);
	before = guest_read(&source, 0);
	assert_int_equal(before.valid, 1);
	save(&source, &saved);
	guest_vm_free(&source);
	sleep_ms(DOWN_MS);

	restore(&target, &saved, move);
	if (move->marked)
		guest_mark(&target, &writer, 2);
	check_restored(&target, move, &before);
	guest_vm_free(&target);
	free(saved.memory);
}

/* Two machines from one image: each has another marker. */
static void clones_are_disrupted_each(void **state)
{
	struct move move = { "", false, false, true, 1 };
	struct paraclock_page_writer writer = { 0 };
	struct paraclock_sample before;
	struct guest_vm source, target;
	struct saved saved;

	(void)state;
	make(&source, &move, &writer);
	before = guest_read(&source, 0);
	save(&source, &saved);
	guest_vm_free(&source);
	for (uint64_t i = 0; i < 3; i++) {
		sleep_ms(20);
		restore(&target, &saved, &move);
		guest_mark(&target, &writer, 2 + i);
		check_restored(&target, &move, &before);
		guest_vm_free(&target);
	}
	free(saved.memory);
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(clones_are_disrupted_each),
	};
	const char *why = guest_why_not();

	if (why) {
		printf("skipped: %s\n", why);
		return SKIP;
	}
	ADD_TESTS(others);
	ADD_ROWS(moves, check_move);
	return run_suite(NULL, NULL);
}
