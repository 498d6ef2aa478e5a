// SPDX-License-Identifier: MIT
/* The guest kernel's clocks: RAW runs by a clocksource, the others by RAW. */

#include <errno.h>

#include "world.h"

/* REALTIME and TAI, the sum with RAW and an offset, then fit 64 bits. */
#define REAL_MAX (1LL << 62)

static uint8_t kind_of(const char *source)
{
	if (strcmp(source, "tsc") == 0)
		return PARACLOCK_CLOCKSOURCE_COUNTER;
	if (strcmp(source, "kvm-clock") == 0 || strcmp(source, "xen") == 0 ||
	    strcmp(source, "hyperv_clocksource_tsc_page") == 0)
		return PARACLOCK_CLOCKSOURCE_IMAGE;
	return PARACLOCK_CLOCKSOURCE_OTHER;
}

static u128 raw_now(const struct paraclock_sim_vm *vm)
{
	const struct sim_kernel *kernel = &vm->kernel;
	uint64_t now = pclk_sim_instant(vm->sim);
	uint64_t tsc;

	switch (kernel->kind) {
	case PARACLOCK_CLOCKSOURCE_COUNTER:
		tsc = (uint64_t)(pclk_sim_vm_tsc(vm, now) >> 64);
		/* Linux's clock stands still while the TSC is behind. */
		return pclk_sim_clock_at(&kernel->raw,
					 tsc > kernel->from ? tsc - kernel->from
							    : 0);
	case PARACLOCK_CLOCKSOURCE_IMAGE:
		return pclk_sim_vm_mono(vm, now) + (u128)kernel->over_mono;
	default:
		return kernel->raw.at +
		       pclk_sim_span(vm->sim, now - kernel->from);
	}
}

static void switch_source(struct paraclock_sim_vm *vm, const char *source,
			  u128 raw)
{
	struct sim_kernel *kernel = &vm->kernel;
	uint64_t now = pclk_sim_instant(vm->sim);

	memset(kernel->source, 0, sizeof(kernel->source));
	memcpy(kernel->source, source, strlen(source));
	kernel->kind = kind_of(source);
	kernel->from = now;
	if (kernel->kind == PARACLOCK_CLOCKSOURCE_COUNTER)
		kernel->from = (uint64_t)(pclk_sim_vm_tsc(vm, now) >> 64);
	kernel->over_mono = (s128)(raw - pclk_sim_vm_mono(vm, now));
	kernel->raw = (struct sim_clock){ .at = raw, .hz = pclk_sim_vm_hz(vm) };
}

void pclk_sim_kernel_start(struct paraclock_sim_vm *vm, const char *source)
{
	const struct paraclock_sim_host *real = pclk_sim_real_host(vm->host);
	u128 tai = pclk_sim_host_tai(real, pclk_sim_instant(vm->sim));

	switch_source(vm, source, 0);
	vm->kernel.real_ns = (int64_t)(sim_to_utc(&real->utc, tai) >> 64);
}

int pclk_sim_kernel_ns(const struct paraclock_sim_vm *vm, unsigned int clock,
		       int64_t *ret_ns)
{
	const struct paraclock_sim_host *real = pclk_sim_real_host(vm->host);
	int64_t ns = (int64_t)(raw_now(vm) >> 64);

	if (clock > PARACLOCK_CLOCK_TAI)
		return -EINVAL;
	if (clock == PARACLOCK_CLOCK_REALTIME || clock == PARACLOCK_CLOCK_TAI)
		ns += vm->kernel.real_ns;
	if (clock == PARACLOCK_CLOCK_TAI)
		ns += (int64_t)real->utc.offset_sec * NSEC_PER_SEC;
	*ret_ns = ns;
	return 0;
}

int paraclock_sim_guest_step(struct paraclock_sim_vm *vm, int64_t ns)
{
	int64_t real_ns;
	int ret = -ERANGE;

	if (!vm)
		return -EINVAL;
	pclk_sim_lock(vm->sim);
	if (!__builtin_add_overflow(vm->kernel.real_ns, ns, &real_ns) &&
	    real_ns < REAL_MAX && real_ns > -REAL_MAX) {
		vm->kernel.real_ns = real_ns;
		vm->kernel.sets++;
		ret = 0;
	}
	pclk_sim_unlock(vm->sim);
	return ret;
}

int paraclock_sim_guest_clocksource(struct paraclock_sim_vm *vm,
				    const char *name)
{
	if (!vm || !name || strlen(name) >= sizeof(vm->kernel.source))
		return -EINVAL;
	pclk_sim_lock(vm->sim);
	switch_source(vm, name, raw_now(vm));
	pclk_sim_unlock(vm->sim);
	return 0;
}
