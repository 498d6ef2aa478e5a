/* SPDX-License-Identifier: MIT */
/* Shared by the tests with guests, on top of cmocka. */
#ifndef GUEST_TEST_H
#define GUEST_TEST_H

#include <inttypes.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>

#include <paraclock/host.h>

#include "../shared/rows.h"
#include "guest_vm.h"

/* KVM rounds its own answer down, and so does the guest. */
#define GUEST_ROUNDED_NS 2

static inline void sleep_ms(long ms)
{
	const struct timespec pause = { .tv_sec = ms / 1000,
					.tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&pause, NULL);
}

/*
 * Is such a VM possible here? NULL, or why not: then the program exits with 77.
 */
const char *guest_why_not(void);

/* A vCPU's TSC less this machine's. */
uint64_t guest_offset(const struct guest_vm *vm, unsigned int cpu);

/*
 * For writers of the guest's pages: its counter is that of vCPU 0's env. The VM
 * must not be moved.
 */
struct paraclock_env guest_writer_env(struct guest_vm *vm);

/* Have a vCPU obey; a hang ends the test, not the run. */
struct guest_mailbox *guest_do(struct guest_vm *vm, unsigned int cpu,
			       enum guest_command command);

/* Open a backend there; a failure to open fails the test. */
void guest_open(struct guest_vm *vm, unsigned int cpu, const char *backend);

/* One read, which must give a sample. */
struct paraclock_sample guest_read(struct guest_vm *vm, unsigned int cpu);

/* Was there a disruption since the last call of this? */
int guest_disrupted(struct guest_vm *vm, unsigned int cpu);

/* KVM's value of its guest's clock, at one value of the TSC. */
struct kvm_clock_data guest_kvm_clock(const struct guest_vm *vm);

/* Set it, as of now: it goes on by what has passed since .realtime. */
void guest_set_kvm_clock(const struct guest_vm *vm,
			 const struct kvm_clock_data *clock, int64_t ahead_ns);

/*
 * Have a vCPU watch its clock in ring 3 while another thread calls update() for
 * i from 0 on, until that is not 0, ms have passed, or the ring is full. It
 * waits for the vCPU to get on meanwhile, for longer than ms if need be.
 * Returns the number of updates.
 */
uint64_t guest_watch_while(struct guest_vm *vm, unsigned int cpu, long ms,
			   int (*update)(void *arg, uint64_t i), void *arg);

/* Publish a vmclock without a time, with this marker. */
void guest_mark(struct guest_vm *vm, struct paraclock_page_writer *writer,
		uint64_t marker);

/* The vCPU's env shows the pvclock page of a vCPU; by_msr: its own page. */
void guest_use_pvclock(struct guest_vm *vm, unsigned int cpu,
		       unsigned int page_of, bool by_msr);

/* ns per tick in 2^-32, by KVM's page for vCPU 0. */
uint64_t guest_rate(const struct guest_vm *vm);

/* KVM's clock at a value of this machine's TSC, past or future. */
int64_t guest_kvm_conversion(const struct guest_vm *vm,
			     const struct kvm_clock_data *clock,
			     uint64_t host_tsc);

/*
 * The largest difference between the guest's handle and KVM, ns, at count
 * values of the counter. Each of the samples must be valid.
 */
int64_t guest_worst_off(struct guest_vm *vm, unsigned int cpu,
			unsigned int count);

/* A few such, none of which differs by more than rounding. */
void guest_check_agrees(struct guest_vm *vm, unsigned int cpu);

#endif
