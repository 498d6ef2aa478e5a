// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>

#include <paraclock/host.h>

#include "guest_test.h"

/*
 * The vCPU must read at least this often between two updates: both may share
 * one CPU.
 */
#define TURNS 16

/* Questions in one command. */
#define BATCH 1000

#define CLOCK_FLAGS \
	(KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC)

const char *guest_why_not(void)
{
	struct kvm_clock_data clock = { 0 };
	struct guest_vm vm;
	const char *why = guest_vm_make(&vm, 1, false);

	if (why)
		return why;
	if (ioctl(vm.fd, KVM_GET_CLOCK, &clock) ||
	    (clock.flags & CLOCK_FLAGS) != CLOCK_FLAGS)
		why = "KVM_GET_CLOCK gives no pair: this machine's "
		      "clocksource is not tsc";
	guest_vm_free(&vm);
	return why;
}

uint64_t guest_offset(const struct guest_vm *vm, unsigned int cpu)
{
	uint64_t offset;

	assert_int_equal(guest_get_offset(vm, cpu, &offset), 0);
	return offset;
}

/* As the guest's env counts. */
static uint64_t counter_of_guest(void *ctx)
{
	const struct guest_vm *vm = ctx;
	const struct guest_mailbox *mailbox = vm->cpu[0].mailbox;
	uint64_t tsc = guest_host_tsc() + vm->offset;
	__extension__ unsigned __int128 product = tsc - mailbox->base;

	product *= mailbox->mult;
	return mailbox->mult ? mailbox->offset + (uint64_t)(product >> 32)
			     : tsc;
}

struct paraclock_env guest_writer_env(struct guest_vm *vm)
{
	struct paraclock_env env = *paraclock_default_env();

	vm->offset = guest_offset(vm, 0);
	/* Linux's env has none of its own. */
	env.ctx = vm;
	env.counter = counter_of_guest;
	return env;
}

struct guest_mailbox *guest_do(struct guest_vm *vm, unsigned int cpu,
			       enum guest_command command)
{
	int ret = guest_call(vm, cpu, command);

	/* It has run before, so a hang now is our fault. */
	if (ret == -ETIMEDOUT)
		fail_msg("vCPU %u hangs", cpu);
	assert_int_equal(ret, 0);
	return vm->cpu[cpu].mailbox;
}

void guest_open(struct guest_vm *vm, unsigned int cpu, const char *backend)
{
	struct guest_mailbox *mailbox = vm->cpu[cpu].mailbox;

	snprintf(mailbox->backend, sizeof(mailbox->backend), "%s", backend);
	guest_do(vm, cpu, GUEST_OPEN);
	if (mailbox->ret)
		fail_msg("%s: %d: %s", backend, mailbox->ret, mailbox->detail);
}

struct paraclock_sample guest_read(struct guest_vm *vm, unsigned int cpu)
{
	struct guest_mailbox *mailbox = vm->cpu[cpu].mailbox;

	mailbox->count = 1;
	guest_do(vm, cpu, GUEST_READ);
	assert_int_equal(mailbox->ret, 0);
	assert_int_equal(mailbox->done, 1);
	return vm->cpu[cpu].ring[0];
}

int guest_disrupted(struct guest_vm *vm, unsigned int cpu)
{
	return guest_do(vm, cpu, GUEST_DISRUPTED)->ret;
}

struct kvm_clock_data guest_kvm_clock(const struct guest_vm *vm)
{
	struct kvm_clock_data clock = { 0 };

	assert_int_equal(ioctl(vm->fd, KVM_GET_CLOCK, &clock), 0);
	assert_int_equal(clock.flags & CLOCK_FLAGS, CLOCK_FLAGS);
	return clock;
}

void guest_set_kvm_clock(const struct guest_vm *vm,
			 const struct kvm_clock_data *clock, int64_t ahead_ns)
{
	const struct kvm_clock_data set = {
		.clock = clock->clock + (uint64_t)ahead_ns,
		.flags = KVM_CLOCK_REALTIME,
		.realtime = clock->realtime,
	};

	assert_int_equal(ioctl(vm->fd, KVM_SET_CLOCK, &set), 0);
}

