// SPDX-License-Identifier: MIT
#include <paraclock/host.h>

#include "partition.h"

#define ADDRESS_MASK (~(uint64_t)0xfff)
#define NSEC_PER_SEC 1000000000ULL

const char *partition_why_not(void)
{
	struct guest_vm vm;
	const char *why = guest_vm_make(&vm, 1, true);

	if (!why)
		guest_vm_free(&vm);
	return why;
}

static uint64_t counter_of(struct partition *part)
{
	return part->env.counter(part->env.ctx);
}

static void note(struct partition *part, uint32_t what)
{
	if (part->n_used < ARRAY_LEN(part->used))
		part->used[part->n_used++] = what;
}

int partition_write_page(struct partition *part)
{
	uint64_t address = part->reference & ADDRESS_MASK;

	if (!(part->reference & REFERENCE_ON))
		return 0;
	if (address > GUEST_BYTES - GUEST_PAGE)
		return -EFAULT;
	return paraclock_hyperv_write(guest_at(&part->vm, address),
				      &part->writer, &part->env,
				      &part->timeline);
}

static int on_rdmsr(struct guest_vm *vm, uint32_t msr, uint64_t *ret_value)
{
	struct partition *part = vm->arg;

	note(part, msr);
	switch (msr) {
	case MSR_REFERENCE:
		*ret_value = part->reference;
		return 0;
	case MSR_FREQUENCY:
		*ret_value = part->hz;
		return 0;
	case MSR_CONTROL:
		*ret_value = part->control;
		return 0;
	case MSR_EMULATION:
		*ret_value = part->emulation;
		return 0;
	case MSR_STATUS:
		*ret_value = part->status;
		return 0;
	default:
		return -1;
	}
}

/*
 * From here on the guest counts with the new host's TSC. It is in the middle of
 * an MSR access, so it sees counter and page change at once; unless its page is
 * late.
 */
static int end_emulation(struct partition *part)
{
	struct guest_mailbox *mailbox = part->vm.cpu[0].mailbox;
	const struct move *move = part->move;
	uint64_t host = guest_host_tsc() + guest_offset(&part->vm, 0);
	uint64_t was = mailbox->offset + (host - mailbox->base);
	int ret = paraclock_timeline_rebase(&part->timeline, was);

	part->status = 0;
	part->l2_status =
		*(const uint8_t *)guest_at(&part->vm, GUEST_VMCLOCK + 34);
	mailbox->base = host;
	mailbox->offset = was + (uint64_t)move->offset;
	mailbox->mult = move->mult;
	/* L2's counter is that of L1, and as far ahead as before. */
	if (part->vm.n_cpus > 1) {
		part->vm.cpu[1].mailbox->base = host;
		part->vm.cpu[1].mailbox->offset =
			mailbox->offset + GUEST_L2_TICKS;
		part->vm.cpu[1].mailbox->mult = mailbox->mult;
	}
	part->timeline.base_tsc = mailbox->offset;
	if (!ret)
		ret = paraclock_timeline_set_hz(&part->timeline, part->hz, 0);
	return ret || move->page_is_late ? ret : partition_write_page(part);
}

static int on_wrmsr(struct guest_vm *vm, uint32_t msr, uint64_t value)
{
	struct partition *part = vm->arg;

	note(part, msr | MSR_WRITTEN);
	switch (msr) {
	case MSR_REFERENCE:
		part->reference = value;
		return partition_write_page(part);
	case MSR_CONTROL:
		part->control = value;
		return 0;
	case MSR_EMULATION:
		part->emulation = value;
		return 0;
	case MSR_STATUS:
		if (part->status && !(value & 1))
			return end_emulation(part);
		part->status = value;
		return 0;
	default:
		return -1;
	}
}

void partition_make(struct partition *part, unsigned int n_cpus)
{
	const char *why;
	int khz;

	*part = (struct partition){ 0 };
	why = guest_vm_make(&part->vm, n_cpus, true);
	if (why)
		fail_msg("%s", why);
	part->vm.on_rdmsr = on_rdmsr;
	part->vm.on_wrmsr = on_wrmsr;
	part->vm.arg = part;
	part->env = guest_writer_env(&part->vm);
	khz = ioctl(part->vm.cpu[0].fd, KVM_GET_TSC_KHZ, 0);
	assert_true(khz > 0);
	part->hz = (uint64_t)khz * 1000;
	part->timeline = (struct paraclock_timeline){
		.size = sizeof(part->timeline),
		.base_tsc = counter_of(part),
		.base_sec = 1000,
		.timescale = PARACLOCK_TIMESCALE_MONOTONIC,
		.counter = PARACLOCK_COUNTER_X86_TSC,
		.status = PARACLOCK_STATUS_FREERUNNING,
	};
	assert_int_equal(
		paraclock_timeline_set_hz(&part->timeline, part->hz, 0), 0);
	assert_int_equal(
		paraclock_page_writer_acquire(&part->writer, &part->env), 0);
	part->vm.cpu[0].mailbox->hyperv = GUEST_HYPERV;
	part->vm.cpu[0].mailbox->physical = 1;
	part->vm.cpu[0].mailbox->rate = (NSEC_PER_SEC << 32) / part->hz;
}

void partition_free(struct partition *part)
{
	assert_int_equal(
		paraclock_page_writer_release(&part->writer, &part->env), 0);
	guest_vm_free(&part->vm);
}

void partition_move(struct partition *part, const struct move *move)
{
	const struct kvm_interrupt interrupt = { .irq = GUEST_VECTOR };

	part->move = move;
	part->status = 1;
	part->hz = part->hz * (move->mult >> 4) >> 28;
	part->n_used = 0;
	if (!move->interrupt_is_lost)
		assert_int_equal(ioctl(part->vm.cpu[0].fd, KVM_INTERRUPT,
				       &interrupt),
				 0);
}

int64_t partition_off(const struct paraclock_timeline *timeline,
		      const struct paraclock_sample *sample, uint64_t ticks)
{
	int64_t ns;

	assert_int_equal(paraclock_timeline_ns(timeline,
					       sample->host_tsc - ticks, &ns),
			 0);
	return sample->host_ns - ns;
}
