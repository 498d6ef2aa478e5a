// SPDX-License-Identifier: MIT
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <asm/prctl.h>
#include <cpuid.h>
#include <libcpuid/libcpuid.h>
#endif

#include "base/counter.h"
#include "base/cpu_cache.h"
#include "base/fixed.h"
#include "base/frequency.h"
#include "detect.h"
#include "identify.h"

/* Long enough for 4 ppm if both ends are known to 20 ns; and for 40 ppm, enough
 * to see that a stated frequency is wrong. */
#define MEASURE_NS 10000000
#define CHECK_NS   1000000

/* How often to yield to a thread that is setting up libcpuid. */
#define SILENCE_TRIES 1000

#if defined(__x86_64__)

/*
 * Does CPUID fault in this thread? A thread can switch that on for itself at
 * any time, so each call asks; unless the CPU or the kernel has no such fault
 * at all. Allowing CPUID where it is allowed already tells.
 */
static bool is_forbidden(void)
{
	static int cannot_fault; /* 1: this machine has no such fault */

	if (__atomic_load_n(&cannot_fault, __ATOMIC_RELAXED))
		return false;
	/* An old kernel fails this call. */
	if (syscall(SYS_arch_prctl, ARCH_GET_CPUID, 0) == 0)
		return true;
	if (syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1))
		__atomic_store_n(&cannot_fault, 1, __ATOMIC_RELAXED);
	return false;
}

int pclk_detect_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t ret_regs[4])
{
	if (is_forbidden())
		return -EACCES;
	__cpuid_count(leaf, subleaf, ret_regs[0], ret_regs[1], ret_regs[2],
		      ret_regs[3]);
	return 0;
}

static void be_quiet(const char *message)
{
	(void)message;
}

/*
 * A library must not print, and neither must what it calls. This is done once
 * for the process and for good: libcpuid keeps the function in a plain
 * variable, so restoring the old one would race with other users.
 */
static void silence_libcpuid(void)
{
	static int state; /* 0: unchanged; 1: being set; 2: set */
	int was = 0;

	if (__atomic_compare_exchange_n(&state, &was, 1, false,
					__ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
		(void)cpuid_set_warn_function(be_quiet);
		__atomic_store_n(&state, 2, __ATOMIC_RELEASE);
		return;
	}
	/* Another thread is about to make one store. Bounded, because in a
	 * child that was forked at that moment there is no such thread. */
	for (unsigned int i = 0; i < SILENCE_TRIES; i++) {
		if (__atomic_load_n(&state, __ATOMIC_ACQUIRE) == 2)
			return;
		sched_yield();
	}
}

/* One leaf of the env, for libcpuid's struct. */
static bool ask_leaf(const struct paraclock_env *env, uint32_t leaf,
		     uint32_t ret_regs[4])
{
	return !env->cpuid(env->ctx, leaf, 0, ret_regs);
}

/* Invariance, as libcpuid decodes it from the three leaves that matter. By
 * itself it would run CPUID a hundred times. */
static void ask_libcpuid(const struct paraclock_env *env,
			 struct paraclock_machine *machine)
{
	struct cpu_raw_data_t raw;
	struct cpu_id_t id;

	memset(&raw, 0, sizeof(raw));
	silence_libcpuid();
	if (ask_leaf(env, 0, raw.basic_cpuid[0]) &&
	    ask_leaf(env, 0x80000000, raw.ext_cpuid[0]) &&
	    raw.ext_cpuid[0][0] >= 0x80000007 &&
	    ask_leaf(env, 0x80000007, raw.ext_cpuid[7]) &&
	    !cpu_identify(&raw, &id))
		machine->invariant = id.flags[CPU_FEATURE_CONSTANT_TSC] != 0;
}

/* CPUID 0x15: Hz = ECX * EBX / EAX; 0x40000010: kHz, a convention of VMware
 * that QEMU follows. */
static uint64_t stated_hz(const struct paraclock_env *env)
{
	uint32_t regs[4];

	if (!env->cpuid(env->ctx, 0, 0, regs) && regs[0] >= 0x15 &&
	    !env->cpuid(env->ctx, 0x15, 0, regs) && regs[0] && regs[1] &&
	    regs[2])
		return (uint64_t)regs[2] * regs[1] / regs[0];
	if (!env->cpuid(env->ctx, 1, 0, regs) && regs[2] >> 31 &&
	    !env->cpuid(env->ctx, 0x40000000, 0, regs) &&
	    regs[0] >= 0x40000010 && regs[0] < 0x40000100 &&
	    !env->cpuid(env->ctx, 0x40000010, 0, regs))
		return (uint64_t)regs[0] * 1000;
	return 0;
}

static void ask_cpu(const struct paraclock_env *env,
		    struct paraclock_machine *machine)
{
	uint32_t regs[4];

	if (!env->cpuid || env->cpuid(env->ctx, 0, 0, regs))
		return;
	ask_libcpuid(env, machine);
	machine->counter_hz = stated_hz(env);
}

#else

int pclk_detect_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t ret_regs[4])
{
	(void)leaf;
	(void)subleaf;
	(void)ret_regs;
	return -EOPNOTSUPP;
}