struct updates {
	struct guest_mailbox *mailbox;
	long ms;
	int (*update)(void *arg, uint64_t i);
	void *arg;
	uint64_t n;
	int ret; /* the last sample's */
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is_over(const struct updates *up)
{
	return __atomic_load_n(&up->mailbox->stop, __ATOMIC_RELAXED);
}

/*
 * Until the vCPU has begun and ended so many reads from now on, however long
 * that takes.
 */
static void wait_for_reads(const struct updates *up, uint64_t reads)
{
	const uint64_t *count = &up->mailbox->count;
	uint64_t until = __atomic_load_n(count, __ATOMIC_RELAXED) + reads;

	while (__atomic_load_n(count, __ATOMIC_RELAXED) < until && !is_over(up))
		sched_yield();
}

static void *make_updates(void *arg)
{
	struct updates *up = arg;
	const int64_t end = now_ms() + up->ms;
	uint64_t count = 0, now, turns = 0;

	wait_for_reads(up, 1);
	do {
		up->ret = up->update(up->arg, up->n);
		if (up->ret)
			break;
		up->n++;
		now = __atomic_load_n(&up->mailbox->count, __ATOMIC_RELAXED);
		turns += now != count;
		count = now;
	} while ((now_ms() < end || turns < TURNS) && !is_over(up));
	wait_for_reads(up, 2);
	__atomic_store_n(&up->mailbox->stop, 1, __ATOMIC_RELAXED);
	return NULL;
}

uint64_t guest_watch_while(struct guest_vm *vm, unsigned int cpu, long ms,
			   int (*update)(void *arg, uint64_t i), void *arg)
{
	struct updates up = {
		.mailbox = vm->cpu[cpu].mailbox,
		.ms = ms,
		.update = update,
		.arg = arg,
	};
	pthread_t thread;
	int ret;

	up.mailbox->stop = 0;
	up.mailbox->count = 0;
	assert_int_equal(guest_set_ring(vm, cpu, 3), 0);
	assert_int_equal(pthread_create(&thread, NULL, make_updates, &up), 0);
	ret = guest_call(vm, cpu, GUEST_WATCH);
	/* Its ring may have been full. */
	__atomic_store_n(&up.mailbox->stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_int_equal(ret, 0);
	assert_int_equal(up.mailbox->ret, 0);
	/* 1: all the work is done. */
	assert_in_range(up.ret, 0, 1);
	assert_true(up.n > 0);
	assert_true(up.mailbox->done > 0);
	return up.n;
}

void guest_mark(struct guest_vm *vm, struct paraclock_page_writer *writer,
		uint64_t marker)
{
	const struct paraclock_timeline tl = {
		.size = sizeof(tl),
		.marker = marker,
		.timescale = PARACLOCK_TIMESCALE_UTC,
		.leap = PARACLOCK_LEAP_NONE,
	};
	int ret = paraclock_page_writer_acquire(writer, NULL);

	/* This process may have it already. */
	assert_true(!ret || ret == -EBUSY);
	assert_int_equal(paraclock_vmclock_write(guest_at(vm, GUEST_VMCLOCK),
						 writer, NULL, &tl),
			 0);
}

void guest_use_pvclock(struct guest_vm *vm, unsigned int cpu,
		       unsigned int page_of, bool by_msr)
{
	struct guest_mailbox *mailbox = vm->cpu[cpu].mailbox;

	mailbox->pvclock = GUEST_PVCLOCK(page_of);
	mailbox->physical = by_msr;
}

uint64_t guest_rate(const struct guest_vm *vm)
{
	const unsigned char *page = guest_at(vm, GUEST_PVCLOCK(0));
	int shift = (signed char)page[28];
	uint32_t mul;

	memcpy(&mul, page + 24, sizeof(mul));
	return shift < 0 ? mul >> -shift : (uint64_t)mul << shift;
}

int64_t guest_kvm_conversion(const struct guest_vm *vm,
			     const struct kvm_clock_data *clock,
			     uint64_t host_tsc)
{
	__extension__ __int128 ns = (int64_t)(host_tsc - clock->host_tsc);

	ns *= (int64_t)guest_rate(vm);
	return (int64_t)clock->clock + (int64_t)(ns >> 32);
}

static int64_t worst_of_batch(struct guest_vm *vm, unsigned int cpu,
			      unsigned int count)
{
	static uint64_t clock[BATCH];
	struct guest_mailbox *mailbox = vm->cpu[cpu].mailbox;
	struct paraclock_sample *ring = vm->cpu[cpu].ring;
	uint64_t offset = guest_offset(vm, cpu);
	int64_t worst = 0;

	for (unsigned int i = 0; i < count; i++) {
		struct kvm_clock_data now = guest_kvm_clock(vm);

		clock[i] = now.clock;
		ring[i].host_tsc = now.host_tsc + offset;
	}
	mailbox->count = count;
	guest_do(vm, cpu, GUEST_READ_AT);
	assert_int_equal(mailbox->ret, 0);
	assert_int_equal(mailbox->done, count);
	for (unsigned int i = 0; i < count; i++) {
		int64_t off = ring[i].host_ns - (int64_t)clock[i];

		assert_int_equal(ring[i].reason, PARACLOCK_REASON_OK);
		assert_int_equal(ring[i].valid, 1);
		if (imaxabs(off) > imaxabs(worst))
			worst = off;
	}
	return worst;
}

int64_t guest_worst_off(struct guest_vm *vm, unsigned int cpu,
			unsigned int count)
{
	int64_t worst = 0;

	while (count) {
		unsigned int n = count < BATCH ? count : BATCH;
		int64_t off = worst_of_batch(vm, cpu, n);

		if (imaxabs(off) > imaxabs(worst))
			worst = off;
		count -= n;
	}
	return worst;
}

void guest_check_agrees(struct guest_vm *vm, unsigned int cpu)
{
	int64_t worst = guest_worst_off(vm, cpu, 20);

	if (imaxabs(worst) > GUEST_ROUNDED_NS)
		fail_msg("vCPU %u is %" PRId64 " ns from KVM_GET_CLOCK", cpu,
			 worst);
}