/* The architecture has a register for the virtual counter's rate. */
static void ask_cpu(const struct paraclock_env *env,
		    struct paraclock_machine *machine)
{
	uint64_t hz;

	(void)env;
	__asm__ __volatile__("mrs %0, cntfrq_el0" : "=r"(hz));
	machine->counter_hz = hz;
}

#endif

/* Wait for at least that long. */
static void wait_ns(long ns)
{
	struct timespec wait = { .tv_nsec = ns };

	while (nanosleep(&wait, &wait) && errno == EINTR)
		;
}

/*
 * Measured from where the first measurement began, there is no need to wait. If
 * the machine was moved or suspended since, the result is a mixture and differs
 * from the first one: then it is dropped.
 */
static bool look_again(const struct cpu_cache *cache,
		       struct frequency *frequency,
		       struct paraclock_machine *machine)
{
	const struct paraclock_machine was = *machine;
	const struct point from = frequency->from;
	uint64_t apart;

	frequency->from = cache->from;
	pclk_frequency_end(frequency, machine);
	apart = machine->measured_hz > cache->hz
			? machine->measured_hz - cache->hz
			: cache->hz - machine->measured_hz;
	if (machine->measured_hz &&
	    apart <= machine->measured_error_hz + cache->error_hz)
		return true;
	frequency->from = from;
	*machine = was;
	return false;
}

/* A stated frequency is compared with the clock; without one the clock
 * decides. */
static void ask_clock(const struct paraclock_env *env,
		      struct paraclock_machine *machine)
{
	struct cpu_cache *cache = cpu_cache_of(env);
	struct frequency frequency;

	if ((env->check_counter && env->check_counter(env->ctx)) ||
	    pclk_frequency_begin(&frequency, env))
		return;
	if (cache && cpu_slot_is_filled(env, &cache->hz_slot) &&
	    look_again(cache, &frequency, machine))
		return;
	wait_ns(machine->counter_hz ? CHECK_NS : MEASURE_NS);
	pclk_frequency_end(&frequency, machine);
	if (machine->measured_hz && cache &&
	    cpu_slot_claim(env, &cache->hz_slot)) {
		cache->from = frequency.from;
		cache->hz = machine->measured_hz;
		cache->error_hz = machine->measured_error_hz;
		cpu_slot_publish(&cache->hz_slot);
	}
}

static uint8_t find_device(const struct paraclock_env *env,
			   const char *acpi_hid, const char *compatible)
{
	int ret = env->find_device
			  ? env->find_device(env->ctx, acpi_hid, compatible)
			  : -EOPNOTSUPP;

	return ret < 0 ? PARACLOCK_FIRMWARE_UNKNOWN : (uint8_t)ret;
}

void pclk_detect_machine(const struct paraclock_env *env,
			 struct paraclock_machine *ret_machine)
{
	struct paraclock_machine machine = {
		.size = sizeof(machine),
		.counter = env->counter_id,
	};
	uint8_t kind;

	/* The architecture makes the virtual counter invariant. */
	machine.invariant = env->counter_id == PARACLOCK_COUNTER_ARM_VCNT;
	ask_cpu(env, &machine);
	machine.stated_hz = machine.counter_hz;
	/* Left empty if it is unknown. */
	if (env->clocksource)
		(void)env->clocksource(env->ctx, machine.clocksource, &kind);
	machine.vmclock = find_device(env, "AMZNC10C", "amazon,vmclock");
	machine.vmgenid = find_device(env, "VMGENCTR", "microsoft,vmgenid");
	pclk_identify(env, &machine);
	ask_clock(env, &machine);
	*ret_machine = machine;
}
